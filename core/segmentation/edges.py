"""Canny's edges, closed and filled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.contracts.forecast import Artifact
from core.contracts.segmenter import Choice, SegmenterSpec
from core.segmentation._cleaning import filled
from core.segmentation._options import with_defaults
from core.segmentation._projections import is_flat, otsu, pooled_pixels, project, projections
from core.segmentation._rule_segmenter import RuleSegmenter, Setting
from core.segmentation._training_sample import Array, Mask, TrainingSample

SMOOTHING = (1.0, 2.0, 3.0)
STRONG = (0.8, 0.9)
"""Share of the pixels whose gradient is below that of a strong edge; weak edges reach down to half-way to 0."""
CLOSING = (1, 3, 6)


def settings(sample: TrainingSample, region: int, seed: int) -> Sequence[Setting]:
    """Projections, smoothing, strength of an edge, gap that is closed, whether the picture's border closes bright parts, and how
    bright a surrounded part must be: as the picture's mean, or as Otsu's threshold of all training pictures."""
    found: list[Setting] = []
    for weights in projections(sample, region)[:2]:
        fixed = otsu(pooled_pixels(sample, weights, 1.0, seed), 3, 1)
        found += [
            {"weights": list(weights), "sigma": sigma, "strong": strong, "closing": closing, "border": border, "least": least}
            for sigma in SMOOTHING
            for strong in STRONG
            for closing in CLOSING
            for border in (False, True)
            for least in ((None, fixed) if np.isfinite(fixed) else (None,))
        ]
    return found


def outline(image: Array, setting: Setting) -> Mask:
    """What closed edges surround, where it is brighter than the picture; in a volume slice by slice."""
    grey = project(image, setting["weights"])
    if grey.ndim == 2:
        return _plane(grey, setting)
    return np.stack([_plane(plane, setting) for plane in grey])


def _plane(grey: Array, setting: Setting) -> Mask:
    from skimage.feature import canny

    if is_flat(grey):
        return np.zeros(grey.shape, dtype=bool)
    strong = setting["strong"]
    edges = canny(grey, setting["sigma"], low_threshold=strong / 2, high_threshold=strong, use_quantiles=True, mode="nearest")
    if setting["border"]:
        edges = edges | (_frame(grey.shape) & (grey >= otsu(grey)))
    surrounded = filled(_closed(edges, setting["closing"]))
    return _bright_parts(_without_lines(surrounded), grey, grey.mean() if setting["least"] is None else setting["least"])


def _closed(edges: Mask, gap: int) -> Mask:
    """Dilated and eroded by a disc; padded, so that the border does not erode."""
    disc = _disc(gap)
    wide = np.pad(edges, gap)
    return np.asarray(ndimage.binary_closing(wide, disc))[gap:-gap, gap:-gap]


def _without_lines(mask: Mask) -> Mask:
    """Edges that surround nothing go."""
    return np.asarray(ndimage.binary_opening(np.pad(mask, 2, mode="edge"), _disc(2)))[2:-2, 2:-2]


def _bright_parts(mask: Mask, grey: Array, least: float) -> Mask:
    """Parts whose mean is above that level."""
    labels, count = ndimage.label(mask)
    means = np.bincount(labels.ravel(), grey.ravel(), count + 1) / np.maximum(np.bincount(labels.ravel(), minlength=count + 1), 1)
    bright = means > least
    bright[0] = False
    return np.asarray(bright[labels])


def _disc(radius: int) -> NDArray[np.bool_]:
    away = np.arange(-radius, radius + 1)
    return np.asarray(away[:, np.newaxis] ** 2 + away**2 <= radius**2 + 0.5 * radius)


def _frame(shape: tuple[int, ...]) -> Mask:
    frame = np.ones(shape, dtype=bool)
    frame[1:-1, 1:-1] = False
    return frame


def make(options: Mapping[str, Any]) -> RuleSegmenter:
    """A fresh one."""
    with_defaults("canny", options, {})
    return RuleSegmenter("canny", settings, outline)


def restore(artifact: Artifact) -> RuleSegmenter:
    """The one that was exported."""
    return make({}).restored(artifact)


PLUGINS = (
    SegmenterSpec(
        name="canny",
        label="Canny edges, closed and filled",
        family="classical",
        make=make,
        description="Finds edges, closes their gaps and fills what they surround; strength, gap and clean-up are learned.",
        reference="Canny, IEEE TPAMI 1986, 10.1109/TPAMI.1986.4767851",
        dims=(2, 3),
        choice=Choice(
            complexity="Three numbers: smoothing, strength, gap.",
            published="No agreed score on these data sets; edges of hair and vessels mislead it.",
            community="In every imaging library; the standard edge detector.",
        ),
        restore=restore,
    ),
)

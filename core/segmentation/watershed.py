"""Watershed from markers: the picture's gradient is flooded from what is surely inside and surely outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from core.contracts.forecast import Artifact
from core.contracts.segmenter import Choice, SegmenterSpec
from core.segmentation._options import with_defaults
from core.segmentation._projections import is_flat, otsu, pooled_pixels, project, projections
from core.segmentation._rule_segmenter import RuleSegmenter, Setting
from core.segmentation._training_sample import Array, Mask, TrainingSample

SMOOTHING = (1.0, 2.0)
MARKERS = ((0.3, 0.0), (0.3, 0.4), (0.6, 0.0), (0.6, 0.4), (0.1, 0.1))
"""How far markers keep from Otsu's threshold: inside as a share of the way to the brightest, outside to the darkest."""
LEVELS = ((2, 0), (3, 1))
ENDS = (2, 98)


def settings(sample: TrainingSample, region: int, seed: int) -> Sequence[Setting]:
    """Projections, smoothing of the gradient, and where markers lie; ends of the picture itself or of all of them."""
    found: list[Setting] = []
    for weights in projections(sample, region)[:3]:
        pooled = pooled_pixels(sample, weights, SMOOTHING[0], seed)
        for classes, level in LEVELS:
            fixed = _ends(pooled, classes, level)
            for ends in (None, list(fixed)) if np.isfinite(fixed).all() else (None,):
                found += [
                    {"weights": list(weights), "sigma": sigma, "inside": inside, "outside": outside, "ends": ends,
                     "classes": classes, "level": level}
                    for sigma in SMOOTHING
                    for inside, outside in MARKERS
                ]  # fmt: skip
    return found


def outline(image: Array, setting: Setting) -> Mask:
    """The basin of the inner markers; nothing where there are none."""
    from skimage.segmentation import watershed

    grey = project(image, setting["weights"], setting["sigma"])
    low, middle, high = setting["ends"] or _ends(grey, setting["classes"], setting["level"])
    inside = grey >= middle + setting["inside"] * (high - middle)
    outside = grey <= middle - setting["outside"] * (middle - low)
    if is_flat(grey) or not np.isfinite(middle) or not inside.any():
        return np.zeros(grey.shape, dtype=bool)
    slope = ndimage.gaussian_gradient_magnitude(
        project(image, setting["weights"]), setting["sigma"], mode="nearest", truncate=3.0
    )
    markers = inside.astype(np.int32) + 2 * (outside & ~inside).astype(np.int32)
    return np.asarray(watershed(slope, markers) == 1)


def _ends(grey: Array, classes: int, level: int) -> tuple[float, float, float]:
    """Darkest, threshold and brightest."""
    low, high = np.percentile(grey, ENDS)
    return float(low), otsu(grey, classes, level), float(high)


def make(options: Mapping[str, Any]) -> RuleSegmenter:
    """A fresh one."""
    with_defaults("watershed", options, {})
    return RuleSegmenter("watershed", settings, outline)


def restore(artifact: Artifact) -> RuleSegmenter:
    """The one that was exported."""
    return make({}).restored(artifact)


PLUGINS = (
    SegmenterSpec(
        name="watershed",
        label="Watershed",
        family="classical",
        make=make,
        description="Floods the gradient from bright and dark markers; projection, markers and clean-up are learned.",
        reference="Vincent & Soille, IEEE TPAMI 1991, 10.1109/34.87344",
        dims=(2, 3),
        choice=Choice(
            complexity="Two marker levels and a gradient; sorts pixels once.",
            published="Widely used on cells and nodules; no agreed score on these data sets.",
            community="scikit-image, OpenCV, ITK and CellProfiler.",
        ),
        restore=restore,
    ),
)

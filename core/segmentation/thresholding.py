"""Otsu's threshold: pixels brighter than what separates the histogram best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.contracts.forecast import Artifact
from core.contracts.segmenter import Choice, SegmenterSpec
from core.segmentation._options import with_defaults
from core.segmentation._projections import otsu, pooled_pixels, project, projections
from core.segmentation._rule_segmenter import RuleSegmenter, Setting
from core.segmentation._training_sample import Array, Mask, TrainingSample

LEVELS = ((2, 0), (3, 0), (3, 1), (4, 2))
"""Classes of the histogram, and which of the thresholds between them counts."""
SMOOTHING = (0.0, 2.0)


def settings(sample: TrainingSample, region: int, seed: int) -> Sequence[Setting]:
    """Every projection, smoothed or not, with thresholds of the picture itself or of all training pictures together."""
    found: list[Setting] = []
    for weights in projections(sample, region):
        for sigma in SMOOTHING:
            pooled = pooled_pixels(sample, weights, sigma, seed)
            for classes, level in LEVELS:
                own = {"weights": list(weights), "sigma": sigma, "classes": classes, "level": level}
                fixed = otsu(pooled, classes, level)
                found += [{**own, "threshold": None}, *([{**own, "threshold": fixed}] if np.isfinite(fixed) else [])]
    return found


def outline(image: Array, setting: Setting) -> Mask:
    """Pixels above the threshold."""
    grey = project(image, setting["weights"], setting["sigma"])
    threshold = setting["threshold"]
    return np.asarray(grey > (otsu(grey, setting["classes"], setting["level"]) if threshold is None else threshold))


def make(options: Mapping[str, Any]) -> RuleSegmenter:
    """A fresh one."""
    with_defaults("otsu", options, {})
    return RuleSegmenter("otsu", settings, outline)


def restore(artifact: Artifact) -> RuleSegmenter:
    """The one that was exported."""
    return make({}).restored(artifact)


PLUGINS = (
    SegmenterSpec(
        name="otsu",
        label="Otsu threshold",
        family="classical",
        make=make,
        description="Pixels beyond the threshold that separates the histogram best; channel, side and clean-up are learned.",
        reference="Otsu, IEEE TSMC 1979, 10.1109/TSMC.1979.4310076",
        dims=(2, 3),
        choice=Choice(
            complexity="One threshold a picture, no weights.",
            published="The usual first step before learned methods; no agreed score on these data sets.",
            community="In every imaging library; the standard automatic threshold.",
        ),
        restore=restore,
    ),
)

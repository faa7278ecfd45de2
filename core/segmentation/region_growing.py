"""Region growing: from the brightest place outwards, as far as the pixels stay alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from core.contracts.forecast import Artifact
from core.contracts.segmenter import Choice, SegmenterSpec
from core.segmentation._cleaning import near_centre
from core.segmentation._options import with_defaults
from core.segmentation._projections import is_flat, project, projections
from core.segmentation._rule_segmenter import RuleSegmenter, Setting
from core.segmentation._training_sample import Array, Mask, TrainingSample

TOLERANCES = (0.3, 0.45, 0.6, 0.75)
"""As shares of the way from the seed's brightness down to the picture's median."""
SMOOTHING = (1.0, 2.0)
SEEDS = ((0.02, False), (0.05, False), (0.35, True), (0.7, True))
"""How a seed is looked for: the brightest place under a Gaussian, which is a share of the edge, or the middle of the strongest
blob, where the Gaussian is a share of the region's mean radius."""
CENTRE_SPREADS = (0.0, 0.25)
"""Standard deviation of the weight around the centre under which the seed is looked for, as a share of the edge; 0: none."""
FLOOR_PERCENTILES = (5, 40)


def settings(sample: TrainingSample, region: int, seed: int) -> Sequence[Setting]:
    """Projections, where the seed is looked for, and how far the region grows."""
    found: list[Setting] = []
    for weights in projections(sample, region)[:2]:
        for share, blob in SEEDS:
            scale = share * (_radius(sample, region) if blob else max(sample.images[0].shape[1:]))
            for spread in CENTRE_SPREADS:
                where = {"weights": list(weights), "scale": max(scale, 1.0), "blob": blob, "spread": spread}
                found += _grown(where, _floors(sample, region, where))
    return found


def _grown(where: Setting, floors: list[float | None]) -> list[Setting]:
    return [
        {**where, "floor": floor, "sigma": sigma, "tolerance": tolerance}
        for floor in floors
        for sigma in SMOOTHING
        for tolerance in TOLERANCES
    ]


def outline(image: Array, setting: Setting) -> Mask:
    """What hangs together with the seed and is at least so bright; nothing where the seed is under the floor."""
    grey = project(image, setting["weights"], setting["sigma"])
    seed = find_seed(image, setting)
    middle = float(np.median(grey))
    nothing = np.zeros(grey.shape, dtype=bool)
    if is_flat(grey) or seed.level <= middle or (setting["floor"] is not None and seed.level < setting["floor"]):
        return nothing
    bright = grey >= seed.level - setting["tolerance"] * (seed.level - middle)
    bright[seed.place] = True
    labels, _ = ndimage.label(bright)
    return np.asarray(labels == labels[seed.place])


@dataclass(frozen=True)
class Seed:
    """Where a region starts, and how bright it is there."""

    place: tuple[int, ...]
    level: float


def find_seed(image: Array, where: Setting) -> Seed:
    """The brightest place or the strongest blob; with a spread, places near the centre count more."""
    coarse = project(image, where["weights"], where["scale"])
    sought = coarse - project(image, where["weights"], 2 * where["scale"]) if where["blob"] else coarse
    if where["spread"]:
        sought = (sought - sought.min()) * near_centre(sought.shape, where["spread"])
    place = tuple(int(at) for at in np.unravel_index(int(np.argmax(sought)), sought.shape))
    return Seed(place, float(coarse[place]))


def _radius(sample: TrainingSample, region: int) -> float:
    """Mean radius of the drawn regions, in pixels, as if they were round."""
    sizes = [int(mask[region].sum()) for mask in sample.masks]
    size = float(np.mean([size for size in sizes if size]))
    return float(np.sqrt(size / np.pi)) if sample.images[0].ndim == 3 else float(np.cbrt(size * 0.75 / np.pi))


def _floors(sample: TrainingSample, region: int, where: Setting) -> list[float | None]:
    """None; where some items do not hold the region, also low percentiles of the seeds' brightness in those that do."""
    holds = sample.sizes(region) > 0
    if holds.all():
        return [None]
    levels = [find_seed(image, where).level for image, has in zip(sample.images, holds) if has]
    return [None, *(float(level) for level in np.percentile(levels, FLOOR_PERCENTILES))]


def make(options: Mapping[str, Any]) -> RuleSegmenter:
    """A fresh one."""
    with_defaults("region_growing", options, {})
    return RuleSegmenter("region_growing", settings, outline)


def restore(artifact: Artifact) -> RuleSegmenter:
    """The one that was exported."""
    return make({}).restored(artifact)


PLUGINS = (
    SegmenterSpec(
        name="region_growing",
        label="Region growing",
        family="classical",
        make=make,
        description="Grows from one seed, found by itself, while pixels are alike; where to seek it and how alike is learned.",
        reference="Adams & Bischof, IEEE TPAMI 1994, 10.1109/34.295913",
        dims=(2, 3),
        choice=Choice(
            complexity="One seed and one tolerance.",
            published="A standard for lung nodules before learned methods; no agreed score on these data sets.",
            community="scikit-image, ITK and every radiology workstation.",
        ),
        restore=restore,
    ),
)

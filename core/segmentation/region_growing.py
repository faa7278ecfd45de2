"""Region growing: from the brightest place outwards, as far as the pixels stay alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.contracts.forecast import Artifact
from core.contracts.segmenter import Choice, SegmenterSpec
from core.segmentation._options import with_defaults
from core.segmentation._projections import is_flat, project, projections
from core.segmentation._rule_segmenter import RuleSegmenter, Setting
from core.segmentation._training_sample import Array, Mask, TrainingSample

TOLERANCES = (0.3, 0.4, 0.5, 0.6, 0.7)
"""As shares of the way from the seed's brightness down to the picture's median."""
SMOOTHING = (1.0, 2.0)
SEED_SCALES = (0.02, 0.05)
"""Smoothing under which the seed is looked for, as a share of the edge."""
CENTRE_SPREADS = (0.0, 0.25)
"""Standard deviation of the weight around the centre under which the seed is looked for, as a share of the edge; 0: none."""
FLOOR_PERCENTILES = (5, 25, 50)


def settings(sample: TrainingSample, region: int, seed: int) -> Sequence[Setting]:
    """Projections, where the seed is looked for, and how far the region grows."""
    found: list[Setting] = []
    for weights in projections(sample, region)[:3]:
        for scale in SEED_SCALES:
            for spread in CENTRE_SPREADS:
                where = {"weights": list(weights), "scale": scale, "spread": spread}
                floors = _floors(sample, region, where)
                found += [
                    {**where, "floor": floor, "sigma": sigma, "tolerance": tolerance}
                    for floor in floors
                    for sigma in SMOOTHING
                    for tolerance in TOLERANCES
                ]
    return found


def outline(image: Array, setting: Setting) -> Mask:
    """What hangs together with the seed and is at least so bright; nothing where the seed is under the floor."""
    grey = project(image, setting["weights"], setting["sigma"])
    coarse = project(image, setting["weights"], setting["scale"] * max(grey.shape))
    seed = find_seed(coarse, setting["spread"])
    middle = float(np.median(grey))
    level = float(coarse[seed])
    nothing = np.zeros(grey.shape, dtype=bool)
    if is_flat(grey) or level <= middle or (setting["floor"] is not None and level < setting["floor"]):
        return nothing
    bright = grey >= level - setting["tolerance"] * (level - middle)
    bright[seed] = True
    labels, _ = ndimage.label(bright)
    return np.asarray(labels == labels[seed])


def find_seed(coarse: Array, spread: float) -> tuple[int, ...]:
    """The brightest place; with a spread, places near the centre count more."""
    if spread:
        above = coarse - coarse.min()
        coarse = np.asarray(above * _near_centre(coarse.shape, spread), dtype=np.float32)
    return tuple(int(at) for at in np.unravel_index(int(np.argmax(coarse)), coarse.shape))


def _floors(sample: TrainingSample, region: int, where: Setting) -> list[float | None]:
    """None; where some items do not hold the region, also low percentiles of the seeds' brightness in those that do."""
    holds = sample.sizes(region) > 0
    if holds.all():
        return [None]
    held = [image for image, has in zip(sample.images, holds) if has]
    coarse = [project(image, where["weights"], where["scale"] * max(image.shape[1:])) for image in held]
    levels = [float(one[find_seed(one, where["spread"])]) for one in coarse]
    return [None, *(float(level) for level in np.percentile(levels, FLOOR_PERCENTILES))]


@lru_cache(maxsize=8)
def _near_centre(shape: tuple[int, ...], spread: float) -> NDArray[np.float64]:
    axes = np.meshgrid(*(np.linspace(-0.5, 0.5, edge) for edge in shape), indexing="ij")
    return np.asarray(np.exp(-np.sum([axis**2 for axis in axes], axis=0) / (2 * spread**2)))


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

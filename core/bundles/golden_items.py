"""The golden item of a segmenter: a made-up picture and the exact answer to it."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.bundles.contents import SegmenterGolden, SegmenterPreprocessing
from core.contracts.pictures import Pictures
from core.contracts.segmenter import Segmenter

SEED = 20261125
TOLERANCE = 0.02
"""Largest difference of a mean score: processors round 16-bit products differently."""


class MadeUpItem:
    """One item of seeded noise around a bright ball, as prepared pictures."""

    def __init__(self, shape: tuple[int, ...], channels: tuple[str, ...], regions: tuple[str, ...], seed: int = SEED) -> None:
        self.shape, self.channels, self.regions = shape, channels, regions
        axes = np.meshgrid(*(np.linspace(-1, 1, edge) for edge in shape), indexing="ij")
        ball = (np.sum([axis**2 for axis in axes], axis=0) < 0.25).astype(np.float32)
        noise = np.random.default_rng(seed).normal(0.0, 0.1, (len(channels), *shape))
        self._image = (1.2 * ball - 0.6 + noise).astype(np.float32)

    @property
    def dims(self) -> Literal[2, 3]:
        return 2 if len(self.shape) == 2 else 3

    def rows_of(self, case_ids: object) -> NDArray[np.intp]:
        return np.zeros(1, dtype=np.intp)

    def owner(self, row: int) -> str:
        return "golden"

    def image(self, row: int) -> NDArray[np.float32]:
        return self._image

    def mask(self, row: int) -> NDArray[np.bool_]:
        return np.zeros((len(self.regions), *self.shape), dtype=bool)

    def is_uniform(self) -> bool:
        return True

    def restore(self, case_id: str, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        return scores[0]


def golden_answer(segmenter: Segmenter, kept: SegmenterPreprocessing) -> SegmenterGolden:
    """What a segmenter says of the golden item: mean score of each region in each of eight equal parts."""
    shape = tuple(int(edge) for edge in kept.preparation["shape"])
    item = MadeUpItem(shape, kept.channels, tuple(name for name, _ in kept.regions))
    given = Pictures(item, np.zeros(1, dtype=np.intp), np.array([""]), np.zeros(1, dtype=bool))
    scores = segmenter.segment(given)[0].astype(np.float64)
    parts = [tuple(float(part.mean()) for part in np.array_split(region.ravel(), 8)) for region in scores]
    return SegmenterGolden(shape=shape, seed=SEED, scores=tuple(parts))


def same_answer(now: SegmenterGolden, kept: SegmenterGolden) -> bool:
    """Whether two answers agree within rounding."""
    first, second = np.array(now.scores), np.array(kept.scores)
    return now.shape == kept.shape and first.shape == second.shape and bool(np.abs(first - second).max() <= TOLERANCE)

"""Made-up prepared pictures: bright blobs on noise, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.contracts.pictures import Pictures


class Blobs:
    """Items of seeded noise with one bright blob each (every fifth item holds none), as ``PreparedPictures``."""

    def __init__(
        self, count: int = 20, grid: tuple[int, ...] = (32, 32), channels: int = 1, regions: int = 1, seed: int = 0
    ) -> None:
        rng = np.random.default_rng(seed)
        self.grid, self.channels = grid, tuple(f"c{number}" for number in range(channels))
        self.regions = tuple(f"r{number}" for number in range(regions))
        axes = np.meshgrid(*(np.arange(edge) for edge in grid), indexing="ij")
        self.images, self.masks = [], []
        for number in range(count):
            centre, radius = rng.uniform(10, min(grid) - 10, len(grid)), rng.uniform(4, 8)
            blob = np.sqrt(sum((axis - place) ** 2 for axis, place in zip(axes, centre))) <= radius
            blob &= number % 5 != 4
            image = rng.normal(-0.5, 0.15, (channels, *grid)) + 1.0 * blob
            self.images.append(image.astype(np.float32))
            self.masks.append(np.stack([blob] * regions))

    @property
    def dims(self) -> Literal[2, 3]:
        return 2 if len(self.grid) == 2 else 3

    @property
    def shape(self) -> tuple[int, ...]:
        return self.grid

    def rows_of(self, case_ids: Sequence[str]) -> NDArray[np.intp]:
        return np.array([int(case_id) for case_id in case_ids], dtype=np.intp)

    def owner(self, row: int) -> str:
        return str(row)

    def image(self, row: int) -> NDArray[np.float32]:
        return self.images[row]

    def mask(self, row: int) -> NDArray[np.bool_]:
        return self.masks[row]

    def is_uniform(self) -> bool:
        return True

    def restore(self, case_id: str, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        return scores[0]

    def pictures(self, *, labelled: bool = True) -> Pictures:
        """All items, each of a patient of its own."""
        rows = np.arange(len(self.images))
        return Pictures(self, rows, rows.astype(str), np.full(len(rows), labelled))


def mean_dice(scores: NDArray[np.float32], blobs: Blobs) -> float:
    """Dice over the pixels of all items together."""
    predicted, drawn = scores >= 0.5, np.stack(blobs.masks)
    return float(2 * (predicted & drawn).sum() / (predicted.sum() + drawn.sum()))

"""Prepared pictures seen through a change: adapted, or with a planted fault."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.contracts.pictures import PreparedPictures
from core.segmentation._adaptation import Adaptation

Array = NDArray[np.float32]


@dataclass(frozen=True)
class _View:
    """The same items; only ``image`` differs."""

    base: PreparedPictures

    @property
    def dims(self) -> Literal[2, 3]:
        return self.base.dims

    @property
    def channels(self) -> tuple[str, ...]:
        return self.base.channels

    @property
    def regions(self) -> tuple[str, ...]:
        return self.base.regions

    @property
    def shape(self) -> tuple[int, ...]:
        return self.base.shape

    def rows_of(self, case_ids: Sequence[str]) -> NDArray[np.intp]:
        """As in the pictures behind the view."""
        return self.base.rows_of(case_ids)

    def owner(self, row: int) -> str:
        """As in the pictures behind the view."""
        return self.base.owner(row)

    def mask(self, row: int) -> NDArray[np.bool_]:
        """As in the pictures behind the view."""
        return self.base.mask(row)

    def is_uniform(self) -> bool:
        """As in the pictures behind the view."""
        return self.base.is_uniform()

    def restore(self, case_id: str, scores: Array) -> Array:
        """As in the pictures behind the view."""
        return self.base.restore(case_id, scores)


@dataclass(frozen=True)
class AdaptedPictures(_View):
    """Items matched to what the training items look like."""

    adaptation: Adaptation

    def image(self, row: int) -> Array:
        """(channels, *grid), adapted."""
        return self.adaptation.apply(self.base.image(row))


@dataclass(frozen=True)
class CorruptedPictures(_View):
    """Items with a planted fault; the same item suffers the same fault every time.

    Args:
        fault: from ``core.imaging.corruption``; severity: 1 to 5.
    """

    fault: Callable[[Array, int, np.random.Generator], Array]
    severity: int
    seed: int

    def image(self, row: int) -> Array:
        """(channels, *grid), spoilt."""
        return self.fault(self.base.image(row), self.severity, np.random.default_rng([self.seed, row, self.severity]))

"""One number of an evaluation, with everything needed to believe it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from core.errors import DataError


@dataclass(frozen=True)
class Score:
    """A metric of one model, on one split, in one group.

    Args:
        value, low, high: estimate and 95 % interval; NaN where undefined.
        n: patients behind it (not rows, not repeats).
        n_events: patients with the event; None where it is hidden (fewer than the smallest cell) or has no meaning.
        n_undefined: bootstrap replicates in which the metric had no value.

    Raises:
        DataError: no n, or an interval that does not hold its value.
    """

    dataset: str
    outcome: str
    model: str
    split: str
    group: str
    metric: str
    value: float
    low: float
    high: float
    n: int
    n_events: int | None
    n_undefined: int

    def __post_init__(self) -> None:
        if self.n <= 0:
            raise DataError(f"A score of {self.metric} for {self.model} has no n.", do="Say how many patients stand behind it.")
        if math.isfinite(self.low) and math.isfinite(self.high) and self.low > self.high + 1e-12:
            raise DataError(f"The interval of {self.metric} for {self.model} is upside down.", do="Swap its ends.")


SCORE_COLUMNS: tuple[str, ...] = tuple(Score.__dataclass_fields__)

"""What a metric plug-in promises: one number of weighted cases, for many weightings at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from core.contracts.outcome import OutcomeKind
from core.errors import DataError

Array = NDArray[np.float64]
Aim = Literal["higher", "lower", "one", "zero", "nominal"]
MetricFamily = Literal["discrimination", "calibration", "probability", "classification", "utility", "recovery"]


def _empty() -> Array:
    return np.empty(0)


def _empty_table() -> Array:
    return np.empty((0, 0))


@dataclass(frozen=True)
class Sample:
    """What one model said of some cases in one repeat, and what came of them. All arrays are aligned by case.

    Args:
        y: 1 where the event came, 0 where not (for a time to event: whether it was seen); shape (n,).
        risk: chance of the event, 0 to 1; shape (n,); empty for a time to event.
        order: what ranks the cases, rising with the chance of the event (of an early event); equals ``risk`` unless the
            model says the same of every case in a fold, then it is constant.
        threshold: risk at or above which a case is flagged; NaN where none is stated.
        days: day of the event, or of the last sight of a case without one; infinity for an event that can never come.
        by_day: chance that the event has come by day 0, 1, …; shape (n, days); empty for a binary outcome.
        scored_days: days at which a time to event is scored.
        day: the one day that a metric of a single day looks at; -1 where there is none.

    Raises:
        DataError: arrays that are not aligned.
    """

    y: Array
    risk: Array = field(default_factory=_empty)
    order: Array = field(default_factory=_empty)
    threshold: float = float("nan")
    days: Array = field(default_factory=_empty)
    by_day: Array = field(default_factory=_empty_table)
    scored_days: tuple[int, ...] = ()
    day: int = -1

    def __post_init__(self) -> None:
        for name in ("risk", "order", "days", "by_day"):
            length = len(getattr(self, name))
            if length not in (0, len(self.y)):
                raise DataError(f"A sample of {len(self.y)} cases has {length} values of {name!r}.", do="Give one value a case.")

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True)
class MetricSpec:
    """A plug-in of ``core.metrics``.

    Args:
        name: slug in tables and recipes ("auroc"); a metric of single days gets the day behind it ("brier_day_3").
        label: what people read.
        family: which file and heading it belongs to.
        kinds: outcome kinds it is defined for.
        aim: whether higher or lower is better, or the value aimed at (one, zero, or ``nominal``: the stated level).
        low, high: ends of its range; infinity where it has none.
        description: one sentence: what it says.
        undefined: when it has no value, one sentence.
        compute: the metric for every row of weights at once: (sample, weights of shape (replicates, n)) to shape
            (replicates,); NaN where undefined. Integer weights give what repeated rows would give.
        reference: doi or paper.
        needs_threshold: whether it looks at ``sample.threshold``.
        each_day: whether it is computed once for each day of a time to event.
        in_groups: whether groups of patients are scored by it too.
        compared: whether models are compared by paired differences of it.
        in_days: whether it is a length in days, which a time counted in visits does not have.
        takes_counts: whether ``compute`` also reads weights of one byte (unsigned whole numbers), which are quicker.

    Raises:
        DataError: an aim that is not known, or a range upside down.
    """

    name: str
    label: str
    family: MetricFamily
    kinds: tuple[OutcomeKind, ...]
    aim: Aim
    low: float
    high: float
    description: str
    undefined: str
    compute: Callable[[Sample, Array], Array]
    reference: str = ""
    needs_threshold: bool = False
    each_day: bool = False
    in_groups: bool = False
    compared: bool = False
    in_days: bool = False
    takes_counts: bool = False

    def __post_init__(self) -> None:
        if self.aim not in get_args(Aim):
            raise DataError(f"Metric {self.name!r}: aim {self.aim!r} is not known.", do=f"Use one of {get_args(Aim)}.")
        if self.low >= self.high:
            raise DataError(f"Metric {self.name!r}: the range {self.low} to {self.high} is upside down.", do="Swap its ends.")

"""Whom a model learned from, in numbers that name no patient."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.bundles.contents import DayShare, FieldSummary, GateRecord, TrainingSummary
from core.bundles.records import stored_text
from core.contracts.codebook import Field
from core.contracts.cohort import Cases, Cohort
from core.contracts.forecast import LAST_DAY
from core.contracts.outcome import Outcome
from core.evaluation.gate import GateVerdict

Numbers = NDArray[np.float64]

OUTER = (0.001, 0.999)
INNER = (0.05, 0.95)
SIGNIFICANT_DIGITS = 2
"""To which the ends of a range are rounded outward where single patients must not show."""


def training_summary(cases: Cases, cohort: Cohort, outcome: Outcome, verdict: GateVerdict, refits: int) -> TrainingSummary:
    """What the scope check and the group's rate need to know of the training cases.

    Event counts under the cohort's smallest cell are left out, and so are counts of levels; where single patients must not
    show, ranges are rounded outward and a curve is kept at the scored days only.
    """
    table = cases.table
    targets = pd.DataFrame() if cases.targets is None else cases.targets
    group = _binary_group(targets) if outcome.kind == "binary" else _timed_group(targets, outcome)
    smallest = cohort.min_cell
    return TrainingSummary(
        n=group.n,
        n_patients=cases.patients.nunique(),
        n_events=group.events if group.events >= smallest else None,
        min_cell=smallest,
        refits=refits,
        fields=tuple(_field_summary(field, table[field.name], smallest) for field in cases.codebook.fields),
        most_missing=int(table.isna().sum(axis=1).max()),
        gate=_gate_record(verdict.hidden_below(smallest)),
        day=group.day,
        curve=group.curve if smallest == 1 else tuple(share for share in group.curve if share.day in outcome.days),
        mask_origin=cohort.images.mask_origin if cohort.images else "",
    )


@dataclass(frozen=True)
class _Group:
    """Cases and events that a single number speaks of."""

    n: int
    events: int
    day: int | None = None
    curve: tuple[DayShare, ...] = ()


def _binary_group(targets: pd.DataFrame) -> _Group:
    values = targets.iloc[:, 0]
    return _Group(len(values), int(values.sum()))


def _timed_group(targets: pd.DataFrame, outcome: Outcome) -> _Group:
    """The scored day that divides the cases best, and the curve over all days."""
    days, event = (targets.iloc[:, column].to_numpy(dtype=float) for column in (0, 1))
    groups = [_by_day(days, event, day) for day in outcome.days]
    best = max(groups, key=lambda group: min(group.events, group.n - group.events))
    return replace(best, curve=tuple(day_shares(days, event)))


def _by_day(days: Numbers, event: Numbers, day: int) -> _Group:
    come = (event == 1) & (days <= day)
    known = come | (days > day) | ((event == 0) & (days == day))
    return _Group(int(known.sum()), int(come.sum()), day)


def day_shares(days: Numbers, event: Numbers) -> Iterator[DayShare]:
    """Kaplan-Meier's share with the event by day 0 to LAST_DAY, with Wilson's interval at its effective number of cases.

    Args:
        days: day of the event or of the last sight; infinity where the event can never come.
        event: 1 where it was seen.

    Reference: Kaplan and Meier 1958, 10.1080/01621459.1958.10501452; Rothman 1978, 10.1016/0021-9681(78)90043-0 (interval).
    """
    left, spread = 1.0, 0.0
    for day in range(LAST_DAY + 1):
        at_risk, come = int((days >= day).sum()), int(((days == day) & (event == 1)).sum())
        if come:
            left *= 1 - come / at_risk
            spread += come / (at_risk * (at_risk - come)) if at_risk > come else math.inf
        chance = min(max(1 - left, 0.0), 1.0)
        low, high = wilson(chance, _effective(left, spread, len(days)))
        yield DayShare(day=day, chance=chance, low=low, high=high)


def _effective(left: float, spread: float, n: int) -> float:
    """The number of fully followed cases whose share would be as uncertain (Greenwood's variance)."""
    return (1 - left) / (left * spread) if 0 < left < 1 and math.isfinite(spread) and spread > 0 else float(n)


def wilson(chance: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a share among n, its ends between 0 and 1 and around the share."""
    # Read on first use: listing bundles does without statsmodels and SciPy.
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(chance * n, n, alpha=0.05, method="wilson")
    return min(max(float(low), 0.0), chance), max(min(float(high), 1.0), chance)


def _field_summary(field: Field, values: pd.Series, smallest: int) -> FieldSummary:
    missing = _missing(float(values.isna().mean()), smallest)
    known = values.dropna()
    if field.kind == "category":
        return _levels(field, known.map(stored_text), missing, smallest)
    numbers = known.to_numpy(dtype=float)
    if not len(numbers):
        return FieldSummary(name=field.name, missing=missing, typical=field.low or 0.0)
    low, high = np.quantile(numbers, OUTER[0], method="lower"), np.quantile(numbers, OUTER[1], method="higher")
    inner_low, inner_high = np.quantile(numbers, INNER)
    return FieldSummary(
        name=field.name,
        missing=missing,
        typical=_typical(field, numbers),
        low=_outward(float(low), smallest, math.floor),
        high=_outward(float(high), smallest, math.ceil),
        inner_low=float(inner_low),
        inner_high=float(inner_high),
        levels=_flag_levels(numbers, smallest) if field.kind == "flag" else {},
    )


def _missing(share: float, smallest: int) -> float:
    """The share, to whole percents where single patients must not show; what is above 0 stays above 0."""
    return share if smallest == 1 or share == 0 else max(round(share, 2), 0.01)


def _levels(field: Field, texts: pd.Series, missing: float, smallest: int) -> FieldSummary:
    counts = texts.value_counts()
    seen = _shown({level: int(counts[level]) for level in field.values if level in counts}, smallest)
    typical = str(counts.index[0]) if len(counts) else field.values[0]
    return FieldSummary(name=field.name, missing=missing, typical=typical, levels=seen)


def _flag_levels(numbers: Numbers, smallest: int) -> dict[str, int | None]:
    return _shown({str(flag): int((numbers == flag).sum()) for flag in (0, 1) if (numbers == flag).any()}, smallest)


def _shown(counts: dict[str, int], smallest: int) -> dict[str, int | None]:
    """The counts; a small one is hidden, and then the others are rounded down, or it would be what is missing to all."""
    if all(count >= smallest for count in counts.values()):
        return dict(counts)
    return {level: count // smallest * smallest if count >= smallest else None for level, count in counts.items()}


def _typical(field: Field, numbers: Numbers) -> float:
    median = float(np.median(numbers))
    return float(round(median)) if field.kind in ("flag", "integer") else float(f"{median:.3g}")


def _outward(value: float, smallest: int, rounded: Callable[[float], int]) -> float:
    if smallest == 1 or value == 0:
        return value
    step = 10.0 ** (math.floor(math.log10(abs(value))) - SIGNIFICANT_DIGITS + 1)
    return round(rounded(value / step) * step, 12)


def _gate_record(verdict: GateVerdict) -> GateRecord:
    finite = {key: value if math.isfinite(value) else None for key, value in
              (("gain", verdict.gain), ("low", verdict.low), ("high", verdict.high))}  # fmt: skip
    return GateRecord(
        state=verdict.state,
        n=verdict.n,
        n_events=verdict.n_events,
        measure=verdict.measure,
        why=verdict.why,
        needed=verdict.needed,
        events_needed=verdict.events_needed,
        **finite,
    )

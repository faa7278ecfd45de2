"""Outcomes as trials: the one form in which a network learns yes-or-no outcomes and times alike.

A binary outcome is one trial a case. A time to an event is one trial a day for as long as the event has not come: days 0
to ``LAST_OWN_DAY`` have a column (a hazard) each, all later days share one. An event that never comes (a death before
discharge) fails every trial up to ``LAST_DAY``. The likelihood is then the same for both: trials × softplus(logit) −
events × logit.

Reference: Gensheimer & Narasimhan, PeerJ 2019, 10.7717/peerj.6257 (discrete-time hazards).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.contracts.cohort import target_columns
from core.contracts.forecast import LAST_DAY, Forecast, TimeForecast
from core.contracts.outcome import Outcome
from core.errors import DataError

Numbers = NDArray[np.float64]

LAST_OWN_DAY = 15
HAZARDS = LAST_OWN_DAY + 2
LATER_DAYS = LAST_DAY - LAST_OWN_DAY
SMALLEST = 1e-6


@dataclass(frozen=True)
class Trials:
    """What happened to some cases.

    Args:
        outcomes: in the order of their columns.
        counts: (cases, columns) trials; 0 where the outcome of a case is not known.
        events: (cases, columns) trials in which the event came.
    """

    outcomes: tuple[Outcome, ...]
    counts: Numbers
    events: Numbers

    @property
    def known(self) -> NDArray[np.bool_]:
        """(cases,) whether any outcome of a case is known."""
        return self.counts.sum(axis=1) > 0

    @property
    def prior(self) -> Numbers:
        """(columns,) logit of the rate of each column among these cases, shrunk by half an event."""
        return logit((self.events.sum(axis=0) + 0.5) / (self.counts.sum(axis=0) + 1.0))

    @property
    def weights(self) -> Numbers:
        """(columns,) so that the mean over cases of the weighted loss is the mean over outcomes of their log-losses."""
        spread = []
        for _, columns in zip(self.outcomes, column_slices(self.outcomes)):
            known = int((self.counts[:, columns].sum(axis=1) > 0).sum())
            width = columns.stop - columns.start
            spread.append(np.full(width, len(self.counts) / (max(known, 1) * len(self.outcomes))))
        return np.concatenate(spread)

    def pick(self, rows: NDArray[np.intp]) -> Trials:
        """The trials of these rows."""
        return Trials(self.outcomes, self.counts[rows], self.events[rows])

    def tells_apart(self) -> tuple[bool, ...]:
        """For each outcome, whether some trials ended in the event and some did not."""
        events, counts = self.events.sum(axis=0), self.counts.sum(axis=0)
        return tuple(bool(0 < events[c].sum() < counts[c].sum()) for c in column_slices(self.outcomes))

    def any_event(self) -> NDArray[np.bool_]:
        """(cases,) whether a binary event came: what splits are balanced by (a time's event where there is no other)."""
        binary = [columns.start for o, columns in zip(self.outcomes, column_slices(self.outcomes)) if o.kind == "binary"]
        return (self.events[:, binary] if binary else self.events).sum(axis=1) > 0


def logit(chance: Numbers) -> Numbers:
    """Log odds; chances are kept off 0 and 1."""
    inside = np.clip(chance, SMALLEST, 1 - SMALLEST)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def expit(value: Numbers) -> Numbers:
    """Chance of log odds."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(value, -60, 60))))


def column_slices(outcomes: Sequence[Outcome]) -> tuple[slice, ...]:
    """Which columns belong to each outcome."""
    widths = [1 if outcome.kind == "binary" else HAZARDS for outcome in outcomes]
    ends = np.cumsum(widths)
    return tuple(slice(int(end - width), int(end)) for end, width in zip(ends, widths))


def trials_of(targets: pd.DataFrame, outcomes: Sequence[Outcome]) -> Trials:
    """The trials behind a table of outcomes.

    Args:
        targets: as in ``Cohort.targets``.

    Raises:
        DataError: a column is absent, a flag is not 0 or 1, or days are below 0.
    """
    absent = [column for outcome in outcomes for column in target_columns(outcome) if column not in targets]
    if absent:
        raise DataError(
            f"The outcomes have no column {absent[0]!r}.", do="Give the cases with their targets.", code="TAB_MISSING_COL"
        )
    parts = [_binary(targets, outcome) if outcome.kind == "binary" else _days(targets, outcome) for outcome in outcomes]
    return Trials(tuple(outcomes), np.concatenate([p[0] for p in parts], axis=1), np.concatenate([p[1] for p in parts], axis=1))


def _binary(targets: pd.DataFrame, outcome: Outcome) -> NDArray[np.float64]:
    values = targets[outcome.name].to_numpy(dtype=float)
    known = ~np.isnan(values)
    _require_flags(values[known], outcome)
    return np.stack([known.astype(float), np.where(known, values, 0.0)])[:, :, None]


def _days(targets: pd.DataFrame, outcome: Outcome) -> NDArray[np.float64]:
    days, seen = (targets[column].to_numpy(dtype=float) for column in target_columns(outcome))
    known = ~np.isnan(days) & ~np.isnan(seen)
    _require_flags(seen[known], outcome)
    if (days[known] < 0).any():
        raise DataError(f"Outcome {outcome.name!r} has days below 0.", do="Mend the days.")
    # A part of a day counts as the day that it reaches; what comes after the last day is only known to be later.
    last = np.where(known, np.minimum(np.ceil(days), LAST_DAY + 1), -1)
    came = known & (seen == 1) & (last <= LAST_DAY)
    day = np.arange(LAST_OWN_DAY + 1)
    counts = np.column_stack([last[:, None] >= day, np.clip(np.minimum(last, LAST_DAY) - LAST_OWN_DAY, 0, LATER_DAYS)])
    events = np.column_stack([came[:, None] & (last[:, None] == day), came & (last > LAST_OWN_DAY)])
    return np.stack([counts.astype(float), events.astype(float)])


def _require_flags(values: Numbers, outcome: Outcome) -> None:
    if not np.isin(values, (0.0, 1.0)).all():
        raise DataError(f"Outcome {outcome.name!r} holds values besides 0 and 1.", do="Code it 1 for the event, else 0.")


def forecast_of(logits: Numbers, outcomes: Sequence[Outcome], case_ids: Sequence[str]) -> Forecast:
    """What logits say, (cases, columns): a risk for each binary outcome, a chance by day for each time."""
    risks, times = {}, {}
    for outcome, columns in zip(outcomes, column_slices(outcomes)):
        chances = expit(logits[:, columns])
        if outcome.kind == "binary":
            risks[outcome.name] = chances[:, 0]
        else:
            times[outcome.name] = TimeForecast(_by_day(chances))
    return Forecast(pd.DataFrame(risks, index=list(case_ids)), times)


def _by_day(hazards: Numbers) -> Numbers:
    daily = np.concatenate([hazards[:, :-1], np.repeat(hazards[:, -1:], LATER_DAYS, axis=1)], axis=1)
    return np.asarray(1.0 - np.cumprod(1.0 - daily, axis=1))


def logits_of(forecast: Forecast, outcomes: Sequence[Outcome]) -> Numbers:
    """The logits, (cases, columns), that a forecast amounts to: the way back from ``forecast_of``."""
    parts = [
        logit(forecast.risks[[outcome.name]].to_numpy(dtype=float))
        if outcome.kind == "binary"
        else _hazard_logits(forecast.times[outcome.name].by_day)
        for outcome in outcomes
    ]
    return np.concatenate(parts, axis=1)


def _hazard_logits(by_day: Numbers) -> Numbers:
    left = np.clip(1.0 - by_day, SMALLEST, 1.0)
    before = np.column_stack([np.ones(len(left)), left[:, :LAST_OWN_DAY]])
    own = 1.0 - left[:, : LAST_OWN_DAY + 1] / before
    later = 1.0 - (left[:, -1] / left[:, LAST_OWN_DAY]) ** (1.0 / LATER_DAYS)
    return logit(np.column_stack([own, later]))

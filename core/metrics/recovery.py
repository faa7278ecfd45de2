"""Times to an event: order, intervals and the chance by day.

One sign convention holds for all of them: a higher chance of an early event goes with an earlier event. A case for whom
the event can never come (days = infinity) is later than every other; where a day is needed, it counts as the day
after the last one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from core.contracts.forecast import LAST_DAY
from core.contracts.metric import Array, MetricSpec, Sample
from core.metrics.censoring import status_by
from core.metrics.discrimination import auroc
from core.metrics.weighting import ratio, weighted_mean

LOWER, UPPER = 0.10, 0.90
BLOCK = 1024


def c_index(sample: Sample, weights: Array) -> Array:
    """Harrell's concordance: chance that of two cases the one with the earlier event ranks as earlier. (replicates,)

    A pair counts when the earlier day is a seen event; days that tie count only if one of the two is not an event. Equal
    forecasts count one half. ``sample.order`` rises with the chance of an early event; lifelines'
    ``concordance_index`` gives the same number for ``-order``.
    Direction: higher is better. Range: 0 to 1; 0.5 is no skill.
    Worked: days 1, 2, 3 with orders 0.9, 0.2, 0.5: pairs (1,2) and (1,3) right, (2,3) wrong: 0.667.
    Undefined: no pair counts.
    Reference: Harrell et al. 1982, 10.1001/jama.1982.03320430047030
    """
    won, pairs = np.zeros(len(weights)), np.zeros(len(weights))
    for start in range(0, len(sample), BLOCK):
        block = slice(start, start + BLOCK)
        later = _comparable(sample, block)
        gap = sample.order[:, None] - sample.order[None, block]
        right = later * (0.5 * (gap >= 0) + 0.5 * (gap > 0))
        won += ((weights @ right) * weights[:, block]).sum(axis=1)
        pairs += ((weights @ later) * weights[:, block]).sum(axis=1)
    return ratio(won, pairs)


def _comparable(sample: Sample, block: slice) -> Array:
    """1 where the row's case has its event before the column's case; shape (n, block)."""
    days, event = sample.days, sample.y == 1
    earlier = days[:, None] < days[None, block]
    tied = (days[:, None] == days[None, block]) & ~event[None, block]
    return (event[:, None] & (earlier | tied)).astype(np.float64)


def _quantile(by_day: Array, share: float) -> Array:
    """First day by which the chance reaches ``share``; the day after the last one where it never does."""
    reached = by_day >= share
    return np.where(reached.any(axis=1), reached.argmax(axis=1), by_day.shape[1]).astype(np.float64)


def _followed(sample: Sample) -> Array:
    """1 where the day of the event, or that it never comes, is known."""
    return ((sample.y == 1) | (sample.days > LAST_DAY)).astype(np.float64)


def interval_score(sample: Sample, weights: Array) -> Array:
    """Mean score of the central 80 % interval: its width in days, plus 10 days for each day outside. (replicates,)

    Direction: lower is better. Range: 0 upwards, in days.
    Worked: interval 2 to 6, event on day 8: 4 + 10 × 2 = 24.
    Undefined: no case was followed to its event. Cases lost before are left out.
    Reference: Gneiting and Raftery 2007, 10.1198/016214506000001437
    """
    low, high = _quantile(sample.by_day, LOWER), _quantile(sample.by_day, UPPER)
    day = np.minimum(sample.days, LAST_DAY + 1.0)
    outside = np.maximum(low - day, 0) + np.maximum(day - high, 0)
    return weighted_mean(high - low + 2 / (1 - UPPER + LOWER) * outside, weights * _followed(sample))


def quantile_coverage(sample: Sample, weights: Array) -> Array:
    """Share of cases whose day lies in the central 80 % interval, ends included. Shape (replicates,).

    Direction: 0.80 is aimed at; whole days make it somewhat higher. Range: 0 to 1.
    Worked: intervals 2 to 6 for days 3 and 8: 0.5.
    Undefined: no case was followed to its event. Cases lost before are left out.
    Reference: Gneiting and Raftery 2007, 10.1198/016214506000001437
    """
    low, high = _quantile(sample.by_day, LOWER), _quantile(sample.by_day, UPPER)
    day = np.minimum(sample.days, LAST_DAY + 1.0)
    return weighted_mean(((low <= day) & (day <= high)).astype(np.float64), weights * _followed(sample))


def _chance(sample: Sample, day: int) -> Array:
    return sample.by_day[:, min(day, sample.by_day.shape[1] - 1)]


def brier_day(sample: Sample, weights: Array) -> Array:
    """Brier score of the chance that the event has come by ``sample.day``. Shape (replicates,).

    Direction: lower is better. Range: 0 to 1 where nobody was lost.
    Undefined: no case is known at that day.
    Reference: Graf et al. 1999, 10.1002/(SICI)1097-0258(19990915/30)18:17/18<2529::AID-SIM274>3.0.CO;2-5
    """
    status = status_by(sample, sample.day)
    return weighted_mean((_chance(sample, sample.day) - status.y) ** 2, weights * status.factor)


def auroc_day(sample: Sample, weights: Array) -> Array:
    """AUROC of the chance that the event has come by ``sample.day``. Shape (replicates,).

    Direction: higher is better. Range: 0 to 1; 0.5 is no skill.
    Undefined: by that day the event has come to all or to none.
    Reference: Heagerty et al. 2000, 10.1111/j.0006-341X.2000.00337.x
    """
    status = status_by(sample, sample.day)
    constant = len(sample) > 0 and np.ptp(sample.order) == 0
    chance = sample.order if constant else _chance(sample, sample.day)
    return auroc(Sample(y=status.y, risk=chance, order=chance), weights * status.factor)


def brier_by_day(sample: Sample, weights: Array) -> Array:
    """Mean of the Brier scores at the scored days. Shape (replicates,).

    Direction: lower is better. Range: 0 to 1 where nobody was lost.
    Undefined: at one of the days no case is known.
    Reference: Graf et al. 1999, 10.1002/(SICI)1097-0258(19990915/30)18:17/18<2529::AID-SIM274>3.0.CO;2-5
    """
    days = [brier_day(replace(sample, day=day), weights) for day in sample.scored_days]
    return np.mean(days, axis=0) if days else np.full(len(weights), np.nan)


GRAF = "10.1002/(SICI)1097-0258(19990915/30)18:17/18<2529::AID-SIM274>3.0.CO;2-5"

PLUGINS = (
    MetricSpec(
        name="c_index",
        label="C-index",
        family="recovery",
        kinds=("time_to_event",),
        aim="higher",
        low=0.0,
        high=1.0,
        description="Chance that of two patients the one with the earlier event was expected earlier.",
        undefined="No two patients can be put in order.",
        compute=c_index,
        reference="10.1001/jama.1982.03320430047030",
        in_groups=True,
        compared=True,
    ),
    MetricSpec(
        name="interval_score",
        label="Interval score",
        family="recovery",
        kinds=("time_to_event",),
        aim="lower",
        low=0.0,
        high=float("inf"),
        description="Width of the 80 % interval in days, plus 10 days for each day outside it.",
        undefined="No patient was followed to the event.",
        compute=interval_score,
        reference="10.1198/016214506000001437",
        in_days=True,
    ),
    MetricSpec(
        name="quantile_coverage",
        label="Coverage of the 80 % interval",
        family="recovery",
        kinds=("time_to_event",),
        aim="nominal",
        low=0.0,
        high=1.0,
        description="Share of patients whose day lay in the 80 % interval; 0.80 is aimed at.",
        undefined="No patient was followed to the event.",
        compute=quantile_coverage,
        reference="10.1198/016214506000001437",
        in_days=True,
    ),
    MetricSpec(
        name="brier_by_day",
        label="Brier score, mean over days",
        family="recovery",
        kinds=("time_to_event",),
        aim="lower",
        low=0.0,
        high=float("inf"),
        description="Mean over the scored days of the squared distance between chance and what happened.",
        undefined="At one of the days no patient is known.",
        compute=brier_by_day,
        reference=GRAF,
        compared=True,
    ),
    MetricSpec(
        name="brier_day",
        label="Brier score by day",
        family="recovery",
        kinds=("time_to_event",),
        aim="lower",
        low=0.0,
        high=float("inf"),
        description="Squared distance between the chance by that day and what happened.",
        undefined="No patient is known at that day.",
        compute=brier_day,
        reference=GRAF,
        each_day=True,
    ),
    MetricSpec(
        name="auroc_day",
        label="AUROC by day",
        family="recovery",
        kinds=("time_to_event",),
        aim="higher",
        low=0.0,
        high=1.0,
        description="Chance that of two patients the one with the event by that day had the higher chance.",
        undefined="By that day the event has come to all or to none.",
        compute=auroc_day,
        reference="10.1111/j.0006-341X.2000.00337.x",
        each_day=True,
    ),
)

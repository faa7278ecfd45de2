"""How well a model ranks patients: AUROC and average precision, exact with ties."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.contracts.metric import Array, MetricSpec, Sample
from core.metrics.weighting import ratio, running_sums


@dataclass(frozen=True)
class _Sides:
    """Cases with and without the event, each sorted by what ranks them; weights are (cases, replicates)."""

    events: Array
    event_weights: Array
    others: Array
    other_weights: Array


def _sides(sample: Sample, weights: Array) -> _Sides:
    with_event = np.flatnonzero(sample.y == 1)
    without = np.flatnonzero(sample.y == 0)
    with_event = with_event[np.argsort(sample.order[with_event], kind="stable")]
    without = without[np.argsort(sample.order[without], kind="stable")]
    by_case = weights.T
    return _Sides(sample.order[with_event], by_case[with_event], sample.order[without], by_case[without])


def auroc(sample: Sample, weights: Array) -> Array:
    """Chance that a case with the event ranks above one without it; ties count one half. Shape (replicates,).

    Direction: higher is better. Range: 0 to 1; 0.5 is no skill.
    Worked: events at 0.8 and 0.4, others at 0.4 and 0.1: pairs won 1, 1, ½, 1 of 4 = 0.875.
    Undefined: no case with the event, or none without it.
    Reference: Hanley and McNeil 1982, 10.1148/radiology.143.1.7063747
    """
    sides = _sides(sample, weights)
    below = running_sums(sides.other_weights)
    lower = np.searchsorted(sides.others, sides.events, side="left")
    upto = np.searchsorted(sides.others, sides.events, side="right")
    won = np.einsum("ib,ib->b", sides.event_weights, below[lower] + below[upto]) / 2
    return ratio(won, sides.event_weights.sum(axis=0) * below[-1])


def average_precision(sample: Sample, weights: Array) -> Array:
    """Mean precision over the cases with the event, each at its own risk as threshold. Shape (replicates,).

    Direction: higher is better. Range: 0 to 1; the event rate is no skill.
    Worked: from the top event, other, event: precisions 1 and 2/3, mean 0.833.
    Undefined: no case with the event.
    Reference: Davis and Goadrich 2006, 10.1145/1143844.1143874 (the sum over steps, as in scikit-learn)
    """
    sides = _sides(sample, weights)
    events_below, others_below = running_sums(sides.event_weights), running_sums(sides.other_weights)
    hits = events_below[-1] - events_below[np.searchsorted(sides.events, sides.events, side="left")]
    false = others_below[-1] - others_below[np.searchsorted(sides.others, sides.events, side="left")]
    precision = np.divide(hits, hits + false, out=np.zeros_like(hits), where=hits > 0)
    return ratio(np.einsum("ib,ib->b", sides.event_weights, precision), events_below[-1])


PLUGINS = (
    MetricSpec(
        name="auroc",
        label="AUROC",
        family="discrimination",
        kinds=("binary",),
        aim="higher",
        low=0.0,
        high=1.0,
        description="Chance that a patient with the event is given the higher risk of two.",
        undefined="No patient with the event, or none without it.",
        compute=auroc,
        reference="10.1148/radiology.143.1.7063747",
        in_groups=True,
        compared=True,
    ),
    MetricSpec(
        name="average_precision",
        label="Average precision",
        family="discrimination",
        kinds=("binary",),
        aim="higher",
        low=0.0,
        high=1.0,
        description="Mean precision over the patients with the event; its no-skill value is the event rate.",
        undefined="No patient with the event.",
        compute=average_precision,
        reference="10.1145/1143844.1143874",
        in_groups=True,
    ),
)

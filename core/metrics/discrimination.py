"""How well a model ranks patients: AUROC and average precision, exact with ties.

Weights may come as whole numbers of one byte, which is an eighth of the memory to walk through, or as real numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.contracts.metric import Array, MetricSpec, Sample
from core.metrics.weighting import ratio


@dataclass(frozen=True)
class _Ranked:
    """Cases by value: their places, whether each had the event, and where each run of equal values ends."""

    order: NDArray[np.intp]
    event: NDArray[np.bool_]
    ends: NDArray[np.intp]


def _ranked(sample: Sample, *, downwards: bool = False) -> _Ranked:
    values = -sample.order if downwards else sample.order
    order = np.argsort(values, kind="stable")
    # A case whose outcome is not told belongs to neither side.
    order = order[(sample.y[order] == 0) | (sample.y[order] == 1)]
    ranked = values[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) + 1 if len(order) else order
    return _Ranked(order, sample.y[order] == 1, ends)


def _by_case(weights: Array) -> Array:
    """Weights with one case after the other in memory, (cases, replicates), as small whole numbers or as real ones."""
    kind = np.uint8 if weights.dtype == np.uint8 else np.float64
    return np.ascontiguousarray(weights.T, dtype=kind)


def auroc(sample: Sample, weights: Array) -> Array:
    """Chance that a case with the event ranks above one without it; ties count one half. Shape (replicates,).

    Direction: higher is better. Range: 0 to 1; 0.5 is no skill.
    Worked: events at 0.8 and 0.4, others at 0.4 and 0.1: pairs won 1, 1, ½, 1 of 4 = 0.875.
    Undefined: no case with the event, or none without it.
    Reference: Hanley and McNeil 1982, 10.1148/radiology.143.1.7063747
    """
    # Read on first use: the compiled loops bring numba, which pages and tables do without.
    from core.metrics._ranking_kernels import pairs_won

    found, sums = _ranked(sample), np.empty((3, len(weights)))
    pairs_won(_by_case(weights), found.order, found.event, found.ends, sums)
    won, events, others = sums
    return ratio(won / 2, events * others)


def average_precision(sample: Sample, weights: Array) -> Array:
    """Mean precision over the cases with the event, each at its own risk as threshold. Shape (replicates,).

    Direction: higher is better. Range: 0 to 1; the event rate is no skill.
    Worked: from the top event, other, event: precisions 1 and 2/3, mean 0.833.
    Undefined: no case with the event.
    Reference: Davis and Goadrich 2006, 10.1145/1143844.1143874 (the sum over steps, as in scikit-learn)
    """
    from core.metrics._ranking_kernels import precisions

    found, sums = _ranked(sample, downwards=True), np.empty((2, len(weights)))
    precisions(_by_case(weights), found.order, found.event, found.ends, sums)
    return ratio(sums[0], sums[1])


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
        takes_counts=True,
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
        takes_counts=True,
    ),
)

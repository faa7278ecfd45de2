"""Paired differences of two models on the same cases: interval, Wilcoxon's test, Holm's correction."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wilcoxon

from core.evaluation.multiplicity import holm
from core.evaluation.segmentation.cases import HUMAN, compared_metrics
from core.evaluation.segmentation.means import Board, Numbers, by_patient, intervals

SAME = 1e-12
"""Differences within it are rounding."""


def comparisons(board: Board) -> Iterator[dict[str, Any]]:
    """Rows of the table ``comparisons``: every pair of models by every compared metric, on the cases where both have a value.

    Holm's correction is over all pairs of models of one region, split and metric. The inter-reader line is compared with
    each model on the cases that several readers drew; it belongs to no family of tests, so it has no adjusted p.

    Reference: Wilcoxon 1945, 10.2307/3001968; Holm 1979, Scand J Statist 6:65-70.
    """
    for metric in compared_metrics():
        pairs = _pairs(board.models)
        values = board.values[metric]
        differences = np.column_stack([values[:, one] - values[:, other] for one, other in pairs]) if pairs else values[:, :0]
        for facts in _judge(board, pairs, differences):
            yield {**board.place, "metric": metric, **facts}


def _pairs(models: Sequence[str]) -> list[tuple[int, int]]:
    """Places of the models and their rivals; people come last, and only as a rival."""
    ours = [place for place, model in enumerate(models) if model != HUMAN]
    people = [place for place, model in enumerate(models) if model == HUMAN]
    return [*itertools.combinations(ours, 2), *itertools.product(ours, people)]


def _judge(board: Board, pairs: Sequence[tuple[int, int]], differences: Numbers) -> Iterator[dict[str, Any]]:
    found = intervals(differences, board.weights, board.patients)
    p_values = [signed_rank(column) for column in _patient_means(differences, board.patients)]
    rivals = [board.models[other] for _, other in pairs]
    adjusted = holm([np.nan if rival == HUMAN else p for rival, p in zip(rivals, p_values, strict=True)])
    for (one, _), rival, column, told, p, p_holm in zip(pairs, rivals, differences.T, found, p_values, adjusted, strict=True):
        if np.isfinite(column).any():
            yield {
                "model": board.models[one], "rival": rival, "difference": told.value, "low": told.low, "high": told.high,
                "n": int(np.isfinite(column).sum()), "p": p, "p_holm": p_holm,
            }  # fmt: skip


def _patient_means(differences: Numbers, patients: NDArray[Any]) -> Iterator[Numbers]:
    """For each column the mean difference of every patient who has one: cases of one patient are not independent."""
    defined = np.isfinite(differences)
    total = by_patient(np.where(defined, differences, 0.0), patients)
    count = by_patient(defined.astype(float), patients)
    for sums, numbers in zip(total.T, count.T, strict=True):
        yield sums[numbers > 0] / numbers[numbers > 0]


def signed_rank(differences: Numbers) -> float:
    """Two-sided p of Wilcoxon's signed-rank test; 1 where no difference is other than 0, NaN where there is none at all."""
    if not len(differences):
        return float("nan")
    differences = differences[np.abs(differences) > SAME]
    return float(wilcoxon(differences).pvalue) if len(differences) else 1.0

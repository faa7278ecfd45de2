"""Paired differences of two models on the same cases: interval, Wilcoxon's test, Holm's correction."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import wilcoxon

from core.evaluation.segmentation.cases import HUMAN, compared_metrics
from core.evaluation.segmentation.means import Resampling, mean_with_interval, wide


def comparisons(values: pd.DataFrame, resampling: Resampling) -> list[dict[str, Any]]:
    """Rows of the table ``comparisons``: every pair of models by every compared metric.

    Holm's correction is over all pairs of models of one region, split and metric. The inter-reader line is compared with
    each model on the cases that several readers drew; it belongs to no family of tests, so it has no adjusted p.

    Reference: Wilcoxon 1945, 10.2307/3001968; Holm 1979, Scand J Statist 6:65-70.
    """
    rows = []
    for (region, split), cases in values.groupby(["region", "split"], sort=False):
        for metric in compared_metrics():
            found = _pairs(wide(cases, metric), resampling)
            same = {"region": region, "split": split, "metric": metric}
            rows += [{**same, **facts} for facts in found]
    return rows


def _pairs(table: pd.DataFrame, resampling: Resampling) -> list[dict[str, Any]]:
    models = [model for model in table.columns if model != HUMAN]
    pairs = [_pair(table, first, second, resampling) for first, second in itertools.combinations(models, 2)]
    for facts, adjusted in zip(pairs, holm([facts["p"] for facts in pairs])):
        facts["p_holm"] = adjusted
    if HUMAN in table:
        pairs += [{**_pair(table, model, HUMAN, resampling), "p_holm": np.nan} for model in models]
    return [facts for facts in pairs if facts["n"] > 0]


def _pair(table: pd.DataFrame, model: str, rival: str, resampling: Resampling) -> dict[str, Any]:
    difference = (table[model] - table[rival]).dropna()
    facts: dict[str, Any] = {"model": model, "rival": rival, "n": len(difference)}
    if difference.empty:
        return {**facts, "difference": np.nan, "low": np.nan, "high": np.nan, "p": np.nan}
    patients = difference.index.get_level_values("patient_id").to_series()
    found = mean_with_interval(difference.to_numpy(dtype=float), patients, resampling)
    by_patient = difference.groupby(level="patient_id").mean().to_numpy(dtype=float)
    return {**facts, "difference": found.value, "low": found.low, "high": found.high, "p": signed_rank(by_patient)}


def signed_rank(differences: NDArray[np.float64]) -> float:
    """Two-sided p of Wilcoxon's signed-rank test; 1 where no difference is other than 0."""
    differences = differences[np.abs(differences) > 1e-12]
    return float(wilcoxon(differences).pvalue) if len(differences) else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted for their number (Holm's step-down); NaN stays and does not count.

    Worked: 0.01, 0.04, 0.03 become 0.03, 0.06, 0.06.
    """
    given = np.asarray(p_values, dtype=float)
    adjusted = np.full(len(given), np.nan)
    known = np.flatnonzero(np.isfinite(given))
    order = known[np.argsort(given[known], kind="stable")]
    highest = 0.0
    for place, at in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - place) * given[at]))
        adjusted[at] = highest
    return [float(value) for value in adjusted]

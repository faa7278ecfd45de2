"""Ranks of methods and how stable they are when other patients had been drawn.

Reference: Wiesenfarth et al., Sci Rep 2021, 10.1038/s41598-021-82017-6 (challengeR); own code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import kendalltau, rankdata

from core.evaluation.bootstrap import LEVEL
from core.evaluation.segmentation.cases import HUMAN, compared_metrics, higher_is_better
from core.evaluation.segmentation.means import Resampling, weighted_means, wide


@dataclass(frozen=True)
class Ranking:
    """Rows of ``ranks`` and ``rank_shares``, and Kendall's tau of the bootstrap rankings with the full one."""

    ranks: list[dict[str, Any]] = field(default_factory=list)
    shares: list[dict[str, Any]] = field(default_factory=list)
    stability: list[dict[str, Any]] = field(default_factory=list)


def rankings(values: pd.DataFrame, resampling: Resampling) -> Ranking:
    """Rank of each model's mean, 1 the best, ties sharing the lower number; the inter-reader line has no rank."""
    found = Ranking()
    models_only = values[values["model"] != HUMAN]
    for (region, split), cases in models_only.groupby(["region", "split"], sort=False):
        for metric in compared_metrics():
            same = {"region": region, "split": split, "metric": metric}
            _rank(wide(cases, metric), metric, same, resampling, found)
    return found


def _rank(table: pd.DataFrame, metric: str, same: dict[str, Any], resampling: Resampling, found: Ranking) -> None:
    patients = table.index.get_level_values("patient_id").to_series()
    means = weighted_means(table.to_numpy(dtype=float), resampling.weights(patients))
    ranks = ranks_of(means, higher=higher_is_better(metric))
    for place, model in enumerate(table.columns):
        low, high = np.quantile(ranks[1:, place], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        found.ranks.append({**same, "model": model, "rank": int(ranks[0, place]), "low": float(low), "high": float(high)})
        numbers, counts = np.unique(ranks[1:, place], return_counts=True)
        found.shares.extend(
            {**same, "model": model, "rank": int(number), "share": float(count / (len(ranks) - 1))}
            for number, count in zip(numbers, counts)
        )
    if table.shape[1] > 1:
        found.stability.append({**same, "kendall_tau": _stability(ranks)})


def ranks_of(means: NDArray[np.float64], *, higher: bool) -> NDArray[np.int64]:
    """Ranks along each row, 1 the best; a model without a value comes last."""
    worst = np.where(np.isfinite(means), -means if higher else means, np.inf)
    return np.asarray(np.apply_along_axis(lambda row: rankdata(row, method="min"), 1, worst), dtype=np.int64)


def _stability(ranks: NDArray[np.int64]) -> float:
    taus = [kendalltau(ranks[0], other).statistic for other in ranks[1:]]
    return float(np.nanmean(taus)) if np.isfinite(taus).any() else float("nan")

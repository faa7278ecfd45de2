"""Ranks of methods and how stable they are when other patients had been drawn.

Reference: Wiesenfarth et al., Sci Rep 2021, 10.1038/s41598-021-82017-6 (challengeR); own code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.evaluation.bootstrap import LEVEL
from core.evaluation.segmentation.cases import HUMAN, compared_metrics, higher_is_better
from core.evaluation.segmentation.means import Board, Numbers, weighted_means

Ranks = NDArray[np.int64]


@dataclass(frozen=True)
class Ranking:
    """Rows of ``ranks`` and ``rank_shares``, and Kendall's tau of the bootstrap rankings with the full one."""

    ranks: list[dict[str, Any]] = field(default_factory=list)
    shares: list[dict[str, Any]] = field(default_factory=list)
    stability: list[dict[str, Any]] = field(default_factory=list)

    def add(self, board: Board) -> None:
        """Ranks of each model's mean in a region and split, 1 the best; the inter-reader line has no rank."""
        ours = [place for place, model in enumerate(board.models) if model != HUMAN]
        for metric in compared_metrics() if ours else ():
            means = weighted_means(board.values[metric][:, ours], board.weights)
            ranks = ranks_of(means, higher=higher_is_better(metric))
            same = {**board.place, "metric": metric}
            for column, place in zip(ranks.T, ours, strict=True):
                self._model({**same, "model": board.models[place]}, column)
            self.stability.append({**same, "kendall_tau": mean_tau(ranks)})

    def _model(self, same: dict[str, Any], ranks: Ranks) -> None:
        low, high = np.quantile(ranks[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        self.ranks.append({**same, "rank": int(ranks[0]), "low": float(low), "high": float(high)})
        numbers, counts = np.unique(ranks[1:], return_counts=True)
        for number, count in zip(numbers, counts, strict=True):
            self.shares.append({**same, "rank": int(number), "share": float(count / (len(ranks) - 1))})


def ranks_of(means: Numbers, *, higher: bool) -> Ranks:
    """Ranks along each row, 1 the best, ties sharing the lower number; a model without a value comes last."""
    worst = np.where(np.isfinite(means), -means if higher else means, np.inf)
    # Read on first use: pages that show stored ranks do without.
    from scipy.stats import rankdata

    return np.asarray(rankdata(worst, method="min", axis=1), dtype=np.int64)


def mean_tau(ranks: Ranks) -> float:
    """Mean Kendall tau-b of each row with the first: 1 where every bootstrap sample ranks the models alike.

    Undefined: fewer than two models, or all tied.
    Reference: Kendall 1945, 10.1093/biomet/33.3.239
    """
    one, other = np.triu_indices(ranks.shape[1], 1)
    signs = np.sign(ranks[:, one] - ranks[:, other]).astype(float)
    untied = np.abs(signs).sum(axis=1)
    scale = np.sqrt(untied[1:] * untied[0])
    taus = np.divide(signs[1:] @ signs[0], scale, out=np.full(len(scale), np.nan), where=scale > 0)
    return float(np.nanmean(taus)) if np.isfinite(taus).any() else float("nan")

"""Several data sets at once: which method ranks where, and how stable that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from core.evaluation.segmentation.cases import INTERNAL
from core.evaluation.segmentation.ranks import mean_tau
from core.storage.summaries import StudySummary

COLUMNS = ("model", "label", "family", "study", "dataset", "simulated", "region", "rank", "low", "high", "of", "value")


def is_ablation_study(info: Mapping[str, Any]) -> bool:
    """Whether every method of a study is an arm of one of its ablations: it asks about parts of a method, not for the best."""
    asked = info["recipe"].get("ablations") or ()
    named = {name for part in asked for name in (part["baseline"], *part["arms"])}
    rows = {str(model["name"]) for model in info["models"] if model["family"] != "reference"}
    return bool(named) and rows <= named


def across_studies(summaries: Sequence[StudySummary], metric: str = "dice") -> pd.DataFrame:
    """One row a method, study and region: its rank in cross-validation with interval, out of how many, and its mean.

    Methods are matched by the name of their row; studies of ablations are left out.
    """
    benchmarks = [one for one in summaries if one.kind == "segmentation" and not is_ablation_study(one.info)]
    parts = [part for part in (_one(summary, metric) for summary in benchmarks) if len(part)]
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)] if parts else pd.DataFrame(columns=list(COLUMNS))


def _one(summary: StudySummary, metric: str) -> pd.DataFrame:
    ranks = summary.table("ranks", split=INTERNAL, metric=metric)
    scores = summary.table("scores", split=INTERNAL, metric=metric, group="all")[["region", "model", "value"]]
    facts = pd.DataFrame(
        [(str(model["name"]), str(model["label"]), str(model["family"])) for model in summary.info["models"]],
        columns=["model", "label", "family"],
    )
    table = ranks.merge(scores, on=["region", "model"]).merge(facts, on="model")
    dataset = summary.info["dataset"]
    return table.assign(
        study=summary.name,
        dataset=str(dataset["label"]),
        simulated=bool(dataset["simulated"]),
        of=table.groupby("region")["model"].transform("size"),
    )


def mean_ranks(table: pd.DataFrame) -> pd.DataFrame:
    """One row a method: its mean rank over studies and regions, its best and worst, and over how many; the best first.

    Only methods that stand in as many rankings as any other can be compared by their mean; the others come after them.

    Args:
        table: from ``across_studies``.
    """
    grouped = table.groupby(["model", "label", "family"], sort=False)
    found = grouped.agg(mean_rank=("rank", "mean"), best=("rank", "min"), worst=("rank", "max"), studies=("study", "size"))
    order = {"by": ["studies", "mean_rank", "model"], "ascending": [False, True, True]}
    return found.reset_index().sort_values(**order).reset_index(drop=True)


def agreement(table: pd.DataFrame) -> float:
    """Mean Kendall tau between the rankings of two data sets, of the methods that all of them judged: 1 where every data set
    ranks them alike, 0 where one says nothing about another.

    Undefined: fewer than two rankings, or two methods.

    Args:
        table: from ``across_studies``.
    """
    wide = table.pivot_table(index=["study", "region"], columns="model", values="rank").dropna(axis=1).to_numpy(dtype=np.int64)
    if len(wide) < 2 or wide.shape[1] < 2:
        return float("nan")
    taus = [mean_tau(wide[at:]) for at in range(len(wide) - 1)]
    weights = np.arange(len(wide) - 1, 0, -1)
    known = np.isfinite(taus)
    return float(np.average(np.asarray(taus)[known], weights=weights[known])) if known.any() else float("nan")

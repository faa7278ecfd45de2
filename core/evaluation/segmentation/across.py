"""Several data sets at once: which method ranks where, and how stable that is."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from core.storage.summaries import StudySummary

COLUMNS = ("model", "label", "family", "study", "dataset", "region", "rank", "low", "high", "of", "value")


def across_studies(summaries: Sequence[StudySummary], metric: str = "dice") -> pd.DataFrame:
    """One row a method, study and region: its rank in cross-validation with interval, out of how many, and its mean.

    Methods are matched by row name, so that an ablation's arms do not count as another method's.
    """
    parts = [_one(summary, metric) for summary in summaries if summary.kind == "segmentation"]
    parts = [part for part in parts if len(part)]
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)] if parts else pd.DataFrame(columns=list(COLUMNS))


def _one(summary: StudySummary, metric: str) -> pd.DataFrame:
    ranks = summary.table("ranks", split="internal", metric=metric)
    scores = summary.table("scores", split="internal", metric=metric, group="all")[["region", "model", "value"]]
    facts = pd.DataFrame(
        [(str(model["name"]), str(model["label"]), str(model["family"])) for model in summary.info["models"]],
        columns=["model", "label", "family"],
    )
    table = ranks.merge(scores, on=["region", "model"]).merge(facts, on="model")
    return table.assign(
        study=summary.name,
        dataset=str(summary.info["dataset"]["label"]),
        of=table.groupby("region")["model"].transform("size"),
    )


def mean_ranks(table: pd.DataFrame) -> pd.DataFrame:
    """One row a method: its mean rank over studies and regions, its best and worst, and over how many; the best first."""
    grouped = table.groupby(["model", "label", "family"], sort=False)
    found = grouped.agg(mean_rank=("rank", "mean"), best=("rank", "min"), worst=("rank", "max"), studies=("study", "size"))
    return found.reset_index().sort_values(["mean_rank", "model"]).reset_index(drop=True)

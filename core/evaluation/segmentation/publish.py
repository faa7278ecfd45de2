"""What may leave the house of a segmentation study: scores, tables, per-case scores by hashed id; no picture, mask or patient."""

from __future__ import annotations

import pandas as pd

from core.evaluation.segmentation.means import ALL
from core.storage.summaries import StudySummary

CANNOT = (
    "Pictures, masks and predictions; they are drawn from the reader's own copy of the data.",
    "Metrics with other tolerances, and other planted faults.",
)
LEVEL = ["region", "split", "factor", "level"]


def for_publication(summary: StudySummary, min_cell: int) -> StudySummary:
    """The summary as it may be published: groups and levels under ``min_cell`` patients are left out.

    Case ids are hashed from the start. The mean of a whole split stays however few its patients are, because it can be had
    from the table of cases. ``min_cell=1`` leaves nothing out.
    """
    tables = {name: table.copy() for name, table in summary.tables.items()}
    scores = tables["scores"]
    tables["scores"] = scores[(scores["group"] == ALL) | (scores["n_patients"] >= min_cell)].reset_index(drop=True)
    tables["factors"] = _levels(tables["factors"], summary, min_cell)
    info = {**summary.info, "published": True, "rows_available": False, "min_cell": min_cell}
    info["cannot"] = [*CANNOT, *_small(min_cell)]
    info["level_patients"] = [item for item in summary.info.get("level_patients", ()) if item["n_patients"] >= min_cell]
    return StudySummary(info, tables)


def _levels(table: pd.DataFrame, summary: StudySummary, min_cell: int) -> pd.DataFrame:
    """Levels of which enough patients are known to stand behind them."""
    if min_cell <= 1:
        return table
    counted = pd.DataFrame(summary.info.get("level_patients", ()), columns=[*LEVEL, "n_patients"])
    enough = counted[counted["n_patients"] >= min_cell][LEVEL]
    kept = pd.MultiIndex.from_frame(table[LEVEL].astype(str)).isin(pd.MultiIndex.from_frame(enough.astype(str)))
    return table[kept].reset_index(drop=True)


def _small(min_cell: int) -> tuple[str, ...]:
    return () if min_cell <= 1 else (f"Groups and levels of fewer than {min_cell} patients.",)

"""What may leave the house of a segmentation study: scores, tables, per-case scores by hashed id; no picture, mask or patient."""

from __future__ import annotations

from core.evaluation.segmentation.means import ALL
from core.storage.summaries import StudySummary

CANNOT = (
    "Pictures, masks and predictions; they are drawn from the reader's own copy of the data.",
    "Scores of groups of fewer patients than the smallest cell.",
)


def for_publication(summary: StudySummary, min_cell: int) -> StudySummary:
    """The summary as it may be published: groups and levels under ``min_cell`` patients are left out.

    Case ids are hashed from the start.
    """
    tables = {name: table.copy() for name, table in summary.tables.items()}
    scores = tables["scores"]
    tables["scores"] = scores[(scores["group"] == ALL) | (scores["n_patients"] >= min_cell)].reset_index(drop=True)
    factors = tables["factors"]
    tables["factors"] = factors[factors["n"] >= min_cell].reset_index(drop=True)
    info = {**summary.info, "published": True, "rows_available": False, "min_cell": min_cell, "cannot": list(CANNOT)}
    return StudySummary(info, tables)

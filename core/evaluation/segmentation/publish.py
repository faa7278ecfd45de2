"""What may leave the house of a segmentation study: scores, tables, per-case scores by hashed id; no picture, mask or patient."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.evaluation.segmentation.means import ALL
from core.evaluation.suppression import hidden_groups
from core.storage.summaries import StudySummary

CANNOT = (
    "Pictures, masks and predictions; they are drawn from the reader's own copy of the data.",
    "Metrics with other tolerances, and other planted faults.",
)
WHOSE = ["region", "split", "model"]


def for_publication(summary: StudySummary, min_cell: int) -> StudySummary:
    """The summary as it may be published.

    Levels of an attribute (a site, a scanner) under ``min_cell`` patients are left out, and the next smallest where one could
    subtract. The mean of a whole split, and levels of what was measured on the picture (its size, its noise), stay however
    few the patients are: they are no group of persons, and scores by case are told anyway, by hashed id. ``min_cell=1``
    leaves nothing out.
    """
    tables = {name: table.copy() for name, table in summary.tables.items()}
    hidden = _hidden(tables["scores"], min_cell)
    tables["scores"] = _scores(tables["scores"], hidden, min_cell)
    columns = {label: column for column, label in summary.info.get("groups", {}).items()}
    tables["factors"] = _factors(tables["factors"], hidden, columns)
    tables["fairness"] = _fairness(summary.table("fairness"), hidden, columns)
    info = {**summary.info, "published": True, "rows_available": False, "min_cell": min_cell}
    info["cannot"] = [*CANNOT, *_small(min_cell)]
    return StudySummary(info, tables)


def _hidden(scores: pd.DataFrame, min_cell: int) -> set[tuple[str, ...]]:
    """(region, split, model, group) that must be left out."""
    found: set[tuple[str, ...]] = set()
    persons = scores.groupby([*WHOSE, "group"], sort=False)["n_patients"].max().reset_index()
    for whose, rows in persons.groupby(WHOSE, sort=False):
        counts = {str(group): int(n) for group, n in zip(rows["group"], rows["n_patients"], strict=True)}
        found |= {(*map(str, whose), group) for group in hidden_groups(counts, min_cell) if group != ALL}
    return found


def _scores(table: pd.DataFrame, hidden: set[tuple[str, ...]], min_cell: int) -> pd.DataFrame:
    keys = zip(*(table[column] for column in (*WHOSE, "group")), strict=True)
    kept = np.asarray([key not in hidden for key in keys], dtype=bool)
    enough = (table["group"] == ALL) | (table["n_patients"] >= min_cell)
    return table[enough & kept].reset_index(drop=True)


def _factors(table: pd.DataFrame, hidden: set[tuple[str, ...]], columns: dict[str, str]) -> pd.DataFrame:
    """Without the hidden levels of attributes.

    Args:
        columns: of the attributes, by what people read.
    """
    groups = [f"{columns.get(factor, '')}={level}" for factor, level in zip(table["factor"], table["level"], strict=True)]
    keys = zip(*(table[column] for column in WHOSE), groups, strict=True)
    return table[np.asarray([key not in hidden for key in keys], dtype=bool)].reset_index(drop=True)


def _fairness(table: pd.DataFrame, hidden: set[tuple[str, ...]], columns: dict[str, str]) -> pd.DataFrame:
    factor_and_level = table["group"].str.split("=", n=1, expand=True).reindex(columns=[0, 1])
    kept = _factors(table.assign(factor=factor_and_level[0], level=factor_and_level[1]), hidden, columns)
    return kept[list(table.columns)]


def _small(min_cell: int) -> tuple[str, ...]:
    return () if min_cell <= 1 else (f"Groups of fewer than {min_cell} patients.",)

"""From stored counts to metrics by case."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

from core.metrics.masks import MASK_METRICS

CLEAN = "clean"
HUMAN = "human_readers"
INTERNAL = "internal"
KEYS = ["region", "split", "model", "case_id", "patient_id"]


def hashed_case(dataset: str, case_id: str) -> str:
    """Twelve hex digits that name a case in published tables; whoever has the data can find it again."""
    return hashlib.sha256(f"{dataset}/{case_id}".encode()).hexdigest()[:12]


def metric_names() -> tuple[str, ...]:
    """Slugs of all mask metrics."""
    return tuple(spec.name for spec in MASK_METRICS)


def compared_metrics() -> tuple[str, ...]:
    """Slugs of the metrics by which models are compared and ranked."""
    return tuple(spec.name for spec in MASK_METRICS if spec.compared)


def higher_is_better(metric: str) -> bool:
    """Whether a metric is aimed upwards."""
    return MASK_METRICS.get(metric).aim == "higher"


def with_metrics(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows (``MASK_COLUMNS``) with one more column a metric, ``m_`` before its slug."""
    values = {f"m_{spec.name}": np.asarray(spec.compute(rows), dtype=float) for spec in MASK_METRICS}
    return rows.assign(**values)


def case_values(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a region, split, model and case: each metric averaged over the runs (seeds, readers) in which it is defined.

    Args:
        rows: with metrics (``with_metrics``), of one condition.
    """
    columns = {f"m_{name}": "mean" for name in metric_names()}
    found = rows.groupby(KEYS, sort=False).agg({**columns, "repeat": "nunique", "lesions": "mean", "lesions_found": "mean"})
    found = found.rename(columns={f"m_{name}": name for name in metric_names()} | {"repeat": "runs"})
    return found.reset_index()


def case_table(values: pd.DataFrame, dataset: str, sizes: pd.Series) -> pd.DataFrame:
    """The published table ``cases``: hashed ids, no patient.

    Args:
        sizes: by (region, case_id), in the data set's unit.
    """
    names = {str(case_id): hashed_case(dataset, str(case_id)) for case_id in values["case_id"].unique()}
    places = pd.MultiIndex.from_frame(values[["region", "case_id"]])
    return values.rename(columns={"false_lesions": "lesions_false"}).assign(
        case=values["case_id"].astype(str).map(names), size=sizes.reindex(places).to_numpy()
    )

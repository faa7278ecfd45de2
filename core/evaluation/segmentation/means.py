"""Means over cases with intervals that resample patients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.evaluation.bootstrap import Interval, case_weights, interval_of, patient_seed
from core.evaluation.segmentation.cases import metric_names

Numbers = NDArray[np.float64]
ALL = "all"


@dataclass(frozen=True)
class Resampling:
    """How patients are resampled: the same draw for every model on the same patients."""

    replicates: int
    seed: int

    def weights(self, patients: pd.Series) -> Numbers:
        """(cases, replicates + 1); column 0 is the data as they are."""
        return _weights(tuple(patients.astype(str)), self.replicates, self.seed)


@lru_cache(maxsize=24)
def _weights(patients: tuple[str, ...], replicates: int, seed: int) -> Numbers:
    """Kept, because all models of a table are resampled over the same patients."""
    codes = pd.factorize(np.array(patients), sort=True)[0]
    weights = case_weights(codes, replicates, patient_seed(seed, patients))
    weights.flags.writeable = False
    return weights


def weighted_means(values: Numbers, weights: Numbers) -> Numbers:
    """(replicates + 1, columns) means of each column over its defined cases; NaN where there is none.

    Args:
        values: (cases, columns); weights: (cases, replicates + 1).
    """
    defined = np.isfinite(values)
    total = weights.T @ np.where(defined, values, 0.0)
    count = weights.T @ defined.astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count > 0, total / count, np.nan)


def mean_with_interval(values: Numbers, patients: pd.Series, resampling: Resampling) -> Interval:
    """Mean of one column with its interval."""
    return interval_of(weighted_means(values[:, None], resampling.weights(patients))[:, 0])


def scores(values: pd.DataFrame, groups: pd.DataFrame, resampling: Resampling) -> list[dict[str, Any]]:
    """Rows of the table ``scores``.

    Args:
        values: from ``case_values``.
        groups: by case id, one column an attribute.
    """
    rows = []
    for (region, split, model), cases in values.groupby(["region", "split", "model"], sort=False):
        for group, part in _groups(cases, groups):
            same = {"region": region, "model": model, "split": split, "group": group}
            rows += [{**same, **facts} for facts in _means(part, resampling)]
    return rows


def _groups(cases: pd.DataFrame, groups: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    yield ALL, cases
    for column in groups.columns:
        levels = groups[column].reindex(cases["case_id"]).astype(str).to_numpy()
        for level in sorted(set(levels)):
            if level != "nan" and len(set(levels)) > 1:
                yield f"{column}={level}", cases[levels == level]


def _means(cases: pd.DataFrame, resampling: Resampling) -> Iterator[dict[str, Any]]:
    names = metric_names()
    values = cases[list(names)].to_numpy(dtype=float)
    means = weighted_means(values, resampling.weights(cases["patient_id"]))
    defined = np.isfinite(values)
    patients = cases["patient_id"].to_numpy()
    for place, name in enumerate(names):
        found = interval_of(means[:, place])
        yield {
            "metric": name, "value": found.value, "low": found.low, "high": found.high, "n": int(defined[:, place].sum()),
            "n_patients": len(set(patients[defined[:, place]])), "n_undefined": int((~defined[:, place]).sum()),
        }  # fmt: skip


def wide(values: pd.DataFrame, metric: str, models: Sequence[str] | None = None) -> pd.DataFrame:
    """One row a case, one column a model; indexed by case and patient."""
    table = values.pivot_table(index=["case_id", "patient_id"], columns="model", values=metric, sort=False, dropna=False)
    return table if models is None else table.reindex(columns=list(models))

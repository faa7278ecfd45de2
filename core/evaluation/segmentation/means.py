"""Means over cases with intervals that resample patients.

One draw serves all models, metrics, pairs and groups of a region and split, so that whatever is compared stands on the same
replicates. A group's cases keep the weights they have in that draw.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.evaluation.bootstrap import Interval, case_weights, interval_of, patient_seed
from core.evaluation.segmentation.cases import metric_names

Numbers = NDArray[np.float64]
ALL = "all"
FEWEST_PATIENTS = 3
"""Of fewer patients there is a mean but no interval: resampling one or two says nothing about others."""


@dataclass(frozen=True)
class Resampling:
    """How patients are resampled: the same draw for every model on the same patients."""

    replicates: int
    seed: int

    def weights(self, patients: NDArray[Any]) -> Numbers:
        """(cases, replicates + 1); column 0 is the data as they are."""
        codes = pd.factorize(patients, sort=True)[0].astype(np.intp)
        return case_weights(codes, self.replicates, patient_seed(self.seed, [str(name) for name in patients]))


@dataclass(frozen=True)
class Board:
    """All that was judged of one region and split.

    Args:
        cases, patients: (cases,) ids.
        models: in the order of the study.
        values: by metric (cases, models), NaN where undefined or not judged.
        judged: (cases, models) whether the model outlined the case.
        weights: (cases, replicates + 1), see ``Resampling``.
    """

    region: str
    split: str
    cases: NDArray[np.str_]
    patients: NDArray[np.str_]
    models: tuple[str, ...]
    values: Mapping[str, Numbers]
    judged: NDArray[np.bool_]
    weights: Numbers

    @property
    def place(self) -> dict[str, Any]:
        """Its region and split, as columns of a row."""
        return {"region": self.region, "split": self.split}


def boards(values: pd.DataFrame, resampling: Resampling) -> Iterator[Board]:
    """One board a region and split.

    Args:
        values: from ``case_values``.
    """
    for (region, split), rows in values.groupby(["region", "split"], sort=False):
        yield _board(str(region), str(split), rows, resampling)


def _board(region: str, split: str, rows: pd.DataFrame, resampling: Resampling) -> Board:
    at, cases = pd.factorize(rows["case_id"])
    to, models = pd.factorize(rows["model"])
    first = rows.drop_duplicates("case_id")
    patients = first["patient_id"].to_numpy(dtype=str)
    shape = (len(cases), len(models))

    def spread(column: str) -> Numbers:
        table = np.full(shape, np.nan)
        table[at, to] = rows[column].to_numpy(dtype=float)
        return table

    judged = np.zeros(shape, dtype=bool)
    judged[at, to] = True
    by_metric = {name: spread(name) for name in metric_names()}
    return Board(
        region, split, first["case_id"].to_numpy(dtype=str), patients, tuple(map(str, models)), by_metric, judged,
        resampling.weights(patients),
    )  # fmt: skip


def weighted_means(values: Numbers, weights: Numbers) -> Numbers:
    """(replicates + 1, columns) means of each column over its defined cases; NaN where there is none.

    Args:
        values: (cases, columns); weights: (cases, replicates + 1).
    """
    defined = np.isfinite(values)
    total = weights.T @ np.where(defined, values, 0.0)
    count = weights.T @ defined.astype(float)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def intervals(values: Numbers, weights: Numbers, patients: NDArray[Any]) -> list[Interval]:
    """The mean of each column over its defined cases, with its interval where there are patients enough."""
    means = weighted_means(values, weights)
    enough = patient_counts(values, patients) >= FEWEST_PATIENTS
    found = [interval_of(column) for column in means.T]
    return [
        one if wide else Interval(one.value, np.nan, np.nan, one.n_undefined) for one, wide in zip(found, enough, strict=True)
    ]


def patient_counts(values: Numbers, patients: NDArray[Any]) -> NDArray[np.int64]:
    """(columns,) patients with a defined case."""
    return np.asarray((by_patient(np.isfinite(values).astype(float), patients) > 0).sum(axis=0), dtype=np.int64)


def by_patient(values: Numbers, patients: NDArray[Any]) -> Numbers:
    """(patients, columns) sums over each patient's cases."""
    codes, names = pd.factorize(patients)
    sums = np.zeros((len(names), values.shape[1]))
    np.add.at(sums, codes, values)
    return sums


def scores(board: Board, groups: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Rows of the table ``scores``.

    Args:
        groups: by case id, one column an attribute.
    """
    for group, chosen in _groups(board, groups):
        for place, model in enumerate(board.models):
            judged = chosen & board.judged[:, place]
            if judged.any():
                same = {"region": board.region, "model": model, "split": board.split, "group": group}
                yield from ({**same, **facts} for facts in _means(board, place, judged))


def _groups(board: Board, groups: pd.DataFrame) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    yield ALL, np.ones(len(board.cases), dtype=bool)
    for column in groups.columns:
        values = groups[column].reindex(board.cases)
        levels, known = values.astype(str).to_numpy(), values.notna().to_numpy()
        names = sorted(set(levels[known]))
        for level in names if len(names) > 1 else ():
            yield f"{column}={level}", known & (levels == level)


def _means(board: Board, place: int, chosen: NDArray[np.bool_]) -> Iterator[dict[str, Any]]:
    values = np.column_stack([board.values[name][chosen, place] for name in board.values])
    patients = board.patients[chosen]
    found = intervals(values, board.weights[chosen], patients)
    counts = patient_counts(values, patients)
    for name, column, one, persons in zip(board.values, values.T, found, counts, strict=True):
        n = int(np.isfinite(column).sum())
        yield {
            "metric": name, "value": one.value, "low": one.low, "high": one.high, "n": n, "n_patients": int(persons),
            "n_undefined": len(column) - n,
        }  # fmt: skip

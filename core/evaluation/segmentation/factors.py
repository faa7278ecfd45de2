"""Where errors lie: by size, border, contrast, quality and attribute; under planted faults; and whether folds are alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.contracts.pictures import PictureSet
from core.evaluation.segmentation.cases import CLEAN
from core.evaluation.segmentation.means import Board, Resampling, intervals

DICE = "dice"
JUDGED_BY = (DICE, "nsd", "assd")
"""Overlap, share of the border within the tolerance, and how far the border lies off."""
THIRDS = ("lowest third", "middle third", "highest third")
BY_THIRDS = {
    "size": "Size of the region",
    "contrast": "Contrast to its surroundings",
    "share": "Share of the picture",
    "sharpness": "Sharpness of the picture",
    "noise": "Noise of the picture",
}
FEWEST = 3
"""Cases of a level that is told."""


def levels_of(facts: pd.DataFrame, pictures: PictureSet) -> pd.DataFrame:
    """One row a region, case and factor: ``factor``, ``level``, ``order``.

    Thirds are of the cases that hold the region, so that each has as many.
    """
    parts = [part for region, rows in facts.groupby("region", sort=False) for part in _of_region(str(region), rows, pictures)]
    return pd.concat(parts, ignore_index=True)


def _of_region(region: str, rows: pd.DataFrame, pictures: PictureSet) -> Iterator[pd.DataFrame]:
    held = rows[rows["size"] > 0]
    for name, label in BY_THIRDS.items():
        known = held[held[name].notna()]
        third = np.searchsorted(known[name].quantile([1 / 3, 2 / 3]).to_numpy(), known[name].to_numpy(dtype=float))
        yield _levels(region, known["case_id"], label, third, [THIRDS[at] for at in third])
    touching = (held["touches_border"] == 1).to_numpy()
    yield _levels(region, held["case_id"], "Border of the picture", touching, _words(touching, "touches the border", "inside"))
    several = (held["parts"] > 1).to_numpy()
    yield _levels(region, held["case_id"], "Connected parts", several, _words(several, "several", "one"))
    for column, label in pictures.attributes:
        values = pictures.table[column].reindex(rows["case_id"]).dropna().astype(str)
        yield _levels(region, values.index, label, pd.factorize(values, sort=True)[0], list(values))


def _words(flags: NDArray[np.bool_], yes: str, no: str) -> list[str]:
    return [yes if flag else no for flag in flags]


def _levels(region: str, cases: Any, factor: str, order: NDArray[Any], level: Sequence[str]) -> pd.DataFrame:
    found = {"region": region, "case_id": np.asarray(cases, dtype=str), "factor": factor, "level": level}
    return pd.DataFrame({**found, "order": np.asarray(order, dtype=int)})


def factors(board: Board, levels: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Rows of the table ``factors``: means of each model at each level, with intervals; a factor of one level is left out."""
    here = levels[(levels["region"] == board.region) & levels["case_id"].isin(board.cases)]
    places = pd.Series(np.arange(len(board.cases)), index=board.cases)
    for factor, rows in here.groupby("factor", sort=False):
        told = [(key, part) for key, part in rows.groupby(["order", "level"]) if len(part) >= FEWEST]
        for (order, level), part in told if len(told) > 1 else ():
            same = {**board.place, "factor": factor, "level": level, "order": order}
            yield from ({**same, **facts} for facts in _at(board, places.loc[part["case_id"]].to_numpy()))


def _at(board: Board, chosen: NDArray[np.intp]) -> Iterator[dict[str, Any]]:
    weights, patients = board.weights[chosen], board.patients[chosen]
    for metric in JUDGED_BY:
        values = board.values[metric][chosen]
        found = intervals(values, weights, patients)
        for model, column, told in zip(board.models, values.T, found, strict=True):
            n = int(np.isfinite(column).sum())
            if n >= FEWEST:
                yield {"model": model, "metric": metric, "value": told.value, "low": told.low, "high": told.high, "n": n}


def robustness(rows: pd.DataFrame, resampling: Resampling) -> Iterator[dict[str, Any]]:
    """Rows of the table ``robustness``: mean Dice under each planted fault, on one sample of cases; severity 0 is the same
    sample without a fault.

    Args:
        rows: with metrics, of all conditions.
    """
    keys = ["region", "split", "model"]
    for (region, split, model), part in rows.groupby(keys, sort=False):
        table = _by_condition(part)
        if table.shape[1] > 1:
            same = {"region": region, "split": split, "model": model, "metric": DICE}
            yield from ({**same, **facts} for facts in _under_faults(table, resampling))


def _by_condition(rows: pd.DataFrame) -> pd.DataFrame:
    """Dice by (case, patient) and condition: the runs on which faults were tried, and nothing else."""
    spoilt = rows.loc[rows["condition"] != CLEAN, ["case_id", "repeat"]].drop_duplicates()
    tried = rows.merge(spoilt, on=["case_id", "repeat"])
    return tried.groupby(["case_id", "patient_id", "condition"])[f"m_{DICE}"].mean().unstack("condition")


def _under_faults(table: pd.DataFrame, resampling: Resampling) -> Iterator[dict[str, Any]]:
    patients = table.index.get_level_values("patient_id").to_numpy(dtype=str)
    values = table.to_numpy(dtype=float)
    told = dict(zip(table.columns, intervals(values, resampling.weights(patients), patients), strict=True))
    counts = dict(zip(table.columns, np.isfinite(values).sum(axis=0), strict=True))
    for condition in table.columns:
        if condition != CLEAN:
            fault, severity = str(condition).split(":")
            yield _fault(fault, int(severity), told[condition], counts[condition])
    for fault in sorted({str(name).split(":")[0] for name in table.columns if name != CLEAN} if CLEAN in told else ()):
        yield _fault(fault, 0, told[CLEAN], counts[CLEAN])


def _fault(fault: str, severity: int, told: Any, n: int) -> dict[str, Any]:
    numbers = {"value": told.value, "low": told.low, "high": told.high, "n": int(n)}
    return {"corruption": fault, "severity": severity, **numbers}


def balance(folds: pd.DataFrame, facts: pd.DataFrame, pictures: PictureSet) -> Iterator[dict[str, Any]]:
    """Rows of the table ``folds``: what each side of each split holds.

    Args:
        folds: one row a split, fold, side and case.
    """
    for (split, fold, side), part in folds.groupby(["split", "fold", "side"], sort=False):
        same = {"split": split, "fold": fold, "side": side}
        measures = _side(list(part["case_id"]), facts, pictures)
        yield from ({**same, "measure": name, "value": float(value)} for name, value in measures.items())


def _side(cases: Sequence[str], facts: pd.DataFrame, pictures: PictureSet) -> dict[str, float]:
    table = pictures.table.loc[list(cases)]
    measures: dict[str, float] = {"cases": len(cases), "patients": table["patient_id"].astype(str).nunique()}
    for region in pictures.regions:
        shares = facts[facts["region"] == region.name].set_index("case_id")["share"].reindex(cases)
        measures[f"mean share of the picture: {region.label}"] = shares.mean()
        measures[f"share of empty masks: {region.label}"] = (shares == 0).mean()
    for column, label in pictures.attributes:
        counts = table[column].astype(str).value_counts(normalize=True).sort_index()
        measures |= {f"{label}: {level}": float(share) for level, share in counts.items()}
    return measures

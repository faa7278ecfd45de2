"""Where errors lie: by size, border, contrast, quality and attribute; under planted faults; and whether folds are alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from core.contracts.pictures import PictureSet
from core.evaluation.segmentation.cases import CLEAN
from core.evaluation.segmentation.means import Resampling, mean_with_interval

METRIC = "dice"
THIRDS = ("lowest third", "middle third", "highest third")
BY_THIRDS = {"size": "Size of the region", "contrast": "Contrast to its surroundings", "share": "Share of the picture",
             "sharpness": "Sharpness of the picture", "noise": "Noise of the picture"}  # fmt: skip
FEWEST = 3


def levels_of(facts: pd.DataFrame, pictures: PictureSet) -> pd.DataFrame:
    """One row a region, case and factor: ``factor``, ``level``, ``order``.

    Thirds are of the cases that hold the region, so that each has as many.
    """
    parts = []
    for region, rows in facts.groupby("region", sort=False):
        held = rows[rows["size"] > 0]
        for name, label in BY_THIRDS.items():
            third = np.searchsorted(held[name].quantile([1 / 3, 2 / 3]).to_numpy(), held[name].to_numpy(dtype=float))
            parts.append(_levels(region, held["case_id"], label, third, [THIRDS[at] for at in third]))
        touching = held["touches_border"].to_numpy() == 1
        border = np.where(touching, "touches the border", "inside")
        parts.append(_levels(region, held["case_id"], "Border of the picture", touching.astype(int), list(border)))
        several = held["parts"].to_numpy() > 1
        parts.append(_levels(region, held["case_id"], "Connected parts", several.astype(int), ["several" if one else "one" for one in several]))  # noqa: E501  # fmt: skip
        for column, label in pictures.attributes:
            values = pictures.table[column].astype(str).reindex(rows["case_id"])
            codes = pd.factorize(values, sort=True)[0]
            parts.append(_levels(region, rows["case_id"], label, codes, list(values)))
    return pd.concat(parts, ignore_index=True)


def _levels(region: object, cases: pd.Series, factor: str, order: Any, level: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame({"region": region, "case_id": cases.to_numpy(), "factor": factor, "level": level, "order": order})


def factors(values: pd.DataFrame, levels: pd.DataFrame, resampling: Resampling) -> list[dict[str, Any]]:
    """Rows of the table ``factors``: mean Dice of each model at each level, with interval."""
    joined = values[["region", "split", "model", "case_id", "patient_id", METRIC]].merge(levels, on=["region", "case_id"])
    joined = joined[joined[METRIC].notna()]
    keys = ["region", "split", "model", "factor", "level", "order"]
    rows = []
    for key, cases in joined.groupby(keys, sort=False):
        if len(cases) >= FEWEST:
            found = mean_with_interval(cases[METRIC].to_numpy(dtype=float), cases["patient_id"], resampling)
            told = {"metric": METRIC, "value": found.value, "low": found.low, "high": found.high, "n": len(cases)}
            rows.append({**dict(zip(keys, key)), **told})
    return rows


def robustness(rows: pd.DataFrame, resampling: Resampling) -> list[dict[str, Any]]:
    """Rows of the table ``robustness``: mean Dice under each planted fault, on one sample of cases; severity 0 is clean.

    Args:
        rows: with metrics, of all conditions.
    """
    spoilt = rows[rows["condition"] != CLEAN]
    found = []
    for (region, split, model), part in spoilt.groupby(["region", "split", "model"], sort=False):
        clean = rows[
            (rows["condition"] == CLEAN) & (rows["region"] == region) & (rows["split"] == split) & (rows["model"] == model)
            & (rows["repeat"] == 0) & rows["case_id"].isin(part["case_id"].unique())
        ]  # fmt: skip
        same = {"region": region, "split": split, "model": model, "metric": METRIC}
        for corruption, severity, cases in _conditions(part, clean):
            cases = cases[cases[f"m_{METRIC}"].notna()]
            if len(cases):
                told = mean_with_interval(cases[f"m_{METRIC}"].to_numpy(dtype=float), cases["patient_id"], resampling)
                numbers = {"value": told.value, "low": told.low, "high": told.high, "n": len(cases)}
                found.append({**same, "corruption": corruption, "severity": severity, **numbers})
    return found


def _conditions(spoilt: pd.DataFrame, clean: pd.DataFrame) -> Iterator[tuple[str, int, pd.DataFrame]]:
    parts = spoilt["condition"].str.split(":", expand=True)
    for corruption in dict.fromkeys(parts[0]):
        yield corruption, 0, clean
        for severity in sorted(set(parts.loc[parts[0] == corruption, 1].astype(int))):
            yield corruption, severity, spoilt[(parts[0] == corruption) & (parts[1].astype(int) == severity)]


def balance(folds: pd.DataFrame, facts: pd.DataFrame, pictures: PictureSet) -> list[dict[str, Any]]:
    """Rows of the table ``folds``: what each side of each split holds."""
    patients = pictures.table["patient_id"].astype(str)
    region = pictures.regions[0].name
    share = facts[facts["region"] == region].set_index("case_id")["share"]
    rows = []
    for (split, fold, side), part in folds.groupby(["split", "fold", "side"], sort=False):
        cases = part["case_id"]
        shares = share.reindex(cases)
        measures = {
            "cases": len(cases),
            "patients": patients.loc[cases].nunique(),
            f"mean share of the picture: {pictures.regions[0].label}": float(shares.mean()),
            "share of empty masks": float((shares == 0).mean()),
        }
        for column, label in pictures.attributes:
            counts = pictures.table[column].astype(str).loc[cases].value_counts(normalize=True).sort_index()
            measures |= {f"{label}: {level}": float(value) for level, value in counts.items()}
        same = {"split": split, "fold": fold, "side": side}
        rows += [{**same, "measure": name, "value": float(value)} for name, value in measures.items()]
    return rows

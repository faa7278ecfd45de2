"""What a part of a method adds: paired differences over cases and seeds, and a verdict in words."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from core.contracts.segmentation_recipe import AblationPart
from core.evaluation.bootstrap import Interval, interval_of
from core.evaluation.segmentation.means import FEWEST_PATIENTS, Numbers, Resampling

METRICS = ("dice", "nsd")
SMALL = 0.01
"""One point of Dice: differences that stay within it either way count as none."""

VERDICTS: dict[str, str] = {
    "confirmed": "The interval excludes no effect and meets the claimed range.",
    "smaller": "The interval excludes no effect and lies below the claimed range.",
    "larger": "The interval lies above the claimed range.",
    "helps": "The interval excludes no effect; no range is claimed for this part.",
    "none seen": "The interval holds no effect and ends below the claimed range, or within one point where none is claimed.",
    "reversed": "The interval lies below zero: leaving the part out is better here.",
    "too few cases to say": "The interval holds no effect and also effects of the claimed size.",
}


def ablations(rows: pd.DataFrame, parts: Sequence[AblationPart], resampling: Resampling) -> Iterator[dict[str, Any]]:
    """Rows of the table ``ablations``: baseline - arm, on the cases and seeds that both have.

    Patients and seeds are resampled together (two-way), so that the interval answers for both; a seed stands for another
    beginning of the training. With one seed it answers for patients alone; of few seeds it is somewhat too narrow.

    Args:
        rows: with metrics, clean, of cross-validation.
    """
    asked = [(part, arm) for part in parts for arm in part.arms]
    for (part, arm), region, metric in itertools.product(asked, dict.fromkeys(rows["region"]), METRICS):
        told = _difference(rows[rows["region"] == region], part.baseline, arm, metric, resampling)
        if told is not None:
            yield {**_facts(part, arm, str(region), metric), **told, **_claim(part, metric, told)}


def _facts(part: AblationPart, arm: str, region: str, metric: str) -> dict[str, Any]:
    same = {"ablation": part.name, "label": part.label, "region": region, "metric": metric}
    return {**same, "baseline": part.baseline, "arm": arm}


def _claim(part: AblationPart, metric: str, told: dict[str, Any]) -> dict[str, Any]:
    low, high = (value / 100 for value in part.claimed) if part.claimed and metric == "dice" else (np.nan, np.nan)
    claimed = {"claimed_low": low, "claimed_high": high}
    return {**claimed, "verdict": verdict(told["low"], told["high"], low, high)}


def verdict(low: float, high: float, claimed_low: float, claimed_high: float) -> str:
    """A word of ``VERDICTS`` for an interval and a claimed range (NaN where none is claimed)."""
    if not (np.isfinite(low) and np.isfinite(high)):
        return "too few cases to say"
    if high < 0:
        return "reversed"
    claimed = np.isfinite(claimed_low)
    if low > 0:
        if not claimed:
            return "helps"
        return "smaller" if high < claimed_low else "larger" if low > claimed_high else "confirmed"
    return "none seen" if high < (claimed_low if claimed else SMALL) else "too few cases to say"


def _difference(rows: pd.DataFrame, baseline: str, arm: str, metric: str, resampling: Resampling) -> dict[str, Any] | None:
    one, other = (_by_seed(rows[rows["model"] == model], metric) for model in (baseline, arm))
    seeds = [seed for seed in one.columns if seed in other.columns]
    difference = (one[seeds] - other[seeds]).dropna(how="all").dropna(how="all", axis=1)
    if difference.empty:
        return None
    patients = difference.index.get_level_values("patient_id").to_numpy(dtype=str)
    found = two_way(difference.to_numpy(dtype=float), resampling.weights(patients), resampling.seed)
    enough = len(set(patients)) >= FEWEST_PATIENTS
    ends = {"low": found.low, "high": found.high} if enough else {"low": np.nan, "high": np.nan}
    folds = rows[(rows["model"] == baseline) & rows["case_id"].isin(difference.index.get_level_values("case_id"))][
        "fold"
    ].nunique()
    return {"difference": found.value, **ends, "n": len(difference), "seeds": difference.shape[1], "folds": folds}


def _by_seed(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """(case and patient) by seed."""
    return rows.groupby(["case_id", "patient_id", "repeat"])[f"m_{metric}"].mean().unstack("repeat")


def two_way(differences: Numbers, weights: Numbers, seed: int) -> Interval:
    """Mean of (cases, seeds) over its defined entries, with an interval over patients and seeds.

    Args:
        weights: (cases, replicates + 1); column 0 is the data as they are.
    """
    count, replicates = differences.shape[1], weights.shape[1] - 1
    drawn = np.random.default_rng([seed, 41]).multinomial(count, np.full(count, 1 / count), size=replicates)
    seeds = np.concatenate([np.ones((1, count)), drawn])
    defined = np.isfinite(differences)
    total = ((weights.T @ np.where(defined, differences, 0.0)) * seeds).sum(axis=1)
    number = ((weights.T @ defined.astype(float)) * seeds).sum(axis=1)
    return interval_of(np.divide(total, number, out=np.full(len(total), np.nan), where=number > 0))

"""Rows of judged masks whose Dice is planted, and studies made of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from core.contracts.pictures import Picture, PictureSet, Region
from core.contracts.segmentation_recipe import SegmentationRecipe
from core.evaluation.segmentation.cases import HUMAN
from core.evaluation.segmentation.summary import summarise_segmentation
from core.storage.results import MASK_COLUMNS
from core.storage.summaries import StudySummary

PLANTED = "zq7"
"""Stands in every case and patient id, and nowhere else."""
ABLATION = {"name": "skips", "label": "Skips", "baseline": "unet", "arms": ["bare"], "claimed": [5, 10]}
"""An ablation that claims 5 to 10 points of Dice."""


def mask_rows(
    model: str, dice: Sequence[float], *, each: int = 1, repeat: int = 0, split: str = "internal", condition: str = "clean"
) -> pd.DataFrame:
    """One row a case: 100 pixels drawn and 100 predicted, so that the share that is right is Dice, and also surface Dice.

    NaN stands for two empty masks. ``each`` cases belong to one patient.
    """
    right = np.asarray([0 if math.isnan(value) else round(100 * value) for value in dice])
    empty = np.isnan(np.asarray(dice, dtype=float))
    full = np.where(empty, 0, 100)
    numbers = np.arange(len(dice))
    distance = np.where(empty, np.nan, (100 - right) / 10)
    columns = {
        "case_id": [f"{PLANTED}c{i:03d}" for i in numbers], "patient_id": [f"{PLANTED}p{i // each:03d}" for i in numbers],
        "region": "lesion", "model": model, "base_model": model, "split": split, "repeat": repeat, "fold": numbers % 5,
        "condition": condition, "tp": right, "fp": full - right, "fn": full - right, "tn": 1000, "border_reference": full,
        "border_predicted": full, "border_reference_near": right, "border_predicted_near": right, "hd95": distance,
        "hd": distance, "assd": distance / 2, "lesions": np.where(empty, 0, 1), "lesions_found": (right > 0).astype(int),
        "lesions_predicted": np.where(empty, 0, 1), "lesions_false": 0,
    }  # fmt: skip
    return pd.DataFrame(columns)[list(MASK_COLUMNS)]


def quality(mean: float, n: int, seed: int, spread: float = 0.05) -> list[float]:
    """Dice of n cases around a mean."""
    return list(np.clip(np.random.default_rng(seed).normal(mean, spread, n), 0.02, 1.0))


def dice_row(table: pd.DataFrame, **equals: object) -> pd.Series:
    for column, value in {"metric": "dice", **equals}.items():
        table = table[table[column] == value]
    assert len(table) == 1
    return table.iloc[0]


class NoSource:
    def read(self, case_id: str) -> Picture:
        raise NotImplementedError


def pictures(n: int = 30, each: int = 1, **changes: Any) -> PictureSet:
    ids = [f"{PLANTED}c{i:03d}" for i in range(n)]
    table = pd.DataFrame(
        {
            "patient_id": [f"{PLANTED}p{i // each:03d}" for i in range(n)],
            "site": ["north" if i % 3 else "south" for i in range(n)],
        },
        index=pd.Index(ids, name="case_id"),
    )
    facts: dict[str, Any] = {"attributes": (("site", "Hospital"),), "regions": (Region("lesion", "Lesion"),), **changes}
    return PictureSet("planted", "Planted", table, 2, ("grey",), source=NoSource(), internal=tuple(ids), **facts)


def picture_facts_of(n: int = 30) -> pd.DataFrame:
    """Sizes rise with the number of the case."""
    return pd.DataFrame(
        {
            "case_id": [f"{PLANTED}c{i:03d}" for i in range(n)], "region": "lesion", "size": np.arange(1.0, n + 1),
            "share": np.arange(1, n + 1) / 100, "touches_border": [float(i % 2) for i in range(n)], "parts": 1,
            "contrast": np.linspace(0, 3, n), "sharpness": np.linspace(2, 1, n), "noise": 0.1,
        }
    )  # fmt: skip


def recipe(models: Sequence[str], **changes: Any) -> SegmentationRecipe:
    plain: dict[str, Any] = {
        "name": "planted_study", "kind": "segmentation", "title": "Planted", "question": "Which?", "dataset": {"name": "planted"},
        "models": [{"name": name} for name in models], "evaluation": {"bootstrap": 300}, "seed": 3, **changes,
    }  # fmt: skip
    return SegmentationRecipe.model_validate(plain)


def facts_of(name: str, family: str, label: str = "") -> dict[str, Any]:
    return {
        "name": name, "base_model": name, "label": label or name.replace("_", " ").capitalize(), "family": family,
        "description": "", "reference": "", "is_network": family == "network", "choice": {}, "options": {}, "parameters": 1,
    }  # fmt: skip


FAMILIES = {"disc": "reference", "otsu": "classical", "forest": "classical", HUMAN: "reference"}


def study(
    dice: Mapping[str, Sequence[float]], *further: pd.DataFrame, each: int = 1, pictured: PictureSet | None = None, **changes: Any
) -> StudySummary:
    """The summary of a study in which those models had those values of Dice."""
    n = max(len(values) for values in dice.values())
    pictured = pictured or pictures(n, each)
    rows = pd.concat([*(mask_rows(name, values, each=each) for name, values in dice.items()), *further], ignore_index=True)
    ours = [name for name in dict.fromkeys(rows["model"]) if name != HUMAN]
    cases = list(pictured.internal)
    sides = [
        ("internal", fold, "test" if at % 5 == fold else "train", case) for fold in range(5) for at, case in enumerate(cases)
    ]
    others = rows.loc[rows["split"] != "internal", ["split", "case_id"]].drop_duplicates()
    sides += [(split, 0, "test", case) for split, case in zip(others["split"], others["case_id"], strict=True)]
    return summarise_segmentation(
        pictures=pictured,
        recipe=recipe(ours, **changes),
        rows=rows,
        facts=picture_facts_of(n),
        models=[facts_of(name, FAMILIES.get(name, "network")) for name in ours],
        run={"run_id": "r1", "created": "today", "profile": "cpu", "provenance": {"code": "x"}},
        cost=pd.DataFrame({"model": ours, "fits": 5}),
        folds=pd.DataFrame(sides, columns=["split", "fold", "side", "case_id"]),
        skipped=("One thing.",),
        progress=lambda phrase, share: None,
    )

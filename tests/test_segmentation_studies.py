"""A segmentation study from recipe to published summary and bundle, on a few simulated patients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from core.bundles.segmenter_bundle import open_segmenter_bundle
from core.contracts.recipe_file import recipe_from_plain
from core.contracts.segmentation_recipe import SegmentationRecipe
from core.errors import BundleError, RecipeError, UnknownNameError
from core.storage.masks import mask_of, pack_masks, unpack_masks
from core.storage.results import MASK_COLUMNS
from core.storage.summaries import SEGMENTATION_TABLES, read_summary
from core.studies.publish import publish_study
from core.studies.run import FinishedRun, Progress, RunOptions
from core.studies.segmentation_build import build_segmenter
from core.studies.segmentation_jobs import fault_sample
from core.studies.segmentation_plan import HUMAN, make_segmentation_plan
from core.studies.segmentation_run import load_pictures, run_segmentation_study

PLAIN: dict[str, Any] = {
    "name": "small_masks",
    "kind": "segmentation",
    "title": "Small",
    "licence": "CC0 (simulated)",
    "dataset": {"name": "phantom", "options": {"patients": 16}},
    "preparation": {"items": "slices", "shape": [32, 32], "normalise": "window"},
    "training": {"budget_minutes": 0.02, "batch_size": 8},
    "models": [
        "all_foreground",
        "otsu",
        {"name": "unet", "options": {"width": 4}},
        {"name": "unet", "row": "no_skips", "label": "No skips", "options": {"width": 4, "skips": False}},
    ],
    "folds": 2,
    "run_folds": 1,
    "checks": False,
    "evaluation": {"bootstrap": 60, "corrupted_cases": 1, "corruptions": ["noise"], "severities": 1},
    "ablations": [{"name": "skips", "label": "Skip connections", "baseline": "unet", "arms": ["no_skips"], "claimed": [5, 10]}],
}


def recipe(**changes: object) -> SegmentationRecipe:
    made = recipe_from_plain({**PLAIN, **changes}, "cpu", "small")
    assert isinstance(made, SegmentationRecipe)
    return made


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def finished(shared_home: Path) -> FinishedRun:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPSIGHT_HOME", str(shared_home))
        return run_segmentation_study(recipe(), RunOptions(None, "cpu", "serial", 1, "cpu"))


@pytest.fixture
def here(shared_home: Path, finished: FinishedRun, monkeypatch: pytest.MonkeyPatch) -> FinishedRun:
    monkeypatch.setenv("OPSIGHT_HOME", str(shared_home))
    return finished


def test_every_row_is_judged_on_the_same_cases_and_every_table_is_written(here: FinishedRun) -> None:
    summary = here.summary
    assert here.jobs == here.jobs_run == 4
    assert set(summary.tables) == set(SEGMENTATION_TABLES)
    for name, columns in SEGMENTATION_TABLES.items():
        assert list(summary.tables[name].columns) == list(columns)
    judged = summary.table("cases", split="internal").groupby("model")["case"].apply(set)
    assert len({frozenset(cases) for cases in judged}) == 1
    dice = summary.table("scores", metric="dice", group="all", region="organ").set_index("model")
    assert set(dice.index) == {"all_foreground", "otsu", "unet", "no_skips"}
    assert ((dice["low"] <= dice["value"]) & (dice["value"] <= dice["high"])).all()


def test_a_finished_study_is_not_run_again(here: FinishedRun) -> None:
    again = run_segmentation_study(recipe(), RunOptions(None, "cpu", "serial", 1, "cpu"))
    assert again.jobs_run == 0
    pd.testing.assert_frame_equal(again.summary.tables["scores"], here.summary.tables["scores"])


def test_a_planted_fault_is_judged_beside_the_same_clean_cases(here: FinishedRun) -> None:
    table = here.summary.table("robustness", model="otsu", region="organ")
    assert sorted(table["severity"]) == [0, 1]
    assert table["n"].tolist() == [1, 1]


def test_the_ablation_has_a_verdict_and_counts_its_seeds(here: FinishedRun) -> None:
    table = here.summary.table("ablations", metric="dice", region="organ")
    assert len(table) == 1
    row = table.iloc[0]
    assert (row["baseline"], row["arm"], row["seeds"], row["claimed_low"]) == ("unet", "no_skips", 1, 0.05)
    assert row["verdict"] in here.summary.info["verdicts"]


def test_the_masks_of_a_row_are_kept_and_found_again(here: FinishedRun) -> None:
    rows = here.store.predictions()
    case_id = str(rows["case_id"].iloc[0])
    mask = mask_of(here.store, "otsu", "internal", case_id)
    assert mask is not None
    row = rows[(rows["case_id"] == case_id) & (rows["model"] == "otsu") & (rows["condition"] == "clean")].set_index("region")
    assert mask.sum(axis=(1, 2, 3)).tolist() == [row.loc[name, ["tp", "fp"]].sum() for name in ("organ", "tumour")]
    assert mask_of(here.store, "otsu", "internal", "nobody") is None


def test_what_is_published_holds_no_case_id_and_no_patient(here: FinishedRun) -> None:
    folder = publish_study("small_masks")
    published = read_summary(folder)
    assert published.info["published"]
    ids = set(here.store.predictions()["case_id"]) | set(here.store.predictions()["patient_id"])
    text = " ".join(str(value) for table in published.tables.values() for value in table.astype(str).to_numpy().ravel())
    assert not any(f" {one} " in f" {text} " for one in ids)


def test_a_row_becomes_a_bundle_that_opens_and_a_changed_weight_is_refused(here: FinishedRun) -> None:
    folder = build_segmenter("small_masks", "unet", data=None, progress=Progress())
    bundle = open_segmenter_bundle(folder)
    assert bundle.outline.manifest.row == "unet"
    weights = folder / "weights.safetensors"
    changed = bytearray(weights.read_bytes())
    changed[-3] ^= 1
    weights.write_bytes(bytes(changed))
    with pytest.raises(BundleError) as caught:
        open_segmenter_bundle(folder)
    assert caught.value.code == "MODEL_HASH"


def test_only_what_can_be_exported_becomes_a_bundle(here: FinishedRun) -> None:
    with pytest.raises(UnknownNameError, match="no row 'unett'"):
        build_segmenter("small_masks", "unett", data=None, progress=Progress())


def test_masks_come_back_from_their_packed_form() -> None:
    rng = np.random.default_rng(0)
    masks = {"a": rng.random((2, 5, 7)) < 0.5, "b/c": rng.random((1, 3, 4, 5)) < 0.5}
    back = unpack_masks(pack_masks(masks))
    assert all(np.array_equal(masks[name], back[name]) for name in masks)


def test_planted_faults_are_tried_on_the_same_cases_for_every_row(home: Path) -> None:
    made = recipe(evaluation={"corrupted_cases": 3})
    pictures = load_pictures(made, RunOptions(), Progress())
    plan = make_segmentation_plan(made, pictures, pd.Series("0", index=list(pictures.internal)))
    samples = {fault_sample(job) for job in plan.jobs if job.row != HUMAN}
    assert len(samples) == 1
    assert len(samples.pop()) == 3


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"preparation": {"items": "whole", "shape": [32, 32]}}, "preparation.items is 'whole'"),
        ({"preparation": {"items": "slices", "shape": [32, 32, 32]}}, "has not 2 axes"),
        ({"models": [{"name": "unet", "training": {"epochs": 3}}]}, "Unknown key unet.training.epochs"),
        ({"models": [{"name": "unet", "training": {"loss": "dise"}}]}, "was given 'dise'"),
        ({"preparation": {"items": "patches", "shape": [16, 16, 16]}, "models": ["fcn"]}, "does not work on 3-D items"),
    ],
)
def test_a_recipe_that_cannot_be_run_is_refused_before_any_training(home: Path, changes: dict[str, Any], told: str) -> None:
    made = recipe(**{"ablations": [], **changes})
    pictures = load_pictures(made, RunOptions(), Progress())
    with pytest.raises(RecipeError, match=told):
        make_segmentation_plan(made, pictures, pd.Series("0", index=list(pictures.internal)))


def test_two_rows_of_one_name_and_an_ablation_of_an_unknown_row_are_refused() -> None:
    with pytest.raises(RecipeError, match="two rows are called 'unet'"):
        recipe(models=["unet", "unet"], ablations=[])
    with pytest.raises(RecipeError, match="which the study does not have"):
        recipe(models=["unet"])


def test_every_part_holds_every_column(here: FinishedRun) -> None:
    assert list(here.store.predictions().columns) == list(MASK_COLUMNS)

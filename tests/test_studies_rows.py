"""Rows of a study beside the plain models: one field alone, a network trained otherwise, inputs left out, estimates, features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import core.studies.run as running
from core.contracts.recipe import EstimatesPart, Recipe
from core.contracts.recipe_file import load_recipe
from core.errors import DataError, LeakageError, OpSightError, RecipeError
from core.evaluation.comparisons import planned_pairs
from core.evaluation.features import COLUMNS, feature_rows, one_sentence
from core.outcomes._encoders import make_encoder
from core.studies.encoder import train_encoder
from core.studies.estimates import read_estimates
from core.studies.jobs import NoPictures
from core.studies.plan import make_plan
from core.studies.run import FinishedRun, Progress, RunOptions, run_study
from tests.conftest import ROOT
from tests.fixtures_cohorts import small_cohort, small_recipe

pytestmark = pytest.mark.usefixtures("home")
SIZE_ALONE = {"name": "logistic_regression", "row": "size_alone", "label": "Size alone", "fields": ["tumour_size_mm"]}


def run(monkeypatch: pytest.MonkeyPatch, **changes: object) -> FinishedRun:
    monkeypatch.setattr(running, "load_cohort", lambda recipe, data, progress: small_cohort())
    return run_study(small_recipe(**changes), RunOptions(executor="serial"))


def test_a_row_of_one_field_reads_that_field_alone_and_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(monkeypatch, models=["base_rate", "logistic_regression", SIZE_ALONE])
    risks = done.store.predictions().query("model == 'size_alone' and split == 'internal' and repeat == 0 and fold == 0")
    size = small_cohort().table.loc[risks["case_id"], "tumour_size_mm"]
    assert abs(np.corrcoef(size.rank(), risks["risk"].rank())[0, 1]) == pytest.approx(1.0)
    facts = done.summary.model("size_alone")
    assert (facts["label"], facts["family"]) == ("Size alone", "reference")
    assert len(done.summary.table("comparisons", model="size_alone", rival="logistic_regression", metric="auroc")) == 2


def test_a_row_may_not_read_what_is_known_later_or_what_its_model_does_not_read() -> None:
    with pytest.raises(LeakageError):
        make_plan(small_recipe(models=[{**SIZE_ALONE, "fields": ["blood_loss_ml"]}]), small_cohort())
    with pytest.raises(RecipeError, match="a field that 'open_or_not' does not read"):
        make_plan(small_recipe(models=[{**SIZE_ALONE, "name": "open_or_not", "fields": ["age"]}]), small_cohort())


@pytest.mark.parametrize(
    ("models", "told"),
    [
        (["logistic_regression", "logistic_regression"], "two models have the row"),
        ([{"name": "logistic_regression", "fields": ["age"]}], "needs 'row' and 'label'"),
        ([{"name": "image_cnn3d", "row": "a_b", "label": "B", "network": {"epoch": 3}}], "epoch"),
    ],
)
def test_rows_that_cannot_be_told_apart_are_refused(models: list[object], told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        small_recipe(models=models)


def test_each_section_of_the_record_is_left_out_in_turn_and_a_lost_signal_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(monkeypatch, inputs=["record_with_procedure"], evaluation={"bootstrap": 60, "ablation": {"models": [WITH]}})
    table = done.summary.table("ablation", metric="auroc").set_index("without")
    assert set(table.index) == {"record", "procedure"}
    assert table.loc["record", "difference_low"] > 0
    full = done.summary.table("scores", model=WITH, metric="auroc", split="internal", group="all")["value"].iloc[0]
    assert table.loc["record", "value"] + table.loc["record", "difference"] == pytest.approx(full)


WITH = "logistic_regression_with_procedure"


def test_fields_are_ranked_by_what_shuffling_them_loses(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"bootstrap": 60, "features": {"models": ["logistic_regression", "cox"]}}
    table = run(monkeypatch, evaluation=asked).summary.table("features")
    assert set(table["model"]) == {"logistic_regression", "cox"}
    for _, rows in table.groupby("model"):
        ranks = rows.set_index("field")["rank"]
        assert sorted(ranks) == [1, 2, 3] and ranks["sex"] > 1
        assert rows.set_index("field").loc["age", "fits"] == 6
    assert (table["rank_low"] <= table["rank_high"]).all()


def test_a_field_that_matters_in_every_fit_is_named_and_chance_is_called_chance() -> None:
    rng = np.random.default_rng(0)
    fields = [f"noise_{at}" for at in range(8)]
    from core.contracts.codebook import Codebook, Field

    codebook = Codebook((Field("age", "Age", "number", "before"), *(Field(name, name, "number", "before") for name in fields)))
    rows = [("m", "o", name, 0, fold, rng.normal(0, 0.01)) for name in fields for fold in range(10)]
    chance = pd.DataFrame(feature_rows(pd.DataFrame(rows, columns=list(COLUMNS)), codebook))
    assert "mostly chance" in one_sentence(chance, "Model")
    firm = pd.DataFrame([*rows, *(("m", "o", "age", 0, fold, 0.3) for fold in range(10))], columns=list(COLUMNS))
    table = pd.DataFrame(feature_rows(firm, codebook))
    assert table.iloc[0]["field"] == "age" and table.iloc[0]["top_share"] == 1.0
    assert one_sentence(table, "Model").startswith("Model leans on Age:")


def test_another_version_of_a_recipe_takes_over_the_parts_that_it_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(monkeypatch, name="versions")
    again = run(monkeypatch, name="versions", evaluation={"bootstrap": 70})
    assert first.store.folder != again.store.folder
    assert (first.jobs_run, again.jobs_run) == (first.jobs, 0)
    grown = run(monkeypatch, name="versions", models=["base_rate", "logistic_regression", "cox", SIZE_ALONE])
    assert 0 < grown.jobs_run < grown.jobs
    assert run(monkeypatch, name="versions", seed=3).jobs_run == first.jobs


def test_a_harmed_part_is_not_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(monkeypatch, name="harmed")
    next(first.store.parts.glob("*.parquet")).write_bytes(b"x")
    assert run(monkeypatch, name="harmed", evaluation={"bootstrap": 70}).jobs_run == 1


def estimates(tmp_path: Path, rows: list[tuple[str, str, object]]) -> EstimatesPart:
    path = tmp_path / "estimates.csv"
    pd.DataFrame(rows, columns=["case_id", "outcome", "chance"]).to_csv(path, index=False)
    return EstimatesPart(file=str(path), row="surgeons", label="Surgeons")


def test_clinicians_estimates_are_a_row_judged_on_the_same_patients(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    truth = small_cohort().targets["complication"]
    part = estimates(tmp_path, [(case, "complication", 0.2 + 0.5 * truth[case]) for case in truth.index[:80]])
    done = run(monkeypatch, evaluation={"bootstrap": 60, "estimates": [part.model_dump()]})
    row = done.summary.table("scores", model="surgeons", metric="auroc", split="internal", group="all").iloc[0]
    assert (row["value"], row["n"]) == (1.0, 80)
    pair = done.summary.table("comparisons", model="surgeons", rival="logistic_regression", metric="auroc").iloc[0]
    assert pair["n"] == 80 and pair["low"] > 0
    assert done.summary.model("surgeons")["family"] == "traditional"


def test_several_clinicians_of_one_case_count_by_their_mean(tmp_path: Path) -> None:
    part = estimates(tmp_path, [("c000", "complication", 0.2), ("c000", "complication", 0.6), ("c001", "complication", 0.5)])
    rows = read_estimates(part, small_cohort(), None).rows.set_index("case_id")
    assert rows.loc["c000", "risk"] == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (("c000", "complication", 20), "row 2: the chance '20' is not between 0 and 1"),
        (("c000", "complication", "likely"), "not between 0 and 1"),
        (("c999", "complication", 0.2), "case_id 'c999' is not known"),
        (("c000", "recovery", 0.2), "outcome 'recovery' is not known to this study as an outcome with a yes or no"),
    ],
)
def test_estimates_that_make_no_sense_are_refused(tmp_path: Path, row: tuple[str, str, object], told: str) -> None:
    with pytest.raises(DataError, match=told):
        read_estimates(estimates(tmp_path, [row]), small_cohort(), None)


def test_a_file_of_estimates_without_chances_or_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "estimates.csv"
    path.write_text("case_id,outcome,chances\nc000,complication,0.2\n")
    with pytest.raises(OpSightError, match="chance"):
        read_estimates(EstimatesPart(file=str(path)), small_cohort(), None)
    with pytest.raises(OpSightError, match=r"absent\.csv"):
        read_estimates(EstimatesPart(file="absent.csv"), small_cohort(), None)


def test_a_row_trained_otherwise_is_compared_with_its_plain_row() -> None:
    models = [
        {"name": "image_cnn3d", "base_model": "image_cnn3d"},
        {"name": "transferred", "base_model": "transferred", "variant_of": "image_cnn3d"},
    ]
    assert ("transferred", "image_cnn3d") in planned_pairs(models, "logistic_regression")


class Pictures:
    """Two cases of ones."""

    shape = (1, 2, 2, 2)
    channels = ("scan",)

    def arrays(self, case_ids: list[str]) -> np.ndarray:
        return np.ones((len(case_ids), *self.shape), dtype=np.float32)


def test_a_blind_fit_sees_no_picture() -> None:
    blind = NoPictures(Pictures())
    assert blind.shape == (1, 2, 2, 2) and blind.channels == ("scan",)
    assert np.isnan(blind.arrays(["a", "b"])).all()


def test_kinds_of_fusion_are_set_against_each_other_but_not_their_variants() -> None:
    facts = [{"name": name, "base_model": name, "family": "fusion"} for name in ("late", "joint", "film")]
    begun = {"name": "joint_begun", "base_model": "joint_begun", "family": "fusion", "variant_of": "joint"}
    with_procedure = {"name": "late_with_procedure", "base_model": "late", "family": "fusion", "with_procedure": True}
    pairs = planned_pairs([*facts, begun, with_procedure], "late")
    assert {("late", "joint"), ("late", "film"), ("joint", "film"), ("joint_begun", "joint")} <= set(pairs)
    begun_with_procedure = {**begun, "name": "joint_begun_with_procedure", "with_procedure": True}
    assert ("joint_begun_with_procedure", "joint") not in planned_pairs([*facts, begun, begun_with_procedure], "late")
    assert ("joint_begun", "film") not in pairs and ("film", "late_with_procedure") not in pairs


def test_an_encoder_is_trained_on_one_study_for_another_and_what_is_no_network_is_refused(tmp_path: Path) -> None:
    source = load_recipe(ROOT / "core" / "recipes" / "phantom.yaml", "quick")
    target = load_recipe(ROOT / "core" / "recipes" / "kits_outcomes.yaml", "quick")
    assert isinstance(source, Recipe) and isinstance(target, Recipe)
    small = source.model_copy(update={"dataset": source.dataset.model_copy(update={"options": {"patients": 40}})})
    tiny = target.model_copy(update={"network": target.network.model_copy(update={"epochs": 1, "input_shape": (16, 16, 16)})})
    how = {"data": None, "device": "cpu", "progress": Progress()}
    out = train_encoder(small, "image_cnn3d", tiny, tmp_path / "w.safetensors", channels=["kidney", "tumour", "cyst"], **how)
    begun = make_encoder("cnn3d", ("kidney", "tumour", "cyst"), {"encoder_weights": str(out)})
    plain = make_encoder("cnn3d", ("kidney", "tumour", "cyst"), {})
    assert any(not torch.equal(one, other) for one, other in zip(begun.state_dict().values(), plain.state_dict().values()))
    for row, words in (("logistic_regression", "no network"), ("image_cnn", "no row")):
        with pytest.raises(RecipeError, match=words):
            train_encoder(small, row, tiny, out, **how)
    with pytest.raises(RecipeError, match="no channel 'spleen'"):
        train_encoder(small, "image_cnn3d", tiny, out, channels=["spleen"], **how)

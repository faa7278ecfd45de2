"""Plans, folds, jobs and runs."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

import core.studies.run as running
from core.contracts.cohort import Cohort
from core.errors import InputError, RecipeError, TrainingError, UnknownNameError
from core.storage.results import RunStore
from core.storage.summaries import find_study, read_summary
from core.studies.folds import make_folds, shuffle_targets
from core.studies.jobs import run_job, study_input
from core.studies.plan import PERMUTED, make_plan
from core.studies.publish import publish_study
from core.studies.run import FinishedRun, RunOptions, run_study
from core.studies.show import plain_study
from tests.fixtures_cohorts import small_cohort, small_recipe


def run(monkeypatch: pytest.MonkeyPatch, cohort: Cohort, workers: int = 0, **changes: object) -> FinishedRun:
    monkeypatch.setattr(running, "load_cohort", lambda recipe, data, progress: cohort)
    options = RunOptions(executor="local" if workers else "serial", workers=max(workers, 1))
    return run_study(small_recipe(**changes), options)


def test_all_cases_of_a_patient_stay_on_one_side_of_every_fold() -> None:
    cohort = small_cohort(90, cases_per_patient=3)
    patients = cohort.table["patient_id"]
    for fold in make_folds(cohort, cohort.outcomes, folds=5, repeats=4, seed=1):
        assert not set(patients[list(fold.train)]) & set(patients[list(fold.test)])
        assert len(fold.train) + len(fold.test) == 90


def test_every_case_is_tested_once_in_every_repeat_and_folds_hold_like_shares_of_events() -> None:
    cohort = small_cohort(150)
    folds = make_folds(cohort, cohort.outcomes, folds=5, repeats=3, seed=1)
    for repeat in range(3):
        tested = [case for fold in folds if fold.repeat == repeat for case in fold.test]
        assert sorted(tested) == sorted(cohort.internal)
    events = [cohort.targets.loc[list(fold.test), "complication"].sum() for fold in folds]
    assert max(events) - min(events) <= 1
    assert folds == make_folds(cohort, cohort.outcomes, folds=5, repeats=3, seed=1)
    assert folds != make_folds(cohort, cohort.outcomes, folds=5, repeats=3, seed=2)


def test_shuffled_outcomes_keep_their_counts_and_lose_their_patients() -> None:
    cohort = small_cohort(120)
    shuffled = shuffle_targets(cohort.targets, cohort.internal, 3)
    assert Counter(shuffled["complication"]) == Counter(cohort.targets["complication"])
    assert (shuffled["complication"] != cohort.targets["complication"]).sum() > 20
    assert (shuffled.loc[cohort.targets.index, "recovery_days"].to_numpy() != cohort.targets["recovery_days"].to_numpy()).any()


def test_a_job_never_sees_what_is_known_only_during_or_after_the_operation() -> None:
    cohort = small_cohort()
    seen = study_input(cohort, None, "cpu").cases
    assert "blood_loss_ml" not in seen.table
    assert "blood_loss_ml" not in seen.codebook
    blocks = {job.model: job.blocks for job in make_plan(small_recipe(inputs=["record", "record_with_procedure"]), cohort).jobs}
    assert blocks["logistic_regression"] == ("record",)
    assert blocks["logistic_regression_with_procedure"] == ("record", "procedure")
    assert list(seen.columns(blocks["logistic_regression"]).table.columns) == ["age", "sex", "tumour_size_mm"]


def test_jobs_have_stable_distinct_keys() -> None:
    jobs = make_plan(small_recipe(), small_cohort()).jobs
    assert len({job.key for job in jobs}) == len(jobs)
    assert [job.key for job in jobs] == [job.key for job in make_plan(small_recipe(), small_cohort()).jobs]
    other = make_plan(small_recipe(seed=1), small_cohort()).jobs
    assert not {job.key for job in jobs} & {job.key for job in other}


def test_a_plan_holds_folds_checks_and_permuted_labels() -> None:
    plan = make_plan(small_recipe(), small_cohort())
    count = Counter((job.model, job.split) for job in plan.jobs)
    assert count["logistic_regression", "internal"] == 6
    assert count["cox", "release"] == 1
    assert count["logistic_regression", PERMUTED] == 6
    assert ("cox", PERMUTED) not in count


def test_models_that_need_what_the_data_lack_are_refused_before_anything_runs() -> None:
    with pytest.raises(RecipeError, match="reads pictures, and Small has none"):
        make_plan(small_recipe(models=["image_cnn3d"]), small_cohort())
    with pytest.raises(RecipeError, match="reads anatomy fields"):
        make_plan(small_recipe(models=["radiomics_record"]), small_cohort())
    with pytest.raises(UnknownNameError, match="Did you mean 'logistic_regression'"):
        make_plan(small_recipe(models=["logistic_regresion"]), small_cohort())
    with pytest.raises(UnknownNameError, match="Did you mean 'complication'"):
        make_plan(small_recipe(outcomes=["complications"]), small_cohort())


def test_an_outcome_with_too_few_events_is_said_and_not_fitted() -> None:
    plan = make_plan(small_recipe(minimum_events=55), small_cohort())
    assert all("complication" not in job.outcomes for job in plan.jobs)
    assert "events among 120 eligible patients" in plan.skipped[0]
    with pytest.raises(RecipeError, match="No outcome of the recipe has enough events"):
        make_plan(small_recipe(minimum_events=500), small_cohort())


def test_a_run_gives_one_row_for_each_case_and_repeat_and_a_second_call_does_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(monkeypatch, small_cohort())
    rows = first.store.predictions()
    internal = rows[
        (rows["split"] == "internal") & (rows["model"] == "logistic_regression") & (rows["outcome"] == "complication")
    ]
    assert len(internal) == 240
    assert not internal.duplicated(["case_id", "repeat"]).any()
    second = run(monkeypatch, small_cohort())
    assert (first.jobs_run, second.jobs_run) == (first.jobs, 0)
    assert second.summary.info["created"] == first.summary.info["created"]


def test_f152_a_lost_part_is_the_only_job_that_runs_again_and_the_numbers_are_the_same(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(monkeypatch, small_cohort())
    before = first.store.predictions().sort_values(["model", "split", "repeat", "case_id", "outcome"])["risk"].to_numpy()
    part = sorted(first.store.parts.glob("*.parquet"))[0]
    part.write_bytes(part.read_bytes()[:-20])
    again = run(monkeypatch, small_cohort())
    assert again.jobs_run == 1
    after = again.store.predictions().sort_values(["model", "split", "repeat", "case_id", "outcome"])["risk"].to_numpy()
    np.testing.assert_array_equal(before, after)


def test_results_do_not_depend_on_the_number_of_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Workers start by running the parent's main script again; a test runner's is not meant for that.
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))
    found = []
    for workers in (1, 2):
        monkeypatch.setenv("OPSIGHT_HOME", str(tmp_path / str(workers)))
        rows = run(monkeypatch, small_cohort(60), workers, repeats={"table": 1, "network": 1}).store.predictions()
        found.append(rows.sort_values(["model", "split", "repeat", "case_id", "outcome"])["risk"].to_numpy())
    np.testing.assert_array_equal(found[0], found[1])


def test_f096_shuffled_labels_give_no_skill_and_real_ones_do(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = run(monkeypatch, small_cohort(300), evaluation={"bootstrap": 200}).summary
    permuted = summary.info["permuted"]["complication"]
    assert permuted["low"] < 0.5 < permuted["high"]
    assert abs(permuted["auroc"] - 0.5) < 0.1
    found = summary.table("scores", model="logistic_regression", metric="auroc", group="all", split="internal")
    assert found["low"].item() > 0.55


def test_a_broken_model_is_named_with_its_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = small_cohort()
    job = next(job for job in make_plan(small_recipe(), cohort).jobs if job.model == "logistic_regression")
    given = study_input(cohort, None, "cpu")
    targets = given.targets.copy()
    targets.loc[list(job.train), "complication"] = 1.0
    with pytest.raises(TrainingError, match="logistic_regression"):
        run_job(job, replace(given, targets=targets))


def test_a_published_study_holds_no_row_of_a_patient(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(monkeypatch, small_cohort())
    folder = publish_study("small")
    assert folder == home / "data" / "studies" / "small"
    summary = read_summary(folder)
    assert summary.info["published"] is True
    for path in folder.iterdir():
        content = path.read_bytes()
        assert b"c001" not in content
        assert b"p17" not in content
    whole = set(done.summary.tables["scores"]["group"])
    assert {"all", "sex=female"} <= whole
    counts = summary.tables["groups"].set_index("group")["n"]
    assert (counts >= 10).all()
    with pytest.raises(InputError, match="published study and was not run here"):
        publish_study("small:published")


def test_the_plain_study_has_one_entry_for_each_number(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(monkeypatch, small_cohort())
    plain = plain_study(read_summary(find_study("small").summary))
    entry = next(
        item
        for item in plain["scores"]
        if item["model"] == "logistic_regression"
        and item["metric"] == "auroc"
        and item["group"] == "all"
        and item["split"] == "internal"
    )
    assert set(entry) >= {
        "dataset", "outcome", "model", "split", "group", "metric", "value", "low", "high", "n", "n_events", "n_undefined",
    }  # fmt: skip
    assert entry["n"] == 120
    assert entry["n_events"] == int(small_cohort().targets["complication"].sum())
    assert entry["low"] <= entry["value"] <= entry["high"]
    assert isinstance(RunStore(done.store.folder).manifest()["provenance"]["code"], str)
    keys = [tuple(item[name] for name in ("dataset", "outcome", "model", "split", "group", "metric")) for item in plain["scores"]]
    assert len(set(keys)) == len(keys)


def test_the_cost_of_each_model_is_measured(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cost: pd.DataFrame = run(monkeypatch, small_cohort()).summary.tables["cost"]
    assert cost.set_index("model").loc["cox", "fits"] == 7
    assert (cost["seconds_total"] > 0).all()

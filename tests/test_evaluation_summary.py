"""From predictions to the summary, and from the summary to what may be published."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score, roc_curve

from core.contracts.codebook import Codebook, Field, Level
from core.contracts.cohort import Cohort, SplitCheck
from core.contracts.forecast import LAST_DAY
from core.contracts.metric import Sample
from core.contracts.outcome import Outcome
from core.contracts.recipe import Recipe
from core.evaluation.publish import for_publication
from core.evaluation.summary import summarise
from core.metrics.smoothing import calibration
from core.storage.results import PREDICTION_COLUMNS
from core.storage.summaries import OUTCOME_TABLES, StudySummary, read_summary, write_summary

N, REPEATS = 160, 2
PLANTED = "zq7"
"""Stands in every case and patient id, and nowhere else."""

FIELDS = (
    Field("sex", "Sex", "category", "before", levels=(Level("female", "Female"), Level("male", "Male")), subgroup=True),
    Field("age", "Age", "integer", "before", unit="years", bins=(65, 75), subgroup=True),
)
OUTCOMES = (
    Outcome("complication", "Complication", "binary", "Any.", desirable=False),
    Outcome("rare", "Rare event", "binary", "Rare.", desirable=False),
    Outcome("recovery", "Recovery", "time_to_event", "Home.", desirable=True, days=(1, 3, 7)),
)
MODELS = (
    {"name": "base_rate", "base_model": "base_rate", "label": "Base rate", "family": "reference", "inputs": []},
    {"name": "logistic_regression", "base_model": "logistic_regression", "label": "Logistic regression", "inputs": ["record"]},
    {
        "name": "logistic_regression_with_procedure", "base_model": "logistic_regression", "with_procedure": True,
        "label": "Logistic regression + procedure", "inputs": ["record", "procedure"],
    },
    {"name": "fusion", "base_model": "fusion", "label": "Fusion", "family": "fusion", "inputs": ["record", "image"]},
)  # fmt: skip


def cohort() -> Cohort:
    rng = np.random.default_rng(1)
    ids = pd.Index([f"{PLANTED}case{i:03d}" for i in range(N)], name="case_id")
    age = np.concatenate([np.full(8, 80), rng.integers(30, 75, N - 8)])
    table = pd.DataFrame(
        {"patient_id": [f"{PLANTED}p{i}" for i in range(N)], "sex": rng.choice(["female", "male"], N), "age": age}, index=ids
    )
    signal = (age - 55) / 15
    targets = pd.DataFrame(
        {
            "complication": (rng.random(N) < 1 / (1 + np.exp(0.3 - signal))).astype(float),
            "rare": (np.arange(N) % 30 == 3).astype(float),
            "recovery_days": rng.poisson(np.exp(1 + 0.3 * signal)).astype(float),
            "recovery_event": 1.0,
        },
        index=ids,
    )
    targets.iloc[5, 2:] = [np.inf, 0.0]
    targets.iloc[9, 0] = np.nan
    check = SplitCheck("release", "Later cases", "Split by number.", tuple(ids[:100]), tuple(ids[100:]))
    parts = pd.DataFrame({"part": ["margin", "ischaemia", "both"], "patients": [120, 30, 4], "share": [0.75, 0.19, 0.03]})
    return Cohort(
        "planted", "Planted", table, Codebook(FIELDS), OUTCOMES, targets, tuple(ids), (check,), licence="CC0",
        breakdowns={"Complication by part": parts},
    )  # fmt: skip


def recipe(**evaluation: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "planted", "title": "Planted", "question": "Which?", "dataset": {"name": "planted"},
            "outcomes": [outcome.name for outcome in OUTCOMES], "models": ["logistic_regression"],
            "evaluation": {"bootstrap": 100, **evaluation},
        }
    )  # fmt: skip


def predictions(given: Cohort, *, shuffled: bool = False) -> pd.DataFrame:
    """Rows as a run writes them; with ``shuffled``, of one model on outcomes shuffled anew in each repeat."""
    frames = []
    models = ["logistic_regression"] if shuffled else [str(model["name"]) for model in MODELS]
    for at, model in enumerate(models):
        for outcome in OUTCOMES:
            for repeat in range(REPEATS):
                frames.append(_rows(given, outcome, model, "internal", repeat, at, shuffled))
            if not shuffled:
                frames.append(_rows(given, outcome, model, "release", 0, at, shuffled))
                frames.extend(_probes(given, outcome, model, at))
    return pd.concat(frames, ignore_index=True)[list(PREDICTION_COLUMNS)]


def _probes(given: Cohort, outcome: Outcome, model: str, at: int) -> list[pd.DataFrame]:
    """What a run also predicts: without a picture, on patients learned from, with half of them, on bootstrap samples."""
    asked = {
        "fusion": [("missing:image", 1), ("ablation:image", 2), ("apparent", 5)],
        "logistic_regression": [("learning:50", 1), ("stability", 13)],
    }
    return [
        _rows(given, outcome, model, split, repeat, at, False) for split, times in asked.get(model, []) for repeat in range(times)
    ]


def _rows(given: Cohort, outcome: Outcome, model: str, split: str, repeat: int, at: int, shuffled: bool) -> pd.DataFrame:
    rng = np.random.default_rng([at, repeat, len(split)])
    ids = list(given.checks[0].test if split == "release" else given.internal)
    ids = list(given.targets.loc[ids][given.eligible(outcome).loc[ids]].index)
    fold = np.zeros(len(ids), dtype=int) if split == "release" else np.arange(len(ids)) % 5
    noise = rng.normal(size=len(ids)) * (0.8 if model != "base_rate" else 0.0)
    level = (given.table.loc[ids, "age"].to_numpy() - 55) / 15 + noise if model != "base_rate" else 0.01 * fold
    targets = given.targets.loc[ids]
    rows = pd.DataFrame({"case_id": ids, "patient_id": given.table.loc[ids, "patient_id"].to_numpy(), "fold": fold})
    rows = rows.assign(
        outcome=outcome.name, model=model, base_model=model, inputs="record", split=split, repeat=repeat,
        y=np.nan, risk=np.nan, days=np.nan, event=np.nan, by_day=None,
    )  # fmt: skip
    if outcome.kind == "binary":
        rows["y"] = rng.permutation(targets[outcome.name]) if shuffled else targets[outcome.name].to_numpy()
        rows["risk"] = 1 / (1 + np.exp(0.3 - level))
        return rows
    pace = np.exp(1 + 0.3 * level)
    by_day = 1 - np.exp(-(np.arange(LAST_DAY + 1) + 0.5) / pace[:, None])
    rows["days"], rows["event"] = targets["recovery_days"].to_numpy(), targets["recovery_event"].to_numpy()
    rows["by_day"] = pd.Series(list(by_day), dtype=object)
    return rows


COST = pd.DataFrame({"model": ["fusion"], "fits": [10], "seconds_total": [5.0], "seconds_per_fit": [0.5], "peak_mb": [100.0]})


def features() -> pd.DataFrame:
    """What a run keeps of shuffled fields: age matters in every fit, sex in none."""
    rows = [
        {"model": "fusion", "outcome": outcome.name, "field": field, "repeat": 0, "fold": fold, "added": added + 0.001 * fold}
        for outcome in OUTCOMES
        for fold in range(5)
        for field, added in (("age", 0.2), ("sex", -0.002))
    ]
    return pd.DataFrame(rows)


def build(given: Cohort, **changes: Any) -> StudySummary:
    arguments: dict[str, Any] = {
        "cohort": given,
        "recipe": recipe(),
        "predictions": predictions(given),
        "models": MODELS,
        "run": {"run_id": "r1", "created": "today", "provenance": {"seed": 1}},
        "cost": COST,
        "permuted": predictions(given, shuffled=True),
        "skipped": ["Nothing."],
        "features": features(),
    }
    return summarise(**{**arguments, **changes})


@pytest.fixture(scope="module")
def summary() -> StudySummary:
    return build(cohort())


def one(summary: StudySummary, table: str, **equals: object) -> Mapping[str, Any]:
    rows = summary.table(table, **equals)
    assert len(rows) == 1, f"{len(rows)} rows of {table} for {equals}"
    return dict(rows.iloc[0])


def test_every_table_has_its_columns_and_rows(summary: StudySummary) -> None:
    assert set(summary.tables) == set(OUTCOME_TABLES)
    for name, columns in OUTCOME_TABLES.items():
        assert tuple(summary.tables[name].columns) == columns
        assert len(summary.tables[name]) > 0, name


def test_every_key_of_the_facts_is_filled(summary: StudySummary) -> None:
    keys = (
        "name title question run_id created published rows_available dataset outcomes models splits headlines change recipe "
        "provenance min_cell permuted cannot skipped"
    )
    assert set(keys.split()) <= set(summary.info)
    assert summary.info["published"] is False and summary.info["rows_available"] is True
    assert {split["name"]: (split["n_train"], split["n_test"]) for split in summary.info["splits"]} == {
        "internal": (N, N),
        "release": (100, 60),
    }
    fact = summary.outcome("complication")
    assert fact["n"] == N - 1
    assert fact["threshold"] == round(fact["rate"], 2)
    assert fact["breakdowns"][0]["rows"][0] == {"part": "margin", "patients": 120, "share": 0.75}


def test_a_score_is_the_mean_over_repeats_of_what_scikit_learn_says(summary: StudySummary) -> None:
    rows = predictions(cohort())
    chosen = rows[(rows["outcome"] == "complication") & (rows["model"] == "fusion") & (rows["split"] == "internal")]
    repeats = [part for _, part in chosen.groupby("repeat")]
    for metric, peer in (("auroc", roc_auc_score), ("brier", brier_score_loss)):
        found = one(summary, "scores", outcome="complication", model="fusion", split="internal", group="all", metric=metric)
        assert found["value"] == pytest.approx(np.mean([peer(part["y"], part["risk"]) for part in repeats]), abs=1e-12)
        assert found["low"] < found["value"] < found["high"]
        assert found["n"] == N - 1
        assert found["n_events"] == int(repeats[0]["y"].sum())


def test_the_cases_of_a_group_are_scored_alone(summary: StudySummary) -> None:
    given, rows = cohort(), predictions(cohort())
    chosen = rows[(rows["outcome"] == "complication") & (rows["model"] == "fusion") & (rows["split"] == "release")]
    old = chosen[chosen["case_id"].map(given.table["age"]).between(65, 74)]
    found = one(summary, "scores", outcome="complication", model="fusion", split="release", group="age=65-74", metric="brier")
    assert found["value"] == pytest.approx(brier_score_loss(old["y"], old["risk"]))
    assert found["n"] == len(old)


def test_groups_are_scored_by_the_few_metrics_meant_for_them(summary: StudySummary) -> None:
    binary = summary.table("scores", outcome="complication", group="sex=female")
    assert set(binary["metric"]) == {"auroc", "average_precision", "brier", "oe_ratio"}
    assert set(summary.table("scores", outcome="recovery", group="sex=female & age=65-74")["metric"]) == {"c_index"}


def test_recovery_is_scored_in_all_and_by_day(summary: StudySummary) -> None:
    names = set(summary.table("scores", outcome="recovery", group="all")["metric"])
    assert {"c_index", "interval_score", "quantile_coverage", "brier_by_day", "brier_day_3", "auroc_day_7"} <= names


def test_shares_by_threshold_agree_with_the_scores_at_the_stated_threshold(summary: StudySummary) -> None:
    threshold = summary.outcome("complication")["threshold"]
    shares = one(summary, "thresholds", outcome="complication", model="fusion", split="internal", threshold=threshold)
    for metric, share in (("recall", "sensitivity"), ("precision", "precision"), ("npv", "npv"), ("f1", "f1")):
        found = one(summary, "scores", outcome="complication", model="fusion", split="internal", group="all", metric=metric)
        assert found["value"] == pytest.approx(shares[share], abs=1e-12)


def test_a_threshold_of_the_recipe_is_used() -> None:
    given = cohort()
    changed = build(given, recipe=recipe(thresholds={"complication": 0.37}), permuted=None)
    fact = changed.outcome("complication")
    assert (fact["threshold"], fact["threshold_from"]) == (0.37, "recipe")


def test_comparisons_are_paired_and_turn_round(summary: StudySummary) -> None:
    pairs = set(zip(summary.tables["comparisons"]["model"], summary.tables["comparisons"]["rival"]))
    assert ("logistic_regression_with_procedure", "logistic_regression") in pairs
    assert ("fusion", "base_rate") in pairs and ("fusion", "logistic_regression") in pairs
    found = one(
        summary, "comparisons", outcome="complication", split="internal", model="fusion", rival="logistic_regression",
        metric="auroc",
    )  # fmt: skip
    values = {
        model: one(summary, "scores", outcome="complication", model=model, split="internal", group="all", metric="auroc")
        for model in ("fusion", "logistic_regression")
    }
    assert found["difference"] == pytest.approx(values["fusion"]["value"] - values["logistic_regression"]["value"])
    unpaired = math.hypot(*(values[model]["high"] - values[model]["low"] for model in values))
    assert found["high"] - found["low"] < unpaired


def test_the_roc_curve_follows_scikit_learns_on_the_grid(summary: StudySummary) -> None:
    rows = predictions(cohort())
    chosen = rows[(rows["outcome"] == "complication") & (rows["model"] == "fusion") & (rows["split"] == "release")]
    x, y, _ = roc_curve(chosen["y"], chosen["risk"], drop_intermediate=False)
    drawn = summary.table("curves", outcome="complication", model="fusion", split="release", kind="roc")
    assert len(drawn) == 51
    inside = drawn[(drawn["x"] > 0) & (drawn["x"] < 1)]
    theirs = [y[x <= at + 1e-9].max() for at in inside["x"]]
    assert (inside["y"] >= np.array(theirs) - 1e-9).all()
    assert np.abs(inside["y"] - theirs).max() < 0.1
    assert (drawn["low"] <= drawn["high"]).all()


def test_precision_at_full_recall_is_at_least_the_event_rate(summary: StudySummary) -> None:
    drawn = summary.table("curves", outcome="complication", model="fusion", split="internal", kind="precision_recall")
    assert drawn["x"].iloc[-1] == 1.0
    assert drawn["y"].iloc[-1] >= summary.outcome("complication")["rate"] - 1e-9
    assert drawn["y"].between(0, 1).all()


def test_a_calibrated_model_has_a_calibration_curve_near_the_diagonal() -> None:
    rng = np.random.default_rng(3)
    risk = rng.uniform(0.05, 0.95, 4000)
    sample = Sample(y=(rng.random(4000) < risk).astype(float), risk=risk, order=risk)
    grid = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
    assert np.abs(calibration(sample, np.ones((1, 4000)), grid)[:, 0] - grid).max() < 0.04


def test_the_base_rate_has_one_calibration_point_near_what_happened(summary: StudySummary) -> None:
    drawn = summary.table("curves", outcome="complication", model="base_rate", split="release", kind="calibration")
    assert len(drawn) == 1
    rows = predictions(cohort())
    chosen = rows[(rows["outcome"] == "complication") & (rows["model"] == "base_rate") & (rows["split"] == "release")]
    assert drawn["y"].iloc[0] == pytest.approx(chosen["y"].mean())


def test_the_share_home_counts_a_death_as_never_home(summary: StudySummary) -> None:
    given = cohort()
    home = ((given.targets["recovery_event"] == 1) & (given.targets["recovery_days"] <= 7)).mean()
    found = one(summary, "recovery", outcome="recovery", model="fusion", split="internal", day=7)
    assert found["observed"] == pytest.approx(home)
    assert found["observed_low"] < home < found["observed_high"]
    assert 0 < found["predicted"] < 1


def test_shuffled_outcomes_give_an_interval_that_holds_one_half(summary: StudySummary) -> None:
    for name in ("complication", "recovery"):
        found = summary.info["permuted"][name]
        assert found["model"] == "logistic_regression"
        if name == "complication":
            assert found["low"] <= 0.5 <= found["high"]


def test_a_group_in_which_nobody_had_the_event_is_counted_as_undefined() -> None:
    given = cohort()
    empty = given.targets.copy()
    empty.loc[given.table["age"] >= 75, "complication"] = 0.0
    changed = build(replace(given, targets=empty), predictions=predictions(replace(given, targets=empty)), permuted=None)
    found = one(changed, "scores", outcome="complication", model="fusion", split="internal", group="age=75+", metric="auroc")
    assert math.isnan(found["value"]) and math.isnan(found["low"])
    assert found["n_undefined"] == 100
    assert found["n_events"] == 0


def test_an_outcome_that_no_model_was_fitted_for_is_told_and_not_judged() -> None:
    given = cohort()
    rows = predictions(given)
    changed = build(given, predictions=rows[rows["outcome"] != "rare"], permuted=None)
    assert changed.info["headlines"]["rare"] == "No model could be judged: 6 of 160 patients had the event."
    assert changed.table("scores", outcome="rare").empty


def test_the_same_input_gives_the_same_summary(summary: StudySummary) -> None:
    again = build(cohort())
    for name in OUTCOME_TABLES:
        pd.testing.assert_frame_equal(summary.tables[name], again.tables[name])
    assert json.dumps(again.info, default=str) == json.dumps(summary.info, default=str)


def test_progress_rises_to_one() -> None:
    shares: list[float] = []
    build(cohort(), permuted=None, progress=lambda phrase, share: shares.append(share))
    assert shares == sorted(shares) and shares[-1] == 1.0


def text_of(folder: Path) -> str:
    return "\n".join(
        [(folder / "study.json").read_text(encoding="utf-8")]
        + [pd.read_parquet(path).to_csv() for path in sorted(folder.glob("*.parquet"))]
    )


@pytest.mark.parametrize("min_cell", [1, 10])
def test_no_published_file_names_a_case_or_a_patient(summary: StudySummary, tmp_path: Path, min_cell: int) -> None:
    write_summary(tmp_path, for_publication(summary, min_cell))
    assert PLANTED in predictions(cohort())["case_id"].iloc[0]
    assert PLANTED not in text_of(tmp_path)
    assert PLANTED.encode() not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert read_summary(tmp_path).info["rows_available"] is False


def test_a_smallest_cell_of_one_changes_nothing_but_flags(summary: StudySummary) -> None:
    told = for_publication(summary, 1)
    for name in OUTCOME_TABLES:
        pd.testing.assert_frame_equal(summary.tables[name], told.tables[name])
    assert told.info["published"] is True and told.info["cannot"]
    changed = {key for key in told.info if told.info[key] != summary.info[key]}
    assert changed <= {"published", "rows_available", "cannot", "min_cell"}


def test_small_groups_and_those_that_would_give_them_away_are_left_out(summary: StudySummary) -> None:
    told = for_publication(summary, 10)
    counts = summary.table("groups", outcome="complication").set_index("group")["n"]
    assert counts["age=75+"] == 8
    kept = set(told.table("groups", outcome="complication")["group"])
    assert "age=75+" not in kept and "age=65-74" not in kept
    assert {"all", "age=<65", "sex=female"} <= kept
    assert set(told.table("scores", outcome="complication", split="internal")["group"]) <= kept
    assert told.tables["scores"]["n"].min() >= 10


def test_few_events_are_hidden_with_everything_that_counts_them(summary: StudySummary) -> None:
    assert summary.outcome("rare")["n_events"] == 6
    told = for_publication(summary, 10)
    fact = told.outcome("rare")
    assert (fact["n_events"], fact["rate"], fact["threshold"]) == (None, None, None)
    scores = told.table("scores", outcome="rare")
    assert set(scores["metric"]) == {"auroc"}
    assert scores["n_events"].isna().all() and (scores["n_undefined"] == 0).all()
    for table in ("curves", "thresholds"):
        assert told.table(table, outcome="rare").empty
    assert told.table("comparisons", outcome="rare")["n_events"].isna().all()
    assert "6" not in told.info["headlines"]["rare"] and "rare" not in told.info["permuted"]
    assert not told.table("curves", outcome="complication").empty


def test_one_death_in_hospital_is_hidden_and_recovery_is_told_all_the_same(summary: StudySummary) -> None:
    assert summary.outcome("recovery")["n_events"] == N - 1
    told = for_publication(summary, 10)
    assert told.outcome("recovery")["n_events"] is None
    everyone = told.table("scores", outcome="recovery", group="all")
    assert everyone["n_events"].isna().all()
    assert "interval_score" in set(everyone["metric"])
    assert told.info["headlines"]["recovery"] == summary.info["headlines"]["recovery"]
    days = told.table("recovery", outcome="recovery", model="fusion", split="internal").set_index("day")["observed"]
    assert days.notna().any()


def test_thresholds_that_flag_or_spare_few_are_left_out(summary: StudySummary) -> None:
    told = for_publication(summary, 10).table("thresholds", outcome="complication", split="internal", model="fusion")
    persons = told["flagged"] * (N - 1)
    assert len(told) > 30
    assert ((persons < 0.001) | (persons > 9.999)).all()
    assert ((N - 1 - persons < 0.001) | (N - 1 - persons > 9.999)).all()


def test_small_counts_of_a_breakdown_lose_their_numbers(summary: StudySummary) -> None:
    rows = for_publication(summary, 10).outcome("complication")["breakdowns"][0]["rows"]
    assert rows[0] == {"part": "margin", "patients": 120, "share": 0.75}
    assert rows[2] == {"part": "both", "patients": None, "share": None}
    assert rows[1] == {"part": "ischaemia", "patients": None, "share": None}


def test_publishing_leaves_the_summary_as_it_was(summary: StudySummary) -> None:
    before = {name: table.copy() for name, table in summary.tables.items()}
    for_publication(summary, 10)
    for name, table in before.items():
        pd.testing.assert_frame_equal(summary.tables[name], table)

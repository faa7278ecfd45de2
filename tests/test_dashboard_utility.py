"""The page Calibration and use: the four displays, what is missing when no use is named, and the rule declared beforehand."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.evaluation.choice import NONE
from core.storage.summaries import StudySummary
from dashboard.charts import calibration, rows
from tests.fixtures_studies import synthetic_study, write_study
from tests.test_dashboard_pages import page, words
from tests.test_evaluation_summary import build, cohort, recipe

USE = {"action": "a second night of watching", "actor": "the ward", "low": 0.1, "high": 0.4}
RULE = {"metric": "auroc", "margin": 0.3, "candidates": ["fusion"], "rivals": ["logistic_regression"]}


@pytest.fixture(scope="module")
def summary() -> StudySummary:
    return build(cohort(), recipe=recipe(uses={"complication": USE}, choice=RULE), permuted=None)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, summary: StudySummary) -> Path:
    folder = tmp_path_factory.mktemp("house")
    write_study(folder, summary, run="0123456789abcdef")
    write_study(folder, synthetic_study())
    return folder


@pytest.fixture
def here(written: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPSIGHT_HOME", str(written))
    return written


def test_the_four_displays_stand_on_one_screen_with_their_findings_in_words(here: Path) -> None:
    test = page("calibration_and_use", study="planted", outcome="complication")
    assert not test.exception
    said = words(test)
    for part in ("come true?", "worth it?", "risks spread?", "tell patients apart?"):
        assert part in said
    assert "a second night of watching, by the ward, from a risk between 10% and 40%" in said
    assert "Smooth calibration curves" in said
    assert "slope" in test.markdown[2].value or any("slope" in text.value for text in test.markdown)


def test_the_rule_declared_beforehand_may_say_none(here: Path) -> None:
    said = words(page("calibration_and_use", study="planted", outcome="complication"))
    assert NONE[1:] in said
    assert "by more than 0.3" in said


def test_without_a_use_the_page_says_what_is_missing_and_how_to_give_it(here: Path) -> None:
    said = words(page("calibration_and_use", study="planted", outcome="rare"))
    assert "No decision curve" in said
    assert "uses:" in said


def test_recovery_has_thirds_and_an_older_study_still_opens(here: Path) -> None:
    test = page("calibration_and_use", study="planted", outcome="recovery")
    assert not test.exception
    assert "slow, middling or quick" in words(test)
    old = page("calibration_and_use", study="kits_outcomes", outcome="complication")
    assert not old.exception


def test_the_decision_figure_has_both_defaults_and_says_where_a_model_is_worth_more(summary: StudySummary) -> None:
    points = rows.curve_rows(summary, "complication", "internal", "decision", ["fusion"])
    drawn = calibration.decision(points, 0.4, "watching")
    names = [trace.name for trace in drawn.data if trace.name]
    assert {"Nobody", "Everybody"} <= set(names)
    everybody = next(trace for trace in drawn.data if trace.name == "Everybody")
    assert everybody.y[0] == pytest.approx(0.4 - 0.6 * 0.1 / 0.9)
    assert calibration.decision_alt(points, 0.4).startswith("Decision curves with 95% bands. Fusion")


def test_the_spread_shows_both_groups_on_their_sides(summary: StudySummary) -> None:
    table = summary.table("distribution", outcome="complication", split="internal", model="fusion")
    above, below = calibration.distribution(table, "With it", "Without it").data
    assert min(above.y) >= 0 >= max(below.y)
    assert sum(above.y) == pytest.approx(1)
    assert "With it: mean stated risk" in calibration.distribution_alt(table, "With it", "Without it")


def test_recalibration_is_told_by_its_index_before_and_after(summary: StudySummary) -> None:
    table = summary.table("recalibration", outcome="complication", split="internal")
    told = calibration.recalibrated_alt(table)
    assert all(word in told for word in ("as it is", "beta", "isotonic"))

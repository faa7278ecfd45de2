"""The page Subgroups: what was declared comes first, verdicts are words, and old studies say what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.evaluation.groups import group_words
from core.evaluation.publish import for_publication
from dashboard.charts import equal_finding
from dashboard.charts.forest import MARKS, forest, forest_alt
from tests.fixtures_segmentation import segmentation_study
from tests.fixtures_studies import synthetic_study, write_study
from tests.test_dashboard_pages import page, words
from tests.test_evaluation_summary import build, cohort


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("house")
    write_study(folder, build(cohort()), run="0123456789abcdef")
    write_study(folder, synthetic_study())
    return folder


@pytest.fixture
def here(written: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPSIGHT_HOME", str(written))
    return written


def test_the_declared_comparisons_come_first_and_everything_else_is_called_exploratory(here: Path) -> None:
    test = page("subgroups", study="planted", outcome="complication")
    assert not test.exception
    said = words(test)
    assert [header.value for header in test.subheader][:2] == ["The comparisons declared beforehand", "Any model, any measure"]
    assert any("### " in text.value and "declared comparisons" in text.value for text in test.markdown[:3])
    assert "Exploratory" in said
    assert "What would change this conclusion" in said


def test_crossed_groups_stand_alone(here: Path) -> None:
    test = page("subgroups", study="planted", outcome="complication", metric="auroc")
    assert not any("Sex: female, age" in caption.value for caption in test.caption)
    test = page("subgroups", study="planted", outcome="complication", metric="auroc", crossed="sex~age")
    assert not test.exception
    assert next(box for box in test.selectbox if box.label == "Groups").value == "sex~age"
    assert "Exploratory" in words(test)


def test_equal_sensitivity_is_told_with_its_cost_and_its_reservations(here: Path) -> None:
    said = words(page("subgroups", study="planted", outcome="complication"))
    assert "What if each group had its own threshold?" in said
    assert "net true alarms in 100 patients" in said and "may be unlawful" in said


def test_the_sentence_on_equal_sensitivity_is_that_of_the_table() -> None:
    table = build(cohort()).table("equal_sensitivity", outcome="complication", split="internal", grouping="sex")
    one = table[(table["policy"] == "one threshold") & (table["group"] != "all")].set_index("group")["sensitivity"]
    told = equal_finding.sentence(table)
    assert f"finds {100 * one.min():.0f}% of the events" in told and f"and {100 * one.max():.0f}% in" in told
    assert len(equal_finding.told(table)) == len(table) == 6
    drawn = equal_finding.dumbbell(table)
    assert [len(trace.x) for trace in drawn.data] == [2, 2] and all(trace.error_x.array is not None for trace in drawn.data)


def test_how_many_patients_it_takes_stands_under_the_learning_curve(here: Path) -> None:
    said = words(page("transport_and_stability", study="planted", outcome="complication"))
    assert "How many patients does it take?" in said
    assert "parameters" in said and "Cox-Snell" in said


def test_groups_of_pictures_are_compared_too(here: Path) -> None:
    write_study(here, segmentation_study(), run="0123456789abcdef")
    said = words(page("subgroups", study="segmentation_made_up"))
    assert "groups are adequate for" in said and "Everything here explores" in said


def test_a_study_without_groups_says_which_command_makes_them(here: Path) -> None:
    said = words(page("subgroups", study="kits_outcomes", outcome="complication"))
    assert "No groups were compared" in said
    assert "python -m core study run kits_outcomes" in said


def test_what_is_published_tells_nothing_of_others_where_events_are_few() -> None:
    table = for_publication(build(cohort()), 10).table("fairness")
    few = table[table["verdict"] == "too few events"]
    assert len(table) > 0
    assert few[["rest", "gap", "gap_low", "gap_high", "p", "p_holm"]].isna().all(axis=None)
    assert (table["n"] >= 10).all()


def test_the_forest_draws_every_group_with_its_interval_margin_and_word() -> None:
    table = build(cohort()).table("fairness", outcome="complication", split="internal", metric="auroc", model="fusion")
    drawn = forest(table, "AUROC")
    assert sum(len(trace.x) for trace in drawn.data) == table["gap"].notna().sum()
    assert all(trace.error_x.array is not None for trace in drawn.data)
    assert {trace.name.lower() for trace in drawn.data} <= set(MARKS)
    assert drawn.layout.shapes[0].x1 == pytest.approx(0.05)
    assert forest_alt(table, "AUROC").startswith(f"AUROC, {len(table)} groups: ")


def test_ratios_stand_on_a_scale_of_ratios() -> None:
    table = build(cohort()).table("fairness", outcome="complication", split="internal", metric="oe_ratio", model="fusion")
    drawn = forest(table, "Observed / expected")
    assert drawn.layout.xaxis.type == "log"
    assert drawn.layout.shapes[0].x0 == pytest.approx(0.8)


def test_groups_are_told_in_words() -> None:
    assert group_words("sex=female") == "Sex: female"
    assert group_words("sex=female & age=75+") == "Sex: female, age: 75+"

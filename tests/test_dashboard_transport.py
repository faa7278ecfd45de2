"""The page Transport and stability: every probe has its sentence, and what nobody knows is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.storage.summaries import StudySummary
from dashboard.charts import firmness, rows
from tests.fixtures_studies import synthetic_study, write_study
from tests.test_dashboard_pages import page, words
from tests.test_evaluation_summary import build, cohort


@pytest.fixture(scope="module")
def summary() -> StudySummary:
    return build(cohort(), permuted=None)


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


def test_every_probe_is_told_in_a_sentence(here: Path) -> None:
    test = page("transport_and_stability", study="planted", outcome="complication")
    assert not test.exception
    said = words(test)
    for part in (
        "Elsewhere the reference model reaches at least", "Are the patients there like those here?", "the picture",
        "on patients learned from → on new ones", "refits on bootstrap samples move a patient's risk by", "were covered",
        "No open data set holds surgical outcomes of a second institution",
    ):  # fmt: skip
        assert part in said, part


def test_recovery_has_no_refits_but_ranges(here: Path) -> None:
    test = page("transport_and_stability", study="planted", outcome="recovery")
    assert not test.exception
    said = words(test)
    assert "Do stated ranges hold" in said
    assert "bootstrap samples move" not in said


def test_an_older_study_opens_with_what_it_has(here: Path) -> None:
    test = page("transport_and_stability", study="kits_outcomes", outcome="complication")
    assert not test.exception
    assert "What would change this conclusion" in words(test)


def test_the_band_of_refits_and_the_curves_hold_every_point(summary: StudySummary) -> None:
    points = summary.table("instability", outcome="complication")
    band, middle, diagonal = firmness.instability(points).data
    assert len(band.x) == 2 * len(points)
    assert len(middle.x) == len(points)
    assert list(diagonal.x) == list(diagonal.y)
    curve = summary.table("learning", outcome="complication").merge(rows.model_facts(summary), on="model")
    drawn = firmness.learning(curve, "AUROC")
    assert list(drawn.data[0].x) == [50, 100]
    assert "from 50 % to all patients" in firmness.learning_alt(curve, "AUROC")


def test_coverage_names_the_groups_that_fall_short(summary: StudySummary) -> None:
    table = summary.table("conformal", outcome="recovery", model="fusion", level=0.9)
    assert firmness.coverage_alt(table, 0.9).startswith("Over all, ")
    short = table.assign(high=0.5)
    assert "Short of the promise: all" in firmness.coverage_alt(short, 0.9)
    assert len(firmness.coverage(table, 0.9).data) == 3


def test_ablations_of_outcome_models_are_told_with_the_fields_they_lean_on(here: Path) -> None:
    test = page("ablations", study="planted", outcome="complication")
    assert not test.exception
    said = words(test)
    for part in ("fitted again without an input", "What does each input bring?", "leans on Age", "What would change this"):
        assert part in said, part

"""The report: numbers of the tables, nothing loaded or injected, every pointer resolved, checklists that faults flip."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from core.storage.summaries import StudyPlace, StudySummary, find_study
from dashboard.charts.wording import with_interval
from dashboard.report.__main__ import app
from dashboard.report.blocks import Figure
from dashboard.report.check_tools import CANNOT, CHECKS, MET, NOT_MET, STATES
from dashboard.report.document import report_html, sections_of
from dashboard.report.findings import checklists, fill
from dashboard.report.study import Study, study_at
from tests.conftest import ROOT
from tests.fixtures_segmentation import segmentation_study
from tests.fixtures_studies import smaller, write_study
from tests.test_dashboard_pages import page, words
from tests.test_evaluation_summary import build, cohort, recipe

USES = {"complication": {"action": "a second look", "actor": "the surgeon", "low": 0.05, "high": 0.4}}


@pytest.fixture(scope="module")
def summary() -> StudySummary:
    return build(cohort(), recipe=recipe(uses=USES))


def study_of(summary: StudySummary, published: bool = True) -> Study:
    return Study(summary, f"data/studies/{summary.name}", published)


class Reader(HTMLParser):
    """All anchors, pointers, addresses that a browser would load, and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.pointers: list[str] = []
        self.loaded: list[str] = []
        self.text: list[str] = []
        self._silent = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._silent += tag in ("script", "style")
        self.ids += [given["id"]] if "id" in given else []
        self.loaded += [given[name] for name in ("src", "srcset", "data", "poster") if name in given]
        self.loaded += [given["href"]] if tag == "link" else []
        self.pointers += [given["href"]] if tag == "a" else []

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.text.append(data)


def made(study: Study) -> Reader:
    return Reader(report_html(study))


@pytest.fixture(scope="module")
def outcomes(summary: StudySummary) -> Reader:
    return made(study_of(summary))


@pytest.fixture(scope="module")
def masks() -> Reader:
    return made(study_of(segmentation_study()))


def test_the_numbers_are_those_of_the_tables(summary: StudySummary, outcomes: Reader) -> None:
    text = " ".join(outcomes.text)
    scores = summary.table("scores", outcome="complication", split="internal", group="all", metric="auroc")
    for _, row in scores[scores["model"] != "base_rate"].iterrows():
        assert with_interval(row["value"], row["low"], row["high"]) in text
    gaps = summary.table("fairness", outcome="complication", split="internal")
    primary = gaps[gaps["primary"].astype(bool) & gaps["gap"].notna()]
    assert len(primary) and all(
        with_interval(row["gap"], row["gap_low"], row["gap_high"]) in text for _, row in primary.iterrows()
    )
    for headline in summary.info["headlines"].values():
        assert headline in text
    needed = summary.outcome("complication")["needed"]
    assert f"{max(one['patients'] for one in needed['criteria'] if one['phase'] == 'development'):,} patients" in text


def test_the_figures_hold_the_tables_points(summary: StudySummary) -> None:
    curve = summary.table("curves", outcome="complication", split="internal", kind="calibration", model="logistic_regression")
    figures = [
        block
        for whole in sections_of(study_of(summary))
        for part in whole.all()
        for block in part.blocks
        if isinstance(block, Figure)
    ]
    assert any(list(trace.y) == curve["y"].tolist() for figure in figures for trace in figure.drawing.data if trace.y is not None)
    plots = re.search(r'id="plots">(.*?)</script>', report_html(study_of(summary)), re.S)
    assert plots is not None and len(json.loads(plots.group(1))) == len(figures)


@pytest.mark.parametrize("kind", ["outcomes", "masks"])
def test_nothing_is_loaded_and_every_pointer_resolves(kind: str, request: pytest.FixtureRequest) -> None:
    reader: Reader = request.getfixturevalue(kind)
    assert reader.loaded == []
    assert len(reader.ids) == len(set(reader.ids))
    inside = [pointer[1:] for pointer in reader.pointers if pointer.startswith("#")]
    assert inside and set(inside) <= set(reader.ids)
    assert all(pointer.startswith(("#", "https://doi.org/10.")) for pointer in reader.pointers)


def test_a_policy_forbids_loading_even_where_a_text_would_ask_for_it(outcomes: Reader, summary: StudySummary) -> None:
    assert "default-src 'none'" in report_html(study_of(summary))


EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


def test_text_of_data_and_recipes_is_never_markup(summary: StudySummary) -> None:
    models = [{**model, "label": f"{model['label']} {EVIL}"} for model in summary.info["models"]]
    found = [{**item, "label": EVIL, "definition": EVIL} for item in summary.info["outcomes"]]
    evil = smaller(summary, title=EVIL, question=EVIL, models=models, outcomes=found, change={"complication": EVIL})
    text = report_html(study_of(evil))
    reader = Reader(text)
    assert reader.loaded == [] and EVIL in " ".join(reader.text)
    body = re.sub(
        r"<script>.*?</script>", "", re.sub(r'<script type="application/json".*?</script>', "", text, flags=re.S), flags=re.S
    )
    assert "<script" not in body and "<img" not in body
    plots = re.search(r'id="plots">(.*?)</script>', text, re.S)
    assert plots is not None and "<script" not in plots.group(1) and "<img" not in plots.group(1)


def test_the_same_study_gives_the_same_bytes(summary: StudySummary) -> None:
    assert report_html(study_of(summary)) == report_html(study_of(summary))


def test_a_section_without_data_says_so_in_a_line(summary: StudySummary) -> None:
    empty = replace(summary, tables={name: table.iloc[:0] if name not in ("scores", "comparisons") else table for name, table in summary.tables.items()})  # noqa: E501  # fmt: skip
    text = " ".join(made(study_of(empty)).text)
    assert "No groups of patients were compared" in text and "No refit, no learning curve" in text
    titles = {part.title for whole in sections_of(study_of(empty)) for part in whole.all()}
    assert titles == {part.title for whole in sections_of(study_of(summary)) for part in whole.all()}


# Checklists


def test_the_lists_are_whole_and_name_checks_that_exist_and_all_are_used() -> None:
    lists = {one.name: one for one in checklists()}
    assert {"TRIPOD+AI", "PROBAST+AI", "CLAIM 2024"} == set(lists)
    assert len(lists["TRIPOD+AI"].items) == 52
    asked = {item.check for one in lists.values() for item in one.items if item.check}
    assert asked == set(CHECKS)
    for one in lists.values():
        assert len({item.id for item in one.items}) == len(one.items)
        assert all(bool(item.check) != bool(item.cannot) and item.text and item.topic for item in one.items)


def states(study: Study) -> dict[str, str]:
    """By name of check."""
    found = {}
    for one in fill(study):
        for item, finding in zip(one.checklist.items, one.findings, strict=True):
            assert finding.state in STATES and finding.why
            if item.check:
                found[item.check] = finding.state
            else:
                assert finding.state == CANNOT
    return found


PROVENANCE = {"code": "abc1234", "packages": {"numpy": "2"}, "seed": 1, "data": "f" * 64, "python": "3.11"}
FAULTS: dict[str, Any] = {
    "question_stated": {"question": ""},
    "data_source": {"dataset": {"name": "x", "label": "X", "n_cases": 1, "n_patients": 1}},
    "measures_told": {"metrics": []},
    "findings_written": {"headlines": {}},
    "change_written": {"change": {}},
    "code_version": {"provenance": {}},
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_in_the_facts_flips_its_finding(name: str, summary: StudySummary) -> None:
    whole = smaller(summary, provenance=PROVENANCE, dataset={**summary.info["dataset"], "citation": "A paper, 2020"})
    assert states(study_of(whole))[name] == MET
    assert states(study_of(smaller(whole, **FAULTS[name])))[name] == NOT_MET


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("recalibration_tried", "recalibration"), ("fairness_compared", "fairness"), ("case_mix_compared", "case_mix"),
        ("overfitting_checked", "gaps"),
    ],
)  # fmt: skip
def test_a_table_that_is_lacking_flips_its_finding(name: str, table: str, summary: StudySummary) -> None:
    assert states(study_of(summary))[name] == MET
    lacking = replace(summary, tables={**summary.tables, table: summary.tables[table].iloc[:0]})
    assert states(study_of(lacking))[name] == NOT_MET


def test_a_point_without_an_interval_is_not_met(summary: StudySummary) -> None:
    assert states(study_of(summary))["intervals_everywhere"] == MET
    scores = summary.tables["scores"].assign(low=float("nan"), high=float("nan"))
    bare = replace(summary, tables={**summary.tables, "scores": scores})
    assert states(study_of(bare))["intervals_everywhere"] == NOT_MET


def test_what_files_of_findings_name_is_there() -> None:
    for name in ("kits_outcomes", "segmentation_lidc"):
        place = find_study(name)
        study = study_at(StudyPlace(place.name, ROOT / "data" / "studies" / name, True))
        for one in fill(study):
            for finding in one.findings:
                if finding.anchor and not finding.anchor.startswith("#"):
                    assert (ROOT / finding.anchor).exists(), finding


# The command and the page


@pytest.fixture
def house(summary: StudySummary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_study(tmp_path, summary, run="0123456789abcdef")
    write_study(tmp_path, segmentation_study(), run="0123456789abcdef")
    monkeypatch.setenv("OPSIGHT_HOME", str(tmp_path))
    return tmp_path


def test_the_command_writes_one_file_and_refuses_a_name_that_nobody_knows(house: Path) -> None:
    out = house / "planted.html"
    done = CliRunner().invoke(app, ["planted", "--out", str(out)])
    assert done.exit_code == 0 and out.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert str(house) not in out.read_text(encoding="utf-8")
    wrong = CliRunner().invoke(app, ["plantet", "--out", str(out)])
    assert wrong.exit_code == 2 and "planted" in wrong.output


def test_the_page_tells_what_the_lists_say_and_offers_the_file(house: Path) -> None:
    test = page("report", study="planted")
    assert not test.exception
    said = words(test)
    assert "TRIPOD+AI items are met" in said and "python -m dashboard.report planted" in said
    assert "What would change this conclusion" in said
    told = {metric.label: metric.value for metric in test.metric}
    lists = {one.checklist.name: one for one in fill(study_at(find_study("planted")))}
    assert told["TRIPOD+AI"] == f"{lists['TRIPOD+AI'].count(MET)} of 52"
    assert "CLAIM 2024" in words(page("report", study="segmentation_made_up"))


def test_any_two_models_can_be_compared_and_kinds_of_building_too(house: Path, summary: StudySummary) -> None:
    test = page("outcome_models", study="planted", outcome="complication")
    assert "Any two models on the same patients" in words(test)
    pairs = summary.table("pairs", outcome="complication", metric="auroc")
    models = {str(item["name"]) for item in summary.info["models"]} - {"base_rate"}
    assert len(pairs) == len(models) * (len(models) - 1) / 2
    assert (pairs["p_holm"] >= pairs["p"] - 1e-12).all()

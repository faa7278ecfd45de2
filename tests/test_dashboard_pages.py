"""The pages, run without a browser: what they say, empty states, calm errors, and what they must not load."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.errors import InputError
from core.evaluation.publish import for_publication
from dashboard.views import PAGES
from dashboard.widgets import trouble
from tests.conftest import ROOT
from tests.fixtures_studies import HAPPENINGS, smaller, synthetic_study, write_study
from tests.test_evaluation_summary import build as judge
from tests.test_evaluation_summary import cohort

APP = str(ROOT / "dashboard" / "app.py")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published real study and a simulated one that was run here; read by all tests, changed by none."""
    folder = tmp_path_factory.mktemp("house")
    write_study(folder, synthetic_study())
    phantom = synthetic_study(
        "phantom", title="Phantom: simulated surgery", simulated=True, published=False, happenings=HAPPENINGS[:2]
    )
    write_study(folder, phantom, run="0123456789abcdef")
    return folder


@pytest.fixture
def studies(written: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPSIGHT_HOME", str(written))
    return written


def page(name: str, **query: str) -> AppTest:
    """A page alone, run once with those URL parameters."""

    def draw(name: str) -> None:
        from dashboard.views import PAGES
        from dashboard.widgets.trouble import guarded

        guarded(PAGES.get(name).render)()

    test = AppTest.from_function(draw, kwargs={"name": name}, default_timeout=60)
    for key, value in query.items():
        test.query_params[key] = value
    return test.run()


def words(test: AppTest) -> str:
    """All text of a page."""
    kinds = ("title", "header", "subheader", "markdown", "caption", "info", "warning", "error", "code", "text")
    return "\n".join(str(element.value) for kind in kinds for element in test.get(kind))


def metrics(test: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in test.metric}


def test_the_app_opens_on_the_overview_and_keeps_the_study_in_the_url(studies: Path) -> None:
    app = AppTest.from_file(APP, default_timeout=60).run()
    assert not app.exception
    assert app.title[0].value == "OpSight"
    assert app.sidebar.selectbox[0].value == "kits_outcomes"
    assert app.query_params["study"] in ("kits_outcomes", ["kits_outcomes"])
    app.sidebar.selectbox[0].set_value("phantom").run()
    assert app.query_params["study"] in ("phantom", ["phantom"])


def test_pages_stand_in_their_sections_with_unique_addresses() -> None:
    specs = list(PAGES)
    assert {"overview", "outcome_models", "counseling"} <= {spec.name for spec in specs}
    assert len({spec.url_path for spec in specs}) == len(specs)
    assert {spec.name: spec.section for spec in specs}["counseling"] == "Patients"


def test_the_overview_tells_each_study_in_sentences(studies: Path) -> None:
    said = words(page("overview"))
    assert "2 studies" in said and "Outcomes of kidney tumour surgery" in said
    assert "KiTS23 · 489 patients · 7 outcomes · 17 models" in said
    assert "88 of 489 patients (18%)" in said
    assert "SIMULATED" in said and "PUBLISHED" in said and "RUN HERE" in said and "TOO FEW EVENTS" in said
    assert "no evidence that it adds here" in said
    assert "CC BY-NC-SA 4.0" in said and "Heller N" in said and "2026-11-20" in said


def test_the_overview_shows_no_plot(studies: Path) -> None:
    assert not page("overview").get("plotly_chart")


@pytest.mark.parametrize("name", ["overview", "outcome_models", "counseling"])
def test_an_empty_house_says_what_is_missing_and_which_command_makes_it(home: Path, name: str) -> None:
    said = words(page(name))
    assert "There is no" in said and "make demo" in said


def test_a_broken_study_is_told_calmly_and_leaves_the_others_readable(written: Path, home: Path) -> None:
    shutil.copytree(written / "data", home / "data")
    (home / "data" / "studies" / "kits_outcomes" / "scores.parquet").write_bytes(b"not a table")
    test = page("overview")
    assert not test.exception
    assert "does not match its checksum" in test.warning[0].value and "Reference: OP" in test.warning[0].value
    assert "Phantom: simulated surgery" in words(test)


def test_the_outcome_page_answers_its_question_first(studies: Path) -> None:
    test = page("outcome_models", study="kits_outcomes", outcome="complication")
    assert not test.exception
    said = words(test)
    assert "rank any complication best" in said
    numbers = metrics(test)
    assert set(list(numbers)[:4]) == {"Highest AUROC", "AUROC to beat", "Difference, same patients", "Patients judged"}
    assert numbers["Patients judged"] == "489"
    assert "88 with the event" in said
    assert "What would change this conclusion" in said and "112 more events" in said
    assert len(test.get("plotly_chart")) == 5
    assert "Any complication of Clavien-Dindo grade I or more." in said


def test_every_figure_has_its_finding_in_words_and_a_download(studies: Path) -> None:
    test = page("outcome_models", study="kits_outcomes", outcome="complication")
    charts = test.get("plotly_chart")
    captions = [caption.value for caption in test.caption]
    assert all(chart.proto.alt and chart.proto.alt in captions for chart in charts)
    assert all('"format": "svg"' in chart.proto.config for chart in charts)
    assert len(test.get("download_button")) >= 4


def test_the_url_opens_the_same_view(studies: Path) -> None:
    test = page("outcome_models", study="kits_outcomes", outcome="long_stay", split="external:site=north", inputs="both")
    chosen = {box.label: box.value for box in test.selectbox}
    assert chosen["Outcome"] == "long_stay" and chosen["Judged on"] == "external:site=north"
    said = words(test)
    assert "EXTERNAL" in said and "Random forest + procedure" in str(test.get("multiselect")[0].proto)
    assert metrics(test)["Patients judged"] == "220"


def test_an_unknown_name_in_the_url_falls_back_to_what_there_is(studies: Path) -> None:
    test = page("outcome_models", study="no_such_study", outcome="../../etc/passwd", split="<b>")
    assert not test.exception
    assert {box.label: box.value for box in test.selectbox}["Outcome"] == "complication"


def test_recovery_is_judged_by_c_index_and_by_day_not_by_roc(studies: Path) -> None:
    said = words(test := page("outcome_models", study="kits_outcomes", outcome="recovery"))
    assert "Highest C-index" in metrics(test) and "How many are at home by which day?" in said
    assert "ROC" not in said and "What would a threshold do?" not in said


def test_a_threshold_is_told_in_patients_and_moves_with_the_slider(studies: Path) -> None:
    test = page("outcome_models", study="kits_outcomes", outcome="complication", inputs="record")
    before = metrics(test)
    counts = [before[name] for name in ("Flagged rightly", "Flagged in vain", "Not flagged, overlooked", "Not flagged, rightly")]
    assert sum(int(text.split()[0]) for text in counts) == 100
    assert "Of 100 such patients" in words(test)
    test.select_slider[0].set_value(0.5).run()
    assert int(metrics(test)["Flagged in vain"].split()[0]) < int(before["Flagged in vain"].split()[0])


def test_a_good_outcome_is_not_flagged_but_expected(studies: Path) -> None:
    said = words(test := page("outcome_models", study="kits_outcomes", outcome="success"))
    assert "expected to have the good outcome" in said and "Expected rightly" in metrics(test)
    assert "What each part of success contributes" in said


def test_too_few_events_is_a_badge_with_words(studies: Path) -> None:
    assert "TOO FEW EVENTS" in words(page("outcome_models", study="kits_outcomes", outcome="major_complication"))


def test_a_published_study_says_what_it_cannot_answer(studies: Path) -> None:
    assert "single cases need the rows" in words(page("outcome_models", study="kits_outcomes", outcome="complication"))
    assert "single cases need the rows" not in words(page("outcome_models", study="phantom", outcome="complication"))


def test_hidden_event_counts_stay_hidden(home: Path) -> None:
    study = synthetic_study(happenings=HAPPENINGS[1:2])
    few = {**study.info["outcomes"][0], "n_events": None, "rate": None, "threshold": None}
    tables = {name: table.assign(n_events=float("nan")) if "n_events" in table else table for name, table in study.tables.items()}
    hidden = smaller(study, outcomes=[few])
    write_study(home, type(hidden)(hidden.info, {**tables, "thresholds": tables["thresholds"].iloc[:0]}))
    test = page("outcome_models", study="kits_outcomes")
    assert not test.exception and "fewer than 10 with the event" in words(test)
    assert "fewer than 10 of 489 patients" in words(page("overview"))


def test_an_error_raised_on_purpose_is_told_with_what_to_do(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _break(monkeypatch, InputError("The study names *nothing*.", do="Choose another one."))
    test = page("overview")
    assert not test.exception
    box = test.warning[0].value
    assert "Choose another one" in box and "\\*nothing\\*" in box and "Reference: OP" in box


def test_an_unforeseen_error_shows_no_text_of_its_own_and_logs_no_value(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _break(monkeypatch, ValueError("patient Jane Roe, born 1950"))
    with caplog.at_level(logging.ERROR, logger=trouble.LOG.name):
        test = page("overview")
    assert not test.exception
    assert "Something went wrong" in test.warning[0].value
    assert "Jane Roe" not in words(test) and "Jane Roe" not in caplog.text
    reference = test.warning[0].value.split("Reference: ")[1]
    assert reference in caplog.text and "ValueError" in caplog.text


def _break(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr("dashboard.widgets.store.studies", fail)


@pytest.mark.parametrize("publish", [False, True])
def test_the_pages_read_what_an_evaluation_writes(home: Path, publish: bool) -> None:
    study = judge(cohort())
    write_study(home, for_publication(study, 10) if publish else study)
    for outcome in study.info["outcomes"]:
        for split in ("internal", "release"):
            test = page("outcome_models", outcome=outcome["name"], split=split)
            assert not test.exception and not test.warning
            assert study.info["headlines"][outcome["name"]] in words(test) or publish
    test = page("overview")
    assert not test.exception and not test.warning and "CC0" in words(test)


def test_opening_any_page_loads_no_network_library() -> None:
    code = (
        "import sys\nfrom dashboard.views import PAGES\nassert len(PAGES.names()) >= 3\n"
        "heavy = {'torch', 'timm', 'monai', 'shap', 'lightgbm', 'lifelines'} & set(sys.modules)\nassert not heavy, heavy\n"
        "assert 'core.serving.predictor' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_server_stays_on_this_machine_and_shows_no_error_text() -> None:
    import tomllib

    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert config["server"]["address"] == "127.0.0.1"
    assert config["client"]["showErrorDetails"] == "none"
    assert config["browser"]["gatherUsageStats"] is False
    assert "http" not in config["theme"]["font"]

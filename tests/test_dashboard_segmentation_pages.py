"""The pages of segmentation studies, run without a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.datasets import DATASETS
from core.evaluation.segmentation.publish import for_publication
from core.serving import case_pictures
from core.storage.summaries import StudySummary
from dashboard.views import PAGES
from dashboard.widgets import sidebar
from tests.fixtures_segmentation import install, made_up_dataset, made_up_pictures, made_up_run, segmentation_study
from tests.fixtures_studies import HAPPENINGS, smaller, synthetic_study, write_study
from tests.test_dashboard_pages import APP, metrics, page, words

SEGMENTATION_PAGES = ("segmentation_benchmark", "errors_and_robustness", "ablations")
STUDY, RUN = "segmentation_made_up", "0123456789abcdef"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of outcomes and two of segmentation, one of which was run here and has no ablation; changed by no test."""
    folder = tmp_path_factory.mktemp("house")
    write_study(folder, synthetic_study(happenings=HAPPENINGS[:1]))
    study = segmentation_study()
    write_study(folder, smaller(study, published=True))
    plain = smaller(
        study, name="plain", title="Without ablations", recipe={**study.info["recipe"], "name": "plain", "ablations": []}
    )
    write_study(folder, StudySummary(plain.info, {**plain.tables, "ablations": plain.tables["ablations"].iloc[:0]}), run=RUN)
    made_up_run(folder / "data" / "runs" / "plain" / RUN, "unet", made_up_pictures())
    return folder


@pytest.fixture
def studies(written: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPSIGHT_HOME", str(written))
    DATASETS.names()
    monkeypatch.setattr(DATASETS, "_specs", dict(DATASETS._specs or {}))
    case_pictures._pictures.cache_clear()
    return written


@pytest.mark.parametrize("name", SEGMENTATION_PAGES)
def test_without_a_study_each_page_names_the_command_that_makes_one(home: Path, name: str) -> None:
    said = words(page(name))
    assert "There is no segmentation study" in said and "core study run" in said


@pytest.mark.parametrize("name", SEGMENTATION_PAGES[:2])
def test_a_study_of_outcomes_is_not_mistaken_for_one_of_segmentation(home: Path, name: str) -> None:
    write_study(home, synthetic_study(happenings=HAPPENINGS[:1]))
    said = words(page(name, study="kits_outcomes"))
    assert "There is no segmentation study" in said and "kidney" not in said


def test_the_sidebar_offers_only_studies_that_the_page_can_show(studies: Path) -> None:
    app = AppTest.from_file(APP, default_timeout=60).run()
    assert len(app.sidebar.selectbox[0].options) == 3, "the overview is of all studies"
    offered = {spec.name: {place.name for place in sidebar.studies_of(spec.kinds)} for spec in PAGES}
    assert offered["outcome_models"] == {"kits_outcomes"}
    assert all(offered[name] == {STUDY, "plain"} for name in SEGMENTATION_PAGES[:2])
    assert offered["ablations"] == {STUDY, "plain", "kits_outcomes"}


def test_each_page_says_which_kinds_of_study_it_shows() -> None:
    kinds = {spec.name: spec.kinds for spec in PAGES}
    assert all(kinds[name] == ("segmentation",) for name in SEGMENTATION_PAGES[:2])
    assert kinds["ablations"] == ("outcomes", "segmentation")
    assert kinds["outcome_models"] == kinds["counseling"] == ("outcomes",)
    assert kinds["overview"] == ()


def test_the_overview_lists_both_kinds(studies: Path) -> None:
    test = page("overview")
    assert not test.exception and not test.warning
    said = words(test)
    assert "3 studies" in said and "Made-up scans · 24 patients · 30 pictures · 2 regions · 10 methods" in said
    assert "Whole tumour" in said and "30 cases judged" in said and "Any complication" in said


def test_the_benchmark_answers_its_question_first(studies: Path) -> None:
    test = page("segmentation_benchmark", study=STUDY)
    assert not test.exception and not test.warning
    said = words(test)
    assert "### Self-configuring U-Net (nnU-Net style) outlines best" in said
    numbers = metrics(test)
    assert list(numbers)[:4] == ["Best Dice", "Readers agree at", "Network − classical", "Cases judged"]
    assert numbers["Cases judged"] == "30" and numbers["Network − classical"].startswith("+0.2")
    for part in (
        "Which method outlines best?",
        "Is more cost worth it?",
        "How much do single cases differ?",
        "How firm is the order?",
    ):
        assert part in said
    assert "Which differences are more than chance?" in said and "What would change this conclusion" in said
    assert "Hospital North left out" in said and "EXTERNAL" in said
    assert "Swin UNETR does not work on such small pictures." in said
    assert len(test.get("plotly_chart")) == 7


@pytest.mark.parametrize("name", SEGMENTATION_PAGES)
def test_every_figure_has_its_finding_in_words_and_a_download(studies: Path, name: str) -> None:
    test = page(name, study=STUDY)
    captions = [caption.value for caption in test.caption]
    charts = test.get("plotly_chart")
    assert charts and all(chart.proto.alt and chart.proto.alt in captions for chart in charts)
    assert all('"format": "svg"' in chart.proto.config for chart in charts)
    assert test.get("download_button")


def test_another_metric_and_split_change_the_numbers_and_say_so(studies: Path) -> None:
    test = page("segmentation_benchmark", study=STUDY, metric="hd95", split="external:site=north", region="core")
    assert not test.exception and not test.warning
    assert metrics(test)["Best HD95"].endswith(" px") and metrics(test)["Cases judged"] == "15"
    assert "speak of Dice in the main split" in words(test)


def test_a_metric_by_which_nobody_is_ranked_leaves_ranks_to_dice(studies: Path) -> None:
    test = page("segmentation_benchmark", study=STUDY, metric="precision")
    assert not test.exception and not test.warning
    assert "Methods are not ranked by Precision" in words(test)
    assert metrics(test)["Network − classical"] == "none"


def test_a_link_opens_the_case_that_it_names(studies: Path) -> None:
    install(made_up_dataset())
    cases = segmentation_study().table("cases", region="tumour", model="unet", split="internal")
    case = str(cases["case"].iloc[7])
    test = page("segmentation_benchmark", study="plain", method="unet", case=case)
    assert not test.exception and not test.warning
    assert f"**U-Net** on case {case}" in words(test)
    assert {box.label: box.value for box in test.selectbox}["Case, the worst first"] == case
    said = words(test)
    assert "**Difference**" in said and "Drawn from the copy of Made-up scans on this machine. CC0" in said
    alts = [str(image.proto) for image in test.get("image")]
    assert len(alts) == 4 and all(case in alt and "has Dice 0." in alt for alt in alts)


def test_without_the_data_tables_and_plots_still_work_and_the_page_says_how_to_get_the_images(
    studies: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPSIGHT_DATA", str(tmp_path))
    study = segmentation_study()
    licensed = smaller(
        study, name="licensed", published=True, recipe={**study.info["recipe"], "dataset": {"name": "isic", "options": {}}}
    )
    monkeypatch.setenv("OPSIGHT_HOME", str(tmp_path))
    write_study(tmp_path, licensed)
    test = page("segmentation_benchmark")
    assert not test.exception and not test.warning and len(test.get("plotly_chart")) == 7
    said = words(test)
    assert "The pictures are not on this machine" in said and "$OPSIGHT_DATA" in said and "CC BY-NC 4.0" in said


def test_what_others_report_stands_in_columns_of_its_own(studies: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPSIGHT_HOME", str(tmp_path))
    study = segmentation_study()
    write_study(tmp_path, smaller(study, recipe={**study.info["recipe"], "dataset": {"name": "lgg", "options": {}}}), run=RUN)
    test = page("segmentation_benchmark")
    assert "These columns are no ranking" in words(test)
    table = next(frame.value for frame in test.dataframe if "Best published" in frame.value.columns)
    assert list(table.columns) == ["Method", "Reported on BraTS", "Measured here on Made-up scans", "Best published"]
    row = table.set_index("Method").loc["U-Net"]
    assert row["Reported on BraTS"] == "0.85" and row["Measured here on Made-up scans"].startswith("0.8")
    assert row["Best published"] == ""
    assert (table["Measured here on Made-up scans"] == "not run").sum() == 2
    published = table[table["Best published"] != ""]
    assert len(published) and (published["Reported on BraTS"] == "").all()


def test_the_folds_and_the_criteria_stand_on_the_page(studies: Path) -> None:
    test = page("segmentation_benchmark", study=STUDY)
    assert {"Criteria: complexity, published results, use in the community", "Are the folds alike?"} <= {
        block.label for block in test.expander
    }
    tables = [table.value for table in test.table]
    criteria = next(table for table in tables if "How complex" in table.columns)
    assert "The most cited method of the field." in set(criteria["Who uses it"])
    alike = next(table for table in tables if "Measure" in table.columns)
    assert list(alike.columns) == ["Measure", *(f"fold {fold}, {side}" for fold in (1, 2, 3) for side in ("train", "test"))]
    assert (alike.set_index("Measure").loc["patients"].astype(int).iloc[1::2] == 8).all()


def test_errors_are_told_by_size_case_lesion_fault_and_empty_mask(studies: Path) -> None:
    test = page("errors_and_robustness", study=STUDY)
    assert not test.exception and not test.warning
    said = words(test)
    assert "does worse on small regions" in said and "suffers most from ghosting" in said
    assert set(metrics(test)) == {"Dice, smallest third", "Dice, largest third", "Missed altogether", "Dice, worst fault"}
    for part in ("What do errors depend on?", "Which cases fail?", "Are single lesions found?", "Empty masks"):
        assert part in said
    assert "No value is put in their place" in said
    empty = next(frame.value for frame in test.dataframe if "Rightly empty" in frame.value.columns)
    assert (empty.set_index("Method")["Outlines"] == empty.set_index("Method").drop(columns="Outlines").sum(axis=1)).all()


def test_the_worst_cases_are_named_by_their_hash_and_the_worst_one_is_on_show(studies: Path) -> None:
    test = page("errors_and_robustness", study=STUDY)
    worst = next(frame.value for frame in test.dataframe if "Best Dice of any method" in frame.value.columns)
    assert worst["Case"].str.fullmatch("[0-9a-f]{12}").all() and len(worst) == 12
    assert worst["Dice"].astype(float).is_monotonic_increasing
    assert f"on case {worst['Case'].iloc[0]}" in words(test)


def test_a_split_without_planted_faults_says_so(studies: Path) -> None:
    test = page("errors_and_robustness", study=STUDY, split="external:site=north")
    assert not test.exception and not test.warning
    assert "No fault was planted on this split." in words(test)


def test_ablations_show_verdicts_beside_claims(studies: Path) -> None:
    test = page("ablations", study=STUDY)
    assert not test.exception and not test.warning
    said = words(test)
    assert "1 comparison for which a range is claimed: confirmed 1." in said
    table = next(frame.value for frame in test.dataframe if "Verdict" in frame.value.columns)
    skips = table[table["Part"] == "Skip connections"].iloc[0]
    assert skips["Claimed"] == "5 to 10" and skips["Verdict"] == "confirmed" and skips["Trainings"] == 2
    assert (table.loc[table["Part"] != "Skip connections", "Claimed"] == "").all()


def test_a_study_without_ablations_offers_those_that_have_some(studies: Path) -> None:
    test = page("ablations", study="plain")
    assert not test.exception and not test.warning
    assert "There is no ablation in this study." in words(test) and not test.get("plotly_chart")


def test_a_published_segmentation_study_opens_on_all_pages(home: Path) -> None:
    write_study(home, for_publication(segmentation_study(), 5))
    for name in SEGMENTATION_PAGES:
        test = page(name)
        assert not test.exception and not test.warning
        assert "PUBLISHED" in words(test)
    assert "What a published study cannot answer" in {block.label for block in page("segmentation_benchmark").expander}

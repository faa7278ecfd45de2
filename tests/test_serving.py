"""Asking a bundle: scope first, then the evidence gate, then the model; and nothing but a statement comes out."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from core.contracts.codebook import Codebook, Field
from core.contracts.forecast import LAST_DAY
from core.contracts.statement import Abstention, GroupRate, PersonalRisk
from core.counseling import english
from core.counseling.words import tell
from core.datasets import DATASETS
from core.errors import BundleError, DataError
from core.serving.predictor import BundlePredictor, available_bundles, open_bundle
from core.serving.scope import check_scope
from tests.conftest import ROOT
from tests.fixtures_bundles import GROUP_ONLY, REFITS, build, bundle_cohort, hidden
from tests.fixtures_cohorts import FIELDS

TYPICAL: dict[str, float | str] = {"age": 60.0, "sex": "male", "tumour_size_mm": 34.0}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation with a personal bundle, one of the group alone, and one by day."""
    home = tmp_path_factory.mktemp("home")
    build(home / "models")
    build(home / "models", verdict=GROUP_ONLY, name="other")
    build(home / "models", outcome="recovery", model="cox")
    return home


@pytest.fixture
def installed(models: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, BundlePredictor]:
    monkeypatch.setenv("OPSIGHT_HOME", str(models))
    return {facts.name: open_bundle(facts) for facts in available_bundles()}


@pytest.fixture
def complication(installed: dict[str, BundlePredictor]) -> BundlePredictor:
    return installed["small_complication"]


def abstains(statement: object) -> Abstention:
    assert isinstance(statement, Abstention)
    assert statement.why and statement.needed and statement.details
    assert all(sentence.endswith((".", "?")) for sentence in (statement.why, statement.needed, *statement.details))
    return statement


# What is there


def test_every_bundle_is_listed_with_its_facts(installed: dict[str, BundlePredictor]) -> None:
    facts = installed["small_complication"].facts
    assert sorted(installed) == ["other_complication", "small_complication", "small_recovery"]
    assert (facts.version, facts.study, facts.dataset, facts.dataset_label) == (1, "small", "small", "Small")
    assert (facts.outcome, facts.label, facts.licence, facts.problem) == ("complication", "Complication", "CC0", "")
    assert facts.personal and not facts.simulated and not facts.day_based
    assert installed["small_recovery"].facts.day_based
    assert not installed["other_complication"].facts.personal
    assert len(facts.digest) == 64


def test_no_folder_of_models_means_no_bundles(home: Path) -> None:
    assert available_bundles() == ()


def test_a_broken_bundle_says_why_and_hides_no_other(home: Path) -> None:
    for _ in range(3):
        build(home / "models")
    folder = home / "models" / "small_complication"
    (folder / "1" / "weights.safetensors").write_bytes(b"x")
    (folder / "2" / "manifest.json").write_bytes(b"\xff\xfe{")
    (home / "models" / "README.md").write_text("Not a bundle.")
    (folder / "4").mkdir()
    facts = available_bundles()
    assert [item.version for item in facts] == [4, 3, 2, 1]
    assert [bool(item.problem) for item in facts] == [True, False, True, True]
    assert "sha-256" in facts[3].problem
    with pytest.raises(BundleError):
        open_bundle(facts[3])
    assert isinstance(open_bundle(facts[1]).statement(TYPICAL), PersonalRisk)


def test_a_form_asks_for_what_the_model_cannot_do_without(complication: BundlePredictor) -> None:
    required = {field.name: field.required for field in complication.fields}
    # Sex was never missing in training, so the model has not learned to do without it.
    assert required == {"age": True, "sex": True, "tumour_size_mm": False}


def test_the_example_is_in_scope_and_answered(installed: dict[str, BundlePredictor]) -> None:
    for predictor in installed.values():
        assert not isinstance(predictor.statement(predictor.example()), Abstention)


# A personal risk


def test_a_personal_risk_has_band_base_rate_and_reference(complication: BundlePredictor) -> None:
    statement = complication.statement(TYPICAL)
    assert isinstance(statement, PersonalRisk)
    answer = complication.bundle.ensemble.answer(TYPICAL)
    assert statement.risk == answer.risk
    low, high = np.quantile(answer.refit_risks, [0.05, 0.95])
    assert statement.band == (min(low, answer.risk), max(high, answer.risk))
    events = int(bundle_cohort().targets["complication"].sum())
    assert (statement.n, statement.n_events, statement.refits) == (150, events, REFITS)
    assert statement.base_rate == events / 150
    assert statement.reference == "Small"
    assert statement.cautions == ()


def test_f214_the_same_record_gets_the_same_statement(complication: BundlePredictor) -> None:
    first = complication.statement(TYPICAL)
    assert all(complication.statement(dict(reversed(TYPICAL.items()))) == first for _ in range(5))


def test_risk_rises_with_what_raises_it_in_the_data(complication: BundlePredictor) -> None:
    young, old = (complication.statement({**TYPICAL, "age": age}) for age in (50, 70))
    assert isinstance(young, PersonalRisk) and isinstance(old, PersonalRisk)
    assert young.risk < old.risk


def test_f208_a_field_left_empty_is_told_where_the_model_has_learned_to_do_without(complication: BundlePredictor) -> None:
    statement = complication.statement({"age": 60, "sex": "male", "tumour_size_mm": None})
    assert isinstance(statement, PersonalRisk)
    assert statement.cautions == (english.DONE_WITHOUT.format(field="Tumour size"),)
    absent = complication.statement({"age": 60, "sex": "male"})
    assert isinstance(absent, PersonalRisk) and absent.risk == statement.risk


def test_f082_a_column_the_model_does_not_know_changes_nothing_and_is_told(complication: BundlePredictor) -> None:
    statement = complication.statement({**TYPICAL, "shoe_size": 44})
    plain = complication.statement(TYPICAL)
    assert isinstance(statement, PersonalRisk) and isinstance(plain, PersonalRisk)
    assert statement.risk == plain.risk
    assert statement.cautions == (english.NOT_USED.format(field="shoe_size"),)


def test_values_from_a_web_form_read_like_those_from_a_table(complication: BundlePredictor) -> None:
    typed = complication.statement({"age": "60", "sex": "male", "tumour_size_mm": "34.0"})
    assert typed == complication.statement(TYPICAL)


def test_simulated_patients_are_said_to_be_made_up(home: Path) -> None:
    build(home / "models", cohort=bundle_cohort(simulated=True))
    facts = available_bundles()[0]
    assert facts.simulated
    statement = open_bundle(facts).statement(TYPICAL)
    assert isinstance(statement, PersonalRisk)
    assert statement.cautions[:2] == english.SIMULATED
    assert "SIMULATED" in open_bundle(facts).card


# Scope: no number


@pytest.mark.parametrize("age", [5, 17, 111, 6500, -1])
def test_f206_an_age_outside_the_training_ages_gets_no_number(complication: BundlePredictor, age: int) -> None:
    statement = abstains(complication.statement({**TYPICAL, "age": age}))
    assert statement.code == "RANGE"
    assert f"Age {age} years is outside" in statement.why


def test_a_value_inside_the_codebook_and_outside_training_gets_no_number(complication: BundlePredictor) -> None:
    largest = bundle_cohort().table["tumour_size_mm"].max()
    width = largest - bundle_cohort().table["tumour_size_mm"].min()
    assert isinstance(complication.statement({**TYPICAL, "tumour_size_mm": largest + 0.009 * width}), PersonalRisk)
    beyond = largest + 0.02 * width
    assert beyond < 300
    assert abstains(complication.statement({**TYPICAL, "tumour_size_mm": beyond})).code == "RANGE"


def test_f207_a_value_that_fits_in_another_unit_is_asked_about(complication: BundlePredictor) -> None:
    statement = abstains(complication.statement({**TYPICAL, "tumour_size_mm": 0.34}))
    assert statement.code == "UNIT_SUSPECT"
    assert "times 10 " in statement.why or "times 25.4" in statement.why
    assert "another unit" in statement.why


def test_a_value_a_little_beyond_the_range_is_not_called_a_wrong_unit(complication: BundlePredictor) -> None:
    largest = bundle_cohort().table["tumour_size_mm"].max()
    assert abstains(complication.statement({**TYPICAL, "tumour_size_mm": 1.4 * largest})).code == "RANGE"
    assert abstains(complication.statement({**TYPICAL, "tumour_size_mm": 250})).code == "UNIT_SUSPECT"


def test_f085_creatinine_in_the_other_unit_is_caught_and_age_is_never_called_a_unit(home: Path) -> None:
    rng = np.random.default_rng(1)
    cohort = bundle_cohort()
    table = cohort.table.assign(creatinine=np.exp(rng.normal(0, 0.25, 150)).round(2))
    field = Field("creatinine", "Creatinine", "number", "before", unit="mg/dL", low=0.1, high=20)
    cohort = replace(cohort, table=table, codebook=Codebook((*FIELDS, field)))
    predictor = open_bundle(available_bundles()[0]) if build(home / "models", cohort=cohort) else None
    assert predictor is not None
    caught = [
        abstains(predictor.statement({**TYPICAL, "creatinine": value * 88.4})).code == "UNIT_SUSPECT"
        for value in table["creatinine"]
    ]
    assert np.mean(caught) >= 0.99


@pytest.mark.parametrize("sex", ["M", "divers", "Male ", "1"])
def test_f089_a_value_the_codebook_does_not_list_gets_no_number(complication: BundlePredictor, sex: str) -> None:
    statement = abstains(complication.statement({**TYPICAL, "sex": sex}))
    assert statement.code == "CATEGORY"


def test_a_level_that_nobody_had_in_training_gets_no_number(home: Path) -> None:
    cohort = bundle_cohort()
    cohort = replace(cohort, table=cohort.table.assign(sex="male"))
    build(home / "models", cohort=cohort)
    statement = abstains(open_bundle(available_bundles()[0]).statement({**TYPICAL, "sex": "female"}))
    assert statement.code == "RANGE"
    assert "no patient had" in statement.why


def test_a_level_that_few_had_is_told_as_a_caution(home: Path) -> None:
    cohort = bundle_cohort()
    sex = np.where(np.arange(150) < 6, "female", "male")
    build(home / "models", cohort=replace(cohort, table=cohort.table.assign(sex=sex)))
    predictor = open_bundle(available_bundles()[0])
    few = predictor.statement({**TYPICAL, "sex": "female"})
    assert isinstance(few, (PersonalRisk, Abstention))
    report = check_scope({**TYPICAL, "sex": "female"}, predictor.bundle.outline.codebook, predictor.bundle.outline.summary)
    assert report.rare == ("Sex",)


@pytest.mark.parametrize("name", ["age", "sex"])
@pytest.mark.parametrize("nothing", [None, "", "  ", float("nan")])
def test_f101_f208_what_is_needed_and_not_given_is_named(complication: BundlePredictor, name: str, nothing: object) -> None:
    statement = abstains(complication.statement({**TYPICAL, name: nothing}))
    assert statement.code == "MISSING"
    assert name.capitalize() in statement.why


def test_an_empty_record_lists_everything_that_is_missing(complication: BundlePredictor) -> None:
    statement = abstains(complication.statement({}))
    assert statement.code == "MISSING"
    assert statement.why == "3 needed fields were not given." or "Age" in " ".join(statement.details)
    assert any("Sex" in sentence for sentence in statement.details)


def test_all_that_is_wrong_is_listed_and_the_missing_comes_first(complication: BundlePredictor) -> None:
    statement = abstains(complication.statement({"age": 17, "sex": "M", "tumour_size_mm": 0.3}))
    assert statement.code == "UNIT_SUSPECT"
    assert len(statement.details) == 3


@pytest.mark.parametrize("value", ["abc", "1,5", float("inf"), float("-inf"), [34], {"a": 1}])
def test_f084_f100_what_is_no_finite_number_gets_no_number(complication: BundlePredictor, value: object) -> None:
    assert abstains(complication.statement({**TYPICAL, "tumour_size_mm": value})).code == "RANGE"


def test_half_a_year_of_age_is_no_whole_number(complication: BundlePredictor) -> None:
    assert "a whole number" in abstains(complication.statement({**TYPICAL, "age": 60.5})).why


def test_f211_an_answer_that_is_no_chance_gets_no_number(complication: BundlePredictor, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: object, record: object) -> object:
        raise DataError("A forecast holds a risk outside 0 to 1.", do="Check the model's output.")

    monkeypatch.setattr(type(complication.bundle.ensemble), "answer", broken)
    statement = complication.statement(TYPICAL)
    assert isinstance(statement, Abstention)
    assert statement.code == "OUTPUT"


def test_rule_15_a_band_too_wide_to_inform_gets_no_number(complication: BundlePredictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.serving.statements.WIDEST_BAND", 0.001)
    statement = complication.statement(TYPICAL)
    assert isinstance(statement, Abstention)
    assert statement.code == "WIDE"


def test_f217_the_words_of_every_abstention_hold_no_number(complication: BundlePredictor) -> None:
    for record in ({}, {**TYPICAL, "age": 17}, {**TYPICAL, "sex": "M"}, {**TYPICAL, "tumour_size_mm": 0.3}):
        telling = tell(complication.statement(record))
        assert telling.kind == "none"
        assert not any(character.isdigit() for sentence in telling.sentences for character in sentence)


def test_g17_few_of_the_training_patients_themselves_are_turned_away(complication: BundlePredictor) -> None:
    table = bundle_cohort().table[["age", "sex", "tumour_size_mm"]]
    outline = complication.bundle.outline
    reports = [check_scope(row, outline.codebook, outline.summary) for row in table.to_dict("records")]
    assert np.mean([bool(report.findings) for report in reports]) <= 0.05


# The evidence gate


def test_where_the_gate_is_shut_only_the_groups_rate_is_given(installed: dict[str, BundlePredictor]) -> None:
    statement = installed["other_complication"].statement(TYPICAL)
    assert isinstance(statement, GroupRate)
    events = int(bundle_cohort().targets["complication"].sum())
    assert (statement.count, statement.n) == (events, 150)
    low, high = proportion_confint(events, 150, method="wilson")
    assert statement.low == pytest.approx(low)
    assert statement.high == pytest.approx(high)
    assert statement.why == GROUP_ONLY.why and statement.needed == GROUP_ONLY.needed
    assert not statement.at_most


def test_the_groups_rate_is_the_same_for_everybody_in_scope(installed: dict[str, BundlePredictor]) -> None:
    predictor = installed["other_complication"]
    assert predictor.statement(TYPICAL) == predictor.statement({**TYPICAL, "age": 75, "sex": "female"})
    assert abstains(predictor.statement({**TYPICAL, "age": 17})).code == "RANGE"


def test_a_hidden_count_becomes_the_most_that_it_can_be(home: Path) -> None:
    cohort = bundle_cohort(min_cell=10)
    targets = cohort.targets.assign(complication=(np.arange(150) < 6).astype(float))
    build(home / "models", cohort=replace(cohort, targets=targets), verdict=hidden(GROUP_ONLY, 6))
    statement = open_bundle(available_bundles()[0]).statement(TYPICAL)
    assert isinstance(statement, GroupRate)
    assert statement.at_most
    assert (statement.count, statement.low) == (9, 0.0)
    assert statement.high == pytest.approx(proportion_confint(9, 150, method="wilson")[1])
    telling = tell(statement)
    assert telling.event_sentence.startswith("At most 6 of 100 such patients")
    assert "6 patients" not in statement.why


# By day


def test_recovery_gives_the_chance_by_every_day_with_its_band(installed: dict[str, BundlePredictor]) -> None:
    statement = installed["small_recovery"].statement(TYPICAL)
    assert isinstance(statement, PersonalRisk)
    assert [row[0] for row in statement.chance_by_day] == list(range(LAST_DAY + 1))
    table = np.array(statement.chance_by_day)
    assert (table[:, 2] <= table[:, 1]).all() and (table[:, 1] <= table[:, 3]).all()
    assert (np.diff(table[:, 1]) >= 0).all()
    day = int(statement.horizon.removeprefix("by day "))
    assert day in (1, 2, 3, 5, 7, 14)
    assert statement.chance_by_day[day][1:] == (statement.risk, *statement.band)
    assert tell(statement).day_sentences[0].startswith("1 of 10 people like you will be home")


def test_the_day_of_the_single_number_is_the_one_that_divides_the_group_best(installed: dict[str, BundlePredictor]) -> None:
    summary = installed["small_recovery"].bundle.outline.summary
    days = bundle_cohort().targets["recovery_days"]
    halves = {day: abs((days <= day).mean() - 0.5) for day in (1, 2, 3, 5, 7, 14)}
    assert summary.day == min(halves, key=lambda day: halves[day])
    assert summary.n_events == int((days <= summary.day).sum())


def test_a_groups_recovery_is_its_curve(home: Path) -> None:
    build(home / "models", outcome="recovery", model="cox", verdict=GROUP_ONLY)
    statement = open_bundle(available_bundles()[0]).statement(TYPICAL)
    assert isinstance(statement, GroupRate)
    days = bundle_cohort().targets["recovery_days"]
    for day, chance, low, high in statement.chance_by_day:
        assert chance == pytest.approx((days <= day).mean())
        assert low <= chance <= high
    assert tell(statement).kind == "group"


# The house


def test_asking_a_bundle_imports_no_network_library(models: Path) -> None:
    code = (
        "import sys, json\n"
        "from core.serving.predictor import available_bundles, open_bundle\n"
        f"said = [type(open_bundle(f).statement({json.dumps(TYPICAL)})).__name__ for f in available_bundles()]\n"
        "assert said == ['GroupRate', 'PersonalRisk', 'PersonalRisk'], said\n"
        "heavy = {'torch', 'timm', 'monai', 'streamlit', 'lightgbm', 'shap'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    environment = {"OPSIGHT_HOME": str(models), "PATH": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr


def test_every_outcome_of_the_data_sets_here_can_be_told_in_a_short_sentence() -> None:
    from tests.test_counseling_words import LONGEST_SENTENCE, personal, words_of

    outcomes = [outcome for name in ("phantom", "kits") if name in DATASETS for outcome in _outcomes(name)]
    for outcome in outcomes:
        statement = personal(0.2, outcome=outcome.name, label=outcome.label, horizon=outcome.horizon, desirable=outcome.desirable)
        telling = tell(statement)
        assert all(len(words_of(sentence)) <= LONGEST_SENTENCE for sentence in telling.sentences), telling.sentences
        if outcome.horizon:
            assert "within" in telling.event_sentence, telling.event_sentence


def _outcomes(name: str) -> tuple:  # type: ignore[type-arg]
    if name == "kits":
        from core.datasets._kits_outcomes import OUTCOMES

        return OUTCOMES
    from core.datasets import _phantom_codebook

    found = [value for value in vars(_phantom_codebook).values() if isinstance(value, tuple) and value]
    return next(value for value in found if hasattr(value[0], "desirable"))

"""The Counseling page: a form from the codebook, and a risk, a group's rate or calm words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.contracts.codebook import Field, Level
from core.contracts.statement import Abstention, GroupRate, PersonalRisk, Statement
from core.errors import BundleError
from dashboard.widgets import store
from tests.fixtures_bundles import build, bundle_cohort

FIELDS = (
    Field("age", "Age", "integer", "before", unit="years", low=18, high=95, section="Patient", required=True),
    Field("sex", "Sex", "category", "before", levels=(Level("f", "Female"), Level("m", "Male")), section="Patient"),
    Field("bmi", "Body mass index", "number", "before", unit="kg/m²", low=14, high=60, section="Patient"),
    Field("asa", "ASA class", "category", "before", levels=tuple(Level(str(i), f"ASA {i}") for i in range(1, 5)),
          section="Patient", help="Physical status as the anaesthetist records it."),
    Field("diabetes", "Diabetes", "flag", "before", section="Illnesses"),
    Field("smoker", "Smokes now", "flag", "before", section="Illnesses", modifiable=True),
    Field("heart_failure", "Heart failure", "flag", "before", section="Illnesses"),
    Field("egfr", "eGFR", "number", "before", unit="mL/min/1.73 m²", low=5, high=130, section="Laboratory", required=True),
    Field("haemoglobin", "Haemoglobin", "number", "before", unit="g/dL", low=4, high=20, section="Laboratory"),
    Field("tumour_mm", "Largest tumour diameter", "number", "before", unit="mm", low=5, high=250, section="From the scan"),
)  # fmt: skip


@dataclass(frozen=True)
class FakeFacts:
    """The shape of ``core.serving.predictor.BundleFacts``."""

    outcome: str
    label: str
    simulated: bool = True
    dataset: str = "phantom"
    dataset_label: str = "Phantom cohort"
    version: int = 1
    problem: str = ""
    digest: str = ""
    study: str = "phantom"
    licence: str = "MIT"

    @property
    def name(self) -> str:
        return f"{self.dataset}_{self.outcome}"

    @property
    def path(self) -> Path:
        return Path("models") / self.name / str(self.version)


class FakePredictor:
    """A bundle whose answers follow from the record by a rule that a reader can check."""

    fields = FIELDS

    def __init__(self, facts: FakeFacts) -> None:
        self.facts = facts

    def example(self) -> dict[str, float | str]:
        return {"age": 61.0, "sex": "f", "bmi": 27.4, "asa": "2", "diabetes": 0.0, "egfr": 78.0, "tumour_mm": 42.0}

    def statement(self, record: Mapping[str, object]) -> Statement:
        missing = [field.label for field in FIELDS if field.required and field.name not in record]
        if missing:
            return Abstention(
                self.facts.outcome, self.facts.label, "MISSING", f"The model needs {', '.join(missing)}.", "Fill in these fields."
            )
        if self.facts.outcome == "readmission":
            return group_rate(self.facts)
        return personal_risk(self.facts, min(float(str(record["age"])) / 500, 1.0))


def personal_risk(facts: FakeFacts, risk: float) -> PersonalRisk:
    recovery = facts.outcome == "recovery"
    return PersonalRisk(
        outcome=facts.outcome,
        label=facts.label,
        definition=f"{facts.label}, as the study defines it.",
        desirable=recovery,
        horizon="by day 5" if recovery else "within 30 days",
        risk=0.71 if recovery else risk,
        band=(0.62, 0.79) if recovery else (max(risk - 0.05, 0.0), min(risk + 0.06, 1.0)),
        refits=200,
        n=640,
        n_events=118,
        reference="simulated adults of three sites",
        model="explainable_boosting",
        base_rate=0.184,
        cautions=("Not given, so the model used a usual value: Haemoglobin.",),
        chance_by_day=DAYS if recovery else (),
    )


DAYS = ((1, 0.12, 0.08, 0.17), (2, 0.34, 0.27, 0.42), (3, 0.5, 0.42, 0.58), (5, 0.71, 0.62, 0.79), (7, 0.84, 0.77, 0.9),
        (14, 0.96, 0.92, 0.98))  # fmt: skip


def group_rate(facts: FakeFacts) -> GroupRate:
    return GroupRate(
        outcome=facts.outcome,
        label=facts.label,
        definition="Readmitted after discharge.",
        desirable=False,
        horizon="within 30 days",
        count=64,
        n=640,
        low=0.079,
        high=0.126,
        reference="simulated adults of three sites",
        why="No model ranks patients better than chance here.",
        needed="More patients with this event, or facts that say more about it.",
    )


BUNDLES = (
    FakeFacts("complication", "Any complication"),
    FakeFacts("major_complication", "Major complication"),
    FakeFacts("recovery", "Recovery: days in hospital"),
    FakeFacts("readmission", "Readmission"),
)


@pytest.fixture
def opened(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AppTest]:
    """The page with four made-up bundles, before anything is filled in."""
    monkeypatch.setattr(store, "bundles", lambda: BUNDLES)
    monkeypatch.setattr(store, "predictor", FakePredictor)
    yield counseling()


def counseling() -> AppTest:
    def draw() -> None:
        from dashboard.views import PAGES
        from dashboard.widgets.trouble import guarded

        guarded(PAGES.get("counseling").render)()

    return AppTest.from_function(draw, default_timeout=60).run()


def said(test: AppTest) -> str:
    kinds = ("subheader", "markdown", "caption", "info", "warning")
    return "\n".join(str(element.value) for kind in kinds for element in test.get(kind))


def press(test: AppTest, label: str) -> AppTest:
    button = next(button for button in test.button if button.label == label)
    return button.click().run()


def ask_for_example(test: AppTest) -> AppTest:
    return press(press(test, "Fill with an example"), "Show what may be expected")


def test_the_form_comes_from_the_codebook(opened: AppTest) -> None:
    assert not opened.exception
    labels = [item.label for item in (*opened.number_input, *opened.selectbox)]
    assert "Age * (years)" in labels and "Body mass index (kg/m²)" in labels and "ASA class" in labels
    assert all(f"**{section}**" in said(opened) for section in ("Patient", "Illnesses", "Laboratory", "From the scan"))
    age = next(item for item in opened.number_input if item.label == "Age * (years)")
    assert age.value is None and age.placeholder == "18 to 95" and "18 to 95 years" in age.help


def test_research_use_and_simulated_are_said_on_the_page(opened: AppTest) -> None:
    assert "RESEARCH USE" in said(opened) and "SIMULATED" in said(opened)


def test_no_number_stands_on_the_page_before_it_is_asked_for(opened: AppTest) -> None:
    assert "people like you" not in said(opened) and "Fill in the record" in said(opened)


def test_a_personal_risk_is_told_in_both_frames_with_its_range_and_source(opened: AppTest) -> None:
    text = said(ask_for_example(opened))
    assert "12 of 100 people like you will have a complication within 30 days." in text
    assert "88 of 100 people like you will not have a complication within 30 days." in text
    assert "between 7 and 18 of 100" in text and "learned from 640 people" in text
    assert "simulated adults of three sites" in text
    assert "Filled: 12 of 100" in text and "Outlined: 88" in text


def test_a_group_rate_says_why_it_is_not_personal(opened: AppTest) -> None:
    text = said(ask_for_example(opened))
    assert "NUMBER OF THE WHOLE GROUP" in text and "No model ranks patients better than chance here." in text
    assert "10 of 100 such patients" in text and "64 of 640 patients" in text


def test_recovery_is_told_by_day_too(opened: AppTest) -> None:
    test = ask_for_example(opened)
    assert "9 of 10 people like you will be home by day 14." in said(test)
    assert len(test.get("plotly_chart")) == 1


def test_an_abstention_says_what_is_missing_and_gives_no_number(opened: AppTest) -> None:
    test = press(opened, "Show what may be expected")
    text = said(test)
    assert "The model needs Age, eGFR." in text and "What would be needed:" in text
    assert "people like you" not in text and "such patients" not in text and not test.get("plotly_chart") and not test.get("imgs")


def test_editing_a_field_clears_the_numbers_at_once(opened: AppTest) -> None:
    test = ask_for_example(opened)
    assert "12 of 100" in said(test)
    age = next(item for item in test.number_input if item.label.startswith("Age"))
    age.set_value(80).run()
    assert "people like you" not in said(test) and "Changing a field clears the numbers" in said(test)
    assert "16 of 100" in said(press(test, "Show what may be expected"))


def test_a_value_outside_its_range_is_told_and_not_put_back(opened: AppTest) -> None:
    age = next(item for item in opened.number_input if item.label.startswith("Age"))
    age.set_value(140).run()
    assert "Outside 18 to 95 years" in said(opened)
    assert next(item for item in opened.number_input if item.label.startswith("Age")).value == 140


def test_clearing_empties_form_and_numbers(opened: AppTest) -> None:
    test = press(ask_for_example(opened), "Clear")
    assert all(item.value is None for item in test.number_input) and "people like you" not in said(test)


def test_one_denominator_for_the_whole_screen(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Rare(FakePredictor):
        def statement(self, record: Mapping[str, object]) -> Statement:
            return personal_risk(self.facts, 0.004 if self.facts.outcome == "complication" else 0.2)

    monkeypatch.setattr(store, "bundles", lambda: BUNDLES[:2])
    monkeypatch.setattr(store, "predictor", Rare)
    text = said(ask_for_example(counseling()))
    assert "4 of 1,000 people like you will" in text and "200 of 1,000 people like you will" in text


def test_an_example_is_offered_for_simulated_patients_only(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "bundles", lambda: (FakeFacts("complication", "Any complication", simulated=False),))
    monkeypatch.setattr(store, "predictor", FakePredictor)
    test = counseling()
    assert "Fill with an example" not in [button.label for button in test.button]
    assert "SIMULATED" not in said(test)


def test_a_bundle_that_cannot_be_opened_leaves_the_others_working(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def open_or_refuse(facts: FakeFacts) -> FakePredictor:
        if facts.outcome == "complication":
            raise BundleError("The weights do not match their checksum.", do="Build the bundle again.")
        return FakePredictor(facts)

    monkeypatch.setattr(store, "bundles", lambda: BUNDLES)
    monkeypatch.setattr(store, "predictor", open_or_refuse)
    test = ask_for_example(counseling())
    assert "do not match their checksum" in test.warning[0].value
    assert "serious complications" in said(test)


def test_a_broken_bundle_is_named_with_its_problem(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = FakeFacts("readmission", "Readmission", problem="A file is missing.")
    monkeypatch.setattr(store, "bundles", lambda: (BUNDLES[0], broken))
    monkeypatch.setattr(store, "predictor", FakePredictor)
    assert "phantom_readmission, version 1: A file is missing." in said(counseling())


def test_real_bundles_answer_on_the_page(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path_factory.mktemp("bundles")
    build(folder / "models", cohort=bundle_cohort(simulated=True))
    build(folder / "models", cohort=bundle_cohort(simulated=True), outcome="recovery", model="cox")
    monkeypatch.setenv("OPSIGHT_HOME", str(folder))
    test = counseling()
    assert not test.exception and not test.warning
    text = said(ask_for_example(test))
    assert not test.exception and not test.warning
    assert "of 100 people like you will" in text and "The range is between" in text and "people like you will be home" in text
    text = said(press(press(test, "Clear"), "Show what may be expected"))
    assert "no number" in text and "What would be needed:" in text and "people like you" not in text

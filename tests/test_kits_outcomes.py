"""What becomes of a KiTS record: every trap of the source, each outcome's rule, and the real cases where they are found."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from core.datasets._kits_codebook import CHARLSON_POINTS, CODEBOOK
from core.datasets._kits_outcomes import OUTCOMES, breakdowns_of, is_eligible, targets_of
from core.datasets._kits_record import table_of
from core.errors import LeakageError
from tests.conftest import real_data
from tests.fixtures_kits import record, row, target

LEVELS = {
    "gender": ("male", "female", "transgender_male_to_female"),
    "vital_status": ("censored", "dead"),
    "surgery_type": ("robotic", "open", "laparoscopic", "percutaneous"),
    "surgical_approach": ("transperitoneal", "retroperitoneal", "trans_to_retro", None),
    "surgical_procedure": ("partial_nephrectomy", "radical_nephrectomy", "cryoablation", "nephroureterectomy"),
    "clavien_surgical_complications": ("0", "1", "2", "3a", "3b", "4", "5"),
    "smoking_history": ("never_smoked", "previous_smoker", "current_smoker", "not_found_in_emr"),
    "chewing_tobacco_use": (
        "never_or_not_in_the_last_3_months",
        "quit_in_last_3_months",
        "current_chewing_tobacco_user",
        "not_found_in_emr",
        None,
    ),
    "alcohol_use": (
        "two_or_less_daily",
        "never_or_not_in_the_last_3_months",
        "more_than_two_daily",
        "not_found_in_emr",
        "quit_in_last_3_months",
        None,
    ),
    "pathology_t_stage": ("1a", "3", "1b", "na", "2a", "4", "2b", None),
    "tumor_histologic_subtype": ("clear_cell_rcc", "a subtype nobody has seen", None),
    "tumor_isup_grade": ("2", "na", "3", "1", "4", None),
    "aua_risk_score": ("low_risk", "benign", None),
    "bmi": (16.1, 72.23, None),
    "age_at_nephrectomy": (0, 90),
    "radiographic_size": (0.5, 18, None),
    "pack_years": (0, 210, None),
    "estimated_blood_loss": (0, 9000, None),
    "operative_time": (44, 613, None),
    "ischemia_time": (0, 59, None),
    "hospitalization": (0, 59, None),
    "vital_days_after_surgery": (0, 7450),
    "cytoreductive": (True, False, None),
    "er_visit": (True, None),
    "readmission": (True, None),
    "positive_resection_margins": (True, None),
    "comorbidities": (None, {}, {"aids": None}),
    "intraoperative_complications": (None, {"cardiac_event": None}),
    "last_preop_egfr": (None, {}, {"days_before_nephrectomy": 4057, "value": 5}),
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in LEVELS.items() for value in values])
def test_every_value_of_the_public_set_is_read(key: str, value: object) -> None:
    reading = table_of([record() | {key: value}])
    assert reading.problems == ()
    targets_of(reading.table)


@pytest.mark.parametrize("key", ["smoking_history", "chewing_tobacco_use", "alcohol_use"])
def test_what_the_chart_does_not_say_is_missing(key: str) -> None:
    name = {"smoking_history": "smoking", "chewing_tobacco_use": "chewing_tobacco", "alcohol_use": "alcohol"}[key]
    assert row(**{key: "not_found_in_emr"})[name] is None


@pytest.mark.parametrize(
    ("given", "value", "flag"),
    [
        ({"days_before_nephrectomy": 5, "value": 61.0}, 61.0, 0.0),
        ({"days_before_nephrectomy": 5, "value": None}, 90.0, 1.0),
        ({"days_before_nephrectomy": 5, "value": ">=90"}, 90.0, 1.0),
        ({"days_before_nephrectomy": None, "value": ">=90"}, 90.0, 1.0),
        ({"days_before_nephrectomy": None, "value": None}, np.nan, np.nan),
        ({"days_before_nephrectomy": 5, "value": "not_found_in_emr"}, np.nan, np.nan),
        (None, np.nan, np.nan),
    ],
)
def test_an_egfr_of_90_or_more_is_a_date_without_a_value(given: object, value: float, flag: float) -> None:
    found = row(last_preop_egfr=given)
    assert found["egfr"] == pytest.approx(value, nan_ok=True)
    assert found["egfr_reported_90_or_more"] == pytest.approx(flag, nan_ok=True)


@pytest.mark.parametrize(
    ("illnesses", "points"),
    [
        ({}, 0),
        ({"copd": True}, 1),
        ({"uncomplicated_diabetes_mellitus": True, "diabetes_mellitus_with_end_organ_damage": True}, 2),
        ({"localized_solid_tumor": True, "metastatic_solid_tumor": True}, 6),
        ({"mild_liver_disease": True, "moderate_to_severe_liver_disease": True, "aids": True}, 9),
        ({"chronic_kidney_disease": True, "myocardial_infarction": True, "dementia": None}, 3),
    ],
)
def test_the_comorbidity_index_is_charlsons(illnesses: dict[str, object], points: int) -> None:
    assert row(comorbidities=dict.fromkeys(CHARLSON_POINTS, False) | illnesses)["comorbidity_index"] == points


def test_without_any_illness_recorded_the_index_is_missing() -> None:
    assert np.isnan(row(comorbidities=None)["comorbidity_index"])


def test_a_fatal_complication_after_a_stay_of_0_days_is_a_death_in_hospital() -> None:
    death: dict[str, object] = {
        "vital_status": "dead",
        "vital_days_after_surgery": 2,
        "hospitalization": 0,
        "clavien_surgical_complications": "5",
        "readmission": True,
    }
    found = target(**death)
    assert row(**death)["died_in_hospital"] == 1
    assert (found["recovery_days"], found["recovery_event"]) == (np.inf, 0)
    assert np.isnan(found["readmission"])
    assert np.isnan(found["long_stay"])
    assert (found["complication"], found["major_complication"]) == (1, 1)


def test_a_death_on_the_last_day_of_the_stay_is_a_death_in_hospital() -> None:
    found = target(vital_status="dead", vital_days_after_surgery=8, hospitalization=8, clavien_surgical_complications="4")
    assert (found["recovery_days"], found["recovery_event"]) == (np.inf, 0)
    assert found["long_stay"] == 1
    assert np.isnan(found["readmission"])


def test_the_words_of_the_first_release_are_a_death_in_hospital() -> None:
    assert target(hospitalization="died_before_discharge")["recovery_event"] == 0


def test_a_fatal_complication_after_going_home_is_a_discharge() -> None:
    found = target(
        vital_status="dead",
        vital_days_after_surgery=39,
        hospitalization=5,
        clavien_surgical_complications="5",
        readmission=True,
    )
    assert (found["recovery_days"], found["recovery_event"]) == (5, 1)
    assert (found["readmission"], found["long_stay"]) == (1, 1)


def test_a_stay_of_0_days_of_a_living_patient_is_kept() -> None:
    found = target(hospitalization=0, clavien_surgical_complications="1", vital_days_after_surgery=0)
    assert (found["recovery_days"], found["recovery_event"], found["long_stay"]) == (0, 1, 0)


def test_a_missing_stay_leaves_recovery_and_long_stay_missing() -> None:
    found = target(hospitalization=None)
    assert found[["recovery_days", "recovery_event", "long_stay", "readmission"]].isna().all()


@pytest.mark.parametrize(("days", "expected"), [(4, 0), (5, 1)])
def test_a_long_stay_begins_at_5_days(days: int, expected: int) -> None:
    assert target(hospitalization=days)["long_stay"] == expected


@pytest.mark.parametrize(
    "change",
    [{"age_at_nephrectomy": 17}, {"age_at_nephrectomy": None}, {"surgical_procedure": "cryoablation"}],
)
def test_children_and_cryoablations_do_not_count(change: dict[str, object]) -> None:
    assert target(**change).isna().all()


def test_adults_begin_at_18_and_every_nephrectomy_counts() -> None:
    assert is_eligible(table_of([record(age_at_nephrectomy=18), record(1, surgical_procedure="nephroureterectomy")]).table).all()


@pytest.mark.parametrize(
    ("grade", "any_grade", "major"), [("0", 0, 0), ("1", 1, 0), ("2", 1, 0), ("3a", 1, 1), ("3b", 1, 1), ("4", 1, 1), ("5", 1, 1)]
)
def test_major_complications_begin_at_grade_3(grade: str, any_grade: int, major: int) -> None:
    found = target(clavien_surgical_complications=grade)
    assert (found["complication"], found["major_complication"]) == (any_grade, major)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, 1),
        ({"ischemia_time": 25}, 1),
        ({"ischemia_time": 26}, 0),
        ({"ischemia_time": 0}, 1),
        ({"ischemia_time": None}, np.nan),
        ({"ischemia_time": None, "clavien_surgical_complications": "2"}, np.nan),
        ({"clavien_surgical_complications": "1"}, 0),
        ({"positive_resection_margins": True}, 0),
        ({"positive_resection_margins": True, "malignant": False}, 0),
        ({"positive_resection_margins": None}, np.nan),
        ({"surgical_procedure": "radical_nephrectomy"}, np.nan),
    ],
)
def test_success_needs_all_three_parts(change: dict[str, object], expected: float) -> None:
    assert target(**change)["success"] == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("before", "after", "day", "expected"),
    [
        (77.0, 44.0, 30, 1),
        (77.0, 45.0, 365, 0),
        (77.0, 44.0, 29, np.nan),
        (77.0, 44.0, 366, np.nan),
        (44.0, 30.0, 90, np.nan),
        (None, 44.0, 90, 1),
        (77.0, None, 90, 0),
        (45.0, 44.9, 90, 1),
    ],
)
def test_kidney_function_loss_keeps_90_or_more_on_both_sides(
    before: float | None, after: float | None, day: int, expected: float
) -> None:
    found = target(
        last_preop_egfr={"days_before_nephrectomy": 3, "value": before},
        first_postop_egfr={"days_after_nephrectomy": day, "value": after},
    )
    assert found["kidney_function_loss"] == pytest.approx(expected, nan_ok=True)


def test_a_horizon_is_stated_only_where_the_source_states_one() -> None:
    assert [outcome.name for outcome in OUTCOMES if outcome.horizon] == ["kidney_function_loss"]
    assert all(outcome.reference for outcome in OUTCOMES)


def test_nothing_known_during_or_after_the_operation_can_predict() -> None:
    late = [field for field in CODEBOOK.fields if field.known != "before" and not field.stands_in_for_plan]
    assert {"ischaemia_min", "blood_loss_ml", "operative_min", "histology", "first_egfr_after"} <= {field.name for field in late}
    for field in late:
        assert field.block == "outcome"
        with pytest.raises(LeakageError):
            CODEBOOK.require_predictors([field.name])
    for field in CODEBOOK.predictors(["record", "anatomy"]):
        assert field.known == "before"
    performed = {field.name for field in CODEBOOK.predictors(["procedure"])}
    assert performed == {"surgery_type", "surgical_approach", "surgical_procedure", "cytoreductive"}


def test_the_parts_of_success_are_counted() -> None:
    records = [
        record(0),
        record(1, ischemia_time=22),
        record(2, ischemia_time=28),
        record(3, ischemia_time=0, clavien_surgical_complications="2"),
        record(4, positive_resection_margins=True, malignant=False),
        record(5, ischemia_time=None),
        record(6, surgical_procedure="radical_nephrectomy"),
    ]
    table = table_of(records).table
    everyone = pd.Series(True, index=table.index, name="cases 0 to 209")
    tables = breakdowns_of(table, [everyone])
    limits = tables["Success (trifecta): share by limit of ischaemia time"]
    assert limits["patients"].tolist() == [5, 5, 5, 5]
    assert limits["success"].tolist() == [1, 2, 3, 3]
    parts = tables["Success (trifecta): what each part contributes"].set_index("part")["met"]
    assert parts["no complication"] == 4
    assert parts["missed only for: no complication"] == 1
    assert parts["all three: success"] == 2
    counted = tables["Success (trifecta): who could be counted"].set_index("group")["patients"]
    assert counted.tolist() == [6, 1, 1, 5]
    assert tables["Any complication: by part of the series"]["complications"].tolist() == [1]
    assert tables["Recovery (home from hospital): days in hospital"]["patients"].sum() == 7


@pytest.fixture(scope="module")
def real() -> pd.DataFrame:
    """The table of the real cases, anatomy left out."""
    records = json.loads((real_data("kits23") / "dataset" / "kits23.json").read_text(encoding="utf-8"))
    reading = table_of(records)
    assert reading.problems == ()
    return reading.table


@pytest.fixture(scope="module")
def clinical() -> pd.DataFrame:
    return pd.read_csv(
        real_data("kits23") / "reference" / "clinical.csv", dtype={"clavien_surgical_complications": str}
    ).set_index("case_id")


@pytest.mark.data
def test_the_real_cohort_has_the_adults_and_rates_that_its_source_states(real: pd.DataFrame) -> None:
    number = real.index.str[5:].astype(int)
    complicated = real["clavien_grade"].ne("0")
    assert complicated[number < 210].mean() == pytest.approx(0.286, abs=5e-4)
    assert complicated[number >= 210].mean() == pytest.approx(0.133, abs=5e-4)
    targets = targets_of(real)
    known, events = targets.notna().sum(), targets.eq(1).sum()
    assert int(is_eligible(real).sum()) == 294
    names = ["complication", "major_complication", "success", "long_stay", "readmission", "kidney_function_loss"]
    assert known[names].tolist() == [294, 294, 174, 293, 293, 129]
    assert events[names].tolist() == [72, 21, 91, 71, 27, 30]
    assert int(known["recovery_days"]) == 294
    assert int(np.isinf(targets["recovery_days"]).sum()) == 1


@pytest.mark.data
def test_the_traps_of_the_real_cases_are_honoured(real: pd.DataFrame) -> None:
    assert list(real.index[real["died_in_hospital"].eq(1)]) == ["case_00023"]
    assert int(real["age"].lt(18).sum()) == 6
    assert int(real["hospital_days"].eq(0).sum()) == 8
    assert int(real["egfr_reported_90_or_more"].eq(1).sum()) == 48
    assert int(real["egfr"].isna().sum()) == 84
    assert int(real["surgical_approach"].eq("trans_to_retro").sum()) == 1
    assert not real["surgical_procedure"].eq("cryoablation").any()


@pytest.mark.data
def test_the_real_table_agrees_with_the_reference(real: pd.DataFrame, clinical: pd.DataFrame) -> None:
    known = clinical.loc[real.index]
    alive = real["hospital_days"].where(real["died_in_hospital"].eq(0))
    pd.testing.assert_series_equal(alive, known["los_days"], check_names=False)
    assert (real["clavien_grade"].ne("0") == known["any_complication_clavien_ge1"].eq(1)).all()
    major = ~real["clavien_grade"].isin(["0", "1", "2"])
    assert (major == known["major_complication_clavien_ge3"].eq(1)).all()
    pd.testing.assert_series_equal(real["radiographic_size_mm"], known["radiographic_size"] * 10, check_names=False)
    for ours, theirs in (("egfr", "last_preop_egfr"), ("first_egfr_after", "first_postop_egfr")):
        flagged = real[f"{ours}_reported_90_or_more"].eq(1)
        pd.testing.assert_series_equal(
            flagged, known[f"{theirs}_value_missing_but_dated"].eq(1), check_names=False, check_dtype=False
        )
        given = real[ours].notna() & ~flagged
        pd.testing.assert_series_equal(real.loc[given, ours], known.loc[given, f"{theirs}_value"], check_names=False)


@pytest.mark.data
def test_most_real_results_taken_for_90_or_more_were_so(real: pd.DataFrame, clinical: pd.DataFrame) -> None:
    # The exact flag exists for the first 210 cases only.
    exact = clinical["last_preop_egfr_reported_ge90"].dropna()
    flagged = real.loc[exact.index, "egfr_reported_90_or_more"].eq(1)
    assert int(flagged.sum()) == 33
    assert int((flagged & exact.eq(1)).sum()) == 31
    # Those that were not lie near by: no outcome here changes.
    others = clinical.loc[flagged.index[flagged & exact.eq(0)], "last_preop_egfr_value"]
    assert others.min() >= 80

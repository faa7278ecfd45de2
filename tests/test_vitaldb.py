"""VitalDB from a small made-up table in the layout of its release: what counts, what is left out, what may predict."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.contracts.cohort import Cohort
from core.contracts.dataset import LoadOptions
from core.contracts.recipe import PROFILES, Recipe
from core.contracts.recipe_file import load_recipe
from core.datasets import vitaldb
from core.datasets._vitaldb_codebook import CODEBOOK
from core.errors import DataError, LeakageError, Refused
from core.studies.folds import make_folds
from core.studies.jobs import allowed_fields
from tests.conftest import ROOT, real_data

NAMES = (
    "caseid,subjectid,casestart,caseend,anestart,aneend,opstart,opend,adm,dis,icu_days,death_inhosp,age,sex,height,weight,bmi,asa,"
    "emop,department,optype,dx,opname,approach,position,ane_type,preop_htn,preop_dm,preop_ecg,preop_pft,preop_hb,preop_plt,"
    "preop_pt,preop_aptt,preop_na,preop_k,preop_gluc,preop_alb,preop_ast,preop_alt,preop_bun,preop_cr,preop_ph,preop_hco3,"
    "preop_be,preop_pao2,preop_paco2,preop_sao2,cormack,airway,tubesize,dltubesize,lmasize,iv1,iv2,aline1,aline2,cline1,cline2,"
    "intraop_ebl,intraop_uo,intraop_rbc,intraop_ffp,intraop_crystalloid,intraop_colloid,intraop_ppf,intraop_mdz,intraop_ftn,"
    "intraop_rocu,intraop_vecu,intraop_eph,intraop_phe,intraop_epi,intraop_ca"
)
HEADER = NAMES.split(",")
DAY = 86_400
MADE_UP: dict[str, Any] = {
    "casestart": 0, "caseend": 8000, "anestart": -600, "aneend": 8200, "opstart": 1500, "opend": 7200, "adm": -2.4 * DAY,
    "dis": 4.6 * DAY, "icu_days": 0, "death_inhosp": 0, "age": 61, "sex": "F", "height": 160, "weight": 60, "bmi": 23.4,
    "asa": 2, "emop": 0, "department": "General surgery", "optype": "Stomach", "dx": "An illness", "opname": "An operation",
    "approach": "Open", "position": "Supine", "ane_type": "General", "preop_htn": 0, "preop_dm": 1,
    "preop_ecg": "Normal Sinus Rhythm", "preop_pft": "Normal", "preop_hb": 13, "preop_cr": 0.9,
}  # fmt: skip


def write(folder: Path, *rows: Mapping[str, Any], header: list[str] = HEADER) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "clinical_data.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, header, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows({"caseid": n, "subjectid": 100 + n, **MADE_UP, **row} for n, row in enumerate(rows, start=1))
    return folder


def loaded(root: Path) -> Cohort:
    return vitaldb.load(LoadOptions(root, root.parent / "cache"))


def cohort_of(tmp_path: Path, *rows: Mapping[str, Any]) -> Cohort:
    return loaded(write(tmp_path / "vitaldb", *rows))


def test_a_table_in_the_public_layout_becomes_a_cohort(tmp_path: Path) -> None:
    cohort = cohort_of(tmp_path, {}, {"sex": "M", "preop_ecg": "Atrial fibrillation", "preop_pft": "Severe obstructive"})
    first, second = cohort.table.iloc[0], cohort.table.iloc[1]
    assert list(cohort.table.index) == ["1", "2"] and list(cohort.table["patient_id"]) == ["101", "102"]
    assert (first["sex"], first["abnormal_ecg"], first["lung_function"]) == ("female", 0, "normal")
    assert (second["sex"], second["abnormal_ecg"], second["lung_function"]) == ("male", 1, "obstructive")
    assert first["nights_before"] == 2 and first["diabetes"] == 1 and np.isnan(first["sodium"])
    assert list(cohort.table.columns) == ["patient_id", *CODEBOOK.names]
    assert "CC BY 4.0" in cohort.licence and cohort.images is None


@pytest.mark.parametrize(
    ("row", "recovery", "long_stay", "intensive_care", "death"),
    [
        ({}, (5, 1), 0, 0, 0),
        ({"dis": 7 * DAY + 7200}, (7, 1), 0, 0, 0),
        ({"dis": 7.01 * DAY + 7200, "icu_days": 3}, (8, 1), 1, 1, 0),
        ({"death_inhosp": 1, "icu_days": 2}, (np.inf, 0), None, 1, 1),
        ({"death_inhosp": 1, "dis": 20 * DAY}, (np.inf, 0), 1, 0, 1),
    ],
)
def test_outcomes_follow_their_definitions(
    tmp_path: Path,
    row: dict[str, Any],
    recovery: tuple[float, float],
    long_stay: float | None,
    intensive_care: float,
    death: float,
) -> None:
    found = cohort_of(tmp_path, row).targets.iloc[0]
    assert (found["recovery_days"], found["recovery_event"]) == recovery
    assert (found["intensive_care"], found["death_in_hospital"]) == (intensive_care, death)
    assert np.isnan(found["long_stay"]) if long_stay is None else found["long_stay"] == long_stay


def test_impossible_times_and_children_are_left_out_and_counted(tmp_path: Path) -> None:
    cohort = cohort_of(
        tmp_path, {}, {"dis": 7000}, {"dis": -42_654 * DAY}, {"age": 9}, {"age": ""}, {"icu_days": 9, "dis": 2 * DAY}
    )
    assert cohort.internal == ("1", "6")
    assert cohort.targets.loc[["2", "3", "4", "5"]].isna().all(axis=None)
    assert np.isnan(cohort.targets.loc["6", "intensive_care"]) and cohort.targets.loc["6", "recovery_days"] == 2
    told = next(note for note in cohort.notes if note.startswith("Operations that do not count"))
    assert "under 18, or of unknown age 2" in told and "not recorded 2" in told and "alone) 1" in told
    counts = cohort.breakdowns["Operations that do not count"]["operations"]
    assert list(counts) == [2, 2, 1]
    found = vitaldb.verify(LoadOptions(tmp_path / "vitaldb", tmp_path))
    assert {finding.level for finding in found} == {"note"} and any(told == finding.what for finding in found)


def test_a_laboratory_value_that_nobody_believes_becomes_missing_and_is_counted(tmp_path: Path) -> None:
    cohort = cohort_of(tmp_path, {"preop_ph": 4.2}, {"preop_ph": 7.4})
    assert np.isnan(cohort.table.loc["1", "ph"]) and cohort.table.loc["2", "ph"] == 7.4
    assert any("Blood pH 1" in note for note in cohort.notes)


def test_nothing_known_during_or_after_the_operation_predicts(tmp_path: Path) -> None:
    cohort = cohort_of(tmp_path, {})
    allowed = {field.name for field in allowed_fields(cohort, ())}
    late = ("icu_days", "died_in_hospital", "stay_days", "operation_name", "diagnosis", "opend", "caseend", "aneend", "anestart")
    given = [name for name in CODEBOOK.names if name.startswith(("intraop_", "iv", "aline", "cline"))]
    assert len(given) == 21
    assert not allowed & {*late, *given, "cormack", "airway", "tubesize", "dltubesize", "lmasize"}
    assert {"age", "department", "operation_type", "haemoglobin", "approach"} <= allowed
    record = {field.name for field in cohort.codebook.predictors(("record",))}
    assert not record & {"approach", "position", "anaesthesia"}
    with pytest.raises(LeakageError, match="intraop_ebl"):
        allowed_fields(cohort, ("intraop_ebl",))


def test_columns_known_late_change_no_predictor(tmp_path: Path) -> None:
    """Whatever stands in a column of the operation, models see the same."""
    late: dict[str, Any] = {name: 7 for name in HEADER if name.startswith("intraop_")} | {
        "iv1": "Left hand",
        "airway": "Oral",
        "aneend": -9e9,
    }
    plain, changed = cohort_of(tmp_path / "a", {}), cohort_of(tmp_path / "b", late | {"icu_days": 3, "dx": "Another illness"})
    names = [field.name for field in allowed_fields(plain, ())]
    assert plain.table[names].equals(changed.table[names])


def many() -> list[dict[str, Any]]:
    """Sixty patients in each of two departments; one of them was operated on in both, and one five times."""
    rows = [
        {"subjectid": number, "department": department, "icu_days": number % 3, "dis": (1 + number % 12) * DAY}
        for start, department in ((0, "General surgery"), (60, "Urology"))
        for number in range(start, start + 60)
    ]
    again: list[dict[str, Any]] = [{"subjectid": 0, "department": "Urology"}, *({"subjectid": 7} for _ in range(4))]
    return [*rows, *again]


def test_departments_are_left_out_with_all_operations_of_their_patients(tmp_path: Path) -> None:
    cohort = cohort_of(tmp_path, *many())
    checks = {check.name: check for check in cohort.checks}
    assert set(checks) == {"external:department=General surgery", "external:department=Urology"}
    urology = checks["external:department=Urology"]
    assert set(cohort.table.loc[list(urology.test), "department"]) == {"Urology"} and len(urology.test) == 61
    assert not set(cohort.table.loc[list(urology.train), "patient_id"]) & set(cohort.table.loc[list(urology.test), "patient_id"])
    assert "0" not in set(cohort.table.loc[list(urology.train), "patient_id"])
    assert "same hospital" in urology.note


def test_operations_of_a_patient_never_cross_a_fold(tmp_path: Path) -> None:
    cohort = cohort_of(tmp_path, *many())
    for fold in make_folds(cohort, cohort.outcomes, folds=5, repeats=2, seed=1):
        patients = cohort.table["patient_id"]
        assert not set(patients[list(fold.train)]) & set(patients[list(fold.test)])


def test_small_departments_make_no_check(tmp_path: Path) -> None:
    assert cohort_of(tmp_path, {}, {"department": "Urology"}).checks == ()


@pytest.mark.parametrize(
    ("row", "words"),
    [({"asa": 9}, "asa"), ({"sex": "X"}, "sex"), ({"department": "Dermatology"}, "department"), ({"age": "old"}, "age")],
)
def test_a_value_that_the_codebook_does_not_allow_is_refused_by_column(tmp_path: Path, row: dict[str, Any], words: str) -> None:
    root = write(tmp_path / "vitaldb", {}, row)
    with pytest.raises((Refused, DataError), match=words):
        loaded(root)
    assert [finding.level for finding in vitaldb.verify(LoadOptions(root, tmp_path))] == ["error"]


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="clinical_data.csv"):
        vitaldb.load(LoadOptions(None, tmp_path))
    with pytest.raises(Refused, match="subjectid"):
        loaded(write(tmp_path / "a", {}, header=[name for name in HEADER if name != "subjectid"]))
    with pytest.raises(DataError, match="row 3"):
        loaded(write(tmp_path / "b", {}, {"subjectid": " "}))
    with pytest.raises(Refused, match="caseid"):
        loaded(write(tmp_path / "c", {"caseid": 5}, {"caseid": 5}))


def test_an_unknown_position_is_kept_as_other(tmp_path: Path) -> None:
    assert cohort_of(tmp_path, {"position": "Jackknife"}).table["position"].iloc[0] == "other"


def test_the_recipe_names_what_the_data_set_has(tmp_path: Path) -> None:
    cohort = cohort_of(tmp_path, {})
    for profile in PROFILES:
        recipe = load_recipe(ROOT / "core" / "recipes" / "vitaldb.yaml", profile)
        assert isinstance(recipe, Recipe)
        assert set(recipe.outcomes) == {outcome.name for outcome in cohort.outcomes}
        assert set(recipe.bundles) == {"recovery", "intensive_care"}


def test_the_real_table_has_the_counts_that_its_source_states(tmp_path: Path) -> None:
    cohort = vitaldb.load(LoadOptions(real_data("vitaldb"), tmp_path))
    assert cohort.table["patient_id"].nunique() < len(cohort.table)
    assert (cohort.table["stay_days"] < 0).sum() >= 22 and len(cohort.checks) == 4
    targets = cohort.targets.loc[list(cohort.internal)]
    assert 0.15 < targets["intensive_care"].mean() < 0.25 and 0.2 < targets["long_stay"].mean() < 0.35
    assert 0.005 < targets["death_in_hospital"].mean() < 0.015
    assert targets["recovery_days"].min() >= 1 and np.isinf(targets["recovery_days"]).sum() == targets["death_in_hospital"].sum()

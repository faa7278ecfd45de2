"""Case mix: standardised differences are those worked by hand, and missing values are a level of their own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from core.contracts.codebook import Codebook, Field, Level
from core.contracts.cohort import Cohort, SplitCheck
from core.contracts.outcome import Outcome
from core.evaluation.case_mix import case_mix_rows, one_sentence

FIELDS = (
    Field("age", "Age", "number", "before", unit="years"),
    Field("sex", "Sex", "category", "before", levels=(Level("female", "Female"), Level("male", "Male"))),
    Field("smoker", "Smoker", "flag", "before"),
)


def cohort() -> Cohort:
    table = pd.DataFrame(
        {
            "patient_id": list("abcdefgh"),
            "age": [50.0, 60.0, 70.0, np.nan, 60.0, 70.0, 80.0, 70.0],
            "sex": ["female", "female", "male", None, "male", "male", "male", "male"],
            "smoker": [1, 0, 0, 1, 0, 0, 0, 0],
        },
        index=pd.Index([f"c{number}" for number in range(8)], name="case_id"),
    )
    outcome = Outcome("event", "Event", "binary", "It came.", desirable=False)
    targets = pd.DataFrame({"event": [1.0, 0.0, 0.0, np.nan, 1.0, 1.0, 0.0, 0.0]}, index=table.index)
    ids = tuple(table.index)
    check = SplitCheck("external:site=b", "Site b", "Other patients.", ids[:4], ids[4:])
    return Cohort("tiny", "Tiny", table, Codebook(FIELDS), (outcome,), targets, ids[:4], (check,))


def of(table: pd.DataFrame, field: str, level: str = "") -> pd.Series:
    return table[(table["field"] == field) & (table["level"] == level)].iloc[0]


def test_a_number_is_compared_in_pooled_standard_deviations() -> None:
    row = of(pd.DataFrame(case_mix_rows(cohort())), "age")
    assert row[["train", "test"]].tolist() == [60, 70]
    pooled = np.sqrt((np.var([50, 60, 70], ddof=1) + np.var([60, 70, 80, 70], ddof=1)) / 2)
    assert row["difference"] == pytest.approx(10 / pooled)
    assert row[["n_train", "n_test"]].tolist() == [3, 4]


def test_levels_and_missing_values_are_shares() -> None:
    table = pd.DataFrame(case_mix_rows(cohort()))
    assert of(table, "sex", "female")[["train", "test"]].tolist() == [0.5, 0.0]
    assert of(table, "sex", "missing")[["train", "test"]].tolist() == [0.25, 0.0]
    assert set(table[table["field"] == "smoker"]["level"]) == {"1"}
    assert of(table, "smoker", "1")["difference"] == pytest.approx((0 - 0.5) / np.sqrt(0.25 / 2))


def test_what_happened_stands_beside_the_record() -> None:
    row = of(pd.DataFrame(case_mix_rows(cohort())), "event")
    assert row["train"] == pytest.approx(1 / 3)
    assert row["test"] == 0.5


def test_the_sentence_names_what_differs_most_and_says_when_nothing_does() -> None:
    table = pd.DataFrame(case_mix_rows(cohort()))
    assert one_sentence(table).startswith("3 of 3 fields differ by more than 0.25 standard deviations")
    same = cohort()
    check = SplitCheck("release", "Later", "", same.checks[0].train, same.checks[0].test)
    alike = replace(same, table=same.table.assign(age=60.0, sex="male", smoker=0), checks=(check,))
    assert "alike" in one_sentence(pd.DataFrame(case_mix_rows(alike)))

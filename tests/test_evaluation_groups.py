"""Groups by the codebook, and which small cells are hidden."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from core.contracts.codebook import Codebook, Field, Level
from core.contracts.cohort import Cohort
from core.contracts.outcome import Outcome
from core.errors import CodebookError
from core.evaluation.groups import crossings, default_groups, group_table
from core.evaluation.suppression import hidden_counts, hidden_groups

SEX = Field("sex", "Sex", "category", "before", levels=(Level("female", "Female"), Level("male", "Male")), subgroup=True)
AGE = Field("age_years", "Age", "number", "before", unit="years", bins=(65, 75), subgroup=True)
BMI = Field("bmi", "Body mass index", "number", "before", unit="kg/m2", bins=(25, 30))
SMOKER = Field("smoker", "Smoker", "flag", "before", subgroup=True)
SIZE = Field("size_mm", "Size", "number", "before", unit="mm")


def cohort() -> Cohort:
    table = pd.DataFrame(
        {
            "patient_id": ["a", "b", "c", "d"],
            "site": ["north", "north", "south", None],
            "sex": ["female", "male", "female", None],
            "age_years": [64.9, 65.0, 74.5, 75.0],
            "bmi": [24.9, 25.0, np.nan, 31.0],
            "smoker": [1, 0, np.nan, True],
            "size_mm": [10.0, 20.0, 30.0, 40.0],
        },
        index=pd.Index(["c0", "c1", "c2", "c3"], name="case_id"),
    )
    outcome = Outcome("event", "Event", "binary", "It came.", desirable=False)
    targets = pd.DataFrame({"event": [1.0, 0.0, 0.0, 1.0]}, index=table.index)
    codebook = Codebook((SEX, AGE, BMI, SMOKER, SIZE))
    return Cohort("tiny", "Tiny", table, codebook, (outcome,), targets, tuple(table.index))


def members(table: pd.DataFrame, group: str) -> list[str]:
    return list(table.index[table[group]])


def test_levels_bands_and_flags_become_groups() -> None:
    table = group_table(cohort())
    assert list(table.columns) == ["sex=female", "sex=male", "age=<65", "age=65-74", "age=75+", "smoker=no", "smoker=yes"]
    assert members(table, "sex=female") == ["c0", "c2"]
    assert members(table, "age=<65") == ["c0"]
    assert members(table, "age=65-74") == ["c1", "c2"]
    assert members(table, "age=75+") == ["c3"]
    assert members(table, "smoker=yes") == ["c0", "c3"]


def test_a_missing_value_is_in_no_level() -> None:
    table = group_table(cohort())
    assert not table.loc["c3", ["sex=female", "sex=male"]].any()
    assert not table.loc["c2", ["smoker=no", "smoker=yes"]].any()


def test_a_recipe_may_add_fields_and_a_number_without_bins_is_cut_at_its_median() -> None:
    table = group_table(cohort(), ("bmi", "size_mm"))
    assert members(table, "bmi=25-<30") == ["c1"]
    assert members(table, "size=<25") == ["c0", "c1"]
    assert members(table, "size=25+") == ["c2", "c3"]


def test_a_group_that_nobody_described_is_refused() -> None:
    with pytest.raises(CodebookError, match="does not describe a column 'smokre'"):
        group_table(cohort(), ("smokre",))


def test_sites_of_few_patients_are_no_groups() -> None:
    assert not [name for name in group_table(cohort()).columns if name.startswith("site=")]


def test_sites_of_ten_patients_are_groups() -> None:
    small = cohort()
    index = pd.Index([f"c{i}" for i in range(12)], name="case_id")
    table = pd.DataFrame({"patient_id": index, "site": ["north"] * 10 + ["south"] * 2}, index=index)
    targets = pd.DataFrame({"event": 0.0}, index=index)
    many = Cohort("many", "Many", table, Codebook(()), small.outcomes, targets, tuple(index))
    assert list(group_table(many).columns) == ["site=north"]


def test_sex_is_crossed_with_age_and_nothing_else_is() -> None:
    crossed = [name for name in default_groups(cohort()).columns if " & " in name]
    wanted = [f"{a} & {b}" for a, b in itertools.product(["sex=female", "sex=male"], ["age=<65", "age=65-74", "age=75+"])]
    assert crossed == wanted
    table = crossings(group_table(cohort()), "sex", "age")
    assert members(table, "sex=female & age=65-74") == ["c2"]


def test_a_group_under_the_smallest_cell_takes_the_next_smallest_with_it() -> None:
    persons = {"all": 100, "age=<65": 60, "age=65-74": 33, "age=75+": 7}
    assert hidden_groups(persons, 10) == {"age=75+", "age=65-74"}


def test_two_small_groups_that_together_are_large_enough_hide_no_third() -> None:
    persons = {"all": 100, "g=a": 50, "g=b": 32, "g=c": 9, "g=d": 9}
    assert hidden_groups(persons, 10) == {"g=c", "g=d"}


def test_persons_of_no_listed_level_are_hidden_behind_the_smallest_level() -> None:
    assert hidden_groups({"all": 100, "g=a": 60, "g=b": 37}, 10) == {"g=b"}
    assert hidden_groups({"all": 100, "g=a": 50, "g=b": 30}, 10) == frozenset()


def test_a_crossing_goes_with_its_parts_and_with_the_neighbour_that_would_give_it_away() -> None:
    persons = {
        "all": 100, "sex=f": 40, "sex=m": 60, "age=young": 55, "age=old": 45,
        "sex=f & age=young": 35, "sex=f & age=old": 5, "sex=m & age=young": 20, "sex=m & age=old": 40,
    }  # fmt: skip
    hidden = hidden_groups(persons, 10)
    assert {"sex=f & age=old", "sex=f & age=young", "sex=m & age=old"} <= hidden
    assert not hidden & {"all", "sex=f", "sex=m", "age=young", "age=old"}


def test_no_hidden_group_can_be_found_by_subtraction() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        levels = {f"g={i}": int(n) for i, n in enumerate(rng.integers(2, 40, rng.integers(2, 6)))}
        persons = {"all": sum(levels.values()), **levels}
        hidden = hidden_groups(persons, 10)
        assert all(levels[name] >= 10 for name in levels if name not in hidden)
        lost = [name for name in levels if name in hidden]
        assert len(lost) != 1
        assert not lost or sum(levels[name] for name in lost) >= 10 or len(lost) == len(levels)


def test_event_counts_are_hidden_on_both_sides_and_never_one_alone() -> None:
    persons = {"all": 100, "g=a": 40, "g=b": 30, "g=c": 30}
    assert hidden_counts({"all": 50, "g=a": 20, "g=b": 22, "g=c": 8}, persons, 10) == {"g=c", "g=b"}
    assert hidden_counts({"all": 95, "g=a": 38, "g=b": 29, "g=c": 28}, persons, 10) == {"all", "g=a", "g=b", "g=c"}


def test_a_smallest_cell_of_one_hides_nothing() -> None:
    assert hidden_groups({"all": 3, "g=a": 1, "g=b": 2}, 1) == frozenset()
    assert hidden_counts({"all": 0}, {"all": 3}, 1) == frozenset()

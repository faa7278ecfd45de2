"""The nouns refuse what they promise to refuse."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.contracts.codebook import Codebook, Field, Level
from core.contracts.cohort import Cohort, SplitCheck
from core.contracts.forecast import LAST_DAY, Forecast, TimeForecast
from core.contracts.outcome import Outcome
from core.contracts.recipe_file import recipe_from_plain
from core.contracts.score import Score
from core.contracts.statement import GroupRate, PersonalRisk
from core.contracts.volume import CaseImage, Volume
from core.errors import CodebookError, DataError, GeometryError, InputError, LeakageError, RecipeError, UnknownNameError
from core.registry import Registry

AGE = Field("age", "Age", "integer", "before", unit="years", low=18, high=100)
BLOOD_LOSS = Field("blood_loss", "Blood loss", "number", "during", unit="ml")
APPROACH = Field(
    "approach", "Approach", "category", "during", "procedure", levels=(Level("open", "Open"),), stands_in_for_plan=True
)
DEATH = Outcome("death", "Death", "binary", "Died within 30 days.", desirable=False)

MINIMAL = {"name": "small", "title": "Small", "dataset": {"name": "table"}, "outcomes": ["death"], "models": ["base_rate"]}


def cohort(patients: list[str], **changes: object) -> Cohort:
    index = pd.Index([f"c{i}" for i in range(len(patients))], name="case_id")
    parts: dict[str, object] = {
        "name": "small",
        "label": "Small",
        "table": pd.DataFrame({"patient_id": patients, "age": 50.0}, index=index),
        "codebook": Codebook((AGE,)),
        "outcomes": (DEATH,),
        "targets": pd.DataFrame({"death": 0.0}, index=index),
        "internal": tuple(index),
    }
    return Cohort(**{**parts, **changes})  # type: ignore[arg-type]


def test_a_predictor_known_only_during_the_operation_is_refused() -> None:
    with pytest.raises(LeakageError, match="known only during") as caught:
        Codebook((AGE, BLOOD_LOSS)).require_predictors(["age", "blood_loss"])
    assert caught.value.code == "LEAK_SUSPECT"


def test_only_fields_known_before_become_predictors_and_the_plan_only_when_asked_for() -> None:
    book = Codebook((AGE, BLOOD_LOSS, APPROACH))
    assert [field.name for field in book.predictors(("record",))] == ["age"]
    assert [field.name for field in book.predictors(("record", "procedure"))] == ["age", "approach"]


def test_a_column_that_nobody_described_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(CodebookError, match="Did you mean 'age'"):
        Codebook((AGE,))["agee"]
    with pytest.raises(CodebookError, match="does not describe a column 'weight'"):
        table = pd.DataFrame({"patient_id": ["p"], "weight": 1.0}, index=pd.Index(["c0"]))
        cohort(["p"], table=table)


def test_a_codebook_survives_being_written_and_read() -> None:
    book = Codebook((AGE, BLOOD_LOSS, APPROACH))
    assert Codebook.from_plain(book.to_plain()) == book


def test_a_codebook_without_known_says_what_to_fill_in() -> None:
    with pytest.raises(CodebookError, match="before, during or after"):
        Codebook.from_plain([{"name": "age", "label": "Age", "kind": "integer", "known": None}])


def test_f095_one_patient_in_two_splits_is_refused_also_with_other_spelling() -> None:
    check = SplitCheck("external:site=a", "Site A", "", train=("c0",), test=("c1",))
    with pytest.raises(LeakageError, match="patient p1 is in training and in test"):
        cohort(["P1 ", "p1"], checks=(check,))
    assert cohort(["p1", "p2"], checks=(check,)).checks == (check,)


def test_f079_a_case_in_two_rows_is_refused() -> None:
    index = pd.Index(["c0", "c0"])
    table = pd.DataFrame({"patient_id": ["p", "p"], "age": 1.0}, index=index)
    with pytest.raises(DataError, match="stands in two rows"):
        cohort(["p", "p"], table=table, targets=pd.DataFrame({"death": 0.0}, index=index), internal=("c0",))


def test_f015_a_mask_on_another_grid_is_refused_and_names_the_case() -> None:
    scan = Volume(np.zeros((4, 4, 4)), np.eye(4))
    shifted = np.eye(4)
    shifted[0, 3] = 5.0
    with pytest.raises(GeometryError, match="Case c7: the mask is on another grid"):
        CaseImage("c7", scan, Volume(np.zeros((4, 4, 4), np.uint8), shifted))


def test_f011_a_volume_without_spacing_is_refused() -> None:
    with pytest.raises(GeometryError, match="above 0 mm"):
        Volume(np.zeros((2, 2, 2)), np.diag([0.0, 1.0, 1.0, 1.0]))


def test_f009_a_volume_that_is_not_finite_is_refused() -> None:
    with pytest.raises(GeometryError, match="not finite"):
        Volume(np.full((2, 2, 2), np.nan), np.eye(4))


def test_an_unknown_recipe_key_is_refused_with_the_nearest_one_also_when_nested() -> None:
    with pytest.raises(RecipeError, match="Did you mean 'outcomes'"):
        recipe_from_plain({**MINIMAL, "outcome": ["x"]}, "cpu", "r.yaml")
    with pytest.raises(RecipeError, match=r"'network.epoch'. Did you mean 'epochs'"):
        recipe_from_plain({**MINIMAL, "network": {"epoch": 3}}, "cpu", "r.yaml")


def test_a_profile_changes_only_what_it_names() -> None:
    plain = {**MINIMAL, "network": {"epochs": 9, "batch_size": 8}, "profiles": {"quick": {"network": {"epochs": 2}}}}
    quick, cpu = recipe_from_plain(plain, "quick", "r"), recipe_from_plain(plain, "cpu", "r")
    assert (quick.network.epochs, quick.network.batch_size, cpu.network.epochs) == (2, 8, 9)


def test_a_run_is_named_by_recipe_and_data() -> None:
    recipe = recipe_from_plain(MINIMAL, "cpu", "r")
    assert recipe.run_id("a") == recipe_from_plain(dict(reversed(MINIMAL.items())), "cpu", "r").run_id("a")
    assert recipe.run_id("a") != recipe.run_id("b")
    assert recipe.run_id("a") != recipe_from_plain({**MINIMAL, "seed": 1}, "cpu", "r").run_id("a")


def test_a_score_without_n_is_refused() -> None:
    with pytest.raises(DataError, match="has no n"):
        Score("d", "o", "m", "internal", "all", "auroc", 0.5, 0.4, 0.6, 0, 0, 0)


def test_a_forecast_outside_0_to_1_and_a_falling_chance_are_refused() -> None:
    with pytest.raises(DataError, match="outside 0 to 1"):
        Forecast(pd.DataFrame({"death": [1.2]}))
    rising = np.linspace(0, 1, LAST_DAY + 1)[None]
    with pytest.raises(DataError, match="falls with time"):
        TimeForecast(rising[:, ::-1])
    forecast = TimeForecast(rising)
    assert forecast.quantile(0.5)[0] == LAST_DAY / 2
    assert TimeForecast(rising * 0.4).quantile(0.5)[0] == LAST_DAY + 1


def test_a_personal_risk_without_band_or_reference_is_refused() -> None:
    parts: dict[str, object] = {
        "outcome": "death", "label": "Death", "definition": "d", "desirable": False, "horizon": "", "risk": 0.2,
        "band": (0.1, 0.3), "refits": 200, "n": 100, "n_events": 20, "reference": "100 adults", "model": "m", "base_rate": 0.2,
    }  # fmt: skip
    assert PersonalRisk(**parts).risk == 0.2  # type: ignore[arg-type]
    with pytest.raises(DataError, match="between 0 and 1"):
        PersonalRisk(**{**parts, "band": (0.3, 0.1)})  # type: ignore[arg-type]
    with pytest.raises(DataError, match="reference group"):
        PersonalRisk(**{**parts, "reference": ""})  # type: ignore[arg-type]


def test_a_group_rate_counts_no_more_events_than_patients() -> None:
    with pytest.raises(DataError, match="counts events among patients"):
        GroupRate("o", "O", "d", False, "", 8, 7, 0.1, 0.3, "seven adults", "why", "needed")


def test_a_plug_in_defined_twice_is_refused_naming_both_files(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path / "plug_folder"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    source = "from types import SimpleNamespace\nPLUGINS = (SimpleNamespace(name='twin'),)\n"
    (folder / "one.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    registry: Registry = Registry("thing", "plug_folder", "opsight.none")  # type: ignore[type-arg]
    assert registry.names() == ("twin",)
    with pytest.raises(UnknownNameError, match="Did you mean 'twin'"):
        registry.get("twim")
    (folder / "two.py").write_text(source)
    with pytest.raises(InputError, match=r"one\.py and .*two\.py"):
        Registry("thing", "plug_folder", "opsight.none").names()

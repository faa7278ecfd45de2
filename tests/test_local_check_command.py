"""A shipped model on a table of one's own: what is judged, what is left out and why, and what the command says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from core.__main__ import app
from core.errors import InputError
from core.evaluation.local_check import VERDICTS
from core.serving.checking import TableColumns, bundle_named, check_table
from tests.fixtures_bundles import build

COLUMNS = TableColumns("happened", "who", "when")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    build(folder / "models")
    build(folder / "models", outcome="recovery", model="cox")
    return folder


@pytest.fixture
def here(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPSIGHT_HOME", str(home))
    return home


def own_patients(n: int = 260) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    age = rng.integers(45, 80, n)
    return pd.DataFrame(
        {
            "who": [f"p{number}" for number in range(n)], "age": age, "sex": rng.choice(["male", "female"], n),
            "tumour_size_mm": rng.uniform(20, 60, n).round(1),
            "happened": (rng.random(n) < 1 / (1 + np.exp(-(age - 62) / 6))).astype(int),
            "when": [f"2026-{1 + number * 6 // n:02d}-10" for number in range(n)],
        }
    )  # fmt: skip


def written(table: pd.DataFrame, folder: Path) -> Path:
    table.to_csv(folder / "own.csv", index=False)
    return folder / "own.csv"


def test_rows_are_judged_and_those_that_cannot_be_are_counted_by_reason(here: Path, tmp_path: Path) -> None:
    table = own_patients()
    table["happened"] = table["happened"].astype(object)
    table.loc[0, "happened"] = ""
    table.loc[1, "age"] = 119
    table.loc[2, "sex"] = "unheard of"
    found = check_table(bundle_named("small_complication"), written(table, tmp_path), COLUMNS)
    assert found.check.verdict in VERDICTS
    assert found.check.n == 257
    assert sum(found.left_out.values()) == 3
    assert found.left_out["without a known outcome"] == 1
    assert found.months["n"].sum() == 257
    assert found.months["month"].iloc[0] == "2026-01"


def test_the_risks_are_those_of_the_bundle(here: Path, tmp_path: Path) -> None:
    table = own_patients(120)
    predictor = bundle_named("small_complication")
    found = check_table(predictor, written(table, tmp_path), COLUMNS)
    record = {name: table.iloc[5][name] for name in ("age", "sex", "tumour_size_mm")}
    risk = predictor.bundle.ensemble.answer({**record, "age": float(record["age"])}).risk
    assert 0 < risk < 1
    assert found.months["expected"].sum() == pytest.approx(found.check.n_events / found.check.measures["oe_ratio"].value)


def test_what_cannot_be_checked_says_why(here: Path, tmp_path: Path) -> None:
    path = written(own_patients(30), tmp_path)
    with pytest.raises(InputError, match="foretells days"):
        check_table(bundle_named("small_recovery"), path, COLUMNS)
    with pytest.raises(InputError, match="no column 'hapened'"):
        check_table(bundle_named("small_complication"), path, TableColumns("hapened", "who"))
    with pytest.raises(InputError, match="small_complicaton"):
        bundle_named("small_complicaton")
    with pytest.raises(InputError, match="None of 30 rows"):
        check_table(bundle_named("small_complication"), path, TableColumns("sex", "who"))


def test_the_command_tells_the_verdict_the_numbers_and_the_months(here: Path, tmp_path: Path) -> None:
    path = written(own_patients(), tmp_path)
    asked = ["model", "check", "small_complication", str(path), "--outcome", "happened", "--patient", "who", "--date", "when"]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.output
    assert any(word in result.output for word in ("Accept.", "Recalibrate.", "Decline.", "Not yet."))
    assert "oe_ratio" in result.output
    assert "2026-01" in result.output

"""The command line as a person uses it, on a table of their own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.conftest import ROOT

COMMANDS = [
    ["study", "new"], ["study", "run"], ["study", "list"], ["study", "show"], ["study", "publish"], ["model", "build"],
    ["data", "draft-codebook"], ["data", "list"], ["data", "describe"], ["data", "verify"], ["data", "get"], ["doctor"],
]  # fmt: skip

CODEBOOK = """
title: Our operations
case_id: operation
licence: internal use
min_cell: 10
fields:
  age: {label: Age, kind: integer, unit: years, range: [18, 100], known: before, subgroup: true, bins: [65]}
  sex: {label: Sex, kind: category, levels: {f: female, m: male}, known: before, subgroup: true}
  size_mm: {label: Size, kind: number, unit: mm, range: [1, 300], known: before}
  blood_loss_ml: {label: Blood loss, kind: number, unit: ml, known: during}
  died: {label: Died, kind: flag, known: after}
outcomes:
  in_hospital_death: {column: died, definition: Died in hospital., desirable: false}
"""


def core(*arguments: str | Path, home: Path, cwd: Path | None = None, **extra: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ, "OPSIGHT_HOME": str(home), "PYTHONPATH": str(ROOT), "COLUMNS": "200", "NO_COLOR": "1", **extra,
    }  # fmt: skip
    command = [sys.executable, "-m", "core", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd or home, env=environment, capture_output=True, text=True, timeout=240)


def write_table(folder: Path, n: int = 160) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    age = rng.integers(30, 90, n)
    died = (rng.random(n) < 1 / (1 + np.exp(-(age - 65) / 10))).astype(int)
    table = pd.DataFrame(
        {
            "operation": [f"op{i:03d}" for i in range(n)],
            "age": age,
            "sex": rng.choice(["f", "m"], n),
            "size_mm": rng.gamma(3, 12, n).round(1).clip(1, 290),
            "blood_loss_ml": 100 + 500 * died,
            "died": died,
        }
    )
    table.to_csv(folder / "ours.csv", index=False)
    (folder / "ours.yaml").write_text(CODEBOOK)
    return table


def write_recipe(folder: Path, **changes: object) -> Path:
    plain = {
        "name": "ours",
        "title": "Ours",
        "dataset": {"name": "table", "options": {"table": "ours.csv", "codebook": "ours.yaml"}},
        "outcomes": ["in_hospital_death"],
        "models": ["base_rate", "logistic_regression", "random_forest"],
        "folds": 3,
        "repeats": {"table": 2, "network": 1},
        "evaluation": {"bootstrap": 60},
        **changes,
    }
    path = folder / "ours_recipe.yaml"
    path.write_text(yaml.safe_dump(plain))
    return path


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_f256_every_command_has_help_with_one_example(command: list[str], home: Path) -> None:
    done = core(*command, "--help", home=home)
    assert done.returncode == 0
    assert "Example: python -m core " + " ".join(command) in re.sub(r"\s+", " ", done.stdout.replace("│", ""))


def test_a_table_of_ones_own_goes_from_csv_to_published_study(home: Path) -> None:
    write_table(home)
    recipe = write_recipe(home)
    first = core("study", "run", recipe, home=home)
    assert first.returncode == 0, first.stderr
    assert "Age" not in first.stderr
    assert "AUROC" in first.stdout
    again = core("study", "run", recipe, home=home)
    assert "0 of " in again.stdout
    shown = core("study", "show", "ours", "--json", home=home)
    scores = json.loads(shown.stdout)["scores"]
    auroc = {
        item["model"]: item["value"]
        for item in scores
        if item["metric"] == "auroc" and item["group"] == "all" and item["split"] == "internal"
    }
    assert auroc["base_rate"] == 0.5
    assert 0.6 < auroc["logistic_regression"] < 0.95
    assert core("study", "publish", "ours", home=home).returncode == 0
    assert "ours:published" in core("study", "list", home=home).stdout
    assert b"op001" not in b"".join(path.read_bytes() for path in (home / "data" / "studies" / "ours").iterdir())


def test_a_drafted_codebook_and_a_new_recipe_lead_to_a_run(home: Path) -> None:
    write_table(home)
    assert core("data", "draft-codebook", "ours.csv", home=home).returncode == 0
    drafted = home / "ours.codebook.yaml"
    assert core("data", "draft-codebook", "ours.csv", home=home).returncode == 2
    refused = core("study", "new", "table", "--option", "table=ours.csv", "--option", "codebook=ours.codebook.yaml", home=home)
    assert refused.returncode == 2
    assert "known" in refused.stderr
    assert "age" in drafted.read_text()
    made = core("study", "new", "table", "--option", "table=ours.csv", "--option", "codebook=ours.yaml", home=home)
    assert made.returncode == 0, made.stderr
    text = (home / "table_study.yaml").read_text()
    assert "in_hospital_death" in text
    assert "#" in text
    assert core("study", "run", "table_study.yaml", "--profile", "quick", home=home).returncode == 0


def test_a_predictor_known_only_during_the_operation_is_refused_with_exit_code_2(home: Path) -> None:
    write_table(home)
    done = core("study", "run", write_recipe(home, predictors=["age", "blood_loss_ml"]), home=home)
    assert done.returncode == 2
    assert "LEAK_SUSPECT" in done.stderr
    assert "known only during the operation" in done.stderr
    assert not (home / "data" / "runs").exists()


def test_f094_a_leaking_column_called_known_before_stops_the_run(home: Path) -> None:
    write_table(home)
    (home / "ours.yaml").write_text(CODEBOOK.replace("unit: ml, known: during", "unit: ml, known: before"))
    done = core("study", "run", write_recipe(home), home=home)
    assert done.returncode == 2
    assert "LEAK_SUSPECT" in done.stderr
    assert "blood_loss_ml" in done.stderr


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ("missing file", "", "ours.csv"),
        ("wrong column", "TAB_MISSING_COL", "agee"),
        ("value out of range", "RANGE", "6500"),
        ("duplicate id", "TAB_DUP_ID", "op001"),
    ],
)
def test_bad_input_names_what_is_wrong_and_leaves_nothing_half_written(home: Path, change: str, code: str, words: str) -> None:
    table = write_table(home)
    if change == "missing file":
        (home / "ours.csv").unlink()
    elif change == "wrong column":
        table.rename(columns={"age": "agee"}).to_csv(home / "ours.csv", index=False)
    elif change == "value out of range":
        table.loc[3, "age"] = 6500
        table.to_csv(home / "ours.csv", index=False)
    else:
        table.loc[7, "operation"] = "op001"
        table.to_csv(home / "ours.csv", index=False)
    done = core("study", "run", write_recipe(home), home=home)
    assert done.returncode == 2
    assert code in done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (home / "data" / "runs").exists()


def test_an_unknown_recipe_key_is_answered_with_the_nearest_one(home: Path) -> None:
    done = core("study", "run", write_recipe(home, fold=5), home=home)
    assert done.returncode == 2
    assert "Did you mean 'folds'" in done.stderr


def test_ray_is_not_yet_there_and_says_so(home: Path) -> None:
    write_table(home)
    done = core("study", "run", write_recipe(home), "--executor", "ray", home=home)
    assert done.returncode == 2
    assert "NOT_YET" in done.stderr


def test_f135_a_run_killed_at_any_moment_goes_on_where_it_was(home: Path) -> None:
    write_table(home)
    recipe = write_recipe(
        home, models=["base_rate", "logistic_regression", "gradient_boosting"], repeats={"table": 4, "network": 1}
    )
    environment = {**os.environ, "OPSIGHT_HOME": str(home), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "core", "study", "run", str(recipe), "--workers", "2"]
    killed = 0
    for wait_for in (2, 7, 12):
        process = subprocess.Popen(command, cwd=home, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        while process.poll() is None and len(list(home.glob("data/runs/ours/*/parts/[!.]*.json"))) < wait_for:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        killed += 1
    kept = len(list(home.glob("data/runs/ours/*/parts/[!.]*.json")))
    assert killed == 3
    assert kept >= 12
    done = core("study", "run", recipe, home=home)
    assert done.returncode == 0, done.stderr
    run_now, of = map(int, re.search(r"(\d+) of (\d+) jobs run now", done.stdout).groups())  # type: ignore[union-attr]
    assert run_now == of - kept
    whole = core("study", "show", "ours", "--json", home=home).stdout

    other = home / "undisturbed"
    other.mkdir()
    write_table(other)
    assert (
        core(
            "study",
            "run",
            write_recipe(
                other, models=["base_rate", "logistic_regression", "gradient_boosting"], repeats={"table": 4, "network": 1}
            ),
            home=other,
        ).returncode
        == 0
    )
    undisturbed = core("study", "show", "ours", "--json", home=other).stdout
    assert json.loads(whole)["scores"] == json.loads(undisturbed)["scores"]


def test_f137_a_run_stopped_by_sigterm_exits_with_143(home: Path) -> None:
    write_table(home)
    recipe = write_recipe(home, repeats={"table": 30, "network": 1})
    environment = {**os.environ, "OPSIGHT_HOME": str(home), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "core", "study", "run", str(recipe), "--workers", "1"]
    process = subprocess.Popen(command, cwd=home, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    while process.poll() is None and not list(home.glob("data/runs/ours/*/parts/*.json")):
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, message = process.communicate(timeout=20)
    assert process.returncode == 143
    assert "goes on where it was" in message


def test_the_doctor_finds_this_installation_well(home: Path) -> None:
    done = core("doctor", home=home)
    assert done.returncode == 0, done.stdout
    assert "torch" in done.stdout

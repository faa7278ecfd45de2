"""Clinicians' own estimates as a row of the results: a CSV file of chances, judged on the same patients as the models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.contracts.cohort import Cohort
from core.contracts.recipe import EstimatesPart
from core.errors import DataError, did_you_mean
from core.evaluation.splits import INTERNAL
from core.ingest.cells import parse_cells
from core.ingest.tables import read_bytes, require_column
from core.storage.locations import data_parent
from core.storage.results import PREDICTION_COLUMNS

COLUMNS = {"case_id": "the case", "outcome": "the outcome's name", "chance": "the estimate, 0 to 1"}
DESCRIPTION = "Chances that clinicians stated; where several judged a case, their mean."


@dataclass(frozen=True)
class Estimates:
    """Estimates of one file.

    Args:
        rows: as ``core.storage.results.PREDICTION_COLUMNS``; facts: of the row of the leaderboard.
    """

    rows: pd.DataFrame
    facts: Mapping[str, Any]


def read_estimates(part: EstimatesPart, cohort: Cohort, data: Path | None) -> Estimates:
    """The estimates of cases of the main analysis whose outcome is known; the others are left aside.

    Args:
        data: parent folder of the data sets, where a bare file name is looked for too.

    Raises:
        Refused: the file cannot be read, or lacks a column.
        DataError: an unknown case or outcome, a chance outside 0 to 1, or no case left; names the row.
    """
    path = _found(part.file, data)
    cells = parse_cells(read_bytes(path, "TAB_MISSING"), path.name)
    for column, what in COLUMNS.items():
        require_column(cells, column, what, ("rater", *COLUMNS))
    given = pd.DataFrame({name: [text.strip() for text in cells.column(name)] for name in COLUMNS}, index=cells.numbers)
    _refuse_unknown(given, cohort, path.name)
    chances = given.assign(chance=[_chance(text, path.name, number) for number, text in given["chance"].items()])
    means = chances.groupby(["outcome", "case_id"], sort=True)["chance"].mean().reset_index()
    frames = [_rows(part, rows, cohort, str(outcome)) for outcome, rows in means.groupby("outcome")]
    rows = pd.concat(frames, ignore_index=True)
    if rows.empty:
        raise DataError(f"{path.name}: no case of it counts in the main analysis.", do="Give estimates of the study's own cases.")
    return Estimates(rows, _facts(part))


def _found(file: str, data: Path | None) -> Path:
    path = Path(file)
    beside = data_parent(data)
    return beside / path if not path.exists() and beside is not None and (beside / path).exists() else path


def _refuse_unknown(given: pd.DataFrame, cohort: Cohort, name: str) -> None:
    binary = [outcome.name for outcome in cohort.outcomes if outcome.kind == "binary"]
    for column, known in (("case_id", [str(case) for case in cohort.table.index]), ("outcome", binary)):
        wrong = given[~given[column].isin(known)]
        if len(wrong):
            value = str(wrong[column].iloc[0])
            raise DataError(
                f"{name}, row {wrong.index[0]}: {column} {value!r} is not known to this study"
                + (" as an outcome with a yes or no." if column == "outcome" else "."),
                do=did_you_mean(value, known),
                code="ESTIMATE_UNKNOWN",
            )


def _chance(text: str, name: str, number: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 <= value <= 1:
        raise DataError(
            f"{name}, row {number}: the chance {text!r} is not between 0 and 1.",
            do="Write 0.2 for 20 in 100, and leave out rows without an estimate.",
            code="ESTIMATE_RANGE",
        )
    return value


def _rows(part: EstimatesPart, means: pd.DataFrame, cohort: Cohort, outcome: str) -> pd.DataFrame:
    truth = cohort.targets.loc[list(cohort.internal), outcome].dropna()
    kept = means[means["case_id"].isin(truth.index)]
    ids = kept["case_id"].to_numpy()
    rows = pd.DataFrame({"case_id": ids, "patient_id": cohort.table.loc[ids, "patient_id"].astype(str).to_numpy()})
    rows = rows.assign(
        outcome=outcome, model=part.row, base_model=part.row, inputs="record", split=INTERNAL, repeat=0, fold=0,
        y=truth.loc[ids].to_numpy(dtype=float), risk=kept["chance"].to_numpy(dtype=float), days=np.nan, event=np.nan, by_day=None,
    )  # fmt: skip
    return rows[list(PREDICTION_COLUMNS)]


def _facts(part: EstimatesPart) -> dict[str, Any]:
    return {
        "name": part.row, "base_model": part.row, "label": part.label, "family": "traditional", "inputs": [],
        "with_procedure": False, "description": DESCRIPTION, "reference": "", "is_network": False, "variant_of": "",
    }  # fmt: skip

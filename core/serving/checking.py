"""A shipped model on a site's own patients: from their table to a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from core.bundles.records import record_cases
from core.errors import InputError, did_you_mean
from core.evaluation.local_check import LocalCheck, check_locally, monthly
from core.ingest.cells import Cells, parse_cells
from core.ingest.tables import read_bytes, validate_record
from core.serving.predictor import BundleFacts, BundlePredictor, available_bundles, open_bundle
from core.serving.scope import check_scope


@dataclass(frozen=True)
class TableColumns:
    """Names in the header: the outcome (1 or 0), the patient, and the day of the operation (empty: none)."""

    outcome: str
    patient: str
    date: str = ""


@dataclass(frozen=True)
class SiteCheck:
    """What came of it.

    Args:
        check: the verdict and its numbers; months: observed beside expected, empty without dates.
        left_out: rows that were not judged by reason.
    """

    bundle: BundleFacts
    check: LocalCheck
    months: pd.DataFrame
    left_out: Mapping[str, int]


def bundle_named(name: str) -> BundlePredictor:
    """The newest version of the bundle of that name, verified.

    Raises:
        InputError: no such bundle.
    """
    facts = available_bundles()
    for one in facts:
        if one.name == name:
            return open_bundle(one)
    raise InputError(f"There is no bundle named {name!r}.", do=did_you_mean(name, [one.name for one in facts]))


def check_table(predictor: BundlePredictor, path: Path, columns: TableColumns) -> SiteCheck:
    """The check of a bundle on the rows of a CSV or Parquet file whose columns bear the names of the bundle's fields.

    A row without a known outcome, with a value that the codebook refuses, or outside the model's scope is left out and counted.

    Raises:
        Refused: the file cannot be read as a table.
        InputError: a column is missing, the outcome is a time, or no row can be judged.
    """
    if predictor.facts.day_based:
        raise InputError(
            f"{predictor.facts.name} foretells days, not a yes or no.", do="Check a bundle of an outcome with a yes or no."
        )
    cells = parse_cells(read_bytes(path, "TAB_MISSING"), path.name)
    for column in (columns.outcome, columns.patient, *([columns.date] if columns.date else [])):
        if column not in cells.columns:
            raise InputError(f"{path.name} has no column {column!r}.", do=did_you_mean(column, cells.columns))
    judged, left_out = _judged(predictor, cells, columns)
    if not judged:
        reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
        raise InputError(f"None of {len(cells.rows)} rows can be judged: {reasons}.", do="Mend the table and try again.")
    table = pd.DataFrame(judged)
    y, risk = table["y"].to_numpy(dtype=float), table["risk"].to_numpy(dtype=float)
    months = monthly(table["date"].tolist(), y, risk) if columns.date else pd.DataFrame()
    return SiteCheck(predictor.facts, check_locally(y, risk, table["patient"].tolist()), months, left_out)


def _judged(predictor: BundlePredictor, cells: Cells, columns: TableColumns) -> tuple[list[dict[str, object]], dict[str, int]]:
    outline, ensemble = predictor.bundle.outline, predictor.bundle.ensemble
    judged: list[dict[str, object]] = []
    left_out: dict[str, int] = {}
    for row in cells.rows:
        given = dict(zip(cells.columns, row, strict=True))
        y = _outcome(given[columns.outcome])
        read = validate_record({name: given[name] for name in outline.codebook.names if name in given}, outline.codebook)
        report = check_scope(read.values, outline.codebook, outline.summary)
        reason = _reason(y, bool(read.problems), [finding.code for finding in report.findings])
        if reason:
            left_out[reason] = left_out.get(reason, 0) + 1
            continue
        risk = ensemble.predictor.predict(record_cases(report.record, ensemble.codebook)).risks[ensemble.outcome.name].iloc[0]
        judged.append({"y": y, "risk": float(risk), "patient": given[columns.patient], "date": given.get(columns.date, "")})
    return judged, left_out


def _outcome(text: str) -> float:
    """1, 0, or NaN where it is not known."""
    known = {"1": 1.0, "1.0": 1.0, "yes": 1.0, "true": 1.0, "0": 0.0, "0.0": 0.0, "no": 0.0, "false": 0.0}
    return known.get(str(text).strip().casefold(), float("nan"))


def _reason(y: float, refused: bool, findings: list[str]) -> str:
    if np.isnan(y):
        return "without a known outcome"
    if refused:
        return "with a value that the codebook refuses"
    return f"outside the model's scope ({findings[0]})" if findings else ""

"""A shipped model on a site's own patients: from their table to a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from core.bundles.contents import FieldSummary
from core.contracts.codebook import Field
from core.errors import InputError, did_you_mean
from core.evaluation.local_check import LocalCheck, Recalibrated, check_locally, curve_here, monthly, recalibrate_here
from core.ingest.cells import Cells, parse_cells
from core.ingest.tables import read_bytes
from core.serving.predictor import BundleFacts, BundlePredictor, available_bundles, open_bundle
from core.serving.tables import Record, day_of, require_columns, risks_of, rows_of

CENTRAL_WIDTH = 2 * 1.6448536
"""Standard deviations between the 5 and the 95 % of a normal curve."""
NO_OUTCOME = "without a known outcome"


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
        check: the verdict and its numbers; cases: y, risk, patient, date of those judged; curve: their calibration curve.
        months: observed beside expected, empty without dates.
        mix: their record beside the training patients': field, label, level, unit, train, own, difference, n.
        after: what level and slope learned here would do; None where too few events teach nothing.
        left_out: rows that were not judged by reason.
    """

    bundle: BundleFacts
    check: LocalCheck
    cases: pd.DataFrame
    curve: pd.DataFrame
    months: pd.DataFrame
    mix: pd.DataFrame
    after: Recalibrated | None
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
    """The check of a bundle on the rows of a CSV or Parquet file: ``check_cells`` of its cells.

    Raises:
        Refused: the file cannot be read as a table.
        InputError: as ``check_cells``.
    """
    return check_cells(predictor, parse_cells(read_bytes(path, "TAB_MISSING"), path.name), columns)


def check_cells(predictor: BundlePredictor, cells: Cells, columns: TableColumns) -> SiteCheck:
    """The check of a bundle on the rows of a table whose columns bear the names of the bundle's fields.

    A row without a known outcome, with a value that the codebook refuses, or outside the model's scope is left out and counted.

    Raises:
        InputError: a column is missing, a day cannot be read, the outcome is a time, or no row can be judged.
    """
    if predictor.facts.day_based:
        raise InputError(
            f"{predictor.facts.name} foretells days, not a yes or no.", do="Check a bundle of an outcome with a yes or no."
        )
    require_columns(cells, [columns.outcome, columns.patient, *([columns.date] if columns.date else [])])
    cases, records, left_out = judged_rows(predictor, cells, columns)
    if cases.empty:
        reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
        raise InputError(f"None of {len(cells.rows)} rows can be judged: {reasons}.", do="Mend the table and try again.")
    y, risk = cases["y"].to_numpy(dtype=float), cases["risk"].to_numpy(dtype=float)
    patients = cases["patient"].tolist()
    months = monthly(cases["date"].tolist(), y, risk) if columns.date else pd.DataFrame()
    return SiteCheck(
        predictor.facts, check_locally(y, risk, patients), cases, curve_here(y, risk, patients), months,
        case_mix_here(predictor, records), recalibrate_here(y, risk, patients), left_out,
    )  # fmt: skip


def judged_rows(
    predictor: BundlePredictor, cells: Cells, columns: TableColumns
) -> tuple[pd.DataFrame, list[Record], dict[str, int]]:
    """The rows that can be judged (y, risk, patient, date), their records, and those left out by reason."""
    judged: list[dict[str, object]] = []
    records: list[Record] = []
    left_out: dict[str, int] = {}
    for row in rows_of(predictor, cells):
        y = outcome_of(row.given[columns.outcome])
        reason = NO_OUTCOME if np.isnan(y) else row.why_not
        if reason:
            left_out[reason] = left_out.get(reason, 0) + 1
            continue
        day = day_of(row, columns.date).isoformat() if columns.date else ""
        judged.append({"y": y, "patient": row.given[columns.patient], "date": day})
        records.append(row.record)
    table = pd.DataFrame(judged, columns=["y", "patient", "date"])
    table.insert(1, "risk", risks_of(predictor, records) if records else np.empty(0))
    return table, records, left_out


def outcome_of(text: str) -> float:
    """1, 0, or NaN where it is not known."""
    known = {"1": 1.0, "1.0": 1.0, "yes": 1.0, "true": 1.0, "0": 0.0, "0.0": 0.0, "no": 0.0, "false": 0.0}
    return known.get(str(text).strip().casefold(), float("nan"))


def case_mix_here(predictor: BundlePredictor, records: Sequence[Record]) -> pd.DataFrame:
    """The records beside the training patients, as far as the bundle's summary tells of them.

    A number stands with its median; the training spread is worked out from the 5 and 95 % that the summary keeps, as of a
    normal curve. A level stands with its share; one that too few training patients had is left out.
    """
    outline = predictor.bundle.outline
    summaries = {one.name: one for one in outline.summary.fields}
    rows = [
        row
        for field in outline.codebook.fields
        for row in _mix_rows(field, summaries[field.name], [record.get(field.name) for record in records], outline.summary.n)
    ]
    return pd.DataFrame(rows, columns=["field", "label", "level", "unit", "train", "own", "difference", "n"])


def _mix_rows(field: Field, seen: FieldSummary, values: Sequence[object], n_train: int) -> list[dict[str, object]]:
    known = [value for value in values if value is not None]
    place = {"field": field.name, "label": field.label, "unit": field.unit, "n": len(known)}
    if not known:
        return []
    if field.kind in ("number", "integer"):
        if seen.inner_low is None or seen.inner_high is None or seen.inner_high <= seen.inner_low:
            return []
        own, spread = float(np.median(np.asarray(known, dtype=float))), (seen.inner_high - seen.inner_low) / CENTRAL_WIDTH
        typical = float(seen.typical)
        return [{**place, "level": "", "train": typical, "own": own, "difference": (own - typical) / spread}]
    counts = {
        level: count for level, count in seen.levels.items() if count is not None and (field.kind != "flag" or level == "1")
    }
    told = n_train * (1 - seen.missing)
    texts = [str(int(value)) if isinstance(value, float) else str(value) for value in known]
    rows = []
    for level, count in counts.items():
        here, there = min(count / told, 1.0), texts.count(level) / len(texts)
        pooled = np.sqrt((here * (1 - here) + there * (1 - there)) / 2)
        apart = float((there - here) / pooled) if pooled > 0 else float("nan")
        rows.append({**place, "level": field.label_of(level), "train": here, "own": there, "difference": apart})
    return rows

"""Observed outcomes of a site, with what the bundle says of each case, ready to be kept; and the watch over them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import pandas as pd

from core.errors import DataError, InputError
from core.evaluation.local_check import monthly
from core.ingest.cells import Cells
from core.records.observed import Observed, current
from core.serving.checking import NO_OUTCOME, TableColumns, outcome_of
from core.serving.predictor import BundleFacts, BundlePredictor
from core.serving.tables import Record, Row, day_of, require_columns, risks_of, rows_of


def observed_cells(predictor: BundlePredictor, cells: Cells, columns: TableColumns) -> tuple[list[Observed], dict[str, int]]:
    """The cases of a table that can be kept, and the rows left out by reason.

    Args:
        columns: ``patient`` names the column with the case numbers; ``date`` is needed.

    Raises:
        InputError: a column is missing, a day cannot be read, or one case stands twice.
        DataError: a case number that may be a name, or a day to come; the row is told.
    """
    if not columns.date:
        raise InputError("Observed outcomes need the day of each operation.", do="Name the column that holds it.")
    require_columns(cells, [columns.outcome, columns.patient, columns.date])
    kept: list[tuple[Row, int]] = []
    left_out: dict[str, int] = {}
    for row in rows_of(predictor, cells):
        y = outcome_of(row.given[columns.outcome])
        reason = NO_OUTCOME if y != y else row.why_not
        if reason:
            left_out[reason] = left_out.get(reason, 0) + 1
        else:
            kept.append((row, int(y)))
    twice = pd.Series([row.given[columns.patient] for row, _ in kept]).duplicated()
    if twice.any():
        again = kept[int(twice.idxmax())][0]
        raise InputError(f"Row {again.number}: its case stands above already.", do="Give every case once.")
    risks = risks_of(predictor, [row.record for row, _ in kept]) if kept else ()
    found = []
    for (row, y), risk in zip(kept, risks):
        try:
            day = day_of(row, columns.date)
            found.append(observed_case(predictor.facts, row.given[columns.patient], day, float(risk), y, f"file {cells.name}"))
        except DataError as error:
            raise DataError(f"Row {row.number}: {error.message}", do=error.do) from error
    return found, left_out


def observed_case(facts: BundleFacts, case: str, operated: date, risk: float, y: int, source: str = "form") -> Observed:
    """One case of a bundle."""
    return Observed(facts.name, facts.version, facts.digest, case.strip(), operated, risk, y, source)


def risk_of(predictor: BundlePredictor, record: Record) -> float:
    """What the bundle says of one record that is in its scope."""
    return float(risks_of(predictor, [record])[0])


def watch(facts: BundleFacts) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The cases kept for a bundle, and observed beside expected by month (``core.evaluation.local_check.monthly``)."""
    cases = current(facts.digest)
    if cases.empty:
        return cases, pd.DataFrame()
    days = [day.isoformat() for day in cases["operated"]]
    return cases, monthly(days, cases["y"].to_numpy(dtype=float), cases["risk"].to_numpy(dtype=float))


def left_out_words(left_out: Mapping[str, int]) -> str:
    """ "3 without a known outcome, 1 with a value that the codebook refuses"; empty where none was left out."""
    return ", ".join(f"{count} {reason}" for reason, count in left_out.items())

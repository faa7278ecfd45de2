"""A site's own table before a bundle: which rows it may answer for, and what it says of them all at once."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from core.bundles.records import records_cases
from core.contracts.codebook import Codebook
from core.contracts.metric import Array
from core.errors import InputError, did_you_mean
from core.ingest.cells import Cells
from core.ingest.tables import validate_record
from core.serving.predictor import BundlePredictor
from core.serving.scope import check_scope

Record = dict[str, float | str]
REFUSED = "with a value that the codebook refuses"


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Args:
        number: in the file, the header being row 1; given: its cells by column; record: what the model may read.
        why_not: why the model may not answer; empty where it may.
    """

    number: int
    given: Mapping[str, str]
    record: Record
    why_not: str


def rows_of(predictor: BundlePredictor, cells: Cells) -> Iterator[Row]:
    """Every row, with the reason where the bundle may not answer: a refused value, or outside the model's scope."""
    outline = predictor.bundle.outline
    for number, row in zip(cells.numbers, cells.rows, strict=True):
        given = dict(zip(cells.columns, row, strict=True))
        read = validate_record({name: given[name] for name in outline.codebook.names if name in given}, outline.codebook)
        report = check_scope(read.values, outline.codebook, outline.summary)
        why = REFUSED if read.problems else ""
        if not why and report.findings:
            why = f"outside the model's scope ({report.findings[0].code})"
        yield Row(number, given, report.record, why)


def risks_of(predictor: BundlePredictor, records: Iterable[Record]) -> Array:
    """(records,) chance of the event, of a yes or no."""
    ensemble = predictor.bundle.ensemble
    forecast = ensemble.predictor.predict(records_cases(list(records), ensemble.codebook))
    return np.asarray(forecast.risks[ensemble.outcome.name], dtype=float)


def curves_of(predictor: BundlePredictor, records: Iterable[Record]) -> Array:
    """(records, days) chance that the event has come by day 0, 1, …, of a time to an event."""
    ensemble = predictor.bundle.ensemble
    forecast = ensemble.predictor.predict(records_cases(list(records), ensemble.codebook))
    return np.asarray(forecast.times[ensemble.outcome.name].by_day, dtype=float)


def require_columns(cells: Cells, columns: Iterable[str]) -> None:
    """That the table has them.

    Raises:
        InputError: it lacks one.
    """
    for column in columns:
        if column not in cells.columns:
            raise InputError(f"{cells.name} has no column {column!r}.", do=did_you_mean(column, cells.columns))


def day_of(row: Row, column: str) -> datetime.date:
    """The day that a cell names.

    Raises:
        InputError: it is no day in the form 2026-03-14.
    """
    try:
        return datetime.date.fromisoformat(row.given[column].strip()[:10])
    except ValueError:
        raise InputError(
            f"Row {row.number}: {column!r} holds {row.given[column][:20]!r}, which is no day.", do="Write days as 2026-03-14."
        ) from None


def template(codebook: Codebook, further: Iterable[str]) -> str:
    """The header of a table that a bundle can read: the columns in ``further`` and the codebook's, as CSV."""
    return ",".join([*further, *codebook.names]) + "\r\n"

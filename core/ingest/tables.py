"""Tables against their codebook: every refusal names file, column, row, what was expected and what to do."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from core.contracts.codebook import Codebook, Field
from core.errors import Refused, did_you_mean
from core.ingest.cells import Cells, TableLimits, parse_cells, text_of
from core.ingest.values import MISSING, Problem, clean_value, expected

_NUMERIC = frozenset({"number", "integer", "flag"})


@dataclass(frozen=True)
class ParsedTable:
    """A table that its codebook accepts.

    Args:
        frame: the described columns in the codebook's order; numbers, integers and flags as float with NaN where
            missing, everything else as text. The index ``row`` is the row's number in the file (the header is row 1).
        notes: what readers must know, sentences.
    """

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class RecordCheck:
    """One row of a form after its checks.

    Args:
        values: cleaned value by field, NaN where missing; only fields without a problem.
        problems: what to mend; empty where the record can be used.
    """

    values: dict[str, float | str]
    problems: tuple[Problem, ...]


def read_table_file(path: Path, codebook: Codebook, *, unique: Iterable[str] | None = None) -> pd.DataFrame:
    """The described columns of a CSV or Parquet file; notes are in ``frame.attrs["notes"]``.

    Raises:
        Refused: with a ``TAB_…`` code.
    """
    parsed = parse_table(read_bytes(path, "TAB_MISSING"), codebook, Path(path).name, unique=unique)
    parsed.frame.attrs["notes"] = list(parsed.notes)
    return parsed.frame


def parse_table(
    data: bytes,
    codebook: Codebook,
    name: str,
    *,
    unique: Iterable[str] | None = None,
    limits: TableLimits | None = None,
) -> ParsedTable:
    """The described columns of a table's bytes.

    Args:
        name: what messages call the file.
        unique: columns that must not hold a value twice; by default ``case_id``, else the first identifier.

    Raises:
        Refused: with a ``TAB_…`` code.
    """
    return check_cells(parse_cells(data, name, limits), codebook, unique=unique)


def check_cells(
    cells: Cells,
    codebook: Codebook,
    *,
    unique: Iterable[str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> ParsedTable:
    """The described columns of a table's cells.

    Args:
        unique: names in the header that must not hold a value twice.
        headers: field → name in the header, where the two differ.

    Raises:
        Refused: ``TAB_MISSING_COL``, ``TAB_DUP_ID``, ``TAB_NUMBER``, ``TAB_RANGE``, ``TAB_CATEGORY`` or ``TAB_DATE``.
    """
    header = {field.name: (headers or {}).get(field.name, field.name) for field in codebook.fields}
    for field in codebook.fields:
        require_column(cells, header[field.name], expected(field), header.values())
    for column in _default_unique(codebook) if unique is None else unique:
        _require_unique(cells, column)
    index = pd.Index(cells.numbers, name="row")
    columns = {field.name: _checked_column(cells, field, header[field.name]) for field in codebook.fields}
    return ParsedTable(pd.DataFrame(columns, index=index), _notes(cells, set(header.values()) | set(unique or ())))


def validate_record(record: Mapping[str, object], codebook: Codebook) -> RecordCheck:
    """One form row: cleaned values, and a list of problems instead of an exception.

    Args:
        record: value by field; numbers, booleans and text are read alike; an absent field is a missing value.
    """
    values: dict[str, float | str] = {}
    problems = [
        Problem(key, "TAB_COLUMN", f"{key!r} is not a field of this form.", did_you_mean(key, codebook.names))
        for key in record
        if key not in codebook
    ]
    for field in codebook.fields:
        cleaned = clean_value(text_of(record.get(field.name)), field)
        if isinstance(cleaned, Problem):
            sentence = f"{field.label}: {cleaned.sentence}."
            problems.append(Problem(field.name, cleaned.code, sentence, cleaned.do))
        elif field.required and is_missing(cleaned):
            sentence = f"{field.label} is needed; expected {expected(field)}."
            problems.append(Problem(field.name, "MISSING", sentence, "Fill it in."))
        else:
            values[field.name] = cleaned
    return RecordCheck(values, tuple(problems))


def require_column(cells: Cells, column: str, what: str, others: Iterable[str] = ()) -> None:
    """Nothing, if the header has that name.

    Args:
        what: what the codebook expects in it, in words; others: names that are spoken for and not suggested.

    Raises:
        Refused: ``TAB_MISSING_COL``, suggesting the nearest name that is there.
    """
    if column in cells.columns:
        return
    free = [name for name in cells.columns if name not in set(others)] or cells.columns
    raise Refused(
        f"{cells.name}, row 1: the column {column!r} is missing; the codebook expects {what}.",
        do=f"{did_you_mean(column, free)} Add the column (empty where nothing is known) or rename it.",
        code="TAB_MISSING_COL",
    )


def is_missing(value: float | str) -> bool:
    """Whether a cleaned value is missing."""
    return value != value


def read_bytes(path: Path, code: str) -> bytes:
    """The bytes of a file.

    Raises:
        Refused: with that code, naming the file.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}.", do="Check the path and its permissions.", code=code) from error


def _default_unique(codebook: Codebook) -> tuple[str, ...]:
    if "case_id" in codebook:
        return ("case_id",)
    return tuple(field.name for field in codebook.fields if field.kind == "identifier")[:1]


def _require_unique(cells: Cells, column: str) -> None:
    first: dict[str, int] = {}
    for number, text in zip(cells.numbers, cells.column(column)):
        given = text.strip()
        if not given:
            raise Refused(
                f"{cells.name}, column {column!r}, row {number}: the cell is empty; expected an identifier.",
                do="Give every row its own identifier.",
                code="TAB_EMPTY_ID",
            )
        if given in first:
            raise Refused(
                f"{cells.name}, column {column!r}: {given!r} stands in rows {first[given]} and {number}; expected it once.",
                do="Keep one row of each, or give them different identifiers.",
                code="TAB_DUP_ID",
            )
        first[given] = number


def _checked_column(cells: Cells, field: Field, header: str) -> pd.Series:
    values: list[float | str] = []
    wrong: list[tuple[int, Problem]] = []
    # Columns repeat few values; each is cleaned once.
    known: dict[str, float | str | Problem] = {}
    for number, text in zip(cells.numbers, cells.column(header)):
        if text not in known:
            known[text] = clean_value(text, field)
        cleaned = known[text]
        if isinstance(cleaned, Problem):
            wrong.append((number, cleaned))
            cleaned = MISSING
        values.append(cleaned)
    if wrong:
        _refuse_cells(f"{cells.name}, column {header!r}", wrong)
    dtype = np.float64 if field.kind in _NUMERIC else object
    return pd.Series(values, index=pd.Index(cells.numbers, name="row"), dtype=dtype)


def _refuse_cells(where: str, wrong: list[tuple[int, Problem]]) -> None:
    number, problem = wrong[0]
    more = f" ({len(wrong) - 1} more such in this column, the next in row {wrong[1][0]})" if len(wrong) > 1 else ""
    raise Refused(f"{where}, row {number}: {problem.sentence}{more}.", do=problem.do, code=problem.code)


def _notes(cells: Cells, read: Collection[str]) -> tuple[str, ...]:
    extra = [column for column in cells.columns if column not in read]
    if not extra:
        return ()
    return (f"{cells.name} has columns that the codebook does not describe; they were not read: {', '.join(extra)}.",)

"""A table's cells as text, exactly as they stand in the file: no guess at types, so 007 stays 007."""

from __future__ import annotations

import csv
import datetime
import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from core.errors import Refused

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}
TABLE_NAME = "The table"  # what messages call a table that came without a name
_PARQUET_MAGIC = b"PAR1"
_OTHER_FORMATS = {
    b"PK\x03\x04": "a zip or Excel file",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"\x1f\x8b": "a gzip file",
    b"%PDF": "a PDF",
    b"SQLite format 3": "a database",
}
_AS_CSV = "Save it as CSV (UTF-8) or Parquet."


@dataclass(frozen=True)
class TableLimits:
    """What one table may be: bytes of the file, rows, columns and characters of one cell."""

    file_bytes: int = 200_000_000
    rows: int = 500_000
    columns: int = 2_000
    cell_characters: int = 100_000


@dataclass(frozen=True)
class Cells:
    """A table as text.

    Args:
        name: what messages call the file.
        columns: the header; stripped of outer spaces, no name twice.
        rows: one tuple of cells a row, as long as ``columns``.
        numbers: the row's number in the file; the header is row 1.
        delimiter: what stood between cells; empty for Parquet.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[int, ...]
    delimiter: str = ""

    def column(self, name: str) -> tuple[str, ...]:
        """All cells of one column."""
        at = self.columns.index(name)
        return tuple(row[at] for row in self.rows)


def parse_cells(data: bytes, name: str, limits: TableLimits | None = None) -> Cells:
    """The cells of a CSV (comma, semicolon or tab; UTF-8 with or without mark) or Parquet file.

    Args:
        data: the whole file, as it came.
        name: what messages call it.

    Raises:
        Refused: ``TAB_EMPTY``, ``TAB_FORMAT``, ``TAB_ENCODING``, ``TAB_TOO_LARGE``, ``TAB_RAGGED``, ``TAB_DUP_COL`` or
            ``TAB_TRUNCATED``.
    """
    limits = limits or TableLimits()
    if not data:
        _refuse("TAB_EMPTY", f"{name} is empty.", "Send a table with a header and at least one row.")
    if len(data) > limits.file_bytes:
        _too_large(name, f"{len(data)} bytes", f"{limits.file_bytes} bytes")
    cells = _from_parquet(data, name, limits) if data[:4] == _PARQUET_MAGIC else _from_csv(data, name, limits)
    if not cells.rows:
        _refuse("TAB_EMPTY", f"{name} has a header and no row.", "Send a table with at least one row.")
    return cells


def text_of(value: object) -> str:
    """A value as it would stand in a CSV: nothing for None and NaN, ``7`` for 7.0, ``true`` for True."""
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and math.isfinite(value) and value == int(value) and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    return str(value)


def checked_header(header: list[str], name: str, limits: TableLimits) -> tuple[str, ...]:
    """The column names.

    Raises:
        Refused: too many, one without a name, or one name twice.
    """
    if len(header) > limits.columns:
        _too_large(name, f"{len(header)} columns", f"{limits.columns} columns")
    columns = tuple(column.strip() for column in header)
    for position, column in enumerate(columns, start=1):
        if not column:
            _refuse("TAB_COLUMN", f"{name}, row 1: column {position} has no name.", "Give every column a name.")
        if columns.index(column) < position - 1:
            _refuse(
                "TAB_DUP_COL",
                f"{name}, row 1: the column name {column!r} stands at positions {columns.index(column) + 1} and {position}.",
                "Rename or remove one of the two.",
            )
    return columns


def _from_csv(data: bytes, name: str, limits: TableLimits) -> Cells:
    text = _decoded(data, name)
    delimiter = _delimiter(text)
    records = _records(text, delimiter, name, limits)
    columns = checked_header(next(records, (1, []))[1], name, limits)
    rows, numbers = [], []
    for number, record in records:
        if len(record) != len(columns):
            _refuse(
                "TAB_RAGGED",
                f"{name}, row {number}: {len(record)} cells; the header has {len(columns)} "
                f"(read with {DELIMITERS[delimiter]} between cells).",
                "Put cells that hold the separator in quotes, and write decimals with a point.",
            )
        rows.append(tuple(record))
        numbers.append(number)
    return Cells(name, columns, tuple(rows), tuple(numbers), delimiter)


def _decoded(data: bytes, name: str) -> str:
    for magic, what in _OTHER_FORMATS.items():
        if data.startswith(magic):
            _refuse("TAB_FORMAT", f"{name} is {what}, not a CSV or Parquet file.", _AS_CSV)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = data[: error.start].count(b"\n") + 1
        _refuse("TAB_ENCODING", f"{name}, line {row}: the text is not UTF-8.", "Save the table as CSV in UTF-8.")
    if "\0" in text:
        _refuse("TAB_ENCODING", f"{name} holds NUL bytes, as UTF-16 and damaged files do.", "Save the table as CSV in UTF-8.")
    return text


def _delimiter(text: str) -> str:
    """The separator that gives most columns in the header, among those that give the first rows the same number."""
    best, most = ",", 0
    for delimiter in DELIMITERS:
        reader = csv.reader(io.StringIO(text[:200_000], newline=""), delimiter=delimiter)
        try:
            widths = [len(record) for _, record in zip(range(20), reader) if record]
        except csv.Error:
            continue
        score = widths[0] + (10_000 if widths and len(set(widths[:-1] or widths)) == 1 and widths[0] > 1 else 0) if widths else 0
        if score > most:
            best, most = delimiter, score
    return best


def _records(text: str, delimiter: str, name: str, limits: TableLimits) -> Iterator[tuple[int, list[str]]]:
    """Rows that hold anything, with their number in the file."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number, kept = 0, 0
    try:
        for number, record in enumerate(reader, start=1):
            if not any(cell.strip() for cell in record):
                continue
            kept += 1
            _check_row(record, kept, number, name, limits)
            yield number, record
    except csv.Error as error:
        if "field larger" in str(error):
            _too_large(name, f"a longer cell in row {number + 1}", f"{limits.cell_characters} characters a cell")
        _refuse(
            "TAB_FORMAT", f"{name}, row {number + 1}: the quotes do not match ({error}).", "Close every quote that is opened."
        )


def _check_row(record: list[str], kept: int, number: int, name: str, limits: TableLimits) -> None:
    if kept > limits.rows + 1:
        _too_large(name, f"more than {limits.rows} rows", f"{limits.rows} rows")
    longest = max(len(cell) for cell in record)
    if longest > limits.cell_characters:
        _too_large(name, f"a cell of {longest} characters in row {number}", f"{limits.cell_characters} characters a cell")


def _from_parquet(data: bytes, name: str, limits: TableLimits) -> Cells:
    # Imported here: a process that only reads scans or CSV starts without it.
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(io.BytesIO(data), page_checksum_verification=True)
        columns = checked_header(list(file.schema_arrow.names), name, limits)
        if file.metadata.num_rows > limits.rows:
            _too_large(name, f"{file.metadata.num_rows} rows", f"{limits.rows} rows")
        plain: Mapping[str, list[Any]] = file.read().to_pydict()
    except (OSError, pa.ArrowException) as error:
        _refuse("TAB_TRUNCATED", f"{name} is a Parquet file that cannot be read to its end ({error}).", "Write it again.")
    texts = [[text_of(value) for value in column] for column in plain.values()]
    rows = tuple(zip(*texts))
    return Cells(name, columns, rows, tuple(range(2, len(rows) + 2)))


def _too_large(name: str, given: str, most: str) -> NoReturn:
    _refuse("TAB_TOO_LARGE", f"{name} has {given}; at most {most} are read.", "Send the part that is needed.")


def _refuse(code: str, message: str, do: str) -> NoReturn:
    raise Refused(message, do=do, code=code)

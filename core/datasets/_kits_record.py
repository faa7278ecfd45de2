"""kits23.json as a table: one row a case, every value checked against the codebook."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.contracts.codebook import Field
from core.datasets._kits_codebook import CHARLSON_POINTS, COLUMNS, GRADED_PAIRS, REPORTED_TOP, Column
from core.errors import DataError
from core.ingest.values import Problem, clean_value

CASE_ID = re.compile(r"case_[0-9]{5}")
DIED_BEFORE_DISCHARGE = "died_before_discharge"
"""What KiTS19 wrote in place of a stay; KiTS23 writes 0 there."""
FILTRATIONS = (
    ("egfr", "egfr_days_before"),
    ("first_egfr_after", "first_egfr_after_days"),
    ("last_egfr_after", "last_egfr_after_days"),
)
AT_LEAST_TOP = re.compile(r"(>=|>|≥)\s*90(\.0)?")

Record = Mapping[str, Any]


@dataclass(frozen=True)
class CaseProblem:
    """A value that the codebook does not allow, and the case it stands in."""

    case_id: str
    problem: Problem

    def as_error(self, path: Path) -> DataError:
        """The same as an error that stops a study."""
        return DataError(
            f"{path.name}, {self.case_id}, {self.problem.field!r}: {self.problem.sentence}.",
            do=self.problem.do,
            code=self.problem.code,
        )


@dataclass(frozen=True)
class RecordTable:
    """All records of the file.

    Args:
        table: indexed by case id; missing values are NaN (numbers, flags) or None (text).
        problems: values that were not allowed; they are missing in ``table``.
    """

    table: pd.DataFrame
    problems: tuple[CaseProblem, ...]


def read_records(path: Path) -> tuple[Record, ...]:
    """The records of kits23.json, in the order of case ids.

    Raises:
        DataError: no such file, not JSON, a record without a proper case id, a case id twice.
    """
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror}.",
            do="Name the folder that holds dataset/kits23.json, or fetch it with: python -m core data get kits",
            code="DATA_MISSING",
        ) from error
    except ValueError as error:
        raise DataError(f"{path} is not JSON: {error}.", do="Fetch the file again.", code="DATA_FORMAT") from error
    if not isinstance(records, list) or not records:
        raise DataError(f"{path} is not a list of records.", do="Fetch the file again.", code="DATA_FORMAT")
    _check_ids(records, path)
    return tuple(sorted(records, key=lambda record: str(record["case_id"])))


def _check_ids(records: Sequence[object], path: Path) -> None:
    seen: set[str] = set()
    for number, record in enumerate(records, start=1):
        given = record.get("case_id") if isinstance(record, Mapping) else None
        if not isinstance(given, str) or not CASE_ID.fullmatch(given):
            raise DataError(
                f"{path.name}, record {number}: case_id is {given!r}; expected case_ and five digits.",
                do="Correct the case id.",
                code="TAB_MISSING_ID",
            )
        if given in seen:
            raise DataError(f"{path.name}: {given} stands in two records.", do="Keep one record a case.", code="TAB_DUP_ID")
        seen.add(given)


def case_number(case_id: str) -> int:
    """The number in a case id."""
    return int(case_id.removeprefix("case_"))


def table_of(records: Sequence[Record]) -> RecordTable:
    """The records as a table of the codebook's columns, anatomy left out."""
    ids = [str(record["case_id"]) for record in records]
    problems: list[CaseProblem] = []
    columns: dict[str, pd.Series] = {}
    for column in (column for column in COLUMNS if column.path):
        values = [_clean(record, column, problems) for record in records]
        columns[column.field.name] = _series(values, column.field)
    table = pd.DataFrame(columns).set_axis(pd.Index(ids, name="case_id"))
    for value, days in FILTRATIONS:
        _restore_top(table, records, value, days)
    table["comorbidity_index"] = comorbidity_index(table)
    table["died_in_hospital"] = _died_in_hospital(table, records)
    return RecordTable(table[[column.field.name for column in COLUMNS]].copy(), tuple(problems))


def _series(values: list[float | str], field: Field) -> pd.Series:
    if field.kind in ("number", "integer", "flag"):
        return pd.Series(values, dtype=float)
    return pd.Series([None if isinstance(value, float) else value for value in values], dtype=object)


def _clean(record: Record, column: Column, problems: list[CaseProblem]) -> float | str:
    """The value that the codebook promises; NaN where it is missing or was not allowed."""
    given = _at(record, column.path)
    if _is_told_otherwise(given, column.field):
        return float("nan")
    cleaned = clean_value(_text(given, column.factor), column.field)
    if isinstance(cleaned, Problem):
        problems.append(CaseProblem(str(record["case_id"]), cleaned))
        return float("nan")
    return cleaned


def _at(record: object, path: Sequence[str]) -> object:
    for key in path:
        record = record.get(key) if isinstance(record, Mapping) else None
    return record


def _is_told_otherwise(given: object, field: Field) -> bool:
    """Words in place of a number that other columns carry on: an eGFR of ">=90", a death in place of a stay."""
    if not isinstance(given, str):
        return False
    if field.name == "hospital_days":
        return given == DIED_BEFORE_DISCHARGE
    return field.name in dict(FILTRATIONS) and _is_top(given)


def _is_top(given: object) -> bool:
    return isinstance(given, str) and AT_LEAST_TOP.fullmatch(given.strip()) is not None


def _text(given: object, factor: float) -> str:
    if given is None:
        return ""
    if isinstance(given, bool):
        return str(int(given))
    if isinstance(given, (int, float)):
        # 2.3 cm are 23 mm, not 22.999999999999996.
        return repr(round(given * factor, 6) if factor != 1 else given)
    return str(given)


def _restore_top(table: pd.DataFrame, records: Sequence[Record], value: str, days: str) -> None:
    """eGFRs that were reported as ">=90": the file drops them to null and keeps their date."""
    path = next(column.path for column in COLUMNS if column.field.name == value)
    written = pd.Series([_at(record, path) for record in records], index=table.index, dtype=object)
    top = (table[days].notna() & written.isna()) | written.map(_is_top)
    known = table[value].notna() | top
    table[f"{value}_reported_90_or_more"] = top.astype(float).where(known)
    table[value] = table[value].where(~top, REPORTED_TOP)


def comorbidity_index(table: pd.DataFrame) -> pd.Series:
    """Charlson points without age, by case; an illness that is not recorded counts as absent.

    Undefined: NaN where no illness is recorded as present or absent.

    Reference: Charlson 1987, 10.1016/0021-9681(87)90171-8.
    """
    present = table[list(CHARLSON_POINTS)].eq(1)
    for mild, severe in GRADED_PAIRS:
        present[mild] &= ~present[severe]
    points = (present * pd.Series(CHARLSON_POINTS)).sum(axis=1).astype(float)
    return points.where(table[list(CHARLSON_POINTS)].notna().any(axis=1))


def _died_in_hospital(table: pd.DataFrame, records: Sequence[Record]) -> pd.Series:
    """Deaths before discharge, which kits23.json does not mark.

    A patient died in hospital who (a) is said to have ("died_before_discharge", as KiTS19 wrote); or (b) died on a day that
    the recorded stay reaches; or (c) died of a complication (grade 5) while the stay is recorded as 0 days or not at all:
    nobody goes home alive on the day of the operation and is then counted as a fatal complication of it; KiTS23 writes 0 for
    a stay that never ended in a discharge.
    """
    said = pd.Series([_at(record, ("hospitalization",)) == DIED_BEFORE_DISCHARGE for record in records], index=table.index)
    stay = table["hospital_days"]
    during = table["vital_status"].eq("dead") & (table["vital_days"] <= stay)
    fatal = table["clavien_grade"].eq("5") & (stay.isna() | stay.eq(0))
    known = stay.notna() | said | fatal
    return (said | during | fatal).astype(float).where(known, np.nan)

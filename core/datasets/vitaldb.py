"""VitalDB: operations at one hospital in Seoul, with the record before, and stay, intensive care and death after.

Reads the public ``clinical_data.csv``, one row an operation. Patients count by ``subjectid``. Each department (specialty)
is left out in turn beside cross-validation. Nothing that is known only during or after the operation predicts: drugs and
fluids given, airway, tubes, lines, and the ends of operation, anaesthesia and recording.

Decided here: department and kind of operation are taken as known before, since an operation is booked under them; approach,
position and anaesthesia are recorded as performed and stand in for the plan, as in KiTS.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from core.contracts.cohort import Cohort, SplitCheck
from core.contracts.dataset import DatasetSpec, Finding, LoadOptions
from core.datasets._vitaldb_codebook import CODEBOOK, COLUMNS, DEPARTMENTS, FILE_CODEBOOK, HEADERS, HIGH_CREATININE
from core.datasets._vitaldb_outcomes import OUTCOMES, breakdowns_of, is_eligible, left_out, targets_of
from core.errors import DataError, OpSightError
from core.ingest.cells import Cells, parse_cells
from core.ingest.tables import check_cells, read_bytes, require_column

FILE = "clinical_data.csv"
LICENCE = "CC BY 4.0 (with attribution)"
CITATION = (
    "Lee et al. 2022, VitalDB, a high-fidelity multi-parameter vital signs database in surgical patients, Scientific Data, "
    "10.1038/s41597-022-01411-5; PhysioNet, 10.13026/czw8-9p62"
)
SECONDS_A_DAY = 86_400
FEWEST_PATIENTS = 50
"""A department with fewer patients is not left out in turn."""
MIN_CELL = 1
"""The licence allows every count to be shown."""

NOTES = (
    "All operations took place in one hospital: a department left out in turn is another specialty, not another hospital.",
    "Department and kind of operation are known before, from the booking. Approach, position and anaesthesia record what was "
    "performed, not what was planned; every model is fitted with and without them.",
    "Nothing records complications: stay, intensive care and death are all that is known of what followed.",
    "Admission and discharge are recorded as days, not hours. A discharge within a day before the end of the operation counts as "
    "impossible here, and may in truth be one on the day of the operation.",
    "Days in intensive care are those of the whole stay: where it held several operations, each has the same number.",
    "The table holds no dates of surgery, so nothing can be said about change over time.",
)


@dataclass(frozen=True)
class _Source:
    """The file as a table by case id, and how many laboratory values were not believed, by column."""

    table: pd.DataFrame
    unbelieved: Mapping[str, int]
    checksum: str


def load(options: LoadOptions) -> Cohort:
    """The cohort: record, outcomes, and the departments left out in turn.

    Raises:
        DataError: the file is not there, or a row names no patient.
        Refused: a cell that the codebook does not allow; names column and row.
    """
    source = _source(options)
    table = source.table
    internal = tuple(str(case_id) for case_id in table.index[is_eligible(table)])
    return Cohort(
        name="vitaldb",
        label="VitalDB: operations at one hospital",
        table=table,
        codebook=CODEBOOK,
        outcomes=OUTCOMES,
        targets=targets_of(table),
        internal=internal,
        checks=tuple(_checks(table.loc[list(internal)])),
        licence=LICENCE,
        citation=CITATION,
        fingerprint=source.checksum,
        notes=(*NOTES, *_counts(source)),
        min_cell=MIN_CELL,
        breakdowns=breakdowns_of(table),
    )


def _source(options: LoadOptions) -> _Source:
    path = None if options.root is None else Path(options.root) / FILE
    if path is None or not path.is_file():
        raise DataError(
            f"VitalDB: {FILE} was not found in {options.root}.",
            do="Put the file of the public release there, or name its parent folder with --data or $OPSIGHT_DATA.",
            code="DATA_MISSING",
        )
    data = read_bytes(path, "DATA_MISSING")
    cells = parse_cells(data, FILE)
    require_column(cells, "subjectid", "the patient of every operation", HEADERS.values())
    require_column(cells, "caseid", "the number of every operation", HEADERS.values())
    frame = check_cells(cells, FILE_CODEBOOK, unique=("caseid",), headers=HEADERS).frame
    unbelieved = _drop_unbelieved(frame)
    return _Source(_table(frame, cells), unbelieved, hashlib.sha256(data).hexdigest())


def _drop_unbelieved(frame: pd.DataFrame) -> dict[str, int]:
    """Laboratory values outside their range, made missing in place; how many, by column."""
    found = {}
    for field in CODEBOOK.fields:
        if field.section == "Laboratory":
            wrong = frame[field.name].notna() & ~frame[field.name].between(field.low, field.high)
            frame.loc[wrong, field.name] = np.nan
            if wrong.any():
                found[field.name] = int(wrong.sum())
    return found


def _table(frame: pd.DataFrame, cells: Cells) -> pd.DataFrame:
    """The codebook's columns by case id: recoded, with what is worked out from the others."""
    made = {column.field.name: frame[column.field.name] for column in COLUMNS if column.header}
    for column in COLUMNS:
        if column.recode is not None:
            given = made[column.field.name].map(column.recode, na_action="ignore")
            made[column.field.name] = given.astype(float) if column.field.kind == "flag" else given
    made["kidney_disease"] = frame["creatinine"].gt(HIGH_CREATININE).astype(float).where(frame["creatinine"].notna())
    # Admission is recorded at midnight: whole days before the operation are nights in hospital.
    made["nights_before"] = np.floor(-frame["adm"] / SECONDS_A_DAY).clip(lower=0)
    made["stay_days"] = (frame["dis"] - frame["opend"]) / SECONDS_A_DAY
    table = pd.DataFrame({"patient_id": _filled(cells, "subjectid")}, index=frame.index).join(pd.DataFrame(made))
    return table[["patient_id", *CODEBOOK.names]].set_axis(pd.Index(_filled(cells, "caseid"), name="case_id"))


def _filled(cells: Cells, column: str) -> list[str]:
    texts = [text.strip() for text in cells.column(column)]
    empty = next((number for number, text in zip(cells.numbers, texts, strict=True) if not text), None)
    if empty is not None:
        raise DataError(
            f"{FILE}, column {column!r}, row {empty}: the cell is empty; expected an identifier.",
            do="Name the patient of every row, so that nobody stands in training and in test.",
            code="TAB_EMPTY_ID",
        )
    return texts


def _checks(table: pd.DataFrame) -> Iterator[SplitCheck]:
    """Each department left out in turn, with all other operations of its patients."""
    for name in DEPARTMENTS:
        inside = table["department"].eq(name)
        patients = set(table.loc[inside, "patient_id"])
        apart = ~table["patient_id"].isin(patients)
        if min(len(patients), table.loc[apart, "patient_id"].nunique()) >= FEWEST_PATIENTS:
            yield SplitCheck(
                name=f"external:department={name}",
                label=f"Department left out: {name}",
                note=f"Learned from the other departments of the same hospital and judged on {name}: kinds of operation that the "
                "model has never met.",
                train=tuple(table.index[apart]),
                test=tuple(table.index[inside]),
            )


def _counts(source: _Source) -> Iterator[str]:
    """What was left out or made missing, in numbers."""
    table = source.table
    again = int(table["patient_id"].duplicated().sum())
    yield f"{len(table)} operations of {len(table) - again} patients: {again} are a patient's further operations."
    told = ", ".join(f"{reason} {count}" for reason, count in left_out(table).items() if count)
    if told:
        yield f"Operations that do not count: {told}."
    if source.unbelieved:
        told = ", ".join(f"{CODEBOOK[name].label} {count}" for name, count in source.unbelieved.items())
        yield f"Laboratory values outside the range in which they are believed were made missing: {told}."


def verify(options: LoadOptions) -> tuple[Finding, ...]:
    """Remarks on the file; ``error`` is what a study would refuse."""
    try:
        source = _source(options)
    except OpSightError as error:
        return (Finding("error", error.code, error.message, error.do),)
    return tuple(Finding("note", FILE, note, "") for note in _counts(source))


PLUGINS = (
    DatasetSpec(
        name="vitaldb",
        label="VitalDB: operations at one hospital",
        description="Operations on adults at one hospital in Seoul, in general, thoracic, gynaecological and urological surgery: "
        "the record before; stay, intensive care and death after. No complications, no images. Fetch clinical_data.csv from "
        "physionet.org/content/vitaldb.",
        licence=LICENCE,
        citation=CITATION,
        folder="vitaldb",
        load=load,
        verify=verify,
    ),
)

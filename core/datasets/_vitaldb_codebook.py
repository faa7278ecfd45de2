"""What every column of VitalDB's clinical table means, under which header it stands, and when it becomes known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from core.contracts.codebook import Codebook, Field, Level

Recode = Callable[[str], str]

OTHER = "other"
SEXES = {"F": "female", "M": "male"}
POSITIONS = (
    "Supine", "Lithotomy", "Left lateral decubitus", "Right lateral decubitus", "Prone", "Reverse Trendelenburg",
    "Trendelenburg", "Sitting", "Left kidney", "Right kidney",
)  # fmt: skip
OPERATIONS = (
    "Colorectal", "Biliary/Pancreas", "Stomach", "Major resection", "Minor resection", "Breast", "Transplantation",
    "Vascular", "Thyroid", "Hepatic", "Others",
)  # fmt: skip
DEPARTMENTS = ("General surgery", "Thoracic surgery", "Gynecology", "Urology")
HIGH_CREATININE = 1.5
"""mg/dl, above which a patient counts as having kidney disease."""


@dataclass(frozen=True)
class Column:
    """A column of the table and the header under which it stands in the file.

    Args:
        field: what it means; header: in the file; empty where the value is worked out from others.
        recode: from the file's text to the field's value, where the two differ.
        stored: the only texts that the file may hold before it is recoded; empty: any.
    """

    field: Field
    header: str = ""
    recode: Recode | None = None
    stored: tuple[str, ...] = ()


def _named(header: str, field: Field, recode: Recode | None = None, stored: tuple[str, ...] = ()) -> Column:
    return Column(replace(field, source=f"clinical_data.csv: {header}"), header, recode, stored)


def _made(field: Field, source: str) -> Column:
    return Column(replace(field, source=source))


def _levels(*values: str) -> tuple[Level, ...]:
    return tuple(Level(value, value[:1].upper() + value[1:]) for value in values)


def _position(text: str) -> str:
    return text.strip() if text.strip() in POSITIONS else OTHER


def _abnormal_rhythm(text: str) -> str:
    return "0" if text.strip().casefold() == "normal sinus rhythm" else "1"


def _lung_function(text: str) -> str:
    """The kind of the report's finding; its degrees (mild to severe) have few patients each."""
    given = text.strip().casefold()
    if given == "normal":
        return given
    # "Mixed or pure obstructive" counts as obstructive.
    return next((kind for kind in ("obstructive", "restrictive") if kind in given), OTHER)


def _person() -> Iterator[Column]:
    yield _named(
        "age",
        Field("age", "Age", "number", "before", unit="years", low=0, high=120, section="Person", subgroup=True, bins=(65, 75),
              required=True, help="Age at the operation."),
    )  # fmt: skip
    sex = Field("sex", "Sex", "category", "before", section="Person", subgroup=True, levels=_levels("female", "male"))
    yield _named("sex", sex, SEXES.__getitem__, tuple(SEXES))
    yield _named("height", Field("height", "Height", "number", "before", unit="cm", low=30, high=230, section="Person"))
    yield _named(
        "weight", Field("weight", "Weight", "number", "before", unit="kg", low=1, high=300, section="Person", modifiable=True)
    )
    yield _named(
        "bmi",
        Field("bmi", "Body mass index", "number", "before", unit="kg/m2", low=8, high=80, section="Person", modifiable=True,
              subgroup=True, bins=(18.5, 25, 30), help="Weight in kilograms divided by height in metres, squared."),
    )  # fmt: skip


def _booking() -> Iterator[Column]:
    """What the booking of an operation says: whose it is, of which kind, and whether it can wait."""
    booked = "Stands in the booking, before the operation."
    yield _named(
        "department",
        Field("department", "Department", "category", "before", section="Booking", subgroup=True, required=True,
              levels=_levels(*DEPARTMENTS), help=f"The specialty. {booked}"),
    )  # fmt: skip
    yield _named(
        "optype",
        Field("operation_type", "Kind of operation", "category", "before", section="Booking", required=True,
              levels=_levels(*OPERATIONS), help=f"One of eleven broad kinds. {booked}"),
    )  # fmt: skip
    yield _named(
        "emop", Field("emergency", "Emergency", "flag", "before", section="Booking", subgroup=True, required=True, help=booked)
    )
    yield _made(
        Field("nights_before", "Nights in hospital before the operation", "integer", "before", unit="days", low=0,
              section="Booking", help="0: admitted on the day itself."),
        "clinical_data.csv: adm, whole days before the start of the recording",
    )  # fmt: skip


def _illness() -> Iterator[Column]:
    yield _named(
        "asa",
        Field("asa", "ASA class", "category", "before", section="Illness", subgroup=True,
              levels=tuple(Level(str(n), f"Class {n}") for n in range(1, 7)),
              help="Physical status of the American Society of Anesthesiologists; 6 (an organ donor) also stands in a few "
              "records where it cannot be meant, and is kept."),
    )  # fmt: skip
    yield _named("preop_htn", Field("hypertension", "Hypertension", "flag", "before", section="Illness", subgroup=True))
    yield _named("preop_dm", Field("diabetes", "Diabetes", "flag", "before", section="Illness", subgroup=True))
    yield _made(
        Field("kidney_disease", "Kidney disease", "flag", "before", section="Illness", subgroup=True,
              help=f"Creatinine above {HIGH_CREATININE:g} mg/dl before the operation."),
        "clinical_data.csv: preop_cr",
    )  # fmt: skip
    yield _named(
        "preop_ecg",
        Field("abnormal_ecg", "Abnormal electrocardiogram", "flag", "before", section="Illness",
              help="The report says anything but normal sinus rhythm."),
        _abnormal_rhythm,
    )  # fmt: skip
    yield _named(
        "preop_pft",
        Field("lung_function", "Lung function", "category", "before", section="Illness",
              levels=_levels("normal", "obstructive", "restrictive", OTHER), help="The kind of the report's finding."),
        _lung_function,
    )  # fmt: skip


LABORATORY: tuple[tuple[str, str, str, str, float, float], ...] = (
    ("preop_hb", "haemoglobin", "Haemoglobin", "g/dl", 2, 25),
    ("preop_plt", "platelets", "Platelets", "1000/mm3", 1, 2_500),
    ("preop_pt", "prothrombin_time", "Prothrombin time, share of normal", "%", 1, 200),
    ("preop_aptt", "aptt", "Activated partial thromboplastin time", "s", 10, 500),
    ("preop_na", "sodium", "Sodium", "mmol/l", 90, 200),
    ("preop_k", "potassium", "Potassium", "mmol/l", 1, 10),
    ("preop_gluc", "glucose", "Glucose", "mg/dl", 10, 1_500),
    ("preop_alb", "albumin", "Albumin", "g/dl", 0.3, 7),
    ("preop_ast", "ast", "Aspartate transferase", "IU/l", 1, 30_000),
    ("preop_alt", "alt", "Alanine transferase", "IU/l", 1, 30_000),
    ("preop_bun", "urea_nitrogen", "Blood urea nitrogen", "mg/dl", 1, 300),
    ("preop_cr", "creatinine", "Creatinine", "mg/dl", 0.05, 40),
    ("preop_ph", "ph", "Blood pH", "", 6.8, 7.8),
    ("preop_hco3", "bicarbonate", "Bicarbonate", "mmol/l", 2, 60),
    ("preop_be", "base_excess", "Base excess", "mmol/l", -40, 40),
    ("preop_pao2", "pao2", "Oxygen pressure in blood", "mmHg", 10, 700),
    ("preop_paco2", "paco2", "Carbon dioxide pressure in blood", "mmHg", 5, 150),
    ("preop_sao2", "sao2", "Oxygen saturation of blood", "%", 10, 101),
)
"""Header, name, label, unit, and the range in which a value is believed; others become missing and are counted."""
MODIFIABLE = ("haemoglobin", "sodium", "potassium", "glucose", "albumin")


def _laboratory() -> Iterator[Column]:
    for header, name, label, unit, low, high in LABORATORY:
        yield _named(
            header,
            Field(name, label, "number", "before", unit=unit, low=low, high=high, section="Laboratory",
                  modifiable=name in MODIFIABLE),
        )  # fmt: skip


def _performed() -> Iterator[Column]:
    """As the record of the operation says: a conversion or a change of plan shows here, as in KiTS."""
    parts: tuple[tuple[str, str, str, tuple[str, ...], Recode | None], ...] = (
        ("approach", "approach", "Approach", ("Open", "Videoscopic", "Robotic"), None),
        ("position", "position", "Position", (*POSITIONS, OTHER), _position),
        ("ane_type", "anaesthesia", "Anaesthesia", ("General", "Spinal", "Sedationalgesia"), None),
    )
    for header, name, label, values, recode in parts:
        field = Field(name, label, "category", "during", "procedure", section="Operation", stands_in_for_plan=True,
                      levels=_levels(*values), help="What was performed, used in place of what was planned.")  # fmt: skip
        yield _named(header, field, recode)


def _texts() -> Iterator[Column]:
    """Free text is kept, and no model reads it."""
    yield _named("dx", Field("diagnosis", "Diagnosis", "text", "before", section="Booking"))
    yield _named("opname", Field("operation_name", "Name of the operation", "text", "during", "outcome", section="Operation"))


def _during() -> Iterator[Column]:
    times = (
        ("anestart", "Start of anaesthesia"), ("opstart", "Start of the operation"), ("opend", "End of the operation"),
        ("caseend", "End of the recording"), ("aneend", "End of anaesthesia"),
    )  # fmt: skip
    for name, label in times:
        told = "Seconds from the start of the recording."
        yield _named(name, Field(name, label, "number", "during", "outcome", "s", section="Operation", help=told))
    for name, label in (("tubesize", "Size of the tube"), ("lmasize", "Size of the laryngeal mask")):
        yield _named(name, Field(name, label, "number", "during", "outcome", section="Operation"))
    texts = (
        ("cormack", "View of the larynx"), ("airway", "Airway"), ("dltubesize", "Double-lumen tube"),
        ("iv1", "First venous line"), ("iv2", "Second venous line"), ("aline1", "First arterial line"),
        ("aline2", "Second arterial line"), ("cline1", "First central line"), ("cline2", "Second central line"),
    )  # fmt: skip
    for name, label in texts:
        yield _named(name, Field(name, label, "text", "during", "outcome", section="Operation"))
    yield from _given()


def _given() -> Iterator[Column]:
    """Losses, fluids and drugs of the operation."""
    amounts = (
        ("ebl", "Blood loss", "ml"), ("uo", "Urine", "ml"), ("rbc", "Red cells", "units"), ("ffp", "Plasma", "units"),
        ("crystalloid", "Crystalloid", "ml"), ("colloid", "Colloid", "ml"), ("ppf", "Propofol in single doses", "mg"),
        ("mdz", "Midazolam", "mg"), ("ftn", "Fentanyl", "µg"), ("rocu", "Rocuronium", "mg"), ("vecu", "Vecuronium", "mg"),
        ("eph", "Ephedrine", "mg"), ("phe", "Phenylephrine", "µg"), ("epi", "Adrenaline", "µg"), ("ca", "Calcium chloride", "mg"),
    )  # fmt: skip
    for name, label, unit in amounts:
        field = Field(f"intraop_{name}", label, "number", "during", "outcome", unit, low=0, section="Operation")
        yield _named(field.name, field)


def _after() -> Iterator[Column]:
    after = "After the operation"
    yield _made(
        Field("stay_days", "Days from the end of the operation to discharge", "number", "after", "outcome", "days", section=after,
              help="Discharge is recorded at midnight: the source keeps its day, not its hour."),
        "clinical_data.csv: (dis - opend) / 86400",
    )  # fmt: skip
    yield _named("icu_days", Field("icu_days", "Days in intensive care", "number", "after", "outcome", "days", 0, section=after))
    yield _named("death_inhosp", Field("died_in_hospital", "Died in hospital", "flag", "after", "outcome", section=after))


TIMES = ("adm", "dis")
"""Seconds from the start of the recording to admission and discharge; kept as ``nights_before`` and ``stay_days``."""

COLUMNS: tuple[Column, ...] = (
    *_person(),
    *_booking(),
    *_illness(),
    *_laboratory(),
    *_performed(),
    *_texts(),
    *_during(),
    *_after(),
)

CODEBOOK = Codebook(tuple(column.field for column in COLUMNS))


def _as_read(column: Column) -> Field:
    """A field as the file is checked against it: recoded text comes as text, a laboratory's value without its range."""
    if column.recode is not None:
        return replace(column.field, kind="category" if column.stored else "text", levels=_levels(*column.stored))
    return replace(column.field, low=None, high=None) if column.field.section == "Laboratory" else column.field


FILE_CODEBOOK = Codebook(
    (
        *(_as_read(column) for column in COLUMNS if column.header),
        *(Field(name, name, "number", "after", "outcome", "s") for name in TIMES),
    )
)
HEADERS: dict[str, str] = {column.field.name: column.header for column in COLUMNS if column.header} | {n: n for n in TIMES}

"""What every column read from kits23.json means, where it stands in a record, and when it becomes known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from core.contracts.codebook import Block, Codebook, Field, Known, Level
from core.imaging.anatomy import anatomy_fields

NOT_FOUND = "not_found_in_emr"
"""How the source writes that a chart does not say."""

REPORTED_TOP = 90.0
"""Laboratories report an eGFR of 90 or more as ">=90"."""


@dataclass(frozen=True)
class Column:
    """A column of the table and where it stands in a record.

    Args:
        field: what it means.
        path: keys from the record's top to the value; empty where the value is worked out from others.
        factor: the stored number times this is in the field's unit.
    """

    field: Field
    path: tuple[str, ...] = ()
    factor: float = 1.0


def _levels(**labels: str) -> tuple[Level, ...]:
    return tuple(Level(value, label) for value, label in labels.items())


def _named(path: tuple[str, ...], field: Field, factor: float = 1.0) -> Column:
    source = f"kits23.json: {'.'.join(path)}"
    return Column(replace(field, source=source, missing_codes=(NOT_FOUND,)), path, factor)


def _made(field: Field, source: str) -> Column:
    return Column(replace(field, source=source))


_DISEASES: tuple[tuple[str, str, str], ...] = (
    ("myocardial_infarction", "Myocardial infarction", ""),
    ("congestive_heart_failure", "Congestive heart failure", ""),
    ("peripheral_vascular_disease", "Peripheral vascular disease", ""),
    ("cerebrovascular_disease", "Cerebrovascular disease", ""),
    ("dementia", "Dementia", ""),
    ("copd", "Chronic obstructive lung disease", ""),
    ("connective_tissue_disease", "Connective tissue disease", ""),
    ("peptic_ulcer_disease", "Peptic ulcer disease", ""),
    ("uncomplicated_diabetes_mellitus", "Diabetes without organ damage", ""),
    ("diabetes_mellitus_with_end_organ_damage", "Diabetes with organ damage", ""),
    ("chronic_kidney_disease", "Chronic kidney disease", "Moderate to severe, as the chart says; see also eGFR."),
    ("hemiplegia_from_stroke", "Hemiplegia after stroke", ""),
    ("leukemia", "Leukaemia", ""),
    ("malignant_lymphoma", "Lymphoma", ""),
    ("localized_solid_tumor", "Localised solid tumour", "A tumour besides the one operated on, as far as the chart says."),
    ("metastatic_solid_tumor", "Metastatic solid tumour", "Metastases, of this tumour or of another one."),
    ("mild_liver_disease", "Mild liver disease", ""),
    ("moderate_to_severe_liver_disease", "Moderate to severe liver disease", ""),
    ("aids", "AIDS", ""),
)

CHARLSON_POINTS: dict[str, int] = {
    "myocardial_infarction": 1,
    "congestive_heart_failure": 1,
    "peripheral_vascular_disease": 1,
    "cerebrovascular_disease": 1,
    "dementia": 1,
    "copd": 1,
    "connective_tissue_disease": 1,
    "peptic_ulcer_disease": 1,
    "uncomplicated_diabetes_mellitus": 1,
    "diabetes_mellitus_with_end_organ_damage": 2,
    "chronic_kidney_disease": 2,
    "hemiplegia_from_stroke": 2,
    "leukemia": 2,
    "malignant_lymphoma": 2,
    "localized_solid_tumor": 2,
    "metastatic_solid_tumor": 6,
    "mild_liver_disease": 1,
    "moderate_to_severe_liver_disease": 3,
    "aids": 6,
}
"""Points of the index, age left out. Reference: Charlson 1987, 10.1016/0021-9681(87)90171-8."""

GRADED_PAIRS: tuple[tuple[str, str], ...] = (
    ("uncomplicated_diabetes_mellitus", "diabetes_mellitus_with_end_organ_damage"),
    ("mild_liver_disease", "moderate_to_severe_liver_disease"),
    ("localized_solid_tumor", "metastatic_solid_tumor"),
)
"""Two degrees of one disease: where the second is present the first does not count again."""


def _person() -> Iterator[Column]:
    yield _named(
        ("age_at_nephrectomy",),
        Field("age", "Age", "integer", "before", unit="years", low=0, high=120, section="Person", subgroup=True, bins=(65, 75),
              required=True, help="Age at the operation, in completed years."),
    )  # fmt: skip
    yield _named(
        ("gender",),
        Field("sex", "Sex", "category", "before", section="Person", subgroup=True,
              levels=_levels(female="Female", male="Male", transgender_male_to_female="Transgender, male to female"),
              help="As the chart records it; the source calls it gender."),
    )  # fmt: skip
    yield _named(
        ("bmi",),
        Field("bmi", "Body mass index", "number", "before", unit="kg/m2", low=8, high=120, section="Person", modifiable=True,
              subgroup=True, bins=(25, 30, 35), help="Weight in kilograms divided by height in metres, squared."),
    )  # fmt: skip


def _habits() -> Iterator[Column]:
    never, quit_lately = "Never, or not in the last 3 months", "Stopped in the last 3 months"
    yield _named(
        ("smoking_history",),
        Field("smoking", "Smoking", "category", "before", section="Habits", modifiable=True,
              levels=_levels(never_smoked="Never", previous_smoker="Former", current_smoker="Current")),
    )  # fmt: skip
    yield _named(
        ("pack_years",),
        Field("pack_years", "Pack-years", "number", "before", unit="pack-years", low=0, high=400, section="Habits",
              help="Packs smoked a day times years; 0 for those who never smoked."),
    )  # fmt: skip
    yield _named(
        ("alcohol_use",),
        Field("alcohol", "Alcohol", "category", "before", section="Habits", modifiable=True,
              levels=_levels(never_or_not_in_the_last_3_months=never, quit_in_last_3_months=quit_lately,
                             two_or_less_daily="Up to two drinks a day", more_than_two_daily="More than two drinks a day")),
    )  # fmt: skip
    yield _named(
        ("chewing_tobacco_use",),
        Field("chewing_tobacco", "Chewing tobacco", "category", "before", section="Habits", modifiable=True,
              levels=_levels(never_or_not_in_the_last_3_months=never, quit_in_last_3_months=quit_lately,
                             current_chewing_tobacco_user="Current")),
    )  # fmt: skip


def _diseases() -> Iterator[Column]:
    for name, label, text in _DISEASES:
        groups = name == "chronic_kidney_disease"
        flag = Field(name, label, "flag", "before", section="Other illnesses", subgroup=groups, help=text)
        yield _named(("comorbidities", name), flag)
    yield _made(
        Field("comorbidity_index", "Comorbidity index", "integer", "before", unit="points", low=0, high=40,
              section="Other illnesses", subgroup=True, bins=(1, 3),
              help="Charlson points without age; an illness that the chart does not mention counts as absent."),
        "worked out from the illnesses by the points of Charlson 1987, 10.1016/0021-9681(87)90171-8",
    )  # fmt: skip


def _tumour_and_kidney() -> Iterator[Column]:
    yield _named(
        ("radiographic_size",),
        Field("radiographic_size_mm", "Tumour size in the report", "number", "before", unit="mm", low=1, high=500,
              section="Tumour and kidney function", subgroup=True, bins=(40, 70),
              help="Largest diameter in the radiology report (the source gives centimetres)."),
        10.0,
    )  # fmt: skip
    yield from _filtration("last_preop_egfr", "days_before_nephrectomy", "egfr", "Last eGFR before the operation", "before")


def _filtration(part: str, day: str, name: str, label: str, known: Known) -> Iterator[Column]:
    """The three columns of one eGFR: value, whether it was reported as 90 or more, and its day."""
    block: Block = "record" if known == "before" else "outcome"
    section = "Tumour and kidney function" if known == "before" else "Kidney function after"
    apart = "from that eGFR to the operation" if known == "before" else "from the operation to that eGFR"
    value = Field(name, label, "number", known, block, unit="ml/min/1.73 m2", low=1, high=200, section=section,
                  help='Estimated filtration of the kidneys; "90 or more" stands as 90.')  # fmt: skip
    yield _named((part, "value"), value)
    yield _made(
        Field(f"{name}_reported_90_or_more", f"{label}, reported as 90 or more", "flag", known, block, section=section,
              help="The source writes such a result as a date without a value; a few of them were lower values lost."),
        f"kits23.json: {part}: a date without a value",
    )  # fmt: skip
    yield _named(
        (part, day),
        Field(f"{name}_days{'_before' if known == 'before' else ''}", f"Days {apart}", "integer", known, block,
              unit="days", low=0, high=20_000, section=section),
    )  # fmt: skip


def _procedure() -> Iterator[Column]:
    performed = "What was performed, used in place of what was planned."
    yield _named(
        ("surgery_type",),
        Field("surgery_type", "Access", "category", "during", "procedure", section="Operation", stands_in_for_plan=True,
              levels=_levels(open="Open", laparoscopic="Laparoscopic", robotic="Robotic", percutaneous="Percutaneous"),
              help=performed),
    )  # fmt: skip
    yield _named(
        ("surgical_approach",),
        Field("surgical_approach", "Approach", "category", "during", "procedure", section="Operation", stands_in_for_plan=True,
              levels=_levels(transperitoneal="Transperitoneal", retroperitoneal="Retroperitoneal",
                             trans_to_retro="Converted, transperitoneal to retroperitoneal"),
              help=f"{performed} A conversion was never planned."),
    )  # fmt: skip
    yield _named(
        ("surgical_procedure",),
        Field("surgical_procedure", "Procedure", "category", "during", "procedure", section="Operation",
              stands_in_for_plan=True, subgroup=True,
              levels=_levels(partial_nephrectomy="Partial nephrectomy", radical_nephrectomy="Radical nephrectomy",
                             nephroureterectomy="Nephroureterectomy", cryoablation="Cryoablation"),
              help=performed),
    )  # fmt: skip
    yield _named(
        ("cytoreductive",),
        Field("cytoreductive", "Cytoreductive operation", "flag", "during", "procedure", section="Operation",
              stands_in_for_plan=True, help="The kidney was removed in metastatic disease, to reduce its mass."),
    )  # fmt: skip


def _during() -> Iterator[Column]:
    numbers = (
        ("ischemia_time", "ischaemia_min", "Ischaemia time", "min", 600),
        ("estimated_blood_loss", "blood_loss_ml", "Estimated blood loss", "ml", 50_000),
        ("operative_time", "operative_min", "Operative time", "min", 3_000),
    )
    for key, name, label, unit, high in numbers:
        yield _named((key,), Field(name, label, "number", "during", "outcome", unit, low=0, high=high, section="Operation"))
    flags = (
        ("blood_transfusion", "Transfusion during the operation"),
        ("injury_to_surrounding_organ", "Injury to a neighbouring organ"),
        ("cardiac_event", "Cardiac event during the operation"),
    )
    for key, label in flags:
        yield _named(("intraoperative_complications", key), Field(key, label, "flag", "during", "outcome", section="Operation"))


def _after() -> Iterator[Column]:
    yield _named(
        ("hospitalization",),
        Field("hospital_days", "Days in hospital, as recorded", "integer", "after", "outcome", "days", 0, 1_000,
              section="After the operation", help="0 in some records of patients who went home alive; kept as it is."),
    )  # fmt: skip
    yield _made(
        Field("died_in_hospital", "Died before discharge", "flag", "after", "outcome", section="After the operation"),
        "worked out from stay, vital status and Clavien-Dindo grade",
    )
    grades = {g: f"Grade {g}" for g in ("1", "2", "3", "3a", "3b", "4", "4a", "4b", "5")}
    yield _named(
        ("clavien_surgical_complications",),
        Field("clavien_grade", "Clavien-Dindo grade", "category", "after", "outcome", section="After the operation",
              levels=_levels(**{"0": "None", **grades})),
    )  # fmt: skip
    flags = (("er_visit", "er_visit", "Emergency visit"), ("readmission", "readmitted", "Readmission"))
    for key, name, label in flags:
        yield _named((key,), Field(name, label, "flag", "after", "outcome", section="After the operation"))
    yield _named(
        ("vital_status",),
        Field("vital_status", "Vital status", "category", "after", "outcome", section="Follow-up",
              levels=_levels(censored="Alive when last seen", dead="Died")),
    )  # fmt: skip
    yield _named(
        ("vital_days_after_surgery",),
        Field("vital_days", "Days to death or last visit", "integer", "after", "outcome", "days", 0, 40_000,
              section="Follow-up"),
    )  # fmt: skip
    yield from _filtration("first_postop_egfr", "days_after_nephrectomy", "first_egfr_after", "First eGFR after", "after")
    yield from _filtration("last_postop_egfr", "days_after_nephrectomy", "last_egfr_after", "Last eGFR after", "after")


def _pathology() -> Iterator[Column]:
    def of(name: str, label: str, kind: str, **more: object) -> Field:
        return Field(name, label, kind, "after", "outcome", section="Pathology", **more)  # type: ignore[arg-type]

    size = of("pathologic_size_mm", "Tumour size in the specimen", "number", unit="mm", low=1, high=500)
    yield _named(("pathologic_size",), size, 10.0)
    flags = (
        ("positive_resection_margins", "positive_margin", "Tumour at the margin"),
        ("malignant", "malignant", "Malignant"),
        ("tumor_necrosis", "tumour_necrosis", "Necrosis"),
        ("sarcomatoid_features", "sarcomatoid_features", "Sarcomatoid features"),
        ("rhabdoid_features", "rhabdoid_features", "Rhabdoid features"),
    )
    for key, name, label in flags:
        yield _named((key,), of(name, label, "flag"))
    # Stages and subtypes are kept as text: they define no outcome here, and a new spelling must not stop a study.
    texts = (
        ("tumor_histologic_subtype", "histology", "Histological subtype"),
        ("pathology_t_stage", "pathology_t_stage", "T stage"),
        ("pathology_n_stage", "pathology_n_stage", "N stage"),
        ("pathology_m_stage", "pathology_m_stage", "M stage"),
        ("tumor_isup_grade", "isup_grade", "ISUP grade"),
        ("aua_risk_score", "aua_risk", "AUA risk group"),
    )
    for key, name, label in texts:
        yield _named((key,), of(name, label, "text"))


COLUMNS: tuple[Column, ...] = (
    *_person(),
    *_diseases(),
    *_habits(),
    *_tumour_and_kidney(),
    *_procedure(),
    *_during(),
    *_after(),
    *_pathology(),
)

CODEBOOK = Codebook(tuple(column.field for column in COLUMNS) + anatomy_fields(organ="kidney"))

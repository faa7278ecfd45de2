"""Is this record like those the model learned from? Asked before any number is computed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from core.bundles.contents import FieldSummary, TrainingSummary
from core.bundles.records import stored_text
from core.contracts.codebook import Codebook, Field
from core.errors import did_you_mean

TOLERANCE = 0.01
"""A value may lie outside the training range (0.1 to 99.9 %) by this share of the range; the codebook's range has none."""

FEW = 10
"""A level that fewer training patients had is told as a caution."""

ORDER = ("MISSING", "UNIT_SUSPECT", "CATEGORY", "RANGE")
"""Which finding names the abstention where there are several."""

FACTORS: dict[str, tuple[float, ...]] = {
    "mg/dl": (88.4, 10, 100, 17.1, 18.02, 38.67),
    "umol/l": (88.4, 10, 17.1),
    "mmol/l": (18.02, 38.67, 10),
    "kg": (2.2046, 1000),
    "cm": (100, 2.54, 10),
    "m": (100, 39.37, 1000),
    "mm": (10, 25.4, 1000),
}
OTHER_FACTORS = (10.0, 100.0, 1000.0, 88.4)
"""By which a value may be off when it was written in another unit than the field's."""

FAR = 1.5
"""A value beyond the range by less than this factor is taken for an unusual one, not for one in another unit."""

NO_OTHER_UNIT = frozenset({"", "year", "years", "day", "days", "points", "kg/m2"})


@dataclass(frozen=True)
class Finding:
    """One reason against a number: its code, the field, and a sentence for the clinician."""

    code: str
    field: str
    sentence: str


@dataclass(frozen=True)
class ScopeReport:
    """A record, checked.

    Args:
        record: the values that the model may read; missing ones left out.
        findings: reasons against a number, the first one names the abstention; empty where the record is in scope.
        missing, rare, unused: labels of fields left empty, of values that few had, and names the model does not know.
    """

    record: dict[str, float | str]
    findings: tuple[Finding, ...]
    missing: tuple[str, ...]
    rare: tuple[str, ...]
    unused: tuple[str, ...]


def check_scope(record: Mapping[str, object], codebook: Codebook, summary: TrainingSummary) -> ScopeReport:
    """What speaks against a number for this record, and the values that the model may read."""
    known = {field.name: field for field in summary.fields}
    clean: dict[str, float | str] = {}
    findings: list[Finding] = []
    missing: list[str] = []
    rare: list[str] = []
    for field in codebook.fields:
        value, seen = record.get(field.name), known[field.name]
        if is_missing(field, value):
            missing.append(field.label)
            findings += _missing(field, seen)
            continue
        read = _read(field, value)
        found = list(_value_findings(field, seen, value, read))
        findings += found
        if read is not None and not found:
            clean[field.name] = read
            rare += [field.label] if _is_rare(seen, read) else []
    findings += _too_many_missing(missing, summary)
    findings.sort(key=lambda finding: ORDER.index(finding.code))
    unused = tuple(str(name)[:60] for name in record if name not in codebook)
    return ScopeReport(clean, tuple(findings), tuple(missing), tuple(rare), unused)


def is_missing(field: Field, value: object) -> bool:
    """Whether a value means "not given": nothing, blank, NaN, or one of the field's missing codes."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return True
    text = stored_text(value).strip()
    return not text or text in field.missing_codes


def _missing(field: Field, seen: FieldSummary) -> Iterator[Finding]:
    if field.required or seen.missing == 0:
        yield Finding("MISSING", field.name, f"{field.label} is needed and was not given.")


def _too_many_missing(missing: list[str], summary: TrainingSummary) -> Iterator[Finding]:
    if len(missing) > summary.most_missing > 0:
        yield Finding(
            "MISSING",
            "",
            f"{len(missing)} fields were not given; no patient the model learned from lacked more than {summary.most_missing}.",
        )


def _read(field: Field, value: object) -> float | str | None:
    """The value as the model reads it; None where it is not of the field's kind."""
    if field.kind == "category":
        return stored_text(value).strip()
    try:
        number = float(str(value)) if isinstance(value, str) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    whole = field.kind == "number" or number.is_integer()
    return number if math.isfinite(number) and whole else None


def _value_findings(field: Field, seen: FieldSummary, value: object, read: float | str | None) -> Iterator[Finding]:
    if read is None:
        expected = {"number": "a number", "integer": "a whole number", "flag": "0 or 1"}[field.kind]
        yield Finding("RANGE", field.name, f"{field.label} was given {str(value)[:40]!r}; expected {expected}.")
    elif isinstance(read, str):
        yield from _level_findings(field, seen, read)
    elif field.kind == "flag":
        yield from _flag_findings(field, seen, read)
    else:
        yield from _number_findings(field, seen, read)


def _level_findings(field: Field, seen: FieldSummary, level: str) -> Iterator[Finding]:
    if level not in field.values:
        near = did_you_mean(level, field.values)
        yield Finding("CATEGORY", field.name, f"{field.label} was given {level[:40]!r}, which the codebook does not list. {near}")
    elif level not in seen.levels:
        label = field.label_of(level)
        yield Finding("RANGE", field.name, f"{field.label} is {label!r}, which no patient had that the model learned from.")


def _flag_findings(field: Field, seen: FieldSummary, flag: float) -> Iterator[Finding]:
    if flag not in (0.0, 1.0):
        yield Finding("RANGE", field.name, f"{field.label} was given {flag:g}; expected 0 or 1.")
    elif str(int(flag)) not in seen.levels:
        answer = "yes" if flag else "no"
        yield Finding("RANGE", field.name, f"{field.label} is {answer}, which no patient had that the model learned from.")


def _number_findings(field: Field, seen: FieldSummary, value: float) -> Iterator[Finding]:
    low, high = value_range(field, seen)
    if low <= value <= high:
        return
    unit = f" {field.unit}" if field.unit else ""
    outside = f"{field.label} {value:g}{unit} is outside {low:.4g} to {high:.4g}{unit}, the range this model may be asked about"
    hint = unit_hint(field, seen, value)
    yield Finding("UNIT_SUSPECT", field.name, f"{outside}; {hint}") if hint else Finding("RANGE", field.name, f"{outside}.")


def value_range(field: Field, seen: FieldSummary) -> tuple[float, float]:
    """Both ends of what a number may be: the training range with its tolerance, inside the codebook's range."""
    low = field.low if field.low is not None else -math.inf
    high = field.high if field.high is not None else math.inf
    if seen.low is None or seen.high is None:
        return low, high
    slack = TOLERANCE * (seen.high - seen.low)
    return max(low, seen.low - slack), min(high, seen.high + slack)


def unit_hint(field: Field, seen: FieldSummary, value: float) -> str:
    """A question about the unit, where the value would be in range in another one; empty otherwise."""
    unit = field.unit.strip().casefold().replace("µ", "u").replace("μ", "u").replace("²", "2")
    low, high = value_range(field, seen)
    near = low / FAR < value < high * FAR
    if unit in NO_OTHER_UNIT or not math.isfinite(high - low) or near:
        return ""
    for factor in FACTORS.get(unit, OTHER_FACTORS):
        for name, converted in ((f"divided by {factor:g}", value / factor), (f"times {factor:g}", value * factor)):
            if low <= converted <= high:
                return f"{name} it would be {converted:.4g} {field.unit}: was it written in another unit?"
    return ""


def _is_rare(seen: FieldSummary, value: float | str) -> bool:
    if not seen.levels:
        return False
    count = seen.levels[value if isinstance(value, str) else str(int(value))]
    return count is None or count < FEW

"""A first codebook for a table: kinds, units, ranges and missing codes are guessed; what a person must say stays empty."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.ingest.cells import Cells, parse_cells
from core.ingest.tables import read_bytes
from core.ingest.values import as_flag, is_number

_MISSING_WORDS = frozenset(
    {"na", "n/a", "nan", "null", "none", "nil", "-", "--", "?", ".", "missing", "unknown", "not known", "not recorded", "nd"}
)
_SENTINELS = frozenset({-1.0, -9.0, -99.0, -999.0, -9999.0, 99.0, 999.0, 9999.0})
_MOST_LEVELS = 12
_MOST_CODED_LEVELS = 8
_MOST_NON_NUMBERS = 0.2
_CODED = re.compile(r"(^|_)(sex|gender|race|ethnicity|site|hospital|centre|center|type|stage|grade|class|asa|group|side)(_|$)")
_IDENTIFIER = re.compile(r"(^|_)(id|ids|mrn|case|patient|subject|pseudonym|record|key|nr|no)(_|$)|id$")
_PATIENT = re.compile(r"(^|_)(patient|subject|mrn|person|pat)")
_SITE = re.compile(r"(^|_)(site|hospital|centre|center|institution|clinic)(_|$)")
_AFTERWARDS = re.compile(
    r"complication|clavien|death|died|mortality|readmi|reoperat|leak|infection|discharge|los|length_of_stay|stay|postop|post_op"
    r"|patholog|margin|blood_loss|ebl|op_time|operative_time|duration|transfus|recurren|surviv|icu|outcome"
)


@dataclass(frozen=True)
class Known:
    """What is commonly true of a column of that name: pattern of the name, unit, and the range that is believed."""

    pattern: str
    unit: str
    low: float | None = None
    high: float | None = None


_KNOWN = (
    # The first that fits counts: "egfr_days_after" is a time, not a filtration rate.
    Known(r"(^|_)days(_|$)|(^|_)los(_|$)|length_of_stay", "days", 0),
    Known(r"pack_?years", "pack-years", 0, 250),
    Known(r"(^|_)months(_|$)", "months", 0),
    Known(r"(^|_)years(_|$)", "years", 0),
    Known(r"(^|_)hours(_|$)", "hours", 0),
    Known(r"(^|_)age(_|$)", "years", 0, 120),
    Known(r"(^|_)bmi(_|$)|body_mass", "kg/m2", 10, 80),
    Known(r"height.*_m$", "m", 0.4, 2.5),
    Known(r"height|stature", "cm", 40, 250),
    Known(r"weight", "kg", 2, 350),
    Known(r"creatinine.*umol|creat.*umol", "umol/L", 10, 2000),
    Known(r"creatinine|(^|_)creat(_|$)", "mg/dL", 0.1, 25),
    Known(r"egfr|(^|_)gfr", "mL/min/1.73 m2", 1, 200),
    Known(r"ha?emoglobin|(^|_)hb(_|$)|(^|_)hgb", "g/dL", 2, 25),
    Known(r"albumin", "g/dL", 0.5, 7),
    Known(r"bilirubin", "mg/dL", 0, 60),
    Known(r"platelet|(^|_)plt(_|$)", "10^9/L", 1, 2000),
    Known(r"hba1c", "%", 3, 20),
    Known(r"glucose", "mg/dL", 10, 1500),
    Known(r"sodium|(^|_)na_", "mmol/L", 90, 190),
    Known(r"potassium", "mmol/L", 1, 10),
    Known(r"(^|_)inr(_|$)", "", 0.5, 20),
    Known(r"(systolic|(^|_)sbp)", "mmHg", 40, 300),
    Known(r"(diastolic|(^|_)dbp)", "mmHg", 20, 200),
    Known(r"heart_rate|pulse", "beats/min", 20, 300),
    Known(r"spo2|saturation", "%", 30, 100),
    Known(r"_mm$", "mm", 0),
    Known(r"_cm$|diameter|tumou?r_size", "cm", 0),
    Known(r"_ml$|blood_loss|(^|_)ebl", "mL", 0),
    Known(r"_hu$", "HU"),
    Known(r"_min(utes)?$|operative_time|op_time|ischa?emia", "min", 0),
    Known(r"_pct$|_percent$", "%", 0, 100),
)


@dataclass(frozen=True)
class Guess:
    """What the cells of one column suggest.

    Args:
        lines: YAML lines of the field, without its name; remarks: sentences for comments.
    """

    name: str
    kind: str
    lines: tuple[str, ...]
    remarks: tuple[str, ...] = ()


def draft_codebook(path: Path) -> str:
    """YAML text of a codebook for a CSV or Parquet file; ``known`` stays empty for a person to fill.

    Raises:
        Refused: the table cannot be read.
    """
    cells = parse_cells(read_bytes(path, "TAB_MISSING"), Path(path).name)
    guesses = [guess_column(cells, column) for column in cells.columns]
    named = [guess for guess in guesses if guess.kind == "identifier"]
    lines = [*_head(cells, guesses, named), "fields:"]
    for guess in guesses:
        if guess not in named:
            lines += _field_lines(guess)
    return "\n".join([*lines, "", *_outcome_lines(guesses)]) + "\n"


def guess_column(cells: Cells, column: str) -> Guess:
    """What the cells of one column suggest."""
    texts = [text.strip() for text in cells.column(column)]
    codes = sorted({text for text in texts if text.casefold() in _MISSING_WORDS})
    values = [text for text in texts if text and text not in codes]
    kind = _kind(column, values, len(texts))
    if kind in ("number", "integer"):
        return _guess_number(column, kind, values, codes)
    lines = [f"kind: {kind}"]
    if kind == "category":
        counts = Counter(values)
        lines.append(f"levels: [{', '.join(_quoted(value) for value in sorted(counts, key=_natural))}]")
    if kind == "date":
        return Guess(column, kind, tuple(lines + _code_lines(codes)), ("Dates cannot predict; a duration in days can.",))
    remarks = _same_levels(values) if kind == "category" else ()
    if len(set(values)) == 1 and len(values) > 1:
        remarks += ("Every cell that is filled holds the same value; such a column tells nothing.",)
    return Guess(column, kind, tuple(lines + _code_lines(codes)), remarks)


def _kind(column: str, values: Sequence[str], rows: int) -> str:
    name, distinct = _slug(column), set(values)
    numbers = [value for value in values if is_number(value)]
    if not values:
        return "text"
    if distinct <= {"0", "1"} or all(as_flag(value) is not None for value in distinct):
        return "flag"
    if all(value.lower().endswith((".nii", ".nii.gz")) for value in distinct):
        return "path"
    if all(re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value) for value in distinct):
        return "date"
    if _IDENTIFIER.search(name) and (len(distinct) == rows or _PATIENT.search(name)):
        return "identifier"
    mixed_levels = 0 < len(numbers) < len(values) and len(distinct) <= _MOST_LEVELS < len(values)
    if mixed_levels and not any(value[0] in "<>" for value in distinct):
        return "category"  # a scale such as 1, 2, 3a, 3b
    if len(numbers) >= (1 - _MOST_NON_NUMBERS) * len(values):
        return _kind_of_numbers(name, numbers, values)
    if len(distinct) == rows and rows > _MOST_LEVELS:
        return "identifier"
    return "category" if len(distinct) <= _MOST_LEVELS and len(distinct) < rows else "text"


def _kind_of_numbers(name: str, numbers: Sequence[str], values: Sequence[str]) -> str:
    whole = all(float(value).is_integer() for value in numbers)
    if whole and _CODED.search(name) and len(set(values)) <= _MOST_CODED_LEVELS:
        return "category"
    return "integer" if whole else "number"


def _guess_number(column: str, kind: str, values: Sequence[str], codes: Sequence[str]) -> Guess:
    odd = sorted({value for value in values if not is_number(value)})
    numbers = [float(value) for value in values if is_number(value)]
    sentinels = _sentinels(numbers)
    kept = [number for number in numbers if number not in sentinels]
    known = next((entry for entry in _KNOWN if re.search(entry.pattern, _slug(column))), Known("", ""))
    low = known.low if known.low is not None else _padded(min(kept), -1)
    high = known.high if known.high is not None else _padded(max(kept), +1)
    lines = [f"kind: {kind}"] + ([f"unit: {_quoted(known.unit)}"] if known.unit else [])
    lines.append(f"range: [{low:g}, {high:g}]")
    return Guess(
        column, kind, tuple(lines + _code_lines([*codes, *map(_plain_number, sentinels)])), _remarks(kept, odd, low, high)
    )


def _remarks(kept: Sequence[float], odd: Sequence[str], low: float, high: float) -> tuple[str, ...]:
    outside = [number for number in kept if not low <= number <= high]
    remarks = [f"Seen: {min(kept):g} to {max(kept):g}; check unit and range."]
    if outside:
        remarks.append(f"{len(outside)} cells lie outside this range (the first: {outside[0]:g}); a load will refuse them.")
    if odd:
        shown = ", ".join(_quoted(value) for value in odd[:5])
        remarks.append(f"Not numbers, and a load will refuse them: {shown}; correct them or list them under missing_codes.")
    return tuple(remarks)


def _sentinels(numbers: Sequence[float]) -> list[float]:
    """Values such as -9 and 999 that stand far from all others."""
    usual = [number for number in numbers if number not in _SENTINELS]
    if not usual:
        return []
    low, high = min(usual), max(usual)
    found = {number for number in numbers if number in _SENTINELS}
    return sorted(number for number in found if (number < 0 <= low) or number > 3 * max(high, 1))


def _padded(value: float, side: int) -> float:
    """The next round number beyond ``value``, so that a new patient just outside is not refused; 0 stays 0."""
    if value == 0:
        return 0.0
    step = 10.0 ** math.floor(math.log10(abs(value)))
    padded = value + side * step / 2
    if side < 0 <= value:
        return max(0.0, math.floor(padded / step) * step)
    return (math.floor if side < 0 else math.ceil)(padded / step) * step


def _same_levels(values: Sequence[str]) -> tuple[str, ...]:
    folded: dict[str, list[str]] = {}
    for value in sorted(set(values)):
        folded.setdefault(value.casefold(), []).append(value)
    same = [names for names in folded.values() if len(names) > 1]
    return tuple(f"{' and '.join(names)} may be the same level; keep one of them." for names in same)


def _head(cells: Cells, guesses: Sequence[Guess], named: Sequence[Guess]) -> list[str]:
    case, patient = _case_and_patient(cells, named)
    sites = [guess.name for guess in guesses if guess.kind == "category" and _SITE.search(_slug(guess.name))]
    others = [guess.name for guess in named if guess.name not in (case, patient)]
    lines = [
        f"# Codebook of {cells.name} ({len(cells.rows)} rows), drafted from its cells. Before it can be used:",
        "#   1. say behind every 'known:' when the value becomes known: before, during or after the operation;",
        "#   2. check kinds, units, ranges and missing codes;",
        "#   3. define at least one outcome at the end.",
        f"title: {_quoted(cells.name)}",
        f"case_id: {_quoted(case)}" if case else "case_id:  # no column holds one value a row: name or add one",
        f"patient_id: {_quoted(patient)}" if patient else "# patient_id: COLUMN  # where one patient may stand in several rows",
        f"site: {_quoted(sites[0])}" if sites else "# site: COLUMN  # where the patients come from several hospitals",
        "licence:  # terms under which these data may be used",
        "citation:  # where they come from",
        "min_cell: 10  # persons that a published group must hold",
    ]
    return lines + [f"# {name} also names things and is not described; it is not read." for name in others]


def _case_and_patient(cells: Cells, named: Sequence[Guess]) -> tuple[str, str]:
    unique = [guess.name for guess in named if len(set(cells.column(guess.name))) == len(cells.rows)]
    repeated = [guess.name for guess in named if guess.name not in unique and _PATIENT.search(_slug(guess.name))]
    return (unique[0] if unique else ""), (repeated[0] if repeated else "")


def _field_lines(guess: Guess) -> list[str]:
    label = re.sub(r"[_\s]+", " ", guess.name).strip()
    name = field_name(guess.name)
    hint = (
        "  # its name suggests that this is known only during or after the operation"
        if _AFTERWARDS.search(_slug(guess.name))
        else ""
    )
    return [
        f"  {name}:",
        *([] if name == guess.name else [f"    column: {_quoted(guess.name)}"]),
        *(f"    # {remark}" for remark in guess.remarks),
        f"    label: {_quoted(label[:1].upper() + label[1:])}",
        *(f"    {line}" for line in guess.lines),
        f"    known:{hint}",
    ]


def field_name(column: str) -> str:
    """A name of letters, digits and underscores for a column."""
    name = re.sub(r"[^A-Za-z0-9_]+", "_", column).strip("_")
    return name if name[:1].isalpha() else f"column_{name}".rstrip("_")


def _outcome_lines(guesses: Sequence[Guess]) -> list[str]:
    flags = [guess.name for guess in guesses if guess.kind == "flag" and _AFTERWARDS.search(_slug(guess.name))]
    days = [guess.name for guess in guesses if guess.kind in ("integer", "number") and "days" in " ".join(guess.lines)]
    return [
        "outcomes:  # define at least one; remove the marks of comment from an example",
        "#  complication:",
        f"#    column: {field_name(flags[0]) if flags else 'FIELD'}",
        "#    event: [1]  # the cells that mean the event; leave out for a flag",
        "#    definition: One sentence that says exactly what counts.",
        "#    desirable: false  # is the event good for the patient?",
        "#  recovery:",
        "#    kind: time_to_event",
        f"#    days: {field_name(days[0]) if days else 'FIELD'}",
        "#    score_days: [1, 2, 3, 5, 7, 14]",
        "#    definition: One sentence that says from when to when the days are counted.",
        "#    desirable: true",
    ]


def _code_lines(codes: Sequence[str]) -> list[str]:
    return [f"missing_codes: [{', '.join(_quoted(code) for code in codes)}]"] if codes else []


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.casefold()).strip("_")


def _natural(text: str) -> tuple[float, str]:
    return (float(text), "") if is_number(text) else (math.inf, text)


def _plain_number(value: float) -> str:
    return str(int(value)) if value.is_integer() else str(value)


def _quoted(text: str) -> str:
    """A text as YAML reads it back, whatever it holds (JSON strings are YAML)."""
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_ /.]*", text) and text.casefold() not in ("true", "false", "null", "yes", "no")
    return text if plain and text == text.strip() else json.dumps(text, ensure_ascii=True)

"""One cell: from text to the value that the codebook promises, or what is wrong with it."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from core.contracts.codebook import Field
from core.errors import did_you_mean

MISSING = float("nan")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")
_TRUE = frozenset({"1", "1.0", "true", "yes"})
_FALSE = frozenset({"0", "0.0", "false", "no"})


@dataclass(frozen=True)
class Problem:
    """What is wrong with one value.

    Args:
        field: the column; code: short identifier (``TAB_RANGE``).
        sentence: what was given and what was expected; do: what to do about it.
    """

    field: str
    code: str
    sentence: str
    do: str


Cleaned = float | str | Problem


def clean_value(text: str, field: Field) -> Cleaned:
    """The value behind a cell's text: a float, a text, ``MISSING``, or the problem with it.

    A number, integer or flag comes as a float; a category as its stored value; identifiers, dates, paths and texts as text.
    """
    if field.kind == "identifier":
        return text.strip() or MISSING
    if not text.strip() or is_missing_code(text, field):
        return MISSING
    return _CLEANERS[field.kind](text, field)


def is_missing_code(text: str, field: Field) -> bool:
    """Whether the codebook says that this text means missing ("-9" also matches "-9.0")."""
    given = text.strip()
    if given in field.missing_codes:
        return True
    return _NUMBER.fullmatch(given) is not None and any(
        _NUMBER.fullmatch(code) and float(code) == float(given) for code in field.missing_codes
    )


def is_number(text: str) -> bool:
    """Whether a text is a plain decimal number with a point."""
    return _NUMBER.fullmatch(text.strip()) is not None


def as_flag(text: str) -> float | None:
    """1.0 or 0.0 for 1, true, yes, 0, false, no in any case; None for anything else."""
    given = text.strip().casefold()
    if given in _TRUE:
        return 1.0
    return 0.0 if given in _FALSE else None


def expected(field: Field) -> str:
    """What the codebook expects of a value, in words."""
    if field.kind == "category":
        return f"one of {', '.join(field.values)}"
    if field.kind == "flag":
        return "0 or 1 (true, false, yes and no are read as well)"
    what = {"integer": "a whole number", "number": "a number"}.get(field.kind, f"a {field.kind}")
    unit = f" {field.unit}" if field.unit else ""
    if field.low is None and field.high is None:
        return f"{what}{f' in{unit}' if unit else ''}"
    if field.high is None:
        return f"{what} of at least {field.low:g}{unit}"
    if field.low is None:
        return f"{what} of at most {field.high:g}{unit}"
    return f"{what} from {field.low:g} to {field.high:g}{unit}"


def _number(text: str, field: Field) -> Cleaned:
    given = text.strip()
    if not _NUMBER.fullmatch(given):
        return _problem(field, "TAB_NUMBER", given, _mend_number(given))
    value = float(given)
    if field.kind == "integer" and not value.is_integer():
        return _problem(field, "TAB_NUMBER", given, "Round it at its source, or describe the column as a number.")
    below = field.low is not None and value < field.low
    above = field.high is not None and value > field.high
    if not math.isfinite(value) or below or above:
        return _problem(
            field, "TAB_RANGE", given, "Correct the value or its unit, or widen the range in the codebook if it is real."
        )
    return value


def _mend_number(given: str) -> str:
    if re.fullmatch(r"[+-]?[0-9]+,[0-9]+", given):
        return "Write decimals with a point and no separator of thousands."
    if given[:1] in "<>≤≥":
        return "Decide on a number, or list this value under missing_codes."
    return "Write a number, leave the cell empty, or list this value under missing_codes."


def _flag(text: str, field: Field) -> Cleaned:
    value = as_flag(text)
    return _problem(field, "TAB_CATEGORY", text, "Write 0 or 1, or leave the cell empty.") if value is None else value


def _category(text: str, field: Field) -> Cleaned:
    if text in field.values:
        return text
    near = [value for value in field.values if value.strip().casefold() == text.strip().casefold()]
    if len(near) == 1:
        return near[0]
    return _problem(
        field, "TAB_CATEGORY", text, f"{did_you_mean(text, field.values)} A new value belongs into the codebook's levels."
    )


def _date(text: str, field: Field) -> Cleaned:
    try:
        return datetime.date.fromisoformat(text.strip()).isoformat()
    except ValueError:
        return _problem(field, "TAB_DATE", text, "Write dates as year-month-day (2024-03-28).")


def _text(text: str, field: Field) -> Cleaned:
    return text


def _problem(field: Field, code: str, given: str, do: str) -> Problem:
    shown = given if len(given) <= 40 else given[:37] + "..."
    return Problem(field.name, code, f"given {shown!r}; expected {expected(field)}", do)


_CLEANERS: dict[str, Callable[[str, Field], Cleaned]] = {
    "number": _number,
    "integer": _number,
    "flag": _flag,
    "category": _category,
    "date": _date,
    "text": _text,
    "path": _text,
}

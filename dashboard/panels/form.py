"""A form built from a codebook: fields under their sections, each with its unit and range."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import streamlit as st

from core.contracts.codebook import Field
from dashboard.widgets import state

Record = dict[str, object]
FIELD_PX = 145
"""Width of a field: two stand side by side at 1280, one on a tablet, three or more at 1920."""


def draw_form(fields: Sequence[Field], scope: str, on_edit: Callable[[], None]) -> Record:
    """What the reader filled in, by field name; fields left open are left out.

    Args:
        scope: the data set: another one is another form.
        on_edit: called before anything is drawn again when a field was changed.
    """
    record: Record = {}
    for section, members in sections(fields).items():
        st.markdown(f"**{section}**")
        with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
            for field in members:
                with st.container(width=FIELD_PX, gap="xxsmall"):
                    value = _widget(field, key_of(scope, field), on_edit)
                if value is not None:
                    record[field.name] = value
    return record


def sections(fields: Iterable[Field]) -> dict[str, list[Field]]:
    """Fields under their headings, in the codebook's order."""
    grouped: dict[str, list[Field]] = {}
    for field in fields:
        grouped.setdefault(field.section or "Record", []).append(field)
    return grouped


def key_of(scope: str, field: Field) -> str:
    """Session key of a field's widget."""
    return f"{state.RECORD_PREFIX}{scope}:{field.name}"


def fill(fields: Iterable[Field], scope: str, record: Mapping[str, object]) -> None:
    """Puts a record into the form; fields that it leaves out become empty. Call it before the form is drawn."""
    for field in fields:
        st.session_state[key_of(scope, field)] = _as_widget_value(field, record.get(field.name))


def caption_of(field: Field) -> str:
    """Label, unit, and a star where a number needs it."""
    unit = f" ({field.unit})" if field.unit else ""
    return f"{field.label}{' *' if field.required else ''}{unit}"


def range_of(field: Field) -> str:
    """ "18 to 95", or nothing where the codebook gives no range."""
    if field.low is None or field.high is None:
        return ""
    return f"{field.low:g} to {field.high:g}"


def out_of_range(field: Field, value: object) -> bool:
    """Whether a number lies outside the range in which the codebook believes it."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    return bool((field.low is not None and value < field.low) or (field.high is not None and value > field.high))


def _widget(field: Field, key: str, on_edit: Callable[[], None]) -> object:
    st.session_state.setdefault(key, None)
    common: dict[str, Any] = {"key": key, "help": _help(field), "on_change": on_edit}
    if field.kind == "category":
        chosen = st.selectbox(
            caption_of(field), list(field.values), format_func=field.label_of, placeholder="Not known", **common
        )
        return chosen
    if field.kind == "flag":
        return _flag(field, common)
    return _number(field, common)


def _flag(field: Field, common: dict[str, Any]) -> int | None:
    chosen = st.segmented_control(caption_of(field), [0, 1], format_func=("No", "Yes").__getitem__, **common)
    return None if chosen is None else int(chosen)


def _number(field: Field, common: dict[str, Any]) -> float | int | None:
    """A number field without hard limits: a value outside the range is told, never silently put back."""
    whole = field.kind == "integer"
    value = st.number_input(
        caption_of(field),
        step=1 if whole else _step(field),
        format="%d" if whole else "%g",
        placeholder=range_of(field) or "Not known",
        **common,
    )
    if out_of_range(field, value):
        st.caption(f":orange[Outside {range_of(field)}{' ' + field.unit if field.unit else ''}: please check.]")
    return value if value is None or not whole else int(value)


def _step(field: Field) -> float:
    width = (field.high or 100.0) - (field.low or 0.0)
    return 1.0 if width >= 40 else 0.1 if width >= 2 else 0.01


def _help(field: Field) -> str | None:
    parts = (field.help, f"Believed from {range_of(field)}{' ' + field.unit if field.unit else ''}." if range_of(field) else "")
    return " ".join(part for part in parts if part) or None


def _as_widget_value(field: Field, value: object) -> object:
    if value is None:
        return None
    if field.kind == "category":
        return str(value) if str(value) in field.values else None
    if field.kind in ("flag", "integer"):
        return int(float(str(value)))
    return float(str(value))

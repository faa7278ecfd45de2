"""Counseling: what may this patient expect, as far as a model may say it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from core.contracts.codebook import Field
from core.contracts.statement import Statement
from core.errors import OpSightError
from dashboard.panels import form
from dashboard.panels.statement import draw_statements
from dashboard.widgets import badges, choosers, folds, state, store, trouble
from dashboard.widgets.pages import PageSpec
from dashboard.widgets.sidebar import chosen_study

if TYPE_CHECKING:
    from core.serving.predictor import BundleFacts, BundlePredictor

MOST_OUTCOMES = 5
"""Outcomes shown at first: less can be more."""

READING = (
    "**Counts of 100** speak of people like this patient: the same number told both ways, with and without the event.",
    "**The range** shows how firm the model is; it is not the patient's fate.",
    "**A number of the whole group** stands where the model cannot tell this patient apart, and **no number** where it must not "
    "speak.",
)


@dataclass(frozen=True)
class Opened:
    """A bundle that was opened: its facts and its predictor."""

    facts: BundleFacts
    predictor: BundlePredictor


def render() -> None:
    """The page."""
    st.title("Counseling", anchor=False)
    st.markdown("What may this patient expect? Fill in the record; nothing is stored, and nothing leaves this machine.")
    found = store.bundles()
    bundles = [facts for facts in found if not facts.problem]
    folds.remarks(
        "Models that cannot be used",
        (f"{facts.name}, version {facts.version}: {facts.problem}" for facts in found if facts.problem),
    )
    if not bundles:
        badges.row((badges.RESEARCH_USE,))
        _empty()
        return
    marks = st.empty()
    chosen = _choose(bundles)
    simulated = any(facts.simulated for facts in chosen)
    with marks.container():
        badges.row((badges.RESEARCH_USE, *((badges.SIMULATED,) if simulated else ())))
    opened = [bundle for bundle in map(_open, chosen) if bundle is not None]
    if opened:
        _form_and_result(opened, str(opened[0].facts.dataset), simulated)
    folds.how_to_read(READING)


def _empty() -> None:
    folds.nothing_yet(
        "There is no model to ask yet.",
        "This command makes a simulated study and the models that go with it; a real study gives one with the second command:",
        "make demo\npython -m core model build STUDY --outcome NAME",
    )


def _choose(bundles: Sequence[BundleFacts]) -> list[BundleFacts]:
    """The newest bundle of each outcome that the reader wants, all of one data set."""
    labels = {str(facts.dataset): str(facts.dataset_label) for facts in bundles}
    left, right = st.columns([2, 5], gap="medium")
    with left:
        dataset = choosers.select("Model learned from", state.DATASET, labels, _first_dataset(labels))
    newest = {str(facts.outcome): facts for facts in sorted(bundles, key=lambda facts: facts.version) if facts.dataset == dataset}
    with right:
        wanted = st.pills(
            "Outcomes",
            list(newest),
            selection_mode="multi",
            default=list(newest)[:MOST_OUTCOMES],
            format_func=lambda outcome: str(newest[outcome].label),
            key=f"outcomes_{dataset}",
            on_change=_forget,
            wrap=True,
        )
    return [newest[outcome] for outcome in wanted or list(newest)[:1]]


def _first_dataset(labels: dict[str, str]) -> str:
    """The data set of the study that the reader is looking at, where it has a bundle."""
    place = chosen_study("outcomes")
    if place is not None:
        try:
            name = str(store.facts(place)["dataset"]["name"])
        except OpSightError:
            name = ""
        if name in labels:
            return name
    return next(iter(labels))


def _open(facts: BundleFacts) -> Opened | None:
    try:
        return Opened(facts, store.predictor(facts))
    except OpSightError as error:
        trouble.show(error)
        return None


def _form_and_result(opened: list[Opened], dataset: str, simulated: bool) -> None:
    fields = _fields(opened)
    left, right = st.columns([4, 6], gap="large")
    with left:
        st.subheader("The record before the operation", anchor=False)
        _buttons(fields, dataset, simulated, opened)
        record = form.draw_form(fields, dataset, _forget)
        if any(field.required for field in fields):
            st.caption("\\* needed for a number. What is left open counts as not known.")
        if st.button("Show what may be expected", type="primary", width="stretch"):
            st.session_state[state.RESULT] = (_asked(record, opened), _ask(opened, record))
    with right:
        st.subheader("What may be expected", anchor=False)
        _result(record, opened)


def _fields(opened: list[Opened]) -> list[Field]:
    """The fields of all bundles, each once: one form serves every outcome."""
    fields: dict[str, Field] = {}
    for bundle in opened:
        for field in bundle.predictor.fields:
            kept = fields.setdefault(field.name, field)
            if field.required and not kept.required:
                fields[field.name] = field
    return list(fields.values())


def _buttons(fields: list[Field], dataset: str, simulated: bool, opened: list[Opened]) -> None:
    with st.container(horizontal=True, gap="small"):
        if simulated:
            st.button("Fill with an example", on_click=_fill_example, args=(fields, dataset, opened))
        st.button("Clear", on_click=_clear, args=(fields, dataset))


def _fill_example(fields: list[Field], dataset: str, opened: list[Opened]) -> None:
    _forget()
    record: form.Record = {}
    for bundle in reversed(opened):
        record.update(bundle.predictor.example())
    form.fill(fields, dataset, record)


def _clear(fields: list[Field], dataset: str) -> None:
    _forget()
    form.fill(fields, dataset, {})


def _forget() -> None:
    """An edited record has no numbers until they are asked for again."""
    st.session_state.pop(state.RESULT, None)


def _ask(opened: list[Opened], record: form.Record) -> list[Statement]:
    """A statement of each bundle; one that fails shows its error and leaves the others be."""
    statements: list[Statement] = []
    for bundle in opened:
        known = {field.name for field in bundle.predictor.fields}
        try:
            statements.append(bundle.predictor.statement({name: value for name, value in record.items() if name in known}))
        except OpSightError as error:
            trouble.show(error)
    return statements


def _asked(record: form.Record, opened: list[Opened]) -> tuple[object, ...]:
    """What a result belongs to: these models and this record, and no other."""
    return tuple(str(bundle.facts.path) for bundle in opened), tuple(sorted(record.items(), key=lambda item: item[0]))


def _result(record: form.Record, opened: list[Opened]) -> None:
    kept = st.session_state.get(state.RESULT)
    if kept is None or kept[0] != _asked(record, opened):
        count = len(opened)
        st.info(
            f"Fill in the record and ask for it: {count} {'outcome is' if count == 1 else 'outcomes are'} answered at once. "
            "Changing a field clears the numbers."
        )
        return
    draw_statements(kept[1])


PLUGINS = (PageSpec("counseling", "Counseling", "Patients", 20, "counseling", render, ("outcomes",)),)

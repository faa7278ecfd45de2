"""What a reader has chosen to see, and everything that follows from it."""

from __future__ import annotations

from typing import cast

import streamlit as st

from core.storage.summaries import StudySummary
from dashboard.charts import rows
from dashboard.charts.outcome_view import View as View
from dashboard.charts.outcome_view import view_of
from dashboard.widgets import badges, choosers, folds, state, store
from dashboard.widgets.sidebar import badges_of, chosen_study, title_of

INPUT_WORDS = {
    "record": "Record",
    "procedure": "And procedure",
    "both": "Both",
}
INPUT_HELP = (
    "Record: only what is known before the operation. And procedure: also which procedure was performed, "
    "which stands in for the plan and may say more than anybody knew beforehand."
)


def open_outcomes(title: str, kinds: tuple[str, ...] = ("outcomes",)) -> View | None:
    """The opening of a page on outcomes: title, study and choosers; None, with words, where there is nothing to show.

    Args:
        kinds: of study that the page shows; the one chosen is of outcomes.
    """
    st.title(title, anchor=False)
    place = chosen_study(*kinds)
    if place is None:
        folds.nothing_yet(
            "There is no study of outcomes to show yet.", "This command makes the first one (a few minutes):", "make demo"
        )
        return None
    badges.titled(title_of(place), badges_of(place))
    view = choose_view(store.summary(place))
    if view is None:
        folds.nothing_yet("This study has no outcome of patients.", "Choose another study on the left.")
    elif view.board.empty:
        folds.nothing_yet("No model was judged on these patients.", "Choose another outcome or other patients above.")
        return None
    return view


def choose_view(summary: StudySummary) -> View | None:
    """The view that the reader chose; None where the study has no outcome."""
    outcomes = {str(item["name"]): str(item["label"]) for item in summary.info["outcomes"]}
    if not outcomes:
        return None
    left, middle, right = st.columns([3.4, 2.4, 3.3], gap="medium", vertical_alignment="bottom")
    with left:
        outcome = choosers.select("Outcome", state.OUTCOME, outcomes, next(iter(outcomes)))
    with middle:
        split = _choose_split(summary, outcome)
    with right:
        inputs = _choose_inputs(summary, outcome)
    return view_of(summary, outcome, split, inputs)


def _choose_split(summary: StudySummary, outcome: str) -> str:
    judged = set(summary.table("scores", outcome=outcome)["split"])
    words = {str(item["name"]): str(item.get("label", item["name"])) for item in summary.info["splits"] if item["name"] in judged}
    words = words or {"internal": "Cross-validation"}
    return choosers.select("Judged on", state.SPLIT, words, next(iter(words)))


def _choose_inputs(summary: StudySummary, outcome: str) -> rows.Inputs:
    if not rows.has_variants(summary, outcome):
        return "both"
    return cast(rows.Inputs, choosers.switch("What the models see", state.INPUTS, INPUT_WORDS, "record", help=INPUT_HELP))

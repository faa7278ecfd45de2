"""Outcome models: which one ranks patients best, by how much, and on whom."""

from __future__ import annotations

import streamlit as st

from core.storage.summaries import StudyPlace
from dashboard.panels import about, curves, ranking, thresholds, transport
from dashboard.panels.choice import View, choose_view
from dashboard.widgets import badges, folds, store
from dashboard.widgets.pages import PageSpec
from dashboard.widgets.sidebar import badges_of, chosen_study, title_of


def render() -> None:
    """The page."""
    st.title("Outcome models", anchor=False)
    place = chosen_study("outcomes")
    if place is None:
        folds.nothing_yet(
            "There is no study of outcomes to show yet.", "This command makes the first one (a few minutes):", "make demo"
        )
        return
    view = _opening(place)
    if view is None:
        folds.nothing_yet("This study has no outcome of patients.", "Choose another study on the left.")
        return
    if view.board.empty:
        folds.nothing_yet("No model was judged on these patients.", "Choose another outcome or other patients above.")
        about.outcome_section(view)
        return
    _body(view)


def _opening(place: StudyPlace) -> View | None:
    badges.titled(title_of(place), badges_of(place))
    return choose_view(store.summary(place))


def _body(view: View) -> None:
    _answer(view)
    ranking.headline_numbers(view)
    ranking.leaderboard_section(view)
    about.shuffled_line(view)
    if view.is_time:
        curves.recovery_section(view)
    else:
        curves.curves_section(view)
        thresholds.threshold_section(view)
    transport.transport_section(view)
    about.outcome_section(view)
    about.models_section(view)
    about.closing(view)


def _answer(view: View) -> None:
    """The sentence that answers the page's question; it speaks of the main analysis."""
    verdict = str(view.outcome.get("verdict", ""))
    sentence = str(view.summary.info.get("headlines", {}).get(view.outcome_name, ""))
    marks = [] if view.outcome.get("enough", True) else [badges.TOO_FEW_EVENTS]
    if view.split != "internal":
        marks += [badges.EXTERNAL] if view.split.startswith("external") else []
    if sentence:
        rule = (view.summary.info.get("verdicts") or {}).get(verdict)
        st.markdown(f"### {sentence}", help=f"Verdict: {verdict}. {rule}" if rule else None)
    badges.row(marks)
    if view.split != "internal":
        st.caption(
            f"The sentence speaks of cross-validation; the numbers below are of: {view.split_facts.get('label', view.split)}."
        )


PLUGINS = (PageSpec("outcome_models", "Outcome models", "Studies", 10, "outcome-models", render, ("outcomes",)),)

"""Outcome models: which one ranks patients best, by how much, and on whom."""

from __future__ import annotations

import streamlit as st

from dashboard.panels import about, curves, ranking, thresholds, transport
from dashboard.panels.choice import View, open_outcomes
from dashboard.widgets import badges
from dashboard.widgets.pages import PageSpec


def render() -> None:
    """The page."""
    view = open_outcomes("Outcome models")
    if view is not None:
        _body(view)


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
    ranking.any_two_section(view)
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

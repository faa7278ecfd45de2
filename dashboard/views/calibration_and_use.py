"""Calibration and use: can a stated risk be taken at its word, and is acting on it worth it?"""

from __future__ import annotations

import streamlit as st

from dashboard.charts.outcome_tables import use_sentence
from dashboard.panels import thresholds, utility
from dashboard.panels.choice import View, open_outcomes
from dashboard.widgets import badges, folds
from dashboard.widgets.pages import PageSpec

READING: tuple[str, ...] = (
    "**On the diagonal** a stated risk comes true: of patients told 20 %, 20 in 100 have the event. Bands are 95 %.",
    "**Net benefit** counts true alarms less false ones, a false one weighed by the odds of the threshold; the model is of use "
    "where it lies above both grey lines.",
    "**Recalibration** moves risks to what happened to other patients; it never changes who ranks above whom, but for steps.",
)
SOURCES = (
    "the four displays: arXiv:2412.10288",
    "calibration: 10.1186/s12916-019-1466-7",
    "net benefit: 10.1177/0272989X06295361",
    "calibration index: 10.1002/sim.8281",
)


def render() -> None:
    """The page."""
    view = open_outcomes("Calibration and use")
    if view is not None:
        _body(view)


def _body(view: View) -> None:
    if view.split.startswith("external"):
        badges.row((badges.EXTERNAL,))
    models = [] if view.is_time else utility.choose_models(view)
    if view.is_time:
        st.markdown("### What happened to those who were foretold to be slow, middling or quick?")
        utility.strata_section(view, list(view.board["model"]))
    elif not models:
        folds.nothing_yet("No model was judged on these patients.", "Choose another outcome or other patients above.")
        return
    else:
        st.markdown(f"### {use_sentence(view, models[0])}")
        utility.four_section(view, models)
        thresholds.threshold_section(view)
        utility.strata_section(view, models)
        utility.recalibration_section(view)
        utility.choice_section(view)
    folds.what_would_change(str((view.summary.info.get("change") or {}).get(view.outcome_name, "")))
    folds.how_to_read(READING, SOURCES)


PLUGINS = (PageSpec("calibration_and_use", "Calibration and use", "Studies", 20, "calibration", render, ("outcomes",)),)

"""Transport and stability: does it hold on other patients, without an input, and whoever it learned from?"""

from __future__ import annotations

import streamlit as st

from dashboard.charts.outcome_tables import transport_answer
from dashboard.panels import firmness, parts, transport
from dashboard.panels.choice import View, open_outcomes
from dashboard.widgets import folds
from dashboard.widgets.pages import PageSpec, link

READING: tuple[str, ...] = (
    "**Other patients** may be harder or merely unlike: read the case mix beside the score.",
    "**Refits** learn from bootstrap samples of the same patients. Their spread is how firm the model is, not what may happen to "
    "a patient.",
    "**Coverage** is promised on average over such patients; in a group only where it was learned there (own).",
)
SOURCES = (
    "case mix: 10.1016/j.jclinepi.2014.06.018",
    "patients needed: 10.1002/sim.7992, 10.1002/sim.9025",
    "instability: 10.1002/bimj.202200302",
    "conformal ranges: arXiv:1905.03222, arXiv:1209.2673",
)
NOWHERE = (
    "No open data set holds surgical outcomes of a second institution with the same record and pictures. What an outside "
    "hospital would see is therefore not known; check the models on your own patients before anybody relies on them."
)


def render() -> None:
    """The page."""
    view = open_outcomes("Transport and stability")
    if view is not None:
        _body(view)


def _body(view: View) -> None:
    st.markdown(f"### {transport_answer(view)}")
    transport.transport_section(view)
    firmness.case_mix_section(view)
    parts.left_out_section(view, "missing", "What if an input is missing?")
    firmness.learning_section(view)
    firmness.size_section(view)
    firmness.stability_section(view)
    firmness.coverage_section(view)
    if not view.summary.info["dataset"].get("simulated"):
        st.markdown(f"**Outside institutions.** {NOWHERE}")
        link("own_site", "Check a model on your own patients")
    folds.what_would_change("Patients of other hospitals, later years, and refits on more of them.")
    folds.how_to_read(READING, SOURCES)


PLUGINS = (PageSpec("transport_and_stability", "Transport and stability", "Studies", 40, "transport", render, ("outcomes",)),)

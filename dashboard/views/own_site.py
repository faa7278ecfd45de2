"""Own site: may a model be used on one's own patients, does it still hold, and what will next week's list need?"""

from __future__ import annotations

import streamlit as st

from dashboard.panels.own_check import check_panel
from dashboard.panels.own_outcomes import outcomes_panel
from dashboard.panels.own_plan import plan_panel
from dashboard.widgets import folds, store
from dashboard.widgets.pages import PageSpec

READING: tuple[str, ...] = (
    "**Accept** means that nothing speaks against it on these patients, and that they are many enough to say so.",
    "**Observed / expected** above 1: more events than foretold. Monthly limits hold 95 times in 100 while the risks come true.",
    "**Cases are named by your own numbers.** No name and no date of birth is asked for; what is kept stays on this machine.",
)
SOURCES = (
    "external validation: 10.1136/bmj-2023-074821",
    "at least 100 events: 10.1002/sim.6787",
    "updating a model: 10.1002/sim.1844",
    "limits: 10.1002/sim.1970",
    "sum of unequal chances: 10.1016/j.csda.2012.10.006",
)


def render() -> None:
    """The page."""
    st.title("Own site", anchor=False)
    facts = [one for one in store.bundles() if not one.problem]
    if not facts:
        folds.nothing_yet("There is no model to check yet.", "This command makes the first ones:", "make demo")
        return
    st.markdown("### A model from elsewhere is not known to hold here until it was checked on your own patients.")
    check, outcomes, plan = st.tabs(["Local check", "Observed outcomes", "Next week's list"])
    with check:
        check_panel(facts)
    with outcomes:
        outcomes_panel(facts)
    with plan:
        plan_panel(facts)
    folds.what_would_change(
        "More of your own cases, and later ones: a model that holds today may drift as patients and care change."
    )
    folds.how_to_read(READING, SOURCES)


PLUGINS = (PageSpec("own_site", "Own site", "Patients", 30, "own-site", render, ()),)

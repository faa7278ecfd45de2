"""Two groupings at once, and what equal treatment of groups would cost."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.evaluation.groups import ACRONYMS, CROSS
from dashboard.charts import equal_finding, rows
from dashboard.panels.choice import View
from dashboard.widgets import choosers, figures, state
from dashboard.widgets.trouble import section

SINGLE = "single"
JOIN = "~"


def choose_groupings(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of single groups, or of the two groupings that the reader crossed."""
    groupings = table["group"].map(_groupings)
    words = {SINGLE: "One grouping at a time"}
    words |= {name: " × ".join(_words(part) for part in name.split(JOIN)) for name in dict.fromkeys(groupings) if JOIN in name}
    chosen = choosers.select(
        "Groups", state.CROSSED, words, SINGLE, help="Any two groupings at once, of the model of the declared analysis."
    )
    return table[~groupings.str.contains(JOIN) if chosen == SINGLE else groupings == chosen]


def _groupings(group: str) -> str:
    return JOIN.join(part.split("=", 1)[0] for part in group.split(CROSS))


def _words(grouping: str) -> str:
    return ACRONYMS.get(grouping, grouping.replace("_", " ").capitalize())


@section
def equal_sensitivity_section(view: View) -> None:
    """One threshold for all, or one a group that finds the event as often."""
    table = view.summary.table("equal_sensitivity", outcome=view.outcome_name, split=view.split)
    if table.empty:
        return
    st.subheader("What if each group had its own threshold?", anchor=False)
    words = {str(name): _words(str(name)) for name in dict.fromkeys(table["grouping"])}
    grouping = st.selectbox("Grouping", list(words), format_func=lambda name: words[name], key="equal_grouping")
    part = table[table["grouping"] == grouping]
    st.markdown(equal_finding.sentence(part))
    chart, listed = st.tabs(["Figure", "Table"])
    with chart:
        alt = f"Share of the events found in each group of {words[grouping].lower()}, with one threshold and with one a group."
        figures.figure(equal_finding.dumbbell(part), name=view.file(f"equal_{grouping}"), alt=alt)
    with listed:
        figures.table(equal_finding.told(part), name=view.file(f"equal_{grouping}_table"), alt="Both policies", raw=part)
    model = rows.labels(view.summary).get(str(part["model"].iloc[0]), "")
    st.caption(
        f"Model: {model}. Thresholds by group are chosen on the patients they are judged on, anew in every bootstrap sample; "
        "with few events that flatters them. A threshold that differs by group may be unlawful, and is a decision for people."
    )

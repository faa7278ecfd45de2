"""Internal beside release and external results."""

from __future__ import annotations

import streamlit as st

from dashboard.charts import transport
from dashboard.charts.outcome_tables import transport_rows, transport_table
from dashboard.charts.wording import metric_label, plural
from dashboard.panels.choice import View
from dashboard.widgets import badges, figures


def transport_section(view: View) -> None:
    """Every split beside the others, and what each can and cannot say."""
    st.subheader("Does it hold on other patients?", anchor=False)
    table = transport_rows(view)
    splits = [item for item in view.summary.info["splits"] if item["name"] in set(table["split"])]
    if len(splits) < 2:
        st.markdown("This study has no second set of patients: how the models do elsewhere is not known.")
        return
    for item in splits:
        _note(item)
    chart, shown = st.tabs(["Figure", "Table"])
    with chart:
        figures.figure(
            transport.dumbbell(table, view.metric), name=view.file("splits"), alt=transport.dumbbell_alt(table, view.metric)
        )
    with shown:
        alt = f"{metric_label(view.metric)} of each model on each set of patients"
        figures.table(transport_table(table), name=view.file("splits"), alt=alt, raw=table)


def _note(split: dict[str, object]) -> None:
    badge = f" {badges.inline(badges.EXTERNAL)}" if str(split["name"]).startswith("external") else ""
    st.markdown(f"**{split.get('label', split['name'])}**{badge} {_sizes(split)}{split.get('note', '')}")


def _sizes(split: dict[str, object]) -> str:
    trained, judged = int(str(split.get("n_train") or 0)), int(str(split.get("n_test") or 0))
    if split["name"] == "internal":
        return f"{plural(judged, 'patient')}. "
    return f"Learned from {plural(trained, 'patient')}, judged on {judged:,}. " if trained and judged else ""

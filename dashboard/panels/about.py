"""What the outcome is, what the models are, what they cost, and what cannot be said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.charts import cost, rows
from dashboard.charts.outcome_tables import shuffled_sentence
from dashboard.charts.wording import FAMILIES, METRICS
from dashboard.panels.choice import View
from dashboard.widgets import figures, folds


def outcome_section(view: View) -> None:
    """Definition, eligibility, horizon, notes, and small tables about the outcome."""
    st.subheader("What exactly is this outcome?", anchor=False)
    facts = view.outcome
    st.markdown(str(facts["definition"]))
    parts = {"Who counts": facts.get("eligible"), "Time window": facts.get("horizon"), "Reference": facts.get("reference")}
    for label, value in parts.items():
        if value:
            st.markdown(f"**{label}:** {value}")
    for note in facts.get("notes", ()):
        st.markdown(f"- {note}")
    tables(facts.get("breakdowns"))


def tables(stored: object) -> None:
    """Small tables of counts, each under its title."""
    for title, table in breakdowns(stored).items():
        st.markdown(f"**{title}**")
        st.table(table, border="horizontal", hide_index=True)


def breakdowns(stored: object) -> dict[str, pd.DataFrame]:
    """Small tables by title, from a list of {title, rows} or a mapping of title to rows."""
    if isinstance(stored, Mapping):
        return {str(title): _frame(rows) for title, rows in stored.items()}
    if isinstance(stored, (list, tuple)):
        return {str(item.get("title", "")): _frame(item.get("rows", item.get("table", ()))) for item in stored}
    return {}


def _frame(rows: Any) -> pd.DataFrame:
    """Counts as text; a hidden one is an empty cell."""
    table = pd.DataFrame(rows).astype(object)
    table = table.rename(columns={name: str(name).replace("_", " ").capitalize() for name in table.columns})
    return table.map(
        lambda value: "" if value is None or value != value else f"{value:g}" if isinstance(value, float) else str(value)
    )


def shuffled_line(view: View) -> None:
    """What training on shuffled labels gave: a check that nothing leaks."""
    told = shuffled_sentence(view)
    if told:
        st.caption(told)


def models_section(view: View) -> None:
    """Each model in a sentence, and what it costs."""
    with st.expander("The models, and what they cost"):
        table = rows.cost_rows(view.summary)
        table = table[table["model"].isin(set(view.board["model"]))]
        if not table.empty:
            figures.figure(cost.cost(table), name=view.file("cost"), alt=cost.cost_alt(table))
            figures.download(table, view.file("cost"))
        st.table(_descriptions(view), border="horizontal", hide_index=True)


def _descriptions(view: View) -> pd.DataFrame:
    judged = view.board.drop_duplicates("base_model")
    facts = {str(item["name"]): item for item in view.summary.info["models"]}
    return pd.DataFrame(
        {
            "Model": judged["label"],
            "Family": [FAMILIES.get(family, family) for family in judged["family"]],
            "What it does": [str(facts[name].get("description", "")) for name in judged["model"]],
            "Source": [str(facts[name].get("reference", "")) for name in judged["model"]],
        }
    )


def closing(view: View) -> None:
    """How to read the page, what would change its conclusion, and what it cannot answer."""
    info = view.summary.info
    folds.what_would_change(str((info.get("change") or {}).get(view.outcome_name, "")))
    source = next((item.get("reference", "") for item in info.get("metrics", ()) if item["name"] == view.metric), "")
    sources = (f"{METRICS[view.metric].label}: {source}" if source else "", str(view.outcome.get("reference", "")))
    folds.how_to_read(_reading(view), sources)
    if info.get("published"):
        folds.remarks("What a published study cannot answer", info.get("cannot", ()))
    folds.remarks("What was not computed, and why", info.get("skipped", ()))


def _reading(view: View) -> list[str]:
    first = f"**{METRICS[view.metric].label}.** {METRICS[view.metric].meaning} 0.5 is a coin, 1 is never wrong."
    made = str(view.summary.info.get("interval") or "95 % of bootstrap samples of patients")
    second = f"**Intervals:** {made}. Where two intervals overlap, look at the difference."
    third = "**Differences** are paired: both models judged the same patients. An interval that holds zero is no evidence."
    return [first, second, third]

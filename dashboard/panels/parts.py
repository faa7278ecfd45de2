"""What each input of an outcome model brings: fits without it, and fields ranked by what shuffling them loses."""

from __future__ import annotations

import streamlit as st

from core.evaluation.features import one_sentence
from core.evaluation.learning import input_words, missing_sentence
from dashboard.charts import features as feature_charts
from dashboard.charts import firmness, outcome_tables
from dashboard.charts.outcome_tables import features_part, plain, with_facts
from dashboard.charts.wording import metric_label
from dashboard.panels.choice import View
from dashboard.widgets import figures
from dashboard.widgets.trouble import section


@section
def left_out_section(view: View, table_name: str, title: str) -> None:
    """What models lose without an input: fitted again without it (``ablation``), or asked without it (``missing``)."""
    table = with_facts(view, table_name)
    table = table[table["metric"] == view.metric]
    if table.empty:
        return
    st.subheader(title, anchor=False)
    chart, told, listed = st.tabs(["Figure", "In words", "Table"])
    with told:
        for _, row in table.iterrows():
            st.markdown(f"- {missing_sentence(row.to_dict(), str(row['label']))}")
    with chart:
        alt = firmness.missing_alt(table, metric_label(view.metric))
        words = {name: input_words(name) for name in table["without"].unique()}
        figures.figure(firmness.missing(table, metric_label(view.metric), words), name=view.file(table_name), alt=alt)
    with listed:
        figures.table(plain(table), name=view.file(f"{table_name}_table"), alt=alt, raw=table)


@section
def features_section(view: View) -> None:
    """Fields ranked by what shuffling them loses, and whether fits agree."""
    table = with_facts(view, "features").rename(columns={"label_x": "field_label", "label_y": "label"})
    if table.empty:
        return
    st.subheader("Which fields does it lean on, and do fits agree?", anchor=False)
    labels = dict(zip(table["model"], table["label"], strict=True))
    model = st.selectbox("Model", list(labels), format_func=lambda name: labels[name], key="features_model")
    part = features_part(table, model)
    st.markdown(one_sentence(part.assign(label=part["field_label"]), labels[model]))
    measured = part[part["block"] == "anatomy"]
    if 0 < len(measured) < len(part):
        st.markdown(f"Of what was measured in the picture: {one_sentence(measured.assign(label=measured['field_label']), 'it')}")
    chart, listed = st.tabs(["Figure", "Table"])
    alt = feature_charts.ranked_alt(part)
    with chart:
        figures.figure(feature_charts.ranked(part, view.is_time), name=view.file(f"features_{model}"), alt=alt)
    with listed:
        figures.table(plain(part), name=view.file(f"features_{model}_table"), alt=alt, raw=part)
    st.caption("A field that another one repeats looks unimportant here, and what a model leans on need not be a cause.")


@section
def built_section(view: View) -> None:
    """Models that differ in one thing of their building: weights to begin with, or the kind of fusion."""
    part = outcome_tables.built_otherwise(view)
    if part.empty:
        return
    st.subheader("What do the kind of fusion, and weights learned elsewhere, change?", anchor=False)
    st.markdown(outcome_tables.built_sentence(view, part))
    shown = outcome_tables.pair_table(view, part)
    figures.table(shown, name=view.file("built"), alt="Models that differ in how they were built", raw=part)

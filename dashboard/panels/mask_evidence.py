"""How firm the order of methods is: ranks under resampled patients, and a map of all pairs."""

from __future__ import annotations

import streamlit as st

from dashboard.charts import mask_rows, mask_tables, ranks, significance
from dashboard.charts.mask_rows import LEVEL
from dashboard.panels.mask_choice import MaskView
from dashboard.widgets import figures


def rank_section(view: MaskView) -> None:
    """Bubbles of ranks, and how stable the whole order is."""
    st.subheader("How firm is the order?", anchor=False)
    metric = view.compared
    table = mask_rows.rank_rows(view.summary, view.region_name, view.split, metric.name)
    if table.empty:
        st.markdown("No ranks were computed on this split.")
        return
    _by_which(view)
    shares = view.summary.table("rank_shares", region=view.region_name, split=view.split, metric=metric.name)
    chart, shown = st.tabs(["Figure", "Table"])
    with chart:
        figures.figure(ranks.bubbles(table, shares), name=view.file("ranks"), alt=ranks.bubbles_alt(table, shares))
        st.caption(
            "A bubble's area: share of resampled studies with that rank; the ring: the rank found. "
            f"{mask_tables.tau_sentence(view)}"
        )
    with shown:
        figures.table(mask_tables.rank_table(table), name=view.file("ranks"), alt="Rank of each method with interval", raw=table)


def _by_which(view: MaskView) -> None:
    if not view.metric.compared:
        st.caption(f"Methods are not ranked by {view.metric.label}; this part is by {view.compared.label}.")


def significance_section(view: MaskView) -> None:
    """The map of all pairs."""
    st.subheader("Which differences are more than chance?", anchor=False)
    metric = view.compared
    pairs = mask_rows.pairs_both_ways(view.summary, view.region_name, view.split, metric.name)
    if pairs.empty:
        st.markdown("No pair of methods was compared on this split.")
        return
    _by_which(view)
    table = mask_rows.rank_rows(view.summary, view.region_name, view.split, metric.name)
    order = [str(model) for model in table["model"]]
    chart, shown = st.tabs(["Figure", "Table"])
    with chart:
        drawing = significance.significance_map(pairs, order, view.labels, metric)
        figures.figure(drawing, name=view.file("pairs"), alt=significance.map_alt(pairs, order, view.labels, metric))
        st.caption(
            "▲ blue: the row's method is better than the column's; ▼ orange: worse; · grey: not told apart. Wilcoxon's "
            f"signed-rank test on the same cases, p adjusted for all pairs (Holm), bound {LEVEL}. Stronger colour: smaller p."
        )
    with shown:
        stored = view.summary.table("comparisons", region=view.region_name, split=view.split, metric=metric.name)
        figures.table(mask_tables.pair_table(view, stored), name=view.file("pairs"), alt="All pairs of methods", raw=stored)
    people = mask_tables.people_sentence(view)
    if people:
        st.markdown(people)

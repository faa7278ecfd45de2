"""Groups of patients and pictures of a segmentation study."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.charts import forest, mask_rows, mask_tables
from dashboard.charts.outcome_tables import fairness_table
from dashboard.panels import mask_about
from dashboard.panels.mask_choice import MaskView, choose_view, headline, open_study
from dashboard.widgets import choosers, figures, folds, state
from dashboard.widgets.trouble import section

METRICS = ("dice", "nsd")
READING = (
    "**The gap** is the mean over the group minus that over the other cases of the same grouping; patients are resampled.",
    "**Adequate** means that the whole interval lies inside the margin (shaded), stated beforehand: 0.05.",
    "**Everything here explores.** A group may differ in more than its name: small regions are harder for every method.",
)
SOURCES = ("margins: Schuirmann, 10.1007/BF01068419", "Holm 1979")


def groups_page(title: str, kinds: tuple[str, ...]) -> None:
    """The page Subgroups of a segmentation study."""
    place = open_study(title, kinds)
    if place is None:
        return
    view = choose_view(place, only=METRICS)
    table = view.summary.table("fairness", region=view.region_name, split=view.split, metric=view.metric.name)
    if table.empty:
        folds.nothing_yet(
            "No groups were compared for this region on these pictures.",
            "Run the study again if it is older than this page:",
            f"python -m core study run {view.summary.name}",
        )
        return
    judged = set(table["model"])
    labels = {str(row["model"]): str(row["label"]) for _, row in view.board.iterrows() if row["model"] in judged}
    method = choosers.select("Method", state.METHOD, labels, mask_rows.best_of(view.board, view.metric) or next(iter(labels)))
    part = table[table["model"] == method]
    headline(mask_tables.groups_sentence(part, labels[method]))
    _forest(view, part, labels[method])
    verdicts = view.summary.info.get("fairness_verdicts") or {}
    mask_about.closing(view, [*READING, *(f"**{word.capitalize()}.** {rule}" for word, rule in verdicts.items())], SOURCES)


@section
def _forest(view: MaskView, part: pd.DataFrame, label: str) -> None:
    st.subheader(f"How far does each group lie from the others? {label}", anchor=False)
    chart, table = st.tabs(["Figure", "Table"])
    metric = view.metric.label
    with chart:
        figures.figure(forest.forest(part, metric), name=view.file("groups"), alt=forest.forest_alt(part, metric))
    with table:
        figures.table(fairness_table(part, metric), name=view.file("groups_table"), alt=f"{metric} by group", raw=part)

"""Subgroups: is the model as good for one group of patients as for the others?"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.evaluation.groups import group_words
from core.storage.summaries import kind_of
from dashboard.charts import forest, rows
from dashboard.charts.outcome_tables import fairness_change, fairness_table
from dashboard.charts.wording import metric_label
from dashboard.panels import groups
from dashboard.panels.choice import View, open_outcomes
from dashboard.panels.mask_groups import groups_page
from dashboard.widgets import badges, choosers, figures, folds, state, store
from dashboard.widgets.pages import PageSpec
from dashboard.widgets.sidebar import chosen_study
from dashboard.widgets.trouble import section

TITLE = "Subgroups"
KINDS = ("outcomes", "segmentation")
READING: tuple[str, ...] = (
    "**The gap** is the group against the other patients of the same grouping, never the largest against the smallest.",
    "**Adequate** means that the whole interval lies inside the margin (shaded), which was stated before looking; "
    "a gap that is merely not significant is called no evidence.",
    "**Primary** is one model an outcome, in sex, age, body mass and kidney disease, by observed/expected and net benefit. "
    "Everything else explores: it suggests, it does not show.",
    "**Net benefit** moves with how often the event comes in a group, also under a fair model. Its gap is therefore that of what "
    "was reached less what the stated risks promise.",
)
SOURCES = ("TRIPOD+AI: 10.1136/bmj-2023-078378", "margins: Schuirmann, 10.1007/BF01068419", "Holm 1979")


def render() -> None:
    """The page, of outcome models or of segmentation methods."""
    chosen = chosen_study(*KINDS)
    if chosen is not None and kind_of(store.facts(chosen)) == "segmentation":
        groups_page(TITLE, KINDS)
    else:
        _outcome_models()


def _outcome_models() -> None:
    view = open_outcomes(TITLE, KINDS)
    if view is None:
        return
    table = view.summary.table("fairness", outcome=view.outcome_name, split=view.split)
    if table.empty:
        folds.nothing_yet(
            "No groups were compared for this outcome on these patients.",
            "Groups are compared for outcomes with a yes or no; run the study again if it is older than this page:",
            f"python -m core study run {view.summary.name}",
        )
        return
    _body(view, table)


def _body(view: View, table: pd.DataFrame) -> None:
    _answer(view, table)
    _declared(view, table)
    _explore(view, table)
    groups.equal_sensitivity_section(view)
    _all_groups(view, table)
    verdicts = view.summary.info.get("fairness_verdicts") or {}
    folds.what_would_change(fairness_change(table))
    folds.how_to_read([*READING, *(f"**{word.capitalize()}.** {rule}" for word, rule in verdicts.items())], SOURCES)


def _answer(view: View, table: pd.DataFrame) -> None:
    told = (view.summary.info.get("fairness") or {}).get(view.outcome_name, {})
    sentence = told.get(view.split, "") if isinstance(told, dict) else ""
    if sentence:
        st.markdown(f"### {sentence}")
    badges.row([badges.TOO_FEW_EVENTS] if (table["verdict"] == "too few events").all() else [])


@section
def _declared(view: View, table: pd.DataFrame) -> None:
    st.subheader("The comparisons declared beforehand", anchor=False)
    primary = table[table["primary"].astype(bool)]
    if primary.empty:
        st.markdown("None of the groupings of the declared analysis is recorded here.")
        return
    model = str(primary["model"].iloc[0])
    st.markdown(f"Model: **{rows.labels(view.summary).get(model, model)}**.")
    for column, (metric, part) in zip(st.columns(2, gap="large"), primary.groupby("metric", sort=False)):
        with column:
            st.markdown(f"**{metric_label(str(metric))}**")
            _forest(view, part, str(metric), f"primary_{metric}")


@section
def _explore(view: View, table: pd.DataFrame) -> None:
    st.subheader("Any model, any measure", anchor=False)
    labels = {name: label for name, label in rows.labels(view.summary).items() if name in set(table["model"])}
    left, middle, right = st.columns([3, 3, 3], gap="medium", vertical_alignment="bottom")
    with left:
        declared = [str(name) for name in table.loc[table["primary"].astype(bool), "model"].unique()]
        model = choosers.select("Model", state.METHOD, labels, next(iter([*declared, *labels])))
    chosen = table[table["model"] == model]
    metrics = {str(name): metric_label(str(name)) for name in dict.fromkeys(chosen["metric"])}
    with middle:
        metric = choosers.select("Measure", state.METRIC, metrics, next(iter(metrics)))
    with right:
        part = groups.choose_groupings(chosen[chosen["metric"] == metric])
    if part.empty:
        st.markdown("No such group holds enough patients.")
        return
    st.caption("Exploratory, unless the comparison stands above.")
    _forest(view, part, metric, "explored")


def _forest(view: View, part: pd.DataFrame, metric: str, name: str) -> None:
    label = metric_label(metric)
    chart, table = st.tabs(["Figure", "Table"])
    with chart:
        figures.figure(forest.forest(part, label), name=view.file(name), alt=forest.forest_alt(part, label))
    with table:
        figures.table(fairness_table(part, label), name=view.file(f"{name}_table"), alt=f"{label} by group", raw=part)


@section
def _all_groups(view: View, table: pd.DataFrame) -> None:
    with st.expander("All comparisons"):
        labels = rows.labels(view.summary)
        plain = table.assign(model=table["model"].map(labels), group=[group_words(name) for name in table["group"]])
        kept = ["group", "model", "metric", "value", "rest", "gap", "gap_low", "gap_high", "p_holm", "n", "verdict", "primary"]
        figures.table(plain[kept].round(3), name=view.file("fairness"), alt="Every comparison of groups", raw=table)


PLUGINS = (PageSpec("subgroups", "Subgroups", "Studies", 30, "subgroups", render, KINDS),)

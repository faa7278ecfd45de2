"""Where a method fails: by what is in the picture, in single cases, in single lesions, under planted faults, and empty masks."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.charts import case_scores, error_rows, factors, mask_rows, mask_tables
from dashboard.charts.mask_rows import HUMAN, MAIN
from dashboard.charts.wording import finite, plural
from dashboard.panels.case_viewer import case_table, size_unit, viewer
from dashboard.panels.mask_choice import MaskView
from dashboard.panels.mask_ranking import keep_case, number
from dashboard.widgets import choosers, figures, state
from dashboard.widgets.trouble import section

MOST_MODELS, WORST = 4, 12


def choose_models(view: MaskView) -> list[str]:
    """The methods on show, the first of which the sentences and the cases are of."""
    words = {name: view.labels[name] for name in view.board["model"] if name != HUMAN}
    start = mask_rows.first_methods(view.board, view.metrics[MAIN])
    chosen = st.multiselect(
        "Methods (up to four)", list(words), default=start, format_func=lambda name: words[name], max_selections=MOST_MODELS,
        key=f"methods_{view.summary.name}_{view.region_name}_{view.split}",
    )  # fmt: skip
    return list(chosen) or start


def headline_numbers(view: MaskView, model: str) -> None:
    """At most four numbers: the smallest third, the largest, cases missed, and the worst planted fault."""
    columns = st.columns(4, gap="medium")
    found = error_rows.ends(view.summary, view.region_name, view.split, model)
    dice = view.metrics[MAIN]
    for column, at, label in zip(columns, (0, 1), ("Dice, smallest third", "Dice, largest third")):
        with column:
            if found is None:
                st.metric(label, "none")
                st.caption("Size was not looked at on this split.")
            else:
                row = found[at]
                number(label, dice.value(row["value"]), f"{row['low']:.2f} to {row['high']:.2f}", plural(int(row["n"]), "case"))
    with columns[2]:
        _missed(view, model)
    with columns[3]:
        _worst_fault(view, model)


def _missed(view: MaskView, model: str) -> None:
    table = error_rows.empties(view.summary, view.region_name)
    rows = table[table["model"] == model]
    if rows.empty:
        st.metric("Missed altogether", "none")
        return
    row = rows.iloc[0]
    drawn = int(row["rows"] - row["rightly_empty"] - row["made_up"])
    number(
        "Missed altogether",
        f"{int(row['missed']):,}",
        f"of {plural(drawn, 'outline')}",
        "in the main split; nothing was outlined",
    )


def _worst_fault(view: MaskView, model: str) -> None:
    found = error_rows.worst_fault(view.summary, view.region_name, view.split, model)
    if found is None:
        st.metric("Under the worst fault", "none")
        st.caption("No fault was planted on this split.")
        return
    worst, clean = found
    below = f"{worst['low']:.2f} to {worst['high']:.2f}"
    label = error_rows.corruption_label(str(worst["corruption"]))
    small = f"{label}, severity {int(worst['severity'])}; {clean['value']:.2f} without, {plural(int(worst['n']), 'case')}"
    number("Dice, worst fault", f"{worst['value']:.2f}", below, small)


@section
def factor_section(view: MaskView, models: list[str]) -> None:
    """Scores by one factor."""
    st.subheader("What do errors depend on?", anchor=False)
    names = error_rows.factor_names(view.summary, view.region_name, view.split)
    if not names:
        st.markdown("Errors were not broken down on this split.")
        return
    left, right = st.columns([3, 3], gap="medium")
    with left:
        factor = choosers.select("By", state.FACTOR, {name: name for name in names}, names[0])
    with right:
        words = {name: view.metrics[name].label for name in error_rows.factor_metrics(view.summary) if name in view.metrics}
        metric = view.metrics[choosers.switch("Metric", state.METRIC, words, next(iter(words)))]
    rows = error_rows.factor_rows(view.summary, view.region_name, view.split, factor, metric.name, models)
    chart, table = st.tabs(["Figure", "Table"])
    with chart:
        alt = factors.by_level_alt(rows, factor, metric)
        figures.figure(factors.by_level(rows, metric), name=view.file(f"by_{factor}"), alt=alt)
    with table:
        shown = mask_tables.factor_table(rows, factor, metric)
        raw = view.summary.table("factors", region=view.region_name, split=view.split)
        figures.table(shown, name=view.file(f"by_{factor}"), alt=f"{metric.label} by {factor}", raw=raw)


@section
def cases_section(view: MaskView, models: list[str]) -> None:
    """Each case against its size, the worst by name, and one of them as pictures."""
    st.subheader("Which cases fail?", anchor=False)
    rows = view.cases()
    shown = [model for model in models if model in set(rows["model"])]
    if not shown:
        st.markdown("No score of a single case was kept on this split.")
        return
    metric = mask_rows.case_metric(view.metric, rows, dict(view.metrics))
    drawing = case_scores.against_size(rows, shown, metric, f"Size of the region ({size_unit(view)}), logarithmic")
    count = rows.loc[rows["model"] == shown[0], "case"].nunique()
    alt = f"{metric.axis} of {plural(int(count), 'case')} against the size of the region. Click a dot to see the case."
    figures.clickable(drawing, name=view.file("by_size"), alt=alt, on_click=keep_case)
    worst_list(view, rows, shown)
    st.markdown("#### One case")
    viewer(view, rows, metric, shown[0])


def worst_list(view: MaskView, rows: pd.DataFrame, models: list[str]) -> None:
    """The worst cases of a method by their hashed id; a click on a row shows the case."""
    metric = mask_rows.case_metric(view.metric, rows, dict(view.metrics))
    model = state.from_url(state.METHOD, sorted(set(rows["model"])), models[0])
    worst = mask_rows.worst_cases(rows, model, metric).head(WORST)
    worst = worst[worst[metric.name].notna()]
    st.markdown(f"**The {len(worst)} worst cases of {view.labels[model]}**")
    rivals = list(view.board.loc[view.board["family"] != "reference", "model"])
    best = [mask_rows.best_on(rows, str(case), rivals, metric) for case in worst["case"]]
    told = ["" if row is None else f"{metric.value(row[metric.name])} ({row['label']})" for row in best]
    table = case_table(worst, view)
    table.insert(2, f"Best {metric.label} of any method", told)

    def picked() -> None:
        at = st.session_state[f"table_{view.file('worst')}"].get("selection", {}).get("rows", ())
        if at:
            keep_case(model, str(worst["case"].iloc[at[0]]))

    figures.pickable(table, name=view.file("worst"), alt="The worst cases", on_pick=picked)
    st.caption(
        "Cases are named by a hash of the data set's own name, so that whoever has the data finds them. Click a row to see one."
    )


def lesion_section(view: MaskView) -> None:
    """How many single lesions are found, and how many are made up."""
    st.subheader("Are single lesions found?", anchor=False)
    table = error_rows.lesion_rows(view.summary, view.region_name, view.split, view.metrics)
    if table.empty:
        st.markdown("Single lesions were not counted on this split.")
        return
    names, shown = mask_tables.lesion_metrics(table), mask_tables.lesion_table(view)
    raw = view.summary.table("scores", region=view.region_name, split=view.split, group="all")
    figures.table(shown, name=view.file("lesions"), alt="Lesions found and made up", raw=raw[raw["metric"].isin(names)])
    st.caption(" ".join(f"{view.metrics[name].label}: {view.metrics[name].description}" for name in names))


def robustness_section(view: MaskView, models: list[str]) -> None:
    """Dice under planted faults of growing severity."""
    st.subheader("Does it stand up to poor pictures?", anchor=False)
    rows = error_rows.robustness_rows(view.summary, view.region_name, view.split, models)
    if rows.empty:
        st.markdown("No fault was planted on this split.")
        return
    st.markdown(f"The same {plural(int(rows['n'].max()), 'test case')}, spoilt step by step; the methods were not trained again.")
    chart, table = st.tabs(["Figure", "Table"])
    with chart:
        figures.figure(factors.by_severity(rows), name=view.file("robustness"), alt=factors.by_severity_alt(rows))
        st.caption(f"{factors.meanings(rows)}.")
    with table:
        wide = mask_tables.robustness_table(view, rows)
        raw = view.summary.table("robustness", region=view.region_name, split=view.split)
        figures.table(wide, name=view.file("robustness"), alt="Dice by fault and severity", raw=raw)


def empty_section(view: MaskView) -> None:
    """Empty masks, counted, with the rule."""
    st.subheader("Empty masks", anchor=False)
    table = error_rows.empties(view.summary, view.region_name)
    facts = (view.summary.info.get("empty_masks") or {}).get(view.region_name) or {}
    if table.empty:
        st.markdown("Empty masks were not counted.")
        return
    if finite(facts.get("n")):
        st.markdown(f"In {plural(int(facts['n']), 'test case')} of the main split nothing is drawn in the reference.")
    figures.table(mask_tables.empty_table(view), name=view.file("empty_masks"), alt="How often a mask was empty, by method")
    st.caption(str(facts.get("rule", "")))

"""Do stated risks come true, how are they spread, and is acting on them worth it?"""

from __future__ import annotations

import streamlit as st

from dashboard.charts import calibration, rows
from dashboard.charts.outcome_tables import (
    choice_sentence,
    choice_table,
    measures_table,
    recalibration_points,
    recalibration_table,
    strata_table,
    told_by_label,
    use_of,
)
from dashboard.charts.wording import percent
from dashboard.panels.choice import View
from dashboard.widgets import figures
from dashboard.widgets.trouble import section

MOST_MODELS = 4


def choose_models(view: View) -> list[str]:
    """The models that the reader wants on this page, at most four."""
    kept = set(view.summary.table("curves", outcome=view.outcome_name, split=view.split, kind="calibration")["model"])
    board = view.board[view.board["model"].isin(kept) & (view.board["family"] != "reference")]
    labels = dict(zip(board["model"], board["label"], strict=True))
    start = [name for name in rows.first_choice(board, view.reference, 2) if name in labels]
    chosen = st.multiselect(
        "Models drawn (up to four)",
        list(labels),
        default=start,
        format_func=lambda name: labels[name],
        max_selections=MOST_MODELS,
        key=f"models_use_{view.file(view.inputs)}",
    )
    return list(chosen) or start


@section
def four_section(view: View, models: list[str]) -> None:
    """Discrimination, calibration, use and spread on one screen."""
    left, right = st.columns(2, gap="large")
    with left:
        _calibration(view, models)
    with right:
        _decision(view, models)
    left, right = st.columns(2, gap="large")
    with left:
        _distribution(view, models[0])
    with right:
        _discrimination(view, models)


def _calibration(view: View, models: list[str]) -> None:
    st.markdown("**Do stated risks come true?**")
    points = rows.curve_rows(view.summary, view.outcome_name, view.split, "calibration", models)
    if points.empty:
        st.markdown("No calibration curve was computed on these patients.")
        return
    alt = calibration.calibration_alt(points, told_by_label(view, "calibration_slope"))
    figures.figure(calibration.calibration(points), name=view.file("calibration"), alt=alt)


def _decision(view: View, models: list[str]) -> None:
    st.markdown("**Is acting on them worth it?**")
    use = use_of(view)
    if use is None:
        st.markdown(
            "No decision curve: the recipe does not say what would be done on the word of a model. It needs the action, "
            "who acts, and the range of risks from which one would act:"
        )
        st.code(
            f"evaluation:\n  uses:\n    {view.outcome_name}: {{action: …, actor: …, low: 0.05, high: 0.40}}",
            language="yaml",
        )
        return
    points = rows.curve_rows(view.summary, view.outcome_name, view.split, "decision", models)
    st.caption(
        f"Action: {use['action']}, by {use['actor']}, from a risk between {percent(use['low'])} and {percent(use['high'])}."
    )
    if points.empty:
        st.markdown("No decision curve was computed on these patients.")
        return
    alt = calibration.decision_alt(points, view.rate)
    figures.figure(calibration.decision(points, view.rate, str(use["action"])), name=view.file("decision"), alt=alt)


def _distribution(view: View, model: str) -> None:
    label = rows.labels(view.summary)[model]
    st.markdown(f"**How are the risks spread?** {label}")
    spread = view.summary.table("distribution", outcome=view.outcome_name, split=view.split, model=model)
    if spread["share"].notna().sum() == 0:
        st.markdown("The spread of the risks cannot be told on these patients.")
        return
    words = ("With it", "Without it")
    alt = calibration.distribution_alt(spread, *words)
    figures.figure(calibration.distribution(spread, *words), name=view.file("distribution"), alt=alt)


def _discrimination(view: View, models: list[str]) -> None:
    st.markdown("**Does it tell patients apart?**")
    table = view.summary.table("scores", outcome=view.outcome_name, split=view.split, group="all")
    shown = measures_table(view, models)
    figures.table(shown, name=view.file("four"), alt="Discrimination and calibration of the models drawn", raw=table)


@section
def recalibration_section(view: View) -> None:
    """Before and after each method, learned from other patients."""
    table = view.summary.table("recalibration", outcome=view.outcome_name, split=view.split)
    if table.empty:
        return
    st.subheader("Would recalibrating help?", anchor=False)
    model = str(table["model"].iloc[0])
    st.markdown(
        f"Model: **{rows.labels(view.summary).get(model, model)}**. Each patient's risk is mapped by what other patients taught."
    )
    chart, listed = st.tabs(["Figure", "Table"])
    with chart:
        points = recalibration_points(view, model)
        alt = calibration.recalibrated_alt(table)
        figures.figure(calibration.recalibrated(points), name=view.file("recalibration"), alt=alt)
    with listed:
        figures.table(
            recalibration_table(table), name=view.file("recalibration_table"), alt="Calibration before and after", raw=table
        )


@section
def strata_section(view: View, models: list[str]) -> None:
    """Thirds of the stated risk, and what happened."""
    table = view.summary.table("strata", outcome=view.outcome_name, split=view.split)
    table = table[table["model"].isin(models)]
    if table.empty:
        return
    st.subheader("What happened to those of low, middle and high risk?", anchor=False)
    figures.table(strata_table(view, table), name=view.file("strata"), alt="Stated and observed risk by third", raw=table)


@section
def choice_section(view: View) -> None:
    """The rule that was written beforehand, and what it says."""
    told = view.outcome.get("choice")
    st.subheader("Which model to adopt?", anchor=False)
    if not told:
        st.markdown("No rule was declared before looking, so none is applied. A recipe declares one under `evaluation.choice`.")
        return
    verdict, rule = choice_sentence(told)
    st.markdown(f"**{verdict}** {rule}")
    shown = choice_table(view, told)
    if len(shown):
        figures.table(shown, name=view.file("choice"), alt="Candidates against rivals by the declared measure")

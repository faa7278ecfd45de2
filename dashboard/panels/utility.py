"""Do stated risks come true, how are they spread, and is acting on them worth it?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.charts import calibration, rows
from dashboard.charts.wording import number, percent, with_interval
from dashboard.panels.choice import View
from dashboard.widgets import figures
from dashboard.widgets.trouble import section

MOST_MODELS = 4
CALIBRATION = {
    "calibration_slope": "Slope (1 is best)",
    "calibration_intercept": "Intercept (0 is best)",
    "oe_ratio": "Observed / expected",
    "integrated_calibration_index": "Calibration index (0 is best)",
    "brier": "Brier score",
}


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
    alt = calibration.calibration_alt(points, _told(view, "calibration_slope"))
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


def use_of(view: View) -> Mapping[str, Any] | None:
    """What the recipe says is done on the word of a model for this outcome."""
    uses = view.summary.info.get("recipe", {}).get("evaluation", {}).get("uses") or {}
    return uses.get(view.outcome_name)


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
    names = rows.labels(view.summary)
    table = view.summary.table("scores", outcome=view.outcome_name, split=view.split, group="all")
    kept = {"auroc": "AUROC", "average_precision": "Average precision", "scaled_brier": "Scaled Brier score", **CALIBRATION}
    shown = pd.DataFrame(
        [
            {"Measure": label, **{names[model]: _cell(table, model, metric) for model in models}}
            for metric, label in kept.items()
            if (table["metric"] == metric).any()
        ]
    )
    figures.table(shown, name=view.file("four"), alt="Discrimination and calibration of the models drawn", raw=table)


def _cell(table: pd.DataFrame, model: str, metric: str) -> str:
    found = table[(table["model"] == model) & (table["metric"] == metric)]
    return "" if found.empty else with_interval(found["value"].iloc[0], found["low"].iloc[0], found["high"].iloc[0])


def _told(view: View, metric: str) -> dict[str, str]:
    table = view.summary.table("scores", outcome=view.outcome_name, split=view.split, group="all", metric=metric)
    names = rows.labels(view.summary)
    return {names[row["model"]]: with_interval(row["value"], row["low"], row["high"]) for _, row in table.iterrows()}


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
        points = view.summary.table("curves", outcome=view.outcome_name, split=view.split, model=model)
        points = points[points["kind"].str.startswith("calibration")]
        points = points.assign(method=points["kind"].str.removeprefix("calibration").str.removeprefix(":").replace("", "none"))
        alt = calibration.recalibrated_alt(table)
        figures.figure(calibration.recalibrated(points), name=view.file("recalibration"), alt=alt)
    with listed:
        wide = table.assign(text=[with_interval(row["value"], row["low"], row["high"]) for _, row in table.iterrows()])
        wide = wide.pivot(index="method", columns="metric", values="text").reindex(list(calibration.METHODS)).reset_index()
        wide["method"] = wide["method"].map(calibration.METHODS)
        wide = wide.rename(columns={"method": "Method", **CALIBRATION, "log_loss": "Log loss"})
        figures.table(wide, name=view.file("recalibration_table"), alt="Calibration before and after", raw=table)


@section
def strata_section(view: View, models: list[str]) -> None:
    """Thirds of the stated risk, and what happened."""
    table = view.summary.table("strata", outcome=view.outcome_name, split=view.split)
    table = table[table["model"].isin(models)]
    if table.empty:
        return
    st.subheader("What happened to those of low, middle and high risk?", anchor=False)
    names = rows.labels(view.summary)
    shown = pd.DataFrame(
        {
            "Model": table["model"].map(names),
            "Third of risk": table["stratum"],
            "Patients": table["n"],
            "Stated": [percent(value) for value in table["predicted"]],
            "Happened": [
                f"{percent(row['observed'])} ({percent(row['low'])} to {percent(row['high'])})" for _, row in table.iterrows()
            ],
        }
    )
    if view.is_time:
        shown.insert(2, "By day", table["day"].to_list())
    figures.table(shown, name=view.file("strata"), alt="Stated and observed risk by third", raw=table)


@section
def choice_section(view: View) -> None:
    """The rule that was written beforehand, and what it says."""
    told = view.outcome.get("choice")
    st.subheader("Which model to adopt?", anchor=False)
    if not told:
        st.markdown("No rule was declared before looking, so none is applied. A recipe declares one under `evaluation.choice`.")
        return
    st.markdown(f"**{str(told['verdict'])[:1].upper()}{str(told['verdict'])[1:]}.** {told['rule']}")
    names = rows.labels(view.summary)
    shown = pd.DataFrame(
        [
            {
                "Candidate": names.get(one["candidate"], one["candidate"]),
                "Rival": names.get(one["rival"], one["rival"]),
                "Better by": with_interval(one["better"], one["low"], one["high"], 3),
            }
            for one in told["contests"]
        ]
    )
    if len(shown):
        figures.table(shown, name=view.file("choice"), alt="Candidates against rivals by the declared measure")


def sentence(view: View, model: str) -> str:
    """Whether the stated risks of one model can be taken at their word."""
    table = view.summary.table("scores", outcome=view.outcome_name, split=view.split, group="all", model=model)
    found = table.set_index("metric")
    label = rows.labels(view.summary)[model]
    if "calibration_slope" not in found.index or pd.isna(found.loc["calibration_slope", "value"]):
        return f"{label}: too little is known to say whether its risks come true."
    slope, level = found.loc["calibration_slope"], found.loc["oe_ratio"]
    steep = f"slope {with_interval(slope['value'], slope['low'], slope['high'])}"
    told = []
    if slope["high"] < 1:
        told.append(f"its risks are too extreme ({steep})")
    elif slope["low"] > 1:
        told.append(f"its risks are too timid ({steep})")
    if not level["low"] <= 1 <= level["high"]:
        way = "too low" if level["value"] > 1 else "too high"
        told.append(f"on average {way} (observed / expected {number(level['value'])})")
    if told:
        return f"{label}: {' and '.join(told)}."
    return f"{label}: no departure of its risks from what happened is seen ({steep})."

"""ROC and precision-recall of a few models; for recovery, the share at home by day."""

from __future__ import annotations

import streamlit as st

from dashboard.charts import curves, recovery, rows
from dashboard.panels.choice import View
from dashboard.widgets import figures
from dashboard.widgets.trouble import section

MOST_MODELS = 4


@section
def curves_section(view: View) -> None:
    """ROC beside precision-recall, or words where no curve was kept."""
    st.subheader("How often is it right, at every threshold?", anchor=False)
    models = _choose_models(view, "curves")
    if not models:
        st.markdown("No curve was computed for this outcome on these patients.")
        return
    chart, table = st.tabs(["Figure", "Table"])
    with chart:
        left, right = st.columns(2, gap="large")
        roc = rows.curve_rows(view.summary, view.outcome_name, view.split, "roc", models)
        recall = rows.curve_rows(view.summary, view.outcome_name, view.split, "precision_recall", models)
        with left:
            st.markdown("**ROC**")
            figures.figure(curves.roc(roc), name=view.file("roc"), alt=curves.curves_alt(roc, "roc"))
        with right:
            st.markdown("**Precision and recall**")
            alt = curves.curves_alt(recall, "precision_recall", view.rate)
            figures.figure(curves.precision_recall(recall, view.rate), name=view.file("precision_recall"), alt=alt)
    with table:
        points = view.summary.table("curves", outcome=view.outcome_name, split=view.split)
        points = points[points["model"].isin(models) & points["kind"].isin(("roc", "precision_recall"))]
        figures.table(points.round(3), name=view.file("curves"), alt="Points of the curves", raw=points)


@section
def recovery_section(view: View) -> None:
    """Share in whom the event has come, by day or visit, seen and foretold."""
    clock = recovery.Clock.of(view.outcome)
    st.subheader(f"How many are {clock.reached} by which {clock.unit}?", anchor=False)
    models = _choose_models(view, "recovery")
    points = rows.recovery_rows(view.summary, view.outcome_name, view.split, models, max(clock.days, default=30))
    if points.empty:
        st.markdown("No share by day was computed on these patients.")
        return
    chart, table = st.tabs(["Figure", "Table"])
    with chart:
        alt = recovery.home_alt(points, clock)
        figures.figure(recovery.home_by_day(points, clock), name=view.file("home_by_day"), alt=alt)
    with table:
        plain = points[["label", "day", "observed", "observed_low", "observed_high", "predicted"]]
        figures.table(plain.round(3), name=view.file("home_by_day"), alt=f"Share {clock.reached} by {clock.unit}", raw=plain)


def _choose_models(view: View, kind: str) -> list[str]:
    """The models that the reader wants drawn, at most four: more cannot be told apart."""
    kept = set(view.summary.table(kind, outcome=view.outcome_name, split=view.split)["model"])
    board = view.board[view.board["model"].isin(kept)]
    if board.empty:
        return []
    labels = dict(zip(board["model"], board["label"], strict=True))
    start = rows.first_choice(board, view.reference)
    chosen = st.multiselect(
        "Models drawn (up to four)",
        list(labels),
        default=start,
        format_func=lambda name: labels[name],
        max_selections=MOST_MODELS,
        key=f"models_{kind}_{view.file(view.inputs)}",
    )
    return list(chosen) or start

"""Which model ranks patients best: headline numbers, the leaderboard as a figure and as a table."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.storage.summaries import StudySummary
from dashboard.charts import leaderboard, rows
from dashboard.charts.wording import (
    METRICS,
    difference_with_interval,
    digits_for,
    events,
    finite,
    metric_label,
    number,
    percent,
    plural,
    signed,
    span,
    with_interval,
)
from dashboard.panels.choice import View
from dashboard.widgets import figures

TABLE_METRICS = ("average_precision", "brier", "accuracy", "precision", "recall", "f1", "interval_score")


def headline_numbers(view: View) -> None:
    """At most four numbers: the best model, the reference, their difference, and the patients behind them."""
    best, reference = _row(view.board, rows.best_of(view.board)), _reference_row(view)
    columns = st.columns(4, gap="medium")
    with columns[0]:
        _score("Highest " + metric_label(view.metric), best)
    with columns[1]:
        _score(f"{metric_label(view.metric)} of the reference", reference)
    with columns[2]:
        _difference(best)
    with columns[3]:
        _patients(view)


def _row(board: pd.DataFrame, model: str) -> pd.Series | None:
    found = board[board["model"] == model]
    return None if found.empty else found.iloc[0]


def _reference_row(view: View) -> pd.Series | None:
    """The reference model, in the variant on show where it has only that one."""
    found = _row(view.board, view.reference)
    if found is not None:
        return found
    base = rows.model_facts(view.summary).set_index("model")["base_model"].get(view.reference, "")
    same = view.board[view.board["base_model"] == base]
    return None if same.empty else same.iloc[0]


def _score(label: str, row: pd.Series | None) -> None:
    if row is None or not finite(row["value"]):
        st.metric(label, "none")
        st.caption("No model has a defined value here.")
        return
    st.metric(label, number(row["value"]), help=METRICS[view_metric].meaning if (view_metric := _slug(label)) else None)
    st.caption(f"{span(row['low'], row['high'])}  \n{row['label']}")


def _slug(label: str) -> str:
    return next((slug for slug in ("auroc", "c_index") if metric_label(slug) in label), "")


def _difference(best: pd.Series | None) -> None:
    if best is None or not finite(best["difference"]):
        st.metric("Difference", "none")
        st.caption("The best model is the reference, or no pair was compared.")
        return
    st.metric("Difference, same patients", signed(best["difference"]))
    st.caption(f"{signed(best['difference_low'])} to {signed(best['difference_high'])}  \n{_verdict(best)}")


def _verdict(best: pd.Series) -> str:
    clear = best["difference_low"] > 0 or best["difference_high"] < 0
    return "the interval leaves out zero" if clear else "the interval holds zero"


def _patients(view: View) -> None:
    first = view.board.iloc[0]
    st.metric("Patients judged", f"{int(first['n']):,}")
    if view.is_time:
        st.caption(f"{events(first['n_events'], view.min_cell)} went home in the time seen")
        return
    share = f" ({percent(first['n_events'] / first['n'])})" if finite(first["n_events"]) else ""
    st.caption(f"{events(first['n_events'], view.min_cell)} with the event{share}")


def leaderboard_section(view: View) -> None:
    """The forest plot and the same as a table."""
    st.subheader("Which model ranks patients best?", anchor=False)
    chart, table = st.tabs(["Figure", "Table"])
    with chart:
        reference = _reference_row(view)
        drawing = leaderboard.forest(view.board, view.metric, str(reference["label"]) if reference is not None else "")
        figures.figure(drawing, name=view.file("leaderboard"), alt=leaderboard.forest_alt(view.board, view.metric))
    with table:
        shown = score_table(view.summary, view)
        raw = rows.metric_table(view.summary, view.outcome_name, view.split, view.inputs)
        figures.table(shown, name=view.file("scores"), alt=f"Scores of {plural(len(shown), 'model')}", raw=raw)


def score_table(summary: StudySummary, view: View) -> pd.DataFrame:
    """The leaderboard as people read it: one row a model, each score with its interval."""
    shown = pd.DataFrame(
        {
            "Model": view.board["label"],
            "Sees": view.board["sees"],
            metric_label(view.metric): _intervals(view.board, "value", "low", "high"),
            "Difference to reference": [
                difference_with_interval(*three) if finite(three[0]) else ""
                for three in view.board[["difference", "difference_low", "difference_high"]].to_numpy()
            ],
        }
    )
    for metric in TABLE_METRICS:
        scores = summary.table("scores", outcome=view.outcome_name, split=view.split, group="all", metric=metric)
        if not scores.empty:
            joined = view.board[["model"]].merge(scores, on="model", how="left")
            shown[metric_label(metric)] = _intervals(joined, "value", "low", "high")
    return shown.assign(Patients=view.board["n"].astype(int), Events=[events(n, view.min_cell) for n in view.board["n_events"]])


def _intervals(table: pd.DataFrame, value: str, low: str, high: str) -> list[str]:
    digits = max((digits_for(*pair) for pair in table[[low, high]].dropna().to_numpy()), default=2)
    return [with_interval(*three, digits) for three in table[[value, low, high]].to_numpy()]

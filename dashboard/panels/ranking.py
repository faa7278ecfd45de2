"""Which model ranks patients best: headline numbers, the leaderboard as a figure and as a table."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.charts import leaderboard, rows
from dashboard.charts.outcome_tables import any_pair, any_pair_table, reference_row, row_of, score_table
from dashboard.charts.wording import (
    METRICS,
    events,
    finite,
    metric_label,
    number,
    percent,
    plural,
    signed,
    span,
)
from dashboard.panels.choice import View
from dashboard.widgets import figures
from dashboard.widgets.trouble import section


def headline_numbers(view: View) -> None:
    """At most four numbers: the best model, the reference, their difference, and the patients behind them."""
    best, reference = row_of(view.board, rows.best_of(view.board)), reference_row(view)
    columns = st.columns(4, gap="medium")
    with columns[0]:
        _score("Highest " + metric_label(view.metric), best, view.metric)
    with columns[1]:
        _score(f"{metric_label(view.metric)} to beat", reference, view.metric)
    with columns[2]:
        _difference(best)
    with columns[3]:
        _patients(view)


def _score(label: str, row: pd.Series | None, metric: str) -> None:
    if row is None or not finite(row["value"]):
        st.metric(label, "none")
        st.caption("No model has a defined value here.")
        return
    below = span(row["low"], row["high"]) if row["high"] > row["low"] else "by definition"
    _number(label, number(row["value"]), below, str(row["label"]), METRICS[metric].meaning)


def _number(label: str, value: str, below: str, small: str, help: str | None = None) -> None:
    """A headline number with its interval and one more line."""
    with st.container(gap=None):
        st.metric(label, value, help=help)
        st.markdown(below)
        st.caption(small)


def _difference(best: pd.Series | None) -> None:
    if best is None or not finite(best["difference"]):
        st.metric("Difference", "none")
        st.caption("The best model is the reference, or no pair was compared.")
        return
    told = f"{signed(best['difference_low'])} to {signed(best['difference_high'])}"
    _number("Difference, same patients", signed(best["difference"]), told, _verdict(best))


def _verdict(best: pd.Series) -> str:
    clear = best["difference_low"] > 0 or best["difference_high"] < 0
    return "the interval leaves out zero" if clear else "the interval holds zero"


def _patients(view: View) -> None:
    first = view.board.iloc[0]
    seen = events(first["n_events"], view.min_cell)
    told = "went home in the time seen" if view.is_time else "with the event"
    share = percent(first["n_events"] / first["n"]) if finite(first["n_events"]) and not view.is_time else ""
    _number("Patients judged", f"{int(first['n']):,}", f"{seen} {told}", share)


def leaderboard_section(view: View) -> None:
    """The forest plot and the same as a table."""
    st.subheader("Which model ranks patients best?", anchor=False)
    chart, table = st.tabs(["Figure", "Table"])
    with chart:
        reference = reference_row(view)
        alt = leaderboard.forest_alt(view.board, view.metric, "" if reference is None else str(reference["label"]))
        figures.figure(leaderboard.forest(view.board, view.metric), name=view.file("leaderboard"), alt=alt)
    with table:
        shown = score_table(view)
        raw = rows.metric_table(view.summary, view.outcome_name, view.split, view.inputs)
        figures.table(shown, name=view.file("scores"), alt=f"Scores of {plural(len(shown), 'model')}", raw=raw)


@section
def any_two_section(view: View) -> None:
    """Any two models on the same patients, by every measure that models are compared by."""
    judged = view.summary.table("pairs", outcome=view.outcome_name)
    names = {name: label for name, label in rows.labels(view.summary).items() if name in {*judged["model"], *judged["rival"]}}
    if len(names) < 2 or view.split != "internal":
        return
    st.subheader("Any two models on the same patients", anchor=False)
    left, right = st.columns(2, gap="medium")
    best = rows.best_of(view.board)
    with left:
        first = st.selectbox("Model", list(names), index=_at(names, best), format_func=lambda name: names[name], key="pair_first")
    with right:
        others = {name: label for name, label in names.items() if name != first}
        start = _at(others, view.reference)
        second = st.selectbox("Minus", list(others), index=start, format_func=lambda name: others[name], key="pair_second")
    part = any_pair(view, first, second)
    shown = any_pair_table(part)
    figures.table(shown, name=view.file(f"pair_{first}_{second}"), alt=f"{names[first]} minus {names[second]}", raw=part)
    st.caption("It explores: the pairs that were planned stand in the leaderboard. p of the AUROC is DeLong's where it applies.")


def _at(names: dict[str, str], wanted: str) -> int:
    return list(names).index(wanted) if wanted in names else 0

"""Which method outlines best: headline numbers, the leaderboard with its costs, and quality against cost."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.charts import mask_leaderboard, mask_rows, mask_tables, trade, transport
from dashboard.charts.mask_rows import HUMAN
from dashboard.charts.wording import finite, plural
from dashboard.panels.mask_choice import MaskView
from dashboard.widgets import badges, choosers, figures, state
from dashboard.widgets.trouble import section

NETWORKS, CLASSICAL = ("network", "anchor"), ("classical",)


def headline_numbers(view: MaskView) -> None:
    """At most four numbers: the best method, what it stands against, their difference, and the cases behind them."""
    best = _row(view.board, mask_rows.best_of(view.board, view.metric))
    columns = st.columns(4, gap="medium")
    with columns[0]:
        _score(f"Best {view.metric.label}", view, best)
    with columns[1]:
        _beside(view, best)
    with columns[2]:
        _difference(view)
    with columns[3]:
        _cases(view)


def _row(board: pd.DataFrame, model: str) -> pd.Series | None:
    found = board[board["model"] == model]
    return None if found.empty else found.iloc[0]


def number(label: str, value: str, below: str, small: str, help: str | None = None) -> None:
    """A headline number with its interval and one more line."""
    with st.container(gap=None):
        st.metric(label, value, help=help)
        st.markdown(below or "no interval")
        st.caption(small)


def _score(label: str, view: MaskView, row: pd.Series | None) -> None:
    if row is None or not finite(row["value"]):
        st.metric(label, "none")
        st.caption("No method has a defined value here.")
        return
    metric = view.metric
    below = f"{metric.value(row['low'])} to {metric.value(row['high'])}"
    number(label, metric.value(row["value"]), below, str(row["label"]), metric.description)


def _beside(view: MaskView, best: pd.Series | None) -> None:
    """How well readers agree, where several drew; else the best method of the other kind."""
    people = _row(view.board, HUMAN)
    if people is not None and finite(people["value"]):
        _score("Readers agree at", view, people)
        return
    network = best is not None and best["family"] in NETWORKS
    other = mask_rows.best_of(view.board, view.metric, CLASSICAL if network else NETWORKS)
    _score("Best classical method" if network else "Best network", view, _row(view.board, other))


def _difference(view: MaskView) -> None:
    """The best network against the best classical method, on the same cases."""
    best, other = (mask_rows.best_of(view.board, view.metric, families) for families in (NETWORKS, CLASSICAL))
    row = mask_rows.pair(view.summary, view.region_name, view.split, view.metric.name, best, other)
    label = "Network − classical"
    if row is None or not finite(row["difference"]):
        st.metric(label, "none")
        st.caption("No network and classical method were compared by this metric.")
        return
    told = f"{view.metric.signed(row['low'])} to {view.metric.signed(row['high'])}"
    clear = row["low"] > 0 or row["high"] < 0
    small = "same cases; the interval " + ("leaves out zero" if clear else "holds zero")
    number(label, view.metric.signed(row["difference"]), told, small, f"{view.labels[best]} − {view.labels[other]}")


def _cases(view: MaskView) -> None:
    rows = view.board[view.board["model"] != HUMAN]
    if rows.empty:
        st.metric("Cases judged", "0")
        return
    first = rows.iloc[0]
    total = int(first["n"] + first["n_undefined"])
    undefined = f"{int(first['n_undefined'])} of them without a value" if first["n_undefined"] else "each with a value"
    number(
        "Cases judged", f"{total:,}", f"{plural(int(first['n_patients']), 'patient')}", undefined, view.metric.undefined or None
    )


def leaderboard_section(view: MaskView) -> None:
    """The forest plot with costs, and the same as a table; a click on a dot shows the method's cases."""
    st.subheader("Which method outlines best?", anchor=False)
    chart, table = st.tabs(["Figure", "Table"])
    with chart:
        drawing = mask_leaderboard.forest(view.board, view.metric)
        alt = mask_leaderboard.forest_alt(view.board, view.metric)
        figures.clickable(drawing, name=view.file("leaderboard"), alt=alt, on_click=keep_case)
    with table:
        raw = mask_rows.method_facts(view.summary)[["model", "label", "family"]].merge(
            view.summary.table("scores", region=view.region_name, split=view.split), on="model"
        )
        figures.table(mask_tables.score_table(view), name=view.file("scores"), alt="Scores and costs of all methods", raw=raw)


def keep_case(model: str, case: str) -> None:
    """Notes in the URL which method and case were clicked."""
    state.to_url(state.METHOD, model)
    if case:
        state.to_url(state.CASE, case)


@section
def trade_section(view: MaskView) -> None:
    """Quality against one cost."""
    st.subheader("Is more cost worth it?", anchor=False)
    words = {name: label for name, label in trade.COSTS.items() if len(trade.shown(view.board, name))}
    if not words:
        st.markdown("No cost was recorded.")
        return
    cost = choosers.switch("Cost", state.COST, words, next(iter(words)))
    alt = trade.trade_alt(view.board, view.metric, cost)
    figures.figure(trade.trade(view.board, view.metric, cost), name=view.file(f"cost_{cost}"), alt=alt)


def transport_section(view: MaskView) -> None:
    """Every split beside the others."""
    st.subheader("Does it hold on other scanners and sites?", anchor=False)
    table = mask_rows.across_splits(view.summary, view.region_name, view.metric)
    if table.empty:
        st.markdown("This study left no site or scanner out: how the methods do elsewhere is not known.")
        return
    for item in view.summary.info["splits"]:
        if item["name"] in set(table["split"]):
            badge = f" {badges.inline(badges.EXTERNAL)}" if str(item["name"]).startswith("external") else ""
            st.markdown(f"**{item['label']}**{badge} Judged on {plural(int(item['n_test']), 'case')}. {item.get('note', '')}")
    chart, shown = st.tabs(["Figure", "Table"])
    with chart:
        alt = transport.dumbbell_alt(table, view.metric.name, view.metric.axis)
        figures.figure(transport.dumbbell(table, view.metric.name, view.metric.axis), name=view.file("splits"), alt=alt)
    with shown:
        wide = mask_tables.transport_table(view, table)
        figures.table(wide, name=view.file("splits"), alt=f"{view.metric.label} of each method on each split", raw=table)

"""What a threshold does, told in patients."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.charts import rows
from dashboard.charts.rows import Consequences
from dashboard.charts.wording import percent
from dashboard.panels.choice import View
from dashboard.widgets import figures
from dashboard.widgets.trouble import section

SMALL = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@section
def threshold_section(view: View) -> None:
    """A slider over the stored thresholds, and its consequences for 100 such patients."""
    stored = view.summary.table("thresholds", outcome=view.outcome_name, split=view.split)
    stored = stored.dropna(subset=["flagged", "sensitivity"])
    board = view.board[view.board["model"].isin(set(stored["model"]))]
    if board.empty:
        return
    st.subheader("What would a threshold do?", anchor=False)
    left, right = st.columns([2, 3], gap="large", vertical_alignment="bottom")
    with left:
        model = _choose_model(view, board)
    table = stored[stored["model"] == model].sort_values("threshold")
    with right:
        row = _choose_threshold(view, table, model)
    told = rows.consequences(float(row["flagged"]), float(row["sensitivity"]), view.rate)
    st.markdown(sentence(told, float(row["threshold"]), view.outcome))
    _counts(told, bool(view.outcome.get("desirable")))
    with st.expander("All thresholds as a table"):
        columns = [column for column in table.columns if column not in ("outcome", "model", "split")]
        figures.table(table[columns].round(3), name=view.file("thresholds"), alt="Shares at each threshold", raw=table)


def _choose_model(view: View, board: pd.DataFrame) -> str:
    labels = dict(zip(board["model"], board["label"], strict=True))
    names = list(labels)
    best = rows.best_of(board)
    at = names.index(best) if best in names else 0
    key = f"threshold_model_{view.file(view.inputs)}"
    return str(st.selectbox("Model", names, index=at, format_func=lambda name: labels[name], key=key))


def _choose_threshold(view: View, table: pd.DataFrame, model: str) -> pd.Series:
    steps = [float(value) for value in table["threshold"]]
    nearest = min(steps, key=lambda value: abs(value - view.rate))
    chosen = st.select_slider(
        "Flag a patient when the risk is at least",
        steps,
        value=nearest,
        format_func=percent,
        key=f"threshold_{view.file(view.inputs)}_{model}",
        help="Starts at the share of patients with the event.",
    )
    return table.iloc[steps.index(float(chosen))]


def sentence(told: Consequences, threshold: float, outcome: object) -> str:
    """The consequences in a sentence or two: "Of 100 such patients, 12 are flagged, five of them rightly"."""
    facts = dict(outcome) if isinstance(outcome, dict) else {}
    name = str(facts.get("label", "the event")).lower()
    verb = "expected to have the good outcome" if facts.get("desirable") else "flagged"
    rightly = "none of them rightly" if told.flagged_rightly == 0 else f"{_word(told.flagged_rightly)} of them rightly"
    first = f"Of 100 such patients, {told.flagged} are {verb} at {percent(threshold)} or more"
    first += f", {rightly}." if told.flagged else "."
    return f"{first} {told.with_event} of the 100 have this outcome ({name}); {_word(told.missed)} of them would be overlooked."


def _word(count: int) -> str:
    return SMALL[count] if count < len(SMALL) else str(count)


def _counts(told: Consequences, desirable: bool) -> None:
    """The four counts beside each other; they sum to 100."""
    flagged = "Expected" if desirable else "Flagged"
    left = "Not expected" if desirable else "Not flagged"
    pairs = (
        (f"{flagged} rightly", told.flagged_rightly),
        (f"{flagged} in vain", told.flagged_in_vain),
        (f"{left}, overlooked", told.missed),
        (f"{left}, rightly", told.left_rightly),
    )
    for column, (label, count) in zip(st.columns(4, gap="medium"), pairs, strict=True):
        column.metric(label, f"{count} of 100")

"""What a reader has chosen to see, and everything that follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import pandas as pd
import streamlit as st

from core.storage.summaries import StudySummary
from dashboard.charts import rows
from dashboard.widgets import badges, choosers, folds, state, store
from dashboard.widgets.sidebar import badges_of, chosen_study, title_of

INPUT_WORDS = {
    "record": "Record",
    "procedure": "And procedure",
    "both": "Both",
}
INPUT_HELP = (
    "Record: only what is known before the operation. And procedure: also which procedure was performed, "
    "which stands in for the plan and may say more than anybody knew beforehand."
)


@dataclass(frozen=True)
class View:
    """One outcome of one study on one split.

    Args:
        board: what ``charts.rows.leaderboard`` gives for it.
        reference: slug of the model that others are compared with.
        metric: the metric that orders the board.
    """

    summary: StudySummary
    outcome: Mapping[str, Any]
    split: str
    inputs: rows.Inputs
    board: pd.DataFrame
    reference: str
    metric: str

    @property
    def outcome_name(self) -> str:
        return str(self.outcome["name"])

    @property
    def is_time(self) -> bool:
        return bool(self.outcome["kind"] == "time_to_event")

    @property
    def min_cell(self) -> int:
        return int(self.summary.info.get("min_cell", 10))

    @property
    def rate(self) -> float:
        """Share with the event among the patients judged here."""
        first = self.board.iloc[0]
        if pd.notna(first["n_events"]):
            return float(first["n_events"]) / float(first["n"])
        return float(self.outcome.get("rate") or 0.0)

    @property
    def split_facts(self) -> Mapping[str, Any]:
        return next((item for item in self.summary.info["splits"] if item["name"] == self.split), {})

    def file(self, part: str) -> str:
        """Name of a download: study, outcome, split and what it holds."""
        return "_".join((self.summary.name, self.outcome_name, self.split.replace(":", "-").replace("=", "-"), part))


def open_outcomes(title: str, kinds: tuple[str, ...] = ("outcomes",)) -> View | None:
    """The opening of a page on outcomes: title, study and choosers; None, with words, where there is nothing to show.

    Args:
        kinds: of study that the page shows; the one chosen is of outcomes.
    """
    st.title(title, anchor=False)
    place = chosen_study(*kinds)
    if place is None:
        folds.nothing_yet(
            "There is no study of outcomes to show yet.", "This command makes the first one (a few minutes):", "make demo"
        )
        return None
    badges.titled(title_of(place), badges_of(place))
    view = choose_view(store.summary(place))
    if view is None:
        folds.nothing_yet("This study has no outcome of patients.", "Choose another study on the left.")
    elif view.board.empty:
        folds.nothing_yet("No model was judged on these patients.", "Choose another outcome or other patients above.")
        return None
    return view


def choose_view(summary: StudySummary) -> View | None:
    """The view that the reader chose; None where the study has no outcome."""
    outcomes = {str(item["name"]): str(item["label"]) for item in summary.info["outcomes"]}
    if not outcomes:
        return None
    left, middle, right = st.columns([3.4, 2.4, 3.3], gap="medium", vertical_alignment="bottom")
    with left:
        outcome = choosers.select("Outcome", state.OUTCOME, outcomes, next(iter(outcomes)))
    with middle:
        split = _choose_split(summary, outcome)
    with right:
        inputs = _choose_inputs(summary, outcome)
    return view_of(summary, outcome, split, inputs)


def view_of(summary: StudySummary, outcome: str, split: str, inputs: rows.Inputs) -> View:
    """The view of these choices."""
    facts = summary.outcome(outcome)
    return View(
        summary=summary,
        outcome=facts,
        split=split,
        inputs=inputs,
        board=rows.leaderboard(summary, outcome, split, inputs),
        reference=rows.reference_model(summary, outcome),
        metric=rows.main_metric(dict(facts)),
    )


def _choose_split(summary: StudySummary, outcome: str) -> str:
    judged = set(summary.table("scores", outcome=outcome)["split"])
    words = {str(item["name"]): str(item.get("label", item["name"])) for item in summary.info["splits"] if item["name"] in judged}
    words = words or {"internal": "Cross-validation"}
    return choosers.select("Judged on", state.SPLIT, words, next(iter(words)))


def _choose_inputs(summary: StudySummary, outcome: str) -> rows.Inputs:
    if not rows.has_variants(summary, outcome):
        return "both"
    return cast(rows.Inputs, choosers.switch("What the models see", state.INPUTS, INPUT_WORDS, "record", help=INPUT_HELP))

"""One outcome of one study on one split, and everything that follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from core.storage.summaries import StudySummary
from dashboard.charts import rows


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

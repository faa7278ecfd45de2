"""One plain sentence for each outcome, written from the numbers, and what would change it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from core.evaluation.comparisons import BASE_RATE, Pair
from core.evaluation.sample_size import HALF_WIDTH, events_needed
from core.evaluation.scoring import ALL

NO_SKILL = 0.5
FEWEST_EVENTS = 50
IMAGING = frozenset({"image", "anatomy"})

VERDICTS: Mapping[str, str] = {
    "separates": "A model's interval lies above 0.5, with at least 50 patients with and 50 without the event.",
    "cannot tell apart": "No model's interval lies above 0.5.",
    "too few events": "Fewer than 50 patients with the event, or fewer than 50 without it.",
}
"""The closed list of verdicts on an outcome, each with its rule."""


@dataclass(frozen=True)
class Finding:
    """What is said of an outcome.

    Args:
        verdict: a word of ``VERDICTS``.
        headline: one or two sentences; change: what would change this conclusion.
    """

    verdict: str
    headline: str
    change: str


@dataclass(frozen=True)
class Evidence:
    """What the sentences on one outcome are written from.

    Args:
        facts: of the outcome, as in ``StudySummary.info``.
        models: facts of all models; scores, comparisons: rows of this outcome on the internal split.
    """

    facts: Mapping[str, Any]
    models: Sequence[Mapping[str, Any]]
    scores: pd.DataFrame
    comparisons: pd.DataFrame

    @property
    def metric(self) -> str:
        return "auroc" if self.facts["kind"] == "binary" else "c_index"

    @property
    def metric_label(self) -> str:
        return "AUROC" if self.metric == "auroc" else "C-index"

    def ranking(self) -> pd.DataFrame:
        """Models by the ranking metric, best first: without the procedure where there are such, never the base rate."""
        rows = self.scores[(self.scores["metric"] == self.metric) & (self.scores["group"] == ALL)].dropna(subset=["value"])
        rows = rows[rows["model"] != BASE_RATE]
        performed = {
            str(row["name"]) for row in self.models if row.get("with_procedure") or "procedure" in self.inputs(row["name"])
        }
        before = rows[~rows["model"].isin(performed)]
        return (before if len(before) else rows).sort_values("value", ascending=False, kind="stable")

    def label(self, model: str) -> str:
        return next((str(row["label"]) for row in self.models if row["name"] == model), model)

    def family(self, model: str) -> str:
        return next((str(row.get("family", "")) for row in self.models if row["name"] == model), "")

    def inputs(self, model: str) -> frozenset[str]:
        given = next((row.get("inputs", ()) for row in self.models if row["name"] == model), ())
        return frozenset(given.split("+") if isinstance(given, str) else given)

    def difference(self, pair: Pair) -> pd.Series | None:
        table = self.comparisons
        rows = table[(table["model"] == pair[0]) & (table["rival"] == pair[1]) & (table["metric"] == self.metric)]
        return rows.iloc[0] if len(rows) else None


def imaging_pair(evidence: Evidence) -> Pair | None:
    """The best model that learns from record and pictures, against the best that reads the record alone.

    A traditional score that holds a measurement of the mask is another kind of model, not the record with imaging added.
    """
    order = [str(name) for name in evidence.ranking()["model"] if evidence.family(str(name)) != "traditional"]
    both = [name for name in order if evidence.inputs(name) & IMAGING and "record" in evidence.inputs(name)]
    every = [str(name) for name in evidence.ranking()["model"]]
    record = [name for name in every if "record" in evidence.inputs(name) and not evidence.inputs(name) & IMAGING]
    return (both[0], record[0]) if both and record else None


def procedure_pair(evidence: Evidence) -> Pair | None:
    """The best model that was also run with the procedure, with it and without."""
    performed = {str(row["base_model"]): str(row["name"]) for row in evidence.models if row.get("with_procedure")}
    for name in evidence.ranking()["model"]:
        base = next((str(row["base_model"]) for row in evidence.models if row["name"] == name), "")
        if base in performed and performed[base] != name:
            return performed[base], str(name)
    return None


def find(evidence: Evidence) -> Finding:
    """The sentences on one outcome."""
    ranking = evidence.ranking()
    if ranking.empty:
        return Finding("too few events", _unjudged(evidence), _change(evidence, 0.7, None))
    best = ranking.iloc[0]
    skilled = bool((ranking["low"] > NO_SKILL).any())
    enough = bool(evidence.facts["enough"])
    verdict = ("separates" if skilled else "cannot tell apart") if enough else "too few events"
    text = _ranks_best(evidence, best, len(ranking)) if skilled else _no_skill(evidence, best, len(ranking))
    parts = [text, "" if enough else _few(evidence), _procedure(evidence)]
    return Finding(verdict, " ".join(part for part in parts if part), _change(evidence, float(best["value"]), best))


def _interval(row: pd.Series) -> str:
    return f"{row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f})"


def _ranks_best(evidence: Evidence, best: pd.Series, number: int) -> str:
    label, interval = evidence.label(str(best["model"])), f"{best['value']:.2f}, {best['low']:.2f} to {best['high']:.2f}"
    place = f"ranks best of {number} models" if number > 1 else "is the one model judged"
    return f"{label} {place} ({evidence.metric_label} {interval}){_imaging(evidence)}."


def _no_skill(evidence: Evidence, best: pd.Series, number: int) -> str:
    label, reached = evidence.label(str(best["model"])), f"{evidence.metric_label} {_interval(best)}{_imaging(evidence)}"
    if number == 1:
        return f"{label}, the one model judged, cannot tell patients apart: {reached}."
    return f"No model can tell patients apart: the best of {number} models, {label}, reaches {reached}."


def _signed(row: pd.Series) -> str:
    difference, low, high = (round(float(row[name]), 2) + 0.0 for name in ("difference", "low", "high"))  # no "-0.00"
    return f"{difference:+.2f} ({low:+.2f} to {high:+.2f})"


def _imaging(evidence: Evidence) -> str:
    pair = imaging_pair(evidence)
    row = evidence.difference(pair) if pair else None
    if pair is None or row is None or not math.isfinite(row["low"]):
        return ""
    added = "the image" if "image" in evidence.inputs(pair[0]) else "measurements of the image"
    text = f"; adding {added} ({evidence.label(pair[0])}) changes {evidence.metric_label} by {_signed(row)}"
    if row["low"] > 0:
        return f"{text}: " + ("imaging adds here" if evidence.facts["enough"] else "too few events to say that imaging adds")
    if row["high"] < 0:
        return f"{text}: imaging makes it worse here"
    return f"{text}: no evidence that imaging adds here"


def _procedure(evidence: Evidence) -> str:
    pair = procedure_pair(evidence)
    row = evidence.difference(pair) if pair else None
    if pair is None or row is None or not math.isfinite(row["low"]):
        return ""
    whose = "" if pair[1] == evidence.ranking()["model"].iloc[0] else f" of {evidence.label(pair[1])}"
    return f"Knowing the procedure that was performed changes {evidence.metric_label}{whose} by {_signed(row)}."


def _few(evidence: Evidence) -> str:
    n, events = evidence.facts["n"], evidence.facts["n_events"]
    if evidence.metric == "c_index" or events <= n - events:
        return f"Only {events} of {n} patients had the event: too few to rely on."
    return f"Only {n - events} of {n} patients did not have the event: too few to rely on."


def _unjudged(evidence: Evidence) -> str:
    n, events = evidence.facts["n"], evidence.facts["n_events"]
    return f"No model could be judged: {events} of {n} patients had the event."


def _change(evidence: Evidence, value: float, best: pd.Series | None) -> str:
    n, events = int(evidence.facts["n"]), int(evidence.facts["n_events"])
    if not 0 < events < n:
        return "Patients with and without the event are both needed."
    if evidence.metric == "c_index":
        return _change_of_times(evidence, n, best)
    needed = events_needed(value, events / n)
    if needed.events <= events:
        return _elsewhere(evidence)
    return (
        f"At AUROC {max(value, 1 - value):.2f}, an interval of ±{HALF_WIDTH:.2f} needs about {needed.events} events, "
        f"{needed.patients} patients at this rate; this study has {events} among {n}. {_selection()}"
    )


def _change_of_times(evidence: Evidence, n: int, best: pd.Series | None) -> str:
    half = (best["high"] - best["low"]) / 2 if best is not None else math.nan
    if not math.isfinite(half):
        return "More patients followed to the event are needed."
    if half <= HALF_WIDTH:
        return _elsewhere(evidence)
    needed = math.ceil(n * (half / HALF_WIDTH) ** 2)
    return (
        f"An interval of ±{HALF_WIDTH:.2f} around this C-index needs about {needed} patients; this study has {n}. {_selection()}"
    )


def _selection() -> str:
    return "The best of several models looks somewhat better than it is; new patients would tell."


def _elsewhere(evidence: Evidence) -> str:
    return (
        f"The interval around this {evidence.metric_label} is near ±{HALF_WIDTH:.2f} or narrower; "
        "patients of another hospital would show whether it holds there."
    )

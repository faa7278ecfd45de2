"""Numbers and slugs as people read them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

MINUS = "\u2212"
NOT_DEFINED = "not defined"


@dataclass(frozen=True)
class MetricWords:
    """How a metric is called, what it says in one sentence, and which way is better."""

    label: str
    meaning: str
    higher_is_better: bool = True


METRICS: dict[str, MetricWords] = {
    "auroc": MetricWords(
        "AUROC", "Of two patients, one with and one without the event: how often the model ranks the right one higher."
    ),
    "c_index": MetricWords("C-index", "Of two patients: how often the model says rightly who goes home first."),
    "average_precision": MetricWords(
        "Average precision", "Mean share of true events among the flagged; the base rate is what chance gives."
    ),
    "brier": MetricWords("Brier score", "Mean squared distance between risk and what happened.", False),
    "oe_ratio": MetricWords("Observed / expected", "Events seen over events foretold; above 1 the model says too little."),
    "net_benefit": MetricWords("Net benefit", "True alarms, less false ones weighed by what a false one costs, per patient."),
    "false_positive_rate": MetricWords("False positive rate", "Share of those without the event who are flagged.", False),
    "interval_score": MetricWords("Interval score", "Width of the stated range of days, with a fine for each miss.", False),
    "quantile_coverage": MetricWords("Coverage of 80% range", "Share of patients whose day lies inside the stated range."),
    "brier_by_day": MetricWords("Brier score, days", "Brier score, mean over the scored days.", False),
    "accuracy": MetricWords("Accuracy", "Share judged rightly at the stated threshold."),
    "precision": MetricWords("Precision", "Share of the flagged who have the event, at the stated threshold."),
    "recall": MetricWords("Recall", "Share of those with the event who are flagged, at the stated threshold."),
    "f1": MetricWords("F1", "Harmonic mean of precision and recall at the stated threshold."),
}
FAMILIES: dict[str, str] = {
    "reference": "Reference",
    "traditional": "In use today",
    "tabular": "Learned from the record",
    "image": "Learned from the image",
    "fusion": "Image and record together",
    "recovery": "Models of time",
    "classical": "Classical methods",
    "network": "Networks",
    "anchor": "Modern networks",
}
INPUTS: dict[str, str] = {
    "record": "record",
    "procedure": "procedure",
    "anatomy": "anatomy from the masks",
    "image": "image",
}


def metric_label(metric: str) -> str:
    """What people read for a metric's slug."""
    return METRICS[metric].label if metric in METRICS else metric.replace("_", " ").capitalize()


def finite(value: object) -> bool:
    """Whether a value is a number that can be shown."""
    return isinstance(value, Real) and math.isfinite(value)


def digits_for(low: float, high: float) -> int:
    """Decimals that an interval deserves: three when it is narrower than 0.02, else two."""
    return 3 if finite(low) and finite(high) and 1e-9 < high - low < 0.02 else 2


def number(value: float, digits: int = 2) -> str:
    """ "0.68", or words where there is no value."""
    if not finite(value):
        return NOT_DEFINED
    return f"{value:.{digits}f}".replace("-", MINUS)


def signed(value: float, digits: int = 2) -> str:
    """ "+0.01", "−0.01", "0.00"."""
    if not finite(value):
        return NOT_DEFINED
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", MINUS)


def span(low: float, high: float, digits: int = 2) -> str:
    """ "0.61 to 0.75"."""
    return f"{number(low, digits)} to {number(high, digits)}"


def with_interval(value: float, low: float, high: float, digits: int | None = None) -> str:
    """ "0.68 (0.61 to 0.75)"; the value alone where there is no interval, or where it is fixed by definition."""
    places = digits_for(low, high) if digits is None else digits
    if not (finite(low) and finite(high)) or high - low < 1e-9:
        return number(value, places)
    return f"{number(value, places)} ({span(low, high, places)})"


def difference_with_interval(value: float, low: float, high: float, digits: int = 2) -> str:
    """ "+0.01 (−0.01 to +0.03)"."""
    if not (finite(low) and finite(high)):
        return signed(value, digits)
    return f"{signed(value, digits)} ({signed(low, digits)} to {signed(high, digits)})"


def percent(share: float) -> str:
    """ "18%"; risks are told in whole percent."""
    return f"{100 * share:.0f}%" if finite(share) else NOT_DEFINED


def events(count: object, min_cell: int) -> str:
    """ "88", or "fewer than 10" where the count is hidden."""
    if isinstance(count, Real) and math.isfinite(count):
        return f"{float(count):,.0f}"
    return f"fewer than {min_cell}"


def outcome_count(outcome: Mapping[str, Any], min_cell: int) -> str:
    """ "88 of 489 patients (18%)"; of a time to event the patients alone."""
    if outcome["kind"] == "time_to_event":
        return plural(int(outcome["n"]), "patient")
    seen = events(outcome.get("n_events"), min_cell)
    rate = f" ({percent(outcome['rate'])})" if outcome.get("rate") is not None else ""
    return f"{seen} of {outcome['n']:,} patients{rate}"


def plural(count: int, one: str, many: str = "") -> str:
    """ "1 outcome", "7 outcomes"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def first_and_rest(text: str) -> tuple[str, str]:
    """The first sentence of a text, and the others."""
    first, stop, rest = text.partition(". ")
    return (f"{first}.", rest) if stop else (text, "")


def inputs_text(inputs: list[str]) -> str:
    """What a model sees, in words: "record, image"."""
    return ", ".join(INPUTS.get(item, item) for item in inputs)

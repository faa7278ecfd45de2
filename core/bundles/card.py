"""The model card: written with every section, refused with an empty one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from core.bundles.contents import TrainingSummary
from core.contracts.codebook import Field
from core.contracts.cohort import Cohort
from core.contracts.forecast import PredictorSpec
from core.contracts.outcome import Outcome
from core.errors import BundleError, InputError

SECTIONS = (
    "Intended use",
    "Not a medical device",
    "Who must not be assessed",
    "Outcome",
    "Training data",
    "Model",
    "Performance",
    "Evidence gate",
    "Limits",
    "Update policy",
    "Licence",
)
NOT_STATED = frozenset({"", "-", "none", "unknown", "not stated", "tbd", "todo", "n/a", "?"})


@dataclass(frozen=True)
class CardFacts:
    """What a card is written from."""

    title: str
    cohort: Cohort
    outcome: Outcome
    spec: PredictorSpec
    summary: TrainingSummary
    scores: pd.DataFrame
    licence: str
    limits: Sequence[str]


def write_card(facts: CardFacts) -> str:
    """The card as Markdown.

    Raises:
        InputError: no licence stated, or no score to report.
    """
    if facts.licence.strip().casefold() in NOT_STATED:
        raise InputError(
            f"Neither the recipe nor {facts.cohort.label} states a licence.",
            do="Write 'licence:' into the recipe: under which terms may this model be used?",
            code="MODEL_LICENCE",
        )
    bodies = _bodies(facts)
    parts = [f"# {facts.title}"]
    if facts.cohort.simulated:
        parts.append("**SIMULATED: the patients behind this model were made up by a computer. Not for any real patient.**")
    parts += [f"## {name}\n\n{bodies[name]}" for name in SECTIONS]
    return "\n\n".join(parts) + "\n"


def check_card(text: str) -> None:
    """Nothing, if every section says something and a licence is stated.

    Raises:
        BundleError: names the section.
    """
    found = {name.strip(): body.strip() for name, body in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", text, re.M | re.S)}
    for name in SECTIONS:
        if found.get(name, "").casefold() in NOT_STATED:
            code = "MODEL_LICENCE" if name == "Licence" else "MODEL_CARD"
            raise BundleError(f"The model card says nothing under {name!r}.", do="Build the bundle again.", code=code)


def _bodies(facts: CardFacts) -> Mapping[str, str]:
    return {
        "Intended use": _intended(facts),
        "Not a medical device": "This is research software. No authority has cleared it, and it must not decide about care.",
        "Who must not be assessed": _excluded(facts),
        "Outcome": _outcome(facts.outcome),
        "Training data": _training_data(facts),
        "Model": _model(facts),
        "Performance": performance(facts.scores, facts.summary.min_cell),
        "Evidence gate": _gate(facts.summary),
        "Limits": _lines(facts.limits),
        "Update policy": "A bundle is never changed. A new fit gets the next version number; the folder with the highest number "
        "is the one in use. It is built again when the study behind it is run again, and judged again before use.",
        "Licence": facts.licence,
    }


def _intended(facts: CardFacts) -> str:
    if facts.cohort.simulated:
        return "Showing how the pages and the commands work, on patients that do not exist."
    return (
        f"Research on counselling before the operation: how the chance of “{facts.outcome.label}” could be told to patients like "
        "those it was learned from."
    )


def _excluded(facts: CardFacts) -> str:
    ranges = [
        f"{field.label} outside {summary.low:g} to {summary.high:g}{f' {field.unit}' if field.unit else ''}"
        for field, summary in zip(_fields(facts), facts.summary.fields)
        if summary.low is not None and summary.high is not None and field.kind != "flag"
    ]
    whom = ["Any real patient." if facts.cohort.simulated else "Anyone unlike the patients it was learned from."]
    whom.append(f"Cases that do not count for the outcome. Those that do: {facts.outcome.eligible}")
    return _lines([*whom, *(f"{one}." for one in ranges)])


def _fields(facts: CardFacts) -> tuple[Field, ...]:
    return tuple(facts.cohort.codebook[summary.name] for summary in facts.summary.fields)


def _outcome(outcome: Outcome) -> str:
    good = "The event is desirable." if outcome.desirable else "The event is not desirable."
    window = f"Time window: {outcome.horizon}." if outcome.horizon else "The source states no time window."
    reference = f"Reference: {outcome.reference}." if outcome.reference else ""
    return " ".join(part for part in (outcome.definition, good, window, reference) if part)


def _training_data(facts: CardFacts) -> str:
    summary, cohort = facts.summary, facts.cohort
    events = f"fewer than {summary.min_cell}" if summary.n_events is None else str(summary.n_events)
    by_day = f" by day {summary.day}" if summary.day is not None else ""
    return _lines(
        [
            f"{cohort.label}: {summary.n} cases of {summary.n_patients} patients, {events} with the event{by_day}.",
            f"Source: {cohort.citation or 'not stated'}. Terms of the data: {cohort.licence or 'not stated'}.",
            *cohort.notes,
        ]
    )


def _model(facts: CardFacts) -> str:
    inputs = ", ".join(field.label for field in _fields(facts))
    return _lines(
        [
            f"{facts.spec.label}. {facts.spec.description}",
            f"It reads: {inputs}.",
            f"The band is the 5 to 95 % range over {facts.summary.refits} refits of the whole pipeline on bootstrap samples of "
            "patients: how firm the model is, not the patient's fate.",
        ]
    )


def performance(scores: pd.DataFrame, smallest: int) -> str:
    """One line a number: value, 95 % interval, patients and events, and on which patients.

    Raises:
        InputError: no score over all patients.
    """
    rows = scores[scores["group"] == "all"]
    if rows.empty:
        raise InputError("The study holds no score of this model and outcome.", do="Run the study to its end first.")
    return _lines([_score_line(row, smallest) for row in rows.to_dict("records")])


def _score_line(row: Mapping[Any, Any], smallest: int) -> str:
    events = f"fewer than {smallest}" if pd.isna(row["n_events"]) else int(row["n_events"])
    where = "out-of-fold predictions" if row["split"] == "internal" else f"split {row['split']}"
    interval = "" if pd.isna(row["low"]) else f" (95 % interval {row['low']:.3f} to {row['high']:.3f})"
    value = "undefined" if pd.isna(row["value"]) else f"{row['value']:.3f}"
    return f"{row['metric']}: {value}{interval}; {row['n']} patients, {events} events; {where}."


def _gate(summary: TrainingSummary) -> str:
    verdict = "A personal risk may be stated." if summary.gate.state == "PersonalRisk" else "Only the group's rate may be stated."
    return _lines([verdict, summary.gate.why, *([summary.gate.needed] if summary.gate.needed else [])])


def _lines(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences if sentence)

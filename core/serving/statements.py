"""From a checked record and a model's answer to a statement."""

from __future__ import annotations

import math

from core.bundles.contents import TrainingSummary
from core.bundles.ensemble import Answer
from core.bundles.learned import wilson
from core.bundles.opening import BundleOutline
from core.contracts.statement import Abstention, GroupRate, PersonalRisk
from core.counseling import english
from core.serving.scope import ScopeReport

WIDEST_BAND = 0.40
"""A band wider than 40 of 100 cannot inform a decision; then no number is given."""

NEEDED = {
    "MISSING": "Give the missing fields.",
    "UNIT_SUSPECT": "Check the unit beside the field.",
    "CATEGORY": "Choose one of the values that the codebook lists.",
    "RANGE": "Check the value; for such a patient the model would have to learn from others like this one.",
}

DayRows = tuple[tuple[int, float, float, float], ...]


def out_of_scope(outline: BundleOutline, report: ScopeReport) -> Abstention:
    """No number, for the first of the report's findings; all of them are in its details."""
    first = report.findings[0]
    same = [finding for finding in report.findings if finding.code == first.code]
    why = first.sentence if len(same) == 1 or first.code != "MISSING" else f"{len(same)} needed fields were not given."
    details = tuple(finding.sentence for finding in report.findings)
    return Abstention(outline.outcome.name, outline.outcome.label, first.code, why, NEEDED[first.code], details)


def no_output(outline: BundleOutline) -> Abstention:
    """No number, because the model's answer was none."""
    return Abstention(
        outline.outcome.name,
        outline.outcome.label,
        "OUTPUT",
        "The model's answer was not a chance between 0 and 1.",
        "Report the bundle; do not use it for this patient.",
    )


def group_rate(outline: BundleOutline, report: ScopeReport) -> GroupRate:
    """The rate of all training patients, with Wilson's interval; a hidden count becomes the most that it can be."""
    summary, outcome = outline.summary, outline.outcome
    hidden = summary.n_events is None
    count = summary.min_cell - 1 if summary.n_events is None else summary.n_events
    low, high = wilson(count / summary.n, summary.n)
    return GroupRate(
        outcome=outcome.name,
        label=outcome.label,
        definition=outcome.definition,
        desirable=outcome.desirable,
        horizon=_horizon(outline),
        count=count,
        n=summary.n,
        low=0.0 if hidden else low,
        high=high,
        reference=outline.manifest.dataset_label,
        why=summary.gate.why,
        needed=summary.gate.needed,
        cautions=_cautions(outline, ScopeReport({}, (), (), (), report.unused)),
        chance_by_day=tuple((share.day, share.chance, share.low, share.high) for share in summary.curve),
        at_most=hidden,
    )


def personal_risk(outline: BundleOutline, report: ScopeReport, answer: Answer) -> PersonalRisk | Abstention:
    """The model's risk with its band; no number where the band is too wide to be of use."""
    rows = _day_rows(answer)
    risk, low, high = _headline(outline.summary, answer, rows)
    if high - low > WIDEST_BAND:
        return _too_wide(outline, low, high)
    summary, outcome = outline.summary, outline.outcome
    events = summary.n_events or 0
    return PersonalRisk(
        outcome=outcome.name,
        label=outcome.label,
        definition=outcome.definition,
        desirable=outcome.desirable,
        horizon=_horizon(outline),
        risk=risk,
        band=(low, high),
        refits=summary.refits,
        n=summary.n,
        n_events=events,
        reference=outline.manifest.dataset_label,
        model=outline.manifest.model,
        base_rate=events / summary.n,
        cautions=_cautions(outline, report),
        chance_by_day=rows,
    )


def _horizon(outline: BundleOutline) -> str:
    """For a time to event the day that the single number speaks of; otherwise the outcome's own window."""
    day = outline.summary.day
    return outline.outcome.horizon if day is None else english.BY_DAY.format(day=day)


def _day_rows(answer: Answer) -> DayRows:
    if not len(answer.by_day):
        return ()
    low, high = answer.band_by_day()
    return tuple((day, float(answer.by_day[day]), float(low[day]), float(high[day])) for day in range(len(answer.by_day)))


def _headline(summary: TrainingSummary, answer: Answer, rows: DayRows) -> tuple[float, float, float]:
    """Risk and the ends of its band."""
    if summary.day is None:
        return (answer.risk, *answer.band())
    _, risk, low, high = rows[summary.day]
    return risk, low, high


def _too_wide(outline: BundleOutline, low: float, high: float) -> Abstention:
    span = f"{math.floor(low * 100)} to {math.ceil(high * 100)} of 100"
    return Abstention(
        outline.outcome.name,
        outline.outcome.label,
        "WIDE",
        f"Refits of the model range from {span} for such a patient, too wide to be of use.",
        "More training patients like this one.",
    )


def _cautions(outline: BundleOutline, report: ScopeReport) -> tuple[str, ...]:
    return (
        *(english.SIMULATED if outline.manifest.simulated else ()),
        *(english.DONE_WITHOUT.format(field=label) for label in report.missing),
        *(english.FEW_LIKE_THIS.format(field=label) for label in report.rare),
        *(english.NOT_USED.format(field=name) for name in report.unused),
    )

"""What if each group had its own threshold, so that the event is found as often in all of them? And what would that cost?

Two policies on the same patients: one threshold for all, and thresholds by group at which every group's sensitivity is at
least what one threshold reaches over all. In every bootstrap draw the thresholds are chosen anew, on the patients they
are judged on; with few events that flatters the second policy. Its cost is the net benefit lost, false alarms weighed in
every group at the odds of the one stated threshold.

Reference: Hardt, Price and Srebro 2016, arXiv:1610.02413 (equality of opportunity); Vickers and Elkin 2006,
10.1177/0272989X06295361 (net benefit).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.contracts.metric import Array
from core.evaluation.bootstrap import interval_of
from core.evaluation.fairness import FEWEST_EVENTS
from core.evaluation.groups import CROSS, levels
from core.evaluation.groups import ONE_THRESHOLD as ONE
from core.evaluation.groups import OWN_THRESHOLDS as OWN
from core.evaluation.panel import Cases
from core.evaluation.scoring import ALL, Scorer
from core.metrics.utility import odds

SHARES = ("false_positive_rate", "precision", "flagged")
HAIR = 1e-9


@dataclass(frozen=True)
class Flagged:
    """Weighted counts by draw, shape (draws,), and the threshold that made them.

    Args:
        tp, fp: flagged with and without the event; events, others: all of them.
    """

    threshold: Array
    tp: Array
    fp: Array
    events: Array
    others: Array

    @property
    def sensitivity(self) -> Array:
        return _share(self.tp, self.events)

    @property
    def shares(self) -> Mapping[str, Array]:
        """By the names in ``SHARES``."""
        return {
            "false_positive_rate": _share(self.fp, self.others),
            "precision": _share(self.tp, self.tp + self.fp),
            "flagged": _share(self.tp + self.fp, self.events + self.others),
        }

    def net_benefit(self, threshold: float) -> Array:
        """At the odds of ``threshold``."""
        return _share(self.tp - self.fp * float(odds(threshold)), self.events + self.others)


def _share(part: Array, whole: Array) -> Array:
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) > 0)


def flagged_at(y: Array, risk: Array, weights: Array, threshold: float) -> Flagged:
    """Counts when everyone at or above the threshold is flagged.

    Args:
        y, risk: (cases,); weights: (draws, cases).
    """
    high = risk >= threshold
    events, others = weights @ y, weights @ (1 - y)
    return Flagged(np.full(len(weights), threshold), weights @ (y * high), weights @ ((1 - y) * high), events, others)


def flagged_for(y: Array, risk: Array, weights: Array, sensitivity: Array) -> Flagged:
    """Counts at the highest threshold, one of the risks, that finds at least that share of the events in each draw.

    Worked: risks 0.9, 0.8, 0.6, 0.4 with events in the first, third and fourth: two thirds of the events are found at 0.6.

    Args:
        y, risk: (cases,); weights: (draws, cases); sensitivity: (draws,), 0 to 1.
    """
    order = np.argsort(-risk, kind="stable")
    risk, y, weights = risk[order], y[order], weights[:, order]
    ends = np.flatnonzero(np.append(np.diff(risk) != 0, True))  # the last case of each run of equal risks
    tp, fp = np.cumsum(weights * y, axis=1)[:, ends], np.cumsum(weights * (1 - y), axis=1)[:, ends]
    at = np.minimum((tp < (sensitivity * tp[:, -1] - HAIR)[:, None]).sum(axis=1), len(ends) - 1)
    draws = np.arange(len(weights))
    return Flagged(risk[ends][at], tp[draws, at], fp[draws, at], tp[:, -1], fp[:, -1])


def equal_sensitivity_rows(scorer: Scorer, groups: pd.DataFrame, model: str) -> Iterator[dict[str, object]]:
    """Rows of the table ``equal_sensitivity``: both policies in each group of each grouping, and over its patients (``all``).

    A group with fewer than 10 patients with the event or without it is left out, and so is a grouping of which fewer than
    two groups remain.

    Args:
        groups: boolean by case id and group; model: the one that is judged.
    """
    members = groups[[name for name in groups.columns if CROSS not in name]].reindex(scorer.panel.case_ids, fill_value=False)
    for grouping in dict.fromkeys(str(name).split("=", 1)[0] for name in members.columns):
        told = {name: np.flatnonzero(members[name].to_numpy(dtype=bool)) for name in levels(members, grouping)}
        told = {name: cases for name, cases in told.items() if _enough(scorer, cases)}
        if len(told) > 1:
            yield from _grouping_rows(scorer, model, grouping, told)


def _enough(scorer: Scorer, cases: Cases) -> bool:
    events = scorer.panel.persons_with_event(cases)
    return min(events, scorer.panel.persons(cases) - events) >= FEWEST_EVENTS


def _grouping_rows(scorer: Scorer, model: str, grouping: str, groups: Mapping[str, Cases]) -> Iterator[dict[str, object]]:
    panel = scorer.panel
    names = [ALL, *groups]
    cases = {ALL: np.concatenate(list(groups.values())), **groups}
    repeats = [_of_repeat(scorer, model, groups, repeat) for repeat in range(panel.answers[model].repeats)]
    for policy in (ONE, OWN):
        for name in names:
            own = [found[policy][name] for found in repeats]
            benefit = _mean([one.net_benefit(panel.threshold) for one in own])
            shared = _mean([found[ONE][name].net_benefit(panel.threshold) for found in repeats])
            threshold = float("nan") if name == ALL and policy == OWN else float(np.mean([one.threshold[0] for one in own]))
            yield {
                "outcome": panel.outcome.name, "split": panel.split, "model": model, "grouping": grouping, "group": name,
                "policy": policy, "threshold": threshold,
                **_told("sensitivity", _mean([one.sensitivity for one in own])),
                **{share: float(_mean([one.shares[share] for one in own])[0]) for share in SHARES},
                **_told("net_benefit", benefit), **_told("cost", shared - benefit),
                "n": panel.persons(cases[name]), "n_events": panel.persons_with_event(cases[name]),
            }  # fmt: skip


def _told(name: str, values: Array) -> dict[str, float]:
    found = interval_of(values)
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def _mean(values: list[Array]) -> Array:
    return np.asarray(np.mean(values, axis=0))


def _of_repeat(scorer: Scorer, model: str, groups: Mapping[str, Cases], repeat: int) -> dict[str, dict[str, Flagged]]:
    answers, panel = scorer.panel.answers[model], scorer.panel
    found: dict[str, dict[str, Flagged]] = {ONE: {}, OWN: {}}
    given = {}
    for name, cases in groups.items():
        cases = cases[answers.said[repeat, cases]]
        given[name] = (panel.y[cases], answers.risk[repeat, cases], scorer.everyone.weights[cases].T)
        found[ONE][name] = flagged_at(*given[name], panel.threshold)
    found[ONE][ALL] = _together(list(found[ONE].values()))
    for name, (y, risk, weights) in given.items():
        found[OWN][name] = flagged_for(y, risk, weights, found[ONE][ALL].sensitivity)
    found[OWN][ALL] = _together(list(found[OWN].values()))
    return found


def _together(parts: list[Flagged]) -> Flagged:
    sums = [np.sum([getattr(part, name) for part in parts], axis=0) for name in ("tp", "fp", "events", "others")]
    return Flagged(parts[0].threshold, *sums)

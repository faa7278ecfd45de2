"""DeLong's test of two AUROCs on the same cases.

Reference: DeLong, DeLong and Clarke-Pearson 1988, 10.2307/2531595; Sun and Xu 2014, 10.1109/LSP.2014.2337313 (by ranks).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from core.contracts.metric import Array
from core.evaluation.bootstrap import two_tails
from core.evaluation.panel import Panel


@dataclass(frozen=True)
class Placements:
    """Where each case stands among those of the other kind: for events the share of others below them, for others the share of
    events above them; ties count one half. Their means are the AUROC."""

    events: Array
    others: Array


@dataclass(frozen=True)
class DeLong:
    """Difference of two AUROCs, its standard error, and the two-sided p; NaN where there is no spread."""

    difference: float
    error: float
    p: float


def placements(y: Array, order: Array) -> Placements:
    """Placements of the cases as they are.

    Args:
        y: 1 or 0 by case; order: what ranks the cases.
    """
    with_event, without = order[y == 1], order[y == 0]
    return Placements(_below(without, with_event), 1 - _below(with_event, without))


def _below(others: Array, values: Array) -> Array:
    """Share of ``others`` below each value, ties one half."""
    ranked = np.sort(others)
    lower, upto = np.searchsorted(ranked, values, side="left"), np.searchsorted(ranked, values, side="right")
    return np.asarray((lower + upto) / 2 / len(ranked))


def delong(first: Placements, second: Placements) -> DeLong:
    """The test of ``first`` against ``second``, of the same cases in the same order."""
    events, others = first.events - second.events, first.others - second.others
    difference = float(events.mean())
    if min(len(events), len(others)) < 2:
        return DeLong(difference, math.nan, math.nan)
    error = math.sqrt(events.var(ddof=1) / len(events) + others.var(ddof=1) / len(others))
    p = two_tails(difference / error) if error > 0 else math.nan
    return DeLong(difference, error, p)


def delong_p(panel: Panel, model: str, rival: str) -> float:
    """p of the difference in AUROC, each placement a mean over repeats; NaN where the test does not apply.

    It does not where a patient has several cases, which are not independent, or where a repeat leaves out a case.
    """
    if len(panel.patient_ids) < len(panel.case_ids) or len(set(panel.y)) < 2:
        return math.nan
    if not (panel.answers[model].said.all() and panel.answers[rival].said.all()):
        return math.nan
    return delong(_mean_placements(panel, model), _mean_placements(panel, rival)).p


def _mean_placements(panel: Panel, model: str) -> Placements:
    found = [placements(panel.y, order) for order in panel.answers[model].order]
    return Placements(np.mean([one.events for one in found], axis=0), np.mean([one.others for one in found], axis=0))

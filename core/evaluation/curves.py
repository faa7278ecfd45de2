"""ROC, precision-recall and calibration curves on fixed grids, with bands that resample patients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from core.contracts.metric import Array, Sample
from core.contracts.recipe import UsePart
from core.evaluation.bootstrap import LEVEL
from core.evaluation.scoring import Scorer
from core.metrics.smoothing import calibration
from core.metrics.utility import odds
from core.metrics.weighting import running_sums

RATE_GRID = np.round(np.linspace(0, 1, 51), 2)
RECALL_GRID = RATE_GRID[1:]
RISK_GRID = np.round(np.linspace(0, 1, 101), 2)
MOST_REPLICATES = 400
"""Bands are drawn from the first of the shared draws; more would not be seen."""
CENTRAL = (0.025, 0.975)
ENOUGH_DEFINED = 0.5
DECISION = "decision"

Curve = Callable[[Sample, Array], Array]


def curve_rows(scorer: Scorer, use: UsePart | None = None) -> Iterator[dict[str, object]]:
    """Points of every curve of every model; each curve is drawn within a repeat and averaged over repeats.

    Args:
        use: what the risks are used for; decision curves are drawn over its thresholds, and only where there is one.
    """
    for model in scorer.panel.answers:
        if use is not None:
            thresholds = decision_grid(use)
            yield from _points(scorer, model, DECISION, thresholds, partial(decision, grid=thresholds))
        yield from _points(scorer, model, "roc", RATE_GRID, roc)
        yield from _points(scorer, model, "precision_recall", RECALL_GRID, precision_recall)
        grid = calibration_grid(scorer.panel.answers[model].risk)
        yield from calibration_points(scorer, model, "calibration", grid)


def calibration_points(scorer: Scorer, model: str, kind: str, grid: Array) -> Iterator[dict[str, object]]:
    """Points of the smooth calibration curve of one model, under the name ``kind``."""
    yield from _points(scorer, model, kind, grid, partial(calibration, grid=grid))


def _points(scorer: Scorer, model: str, kind: str, grid: Array, curve: Curve) -> Iterator[dict[str, object]]:
    heights = _mean_over_repeats(scorer, model, curve, len(grid))
    lows, highs = _band(heights[:, 1:])
    for x, y, low, high in zip(grid, heights[:, 0], lows, highs):
        if np.isfinite(y):
            yield {
                "outcome": scorer.panel.outcome.name,
                "model": model,
                "split": scorer.panel.split,
                "kind": kind,
                "x": float(x),
                "y": float(y),
                "low": float(low),
                "high": float(high),
            }


def _mean_over_repeats(scorer: Scorer, model: str, curve: Curve, points: int) -> Array:
    """Shape (points, replicates used + 1)."""
    answers, everyone = scorer.panel.answers[model], scorer.everyone
    drawn = everyone.weights[:, : MOST_REPLICATES + 1]
    total = np.zeros((points, drawn.shape[1]))
    for repeat in range(answers.repeats):
        said = answers.said[repeat]
        whole = bool(said.all())
        cases = everyone.cases if whole else everyone.cases[said]
        weights = drawn if whole else drawn[said]
        total += curve(scorer.panel.sample(model, repeat, cases), weights.T)
    return total / answers.repeats


def _band(heights: Array) -> tuple[Array, Array]:
    """Percentiles over replicates, NaN where too few replicates have a value."""
    low, high = np.full(len(heights), np.nan), np.full(len(heights), np.nan)
    defined = np.isfinite(heights)
    whole = defined.all(axis=1)
    ends = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    if whole.any():
        low[whole], high[whole] = np.quantile(heights[whole], ends, axis=1)
    for row in np.flatnonzero(~whole & (defined.mean(axis=1) >= ENOUGH_DEFINED)):
        low[row], high[row] = np.quantile(heights[row][defined[row]], ends)
    return low, high


@dataclass(frozen=True)
class _Steps:
    """Weighted events and others at or above each distinct risk, highest first; shape (replicates, steps + 1)."""

    events: Array
    others: Array


def _steps(sample: Sample, weights: Array) -> _Steps:
    downwards = np.argsort(-sample.order, kind="stable")
    ranked = sample.order[downwards]
    ends = np.flatnonzero(np.append(np.diff(ranked) != 0, True))
    by_case = weights.T[downwards]
    event = sample.y[downwards, None]
    # Row 0 of the sums stands before the first case, so the end of a run of equal risks is one further down.
    at = np.append(0, ends + 1)
    events, others = running_sums(by_case * event)[at], running_sums(by_case * (1 - event))[at]
    return _Steps(np.ascontiguousarray(events.T), np.ascontiguousarray(others.T))


def roc(sample: Sample, weights: Array) -> Array:
    """Sensitivity at each false positive rate of ``RATE_GRID``, straight between thresholds; shape (grid, replicates).

    Undefined: no event, or nothing else.
    """
    steps = _steps(sample, weights)
    with np.errstate(invalid="ignore"):
        x, y = steps.others / steps.others[:, -1:], steps.events / steps.events[:, -1:]
    # Replicates are laid end to end, two apart, so that one call interpolates all of them.
    offset = 2.0 * np.arange(len(weights))[:, None]
    usable = np.isfinite(x).all(axis=1) & np.isfinite(y).all(axis=1)
    heights = np.full((len(weights), len(RATE_GRID)), np.nan)
    if usable.any():
        shifted = (x + offset)[usable].ravel()
        wanted = (RATE_GRID + offset)[usable]
        # A hair to the right, so that a vertical step counts as climbed in spite of rounding.
        found = np.interp((wanted + 1e-9).ravel(), shifted, y[usable].ravel()).reshape(wanted.shape)
        found[:, 0], found[:, -1] = 0.0, 1.0
        heights[usable] = found
    return heights.T


def precision_recall(sample: Sample, weights: Array) -> Array:
    """Precision at the highest threshold that reaches each recall of ``RECALL_GRID``; shape (grid, replicates).

    Undefined: no event.
    """
    steps = _steps(sample, weights)
    with np.errstate(invalid="ignore"):
        recall = steps.events / steps.events[:, -1:]
        precision = steps.events / (steps.events + steps.others)
    offset = 2.0 * np.arange(len(weights))[:, None]
    usable = np.isfinite(recall).all(axis=1)
    heights = np.full((len(weights), len(RECALL_GRID)), np.nan)
    if usable.any():
        wanted = (RECALL_GRID + offset)[usable] - 1e-9
        at = np.searchsorted((recall + offset)[usable].ravel(), wanted.ravel(), side="left")
        heights[usable] = precision[usable].ravel()[at].reshape(wanted.shape)
    return heights.T


def calibration_grid(risk: Array) -> Array:
    """The points of the fixed grid inside the central 95 % of the risks; the nearest one where there is none."""
    said = risk[np.isfinite(risk)]
    low, high = np.quantile(said, CENTRAL)
    inside = RISK_GRID[(low <= RISK_GRID) & (high >= RISK_GRID)]
    return inside if len(inside) else np.round(np.array([said.mean()]), 2)


def decision_grid(use: UsePart) -> Array:
    """Whole percents from the lowest to the highest threshold of a use."""
    return np.round(np.arange(round(100 * use.low), round(100 * use.high) + 1) / 100, 2)


def decision(sample: Sample, weights: Array, grid: Array) -> Array:
    """Net benefit at each threshold of the grid; shape (grid, replicates). Flagging nobody is worth 0.

    Reference: Vickers and Elkin 2006, 10.1177/0272989X06295361
    """
    downwards = np.argsort(-sample.risk, kind="stable")
    by_case, event = weights.T[downwards], sample.y[downwards, None]
    flagged = np.searchsorted(-sample.risk[downwards], -grid, side="right")
    rightly, in_vain = running_sums(by_case * event)[flagged], running_sums(by_case * (1 - event))[flagged]
    return (rightly - in_vain * odds(grid)[:, None]) / by_case.sum(axis=0)

"""Stated risks mapped to what happened, learned from other patients: before and after.

Inside a study the map of a fold is learned from the predictions of the other folds. For a new site it is learned in place, from
four fifths of the site's own patients for the rest. No patient is judged by a map that he or she taught.

Reference: Platt 1999; Zadrozny and Elkan 2002, 10.1145/775047.775151 (isotonic); Kull, Silva Filho and Flach 2017, PMLR 54:623
(beta); Steyerberg et al. 2004, 10.1002/sim.1844 (updating a model for a new setting).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from core.contracts.metric import Array
from core.evaluation.bootstrap import interval_of
from core.evaluation.curves import calibration_grid, calibration_points
from core.evaluation.panel import Answers, Panel
from core.evaluation.scoring import Measure, Scorer
from core.metrics import METRICS

Map = Callable[[Array], Array]
SMALLEST = 1e-4
PARTS = 5
FEWEST = 10
"""Events, and cases without, from which a map is learned; with fewer the risks stay as they are."""
MEASURES = ("brier", "log_loss", "oe_ratio", "calibration_intercept", "calibration_slope", "integrated_calibration_index")
NONE = "none"


def logit(risk: Array) -> Array:
    """Log odds, of risks kept 0.0001 away from 0 and 1."""
    risk = np.clip(risk, SMALLEST, 1 - SMALLEST)
    return np.asarray(np.log(risk / (1 - risk)))


def squashed(value: Array) -> Array:
    """The chance of log odds."""
    return np.asarray(1 / (1 + np.exp(-value)))


def shift(risk: Array, y: Array) -> Map:
    """The intercept alone: all log odds move by what makes the mean risk right."""
    offset, moved = logit(risk), 0.0
    for _ in range(50):
        chance = squashed(offset + moved)
        step = float((y - chance).sum() / max((chance * (1 - chance)).sum(), 1e-12))
        moved += step
        if abs(step) < 1e-10:
            break
    return lambda told: squashed(logit(told) + moved)


def platt(risk: Array, y: Array) -> Map:
    """Intercept and slope of the log odds (logistic recalibration)."""
    return _logistic(lambda told: logit(told)[:, None], risk, y)


def beta(risk: Array, y: Array) -> Map:
    """Log odds from log(p) and −log(1 − p), each with its own slope."""

    def features(told: Array) -> Array:
        kept = np.clip(told, SMALLEST, 1 - SMALLEST)
        return np.column_stack([np.log(kept), -np.log1p(-kept)])

    return _logistic(features, risk, y)


def _logistic(features: Callable[[Array], Array], risk: Array, y: Array) -> Map:
    if np.ptp(risk) == 0:
        return shift(risk, y)
    fitted = LogisticRegression(C=np.inf, max_iter=1000).fit(features(risk), y)
    return lambda told: np.asarray(fitted.predict_proba(features(told))[:, 1])


def isotonic(risk: Array, y: Array) -> Map:
    """Any rising steps."""
    fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(risk, y)
    return lambda told: np.asarray(fitted.predict(told))


METHODS: Mapping[str, Callable[[Array, Array], Map]] = {"intercept": shift, "platt": platt, "isotonic": isotonic, "beta": beta}


def recalibrated(panel: Panel, model: str, method: str, folds: NDArray[np.intp]) -> Answers:
    """What the model says after the method, each part of the cases by a map that the other parts taught.

    Args:
        folds: (repeats, cases) part of each case; no patient in two.
    """
    answers = panel.answers[model]
    risk = answers.risk.copy()
    for repeat in range(answers.repeats):
        said = answers.said[repeat]
        for part in np.unique(folds[repeat][said]):
            here, there = said & (folds[repeat] == part), said & (folds[repeat] != part)
            events = float(panel.y[there].sum())
            if min(events, there.sum() - events) >= FEWEST:
                risk[repeat, here] = METHODS[method](answers.risk[repeat, there], panel.y[there])(answers.risk[repeat, here])
    return replace(answers, risk=risk, order=np.where(answers.said, risk, np.nan))


def parts_of(panel: Panel, model: str) -> NDArray[np.intp]:
    """(repeats, cases): a fifth of the patients each, by their names, the same for every model and repeat."""
    fifth = [int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % PARTS for name in panel.patient_ids]
    return np.tile(np.asarray(fifth, dtype=np.intp)[panel.patients], (panel.answers[model].repeats, 1))


def recalibration_rows(scorer: Scorer, models: Sequence[str]) -> Iterator[dict[str, object]]:
    """Rows of the table ``recalibration``: calibration metrics of the models as they are and after each method."""
    for model, method, after in _each(scorer, models):
        for name in MEASURES:
            found = interval_of(after.values_of_all(model, Measure(METRICS.get(name))))
            yield {
                "outcome": scorer.panel.outcome.name, "model": model, "split": scorer.panel.split, "method": method,
                "metric": name, "value": found.value, "low": found.low, "high": found.high,
                "n": scorer.panel.persons(scorer.everyone.cases),
            }  # fmt: skip


def recalibrated_curves(scorer: Scorer, models: Sequence[str]) -> Iterator[dict[str, object]]:
    """Points of ``calibration:<method>`` curves, for the table ``curves``."""
    for model, method, after in _each(scorer, models):
        if method != NONE:
            grid = calibration_grid(after.panel.answers[model].risk)
            yield from calibration_points(after, model, f"calibration:{method}", grid)


def _each(scorer: Scorer, models: Sequence[str]) -> Iterator[tuple[str, str, Scorer]]:
    """Model, method, and a scorer whose panel holds the recalibrated answers."""
    for model in models:
        if model not in scorer.panel.answers:
            continue
        yield model, NONE, scorer
        folds = parts_of(scorer.panel, model)
        for method in METHODS:
            answers = {model: recalibrated(scorer.panel, model, method, folds)}
            yield model, method, Scorer(replace(scorer.panel, answers=answers), scorer.replicates, scorer.seed)

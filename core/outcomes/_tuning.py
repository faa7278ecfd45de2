"""Choosing a model's settings inside the training part of a fold."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.model_selection import StratifiedGroupKFold

from core.contracts.forecast import LAST_DAY, FitContext
from core.errors import TrainingError
from core.outcomes._preprocessing import STAY, Known, Numbers

SMALLEST = 1e-7
"""No chance is scored as smaller: one sure mistake must not decide a search."""

Settings = dict[str, Any]
Build = Callable[[Settings], BaseEstimator]


@dataclass(frozen=True)
class Span:
    """The range in which one setting is searched; ``log`` draws its logarithm evenly, ``whole`` gives whole numbers."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def draw(self, rng: np.random.Generator) -> float | int:
        """One value from the range, both ends included."""
        if self.log:
            value = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        else:
            value = rng.uniform(self.low, self.high)
        return round(value) if self.whole else value


@dataclass(frozen=True)
class InnerFold:
    """Rows to learn from and rows to score on; no patient in both."""

    train: NDArray[np.intp]
    test: NDArray[np.intp]


def best_settings(
    build: Build, start: Mapping[str, Any], space: Mapping[str, Span], known: Known, context: FitContext
) -> Settings:
    """The settings with the lowest log-loss on inner folds, out of ``context.tuning_budget`` candidates.

    The first candidate is ``start``, so a search never ends worse than it on the inner folds. Without a budget, or with
    too few events to make two folds, ``start`` is returned untried.
    """
    first = dict(start)
    if context.tuning_budget < 2 or not space:
        return first
    folds = inner_folds(known, context.inner_folds, context.seed)
    if not folds:
        return first
    tried = candidates(first, space, context.tuning_budget, context.seed)
    losses = [mean_loss(build, candidate, known, folds) for candidate in tried]
    return tried[int(np.argmin(losses))]


def candidates(start: Settings, space: Mapping[str, Span], budget: int, seed: int) -> list[Settings]:
    """``budget`` candidates: ``start``, then random draws from the space."""
    rng = np.random.default_rng(seed)
    drawn = [{**start, **{key: span.draw(rng) for key, span in space.items()}} for _ in range(budget - 1)]
    return [start, *drawn]


def inner_folds(known: Known, folds: int, seed: int) -> list[InnerFold]:
    """Folds by patient with like shares of events; none where too few patients had the event, or had it not."""
    strata = _strata(known.target)
    patients_per_class = [len(set(known.patients[strata == value])) for value in (0, 1)]
    n_splits = min(folds, *patients_per_class)
    if n_splits < 2:
        return []
    splitter = StratifiedGroupKFold(n_splits=n_splits, shuffle=True, random_state=seed)
    made = [InnerFold(train, test) for train, test in splitter.split(strata, strata, known.patients)]
    return [fold for fold in made if len(fold.test) and len(set(strata[fold.train])) == 2]


def _strata(target: NDArray[Any]) -> NDArray[np.int64]:
    if target.dtype != STAY:
        return target.astype(np.int64)
    return (target["days"] > np.median(target["days"])).astype(np.int64)


def mean_loss(build: Build, candidate: Settings, known: Known, folds: list[InnerFold]) -> float:
    """Log-loss of one candidate, averaged over all scored cases; infinite where it could not be fitted on every fold."""
    try:
        return float(np.concatenate([_fold_losses(build(candidate), known, fold) for fold in folds]).mean())
    except TrainingError:
        return math.inf


def _fold_losses(model: BaseEstimator, known: Known, fold: InnerFold) -> Numbers:
    model.fit(known.table.iloc[fold.train], known.target[fold.train])
    table, target = known.table.iloc[fold.test], known.target[fold.test]
    if target.dtype == STAY:
        return stay_losses(target, model.predict(table))
    return flag_losses(target, model.predict_proba(table))


def flag_losses(target: NDArray[Any], chances: Numbers) -> Numbers:
    """Log-loss by case of a binary outcome; ``chances`` has one column a class."""
    given = np.where(target == 1, chances[:, 1], chances[:, 0])
    return -np.log(np.clip(given, SMALLEST, 1.0))


def stay_losses(target: NDArray[Any], by_day: Numbers) -> Numbers:
    """Log-loss by case of a time to event in days: the chance given to the very day, or to coming later if not seen."""
    rows = np.arange(len(target))
    day = np.minimum(target["days"], LAST_DAY).astype(int)
    before = np.where(day > 0, by_day[rows, np.maximum(day - 1, 0)], 0.0)
    chance = np.where(target["event"], by_day[rows, day] - before, 1.0 - by_day[rows, day])
    return -np.log(np.clip(chance, SMALLEST, 1.0))

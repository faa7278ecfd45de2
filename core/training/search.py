"""Hyper-parameter search inside a training part, with Optuna.

Candidates are judged on patients set aside from the training part; the test fold is never touched. Searches of one name share a
storage (SQLite), so that a killed search goes on, and so that several machines can work on one.

Reference: Akiba et al., KDD 2019, 10.1145/3292500.3330701.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState
from torch import nn

from core.contracts.pictures import Pictures
from core.contracts.segmentation_recipe import SearchPart
from core.contracts.segmenter import SegmentContext
from core.errors import TrainingError
from core.training.reproducible import reproducible
from core.training.segmentation import train_segmenter

Objective = Callable[[Mapping[str, Any], Callable[[float, float], None]], float]
"""Given settings, and a function that is told (share done, score so far) and may stop the trial: the score, higher is better."""

WARM_UP_TRIALS = 4
LOSSES = ("dice_ce", "dice", "tversky", "focal")


@dataclass(frozen=True)
class Found:
    """Overrides of ``training`` that did best, and the minutes that this call spent on finding them."""

    settings: dict[str, Any]
    minutes: float


def propose(trial: optuna.Trial) -> dict[str, Any]:
    """A candidate: overrides of the recipe's ``training``."""
    return {
        "learning_rate": trial.suggest_float("learning_rate", 2e-4, 5e-3, log=True),
        "weight_decay": trial.suggest_float("weight_decay", 1e-5, 1e-1, log=True),
        "loss": trial.suggest_categorical("loss", LOSSES),
        "batch_size": trial.suggest_categorical("batch_size", (8, 16)),
    }


def search(objective: Objective, *, trials: int, storage: Path, name: str, seed: int) -> dict[str, Any]:
    """The settings with the highest score among ``trials`` finished or pruned candidates.

    A candidate is stopped where it lies under the median of the others at the same share of its training. Trials that an
    earlier call, or another machine, finished under this name count.

    Args:
        storage: an SQLite file; name: of the search in it.

    Raises:
        TrainingError: no candidate was judged to its end.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage.parent.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        study_name=name,
        storage=f"sqlite:///{storage}",
        direction="maximize",
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=WARM_UP_TRIALS),
    )
    # A search that goes on must not draw its first candidates again.
    study.sampler = optuna.samplers.TPESampler(seed=seed + len(study.trials), n_startup_trials=WARM_UP_TRIALS)
    while sum(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in study.trials) < trials:
        study.optimize(lambda trial: objective(propose(trial), _reporter(trial)), n_trials=1)
    if not any(trial.state == TrialState.COMPLETE for trial in study.trials):
        raise TrainingError(
            f"None of {trials} candidates of the search could be judged.",
            do="Set patients aside (training.validation_share), or give the search a larger share of the budget.",
            code="SEARCH_EMPTY",
        )
    return dict(study.best_params)


def _reporter(trial: optuna.Trial) -> Callable[[float, float], None]:
    """Scores by tenths of the training, the same for all candidates, whenever each was looked at."""
    told: list[int] = []

    def report(done: float, score: float) -> None:
        tenth = int(10 * done)
        if tenth in told:
            return
        told.append(tenth)
        trial.report(score, tenth)
        if trial.should_prune():
            raise optuna.TrialPruned

    return report


def search_training(
    build: Callable[[], nn.Module], train: Pictures, context: SegmentContext, part: SearchPart, storage: Path, name: str
) -> Found:
    """Overrides of ``training`` that did best on patients set aside from ``train``.

    Args:
        build: a fresh network; part: how many candidates, and which share of the budget each gets.
    """
    budget = float(str(context.training["budget_minutes"])) * part.budget_share
    spent: list[float] = []

    def judged(candidate: Mapping[str, Any], report: Callable[[float, float], None]) -> float:
        training = {**context.training, **candidate, "budget_minutes": budget}
        inner = replace(context, training=training, checkpoint=None, progress=None, on_check=report)
        with reproducible(context.seed, context.device):
            return _judged(build(), train, inner, spent)

    settings = search(judged, trials=part.trials, storage=storage, name=name, seed=context.seed)
    return Found(settings, sum(spent))


def _judged(network: nn.Module, train: Pictures, context: SegmentContext, spent: list[float]) -> float:
    """The best score; a candidate whose loss is not finite, or that nobody judged, is out."""
    try:
        report = train_segmenter(network, train, context)
        spent.append(report.minutes)
        scores = report.validation_score
    except TrainingError as error:
        if error.code != "LOSS_NOT_FINITE":
            raise
        scores = ()
    if not scores:
        raise optuna.TrialPruned
    return max(scores)

"""What follows from flagging patients at or above a threshold."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from core.contracts.metric import Array
from core.evaluation.panel import Panel
from core.metrics.classification import counts_by_threshold

THRESHOLDS = np.round(np.arange(1, 100) / 100, 2)
SHARES = ("flagged", "sensitivity", "specificity", "precision", "npv", "accuracy", "f1")


def stated_threshold(rate: float, given: float | None) -> float:
    """The threshold of the scores: the recipe's, else the event rate in whole percent, inside 0.01 to 0.99."""
    if given is not None:
        return given
    return float(np.clip(np.round(rate, 2), THRESHOLDS[0], THRESHOLDS[-1])) if np.isfinite(rate) else 0.5


def threshold_rows(panel: Panel) -> Iterator[dict[str, object]]:
    """Shares at the thresholds 0.01 to 0.99 for every model, averaged over repeats; NaN where a repeat has none."""
    for model in panel.answers:
        shares = _shares(panel, model)
        for at, threshold in enumerate(THRESHOLDS):
            yield {
                "outcome": panel.outcome.name,
                "model": model,
                "split": panel.split,
                "threshold": float(threshold),
                **{name: float(values[at]) for name, values in shares.items()},
            }


def _shares(panel: Panel, model: str) -> dict[str, Array]:
    answers = panel.answers[model]
    total = {name: np.zeros(len(THRESHOLDS)) for name in SHARES}
    for repeat in range(answers.repeats):
        sample = panel.sample(model, repeat, np.flatnonzero(answers.said[repeat]))
        counts = counts_by_threshold(sample, THRESHOLDS)
        for name in SHARES:
            total[name] += getattr(counts, name)
    return {name: values / answers.repeats for name, values in total.items()}

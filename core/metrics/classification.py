"""Right and wrong at a stated threshold: a case is flagged when its risk is at or above it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.contracts.metric import Aim, Array, MetricSpec, Sample
from core.metrics.weighting import ratio


@dataclass(frozen=True)
class Counts:
    """Weighted cases by what was said and what happened; every array has the same shape."""

    tp: Array
    fp: Array
    fn: Array
    tn: Array

    @property
    def flagged(self) -> Array:
        """Share of cases at or above the threshold."""
        return ratio(self.tp + self.fp, self.tp + self.fp + self.fn + self.tn)

    @property
    def accuracy(self) -> Array:
        return ratio(self.tp + self.tn, self.tp + self.fp + self.fn + self.tn)

    @property
    def precision(self) -> Array:
        return ratio(self.tp, self.tp + self.fp)

    @property
    def sensitivity(self) -> Array:
        return ratio(self.tp, self.tp + self.fn)

    @property
    def specificity(self) -> Array:
        return ratio(self.tn, self.tn + self.fp)

    @property
    def false_positive_rate(self) -> Array:
        return ratio(self.fp, self.fp + self.tn)

    @property
    def npv(self) -> Array:
        return ratio(self.tn, self.tn + self.fn)

    @property
    def f1(self) -> Array:
        return ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)


def counts(sample: Sample, weights: Array) -> Counts:
    """The four counts under each row of weights, each of shape (replicates,)."""
    flagged, event = sample.risk >= sample.threshold, sample.y == 1
    cells = np.column_stack((flagged & event, flagged & ~event, ~flagged & event, ~flagged & ~event))
    return Counts(*(weights @ cells.astype(np.float64)).T)


def counts_by_threshold(sample: Sample, thresholds: Array) -> Counts:
    """The four counts of the cases as they are at many thresholds, each of shape (thresholds,)."""
    flagged = (sample.risk[:, None] >= thresholds).astype(np.float64)
    tp, events = sample.y @ flagged, sample.y.sum()
    fp = flagged.sum(axis=0) - tp
    return Counts(tp, fp, events - tp, len(sample) - events - fp)


def accuracy(sample: Sample, weights: Array) -> Array:
    """Share of cases flagged rightly or left rightly; higher is better. Undefined: no case."""
    return counts(sample, weights).accuracy


def precision(sample: Sample, weights: Array) -> Array:
    """Share of flagged cases that had the event; higher is better. Undefined: no case is flagged."""
    return counts(sample, weights).precision


def recall(sample: Sample, weights: Array) -> Array:
    """Share of cases with the event that were flagged (sensitivity); higher is better. Undefined: no event."""
    return counts(sample, weights).sensitivity


def specificity(sample: Sample, weights: Array) -> Array:
    """Share of cases without the event that were not flagged; higher is better. Undefined: all had the event."""
    return counts(sample, weights).specificity


def false_positive_rate(sample: Sample, weights: Array) -> Array:
    """Share of cases without the event that were flagged; lower is better. Undefined: all had the event."""
    return counts(sample, weights).false_positive_rate


def npv(sample: Sample, weights: Array) -> Array:
    """Share of cases not flagged that had no event; higher is better. Undefined: all cases are flagged."""
    return counts(sample, weights).npv


def f1(sample: Sample, weights: Array) -> Array:
    """Harmonic mean of precision and recall; higher is better. Undefined: no event and no case flagged."""
    return counts(sample, weights).f1


def _spec(
    name: str, label: str, description: str, undefined: str, compute: Callable[[Sample, Array], Array], aim: Aim = "higher"
) -> MetricSpec:
    return MetricSpec(
        name=name,
        label=label,
        family="classification",
        kinds=("binary",),
        aim=aim,
        low=0.0,
        high=1.0,
        description=description,
        undefined=undefined,
        compute=compute,
        reference="10.1038/s41592-023-02151-z",
        needs_threshold=True,
    )


PLUGINS = (
    _spec("accuracy", "Accuracy", "Share of patients flagged rightly or left rightly.", "No patient.", accuracy),
    _spec("precision", "Precision", "Share of flagged patients who had the event.", "Nobody is flagged.", precision),
    _spec("recall", "Recall", "Share of patients with the event who were flagged.", "Nobody had the event.", recall),
    _spec("specificity", "Specificity", "Share of patients without the event who were not flagged.", "All had it.", specificity),
    _spec(
        "false_positive_rate",
        "False positive rate",
        "Share of patients without the event who were flagged.",
        "All had it.",
        false_positive_rate,
        "lower",
    ),
    _spec("npv", "Negative predictive value", "Share of patients not flagged who had no event.", "All are flagged.", npv),
    _spec("f1", "F1", "Harmonic mean of precision and recall.", "Nobody had the event and nobody is flagged.", f1),
)

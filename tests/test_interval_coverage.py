"""Do 95 % intervals hold the truth in 95 of 100 cohorts? Simulated cohorts whose truth is known by integration.

The nightly test asks for 93 to 97 % over 1,000 cohorts of each interval. The quick one looks at 100 cohorts and allows what
an interval with 93 to 97 % shows in all but one of a thousand such tests (binomial distribution).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pytest
from scipy import optimize, stats

from core.contracts.metric import Array, Sample
from core.evaluation.bootstrap import LEVEL, bca_interval, case_counts, interval_of
from core.evaluation.delong import delong, placements
from core.evaluation.jackknife import auroc_without_each
from core.evaluation.recovery import wilson
from core.metrics import METRICS

CASES = 400
INTERCEPT, SLOPE = 0.3, 0.8
"""The log odds of the event are this line of the stated log odds: the risks are too low and too extreme."""
MIDDLE, SPREAD = -1.2, 1.2
"""Mean and deviation of the stated log odds."""
KNOWN = 0.7
"""How much of the stated log odds a second model knows (correlation)."""
THRESHOLD = 0.3
LOW, HIGH = 0.93, 0.97

Ends = tuple[float, float]


@dataclass(frozen=True)
class Cohort:
    """Event and stated risk by case, and what a second model ranks by."""

    y: Array
    risk: Array
    rival: Array

    @property
    def sample(self) -> Sample:
        return Sample(y=self.y, risk=self.risk, order=self.risk, threshold=THRESHOLD)


def chance(log_odds: Array) -> Array:
    return 1 / (1 + np.exp(-log_odds))


def simulated(seed: int) -> Cohort:
    rng = np.random.default_rng(seed)
    at = rng.standard_normal(CASES)
    said = MIDDLE + SPREAD * at
    y = (rng.random(CASES) < chance(INTERCEPT + SLOPE * said)).astype(float)
    return Cohort(y, chance(said), KNOWN * at + np.sqrt(1 - KNOWN**2) * rng.standard_normal(CASES))


@lru_cache
def truths() -> Mapping[str, float]:
    """What each number is in the whole population, by integration over the stated log odds."""
    at = np.linspace(-8, 8, 3201)
    mass = stats.norm.pdf(at)
    mass /= mass.sum()
    said = MIDDLE + SPREAD * at
    risk, event = chance(said), mass * chance(INTERCEPT + SLOPE * said)
    other, flagged = mass - event, risk >= THRESHOLD
    # A second model's value lies around KNOWN times the first one's, whatever happened.
    spread = stats.norm.pdf((at[:, None] - KNOWN * at) / np.sqrt(1 - KNOWN**2))
    return {
        "auroc": area(event, other),
        "difference": area(event, other) - area(spread @ event, spread @ other),
        "recall": event[flagged].sum() / event.sum(),
        "net_benefit": event[flagged].sum() - other[flagged].sum() * THRESHOLD / (1 - THRESHOLD),
        "calibration_slope": SLOPE,
        "calibration_intercept": optimize.brentq(lambda shift: (mass * chance(said + shift)).sum() - event.sum(), -3, 3),
    }


def area(event: Array, other: Array) -> float:
    """AUROC of masses along a value; within a step of the grid, one half."""
    below = np.cumsum(other) - other / 2
    return float((event * below).sum() / event.sum() / other.sum())


def resampled(cohort: Cohort, metric: str, seed: int, replicates: int) -> Array:
    counts = case_counts(np.arange(CASES), replicates, seed)
    spec = METRICS.get(metric)
    weights = counts.T if spec.takes_counts else counts.T.astype(np.float64)
    return spec.compute(cohort.sample, weights)  # type: ignore[arg-type]


def percentile(metric: str) -> Callable[[Cohort, int, int], Ends]:
    def ends(cohort: Cohort, seed: int, replicates: int) -> Ends:
        found = interval_of(resampled(cohort, metric, seed, replicates))
        return found.low, found.high

    return ends


def bca(cohort: Cohort, seed: int, replicates: int) -> Ends:
    without = auroc_without_each(cohort.y, cohort.risk, np.arange(CASES))
    found = bca_interval(resampled(cohort, "auroc", seed, replicates), without)
    return found.low, found.high


def delong_ends(cohort: Cohort, seed: int, replicates: int) -> Ends:
    found = delong(placements(cohort.y, cohort.risk), placements(cohort.y, cohort.rival))
    half = stats.norm.ppf((1 + LEVEL) / 2) * found.error
    return found.difference - half, found.difference + half


def wilson_ends(cohort: Cohort, seed: int, replicates: int) -> Ends:
    events = cohort.y == 1
    found = wilson(float((cohort.risk[events] >= THRESHOLD).sum()), float(events.sum()))
    return found.low, found.high


INTERVALS: Mapping[str, tuple[str, Callable[[Cohort, int, int], Ends]]] = {
    "AUROC, percentile": ("auroc", percentile("auroc")),
    "AUROC, BCa": ("auroc", bca),
    "AUROC difference, DeLong": ("difference", delong_ends),
    "sensitivity, Wilson": ("recall", wilson_ends),
    "calibration intercept, percentile": ("calibration_intercept", percentile("calibration_intercept")),
    "calibration slope, percentile": ("calibration_slope", percentile("calibration_slope")),
    "net benefit, percentile": ("net_benefit", percentile("net_benefit")),
}


def held(name: str, cohorts: int, replicates: int) -> int:
    """In how many simulated cohorts the interval holds the truth."""
    number, ends = INTERVALS[name]
    truth = truths()[number]
    return sum(low <= truth <= high for low, high in _ends(ends, cohorts, replicates))


def _ends(ends: Callable[[Cohort, int, int], Ends], cohorts: int, replicates: int) -> Iterator[Ends]:
    for seed in range(cohorts):
        yield ends(simulated(seed), seed, replicates)


def test_the_truths_are_those_of_a_very_large_cohort() -> None:
    drawn = [simulated(seed) for seed in range(1000)]
    large = Cohort(*(np.concatenate([getattr(one, name) for one in drawn]) for name in ("y", "risk", "rival")))
    once = np.ones((1, len(large.y)))
    for metric in ("auroc", "recall", "net_benefit", "calibration_intercept", "calibration_slope"):
        assert METRICS.get(metric).compute(large.sample, once)[0] == pytest.approx(truths()[metric], abs=0.012), metric
    rival = METRICS.get("auroc").compute(Sample(y=large.y, order=large.rival), once)[0]
    assert truths()["auroc"] - rival == pytest.approx(truths()["difference"], abs=0.005)


@pytest.mark.parametrize("name", INTERVALS)
def test_the_interval_holds_the_truth_about_as_often_as_it_says(name: str) -> None:
    fewest, most = stats.binom.ppf(0.001, 100, LOW), stats.binom.ppf(0.999, 100, HIGH)
    assert fewest <= held(name, 100, 400) <= most


@pytest.mark.nightly
@pytest.mark.parametrize("name", INTERVALS)
def test_the_interval_holds_the_truth_in_95_percent_of_many_cohorts(name: str) -> None:
    assert LOW <= held(name, 1000, 1000) / 1000 <= HIGH

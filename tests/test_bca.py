"""Intervals by bias correction and acceleration: SciPy's on the same draws, and leaving patients out by definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import roc_auc_score

from core.contracts.metric import Array
from core.evaluation.bootstrap import acceleration, bca_interval, case_counts, interval_of
from core.evaluation.jackknife import auroc_without_each, mean_without_each
from core.metrics.discrimination import auroc
from tests.test_evaluation_bootstrap import binormal
from tests.test_fast_bootstrap import ranked


def lopsided(seed: int, n: int = 60) -> Array:
    return np.random.default_rng(seed).exponential(size=n)


def left_out(y: Array, order: Array, patients: NDArray[np.intp]) -> list[float]:
    """The AUROC with each patient left out, by definition."""
    found = []
    for patient in range(patients.max() + 1):
        kept = patients != patient
        both = len(set(y[kept])) == 2
        found.append(float(roc_auc_score(y[kept], order[kept])) if both else math.nan)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_the_interval_of_a_mean_is_scipys_on_the_same_draws(seed: int) -> None:
    values = lopsided(seed)
    peer = stats.bootstrap((values,), np.mean, n_resamples=999, method="BCa", rng=np.random.default_rng(seed))
    drawn = np.append(values.mean(), peer.bootstrap_distribution)
    found = bca_interval(drawn, mean_without_each(values, np.arange(len(values))))
    assert (found.low, found.high) == pytest.approx(tuple(peer.confidence_interval), rel=1e-12)
    assert found.value == values.mean() and found.n_undefined == 0
    assert found.low > interval_of(drawn).low, "a long right tail moves the interval upwards"


@pytest.mark.parametrize("seed", range(2))
def test_the_interval_of_an_auroc_is_scipys_on_the_same_draws(seed: int) -> None:
    y, risk = binormal(seed, 80, 0.4, 1.5)
    risk = np.round(risk, 1)
    peer = stats.bootstrap(
        (y, risk), roc_auc_score, n_resamples=199, paired=True, vectorized=False, method="BCa", rng=np.random.default_rng(seed)
    )
    drawn = np.append(roc_auc_score(y, risk), peer.bootstrap_distribution)
    found = bca_interval(drawn, auroc_without_each(y, risk, np.arange(80)))
    assert (found.low, found.high) == pytest.approx(tuple(peer.confidence_interval), rel=1e-9)


def test_on_draws_of_its_own_it_comes_near_scipys() -> None:
    y, risk = binormal(3, 150, 0.4, 1.5)
    values = auroc(ranked(y, risk), case_counts(np.arange(150), 2000, 1).T)
    found = bca_interval(values, auroc_without_each(y, risk, np.arange(150)))
    peer = stats.bootstrap(
        (y, risk), roc_auc_score, n_resamples=500, paired=True, vectorized=False, method="BCa", rng=np.random.default_rng(1)
    )
    assert (found.low, found.high) == pytest.approx(tuple(peer.confidence_interval), abs=0.02)


@pytest.mark.parametrize("each", [1, 2, 3])
def test_leaving_patients_out_is_the_auroc_of_the_others(each: int) -> None:
    y, risk = binormal(each, 60, 0.3, 1.0)
    patients = np.random.default_rng(each).permutation(np.arange(60) // each)
    np.testing.assert_allclose(auroc_without_each(y, np.round(risk, 1), patients), left_out(y, np.round(risk, 1), patients))


def test_leaving_out_the_only_event_leaves_no_value() -> None:
    y, order = np.array([1.0, 0.0, 0.0]), np.array([0.9, 0.2, 0.1])
    found = auroc_without_each(y, order, np.arange(3))
    assert math.isnan(found[0]) and found[1:].tolist() == [1.0, 1.0]
    assert np.isnan(auroc_without_each(np.zeros(3), order, np.arange(3))).all()


def test_leaving_patients_out_of_a_mean() -> None:
    found = mean_without_each(np.array([1.0, 2.0, 6.0]), np.array([0, 0, 1]))
    assert found.tolist() == [6.0, 1.5]
    assert np.isnan(mean_without_each(np.ones(2), np.zeros(2, dtype=np.intp))).all()


def test_without_bias_and_acceleration_it_is_the_percentile_interval() -> None:
    values = np.append(0.5, np.linspace(0, 1, 101))
    found = bca_interval(values, np.array([0.4, 0.5, 0.6]))
    assert (found.low, found.high) == pytest.approx((interval_of(values).low, interval_of(values).high))
    assert acceleration(np.full(5, 0.7)) == 0.0 and acceleration(np.array([np.nan])) == 0.0


def test_where_nothing_can_be_said_there_is_no_interval() -> None:
    without = np.array([0.4, 0.6])
    one_sided = bca_interval(np.append(0.5, np.linspace(0.6, 1, 50)), without)
    assert one_sided.value == 0.5 and math.isnan(one_sided.low) and math.isnan(one_sided.high)
    assert math.isnan(bca_interval(np.append(np.nan, np.ones(50)), without).low)
    counted = bca_interval(np.concatenate([[0.5], np.linspace(0, 1, 101), np.full(9, np.nan)]), without)
    assert counted.n_undefined == 9 and math.isfinite(counted.low)

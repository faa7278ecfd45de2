"""Parts of the Brier score and smoothed calibration errors: by hand, by identity, and by weights."""

from __future__ import annotations

import numpy as np
import pytest

from core.contracts.metric import Array, Sample
from core.metrics import METRICS

WHOLE = ("scaled_brier", "brier_reliability", "brier_resolution", "integrated_calibration_index", "e90")


def sample(y: Array, risk: Array) -> Sample:
    return Sample(y, risk, risk, 0.3)


def value(name: str, y: Array, risk: Array) -> float:
    return float(METRICS.get(name).compute(sample(y, risk), np.ones((1, len(y))))[0])


def stepped(seed: int = 0, n: int = 2000) -> tuple[Array, Array]:
    """Risks of nine values, so that each is a part of its own."""
    rng = np.random.default_rng(seed)
    risk = rng.integers(1, 10, n) / 10
    return (rng.random(n) < risk**1.5).astype(float), risk


def test_the_parts_add_up_to_the_brier_score() -> None:
    y, risk = stepped()
    uncertainty = y.mean() * (1 - y.mean())
    parts = value("brier_reliability", y, risk) - value("brier_resolution", y, risk) + uncertainty
    assert value("brier", y, risk) == pytest.approx(parts, abs=1e-12)


def test_worked_by_hand() -> None:
    y, risk = np.array([1.0, 0.0]), np.array([0.8, 0.4])
    assert value("scaled_brier", y, risk) == pytest.approx(0.6)
    assert value("brier_resolution", y, risk) == pytest.approx(0.25)
    assert value("brier_reliability", y, risk) == pytest.approx((0.04 + 0.16) / 2)


def test_a_constant_risk_is_off_by_its_distance_from_the_rate() -> None:
    y, risk = np.array([1.0, 0.0, 0.0, 0.0] * 25), np.full(100, 0.4)
    assert value("integrated_calibration_index", y, risk) == pytest.approx(0.15)
    assert value("e90", y, risk) == pytest.approx(0.15)
    assert value("brier_reliability", y, risk) == pytest.approx(0.15**2)
    assert value("brier_resolution", y, risk) == pytest.approx(0)


def test_true_risks_have_a_small_index_and_halved_ones_a_large_one() -> None:
    rng = np.random.default_rng(1)
    risk = rng.beta(2, 4, 8000)
    y = (rng.random(8000) < risk).astype(float)
    assert value("integrated_calibration_index", y, risk) < 0.015
    assert value("integrated_calibration_index", y, risk / 2) == pytest.approx(risk.mean() / 2, abs=0.015)
    assert value("e90", y, risk / 2) > value("integrated_calibration_index", y, risk / 2)


@pytest.mark.parametrize("name", WHOLE)
def test_every_replicate_has_its_own_value(name: str) -> None:
    y, risk = stepped(4, 200)
    weights = np.random.default_rng(5).integers(0, 3, (7, 200)).astype(float)
    values = METRICS.get(name).compute(sample(y, risk), weights)
    assert values.shape == (7,)
    assert np.isfinite(values).all()
    assert len(set(values.round(6))) > 1


def test_without_both_classes_nothing_is_explained() -> None:
    assert np.isnan(value("scaled_brier", np.zeros(4), np.array([0.1, 0.2, 0.3, 0.4])))

"""Metrics of yes-or-no outcomes: by hand, against scikit-learn and statsmodels on repeated rows, and without a value."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from sklearn import metrics as reference

from core.contracts.metric import Array, MetricSpec, Sample
from core.errors import DataError
from core.metrics import METRICS

BINARY = tuple(spec for spec in METRICS if "binary" in spec.kinds)
ONE = np.ones((1, 1))


def sample_of(y: object, risk: object, threshold: float = 0.5) -> Sample:
    told = np.asarray(risk, dtype=float)
    return Sample(y=np.asarray(y, dtype=float), risk=told, order=told, threshold=threshold)


def value(name: str, y: object, risk: object, threshold: float = 0.5) -> float:
    sample = sample_of(y, risk, threshold)
    return float(METRICS.get(name).compute(sample, np.ones((1, len(sample))))[0])


def tied_sample(seed: int, n: int = 60) -> Sample:
    """Risks on a coarse grid, so that many tie, within and across classes."""
    rng = np.random.default_rng(seed)
    risk = rng.integers(1, 12, n) / 12
    return sample_of(rng.random(n) < 0.2 + 0.5 * risk, risk, threshold=0.5)


def resamples(n: int, replicates: int, seed: int) -> NDArray[np.intp]:
    return np.random.default_rng(seed).integers(n, size=(replicates, n))


def weights_of(rows: NDArray[np.intp]) -> Array:
    return np.stack([np.bincount(row, minlength=rows.shape[1]) for row in rows]).astype(float)


PEERS: dict[str, Callable[[Array, Array], float]] = {
    "auroc": reference.roc_auc_score,
    "average_precision": reference.average_precision_score,
    "brier": reference.brier_score_loss,
    "log_loss": reference.log_loss,
    "accuracy": lambda y, risk: reference.accuracy_score(y, risk >= 0.5),
    "precision": lambda y, risk: reference.precision_score(y, risk >= 0.5),
    "recall": lambda y, risk: reference.recall_score(y, risk >= 0.5),
    "specificity": lambda y, risk: reference.recall_score(y, risk >= 0.5, pos_label=0),
    "f1": lambda y, risk: reference.f1_score(y, risk >= 0.5),
    "npv": lambda y, risk: reference.precision_score(y, risk >= 0.5, pos_label=0),
}


@pytest.mark.parametrize("name", PEERS)
def test_integer_weights_give_what_scikit_learn_gives_on_repeated_rows(name: str) -> None:
    for seed in range(3):
        sample, rows = tied_sample(seed), resamples(60, 40, seed)
        ours = METRICS.get(name).compute(sample, weights_of(rows))
        theirs = [PEERS[name](sample.y[row], sample.risk[row]) for row in rows]
        assert np.abs(ours - theirs).max() < 1e-12


@pytest.mark.parametrize("spec", BINARY, ids=lambda spec: spec.name)
def test_column_major_weights_and_row_major_weights_give_the_same(spec: MetricSpec) -> None:
    sample, weights = tied_sample(4), weights_of(resamples(60, 30, 4))
    by_case = np.ascontiguousarray(weights.T)
    np.testing.assert_allclose(spec.compute(sample, weights), spec.compute(sample, by_case.T), rtol=1e-12)


@pytest.mark.parametrize("spec", BINARY, ids=lambda spec: spec.name)
def test_values_stay_inside_the_declared_range(spec: MetricSpec) -> None:
    values = spec.compute(tied_sample(5), weights_of(resamples(60, 200, 5)))
    defined = values[np.isfinite(values)]
    assert len(defined) > 100
    assert defined.min() >= spec.low
    assert defined.max() <= spec.high


@pytest.mark.parametrize("spec", BINARY, ids=lambda spec: spec.name)
def test_a_metric_says_what_it_is(spec: MetricSpec) -> None:
    assert spec.label and spec.description.endswith(".") and spec.undefined.endswith(".")
    assert spec.reference.startswith("10.")


def test_auroc_by_hand_with_a_tie() -> None:
    assert value("auroc", [1, 1, 0, 0], [0.8, 0.4, 0.4, 0.1]) == 0.875


def test_average_precision_by_hand() -> None:
    assert value("average_precision", [1, 0, 1], [0.9, 0.6, 0.3]) == pytest.approx((1 + 2 / 3) / 2)


def test_brier_and_log_loss_by_hand() -> None:
    assert value("brier", [1, 0], [0.8, 0.4]) == pytest.approx(0.10)
    assert value("log_loss", [1, 0, 0], [0.5, 0.5, 0.5]) == pytest.approx(math.log(2))


def test_observed_over_expected_by_hand() -> None:
    assert value("oe_ratio", [1, 1, 1, 0], [0.5, 0.5, 0.5, 0.5]) == 1.5


def test_a_case_at_the_threshold_is_flagged() -> None:
    assert value("recall", [1, 0], [0.3, 0.29], threshold=0.3) == 1.0
    assert value("specificity", [1, 0], [0.3, 0.29], threshold=0.3) == 1.0


def test_calibration_intercept_by_hand() -> None:
    assert value("calibration_intercept", [1, 1, 1, 0], [0.5] * 4) == pytest.approx(math.log(3))


def test_calibration_lines_equal_those_of_statsmodels_under_weights() -> None:
    rng = np.random.default_rng(6)
    truth = 1 / (1 + np.exp(1.0 - rng.normal(size=200)))
    sample = sample_of(rng.random(200) < truth, truth**1.4)
    weights = weights_of(resamples(200, 5, 6))
    x = np.log(sample.risk / (1 - sample.risk))
    for row, slope, shift in zip(
        weights,
        METRICS.get("calibration_slope").compute(sample, weights),
        METRICS.get("calibration_intercept").compute(sample, weights),
    ):
        family = sm.families.Binomial()
        line = sm.GLM(sample.y, sm.add_constant(x), family=family, freq_weights=row).fit()
        level = sm.GLM(sample.y, np.ones(200), offset=x, family=family, freq_weights=row).fit()
        assert slope == pytest.approx(line.params[1], abs=1e-6)
        assert shift == pytest.approx(level.params[0], abs=1e-6)


@pytest.mark.parametrize(
    ("name", "y", "risk"),
    [
        ("auroc", [1, 1], [0.2, 0.8]),
        ("auroc", [0, 0], [0.2, 0.8]),
        ("average_precision", [0, 0], [0.2, 0.8]),
        ("precision", [1, 0], [0.1, 0.2]),
        ("npv", [1, 0], [0.7, 0.8]),
        ("recall", [0, 0], [0.2, 0.8]),
        ("specificity", [1, 1], [0.2, 0.8]),
        ("f1", [0, 0], [0.1, 0.2]),
        ("oe_ratio", [0, 1], [0.0, 0.0]),
        ("calibration_intercept", [1, 1], [0.2, 0.8]),
        ("calibration_slope", [1, 0, 1], [0.4, 0.4, 0.4]),
        ("calibration_slope", [0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]),
    ],
)
def test_a_metric_without_a_value_is_nan_and_never_an_error(name: str, y: list[int], risk: list[float]) -> None:
    assert math.isnan(value(name, y, risk))


@pytest.mark.parametrize("spec", BINARY, ids=lambda spec: spec.name)
def test_replicates_in_which_nobody_was_drawn_have_no_value(spec: MetricSpec) -> None:
    sample = tied_sample(7)
    assert np.isnan(spec.compute(sample, np.zeros((3, len(sample))))).all()


def test_recall_of_nothing_flagged_is_zero_and_f1_is_zero() -> None:
    assert value("recall", [1, 0], [0.1, 0.2]) == 0.0
    assert value("f1", [1, 0], [0.1, 0.2]) == 0.0


def test_turning_the_risks_upside_down_turns_the_auroc_upside_down() -> None:
    sample = tied_sample(8)
    assert value("auroc", sample.y, sample.risk) + value("auroc", sample.y, 1 - sample.risk) == pytest.approx(1)


def test_a_sample_with_arrays_of_unequal_length_is_refused() -> None:
    with pytest.raises(DataError, match="3 cases has 2 values of 'risk'"):
        Sample(y=np.zeros(3), risk=np.zeros(2))

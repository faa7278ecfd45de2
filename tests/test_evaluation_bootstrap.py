"""Intervals: patients are drawn, not rows; repeats do not narrow them; they cover what they should."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from core.contracts.metric import Array, Sample
from core.contracts.outcome import Outcome
from core.errors import DataError
from core.evaluation.bootstrap import case_weights, interval_of, patient_seed
from core.evaluation.panel import make_panel
from core.evaluation.scoring import Measure, Scorer
from core.metrics import METRICS

EVENT = Outcome("event", "Event", "binary", "It came.", desirable=False)
AUROC = Measure(METRICS.get("auroc"))


def predictions(
    y: Array, risks: list[Array], *, patients: list[str] | None = None, model: str = "m", folds: int = 5
) -> pd.DataFrame:
    """Rows of the predictions table: one model, one repeat for each array of risks."""
    n = len(y)
    ids = [f"c{i:04d}" for i in range(n)]
    frames = [
        pd.DataFrame(
            {
                "case_id": ids,
                "patient_id": patients or ids,
                "outcome": EVENT.name,
                "model": model,
                "split": "internal",
                "repeat": repeat,
                "fold": np.arange(n) % folds,
                "y": y,
                "risk": risk,
                "days": np.nan,
                "event": np.nan,
                "by_day": None,
            }
        )
        for repeat, risk in enumerate(risks)
    ]
    return pd.concat(frames, ignore_index=True)


def binormal(seed: int, n: int, rate: float, shift: float) -> tuple[Array, Array]:
    """Outcome and a marker whose true AUROC is Φ(shift / √2)."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < rate).astype(float)
    return y, norm.cdf(rng.normal(size=n) + shift * y)


def scorer_of(rows: pd.DataFrame, replicates: int = 400, seed: int = 1) -> Scorer:
    return Scorer(make_panel(EVENT, "internal", rows), replicates, seed)


def delong_error(y: Array, risk: Array) -> float:
    """Standard error of an AUROC by DeLong's method (10.2307/2531595)."""
    events, others = risk[y == 1], risk[y == 0]
    wins = (events[:, None] > others) + 0.5 * (events[:, None] == others)
    return float(np.sqrt(wins.mean(axis=1).var(ddof=1) / len(events) + wins.mean(axis=0).var(ddof=1) / len(others)))


def test_the_first_column_is_the_data_as_they_are_and_every_replicate_draws_as_many_patients() -> None:
    weights = case_weights(np.arange(30), 50, seed=3)
    assert weights.shape == (30, 51)
    assert (weights[:, 0] == 1).all()
    assert (weights.sum(axis=0) == 30).all()
    assert weights[:, 1:].var() == pytest.approx(1, abs=0.2)


def test_all_cases_of_a_patient_are_drawn_together() -> None:
    patients = np.array([0, 0, 0, 1, 2, 2])
    weights = case_weights(patients, 100, seed=4)
    assert (weights[0] == weights[1]).all() and (weights[1] == weights[2]).all()
    assert (weights[4] == weights[5]).all()
    assert (weights[0] != weights[3]).any()


def test_draws_depend_on_who_the_patients_are_and_not_on_their_order() -> None:
    assert patient_seed(1, ["a", "b", "b"]) == patient_seed(1, ["b", "a"])
    assert patient_seed(1, ["a", "b"]) != patient_seed(1, ["a", "c"])
    assert patient_seed(1, ["a"]) != patient_seed(2, ["a"])


def test_a_bootstrap_of_nobody_is_refused() -> None:
    with pytest.raises(DataError, match="at least one case"):
        case_weights(np.array([], dtype=np.intp), 10, seed=0)


def test_replicates_without_a_value_are_dropped_and_counted() -> None:
    values = np.concatenate([[0.5], np.linspace(0, 1, 101), np.full(9, np.nan)])
    found = interval_of(values)
    assert found.n_undefined == 9
    assert found.low == pytest.approx(0.025)
    assert found.high == pytest.approx(0.975)


def test_a_value_that_is_not_defined_has_no_interval() -> None:
    found = interval_of(np.concatenate([[np.nan], np.ones(50)]))
    assert np.isnan([found.value, found.low, found.high]).all()
    assert np.isnan(interval_of(np.array([0.5, *[np.nan] * 40, 0.5])).low)


def test_the_same_predictions_stacked_five_times_give_the_same_interval() -> None:
    y, risk = binormal(1, 150, 0.3, 1.0)
    once = interval_of(scorer_of(predictions(y, [risk])).values_of_all("m", AUROC))
    often = interval_of(scorer_of(predictions(y, [risk] * 5)).values_of_all("m", AUROC))
    assert often.value == pytest.approx(once.value, abs=1e-12)
    assert (often.low, often.high) == pytest.approx((once.low, once.high), abs=1e-12)


def test_the_metric_is_taken_within_a_repeat_and_then_averaged() -> None:
    y, risk = binormal(2, 100, 0.4, 1.0)
    rows = predictions(y, [risk, risk / 10])
    single = predictions(y, [risk])
    assert scorer_of(rows).values_of_all("m", AUROC)[0] == pytest.approx(scorer_of(single).values_of_all("m", AUROC)[0])


def test_two_cases_a_patient_alike_give_an_interval_as_wide_as_one_case_each() -> None:
    y, risk = binormal(3, 120, 0.4, 1.0)
    single = interval_of(scorer_of(predictions(y, [risk]), 2000).values_of_all("m", AUROC))
    patients = [f"c{i:04d}" for i in range(120)] * 2
    double = predictions(np.tile(y, 2), [np.tile(risk, 2)], patients=patients)
    paired = interval_of(scorer_of(double, 2000).values_of_all("m", AUROC))
    alone = interval_of(scorer_of(predictions(np.tile(y, 2), [np.tile(risk, 2)]), 2000).values_of_all("m", AUROC))
    assert paired.high - paired.low == pytest.approx(single.high - single.low, rel=0.02)
    assert alone.high - alone.low < 0.8 * (paired.high - paired.low)


@pytest.mark.parametrize("seed", range(3))
def test_the_interval_is_near_delongs(seed: int) -> None:
    y, risk = binormal(10 + seed, 300, 0.3, 0.8)
    found = interval_of(scorer_of(predictions(y, [risk]), 2000).values_of_all("m", AUROC))
    half = 1.96 * delong_error(y, risk)
    assert found.low == pytest.approx(found.value - half, abs=0.015)
    assert found.high == pytest.approx(found.value + half, abs=0.015)


def coverage(cohorts: int, n: int, replicates: int) -> float:
    shift = 0.8
    truth = norm.cdf(shift / np.sqrt(2))
    held = 0
    for seed in range(cohorts):
        y, risk = binormal(1000 + seed, n, 0.3, shift)
        weights = case_weights(np.arange(n), replicates, seed)
        found = interval_of(METRICS.get("auroc").compute(Sample(y=y, risk=risk, order=risk), weights.T))
        held += found.low <= truth <= found.high
    return held / cohorts


def test_the_interval_holds_the_true_auroc_in_nine_of_ten_simulated_cohorts_or_more() -> None:
    assert 0.90 <= coverage(200, 200, 400) <= 0.99


@pytest.mark.nightly
def test_the_interval_holds_the_true_auroc_in_95_percent_of_many_simulated_cohorts() -> None:
    assert 0.93 <= coverage(1000, 200, 1000) <= 0.97


def test_risks_that_know_nothing_have_an_interval_that_holds_one_half() -> None:
    held = 0
    for seed in range(40):
        y, risk = binormal(seed, 150, 0.3, 0.0)
        found = interval_of(scorer_of(predictions(y, [risk]), 200, seed).values_of_all("m", AUROC))
        held += found.low <= 0.5 <= found.high
    assert held >= 34


def test_a_model_that_says_one_thing_in_each_fold_ranks_nobody() -> None:
    y, _ = binormal(5, 100, 0.3, 0.0)
    fold = np.arange(100) % 5
    rate_elsewhere = np.array([y[fold != at].mean() for at in fold])
    scorer = scorer_of(predictions(y, [rate_elsewhere]))
    assert scorer.values_of_all("m", AUROC)[0] == 0.5
    precision = scorer.values_of_all("m", Measure(METRICS.get("average_precision")))[0]
    assert precision == pytest.approx(y.mean())
    brier = scorer.values_of_all("m", Measure(METRICS.get("brier")))[0]
    assert brier == pytest.approx(((rate_elsewhere - y) ** 2).mean())


def test_one_case_a_fold_is_not_taken_for_a_model_that_ranks_nobody() -> None:
    y, risk = binormal(6, 40, 0.4, 1.5)
    assert scorer_of(predictions(y, [risk], folds=40)).values_of_all("m", AUROC)[0] > 0.6


def test_a_case_twice_in_one_repeat_is_refused() -> None:
    rows = predictions(np.array([1.0, 0.0]), [np.array([0.2, 0.3])])
    with pytest.raises(DataError, match="answers twice"):
        make_panel(EVENT, "internal", pd.concat([rows, rows]))


def test_a_case_with_two_truths_is_refused() -> None:
    rows = predictions(np.array([1.0, 0.0]), [np.array([0.2, 0.3])] * 2)
    rows.loc[3, "y"] = 1.0
    with pytest.raises(DataError, match="differs between rows"):
        make_panel(EVENT, "internal", rows)


def test_a_case_of_two_patients_is_refused() -> None:
    rows = predictions(np.array([1.0, 0.0]), [np.array([0.2, 0.3])] * 2)
    rows.loc[3, "patient_id"] = "c0000"
    with pytest.raises(DataError, match="two patients"):
        make_panel(EVENT, "internal", rows)


def test_cases_without_an_answer_are_left_out_of_their_repeat_only() -> None:
    y, risk = binormal(7, 60, 0.4, 1.0)
    partial = risk.copy()
    partial[:10] = np.nan
    scorer = scorer_of(predictions(y, [risk, partial]))
    whole = scorer_of(predictions(y, [risk])).values_of_all("m", AUROC)[0]
    rest = scorer_of(predictions(y[10:], [risk[10:]])).values_of_all("m", AUROC)[0]
    assert scorer.values_of_all("m", AUROC)[0] == pytest.approx((whole + rest) / 2)

"""AUROC and average precision over many draws: equal to scikit-learn on each, and to the plain way that they replaced."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from core.contracts.metric import Array, Sample
from core.evaluation.bootstrap import case_counts, case_weights
from core.evaluation.panel import make_panel
from core.evaluation.scoring import Measure, Scorer
from core.metrics import METRICS
from core.metrics._ranking_kernels import LANES
from core.metrics.discrimination import auroc, average_precision
from core.metrics.weighting import ratio, running_sums
from tests.test_evaluation_bootstrap import EVENT, binormal, predictions, scorer_of

NEAR = 1e-12
METRIC = {"auroc": auroc, "average_precision": average_precision}


def ranked(y: Array, order: Array) -> Sample:
    return Sample(y=y, risk=np.empty(0), order=order)


def tied(seed: int, n: int, values: int) -> Sample:
    """Cases with few distinct values, so that many tie within and across classes."""
    rng = np.random.default_rng(seed)
    order = rng.integers(values, size=n) / values
    return ranked((rng.random(n) < 0.1 + 0.6 * order).astype(float), order)


def formerly_drawn(patients: NDArray[np.intp], replicates: int, seed: int) -> Array:
    """The draws as published numbers were made with."""
    count = int(patients.max()) + 1
    drawn = np.random.default_rng(seed).integers(count, size=(replicates, count))
    flat = drawn + np.arange(replicates)[:, None] * count
    weights = np.bincount(flat.ravel(), minlength=replicates * count).reshape(replicates, count)
    by_patient = np.ones((count, replicates + 1))
    by_patient[:, 1:] = weights.T
    return by_patient[patients]


def formerly(name: str, sample: Sample, weights: Array) -> Array:
    """Both metrics by running sums over each class, as published numbers were made with."""
    sides = [np.flatnonzero(sample.y == kind) for kind in (1, 0)]
    sides = [side[np.argsort(sample.order[side], kind="stable")] for side in sides]
    events, others = (sample.order[side] for side in sides)
    event_weights, other_weights = (weights.T[side] for side in sides)
    events_below, below = running_sums(event_weights), running_sums(other_weights)
    lower, upto = np.searchsorted(others, events, side="left"), np.searchsorted(others, events, side="right")
    if name == "auroc":
        won = np.einsum("ib,ib->b", event_weights, below[lower] + below[upto]) / 2
        return ratio(won, event_weights.sum(axis=0) * below[-1])
    hits = events_below[-1] - events_below[np.searchsorted(events, events, side="left")]
    false = below[-1] - below[lower]
    precision = np.divide(hits, hits + false, out=np.zeros_like(hits), where=hits > 0)
    return ratio(np.einsum("ib,ib->b", event_weights, precision), events_below[-1])


def by_scikit_learn(name: str, sample: Sample, weights: Array) -> Array:
    score = roc_auc_score if name == "auroc" else average_precision_score
    values = np.full(len(weights), np.nan)
    for at, row in enumerate(weights):
        classes = set(sample.y[row > 0])
        if classes == {0.0, 1.0} or (name == "average_precision" and 1.0 in classes):
            values[at] = score(sample.y, sample.order, sample_weight=row)
    return values


@pytest.mark.parametrize("patients", [1, 7, 64, 301])
@pytest.mark.parametrize("replicates", [1, 63, 64, 65, 200])
def test_draws_are_the_ones_that_published_numbers_were_made_with(patients: int, replicates: int) -> None:
    cases = np.random.default_rng(patients).permutation(np.append(np.arange(patients), np.arange(patients) // 2))
    counts = case_counts(cases, replicates, seed=9)
    assert counts.dtype == np.uint8
    assert np.array_equal(counts, formerly_drawn(cases, replicates, seed=9))
    assert np.array_equal(case_weights(cases, replicates, seed=9), counts)


@pytest.mark.parametrize("name", METRIC)
@pytest.mark.parametrize("values", [1, 2, 5, 1000])
@pytest.mark.parametrize("kind", [np.uint8, np.float64])
def test_every_draw_equals_scikit_learn_and_the_former_way(name: str, values: int, kind: type) -> None:
    for seed in range(3):
        sample = tied(seed, 80, values)
        counts = case_counts(np.arange(80), LANES + 1, seed)
        found = METRIC[name](sample, counts.T.astype(kind))
        weights = counts.T.astype(np.float64)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            np.testing.assert_allclose(found[:60], by_scikit_learn(name, sample, weights[:60]), rtol=0, atol=NEAR)
        np.testing.assert_allclose(found, formerly(name, sample, weights), rtol=0, atol=NEAR)


def test_the_auroc_of_whole_numbers_is_the_former_one_to_the_last_bit() -> None:
    sample, counts = tied(4, 500, 40), case_counts(np.arange(500), 300, 4)
    former = formerly("auroc", sample, counts.T.astype(np.float64))
    assert np.array_equal(auroc(sample, counts.T), former)
    assert np.array_equal(auroc(sample, counts.T.astype(np.float64)), former)


@pytest.mark.parametrize("name", METRIC)
def test_all_cases_of_a_patient_are_drawn_together_and_count_so(name: str) -> None:
    patients = np.random.default_rng(0).integers(30, size=90)
    patients = np.unique(patients, return_inverse=True)[1]
    sample, counts = tied(6, 90, 12), case_counts(patients, 50, 6)
    found = METRIC[name](sample, counts.T)
    for at in (1, 17, 50):
        rows = np.repeat(np.arange(90), counts[:, at])
        repeated = ranked(sample.y[rows], sample.order[rows])
        assert found[at] == pytest.approx(METRIC[name](repeated, np.ones((1, len(rows))))[0], abs=NEAR)


@settings(max_examples=80, deadline=None)
@given(
    cases=st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=25),
    name=st.sampled_from(sorted(METRIC)),
)
def test_any_small_table_equals_scikit_learn(cases: list[tuple[bool, int, int]], name: str) -> None:
    y, order, weights = (np.array(column, dtype=float) for column in zip(*cases, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = by_scikit_learn(name, ranked(y, order), weights[None])
    np.testing.assert_allclose(METRIC[name](ranked(y, order), weights[None]), expected, rtol=0, atol=NEAR)


@pytest.mark.parametrize("name", METRIC)
def test_weights_that_are_no_whole_numbers_are_weighed_as_they_are(name: str) -> None:
    sample = tied(8, 120, 20)
    weights = np.random.default_rng(8).exponential(size=(40, 120))
    weights[:, ::7] = 0
    np.testing.assert_allclose(METRIC[name](sample, weights), by_scikit_learn(name, sample, weights), rtol=0, atol=NEAR)
    np.testing.assert_allclose(METRIC[name](sample, weights), formerly(name, sample, weights), rtol=0, atol=NEAR)


def test_a_draw_without_one_of_the_classes_has_no_value() -> None:
    sample = ranked(np.array([1.0, 0.0, 0.0]), np.array([0.9, 0.2, 0.1]))
    weights = np.array([[1, 1, 1], [0, 2, 1], [3, 0, 0], [0, 0, 0]], dtype=np.uint8)
    np.testing.assert_array_equal(auroc(sample, weights), [1.0, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(average_precision(sample, weights), [1.0, np.nan, 1.0, np.nan])
    nobody = ranked(np.empty(0), np.empty(0))
    assert np.isnan(auroc(nobody, np.empty((2, 0)))).all() and np.isnan(average_precision(nobody, np.empty((2, 0)))).all()


def test_values_without_an_end_tie_with_each_other() -> None:
    sample = ranked(np.array([1.0, 0.0, 1.0, 0.0]), np.array([np.inf, np.inf, -np.inf, -np.inf]))
    assert auroc(sample, np.ones((1, 4)))[0] == 0.5


@pytest.mark.parametrize("name", METRIC)
def test_the_table_of_scores_holds_the_former_numbers(name: str) -> None:
    """Several repeats, cases that a repeat leaves out, several cases a patient, and a group."""
    y, risk = binormal(3, 150, 0.3, 1.0)
    partial = np.where(np.arange(150) % 11 == 0, np.nan, np.round(risk, 1))
    rows = predictions(y, [np.round(risk, 2), partial], patients=[f"p{i // 2}" for i in range(150)])
    scorer = Scorer(make_panel(EVENT, "internal", rows), 300, 5)
    weights = scorer.everyone.weights
    for cases in (np.arange(150), np.arange(0, 150, 3)):
        expected = np.zeros(301)
        for repeat in range(2):
            said = cases[scorer.panel.answers["m"].said[repeat, cases]]
            expected += formerly(name, scorer.panel.sample("m", repeat, said), weights[said].T) / 2
        found = scorer.values("m", Measure(METRICS.get(name)), scorer.subset("group", cases))
        np.testing.assert_allclose(found, expected, rtol=0, atol=NEAR)


def test_metrics_that_take_counts_give_the_same_of_counts_and_of_real_numbers() -> None:
    taking = [spec for spec in METRICS if spec.takes_counts]
    assert {spec.name for spec in taking} >= set(METRIC)
    y, risk = binormal(5, 60, 0.4, 1.0)
    scorer = scorer_of(pd.concat([predictions(y, [risk])]))
    for spec in taking:
        sample = scorer.panel.sample("m", 0, scorer.everyone.cases)
        of_counts = spec.compute(sample, scorer.everyone.counts.T)  # type: ignore[arg-type]
        assert np.array_equal(of_counts, spec.compute(sample, scorer.everyone.weights.T))

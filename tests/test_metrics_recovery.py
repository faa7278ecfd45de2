"""Metrics of times to an event: by hand, against lifelines, with deaths and with cases lost."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from lifelines import KaplanMeierFitter
from lifelines.utils import concordance_index
from sklearn.metrics import roc_auc_score

from core.contracts.forecast import LAST_DAY
from core.contracts.metric import Array, MetricSpec, Sample
from core.metrics import METRICS
from core.metrics.censoring import status_by
from tests.conftest import ROOT
from tests.fixtures_times import DAYS, Times, shared_times

TIMED = tuple(spec for spec in METRICS if "time_to_event" in spec.kinds)


def sure_of(low: list[int], high: list[int]) -> Array:
    """Forecasts whose 10 % quantile is ``low`` and whose 90 % quantile is ``high``."""
    days = np.arange(LAST_DAY + 1)
    return np.stack([np.where(days < a, 0.0, np.where(days < b, 0.5, 1.0)) for a, b in zip(low, high)])


def timed_sample(days: list[float], event: list[int], by_day: Array, day: int = 3) -> Sample:
    return Sample(
        y=np.array(event, dtype=float), days=np.array(days, dtype=float), by_day=by_day, order=by_day.mean(axis=1),
        scored_days=(1, 3, 7), day=day,
    )  # fmt: skip


def random_sample(seed: int, n: int = 50, lost: float = 0.3) -> Sample:
    rng = np.random.default_rng(seed)
    pace = rng.integers(1, 6, n)
    days = rng.poisson(pace).astype(float)
    by_day = 1 - np.exp(-(np.arange(LAST_DAY + 1) + 1) / pace[:, None])
    return timed_sample(list(days), list((rng.random(n) > lost).astype(int)), by_day)


def one(name: str, sample: Sample) -> float:
    return float(METRICS.get(name).compute(sample, np.ones((1, len(sample))))[0])


def test_the_c_index_by_hand() -> None:
    sample = Sample(y=np.ones(3), days=np.array([1.0, 2.0, 3.0]), order=np.array([0.9, 0.2, 0.5]))
    assert one("c_index", sample) == pytest.approx(2 / 3)


@pytest.mark.parametrize("seed", range(4))
def test_the_c_index_equals_lifelines_for_scores_that_rise_with_time_on_repeated_rows_with_ties(seed: int) -> None:
    sample = random_sample(seed)
    rows = np.random.default_rng(seed).integers(len(sample), size=(20, len(sample)))
    weights = np.stack([np.bincount(row, minlength=len(sample)) for row in rows]).astype(float)
    theirs = [concordance_index(sample.days[row], -sample.order[row], sample.y[row]) for row in rows]
    assert np.abs(METRICS.get("c_index").compute(sample, weights) - theirs).max() < 1e-12


def test_the_c_index_is_the_same_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = random_sample(5)
    whole = one("c_index", sample)
    monkeypatch.setattr("core.metrics.recovery.BLOCK", 7)
    assert one("c_index", sample) == pytest.approx(whole, abs=1e-14)


def test_a_death_in_hospital_is_later_than_every_discharge() -> None:
    sample = Sample(y=np.array([1.0, 0.0]), days=np.array([30.0, np.inf]), order=np.array([0.6, 0.2]))
    assert one("c_index", sample) == 1.0


def test_the_interval_score_by_hand() -> None:
    assert one("interval_score", timed_sample([8], [1], sure_of([2], [6]))) == pytest.approx(4 + 10 * 2)
    assert one("interval_score", timed_sample([4], [1], sure_of([2], [6]))) == pytest.approx(4)
    assert one("interval_score", timed_sample([0], [1], sure_of([2], [6]))) == pytest.approx(4 + 10 * 2)


def test_a_discharge_that_never_comes_counts_as_the_day_after_the_last() -> None:
    score = one("interval_score", timed_sample([math.inf], [0], sure_of([2], [6])))
    assert score == pytest.approx(4 + 10 * (LAST_DAY + 1 - 6))


def test_coverage_counts_the_ends_of_the_interval() -> None:
    sample = timed_sample([2, 6, 7, 1], [1, 1, 1, 1], sure_of([2] * 4, [6] * 4))
    assert one("quantile_coverage", sample) == 0.5


def test_the_brier_score_of_a_day_by_hand() -> None:
    sample = timed_sample([2, 5], [1, 1], np.full((2, LAST_DAY + 1), 0.7), day=3)
    assert one("brier_day", sample) == pytest.approx((0.3**2 + 0.7**2) / 2)


def test_the_mean_over_days_is_the_mean_of_the_days() -> None:
    sample = random_sample(6, lost=0.0)
    by_day = [one("brier_day", replace(sample, day=day)) for day in sample.scored_days]
    assert one("brier_by_day", sample) == pytest.approx(np.mean(by_day))


def test_the_auroc_of_a_day_equals_scikit_learn_where_nobody_was_lost() -> None:
    sample = random_sample(7, lost=0.0)
    assert one("auroc_day", sample) == pytest.approx(roc_auc_score(sample.days <= 3, sample.by_day[:, 3]), abs=1e-12)


def test_cases_lost_before_a_day_are_made_up_for_so_that_the_shares_are_those_of_kaplan_and_meier() -> None:
    sample = random_sample(8, n=200)
    status = status_by(sample, 3)
    ours = (status.factor * status.y).sum() / status.factor.sum()
    fitted = KaplanMeierFitter().fit(sample.days, sample.y)
    assert ours == pytest.approx(1 - float(fitted.predict(3)), abs=0.01)
    assert (status.factor[(sample.y == 0) & (sample.days < 3)] == 0).all()


@pytest.mark.parametrize("name", ["c_index", "auroc_day"])
def test_order_of_nothing_has_no_value(name: str) -> None:
    sample = timed_sample([9, 9], [0, 0], sure_of([1, 2], [3, 4]))
    assert math.isnan(one(name, sample))


@pytest.mark.parametrize("spec", TIMED, ids=lambda spec: spec.name)
def test_replicates_in_which_nobody_was_drawn_have_no_value(spec: MetricSpec) -> None:
    sample = random_sample(9)
    assert np.isnan(spec.compute(sample, np.zeros((2, len(sample))))).all()


@pytest.mark.parametrize("spec", TIMED, ids=lambda spec: spec.name)
def test_a_metric_says_what_it_is(spec: MetricSpec) -> None:
    assert spec.label and spec.description.endswith(".") and spec.undefined.endswith(".")
    assert spec.reference.startswith("10.")


TIES = 0.02
"""Where cases are lost on the very day of an event, theirs lets them go before the event and ours after it (Graf et al.)."""
SCIKIT_SURVIVAL = json.loads((ROOT / "tests" / "references" / "recovery_metrics.json").read_text(encoding="utf-8"))[
    "scikit_survival"
]


@pytest.mark.parametrize("times", shared_times(), ids=lambda times: times.name)
def test_scikit_survival_gives_the_same_numbers_with_the_same_sign(times: Times) -> None:
    theirs = SCIKIT_SURVIVAL[times.name]
    sample = timed_sample(list(times.days), list(times.event), times.by_day)
    assert one("c_index", sample) == pytest.approx(theirs["c_index"], abs=1e-12)
    assert concordance_index(times.days, -sample.order, times.event) == pytest.approx(theirs["c_index"], abs=1e-12)
    for day in DAYS:
        at = replace(sample, day=day)
        # Theirs divides by all cases, ours by what they count for: the two differ by that factor, and not where nobody was lost.
        share = status_by(at, day).factor.sum() / len(sample)
        assert one("brier_day", at) * share == pytest.approx(
            theirs[f"brier_day_{day}"], abs=TIES if "whole" in times.name else 1e-9
        )
        assert one("auroc_day", at) == pytest.approx(theirs[f"auroc_day_{day}"], abs=TIES if "whole" in times.name else 1e-9)

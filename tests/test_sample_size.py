"""Patients needed: the published example of pmsampsize, simulated errors, and what a study's summary tells."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from core.evaluation.sample_size import development_criteria, events_needed, largest_r2, slope_unit_variance, validation_criteria
from tests.test_evaluation_summary import build, cohort, recipe


def test_the_criteria_of_development_are_those_of_pmsampsize_in_its_own_example() -> None:
    # R: pmsampsize(type = "b", rsquared = 0.288, parameters = 24, prevalence = 0.174), its documentation: 623, 662, 221.
    assert [one.patients for one in development_criteria(24, 0.174, 0.288)] == [623, 662, 221]
    assert largest_r2(0.174) == pytest.approx(0.6032, abs=1e-4)


def test_more_parameters_and_less_to_learn_need_more_patients() -> None:
    few, many = development_criteria(5, 0.2, 0.1)[0].patients, development_criteria(50, 0.2, 0.1)[0].patients
    assert many == pytest.approx(10 * few, abs=10)
    assert development_criteria(5, 0.2, 0.02)[0].patients > 3 * few


def test_the_error_of_the_slope_is_what_simulated_cohorts_show() -> None:
    rng = np.random.default_rng(0)
    n, slopes = 2000, []
    line = rng.normal(-1, 1, n)
    for _ in range(300):
        y = rng.random(n) < expit(line)
        slopes.append(float(LogisticRegression(C=np.inf).fit(line[:, None], y).coef_[0, 0]))
    assert np.sqrt(slope_unit_variance(expit(line)) / n) == pytest.approx(np.std(slopes), rel=0.12)


def test_a_model_that_says_one_thing_needs_no_size_for_its_slope() -> None:
    demands = [one.demand for one in validation_criteria(0.2, 0.5, np.full(50, 0.2))]
    assert len(demands) == 2 and not any("slope" in demand for demand in demands)


def test_validation_asks_no_fewer_than_the_auroc_alone() -> None:
    criteria = validation_criteria(0.1, 0.75, np.linspace(0.02, 0.6, 100))
    assert criteria[0].patients == events_needed(0.75, 0.1).patients
    assert {one.phase for one in criteria} == {"validation"}


def test_a_summary_tells_the_patients_that_its_declared_model_needs() -> None:
    told = build(cohort(), recipe=recipe()).outcome("complication")["needed"]
    assert told["model"] == "logistic_regression" and told["n_events"] < told["n"]
    assert told["parameters"] >= 1 and 0 < told["r2"] < told["largest_r2"]
    assert {one["phase"] for one in told["criteria"]} == {"development", "validation"}
    assert all(one["events"] <= one["patients"] for one in told["criteria"])

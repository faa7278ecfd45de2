"""Days until home: curves that rise, deaths that are no discharge, days that many share."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter, KaplanMeierFitter, WeibullAFTFitter
from numpy.typing import NDArray

from core.contracts.cohort import Cases
from core.contracts.forecast import LAST_DAY, FitContext, TimeForecast
from core.errors import DataError
from core.outcomes import PREDICTORS
from core.outcomes._preprocessing import STAY, known_cases
from core.outcomes.recovery import CoxModel, HazardModel, WeibullModel, tied_baseline
from tests.fixtures_predictors import RECOVERY, blocks, made_up_cases, with_targets

MODELS = ("cox", "weibull", "boosted_hazard", "cox_radiomics")


def stays(days: list[float], event: list[bool]) -> NDArray[np.void]:
    return np.array(list(zip(days, event)), dtype=STAY)


def cases_for(name: str, n: int = 200, seed: int = 1, procedure: bool = False) -> Cases:
    extra = ("procedure",) if procedure else ()
    return blocks(made_up_cases(n, seed), *PREDICTORS.get(name).inputs, *extra)


def forecast(name: str, train: Cases, later: Cases, budget: int = 0) -> TimeForecast:
    predictor = PREDICTORS.get(name).make({})
    predictor.fit(train, (RECOVERY,), FitContext(seed=2, tuning_budget=budget))
    return predictor.predict(later).times["recovery"]


def concordance(days: NDArray[np.float64], chance: NDArray[np.float64]) -> float:
    """Share of pairs in which who goes home earlier was given the higher chance."""
    earlier = days[:, None] < days[None, :]
    agree = (chance[:, None] > chance[None, :]) + 0.5 * (chance[:, None] == chance[None, :])
    return float(agree[earlier].mean())


@pytest.mark.parametrize("name", MODELS)
def test_a_recovery_model_ranks_who_goes_home_early(name: str) -> None:
    later = cases_for(name, seed=8, procedure=True)
    assert later.targets is not None
    chance = forecast(name, cases_for(name, procedure=True), later).at(3)
    assert concordance(later.targets["recovery_days"].to_numpy(), chance) > 0.6


@pytest.mark.parametrize("name", MODELS)
def test_a_recovery_model_of_permuted_stays_cannot_rank(name: str) -> None:
    train, later = cases_for(name, procedure=True), cases_for(name, 400, seed=8, procedure=True)
    assert train.targets is not None and later.targets is not None
    areas = []
    for seed in (1, 2, 3, 4):
        order = np.random.default_rng(seed).permutation(len(train.targets))
        mixed = pd.DataFrame(train.targets.to_numpy()[order], train.targets.index, train.targets.columns)
        chance = forecast(name, with_targets(train, mixed), later).at(3)
        days = later.targets["recovery_days"].to_numpy()
        areas.append(concordance(days[np.random.default_rng(seed).permutation(len(days))], chance))
    assert abs(float(np.mean(areas)) - 0.5) < 0.05


@pytest.mark.parametrize("name", ("cox", "boosted_hazard"))
@pytest.mark.parametrize("day", (1, 3, 7))
def test_the_mean_chance_by_a_day_is_near_the_share_at_home(name: str, day: int) -> None:
    train, later = cases_for(name, 400), cases_for(name, 600, seed=8)
    assert later.targets is not None
    share = (later.targets["recovery_days"] <= day).mean()
    assert forecast(name, train, later).at(day).mean() == pytest.approx(share, abs=0.06)


@pytest.mark.parametrize("name", MODELS)
def test_a_death_in_hospital_lowers_the_chance_to_be_home(name: str) -> None:
    train = cases_for(name)
    assert train.targets is not None
    deaths = train.targets.copy()
    deaths.loc[train.ids[:60], "recovery_days"] = math.inf
    deaths.loc[train.ids[:60], "recovery_event"] = 0.0
    before, after = forecast(name, train, train).at(30), forecast(name, with_targets(train, deaths), train).at(30)
    assert after.mean() < before.mean() - 0.1


@pytest.mark.parametrize("name", MODELS)
def test_stays_of_no_day_and_beyond_the_last_day_are_taken(name: str) -> None:
    train = cases_for(name, 80)
    assert train.targets is not None
    train.targets["recovery_days"] = [0.0, 0.0, 0.5, 59.5, 60.0, 61.0, 400.0, math.inf] * 10
    train.targets["recovery_event"] = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0] * 10
    by_day = forecast(name, train, train).by_day
    assert by_day.shape == (80, LAST_DAY + 1) and by_day[:, 0].mean() > 0.05 and by_day[:, 58].mean() < 0.9


def test_a_part_of_a_day_counts_as_the_day_it_reaches_and_late_events_as_later() -> None:
    cases = cases_for("cox", 4)
    assert cases.targets is not None
    cases.targets["recovery_days"], cases.targets["recovery_event"] = [0.5, 60.0, 60.5, math.inf], [1.0, 1.0, 1.0, 0.0]
    target = known_cases(cases, RECOVERY).target
    assert target["days"].tolist() == [1, 60, 61, 61] and target["event"].tolist() == [True, True, False, False]


def test_a_stay_below_no_day_is_refused() -> None:
    cases = cases_for("cox", 20)
    assert cases.targets is not None
    cases.targets.loc[cases.ids[3], "recovery_days"] = -1.0
    with pytest.raises(DataError, match="from 0 up"):
        forecast("cox", cases, cases)


def test_the_baseline_of_shared_days_is_kaplan_meiers_where_all_are_alike() -> None:
    y = stays([0, 1, 1, 1, 2, 2, 5, 61], [True, True, True, True, True, False, True, False])
    curve = KaplanMeierFitter().fit(y["days"], y["event"]).survival_function_at_times(np.arange(LAST_DAY + 1))
    assert np.exp(-tied_baseline(y, np.ones(8))) == pytest.approx(curve.to_numpy())


def test_the_baseline_ends_at_no_one_left_when_all_go_home() -> None:
    assert np.exp(-tied_baseline(stays([1, 2, 2], [True] * 3), np.array([0.5, 1.0, 2.0])))[2] == pytest.approx(0, abs=1e-9)


def simulated(n: int = 300) -> tuple[NDArray[np.float64], NDArray[np.void]]:
    rng = np.random.default_rng(5)
    x = np.column_stack([rng.normal(size=n) / 2, (rng.random(n) < 0.3).astype(float)])
    days = np.ceil(4 * rng.weibull(1.5, n) * np.exp(0.8 * x[:, 0] - 0.5 * x[:, 1]))
    return x, np.array(list(zip(days, np.ones(n, dtype=bool))), dtype=STAY)


def test_cox_coefficients_are_those_of_lifelines_without_a_penalty() -> None:
    x, y = simulated()
    frame = pd.DataFrame(x, columns=["a", "b"]).assign(days=y["days"], event=1.0)
    theirs = CoxPHFitter().fit(frame, "days", "event").params_.to_numpy()
    assert CoxModel(ridge=1e-9).fit(x, y).coefficients_ == pytest.approx(theirs, abs=1e-4)


def test_the_weibull_curve_is_that_of_lifelines_at_the_end_of_each_day() -> None:
    x, y = simulated()
    frame = pd.DataFrame(x, columns=["a", "b"]).assign(days=y["days"] + 0.5, event=1.0)
    theirs = WeibullAFTFitter().fit(frame, "days", "event")
    left = theirs.predict_survival_function(frame, times=np.arange(LAST_DAY + 1) + 1.0).to_numpy().T
    assert WeibullModel(ridge=1e-9).fit(x, y).predict(x) == pytest.approx(1 - left, abs=1e-3)


def test_coefficients_belong_to_their_columns_however_many_there_are() -> None:
    x, y = simulated()
    wide = np.column_stack([np.random.default_rng(1).normal(size=(len(x), 11)), x])
    for model in (CoxModel(ridge=50.0), WeibullModel(ridge=50.0)):
        assert set(np.argsort(-np.abs(model.fit(wide, y).coefficients_))[:2]) == {11, 12}


def test_the_penalty_holds_a_rare_finding() -> None:
    x, y = simulated()
    rare = np.column_stack([x, np.arange(len(x)) == int(np.argmax(y["days"]))]).astype(float)
    for model in (CoxModel(), WeibullModel()):
        assert abs(model.fit(rare, y).coefficients_[2]) < 1.2


def test_the_hazard_of_a_day_is_the_share_who_leave_on_it_where_nothing_tells_them_apart() -> None:
    rng = np.random.default_rng(3)
    days = rng.choice([1, 2, 3, 7], 400, p=[0.4, 0.3, 0.2, 0.1])
    y = np.array(list(zip(days, [True] * 400)), dtype=STAY)
    by_day = HazardModel().fit(rng.normal(size=(400, 2)), y).predict(np.zeros((1, 2)))[0]
    assert by_day[[0, 1, 2, 3, 6, 7]] == pytest.approx([0, 0.4, 0.7, 0.9, 0.9, 1.0], abs=0.08)


def test_the_boosted_hazard_expects_each_day_as_many_events_as_were_seen() -> None:
    cases = cases_for("boosted_hazard", 300, procedure=True)
    by_day = forecast("boosted_hazard", cases, cases).by_day
    days = known_cases(cases, RECOVERY).target["days"]
    left = np.column_stack([np.ones(len(days)), 1 - by_day[:, :-1]])
    for day in range(6):
        at_risk = days >= day
        expected = ((by_day[:, day] - (1 - left[:, day])) / left[:, day])[at_risk].sum()
        assert expected == pytest.approx((days == day).sum(), abs=1.0)


def test_a_search_works_for_stays() -> None:
    train = cases_for("cox", 80)
    predictor = PREDICTORS.get("cox").make({})
    predictor.fit(train, (RECOVERY,), FitContext(seed=2, tuning_budget=3))
    assert predictor.chosen["recovery"]["ridge"] > 0  # type: ignore[attr-defined]

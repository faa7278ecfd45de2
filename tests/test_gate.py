"""The evidence gate: no personal risk without enough events and a gain over the base rate beyond chance."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from core.contracts.forecast import LAST_DAY
from core.contracts.outcome import Outcome
from core.errors import DataError
from core.evaluation.gate import CLIP, judge

BINARY = Outcome("complication", "Complication", "binary", "Any.", desirable=False)
TIMED = Outcome("recovery", "Recovery", "time_to_event", "Days.", desirable=True, days=(1, 3, 7))
ORACLE = "oracle"


def binary_rows(
    n: int, rate: float, *, slope: float = 1.5, repeats: int = 2, seed: int = 0, permute: bool = False
) -> pd.DataFrame:
    """Out-of-fold rows of a model that knows the true risk, and of the base rate of each fold's training part."""
    rng = np.random.default_rng(seed)
    logit = math.log(rate / (1 - rate)) + slope * rng.normal(size=n)
    risk = 1 / (1 + np.exp(-logit))
    y = (rng.random(n) < risk).astype(float)
    said = rng.permutation(risk) if permute else risk
    frames = []
    for repeat in range(repeats):
        fold = rng.integers(5, size=n)
        base = np.array([y[fold != one].mean() for one in range(5)])[fold]
        for model, answer in ((ORACLE, said), ("base_rate", base)):
            frames.append(rows(n, model, repeat, fold, outcome="complication", y=y, risk=answer))
    return pd.concat(frames, ignore_index=True)


def rows(n: int, model: str, repeat: int, fold: Any, **columns: Any) -> pd.DataFrame:
    ids = [f"c{i}" for i in range(n)]
    start = {"case_id": ids, "patient_id": ids, "model": model, "split": "internal", "repeat": repeat, "fold": fold}
    return pd.DataFrame({**start, **columns})


def timed_rows(n: int, *, knows: bool, seed: int = 0) -> pd.DataFrame:
    """Stays around a pace of the patient's own; the model knows the pace, or a permuted one."""
    rng = np.random.default_rng(seed)
    pace = np.exp(0.7 * rng.normal(size=n)) * 3
    days, grid = np.floor(rng.exponential(pace)), np.arange(LAST_DAY + 1)
    said = pace if knows else rng.permutation(pace)
    mine = 1 - np.exp(-(grid[None, :] + 1) / said[:, None])
    base = np.tile((days[:, None] <= grid[None, :]).mean(axis=0), (n, 1))
    common = {"outcome": "recovery", "days": days, "event": 1.0}
    return pd.concat(
        [rows(n, ORACLE, 0, 0, by_day=list(mine), **common), rows(n, "base_rate", 0, 0, by_day=list(base), **common)],
        ignore_index=True,
    )


def test_a_model_that_knows_the_risk_may_speak_of_one_patient() -> None:
    verdict = judge(binary_rows(600, 0.3), outcome=BINARY, model=ORACLE, seed=1)
    assert verdict.state == "PersonalRisk" and verdict.allowed
    assert 0 < verdict.low < verdict.gain < verdict.high
    assert verdict.n == 600
    assert verdict.needed == "" and verdict.events_needed == 0


def test_a_model_that_knows_nothing_gives_only_the_groups_rate() -> None:
    verdict = judge(binary_rows(600, 0.3, permute=True), outcome=BINARY, model=ORACLE, seed=1)
    assert verdict.state == "GroupRate"
    assert verdict.low < 0
    assert "does not beat the base rate" in verdict.why
    assert verdict.needed.startswith("Better information")


def test_the_base_rate_itself_never_beats_the_base_rate() -> None:
    table = binary_rows(300, 0.4)
    twin = table[table["model"] == "base_rate"].assign(model="twin")
    verdict = judge(pd.concat([table, twin]), outcome=BINARY, model="twin", seed=1)
    assert (verdict.gain, verdict.low, verdict.high) == (0.0, 0.0, 0.0)
    assert verdict.state == "GroupRate"


@pytest.mark.parametrize("rate", [0.05, 0.95])
def test_fewer_than_fifty_of_either_kind_are_not_enough_however_good_the_model(rate: float) -> None:
    table = binary_rows(500, rate, slope=0.2)
    verdict = judge(_perfect(table), outcome=BINARY, model=ORACLE, seed=1)
    assert min(verdict.n_events or 0, 500 - (verdict.n_events or 0)) < 50
    assert verdict.low > 0
    assert verdict.state == "GroupRate"
    assert "needs 50 of each" in verdict.why
    assert verdict.events_needed == 50


def _perfect(table: pd.DataFrame) -> pd.DataFrame:
    risk = np.where(table["model"] == ORACLE, 0.02 + 0.96 * table["y"], table["risk"])
    return table.assign(risk=risk)


def test_exactly_fifty_events_are_enough() -> None:
    table = binary_rows(200, 0.3, repeats=1)
    y = pd.Series((np.arange(200) < 50).astype(float), index=[f"c{i}" for i in range(200)])
    table = table.assign(y=table["case_id"].map(y).to_numpy())
    assert judge(_perfect(table), outcome=BINARY, model=ORACLE, seed=1).allowed
    table = table.assign(y=np.where(table["case_id"] == "c0", 0.0, table["y"]))
    assert not judge(_perfect(table), outcome=BINARY, model=ORACLE, seed=1).allowed


def test_the_gain_is_the_difference_of_mean_log_losses_worked_by_hand() -> None:
    ids = ["a", "b", "c", "d"]
    table = pd.concat(
        [
            rows(4, ORACLE, 0, 0, outcome="complication", y=[1.0, 1.0, 0.0, 0.0], risk=[0.8, 0.6, 0.4, 0.1]),
            rows(4, "base_rate", 0, 0, outcome="complication", y=[1.0, 1.0, 0.0, 0.0], risk=[0.5] * 4),
        ]
    ).assign(case_id=ids * 2, patient_id=ids * 2)
    verdict = judge(table, outcome=BINARY, model=ORACLE, seed=1)
    by_hand = math.log(2) + (math.log(0.8) + math.log(0.6) + math.log(0.6) + math.log(0.9)) / 4
    assert verdict.gain == pytest.approx(by_hand, abs=1e-12)


def test_a_stated_certainty_that_is_wrong_costs_as_much_as_the_clip_says() -> None:
    table = binary_rows(4, 0.5, repeats=1)
    y = [1.0, 0.0, 1.0, 0.0]
    table = table.assign(y=y * 2, risk=[0.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5])
    verdict = judge(table, outcome=BINARY, model=ORACLE, seed=1)
    assert verdict.gain == pytest.approx((math.log(CLIP) - math.log(0.5)) / 4)


def test_repeats_do_not_make_the_interval_narrower_and_patients_do() -> None:
    width = {}
    for name, n, repeats in (("once", 300, 1), ("ten times", 300, 10), ("more patients", 1200, 1)):
        verdict = judge(binary_rows(n, 0.3, slope=0.8, repeats=repeats), outcome=BINARY, model=ORACLE, seed=1)
        width[name] = verdict.high - verdict.low
    assert width["ten times"] == pytest.approx(width["once"], rel=0.15)
    assert width["more patients"] < 0.65 * width["once"]


def test_cases_of_one_patient_are_drawn_together() -> None:
    table = binary_rows(400, 0.3, slope=0.8, repeats=1)
    copies = [table.assign(case_id=table["case_id"] + f"/{copy}") for copy in range(4)]
    apart = judge(table, outcome=BINARY, model=ORACLE, seed=1)
    together = judge(pd.concat(copies), outcome=BINARY, model=ORACLE, seed=1)
    assert together.high - together.low == pytest.approx(apart.high - apart.low, rel=1e-9)
    assert together.n == 4 * apart.n


def test_the_verdict_does_not_depend_on_the_order_of_rows() -> None:
    table = binary_rows(200, 0.3)
    shuffled = table.sample(frac=1, random_state=1)
    assert judge(table, outcome=BINARY, model=ORACLE, seed=1) == judge(shuffled, outcome=BINARY, model=ORACLE, seed=1)


def test_only_out_of_fold_rows_count() -> None:
    table = binary_rows(300, 0.3, permute=True)
    release = _perfect(binary_rows(300, 0.3)).assign(split="release")
    assert judge(pd.concat([table, release]), outcome=BINARY, model=ORACLE, seed=1) == judge(
        table, outcome=BINARY, model=ORACLE, seed=1
    )


def test_a_model_that_the_run_does_not_hold_is_named() -> None:
    with pytest.raises(DataError, match="orcale") as caught:
        judge(binary_rows(60, 0.3), outcome=BINARY, model="orcale", seed=1)
    assert "oracle" in caught.value.do


def test_rows_without_a_base_rate_beside_them_are_refused() -> None:
    table = binary_rows(60, 0.3, repeats=2)
    table = table[(table["model"] == ORACLE) | (table["repeat"] == 0)]
    with pytest.raises(DataError, match="base_rate"):
        judge(table, outcome=BINARY, model=ORACLE, seed=1)


def test_a_recovery_model_that_knows_the_pace_may_speak_and_one_that_does_not_may_not() -> None:
    good = judge(timed_rows(300, knows=True), outcome=TIMED, model=ORACLE, seed=1)
    bad = judge(timed_rows(300, knows=False), outcome=TIMED, model=ORACLE, seed=1)
    assert good.allowed and good.low > 0
    assert not bad.allowed and bad.gain < 0
    assert good.measure == "Brier score over the days"


def test_the_gain_of_a_recovery_model_is_its_mean_brier_gain() -> None:
    table = timed_rows(150, knows=True)
    verdict = judge(table, outcome=TIMED, model=ORACLE, seed=1)
    score = {}
    for model, part in table.groupby("model"):
        by_day = np.array(part["by_day"].tolist())
        score[model] = np.mean([((by_day[:, day] - (part["days"] <= day)) ** 2).mean() for day in TIMED.days])
    assert verdict.gain == pytest.approx(score["base_rate"] - score[ORACLE], abs=1e-12)


def test_counts_under_the_smallest_cell_are_taken_out_of_a_verdict() -> None:
    verdict = judge(binary_rows(300, 0.02, slope=0.1), outcome=BINARY, model=ORACLE, seed=1)
    assert verdict.n_events is not None and verdict.n_events < 10
    hidden = verdict.hidden_below(10)
    assert hidden.n_events is None
    assert str(verdict.n_events) not in hidden.why.replace("10", "").replace("50", "")
    assert verdict.hidden_below(1) == verdict


def test_by_simulation_a_model_without_skill_is_let_through_in_few_runs() -> None:
    """A well-calibrated constant with noise beats the base rate by chance in at most 2.5 % of runs, plus sampling error."""
    passed = 0
    for seed in range(120):
        table = binary_rows(250, 0.3, slope=0.0, repeats=1, seed=seed)
        noise = np.random.default_rng(seed + 9000).normal(0, 0.25, len(table))
        logit = np.log(table["risk"] / (1 - table["risk"])) + noise
        table["risk"] = np.where(table["model"] == ORACLE, 1 / (1 + np.exp(-logit)), table["risk"])
        passed += judge(table, outcome=BINARY, model=ORACLE, seed=seed, bootstrap=200).allowed
    assert passed <= 8

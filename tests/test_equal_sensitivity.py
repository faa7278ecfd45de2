"""One threshold for all beside one a group: by hand, what it costs, and who is left out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.contracts.metric import Array
from core.evaluation.equal_sensitivity import equal_sensitivity_rows, flagged_at, flagged_for
from core.evaluation.groups import ONE_THRESHOLD as ONE
from core.evaluation.groups import OWN_THRESHOLDS as OWN
from core.evaluation.panel import make_panel
from core.evaluation.scoring import Scorer
from tests.test_evaluation_fairness import EVENT, rows_of

RISK = np.array([0.9, 0.8, 0.6, 0.4])
Y = np.array([1.0, 0.0, 1.0, 1.0])
AS_THEY_ARE = np.ones((1, 4))


def judged(y: Array, risk: Array, groups: dict[str, Array], threshold: float = 0.3) -> pd.DataFrame:
    rows = rows_of(y, risk)
    table = pd.DataFrame(groups, index=rows["case_id"], dtype=bool)
    return pd.DataFrame(equal_sensitivity_rows(Scorer(make_panel(EVENT, "internal", rows, threshold), 200, 1), table, "m"))


def test_the_threshold_that_finds_two_thirds_of_the_events_by_hand() -> None:
    found = flagged_for(Y, RISK, AS_THEY_ARE, np.array([2 / 3]))
    assert (found.threshold[0], found.tp[0], found.fp[0]) == (0.6, 2, 1)


def test_equal_risks_are_flagged_together() -> None:
    found = flagged_for(Y, np.array([0.9, 0.5, 0.5, 0.1]), AS_THEY_ARE, np.array([0.5]))
    assert (found.tp[0], found.fp[0]) == (2, 1)


@pytest.mark.parametrize("seed", range(5))
def test_every_draw_gets_the_highest_threshold_that_finds_enough(seed: int) -> None:
    rng = np.random.default_rng(seed)
    risk, y, weights = rng.integers(1, 9, 40) / 10, rng.integers(0, 2, 40).astype(float), rng.integers(0, 3, (30, 40)) * 1.0
    wanted = rng.random(30)
    found = flagged_for(y, risk, weights, wanted)
    for draw in range(30):
        enough = [
            cut for cut in np.unique(risk)
            if flagged_at(y, risk, weights[[draw]], cut).tp[0] >= wanted[draw] * (weights[draw] @ y) - 1e-9
        ]  # fmt: skip
        plain = flagged_at(y, risk, weights[[draw]], max(enough))
        assert (found.tp[draw], found.fp[draw]) == (plain.tp[0], plain.fp[0])


def test_the_net_benefit_is_that_of_dcurves_formula_by_hand() -> None:
    assert flagged_at(Y, RISK, AS_THEY_ARE, 0.5).net_benefit(0.5)[0] == pytest.approx(2 / 4 - 1 / 4)


def planted(n: int = 4000) -> tuple[Array, Array, Array]:
    """Truth, risk and sex: the model tells women half their risk."""
    rng = np.random.default_rng(3)
    risk = 1 / (1 + np.exp(-rng.normal(-0.8, 1.2, n)))
    female = rng.random(n) < 0.5
    return (rng.random(n) < risk).astype(float), np.where(female, risk / 2, risk), female


def test_a_planted_gap_is_seen_at_one_threshold_and_closed_by_two() -> None:
    y, risk, female = planted()
    table = judged(y, risk, {"sex=female": female, "sex=male": ~female}).set_index(["policy", "group"])
    one, own = table.loc[ONE], table.loc[OWN]
    assert one.loc["sex=male", "sensitivity"] - one.loc["sex=female", "sensitivity"] > 0.2
    assert own.loc["sex=male", "sensitivity"] == pytest.approx(own.loc["sex=female", "sensitivity"], abs=0.01)
    assert own.loc["sex=female", "threshold"] < one.loc["sex=female", "threshold"] < own.loc["sex=male", "threshold"]
    # Here it is no cost: the one threshold stands too high for women, whose stated risks are too low.
    assert own.loc["all", "cost"] < 0
    assert own.loc["all", "cost"] == pytest.approx(one.loc["all", "net_benefit"] - own.loc["all", "net_benefit"])


def test_a_calibrated_model_pays_for_equal_sensitivity_where_groups_differ_in_risk() -> None:
    rng = np.random.default_rng(4)
    high = rng.random(20_000) < 0.5
    risk = 1 / (1 + np.exp(-rng.normal(np.where(high, 0.3, -2.0), 1.0)))
    y = (rng.random(20_000) < risk).astype(float)
    cost = judged(y, risk, {"g=high": high, "g=low": ~high}).query("policy == @OWN and group == 'all'").iloc[0]
    assert cost["cost_low"] > 0


def test_groups_with_few_events_are_left_out_and_so_is_a_grouping_of_one_group() -> None:
    y, risk, female = planted(300)
    few = np.arange(300) < 12
    table = judged(y, risk, {"sex=female": female, "sex=male": ~female, "site=small": few, "site=big": ~few})
    assert set(table["grouping"]) == {"sex"}

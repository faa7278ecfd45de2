"""The choice rule and the strata: what was declared decides, and the answer may be none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.contracts.metric import Array
from core.contracts.recipe import ChoicePart
from core.errors import RecipeError
from core.evaluation.choice import NONE, choose
from core.evaluation.panel import make_panel
from core.evaluation.publish import for_publication
from core.evaluation.scoring import Scorer
from core.evaluation.strata import strata_rows
from tests.test_evaluation_bootstrap import EVENT, binormal, predictions
from tests.test_evaluation_summary import build, cohort, recipe

LABELS = {"better": "Better", "alike": "Alike", "record": "Record"}


def scorer(n: int = 800) -> Scorer:
    y, risk = binormal(0, n, 0.3, 1.2)
    noise = np.random.default_rng(1).normal(size=n)
    said: dict[str, Array] = {"better": risk, "record": risk + 0.5 * noise, "alike": risk + 0.5 * noise + 0.001 * risk}
    rows = [predictions(y, [order], model=name) for name, order in said.items()]
    return Scorer(make_panel(EVENT, "internal", pd.concat(rows, ignore_index=True), 0.3), 400, 1)


def rule(**changes: object) -> ChoicePart:
    plain = {"metric": "auroc", "margin": 0.02, "candidates": ["alike", "better"], "rivals": ["record", "absent"]}
    return ChoicePart.model_validate({**plain, **changes})


def test_the_first_candidate_that_beats_every_rival_by_the_margin_is_adopted() -> None:
    found = choose(scorer(), rule(), LABELS)
    assert found["adopted"] == "better"
    assert found["verdict"] == "adopt Better"
    assert {contest["rival"] for contest in found["contests"]} == {"record"}
    assert "by more than 0.02" in found["rule"]


def test_none_is_adopted_where_the_margin_is_not_reached_or_no_rival_answers() -> None:
    assert choose(scorer(), rule(candidates=["alike"]), LABELS)["verdict"] == NONE
    assert choose(scorer(), rule(margin=0.5), LABELS)["verdict"] == NONE
    assert choose(scorer(), rule(rivals=["absent"]), LABELS)["adopted"] == ""


def test_lower_is_better_where_the_metric_says_so() -> None:
    found = choose(scorer(), rule(metric="brier", margin=0.0, candidates=["better"]), LABELS)
    assert found["adopted"] == "better"


def test_an_unknown_metric_is_refused_with_its_neighbour() -> None:
    with pytest.raises(RecipeError, match="not scored by 'auroq'") as caught:
        choose(scorer(), rule(metric="auroq"), LABELS)
    assert "auroc" in caught.value.do


def test_the_verdict_stands_in_the_summary_of_each_outcome() -> None:
    part = {"metric": "auroc", "margin": 0.01, "candidates": ["fusion"], "rivals": ["logistic_regression"]}
    summary = build(cohort(), recipe=recipe(choice=part), permuted=None)
    assert summary.outcome("complication")["choice"]["verdict"] in (NONE, "adopt Fusion")
    assert "choice" not in summary.outcome("recovery")


def test_thirds_of_risk_have_their_observed_rates() -> None:
    y = np.array([0.0] * 9 + [1.0] * 9)
    rows = predictions(y, [np.arange(18) / 20])
    table = pd.DataFrame(strata_rows(make_panel(EVENT, "internal", rows))).set_index("stratum")
    assert table["n"].tolist() == [6, 6, 6]
    assert table["observed"].tolist() == [0, 0.5, 1]
    assert table.loc["low", "predicted"] == pytest.approx(np.mean(np.arange(6) / 20))
    assert 0 < table.loc["middle", "low"] < 0.5 < table.loc["middle", "high"] < 1


def test_a_constant_model_has_no_strata_and_recovery_has_a_rate_by_day() -> None:
    table = build(cohort(), permuted=None).table("strata", split="internal")
    assert "base_rate" not in set(table[table["outcome"] == "complication"]["model"])
    recovery = table[(table["outcome"] == "recovery") & (table["model"] == "fusion")]
    assert set(recovery["day"]) == {1, 3, 7}
    assert recovery[recovery["day"] == 3].set_index("stratum")["observed"]["high"] > 0


def test_small_strata_are_not_published() -> None:
    table = for_publication(build(cohort(), permuted=None), 10).table("strata", outcome="complication")
    assert ((table["observed"] * table["n"]) >= 10 - 1e-9).all()
    assert ((table["n"] - table["observed"] * table["n"]) >= 10 - 1e-9).all()

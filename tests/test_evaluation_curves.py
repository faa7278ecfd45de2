"""Decision curves and distributions of risk, by hand and against dcurves."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from core.contracts.metric import Sample
from core.contracts.recipe import UsePart
from core.evaluation.curves import decision, decision_grid
from core.evaluation.distributions import EDGES, distribution_rows
from core.evaluation.panel import make_panel
from core.evaluation.publish import for_publication
from core.metrics.utility import net_benefits
from tests.test_evaluation_bootstrap import EVENT, predictions
from tests.test_evaluation_summary import build, cohort, recipe

USE = {"action": "a second night of watching", "actor": "the ward", "low": 0.1, "high": 0.4}


def test_a_decision_curve_is_net_benefit_at_every_threshold_and_weights_are_repeats() -> None:
    rng = np.random.default_rng(0)
    risk = rng.random(300)
    y = (rng.random(300) < risk).astype(float)
    grid = np.arange(5, 60) / 100
    counts = rng.integers(0, 4, 300)
    drawn = decision(Sample(y, risk, risk), np.vstack([np.ones(300), counts]), grid)
    assert drawn[:, 0] == pytest.approx(net_benefits(Sample(y, risk, risk), grid))
    again = np.repeat(np.arange(300), counts)
    assert drawn[:, 1] == pytest.approx(net_benefits(Sample(y[again], risk[again], risk[again]), grid))


def test_a_risk_that_equals_the_threshold_is_flagged() -> None:
    drawn = decision(Sample(np.array([1.0, 0.0]), np.array([0.2, 0.1]), np.array([0.2, 0.1])), np.ones((1, 2)), np.array([0.2]))
    assert drawn[0, 0] == pytest.approx(0.5)


def test_a_use_names_its_range_of_thresholds() -> None:
    assert decision_grid(UsePart.model_validate(USE)).tolist() == pytest.approx([number / 100 for number in range(10, 41)])
    with pytest.raises(ValidationError, match="rises"):
        UsePart.model_validate({**USE, "low": 0.5})


def test_decision_curves_are_drawn_only_where_a_use_is_named() -> None:
    summary = build(cohort(), recipe=recipe(uses={"complication": USE}), permuted=None)
    rows = summary.table("curves", kind="decision")
    assert set(rows["outcome"]) == {"complication"}
    assert rows["x"].between(0.1, 0.4).all()
    assert (rows["low"] <= rows["y"]).all()
    assert (rows["y"] <= rows["high"]).all()


def test_the_distribution_adds_up_within_those_with_and_without_the_event() -> None:
    y = np.array([1.0, 1.0, 0.0, 0.0])
    rows = predictions(y, [np.array([0.31, 1.0, 0.01, 0.02]), np.array([0.31, 0.9, 0.01, 0.4])])
    table = pd.DataFrame(distribution_rows(make_panel(EVENT, "internal", rows)))
    assert table.groupby("event")["share"].sum().tolist() == pytest.approx([1, 1])
    assert table[(table["event"] == 1) & (table["bin_low"] == 0.3)]["share"].tolist() == [0.5]
    assert table["bin_high"].max() == EDGES[-1]


def test_small_bins_are_not_published_and_cannot_be_subtracted() -> None:
    table = for_publication(build(cohort()), 10).table("distribution")
    assert len(table) > 0
    told = table.dropna(subset=["share"])
    assert (told["share"] * told["n"] >= 10 - 1e-6).all()
    hidden = table.groupby(["outcome", "model", "split", "event"])["share"].apply(lambda shares: int(shares.isna().sum()))
    assert not (hidden == 1).any()

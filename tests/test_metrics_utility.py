"""Net benefit: worked by hand, and equal to dcurves at every threshold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.contracts.metric import Sample
from core.metrics.utility import net_benefit, net_benefits, standardised_net_benefit


def test_the_worked_example() -> None:
    y = np.array([1.0] * 5 + [0.0] * 7 + [1.0] * 10 + [0.0] * 78)
    risk = np.array([0.5] * 12 + [0.1] * 88)
    sample = Sample(y, risk, risk, 0.2)
    assert net_benefit(sample, np.ones((1, 100)))[0] == pytest.approx(0.0325)
    assert standardised_net_benefit(sample, np.ones((1, 100)))[0] == pytest.approx(0.0325 / 0.15)


def test_flagging_nobody_is_worth_nothing_and_weights_are_repeats() -> None:
    y, risk = np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.4, 0.6, 0.2, 0.1])
    assert net_benefit(Sample(y, risk, risk, 0.9), np.ones((1, 4)))[0] == 0
    weighted = net_benefit(Sample(y, risk, risk, 0.3), np.array([[2.0, 1.0, 1.0, 3.0]]))[0]
    again = np.repeat(np.arange(4), [2, 1, 1, 3])
    assert weighted == pytest.approx(net_benefit(Sample(y[again], risk[again], risk[again], 0.3), np.ones((1, 7)))[0])


def test_nobody_with_the_event_leaves_the_share_undefined() -> None:
    y, risk = np.zeros(3), np.array([0.1, 0.5, 0.9])
    assert np.isnan(standardised_net_benefit(Sample(y, risk, risk, 0.3), np.ones((1, 3)))[0])


def test_it_is_what_dcurves_gives() -> None:
    from dcurves import dca

    rng = np.random.default_rng(0)
    risk = rng.beta(2, 5, 400)
    y = (rng.random(400) < risk).astype(float)
    thresholds = np.round(np.arange(1, 60) / 100, 2)
    table = dca(pd.DataFrame({"y": y, "m": risk}), outcome="y", modelnames=["m"], thresholds=thresholds)
    theirs = table[table["model"] == "m"].sort_values("threshold")["net_benefit"].to_numpy()
    # dcurves flags risks above the threshold and ours at or above it: no risk here equals a threshold.
    assert net_benefits(Sample(y, risk, risk), thresholds) == pytest.approx(theirs, abs=1e-12)

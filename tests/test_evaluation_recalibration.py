"""Recalibration: mends what is wrong, leaves alone what is right, and never judges a patient by a map that he or she taught."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.contracts.metric import Array
from core.evaluation.panel import make_panel
from core.evaluation.recalibration import (
    METHODS,
    beta,
    isotonic,
    logit,
    parts_of,
    platt,
    recalibrated,
    recalibrated_curves,
    recalibration_rows,
    shift,
    squashed,
)
from core.evaluation.scoring import Scorer
from tests.test_evaluation_bootstrap import EVENT, predictions


def truth(n: int = 4000, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    risk = squashed(rng.normal(-1, 1, n))
    return (rng.random(n) < risk).astype(float), risk


def scorer(y: Array, risks: list[Array], patients: list[str] | None = None) -> Scorer:
    return Scorer(make_panel(EVENT, "internal", predictions(y, risks, patients=patients), 0.3), 100, 1)


def test_the_shift_makes_the_mean_risk_right() -> None:
    y, risk = truth()
    told = squashed(logit(risk) + 1.3)
    assert shift(told, y)(told).mean() == pytest.approx(y.mean(), abs=1e-6)


def test_logistic_recalibration_finds_the_line_that_was_bent() -> None:
    y, risk = truth(40_000)
    told = squashed(0.7 + 2.0 * logit(risk))
    again = platt(told, y)(told)
    assert np.abs(again - risk).max() < 0.03


def test_beta_bends_each_end_by_itself_and_isotonic_keeps_the_order() -> None:
    y, risk = truth(40_000)
    told = risk**2
    assert np.abs(beta(told, y)(told) - risk).mean() < 0.015
    ranked = isotonic(told, y)(np.sort(told))
    assert (np.diff(ranked) >= 0).all()


@pytest.mark.parametrize("method", sorted(METHODS))
def test_a_wrong_model_is_mended_and_a_right_one_is_not_harmed(method: str) -> None:
    y, risk = truth()
    for told, bent in ((squashed(logit(risk) + 1.0), True), (risk, False)):
        made = scorer(y, [told])
        table = pd.DataFrame(recalibration_rows(made, ["m"])).set_index(["method", "metric"])
        before, after = table.loc[("none", "brier"), "value"], table.loc[(method, "brier"), "value"]
        assert after < (before - 0.01 if bent else before + 0.002)
        assert table.loc[(method, "oe_ratio"), "value"] == pytest.approx(1, abs=0.03)


def test_nobody_is_judged_by_a_map_that_he_or_she_taught() -> None:
    y, risk = truth(400)
    patients = [f"p{number // 2}" for number in range(400)]
    made = scorer(y, [risk], patients)
    parts = parts_of(made.panel, "m")
    assert pd.Series(parts[0]).groupby(made.panel.patients).nunique().max() == 1
    before = recalibrated(made.panel, "m", "isotonic", parts).risk[0]
    flipped = scorer(np.where(parts[0] == 2, 1 - y, y), [risk], patients)
    after = recalibrated(flipped.panel, "m", "isotonic", parts).risk[0]
    assert np.array_equal(before[parts[0] == 2], after[parts[0] == 2])
    assert not np.array_equal(before[parts[0] != 2], after[parts[0] != 2])


def test_few_events_leave_the_risks_as_they_are() -> None:
    y, risk = np.array([1.0] * 4 + [0.0] * 60), np.linspace(0.1, 0.9, 64)
    made = scorer(y, [risk])
    assert np.array_equal(recalibrated(made.panel, "m", "platt", parts_of(made.panel, "m")).risk, made.panel.answers["m"].risk)


def test_curves_after_each_method_are_drawn_under_its_name() -> None:
    y, risk = truth(600)
    kinds = {row["kind"] for row in recalibrated_curves(scorer(y, [risk, risk]), ["m"])}
    assert kinds == {f"calibration:{method}" for method in METHODS}

"""Instability: by hand on three patients, and a model that always says the same is stable."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.contracts.metric import Array
from core.contracts.outcome import Outcome
from core.errors import DataError
from core.evaluation.stability import instability_rows, one_sentence, refits_of, stability_rows

EVENT = Outcome("event", "Event", "binary", "It came.", desirable=False)


def rows_of(risks: Array, model: str = "m") -> pd.DataFrame:
    """Risks of shape (refits + 1, cases), the original first."""
    repeats, cases = risks.shape
    return pd.DataFrame(
        {
            "model": model,
            "repeat": np.repeat(np.arange(repeats), cases),
            "case_id": np.tile([f"c{case:03d}" for case in range(cases)], repeats),
            "risk": risks.ravel(),
        }
    )


def test_the_measures_are_those_counted_by_hand() -> None:
    original = np.array([0.1, 0.2, 0.6])
    again = np.vstack([original + 0.1, original - 0.1] * 10)
    table = pd.DataFrame(stability_rows(rows_of(np.vstack([original, again])), EVENT, 0.25))
    value = dict(zip(table["measure"], table["value"]))
    assert value["mape"] == pytest.approx(0.1)
    assert value["band"] == pytest.approx(0.2)
    assert value["spread"] == pytest.approx(original.std())
    assert value["flips"] == pytest.approx((0 + 0.5 + 0) / 3)
    assert set(table["refits"]) == {20}


def test_a_constant_model_is_stable_and_the_sentence_says_that_patients_do_not_differ() -> None:
    table = pd.DataFrame(stability_rows(rows_of(np.full((21, 50), 0.3)), EVENT, 0.3))
    assert dict(zip(table["measure"], table["value"]))["mape"] == pytest.approx(0)
    assert "patients differ from each other by 0.0 points" in one_sentence(table, "Constant")


def test_a_model_of_noise_depends_more_on_who_was_learned_from_than_on_the_patient() -> None:
    noise = np.random.default_rng(0).uniform(0, 1, (31, 40))
    table = pd.DataFrame(stability_rows(rows_of(0.3 + 0.0 * noise + np.vstack([0 * noise[:1], 0.3 * noise[1:]])), EVENT, 0.3))
    assert "more depends on who was learned from" in one_sentence(table, "Noise")


def test_patients_stand_in_parts_of_equal_number_with_the_band_of_their_refits() -> None:
    original = np.linspace(0.0, 0.5, 100)
    again = original + np.random.default_rng(0).normal(0, 0.02, (200, 100))
    table = pd.DataFrame(instability_rows(rows_of(np.vstack([original, again])), EVENT))
    assert len(table) == 20
    assert set(table["n"]) == {5}
    assert table["risk"].is_monotonic_increasing
    assert (table["high"] - table["low"]).between(0.05, 0.1).all()


def test_too_few_refits_and_missing_answers_are_refused() -> None:
    with pytest.raises(DataError, match="has 4 refits"):
        refits_of(rows_of(np.full((5, 3), 0.2)), "m")
    rows = rows_of(np.full((12, 3), 0.2))
    with pytest.raises(DataError, match="do not speak of every case"):
        refits_of(rows.drop(index=20), "m")
    with pytest.raises(DataError, match="has 0 refits"):
        refits_of(rows, "absent")

"""Conformal sets and ranges: worked by hand, covering what they promise, by class and by group."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from core.contracts.outcome import Outcome
from core.evaluation.conformal import ALL, conformal_rows, day_ranges, expected_coverage, reached

EVENT = Outcome("event", "Event", "binary", "It came.", desirable=False)
HOME = Outcome("home", "Home", "time_to_event", "Home.", desirable=True, days=(1, 3, 7))
NOBODY = pd.DataFrame(index=pd.Index([], dtype=str))


def test_the_score_that_is_reached_is_the_one_counted_by_hand() -> None:
    assert reached(np.arange(1.0, 10.0), 0.8) == 8
    assert reached(np.arange(1.0, 10.0), 0.95) == math.inf
    assert reached(np.array([]), 0.9) == math.inf


def test_sixty_calibration_cases_may_cover_83_to_96_of_100() -> None:
    found = expected_coverage(60, 0.9)
    assert (round(found.low, 2), round(found.high, 2)) == (0.83, 0.96)
    wide, narrow = expected_coverage(20, 0.9), expected_coverage(2000, 0.9)
    assert wide.high - wide.low > 5 * (narrow.high - narrow.low)


def binary(n: int, seed: int, rate: float = 0.15) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < rate).astype(float)
    risk = 1 / (1 + np.exp(-(rng.normal(size=n) + 1.5 * y - 2)))
    ids = [f"c{number:05d}" for number in range(n)]
    return pd.DataFrame(
        {"model": "m", "repeat": 0, "fold": np.arange(n) % 5, "case_id": ids, "patient_id": ids, "y": y, "risk": risk}
    )


def test_sets_cover_each_class_as_promised_where_plain_ones_would_forget_the_rare_one() -> None:
    table = pd.DataFrame(conformal_rows(binary(4000, 0), EVENT, NOBODY, 0.9)).set_index("group")
    assert table.loc[["event", "no event", ALL], "coverage"].between(0.87, 0.93).all()
    assert 1 <= table.loc[ALL, "size"] <= 2
    assert table.loc["event", "n_calibration"] < table.loc["no event", "n_calibration"]


def test_realised_coverage_strays_as_the_beta_distribution_says() -> None:
    inside = 0
    for seed in range(60):
        row = pd.DataFrame(conformal_rows(binary(500, seed), EVENT, NOBODY, 0.9)).set_index("group").loc["no event"]
        inside += int(row["expected_low"] - 0.02 <= row["coverage"] <= row["expected_high"] + 0.02)
    assert inside >= 55


def times(n: int, seed: int, scale: float = 1.0) -> pd.DataFrame:
    """Days to discharge about a known mean; the model's curves are too narrow by ``scale``."""
    rng = np.random.default_rng(seed)
    centre = rng.uniform(3, 12, n)
    days = np.clip(np.round(centre + rng.normal(0, 2.0, n)), 0, 30)
    grid = np.arange(61)
    by_day = 1 / (1 + np.exp(-(grid - centre[:, None]) / (1.1 * scale)))
    ids = [f"c{number:05d}" for number in range(n)]
    return pd.DataFrame(
        {
            "model": "m", "repeat": 0, "fold": np.arange(n) % 5, "case_id": ids, "patient_id": ids, "days": days, "event": 1.0,
            "by_day": list(by_day),
        }
    )  # fmt: skip


def test_the_ends_of_a_range_are_read_off_the_curve() -> None:
    assert day_ranges(np.array([[0.0, 0.1, 0.5, 0.95], [0.0, 0.0, 0.0, 0.05]]), 0.8).tolist() == [[1, 3], [3, 3]]


@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
def test_ranges_of_too_narrow_or_too_wide_curves_are_mended(scale: float) -> None:
    table = pd.DataFrame(conformal_rows(times(3000, 1, scale), HOME, NOBODY, 0.8)).set_index("group")
    assert 0.78 <= table.loc[ALL, "coverage"] <= 0.9  # days are whole: coverage steps
    assert table.loc[ALL, "size"] < 12


def test_a_group_that_the_common_range_fails_is_covered_by_its_own() -> None:
    rows = times(3000, 2)
    old = np.arange(3000) % 7 == 0
    rng = np.random.default_rng(3)
    rows["days"] = np.where(old, np.clip(rows["days"] + np.round(rng.normal(0, 6, 3000)), 0, 60), rows["days"])
    groups = pd.DataFrame({"age=75+": old, "age=<75": ~old}, index=rows["case_id"])
    table = pd.DataFrame(conformal_rows(rows, HOME, groups, 0.8)).set_index("group")
    assert table.loc["age=75+", "coverage"] < 0.7
    assert 0.78 <= table.loc["age=75+ (own)", "coverage"] <= 0.9
    assert table.loc["age=75+ (own)", "size"] > table.loc["age=75+", "size"]


def test_a_group_that_the_sets_fail_is_seen_and_sets_of_its_own_hold() -> None:
    rows = binary(4000, 3, rate=0.3)
    odd = rows["case_id"].isin(rows["case_id"].iloc[:800])
    rows.loc[odd, "risk"] = 1 - rows.loc[odd, "risk"]  # in a fifth of the patients the model says the opposite
    groups = pd.DataFrame({"g=odd": odd.to_numpy(), "g=few": np.arange(4000) < 6}, index=rows["case_id"])
    table = pd.DataFrame(conformal_rows(rows, EVENT, groups, 0.9)).set_index("group")
    assert table.loc["g=odd", "high"] < 0.85
    assert table.loc["g=odd (own)", "coverage"] == pytest.approx(0.9, abs=0.03)
    assert not {"g=few", "g=few (own)"} & set(table.index)

"""Beds and places for a list of planned patients: by hand, against the binomial, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from core.errors import DataError
from core.evaluation.resources import bed_days, beds, drawn_stays, places


def test_places_of_equal_chances_are_binomial() -> None:
    found = places(np.full(40, 0.2))
    assert found.expected == pytest.approx(8)
    assert (found.low, found.high) == (binom.ppf(0.05, 40, 0.2), binom.ppf(0.95, 40, 0.2))


def test_certain_patients_leave_no_range() -> None:
    found = places(np.array([1.0, 1.0, 0.0]))
    assert (found.expected, found.low, found.high) == (2, 2, 2)


def test_a_certain_stay_takes_its_bed_for_exactly_its_days() -> None:
    home_on_day_two = np.array([[0.0, 0.0, 1.0, 1.0]])
    table = beds(home_on_day_two, [1], 5)
    assert table["expected"].tolist() == [0, 1, 1, 0, 0]
    assert table["low"].tolist() == table["high"].tolist()
    assert bed_days(home_on_day_two).expected == 2


def test_the_mean_stay_is_the_area_above_the_curve() -> None:
    curve = np.array([[0.0, 0.3, 0.6, 0.9, 1.0]])
    assert drawn_stays(curve).mean() == pytest.approx((1 - curve).sum(), abs=0.05)
    many = bed_days(np.repeat(curve, 30, axis=0))
    assert many.expected == pytest.approx(30 * (1 - curve).sum(), rel=0.02)
    assert many.low < many.expected < many.high


def test_patients_who_never_leave_count_to_the_last_day() -> None:
    assert drawn_stays(np.zeros((2, 4))).max() == 3


def test_wrong_forecasts_are_refused() -> None:
    with pytest.raises(DataError, match="never falls"):
        drawn_stays(np.array([[0.0, 0.5, 0.2]]))
    with pytest.raises(DataError, match="between 0 and 1"):
        places(np.array([0.2, 1.2]))
    with pytest.raises(DataError, match="2 days of arrival"):
        beds(np.array([[0.0, 1.0]]), [0, 1], 3)

"""The check on one's own patients: each verdict from patients made for it, and a watch that stops when it should."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.contracts.metric import Array
from core.errors import DataError
from core.evaluation.local_check import ACCEPT, DECLINE, NOT_YET, RECALIBRATE, VERDICTS, check_locally, monthly


def site(n: int, seed: int = 0, rate: float = -0.8) -> tuple[Array, Array, list[str]]:
    rng = np.random.default_rng(seed)
    risk = 1 / (1 + np.exp(-rng.normal(rate, 1.3, n)))
    return (rng.random(n) < risk).astype(float), risk, [f"p{number}" for number in range(n)]


def test_a_model_whose_risks_come_true_is_accepted() -> None:
    y, risk, patients = site(3000)
    found = check_locally(y, risk, patients, bootstrap=300)
    assert found.verdict == ACCEPT
    assert found.n == 3000
    assert found.measures["oe_ratio"].value == pytest.approx(1, abs=0.06)


def test_one_that_says_twice_as_much_is_to_be_recalibrated() -> None:
    y, risk, patients = site(1500)
    assert check_locally(y, np.clip(2 * risk, 0, 1), patients, bootstrap=300).verdict == RECALIBRATE


def test_one_that_tells_nobody_apart_is_declined() -> None:
    y, risk, patients = site(1500)
    noise = np.random.default_rng(5).permutation(risk)
    found = check_locally(y, noise, patients, bootstrap=300)
    assert found.verdict == DECLINE
    assert "AUROC 0.5" in found.why or "AUROC 0.4" in found.why


def test_few_patients_decide_nothing() -> None:
    y, risk, patients = site(80)
    assert check_locally(y, risk, patients, bootstrap=100).verdict == NOT_YET
    y, risk, patients = site(130, rate=-0.5)
    assert check_locally(y, risk, patients, bootstrap=300).verdict in (NOT_YET, RECALIBRATE)


def test_patients_count_once_and_wrong_input_is_refused() -> None:
    y, risk, _ = site(400)
    found = check_locally(y, risk, [f"p{number // 2}" for number in range(400)], bootstrap=100)
    assert found.n == 200
    assert found.n_events <= 200
    with pytest.raises(DataError, match="399 risks"):
        check_locally(y, risk[1:], ["p"] * 400)
    with pytest.raises(DataError):
        check_locally(y + 1, risk, ["p"] * 400)


def test_every_verdict_has_its_rule() -> None:
    assert set(VERDICTS) == {ACCEPT, RECALIBRATE, DECLINE, NOT_YET}


def months_of(n: int, months: int, seed: int, factor: float = 1.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    risk = rng.uniform(0.05, 0.4, n)
    y = (rng.random(n) < np.clip(factor * risk, 0, 1)).astype(float)
    dates = pd.to_datetime("2026-01-15") + pd.to_timedelta(np.arange(n) * 30 * months // n, unit="D")
    return monthly([str(date.date()) for date in dates], y, risk)


def test_months_are_counted_by_hand() -> None:
    table = monthly(["2026-01-03", "2026-01-20", "2026-02-01"], np.array([1.0, 0.0, 1.0]), np.array([0.2, 0.3, 0.5]))
    assert table["month"].tolist() == ["2026-01", "2026-02"]
    assert table["observed"].tolist() == [1, 1]
    assert table["expected"].tolist() == pytest.approx([0.5, 0.5])
    assert table["total_expected"].tolist() == pytest.approx([0.5, 1.0])


def test_the_watch_stays_calm_while_risks_come_true_and_stops_when_they_do_not() -> None:
    calm = sum(bool(months_of(600, 12, seed)["stop"].any()) for seed in range(40))
    assert calm <= 4
    alarmed = [months_of(600, 12, seed, factor=1.9)["stop"] for seed in range(10)]
    assert all(bool(stop.iloc[-1]) for stop in alarmed)
    assert all(stop.is_monotonic_increasing for stop in alarmed)

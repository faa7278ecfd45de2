"""What a list of planned patients will need: beds by day, bed-days, and places such as intensive care, each with a range.

The range is of chance alone: the same patients, each with his or her own risk. That the risks themselves may be off is not in it.

Reference: Hong 2013, 10.1016/j.csda.2012.10.006 (the sum of unequal chances).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.contracts.metric import Array
from core.errors import DataError

DRAWS = 4000
CENTRAL = (0.05, 0.95)


@dataclass(frozen=True)
class Need:
    """A number that is expected, and where it lies nine times in ten."""

    expected: float
    low: float
    high: float


def places(risks: Array) -> Need:
    """How many of the patients will need something, from each one's chance of it.

    Raises:
        DataError: a chance outside 0 to 1.
    """
    risks = _checked(np.asarray(risks, dtype=float))
    count = np.ones(1)
    for risk in risks:  # the exact distribution, one patient after the other
        count = np.convolve(count, (1 - risk, risk))
    below = np.cumsum(count)
    low, high = (float(np.searchsorted(below, end)) for end in CENTRAL)
    return Need(float(risks.sum()), low, high)


def beds(by_day: Array, arrivals: Sequence[int], days: int, seed: int = 0) -> pd.DataFrame:
    """Beds taken on each of the coming days.

    Args:
        by_day: (patients, days + 1) chance of having left by day 0, 1, … after the operation; never falls along a row.
        arrivals: day of each patient's operation, 0 for the first day of the list.
        days: how many days to tell.

    Returns: one row a day: day, expected, low, high.

    Raises:
        DataError: a chance outside 0 to 1 or falling, or unequal numbers of patients.
    """
    lengths = drawn_stays(by_day, seed)
    start = np.asarray(arrivals, dtype=int)
    if len(start) != lengths.shape[1]:
        raise DataError(f"{lengths.shape[1]} forecasts and {len(start)} days of arrival.", do="Give one day for each patient.")
    rows = []
    for day in range(days):
        taken = ((start <= day) & (day < start + lengths)).sum(axis=1)
        low, high = np.quantile(taken, CENTRAL)
        rows.append({"day": day, "expected": float(taken.mean()), "low": float(low), "high": float(high)})
    return pd.DataFrame(rows)


def bed_days(by_day: Array, seed: int = 0) -> Need:
    """Days in bed of all the patients together; a stay beyond the forecast's last day counts up to it."""
    total = drawn_stays(by_day, seed).sum(axis=1)
    low, high = np.quantile(total, CENTRAL)
    return Need(float(total.mean()), float(low), float(high))


def drawn_stays(by_day: Array, seed: int = 0) -> Array:
    """(draws, patients) lengths of stay in days, each drawn from the patient's own curve."""
    curves = _checked(np.asarray(by_day, dtype=float))
    if curves.ndim != 2 or (np.diff(curves, axis=1) < -1e-9).any():
        raise DataError("A chance of having left never falls from one day to the next.", do="Give one rising row a patient.")
    luck = np.random.default_rng(seed).random((DRAWS, len(curves)))
    lengths = [np.searchsorted(curve, luck[:, at], side="right") for at, curve in enumerate(curves)]
    return np.minimum(np.column_stack(lengths), curves.shape[1] - 1).astype(float)


def _checked(chances: Array) -> Array:
    if not np.isfinite(chances).all() or chances.min(initial=0.0) < 0 or chances.max(initial=0.0) > 1:
        raise DataError("A chance lies between 0 and 1.", do="Give forecasts of the model, none missing.")
    return chances

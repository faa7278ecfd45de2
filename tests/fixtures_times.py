"""Made-up times to an event that our metrics and other programs are both asked about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.contracts.forecast import LAST_DAY
from core.contracts.metric import Array

DAYS = (2, 5, 9)


@dataclass(frozen=True)
class Times:
    """Days and whether the event was seen then, and what a model had said: (cases, days) chance by day."""

    name: str
    days: Array
    event: Array
    by_day: Array


def shared_times() -> tuple[Times, ...]:
    """Whole days with ties or days without, everybody followed or a third lost."""
    return tuple(
        _times(f"{kind}, {lost:.0%} lost", seed, whole=kind == "whole days", lost=lost)
        for seed, (kind, lost) in enumerate([("whole days", 0.0), ("whole days", 0.35), ("no ties", 0.0), ("no ties", 0.35)])
    )


def _times(name: str, seed: int, *, whole: bool, lost: float, n: int = 160) -> Times:
    rng = np.random.default_rng(seed)
    pace = rng.uniform(2, 9, n)
    days = rng.exponential(pace) + 0.3
    days = np.ceil(days) if whole else days
    told = pace * np.exp(rng.normal(0, 0.3, n))
    by_day = 1 - np.exp(-(np.arange(LAST_DAY + 1) + 0.5) / told[:, None])
    return Times(name, days, (rng.random(n) >= lost).astype(float), np.round(by_day, 6))

"""Tests beside each other: what their number does to p-values.

Reference: Holm 1979, Scand J Statist 6:65-70.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted for their number (Holm's step-down); NaN stays and does not count.

    Worked: 0.01, 0.04, 0.03 become 0.03, 0.06, 0.06.
    """
    given = np.asarray(p_values, dtype=float)
    adjusted = np.full(len(given), np.nan)
    known = np.flatnonzero(np.isfinite(given))
    order = known[np.argsort(given[known], kind="stable")]
    steps = np.minimum(1.0, given[order] * np.arange(len(order), 0, -1))
    adjusted[order] = np.maximum.accumulate(steps)
    return [float(value) for value in adjusted]

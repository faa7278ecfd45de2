"""The share with the event as a smooth function of the stated risk."""

from __future__ import annotations

import numpy as np

from core.contracts.metric import Array, Sample

SPAN = 0.75
NARROWEST = 0.02
POINTS = 51


def calibration(sample: Sample, weights: Array, grid: Array) -> Array:
    """Share with the event near each risk of the grid, by local straight lines; shape (grid, replicates).

    The width at each point holds three quarters of the cases (tricube weights, at least 0.02 wide) and is the same in all
    replicates. Where all risks are alike the line is the share itself.
    Reference: Cleveland 1979, 10.1080/01621459.1979.10481038; Austin and Steyerberg 2014, 10.1002/sim.5941
    """
    distance = np.abs(sample.risk[:, None] - grid)
    rank = min(len(sample), max(2, int(np.ceil(SPAN * len(sample))))) - 1
    width = np.maximum(np.partition(distance, rank, axis=0)[rank] * 1.0001, NARROWEST)
    near = np.clip(1 - (distance / width) ** 3, 0, 1) ** 3
    gap = sample.risk[:, None] - grid
    s0, s1, s2 = weights @ near, weights @ (near * gap), weights @ (near * gap * gap)
    t0, t1 = (weights * sample.y) @ near, (weights * sample.y) @ (near * gap)
    spread = s0 * s2 - s1 * s1
    steep = spread > 1e-9 * s0 * s0
    with np.errstate(invalid="ignore", divide="ignore"):
        line = (s2 * t0 - s1 * t1) / np.where(steep, spread, 1.0)
        height = np.where(steep, line, t0 / s0)
    return np.clip(height, 0, 1).T


def departures(sample: Sample, weights: Array) -> Array:
    """|observed − stated| at each case's own risk, the observed share being smoothed; shape (cases, replicates).

    The smooth curve is computed at 51 risks from the lowest to the highest stated and is straight between them.
    """
    grid = np.unique(np.linspace(sample.risk.min(), sample.risk.max(), POINTS))
    heights = calibration(sample, weights, grid)
    if len(grid) == 1:
        return np.abs(heights - sample.risk[:, None])
    right = np.clip(np.searchsorted(grid, sample.risk, side="left"), 1, len(grid) - 1)
    along = ((sample.risk - grid[right - 1]) / (grid[right] - grid[right - 1]))[:, None]
    return np.abs(heights[right - 1] * (1 - along) + heights[right] * along - sample.risk[:, None])

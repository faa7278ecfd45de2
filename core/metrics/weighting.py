"""Sums of weighted cases, for many weightings at once, that say so when they have no value."""

from __future__ import annotations

import numpy as np

from core.contracts.metric import Array


def ratio(above: Array, below: Array) -> Array:
    """``above / below``, NaN where ``below`` is 0."""
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below != 0)


def weighted_mean(values: Array, weights: Array) -> Array:
    """Mean of the cases' values under each row of weights, shape (replicates,); NaN where no weight is left."""
    return ratio(weights @ values, weights.sum(axis=1))


def running_sums(by_case: Array) -> Array:
    """Row k: weight of the first k cases; shape (cases + 1, replicates).

    Args:
        by_case: weights of shape (cases, replicates).
    """
    sums = np.zeros((len(by_case) + 1, by_case.shape[1]))
    # Row by row is twice as fast as a cumulative sum along the first axis.
    for row, weights in enumerate(by_case):
        np.add(sums[row], weights, out=sums[row + 1])
    return sums

"""A ratio that says so when it has no value."""

from __future__ import annotations

import numpy as np

from core.contracts.metric import Array


def ratio(above: Array, below: Array) -> Array:
    """``above / below``, NaN where ``below`` is 0."""
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below != 0)


def weighted_mean(values: Array, weights: Array) -> Array:
    """Mean of the cases' values under each row of weights, shape (replicates,); NaN where no weight is left."""
    return ratio(weights @ values, weights.sum(axis=1))

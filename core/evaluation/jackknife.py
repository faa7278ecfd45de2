"""A metric with each patient left out in turn, without computing it anew: what a BCa interval needs.

Reference: Efron 1987, 10.1080/01621459.1987.10478410
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.contracts.metric import Array
from core.evaluation.delong import placements
from core.metrics.weighting import ratio


def mean_without_each(values: Array, patients: NDArray[np.intp]) -> Array:
    """The mean over the cases of all patients but one, shape (patients,); NaN where no case is left.

    Args:
        values: by case; patients: for every case the number of its patient, from 0 without gaps.
    """
    left = values.sum() - np.bincount(patients, weights=values)
    return ratio(left, len(values) - np.bincount(patients).astype(np.float64))


def auroc_without_each(y: Array, order: Array, patients: NDArray[np.intp]) -> Array:
    """The AUROC over the cases of all patients but one, shape (patients,); NaN where one of the classes is not left.

    Of all pairs won, those go that a case of the patient is part of; pairs of two cases of the patient, which go once, would
    otherwise go twice. The cost is that of sorting the cases.

    Args:
        y: 1 or 0 by case; order: what ranks the cases; patients: for every case the number of its patient, from 0 without gaps.
    """
    event, count = y == 1, int(patients.max()) + 1
    events, others = (np.bincount(patients[side], minlength=count).astype(np.float64) for side in (event, ~event))
    if not events.any() or not others.any():
        return np.full(count, np.nan)
    found = placements(y, order)
    won = np.empty(len(y))
    won[event], won[~event] = found.events * others.sum(), found.others * events.sum()
    gone = np.bincount(patients, weights=won)
    for patient in np.flatnonzero((events > 0) & (others > 0)):
        own = patients == patient
        gone[patient] -= placements(y[own], order[own]).events.sum() * others[patient]
    return ratio(won[event].sum() - gone, (events.sum() - events) * (others.sum() - others))

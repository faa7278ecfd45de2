"""Setting patients aside inside a training part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEWEST_PATIENTS = 10
"""With fewer patients nobody is set aside: a part of one or two says nothing."""


@dataclass(frozen=True)
class Aside:
    """Row numbers that are kept, and those set aside; no patient is in both."""

    kept: NDArray[np.intp]
    aside: NDArray[np.intp]


def set_aside(patients: NDArray[np.str_], events: NDArray[np.bool_], share: float, seed: int) -> Aside:
    """A share of the patients, drawn alike among those with and without an event.

    Args:
        patients: patient id by row; events: by row; share: 0 to below 1.
    """
    names, owner = np.unique(patients, return_inverse=True)
    if len(names) < FEWEST_PATIENTS or share <= 0:
        return Aside(np.arange(len(patients)), np.arange(0))
    with_event = np.bincount(owner, weights=events) > 0
    rng = np.random.default_rng([seed, 11])
    chosen = np.zeros(len(names), dtype=bool)
    for stratum in (True, False):
        members = rng.permutation(np.flatnonzero(with_event == stratum))
        chosen[members[: round(share * len(members))]] = True
    return Aside(np.flatnonzero(~chosen[owner]), np.flatnonzero(chosen[owner]))

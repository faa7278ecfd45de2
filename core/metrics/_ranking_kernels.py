"""Compiled loops behind AUROC and average precision; nothing here is public.

Cases are sorted once; then one pass over them serves all weightings, many side by side (the compiler takes as many at a time as
the processor can). Cases that share a value stand together, so that ties are exact. Weights may be whole numbers of one byte or
real numbers; sums are kept in double precision, in which whole numbers stay exact up to 2^53.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.metrics.masks._kernels import compiled

Weights = NDArray[np.uint8] | NDArray[np.float64]
Sums = NDArray[np.float64]
Places = NDArray[np.intp]
Flags = NDArray[np.bool_]

LANES = 256
"""Weightings side by side; their running sums stay in the fastest memory."""


@compiled
def _add(weights: Weights, sums: Sums) -> None:
    """sums += weights"""
    for lane in range(len(weights)):
        sums[lane] += np.float64(weights[lane])


@compiled
def _add_times(weights: Weights, factors: Sums, sums: Sums) -> None:
    """sums += weights · factors"""
    for lane in range(len(weights)):
        sums[lane] += np.float64(weights[lane]) * factors[lane]


@compiled
def pairs_won(by_case: Weights, order: Places, event: Flags, ends: Places, out: Sums) -> None:
    """Twice the weighted pairs that an event wins (ties count once), and the weights of events and of others.

    An event that ties with others counts those below it once before and once after the tied ones have been added, which is a half
    for each of them.

    Args:
        by_case: (cases, weightings); order: places of cases, lowest value first; event: of the cases so ordered.
        ends: where each run of equal values ends in ``order``; out: (3, weightings), filled.
    """
    out[:] = 0
    for first in range(0, by_case.shape[1], LANES):
        lanes = slice(first, min(first + LANES, by_case.shape[1]))
        won, events, others = out[0, lanes], out[1, lanes], out[2, lanes]
        start = 0
        for end in ends:
            for at in range(start, end):
                if event[at]:
                    _add(by_case[order[at], lanes], events)
                    _add_times(by_case[order[at], lanes], others, won)
            for at in range(start, end):
                if not event[at]:
                    _add(by_case[order[at], lanes], others)
            for at in range(start, end):
                if event[at]:
                    _add_times(by_case[order[at], lanes], others, won)
            start = end


@compiled
def _add_precision(tied: Sums, hits: Sums, flagged: Sums, sums: Sums) -> None:
    """sums += tied · hits / flagged, where anything is flagged; ``tied`` is emptied."""
    for lane in range(len(tied)):
        share = hits[lane] / flagged[lane] if flagged[lane] > 0 else 0.0
        sums[lane] += tied[lane] * share
        tied[lane] = 0.0


@compiled
def precisions(by_case: Weights, order: Places, event: Flags, ends: Places, out: Sums) -> None:
    """Precision at each event's value as threshold, summed over the events, and the weight of the events.

    Args:
        by_case: (cases, weightings); order: places of cases, highest value first; event: of the cases so ordered.
        ends: where each run of equal values ends in ``order``; out: (2, weightings), filled.
    """
    out[:] = 0
    flagged, tied = np.zeros(by_case.shape[1]), np.zeros(by_case.shape[1])
    for first in range(0, by_case.shape[1], LANES):
        lanes = slice(first, min(first + LANES, by_case.shape[1]))
        start = 0
        for end in ends:
            found = False
            for at in range(start, end):
                _add(by_case[order[at], lanes], flagged[lanes])
                if event[at]:
                    found = True
                    _add(by_case[order[at], lanes], out[1, lanes])
                    _add(by_case[order[at], lanes], tied[lanes])
            if found:
                _add_precision(tied[lanes], out[1, lanes], flagged[lanes], out[0, lanes])
            start = end

"""The inter-reader line: how well people agree with each other on the same cases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ReaderPair:
    """What one reader drew, and what it is held against; both (*grid)."""

    mask: NDArray[np.bool_]
    reference: NDArray[np.bool_]


def readers_against_consensus(readers: NDArray[np.bool_]) -> tuple[ReaderPair, ...]:
    """Each reader against what at least half of the others drew; of two readers each against the other; of one, nothing.

    Args:
        readers: (readers, *grid).
    """
    pairs = []
    for number in range(len(readers) if len(readers) > 1 else 0):
        others = np.delete(readers, number, axis=0)
        pairs.append(ReaderPair(readers[number], 2 * others.sum(axis=0) >= len(others)))
    return tuple(pairs)

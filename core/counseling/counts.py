"""Counts of people that always sum to the number they are counted among."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import DataError

HUNDRED = 100
THOUSAND = 1000
COLUMNS = {HUNDRED: 10, THOUSAND: 40}
"""Icons in a row: 10 rows of 10, or 25 rows of 40."""


@dataclass(frozen=True)
class Counts:
    """People with the event and people without, among ``denominator``.

    Raises:
        DataError: the two do not sum to the denominator, or it is not 100 or 1,000.
    """

    event: int
    no_event: int
    denominator: int

    def __post_init__(self) -> None:
        whole = self.event + self.no_event == self.denominator and min(self.event, self.no_event) >= 0
        if self.denominator not in COLUMNS or not whole:
            raise DataError(
                f"{self.event} with and {self.no_event} without do not make {self.denominator} people.",
                do="Make counts with counts_of; a denominator is 100 or 1,000.",
            )


def largest_remainder(shares: Sequence[float], total: int) -> tuple[int, ...]:
    """Whole numbers that sum to ``total``, each within one of its share; a tie goes to the share named first.

    Args:
        shares: 0 to 1 each, together 1.

    Raises:
        DataError: shares that do not sum to 1.
    """
    if not math.isclose(math.fsum(shares), 1.0, abs_tol=1e-9) or min(shares) < 0:
        raise DataError(f"Shares of a whole sum to 1; given: {tuple(shares)}.", do="Give the share of every part.")
    exact = [round(share * total, 9) for share in shares]
    counts = [math.floor(value) for value in exact]
    by_remainder = sorted(range(len(exact)), key=lambda part: (counts[part] - exact[part], part))
    for part in by_remainder[: total - sum(counts)]:
        counts[part] += 1
    return tuple(counts)


def counts_of(chance: float, denominator: int) -> Counts:
    """People with and without the event for a chance of 0 to 1."""
    event, no_event = largest_remainder((chance, 1.0 - chance), denominator)
    return Counts(event, no_event, denominator)


def denominator_for(chances: Sequence[float]) -> int:
    """1,000 where any of the chances, or of their opposites, is under 1 of 100; otherwise 100."""
    small = any(min(chance, 1.0 - chance) < 1 / HUNDRED for chance in chances)
    return THOUSAND if small else HUNDRED


def icon_rows(counts: Counts) -> tuple[tuple[bool, ...], ...]:
    """Rows of an icon array, True for a person with the event: one block in reading order from the first corner."""
    columns = COLUMNS[counts.denominator]
    icons = [True] * counts.event + [False] * counts.no_event
    return tuple(tuple(icons[start : start + columns]) for start in range(0, counts.denominator, columns))

"""Pairs of masks that tests, the reference numbers of other programs and nothing else draw: whole numbers only, so that every
machine draws the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class MaskPair:
    """A reference and a prediction on one grid, the edge of a pixel along each axis, and the tolerance of surface Dice."""

    name: str
    reference: Mask
    predicted: Mask
    spacing: tuple[float, ...]
    tolerance: float


def ball(shape: tuple[int, ...], middle: tuple[int, ...], radii: tuple[int, ...]) -> Mask:
    """An ellipse or ellipsoid, its edge included."""
    whole = np.prod([radius**2 for radius in radii])
    away = sum((at - m) ** 2 * (whole // r**2) for at, m, r in zip(np.indices(shape), middle, radii, strict=True))
    inside: Mask = np.asarray(away <= whole)
    return inside


def speckle(shape: tuple[int, ...], one_in: int, seed: int) -> Mask:
    """Pixels picked by a hash of their place."""
    places = np.arange(np.prod(shape), dtype=np.uint64) * np.uint64(2654435761) + np.uint64(seed * 40503)
    places ^= places >> np.uint64(15)
    places *= np.uint64(2246822519)
    picked: Mask = ((places >> np.uint64(33)) % np.uint64(one_in) == 0).reshape(shape)
    return picked


def shared_pairs() -> Iterator[MaskPair]:
    """Pictures and volumes: alike, shifted, far apart, touching the border, in several parts, noisy; even and uneven spacing."""
    flat, deep = (96, 120), (24, 40, 70)
    disc, other = ball(flat, (40, 50), (20, 25)), ball(flat, (44, 47), (19, 30))
    yield MaskPair("alike", disc, disc, (1.0, 1.0), 1.0)
    yield MaskPair("shifted", disc, other, (1.0, 1.0), 2.0)
    yield MaskPair("shifted, uneven pixels", disc, other, (0.7, 1.3), 1.4)
    yield MaskPair("far apart", ball(flat, (12, 12), (8, 9)), ball(flat, (80, 104), (10, 7)), (1.0, 1.0), 2.0)
    yield MaskPair("at the border", ball(flat, (0, 60), (30, 40)), ball(flat, (4, 66), (30, 50)), (1.0, 1.0), 3.0)
    yield MaskPair(
        "two parts of three", disc | ball(flat, (80, 20), (6, 6)), other | ball(flat, (10, 100), (5, 5)), (1.0, 1.0), 2.0
    )
    yield MaskPair("noise", disc ^ speckle(flat, 40, 1), other ^ speckle(flat, 25, 2), (1.0, 1.0), 1.0)
    yield MaskPair("one pixel", ball(flat, (5, 5), (1, 1)), ball(flat, (90, 3), (30, 1)), (2.0, 0.5), 10.0)
    egg, other_egg = ball(deep, (12, 20, 30), (8, 14, 20)), ball(deep, (13, 22, 34), (7, 15, 17))
    yield MaskPair("volume", egg, other_egg, (1.0, 1.0, 1.0), 2.0)
    yield MaskPair("volume, thick slices", egg, other_egg, (5.0, 0.8, 0.8), 2.0)
    yield MaskPair(
        "volume, far apart", ball(deep, (5, 8, 9), (4, 5, 6)), ball(deep, (19, 33, 60), (4, 6, 8)), (1.0, 1.0, 1.0), 2.0
    )
    yield MaskPair("volume, noise", egg ^ speckle(deep, 300, 3), other_egg ^ speckle(deep, 500, 4), (2.5, 1.0, 0.9), 1.0)

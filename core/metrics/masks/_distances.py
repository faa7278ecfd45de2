"""How far the borders of two masks lie apart.

The border of a mask are its pixels with a neighbour outside it across a face; beyond the edge of the picture is outside. A
distance is taken from the middle of a border pixel to the middle of the nearest border pixel of the other mask. These are the
definitions of MetricsReloaded (Maier-Hein et al. 2024, 10.1038/s41592-023-02151-z), number for number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Numbers = NDArray[np.float64]

REACH_IN_SLICES, REACH_IN_VOLUMES = 8, 5
"""Smallest steps up to which distances are found by offsets, many pixels at a time; measured, for speed only."""


@dataclass(frozen=True)
class SurfaceDistances:
    """Borders of two masks.

    Args:
        border_reference, border_predicted: pixels of each border.
        border_reference_near, border_predicted_near: those of them no further than the tolerance from the other border.
        hd95: the larger of the two 95th percentiles of distances from one border to the other.
        hd: the largest distance (Hausdorff distance).
        assd: mean distance over the pixels of both borders.
    Undefined: distances are NaN where a mask is empty.
    """

    border_reference: int
    border_predicted: int
    border_reference_near: int
    border_predicted_near: int
    hd95: float
    hd: float
    assd: float


@dataclass(frozen=True)
class PairNumbers:
    """Counts and border numbers of many pairs of masks, one value a pair, named as in ``MaskCounts`` and ``SurfaceDistances``."""

    tp: Numbers
    fp: Numbers
    fn: Numbers
    tn: Numbers
    border_reference: Numbers
    border_predicted: Numbers
    border_reference_near: Numbers
    border_predicted_near: Numbers
    hd95: Numbers
    hd: Numbers
    assd: Numbers


@dataclass(frozen=True)
class _Offsets:
    """Neighbours by rising squared distance; ``reach``: most slices, rows and columns of one."""

    reach: NDArray[np.int64]
    places: NDArray[np.int64]
    squared: Numbers


def surface_distances(
    reference: Mask, predicted: Mask, spacing: Sequence[float] | None, tolerance: float, in_plane: bool = False
) -> SurfaceDistances:
    """Border pixels of a pair of masks on one grid and the distances between the borders; arguments as ``pair_numbers`` has."""
    found = pair_numbers(reference[np.newaxis], predicted[np.newaxis], spacing, tolerance, in_plane)
    return SurfaceDistances(
        border_reference=int(found.border_reference[0]),
        border_predicted=int(found.border_predicted[0]),
        border_reference_near=int(found.border_reference_near[0]),
        border_predicted_near=int(found.border_predicted_near[0]),
        hd95=float(found.hd95[0]),
        hd=float(found.hd[0]),
        assd=float(found.assd[0]),
    )


def pair_numbers(
    reference: Mask,
    predicted: Mask,
    spacing: Sequence[float] | None,
    tolerance: float,
    in_plane: bool = False,
) -> PairNumbers:
    """Counts, border pixels and distances of pairs of masks.

    Args:
        reference, predicted: (pairs, height, width) or (pairs, depth, height, width).
        spacing: edge of a pixel along each axis of the grid; None counts in pixels.
        tolerance: distance, in the unit of the spacing, up to which a border pixel is near; a pixel at exactly that is near.
        in_plane: for volumes whose slice distance is not known: borders and distances are taken within slices (across the
            first axis) and pooled. In a slice where only one mask is drawn its border pixels have no distance and are not near.
    """
    # Read on first use: the compiled loops bring numba, which pages and tables do without.
    from core.metrics.masks._kernels import judge_pairs

    steps = np.ones(reference.ndim - 1) if spacing is None else np.asarray(spacing, dtype=np.float64)
    whole = (float(steps[0]) if len(steps) == 3 else 1.0, float(steps[-2]), float(steps[-1]))
    planar = in_plane or reference.ndim == 3
    near = _offsets(whole, planar)
    drawn, told, out = _words(reference), _words(predicted), np.empty((len(reference), 10))
    judge_pairs(drawn, told, planar, float(tolerance), near.reach, near.places, near.squared, np.array(whole), out)
    return _named(out, reference[0].size if len(reference) else 0)


def _named(out: Numbers, pixels: int) -> PairNumbers:
    both, drawn, told = out[:, 0], out[:, 1], out[:, 2]
    return PairNumbers(both, told - both, drawn - both, pixels - drawn - told + both, *out[:, 3:].T)


def _words(masks: Mask) -> NDArray[np.uint64]:
    """(pairs, depth, height, words): 64 pixels of a row in a word, the first in the lowest bit."""
    volumes = masks[:, np.newaxis] if masks.ndim == 3 else masks
    packed = np.packbits(volumes, axis=-1, bitorder="little")
    if packed.shape[-1] % 8:
        whole = np.zeros((*packed.shape[:-1], -(-packed.shape[-1] // 8) * 8), dtype=np.uint8)
        whole[..., : packed.shape[-1]] = packed
        packed = whole
    return packed.view(np.dtype("<u8")).astype(np.uint64, copy=False)


@lru_cache(maxsize=32)
def _offsets(steps: tuple[float, float, float], planar: bool) -> _Offsets:
    """Every neighbour within reach, once for all its mirror images."""
    within = REACH_IN_SLICES * min(steps[1:]) if planar else REACH_IN_VOLUMES * min(steps)
    most = [min(int(within / step), 63) for step in steps]
    grid = np.indices((1 if planar else most[0] + 1, most[1] + 1, most[2] + 1)).reshape(3, -1).T
    away = np.square(grid * np.array(steps))
    squared = away[:, 0] + away[:, 1] + away[:, 2]
    order = np.argsort(squared, kind="stable")
    order = order[squared[order] <= within**2]
    places = np.ascontiguousarray(grid[order], dtype=np.int64)
    slices, rows, columns = places.max(axis=0)
    reach = np.array([0 if planar else max(slices, 1), max(rows, 1), columns], dtype=np.int64)
    return _Offsets(reach, places, np.ascontiguousarray(squared[order]))

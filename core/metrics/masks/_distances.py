"""How far the borders of two masks lie apart.

The border of a mask are its pixels with a neighbour outside it across a face; beyond the edge of the picture is outside.
These are the definitions of MetricsReloaded (Maier-Hein et al. 2024, 10.1038/s41592-023-02151-z), number for number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]
Distances = NDArray[np.float64]


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
class _Borders:
    """Distances from each border's pixels to the other border; empty where one mask is."""

    reference: int
    predicted: int
    from_reference: Distances
    from_predicted: Distances


def surface_distances(
    reference: Mask, predicted: Mask, spacing: Sequence[float] | None, tolerance: float, in_plane: bool = False
) -> SurfaceDistances:
    """Border pixels of a pair of masks and the distances between the borders.

    Args:
        spacing: edge of a pixel along each axis; None counts in pixels.
        tolerance: distance, in the unit of the spacing, up to which a border pixel is near; a pixel at exactly that is near.
        in_plane: for volumes whose slice distance is not known: borders and distances are taken within slices (along the
            first axis) and pooled. In a slice where only one mask is drawn its border pixels have no distance and are not near.
    """
    steps = np.ones(reference.ndim) if spacing is None else np.asarray(spacing, dtype=np.float64)
    pairs = zip(reference, predicted, strict=True) if in_plane and reference.ndim == 3 else iter([(reference, predicted)])
    found = [_borders(one, other, steps[-one.ndim :]) for one, other in pairs]
    return _pooled(found, tolerance)


def _pooled(found: Sequence[_Borders], tolerance: float) -> SurfaceDistances:
    from_reference = np.concatenate([pair.from_reference for pair in found])
    from_predicted = np.concatenate([pair.from_predicted for pair in found])
    reference, predicted = sum(pair.reference for pair in found), sum(pair.predicted for pair in found)
    near_reference = int(np.count_nonzero(from_reference <= tolerance))
    near_predicted = int(np.count_nonzero(from_predicted <= tolerance))
    if not from_reference.size:
        return SurfaceDistances(reference, predicted, near_reference, near_predicted, np.nan, np.nan, np.nan)
    return SurfaceDistances(
        border_reference=reference,
        border_predicted=predicted,
        border_reference_near=near_reference,
        border_predicted_near=near_predicted,
        hd95=float(max(np.percentile(from_reference, 95), np.percentile(from_predicted, 95))),
        hd=float(max(from_reference.max(), from_predicted.max())),
        assd=float((from_reference.sum() + from_predicted.sum()) / (from_reference.size + from_predicted.size)),
    )


def _borders(reference: Mask, predicted: Mask, steps: Distances) -> _Borders:
    box = tuple(_ranges(reference | predicted))
    drawn, told = _border(reference[box]), _border(predicted[box])
    counts = int(np.count_nonzero(drawn)), int(np.count_nonzero(told))
    if 0 in counts:
        return _Borders(*counts, np.empty(0), np.empty(0))
    to_reference = ndimage.distance_transform_edt(~drawn, sampling=steps)
    to_predicted = ndimage.distance_transform_edt(~told, sampling=steps)
    return _Borders(*counts, to_predicted[drawn], to_reference[told])


def _border(mask: Mask) -> Mask:
    border: Mask = mask & ~ndimage.binary_erosion(mask)
    return border


def _ranges(mask: Mask) -> Iterator[slice]:
    for axis in range(mask.ndim):
        held = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        yield slice(int(held[0]), int(held[-1]) + 1) if held.size else slice(0, 0)

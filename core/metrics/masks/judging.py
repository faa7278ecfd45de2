"""A pair of masks in numbers: what is stored of every case, from which every mask metric is computed later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import GeometryError
from core.metrics.masks._counting import lesion_counts
from core.metrics.masks._distances import pair_numbers

DISTANCES = ("hd95", "hd", "assd")


def judge_mask(
    reference: NDArray[np.bool_],
    predicted: NDArray[np.bool_],
    *,
    spacing: Sequence[float] | None,
    tolerance: float,
    in_plane: bool = False,
) -> list[dict[str, Any]]:
    """The numbers of ``core.storage.results.MASK_COLUMNS``, one entry a region.

    Args:
        reference, predicted: (regions, height, width) or (regions, depth, height, width).
        spacing: edge of a pixel along each axis of the grid; None counts in pixels.
        tolerance: distance up to which a border pixel counts as near, in the unit of the spacing.
        in_plane: see ``pair_numbers``; lesions are joined across slices all the same.

    Raises:
        GeometryError: masks on unequal grids, or a spacing that does not fit.
    """
    _check(reference, predicted, spacing, tolerance)
    drawn, told = reference.astype(bool, copy=False), predicted.astype(bool, copy=False)
    pairs = vars(pair_numbers(drawn, told, spacing, tolerance, in_plane))
    numbers = [{name: _plain(name, values[at]) for name, values in pairs.items()} for at in range(len(drawn))]
    return [{**of_region, **_parts(one, other)} for of_region, one, other in zip(numbers, drawn, told, strict=True)]


def _plain(name: str, value: float) -> float | int:
    return float(value) if name in DISTANCES else int(value)


def _parts(reference: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> dict[str, int]:
    parts = lesion_counts(reference, predicted)
    return {
        "lesions": parts.lesions, "lesions_found": parts.found,
        "lesions_predicted": parts.predicted, "lesions_false": parts.false,
    }  # fmt: skip


def _check(reference: NDArray[np.bool_], predicted: NDArray[np.bool_], spacing: Sequence[float] | None, tolerance: float) -> None:
    if reference.shape != predicted.shape:
        raise GeometryError(
            f"The reference has regions and grid {reference.shape}, the prediction {predicted.shape}.",
            do="Bring both to one grid before judging.",
        )
    if reference.ndim not in (3, 4):
        raise GeometryError(f"A mask has regions and 2 or 3 axes; given {reference.shape}.", do="Add the axis of regions.")
    if spacing is not None and (len(spacing) != reference.ndim - 1 or min(spacing) <= 0):
        raise GeometryError(
            f"Spacing {tuple(spacing)} does not fit {reference.ndim - 1} axes.", do="Give one number above 0 for each axis."
        )
    if not tolerance >= 0:
        raise GeometryError(f"A tolerance of {tolerance} is not a distance.", do="Give 0 or more.")

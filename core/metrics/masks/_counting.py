"""What two masks share, and what parts of them meet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class MaskCounts:
    """Pixels (voxels) drawn in both masks, in the prediction only, in the reference only, in neither."""

    tp: int
    fp: int
    fn: int
    tn: int


@dataclass(frozen=True)
class LesionCounts:
    """Connected parts: of the reference, those of them touched; of the prediction, those of them that touch no reference."""

    lesions: int
    found: int
    predicted: int
    false: int


def mask_counts(reference: Mask, predicted: Mask) -> MaskCounts:
    """The four counts of a pair of masks on one grid."""
    both = int(np.count_nonzero(reference & predicted))
    drawn, told = int(np.count_nonzero(reference)), int(np.count_nonzero(predicted))
    return MaskCounts(tp=both, fp=told - both, fn=drawn - both, tn=reference.size - drawn - told + both)


def lesion_counts(reference: Mask, predicted: Mask) -> LesionCounts:
    """How many connected parts were found, and how many were made up.

    Parts are joined by faces, edges and corners (full connectivity). A part is found when one pixel of it or more is
    predicted; a predicted part is false when no pixel of it is in the reference.
    Reference: Maier-Hein et al. 2024 (detection on the component level), 10.1038/s41592-023-02151-z
    """
    box = _box(reference | predicted)
    reference, predicted = reference[box], predicted[box]
    joined = np.ones((3,) * reference.ndim, dtype=bool)
    drawn, lesions = ndimage.label(reference, joined)
    told, parts = ndimage.label(predicted, joined)
    both = reference & predicted
    return LesionCounts(lesions, _distinct(drawn[both]), parts, parts - _distinct(told[both]))


def _distinct(labels: NDArray[np.int32]) -> int:
    return len(np.unique(labels))


def _box(mask: Mask) -> tuple[slice, ...]:
    """Smallest box that holds every pixel; labels cost by the pixel, inside or not."""
    box = [slice(None)] * mask.ndim
    for axis in range(mask.ndim):
        held = np.flatnonzero(mask[tuple(box)].any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        box[axis] = slice(int(held[0]), int(held[-1]) + 1) if held.size else slice(0, 0)
    return tuple(box)

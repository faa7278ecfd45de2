"""Clean-up of a classical method's mask: which parts stay, learned with the method on training masks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.segmentation._training_sample import Mask, TrainingSample

Pick = Literal["all", "largest", "central"]

CENTRAL_SPREAD = 0.25
"""Standard deviation of the weight around the centre, as a share of the edge."""
LARGEST_FACTOR = 1.5


@dataclass(frozen=True)
class Cleaning:
    """Rules for a mask, in the order in which they are applied.

    Args:
        opening: pixels by which thin bridges are cut.
        smallest, largest: bounds of a part, as shares of the item.
        inner: parts that touch the border go.
        pick: ``all`` parts, the ``largest``, or the one with most weight near the centre (``central``).
    """

    pick: Pick = "all"
    inner: bool = False
    opening: int = 0
    smallest: float = 0.0
    largest: float = 1.0


def clean(mask: Mask, how: Cleaning) -> Mask:
    """The mask with bridges cut, holes filled, and only the parts that the rules keep."""
    if not mask.any():
        return mask
    labels, sizes = parts(filled(opened(mask, how.opening)))
    keep = (sizes >= how.smallest * mask.size) & (sizes <= how.largest * mask.size)
    keep[0] = False
    if how.inner:
        keep[border_labels(labels)] = False
    if how.pick != "all" and keep.any():
        weight = sizes if how.pick == "largest" else np.bincount(labels.ravel(), _near_centre(mask.shape), len(sizes))
        best = int(np.argmax(np.where(keep, weight, -1.0)))
        keep = np.arange(len(sizes)) == best
    return np.asarray(keep[labels])


def opened(mask: Mask, pixels: int) -> Mask:
    """Eroded, then dilated; the border does not erode."""
    if pixels == 0:
        return mask
    eroded = ndimage.binary_erosion(mask, iterations=pixels, border_value=1)
    return np.asarray(ndimage.binary_dilation(eroded, iterations=pixels, mask=mask))


def filled(mask: Mask) -> Mask:
    """The mask without holes: background that does not reach the border."""
    labels, count = ndimage.label(~mask)
    outside = np.zeros(count + 1, dtype=bool)
    outside[border_labels(labels)] = True
    return np.asarray(mask | ~outside[labels])


def parts(mask: Mask) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
    """Numbers of the connected parts, and the size of each (of the background too, at 0)."""
    labels, count = ndimage.label(mask)
    return labels, np.bincount(labels.ravel(), minlength=count + 1)


def border_labels(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Numbers that stand on any face of the grid."""
    faces = [labels.take(end, axis=axis).ravel() for axis in range(labels.ndim) for end in (0, -1)]
    return np.unique(np.concatenate(faces))


def first_cleanings(sample: TrainingSample, region: int) -> tuple[Cleaning, ...]:
    """A few, with which the method itself is chosen."""
    bounds = _bounds(sample, region)[0]
    return (
        Cleaning("all", False, 1, *bounds),
        Cleaning("largest", False, 1, *bounds),
        Cleaning("central", False, 1, *bounds),
        Cleaning("largest", True, 1, *bounds),
    )


def all_cleanings(sample: TrainingSample, region: int) -> tuple[Cleaning, ...]:
    """Every combination that is tried with the best methods."""
    return tuple(
        Cleaning(pick, inner, opening, *bounds)
        for bounds in _bounds(sample, region)
        for opening in (0, 1, 3)
        for inner in (False, True)
        for pick in _picks()
    )


def _picks() -> tuple[Pick, ...]:
    return ("all", "largest", "central")


def _bounds(sample: TrainingSample, region: int) -> tuple[tuple[float, float], ...]:
    """Smallest and largest part: from the range of the drawn ones, widened; then a stricter smallest."""
    sizes = sample.sizes(region)
    held = sizes[sizes > 0]
    if not held.size:
        return ((0.0, 1.0),)
    largest = min(1.0, LARGEST_FACTOR * float(held.max()))
    return ((float(np.percentile(held, 5)) / 2, largest), (float(np.percentile(held, 25)), largest))


@lru_cache(maxsize=8)
def _near_centre(shape: tuple[int, ...]) -> NDArray[np.float64]:
    axes = np.meshgrid(*(np.linspace(-0.5, 0.5, edge) for edge in shape), indexing="ij")
    away = np.sum([axis**2 for axis in axes], axis=0)
    return np.asarray(np.exp(-away / (2 * CENTRAL_SPREAD**2))).ravel()

"""Clean-up of a classical method's mask: which parts stay, learned with the method on training masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.segmentation._training_sample import Mask, TrainingSample

Pick = Literal["all", "largest", "central", "round"]
PICKS: tuple[Pick, ...] = ("all", "largest", "central", "round")

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
        pick: ``all`` parts, the ``largest``, the one with most weight near the centre (``central``), or a large ``round`` one.
    """

    pick: Pick = "all"
    inner: bool = False
    opening: int = 0
    smallest: float = 0.0
    largest: float = 1.0


class Parts:
    """The connected parts of a mask, numbered from 1; 0 is the background. What the rules ask of them is measured when asked.

    Args:
        labels: (*grid) number of the part; count: how many there are.
    """

    def __init__(self, labels: NDArray[np.int32], count: int) -> None:
        self.labels, self.count = labels, count

    @cached_property
    def sizes(self) -> NDArray[np.float64]:
        """Pixels of each."""
        return np.bincount(self.labels.ravel(), minlength=self.count + 1).astype(float)

    @cached_property
    def border(self) -> NDArray[np.bool_]:
        """Whether it touches the border."""
        touches = np.zeros(self.count + 1, dtype=bool)
        touches[border_labels(self.labels)] = True
        return touches

    def weight(self, pick: Pick) -> NDArray[np.float64]:
        """By what a part is picked: its size, its weight near the centre, or its size times its roundness squared."""
        if pick == "central":
            return self._central
        return self.sizes * self._roundness**2 if pick == "round" else self.sizes

    @cached_property
    def _central(self) -> NDArray[np.float64]:
        return np.asarray(
            np.bincount(self.labels.ravel(), near_centre(self.labels.shape, CENTRAL_SPREAD).ravel(), self.count + 1)
        )

    @cached_property
    def _roundness(self) -> NDArray[np.float64]:
        """The size of each over that of a ball as long as the part: 1 for a ball, near 0 for a line."""
        inside = np.flatnonzero(self.labels)
        flat = self.labels.ravel()[inside]
        places = np.stack(np.unravel_index(inside, self.labels.shape)).astype(float)
        share = np.maximum(self.sizes, 1)
        means = [np.bincount(flat, axis, self.count + 1) / share for axis in places]
        offsets = [axis - mean[flat] for axis, mean in zip(places, means)]
        spread = [[np.bincount(flat, one * two, self.count + 1) / share for two in offsets] for one in offsets]
        longest = np.linalg.eigvalsh(np.moveaxis(np.array(spread), -1, 0))[:, -1] + 1 / 12
        axes = len(places)
        ball = (np.pi if axes == 2 else 4 * np.pi / 3) * ((axes + 2) * longest) ** (axes / 2)
        return np.asarray(np.minimum(self.sizes / ball, 1.0))


def clean(mask: Mask, how: Cleaning) -> Mask:
    """The mask with bridges cut, holes filled, and only the parts that the rules keep."""
    if not mask.any():
        return mask
    parts = parts_of(mask, how.opening)
    return np.asarray(kept(parts, how)[parts.labels])


def overlaps(mask: Mask, drawn: Mask, cleanings: Sequence[Cleaning]) -> NDArray[np.float64]:
    """(cleanings, 2): pixels shared by the cleaned mask and the drawn one, and pixels of the cleaned mask.

    Each mask is cut into parts once for all rules, since that takes the time.
    """
    cut: dict[int, tuple[Parts, NDArray[np.intp]]] = {}
    for opening in {how.opening for how in cleanings}:
        parts = parts_of(mask, opening)
        cut[opening] = parts, np.bincount(parts.labels[drawn], minlength=parts.count + 1)
    found = np.empty((len(cleanings), 2))
    for row, how in enumerate(cleanings):
        parts, shared = cut[how.opening]
        keep = kept(parts, how)
        found[row] = shared[keep].sum(), parts.sizes[keep].sum()
    return found


def kept(parts: Parts, how: Cleaning) -> NDArray[np.bool_]:
    """(parts,) whether each stays."""
    pixels = parts.labels.size
    keep = (parts.sizes >= how.smallest * pixels) & (parts.sizes <= how.largest * pixels)
    keep[0] = False
    if how.inner:
        keep &= ~parts.border
    if how.pick == "all" or not keep.any():
        return np.asarray(keep)
    weight = parts.weight(how.pick)
    return np.asarray(np.arange(len(keep)) == int(np.argmax(np.where(keep, weight, -1.0))))


def parts_of(mask: Mask, opening: int) -> Parts:
    """The parts after bridges are cut and holes filled."""
    return Parts(*ndimage.label(filled(opened(mask, opening))))


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
        Cleaning("round", True, 1, *bounds),
    )


def all_cleanings(sample: TrainingSample, region: int) -> tuple[Cleaning, ...]:
    """Every combination that is tried with the best methods."""
    return tuple(
        Cleaning(pick, inner, opening, *bounds)
        for bounds in _bounds(sample, region)
        for opening in (0, 1, 3)
        for inner in (False, True)
        for pick in PICKS
    )


def _bounds(sample: TrainingSample, region: int) -> tuple[tuple[float, float], ...]:
    """Smallest and largest part: from the range of the drawn ones, widened; then a stricter smallest."""
    sizes = sample.sizes(region)
    held = sizes[sizes > 0]
    if not held.size:
        return ((0.0, 1.0),)
    largest = min(1.0, LARGEST_FACTOR * float(held.max()))
    return ((float(np.percentile(held, 5)) / 2, largest), (float(np.percentile(held, 25)), largest))


@lru_cache(maxsize=16)
def near_centre(shape: tuple[int, ...], spread: float) -> NDArray[np.float64]:
    """(*grid) weights that fall with the distance from the centre; ``spread`` as a share of the edge."""
    axes = np.meshgrid(*(np.linspace(-0.5, 0.5, edge) for edge in shape), indexing="ij")
    return np.asarray(np.exp(-np.sum([axis**2 for axis in axes], axis=0) / (2 * spread**2)))

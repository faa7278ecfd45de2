"""Drawn items that classical methods are tuned on: some of the training items, held in memory, case by case."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.contracts.pictures import Pictures
from core.errors import TrainingError

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

PIXELS = 7_000_000
"""Of all items together: about 400 pictures of 128 x 128, so that a fit stays within a minute or two."""
FEWEST_ITEMS = 8
ITEMS_PER_CASE = 8
"""Of a volume cut into slices: evenly spaced, the empty ones too, so that "nothing here" can be learned."""


@dataclass(frozen=True)
class TrainingSample:
    """Items with their masks; cases stand in random order, items of one case behind each other.

    Args:
        images: (channels, *grid) each; masks: (regions, *grid) each.
        cases: (items,) number of the case that each belongs to, from 0, rising.
    """

    images: tuple[Array, ...]
    masks: tuple[Mask, ...]
    cases: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.images)

    def first(self, items: int) -> TrainingSample:
        """The first cases that hold at least so many items."""
        last = int(self.cases[min(items, len(self)) - 1])
        count = int(np.searchsorted(self.cases, last, side="right"))
        return TrainingSample(self.images[:count], self.masks[:count], self.cases[:count])

    def after(self, items: int) -> TrainingSample:
        """What stands behind so many items, which must end with a case."""
        return TrainingSample(self.images[items:], self.masks[items:], self.cases[items:] - self.cases[items])

    def sizes(self, region: int) -> NDArray[np.float64]:
        """(items,) share of each item that the region covers."""
        return np.array([mask[region].mean() for mask in self.masks])


def draw_sample(train: Pictures, seed: int, pixels: int = PIXELS) -> TrainingSample:
    """Items whose masks may be read, from as many cases as fit.

    Raises:
        TrainingError: no mask may be read.
    """
    labelled = np.flatnonzero(train.labelled)
    if not labelled.size:
        raise TrainingError("No training item has a mask.", do="Give at least one labelled case.")
    rng = np.random.default_rng([seed, 31])
    most = max(FEWEST_ITEMS, pixels // int(np.prod(train.prepared.shape)))
    return load_sample(train, _spread(_by_case(train, labelled), most, rng))


def load_sample(train: Pictures, groups: list[NDArray[np.intp]]) -> TrainingSample:
    """The items at these places of the training pictures, one group a case."""
    at = np.concatenate(groups)
    cases = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    images = tuple(train.image(int(place)) for place in at)
    return TrainingSample(images, tuple(train.mask(int(place)) for place in at), cases)


def _by_case(train: Pictures, at: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    owners = np.array([train.prepared.owner(int(train.rows[place])) for place in at])
    order = np.argsort(owners, kind="stable")
    starts = np.flatnonzero(np.r_[True, owners[order][1:] != owners[order][:-1]])
    return list(np.split(at[order], starts[1:]))


def _spread(groups: list[NDArray[np.intp]], most: int, rng: np.random.Generator) -> list[NDArray[np.intp]]:
    chosen: list[NDArray[np.intp]] = []
    left = most
    for number in rng.permutation(len(groups)):
        group = groups[number]
        if left <= 0:
            break
        steps = np.linspace(0, len(group) - 1, min(len(group), ITEMS_PER_CASE, left)).round().astype(int)
        chosen.append(group[steps])
        left -= len(steps)
    return chosen

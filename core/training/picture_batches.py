"""Items of a fit in memory, and the order in which a network meets them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from core.contracts.pictures import Pictures
from core.errors import GeometryError

Rows = NDArray[np.intp]

MOST_BYTES = 4 * 2**30
"""A fit whose items take more than this is read from its map batch by batch."""


@dataclass(frozen=True)
class PictureBatch:
    """Some items on the device: image (n, channels, *grid) float32, mask (n, regions, *grid) float32 of zeros and ones."""

    image: torch.Tensor
    mask: torch.Tensor


@dataclass(frozen=True)
class _Item:
    """Image (channels, *grid) of 16-bit floats and mask (regions, *grid) of bytes."""

    image: torch.Tensor
    mask: torch.Tensor


class PictureStore:
    """All items of a fit: kept as 16-bit floats and bytes where they fit, whole ones on the device; else read when needed.

    Args:
        patch: edges of the patches that are cut from items; None where an item is shown whole.
        foreground_share: chance that a patch is cut around a pixel of a region, where its item has one.

    Raises:
        GeometryError: items of unequal grids are to be shown whole.
    """

    def __init__(
        self, pictures: Pictures, device: torch.device, patch: Sequence[int] | None = None, foreground_share: float = 0.0
    ) -> None:
        if patch is None and not pictures.prepared.is_uniform():
            raise GeometryError("Items of unequal grids cannot be stacked.", do="Use a network that learns from patches.")
        self.pictures, self.device = pictures, device
        self.patch = tuple(patch) if patch else None
        self.foreground_share = foreground_share
        self.regions = len(pictures.prepared.regions)
        self.owners = np.array([pictures.prepared.owner(int(row)) for row in pictures.rows])
        self.items: list[_Item] = []
        self.stacked: _Item | None = None
        if self._bytes() > MOST_BYTES:
            self.holds = np.array([bool(self._read_mask(at).any()) for at in range(len(pictures))])
        elif self.patch is None:
            self.stacked = self._stack()
            self.holds = self.stacked.mask.flatten(1).any(dim=1).bool().cpu().numpy()
        else:
            self.items = [self._read(at) for at in range(len(pictures))]
            self.holds = np.array([bool(item.mask.any()) for item in self.items])

    def _bytes(self) -> int:
        per_pixel = 2 * len(self.pictures.prepared.channels) + self.regions
        return len(self.pictures) * per_pixel * int(np.prod(self.pictures.prepared.shape))

    def _read(self, at: int) -> _Item:
        return _Item(torch.from_numpy(self.pictures.image(at)).half(), self._read_mask(at))

    def _read_mask(self, at: int) -> torch.Tensor:
        """Nothing drawn where the mask may not be read."""
        if not self.pictures.labelled[at]:
            grid = self.pictures.prepared.shape if self.pictures.prepared.is_uniform() else self.pictures.image(at).shape[1:]
            return torch.zeros((self.regions, *grid), dtype=torch.uint8)
        return torch.from_numpy(self.pictures.mask(at).astype(np.uint8))

    def _stack(self) -> _Item:
        count, grid = len(self.pictures), self.pictures.prepared.shape
        image = torch.empty((count, len(self.pictures.prepared.channels), *grid), dtype=torch.float16)
        mask = torch.empty((count, self.regions, *grid), dtype=torch.uint8)
        for at in range(count):
            item = self._read(at)
            image[at], mask[at] = item.image, item.mask
        return _Item(image.to(self.device), mask.to(self.device))

    def batch(self, rows: Rows, rng: np.random.Generator) -> PictureBatch:
        """Those items (or a patch of each), on the device."""
        if self.stacked is not None:
            at = torch.from_numpy(rows).to(self.device)
            return PictureBatch(self.stacked.image[at].float(), self.stacked.mask[at].float())
        shown = [self._shown(self.items[row] if self.items else self._read(int(row)), rng) for row in rows]
        image, mask = torch.stack([one.image for one in shown]), torch.stack([one.mask for one in shown])
        return PictureBatch(image.to(self.device).float(), mask.to(self.device).float())

    def _shown(self, item: _Item, rng: np.random.Generator) -> _Item:
        if self.patch is None:
            return item
        grid, patch = np.array(item.image.shape[1:]), np.array(self.patch)
        starts = np.clip(self._centre(item.mask, grid, rng) - patch // 2, 0, np.maximum(grid - patch, 0))
        window = (slice(None), *(slice(int(start), int(start) + edge) for start, edge in zip(starts, self.patch)))
        return _Item(_padded(item.image[window], self.patch), _padded(item.mask[window], self.patch))

    def _centre(self, mask: torch.Tensor, grid: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        if rng.random() < self.foreground_share:
            found = mask.any(dim=0).nonzero()
            if len(found):
                return np.asarray(found[int(rng.integers(len(found)))].numpy())
        return rng.integers(0, grid)


def _padded(block: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """The block with zeros behind it where the item is smaller than a patch."""
    if tuple(block.shape[1:]) == tuple(shape):
        return block
    whole = torch.zeros((len(block), *shape), dtype=block.dtype)
    whole[(slice(None), *(slice(0, edge) for edge in block.shape[1:]))] = block
    return whole


def epoch_order(rows: Rows, holds: NDArray[np.bool_], foreground_share: float, rng: np.random.Generator) -> Rows:
    """One epoch: every item once, and of those that hold no region only so many that the others are at least that share."""
    full, empty = rows[holds[rows]], rows[~holds[rows]]
    if foreground_share > 0 and len(full):
        most = int(round(len(full) * (1 - foreground_share) / foreground_share))
        empty = rng.permutation(empty)[:most]
    return np.asarray(rng.permutation(np.concatenate([full, empty])), dtype=np.intp)


def full_batches(order: Rows, size: int) -> Iterator[Rows]:
    """The rows, ``size`` at a time; what is left over waits for another epoch (a norm over a batch wants a full one)."""
    if len(order) <= size:
        yield order
        return
    for start in range(0, len(order) - size + 1, size):
        yield order[start : start + size]

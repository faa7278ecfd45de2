"""Items of a fit in memory, and the order in which a network meets them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from core.contracts.pictures import Pictures

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class PictureBatch:
    """Some items on the device: image (n, channels, *grid) float32, mask (n, regions, *grid) float32 of zeros and ones."""

    image: torch.Tensor
    mask: torch.Tensor


class PictureStore:
    """All items of a fit, kept as 16-bit floats and bytes: on the device where items have one grid, else in main memory.

    Args:
        patch: edges of the patches that are cut from items; None where an item is shown whole.
        foreground_share: chance that a patch is cut around a pixel of a region, where its item has one.
    """

    def __init__(
        self, pictures: Pictures, device: torch.device, patch: Sequence[int] | None = None, foreground_share: float = 0.0
    ) -> None:
        self.pictures, self.device = pictures, device
        self.patch = tuple(patch) if patch else None
        self.foreground_share = foreground_share
        self.regions = len(pictures.prepared.regions)
        home = device if self.patch is None else torch.device("cpu")
        self.images = [torch.from_numpy(pictures.image(at)).half().to(home) for at in range(len(pictures))]
        self.masks = [self._mask(at).to(home) for at in range(len(pictures))]
        self.holds = np.array([bool(mask.any()) for mask in self.masks])
        self.owners = np.array([pictures.prepared.owner(int(row)) for row in pictures.rows])
        if self.patch is None:
            self.stacked: tuple[torch.Tensor, torch.Tensor] | None = (torch.stack(self.images), torch.stack(self.masks))
            self.images, self.masks = [], []
        else:
            self.stacked = None

    def _mask(self, at: int) -> torch.Tensor:
        if not self.pictures.labelled[at]:
            return torch.zeros((self.regions, *self.pictures.image(at).shape[1:]), dtype=torch.uint8)
        return torch.from_numpy(self.pictures.mask(at).astype(np.uint8))

    def batch(self, rows: Rows, rng: np.random.Generator) -> PictureBatch:
        """Those items (or a patch of each), on the device."""
        if self.stacked is not None:
            at = torch.from_numpy(rows).to(self.device)
            return PictureBatch(self.stacked[0][at].float(), self.stacked[1][at].float())
        cut = [self._patch(int(row), rng) for row in rows]
        image, mask = torch.stack([one.image for one in cut]), torch.stack([one.mask for one in cut])
        return PictureBatch(image.to(self.device).float(), mask.to(self.device).float())

    def _patch(self, row: int, rng: np.random.Generator) -> PictureBatch:
        image, mask = self.images[row], self.masks[row]
        patch = self.patch or ()
        grid = np.array(image.shape[1:])
        around = self._centre(mask, grid, rng)
        starts = np.clip(around - np.array(patch) // 2, 0, np.maximum(grid - patch, 0))
        window = (slice(None), *(slice(int(start), int(start) + edge) for start, edge in zip(starts, patch)))
        return PictureBatch(_padded(image[window], patch), _padded(mask[window], patch))

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

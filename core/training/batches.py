"""What a network is shown: pictures read from their map batch by batch, the encoded record, and which of them are there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from core.contracts.cohort import PreparedImages

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Batch:
    """Some cases on the device.

    Args:
        image: (cases, channels, depth, height, width); a placeholder of zeros where ``has_image`` is false, which every
            network replaces by its learned embedding of "missing".
        record: (cases, columns); has_image, has_record: (cases,).
    """

    image: torch.Tensor
    has_image: torch.Tensor
    record: torch.Tensor
    has_record: torch.Tensor

    @property
    def tensors(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """In the order in which networks take them."""
        return self.image, self.has_image, self.record, self.has_record

    def with_image(self, image: torch.Tensor) -> Batch:
        """The same cases with these pictures."""
        return replace(self, image=image)

    def without_some(self, chance: float, generator: torch.Generator) -> Batch:
        """Each case that has both a picture and a record loses one of them by that chance: missing becomes normal."""
        both = self.has_image & self.has_record
        draw = torch.rand((2, len(both)), generator=generator, device=both.device)
        lose = both & (draw[0] < chance)
        return replace(
            self, has_image=self.has_image & ~(lose & (draw[1] < 0.5)), has_record=self.has_record & ~(lose & (draw[1] >= 0.5))
        )


@dataclass(frozen=True)
class NetworkInput:
    """All cases of a fit or of a prediction.

    Args:
        case_ids: in row order; images: None where no case has a picture.
        image_shape: channels, depth, height, width that the network expects.
        record: (cases, columns) numbers without gaps; has_record: (cases,).
    """

    case_ids: tuple[str, ...]
    images: PreparedImages | None
    image_shape: tuple[int, int, int, int]
    record: NDArray[np.float32]
    has_record: NDArray[np.bool_]

    def batch(self, rows: Rows, device: torch.device) -> Batch:
        """These rows, on the device."""
        image = self._images(rows)
        has_image = ~np.isnan(image[:, 0, 0, 0, 0])
        image[~has_image] = 0.0
        return Batch(
            image=torch.from_numpy(image).to(device),
            has_image=torch.from_numpy(has_image).to(device),
            record=torch.from_numpy(self.record[rows]).to(device),
            has_record=torch.from_numpy(self.has_record[rows]).to(device),
        )

    def _images(self, rows: Rows) -> NDArray[np.float32]:
        if self.images is None:
            return np.full((len(rows), *self.image_shape), np.nan, dtype=np.float32)
        return self.images.arrays([self.case_ids[row] for row in rows])


def in_batches(rows: Rows, size: int) -> Iterator[Rows]:
    """The rows, ``size`` at a time; a single left-over row joins the batch before it (a norm needs two)."""
    starts = list(range(0, len(rows), size))
    if len(starts) > 1 and len(rows) - starts[-1] == 1:
        starts.pop()
    for start, end in zip(starts, [*starts[1:], len(rows)]):
        yield rows[start:end]

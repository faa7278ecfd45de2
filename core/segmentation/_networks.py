"""What all networks share: what they are built for, inputs of any size, options that are checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn


@dataclass(frozen=True)
class NetworkFacts:
    """What a network is built for.

    Args:
        channels, regions: how many.
        dims: axes of an item, 2 or 3; shape: grid of an item, or of the patch of a volume.
    """

    channels: int
    regions: int
    dims: int
    shape: tuple[int, ...]


Build = Callable[[NetworkFacts, Mapping[str, Any]], nn.Module]


class AnySize(nn.Module):
    """A network that wants edges divisible by ``multiple``, for inputs of any size: padded by their border, cut back.

    Args:
        inner: (n, channels, *grid) to logits (n, regions, *grid).
        patch_shape: of the windows by which volumes are outlined; None for pictures.
    """

    def __init__(self, inner: nn.Module, multiple: int, patch_shape: Sequence[int] | None = None) -> None:
        super().__init__()
        self.inner = inner
        self.multiple = multiple
        self.patch_shape = tuple(patch_shape) if patch_shape else None

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits (n, regions, *grid)."""
        grid = image.shape[2:]
        logits: torch.Tensor = self.inner(padded(image, self.multiple))
        return logits[(..., *(slice(0, edge) for edge in grid))]


def padded(image: torch.Tensor, multiple: int) -> torch.Tensor:
    """The image with its border repeated behind each axis up to a multiple of that edge."""
    missing = [-edge % multiple for edge in image.shape[2:]]
    if not any(missing):
        return image
    pads = [part for edge in reversed(missing) for part in (0, edge)]
    return F.pad(image, pads, mode="replicate")


def any_size(inner: nn.Module, multiple: int, facts: NetworkFacts) -> AnySize:
    """``inner`` for inputs of any size."""
    return AnySize(inner, multiple, facts.shape if facts.dims == 3 else None)


NORMS: Mapping[str, Any] = {
    "batch": "batch",
    "instance": ("instance", {"affine": True}),
    "group": ("group", {"num_groups": 4}),
    "none": None,
}
"""Normalisation layers by the names of a recipe, as MONAI takes them."""


def convolution(dims: int) -> Any:
    """The plain convolution of that many axes."""
    return nn.Conv2d if dims == 2 else nn.Conv3d


def conv_block(dims: int, inside: int, outside: int, stride: int = 1) -> nn.Sequential:
    """Convolution of 3 pixels, batch normalisation, ReLU."""
    norm = nn.BatchNorm2d if dims == 2 else nn.BatchNorm3d
    return nn.Sequential(
        convolution(dims)(inside, outside, 3, stride=stride, padding=1, bias=False), norm(outside), nn.ReLU(inplace=True)
    )

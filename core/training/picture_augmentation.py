"""Pictures and masks changed a little, the whole batch at once, on the device, through one transform.

Flip, turn, zoom, move and a smooth deformation are one map of the grid: a cubic spline over a few knots, which carries straight
maps exactly. Image and mask are looked up through it by one interpolation; then the image alone gets another contrast,
brightness and noise. 2-D and 3-D.

Reference: Catmull & Rom 1974, 10.1016/B978-0-12-079050-0.50020-5 (the spline); Simard et al., ICDAR 2003,
10.1109/ICDAR.2003.1227801 (elastic deformation).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F

CELLS = 4
"""Cells of the spline along each edge; it has a knot more at either end of each, and one beyond."""
KNOTS = CELLS + 3


@dataclass(frozen=True)
class Augmentation:
    """How much may change (``core.contracts.segmentation_recipe.AugmentationPart``)."""

    flip: bool = True
    turn_degrees: float = 20.0
    zoom: float = 0.2
    shift: float = 0.1
    elastic: float = 0.03
    intensity: float = 0.2
    noise: float = 0.05
    chance: float = 0.8

    @staticmethod
    def of(settings: Mapping[str, Any]) -> Augmentation:
        """The settings of a recipe's ``training.augmentation``."""
        return Augmentation(**settings)


@dataclass(frozen=True)
class ChangedBatch:
    """Image (n, channels, *grid) and mask (n, regions, *grid), both float32."""

    image: torch.Tensor
    mask: torch.Tensor


def augment_pictures(image: torch.Tensor, mask: torch.Tensor, settings: Augmentation, generator: torch.Generator) -> ChangedBatch:
    """The batch, changed; each picture by its own draw.

    Args:
        generator: on the same device; all randomness comes from it.
    """
    both = F.grid_sample(
        torch.cat([image, mask], dim=1), _map(image, settings, generator), padding_mode="reflection", align_corners=False
    )
    channels = image.shape[1]
    return ChangedBatch(_relit(both[:, :channels], settings, generator), (both[:, channels:] >= 0.5).to(image.dtype))


def _draw(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """Numbers between -1 and 1."""
    return 2 * torch.rand(shape, generator=generator, device=generator.device) - 1


def _map(image: torch.Tensor, settings: Augmentation, generator: torch.Generator) -> torch.Tensor:
    """(n, *grid, axes) where each pixel is looked up, in the coordinates of ``grid_sample``."""
    count, axes = len(image), image.ndim - 2
    at = _knots(axes, image.device)
    moved = _affine(count, axes, settings, generator, image.shape[2:]) @ at
    moved = moved + 2 * settings.elastic * _draw((count, axes, at.shape[1]), generator)
    changed = torch.rand((count, 1, 1), generator=generator, device=image.device) < settings.chance
    knots = torch.where(changed, moved, at[:axes])
    if settings.flip:
        knots = knots * (2 * torch.randint(2, (count, axes, 1), generator=generator, device=image.device) - 1)
    grid = knots.view(count, axes, *(KNOTS,) * axes)
    for axis in range(2, 2 + axes):
        grid = torch.tensordot(grid, _spline(image.shape[axis], image.device), dims=([2], [1]))
    return grid.movedim(1, -1)


def _knots(axes: int, device: torch.device) -> torch.Tensor:
    """(axes + 1, knots) coordinates of the knots, the last axis first, and ones."""
    edge = torch.arange(KNOTS, device=device) * (2 / CELLS) - 1 - 2 / CELLS
    at = torch.meshgrid(*(edge,) * axes, indexing="ij")
    return torch.stack([*(axis.flatten() for axis in reversed(at)), torch.ones(KNOTS**axes, device=device)])


@lru_cache(maxsize=16)
def _spline(size: int, device: torch.device) -> torch.Tensor:
    """(pixels, knots) weight of each knot at each pixel."""
    place = (torch.arange(size, device=device) + 0.5) * CELLS / size
    cell = place.floor()
    t = place - cell
    weights = [-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2]
    at = cell.long().unsqueeze(1) + torch.arange(4, device=device)
    return torch.zeros(size, KNOTS, device=device).scatter_(1, at, torch.stack(weights, dim=1) / 2)


def _affine(count: int, axes: int, settings: Augmentation, generator: torch.Generator, shape: torch.Size) -> torch.Tensor:
    """(n, axes, axes + 1): a turn in one plane (the last two axes), a zoom and a move; angles are true on any shape."""
    angle = math.radians(settings.turn_degrees) * _draw((count,), generator)
    scale = 1 + settings.zoom * _draw((count,), generator)
    high, wide = int(shape[-2]), int(shape[-1])
    theta = torch.zeros(count, axes, axes + 1, device=generator.device)
    theta[:, 0, 0], theta[:, 0, 1] = scale * angle.cos(), -scale * angle.sin() * (high / wide)
    theta[:, 1, 0], theta[:, 1, 1] = scale * angle.sin() * (wide / high), scale * angle.cos()
    if axes == 3:
        theta[:, 2, 2] = scale
    theta[:, :, axes] = 2 * settings.shift * _draw((count, axes), generator)
    return theta


def _relit(image: torch.Tensor, settings: Augmentation, generator: torch.Generator) -> torch.Tensor:
    one_each = (len(image), *(1,) * (image.ndim - 1))
    if settings.intensity > 0:
        contrast, brightness = (settings.intensity * _draw(one_each, generator) for _ in range(2))
        image = torch.addcmul(brightness, image, 1 + contrast)
    if settings.noise > 0:
        strength = settings.noise * torch.rand(one_each, generator=generator, device=image.device)
        image = torch.addcmul(image, strength, torch.randn(image.shape, generator=generator, device=image.device))
    return image

"""Pictures and masks changed a little, the whole batch at once, on the device, through one transform.

Turn, zoom, move and a smooth deformation are one map of the grid, applied to image and mask by one interpolation; then the
image alone gets another contrast, brightness and noise. 2-D and 3-D.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

KNOTS = 5
"""Edge of the coarse grid of the deformation: neighbouring knots move apart smoothly."""


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
    if settings.flip:
        image, mask = _flipped(image, mask, generator)
    grid = _grid(image, settings, generator)
    both = F.grid_sample(torch.cat([image, mask], dim=1), grid, padding_mode="reflection", align_corners=False)
    channels = image.shape[1]
    return ChangedBatch(_relit(both[:, :channels], settings, generator), (both[:, channels:] >= 0.5).to(image.dtype))


def _draw(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """Numbers between -1 and 1."""
    return 2 * torch.rand(shape, generator=generator, device=generator.device) - 1


def _flipped(image: torch.Tensor, mask: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    image, mask = image.clone(), mask.clone()
    for axis in range(2, image.ndim):
        chosen = torch.rand(len(image), generator=generator, device=image.device) < 0.5
        image[chosen], mask[chosen] = image[chosen].flip(axis), mask[chosen].flip(axis)
    return image, mask


def _grid(image: torch.Tensor, settings: Augmentation, generator: torch.Generator) -> torch.Tensor:
    """(n, *grid, axes) where each pixel is looked up."""
    count, axes = len(image), image.ndim - 2
    changed = (torch.rand(count, generator=generator, device=image.device) < settings.chance).float()
    theta = _affine(count, axes, settings, generator, image.shape[2:])
    still = torch.eye(axes, axes + 1, device=image.device).expand(count, -1, -1)
    theta = still + changed.view(-1, 1, 1) * (theta - still)
    grid = F.affine_grid(theta, [count, 1, *image.shape[2:]], align_corners=False)
    if settings.elastic > 0:
        knots = 2 * settings.elastic * _draw((count, axes, *(KNOTS,) * axes), generator) * changed.view(-1, *(1,) * (axes + 1))
        mode = "bicubic" if axes == 2 else "trilinear"
        grid = grid + F.interpolate(knots, size=tuple(image.shape[2:]), mode=mode, align_corners=True).movedim(1, -1)
    return grid


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
        image = image * (1 + settings.intensity * _draw(one_each, generator)) + settings.intensity * _draw(one_each, generator)
    if settings.noise > 0:
        strength = settings.noise * torch.rand(one_each, generator=generator, device=image.device)
        image = image + strength * torch.randn(image.shape, generator=generator, device=image.device)
    return image

"""Pictures changed a little, the whole batch at once, on the device.

Flips go along depth and height only. Width runs from the outer side of the affected organ to the midline after
preparation, and no patient shows it the other way round.

A batch is turned in one plane, drawn afresh each time: slices across the plane share their interpolation weights, which
costs a fifth of a turn in space on a CPU, and over the batches all three planes come up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F

from core.training.settings import TrainingSettings

FLIPPED_AXES = (2, 3)


def augment(image: torch.Tensor, channels: Sequence[str], settings: TrainingSettings, generator: torch.Generator) -> torch.Tensor:
    """The batch, (cases, channels, depth, height, width), flipped, turned, moved, zoomed, and scans brightened or dimmed.

    Args:
        channels: what each channel holds; only ``scan`` changes its values.
        generator: on the same device.
    """
    image = image.clone()
    for axis in FLIPPED_AXES:
        chosen = torch.rand(len(image), generator=generator, device=image.device) < 0.5
        image[chosen] = image[chosen].flip(axis)
    across = 2 + int(torch.randint(3, (1,), generator=generator, device=image.device))
    return _jittered(_turned(image, across, settings, generator), channels, settings.jitter, generator)


def _turned(image: torch.Tensor, across: int, settings: TrainingSettings, generator: torch.Generator) -> torch.Tensor:
    slices = image.movedim(across, 2)
    flat = slices.flatten(1, 2)
    theta = affine_matrices(len(flat), flat.shape[2], flat.shape[3], settings, generator)
    grid = F.affine_grid(theta, list(flat.shape), align_corners=False)
    turned = F.grid_sample(flat, grid, padding_mode="border", align_corners=False)
    return turned.view(slices.shape).movedim(2, across)


def affine_matrices(count: int, high: int, wide: int, settings: TrainingSettings, generator: torch.Generator) -> torch.Tensor:
    """(count, 2, 3) random turns, moves and zooms for ``affine_grid``; angles are true on planes of any shape."""
    draw = 2 * torch.rand((count, 4), generator=generator, device=generator.device) - 1
    angle = draw[:, 0] * math.radians(settings.turn_degrees)
    zoom = 1 + settings.zoom * draw[:, 1]
    cos, sin = zoom * angle.cos(), zoom * angle.sin()
    turn = torch.stack([cos, -sin * (high / wide), sin * (wide / high), cos], dim=1).view(-1, 2, 2)
    return torch.cat([turn, 2 * settings.shift * draw[:, 2:].unsqueeze(2)], dim=2)


def _jittered(image: torch.Tensor, channels: Sequence[str], most: float, generator: torch.Generator) -> torch.Tensor:
    scans = [i for i, name in enumerate(channels) if name == "scan"]
    if not scans or most <= 0:
        return image
    draw = most * (2 * torch.rand((2, len(image), 1, 1, 1, 1), generator=generator, device=image.device) - 1)
    changed = image.clone()
    changed[:, scans] = (image[:, scans] * (1 + draw[0]) + draw[1]).clamp(-1, 1)
    return changed

"""What all networks share: what they are built for, inputs of any size, options that are checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from core.errors import RecipeError, TrainingError, did_you_mean


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
        heads: names of the convolutions inside it whose biases start at the prevalence of each region.
        least: the smallest edge it can take.
        patch_shape: of the windows by which volumes are outlined; None for pictures.
    """

    def __init__(
        self,
        inner: nn.Module,
        multiple: int,
        heads: Sequence[str] = (),
        least: int = 1,
        patch_shape: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.inner = inner
        self.multiple, self.least = multiple, least
        self.heads = tuple(heads)
        self.patch_shape = tuple(patch_shape) if patch_shape else None

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits (n, regions, *grid)."""
        grid = image.shape[2:]
        logits: torch.Tensor = self.inner(padded(image, self.multiple, self.least))
        return logits[(..., *(slice(0, edge) for edge in grid))]

    def start_at(self, shares: NDArray[np.float64]) -> None:
        """Lets the untrained network answer with each region's share of the pixels, instead of one half everywhere.

        A small region otherwise costs the first epochs, in which a network learns no more than that most pixels are background.

        Args:
            shares: (regions,) between 0 and 1.

        Reference: Lin et al., ICCV 2017, 10.1109/ICCV.2017.324 (section 4.1).
        """
        bias = torch.from_numpy(np.clip(shares, *PREVALENCE)).logit()
        with torch.no_grad():
            for name in self.heads:
                head: Any = self.inner.get_submodule(name)
                head.bias.copy_(bias)


PREVALENCE = (0.005, 0.5)
"""Shares of the pixels at which an untrained network may start."""


def padded(image: torch.Tensor, multiple: int, least: int = 1) -> torch.Tensor:
    """The image with its border repeated behind each axis up to a multiple of that edge, and to the least edge."""
    missing = [max(edge + -edge % multiple, least) - edge for edge in image.shape[2:]]
    if not any(missing):
        return image
    pads = [part for edge in reversed(missing) for part in (0, edge)]
    return F.pad(image, pads, mode="replicate")


def any_size(inner: nn.Module, multiple: int, facts: NetworkFacts, *heads: str, least: int = 1) -> AnySize:
    """``inner`` for inputs of any size."""
    return AnySize(inner, multiple, heads, least, facts.shape if facts.dims == 3 else None)


def fetched(name: str, pretrained: bool, build: Callable[[], nn.Module]) -> nn.Module:
    """What ``build`` makes of a backbone of a library, whose trained weights may have to be fetched.

    Raises:
        RecipeError: the library has no such backbone.
        TrainingError: the weights cannot be fetched.
    """
    try:
        return build()
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        if not pretrained:
            import timm

            raise RecipeError(
                f"The backbone {name!r} cannot be built ({type(error).__name__}: {error}).",
                do=did_you_mean(name, timm.list_models()),
                code="RECIPE_VALUE",
            ) from error
        raise TrainingError(
            f"The trained weights of {name!r} could not be fetched ({type(error).__name__}).",
            do="Run once where there is a network, give training.encoder_weights a file, or leave pretrained out.",
            code="PRETRAINED_WEIGHTS",
        ) from error


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

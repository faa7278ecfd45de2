"""Bodies of the image networks: a picture in, a map of features out.

Every encoder gives (cases, features, positions), so that heads, fusion and pooling do not care whether the positions are
voxels of a volume or pixels of its views.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from core.errors import RecipeError, TrainingError, did_you_mean
from core.training.weights import load_encoder


class ResidualBlock(nn.Module):
    """Two 3 × 3 × 3 convolutions beside a short cut."""

    def __init__(self, inward: int, outward: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv3d(inward, outward, 3, stride, 1, bias=False),
            nn.GroupNorm(8, outward),
            nn.ReLU(),
            nn.Conv3d(outward, outward, 3, 1, 1, bias=False),
            nn.GroupNorm(8, outward),
        )
        same = inward == outward and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv3d(inward, outward, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(cases, outward, depth, height, width)."""
        return F.relu(self.body(x) + self.shortcut(x))


class VolumeEncoder(nn.Module):
    """A small 3-D residual network that halves the edge four times, twice at once: fine grids would take most of the time.

    Group norm, so that the answer for a case never depends on the cases beside it.

    Args:
        channels: of the picture; width: features after the stem, a multiple of 8; four times as many come out.
    """

    def __init__(self, channels: int, width: int = 16) -> None:
        super().__init__()
        self.features = 4 * width
        self.layers = nn.Sequential(
            *_stem(channels, width),
            *_stem(width, width),
            ResidualBlock(width, width, 1),
            ResidualBlock(width, 2 * width, 2),
            ResidualBlock(2 * width, 4 * width, 2),
        )
        self.to(memory_format=torch.channels_last_3d)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(cases, features, positions)."""
        return self.layers(image.contiguous(memory_format=torch.channels_last_3d)).flatten(2)


def _stem(inward: int, outward: int) -> tuple[nn.Module, ...]:
    return nn.Conv3d(inward, outward, 3, 2, 1, bias=False), nn.GroupNorm(8, outward), nn.ReLU()


class ViewEncoder(nn.Module):
    """A timm backbone on three views of the volume (from above, the front and the side); their maps stand side by side.

    A mask becomes its thickness along the line of sight, as a share of the edge; a scan the mean of its middle third.

    Args:
        backbone: name of a convolutional network of timm.
        channels: what each channel of the picture holds.
        pretrained: fetch timm's weights.

    Raises:
        RecipeError: timm has no such network, or it gives no map of features.
        TrainingError: the weights could not be fetched.
    """

    def __init__(self, backbone: str, channels: Sequence[str], pretrained: bool = False) -> None:
        super().__init__()
        self.scans = [name == "scan" for name in channels]
        self.backbone = _timm_backbone(backbone, len(channels), pretrained)
        self.features = int(self.backbone.num_features)
        self.backbone.to(memory_format=torch.channels_last)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(cases, features, positions)."""
        views = self.views(image)
        count = views.shape[1]
        maps = self.backbone.forward_features(views.flatten(0, 1).contiguous(memory_format=torch.channels_last))
        return maps.flatten(2).unflatten(0, (-1, count)).transpose(1, 2).flatten(2)

    def views(self, image: torch.Tensor) -> torch.Tensor:
        """(cases, views, channels, edge, edge); a picture of one slice has one view."""
        edge = max(image.shape[2:])
        axes = (2,) if image.shape[2] == 1 else (2, 3, 4)
        return torch.stack([_padded(self._along(image, axis), edge) for axis in axes], dim=1)

    def _along(self, image: torch.Tensor, axis: int) -> torch.Tensor:
        third = image.shape[axis] // 3
        middle = image.narrow(axis, third, image.shape[axis] - 2 * third)
        scan = torch.tensor(self.scans, device=image.device).view(1, -1, 1, 1)
        return torch.where(scan, middle.mean(axis), image.mean(axis))


def _padded(view: torch.Tensor, edge: int) -> torch.Tensor:
    high, wide = edge - view.shape[2], edge - view.shape[3]
    return F.pad(view, (wide // 2, wide - wide // 2, high // 2, high - high // 2))


def _timm_backbone(name: str, channels: int, pretrained: bool) -> nn.Module:
    import timm

    if not timm.is_model(name):
        raise RecipeError(f"timm has no network {name!r} (network.backbone).", do=did_you_mean(name, timm.list_models()))
    try:
        backbone: nn.Module = timm.create_model(name, pretrained=pretrained, in_chans=channels, num_classes=0, global_pool="")
    except (OSError, RuntimeError, ValueError) as error:
        if not pretrained:
            raise _unfit(name) from error
        raise TrainingError(
            f"The weights of timm's {name!r} could not be fetched ({type(error).__name__}).",
            do="Run once where there is a network, set network.encoder_weights to a safetensors file, or pretrained: false.",
            code="PRETRAINED_WEIGHTS",
        ) from error
    _require_map(backbone, name, channels)
    return backbone


def _require_map(backbone: nn.Module, name: str, channels: int) -> None:
    try:
        with torch.no_grad():
            axes = backbone.eval().forward_features(torch.zeros(1, channels, 32, 32)).ndim
    except (AssertionError, RuntimeError) as error:
        raise _unfit(name) from error
    if axes != 4:
        raise _unfit(name)
    backbone.train()


def _unfit(name: str) -> RecipeError:
    return RecipeError(
        f"timm's {name!r} gives no map of features of a small view.", do="Choose a convolutional network (resnet18)."
    )


def make_encoder(kind: str, channels: Sequence[str], settings: Mapping[str, object]) -> VolumeEncoder | ViewEncoder:
    """The encoder that a recipe asks for, with the weights of ``encoder_weights`` where they are given.

    Args:
        kind: ``cnn3d`` or ``timm2d``; settings: a recipe's network fields.

    Raises:
        RecipeError: no such kind, or weights that do not fit.
    """
    encoder: VolumeEncoder | ViewEncoder
    if kind == "cnn3d":
        encoder = VolumeEncoder(len(channels), int(str(settings.get("width", 16))))
    elif kind == "timm2d":
        encoder = ViewEncoder(str(settings.get("backbone", "resnet18")), channels, bool(settings.get("pretrained", False)))
    else:
        raise RecipeError(f"There is no encoder {kind!r}.", do=did_you_mean(kind, ("cnn3d", "timm2d")))
    if settings.get("encoder_weights"):
        load_encoder(encoder, Path(str(settings["encoder_weights"])))
    return encoder

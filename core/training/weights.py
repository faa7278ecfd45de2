"""Trained encoders as safetensors files, out and in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from core.errors import RecipeError
from core.storage.atomic import atomic_path
from core.storage.locations import ROOT

PREFIXES = ("", "encoder.", "backbone.", "encoder.backbone.", "module.", "inner.", "inner.encoder.")


def export_encoder(encoder: nn.Module, path: Path, channels: Sequence[int] = ()) -> None:
    """Writes the weights of an encoder, for ``network.encoder_weights`` of another study.

    Args:
        channels: places of the picture's channels that are kept, in the order of the other study; empty: all. The encoder then
            answers as to a picture in which the others are empty.
    """
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in encoder.state_dict().items()}
    if channels:
        first = next(iter(weights))
        weights[first] = weights[first][:, list(channels)].contiguous()
    with atomic_path(path) as temporary:
        save_file(weights, temporary)


def load_encoder(encoder: nn.Module, path: Path, *, any_channels: bool = False) -> None:
    """Puts the weights of a file into an encoder; the file may hold more (heads, a decoder) and may prefix its names.

    Args:
        any_channels: whether the file may come from pictures of another number of channels; the first convolution then answers to
            a grey picture as before. Not for channels with a meaning of their own.

    Raises:
        RecipeError: no such file, not safetensors, a weight is missing, or one has another shape.
    """
    found = _read(path)
    wanted = encoder.state_dict()
    prefix = max(PREFIXES, key=lambda start: sum(start + name in found for name in wanted))
    weights = {}
    for name, tensor in wanted.items():
        if prefix + name not in found:
            raise RecipeError(
                f"{path.name} holds no weight {name!r}, which the encoder has.",
                do="Give the weights of the same encoder (network.backbone).",
                code="ENCODER_WEIGHTS",
            )
        given = found[prefix + name]
        if any_channels and name == next(iter(wanted)):
            given = _for_channels(given, tensor)
        elif given.numel() == tensor.numel() == 1:  # a bundle keeps a single number as a row of one
            given = given.reshape(tensor.shape)
        if given.shape != tensor.shape:
            raise RecipeError(
                f"{path.name}: {name!r} has shape {tuple(given.shape)}; the encoder expects {tuple(tensor.shape)}.",
                do="Use the same encoder, channels and width as the file was trained with.",
                code="ENCODER_WEIGHTS",
            )
        weights[name] = given
    encoder.load_state_dict(weights)


def _for_channels(given: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """A first convolution (out, channels, *kernel) for another number of channels: a grey picture gives the same answers."""
    alike = given.ndim == wanted.ndim >= 4 and given.shape[0] == wanted.shape[0] and given.shape[2:] == wanted.shape[2:]
    if not alike or given.shape[1] == wanted.shape[1]:
        return given
    return given.float().sum(dim=1, keepdim=True).expand_as(wanted) / wanted.shape[1]


def _read(path: Path) -> dict[str, torch.Tensor]:
    """The weights of a file; a path that is not there from here is looked for from the top of the installation, as recipes
    that ship write it."""
    found = path if path.is_absolute() or path.exists() else ROOT / path
    try:
        weights: dict[str, torch.Tensor] = load_file(found)
    except (OSError, SafetensorError) as error:
        raise RecipeError(
            f"The encoder weights {path} cannot be read: {error}.",
            do="Give encoder_weights the path of a safetensors file.",
            code="ENCODER_WEIGHTS",
        ) from error
    return weights

"""Trained encoders as safetensors files, out and in."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from core.errors import RecipeError
from core.storage.atomic import atomic_path

PREFIXES = ("", "encoder.", "backbone.", "encoder.backbone.", "module.")


def export_encoder(encoder: nn.Module, path: Path) -> None:
    """Writes the weights of an encoder, for ``network.encoder_weights`` of another study."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in encoder.state_dict().items()}
    with atomic_path(path) as temporary:
        save_file(weights, temporary)


def load_encoder(encoder: nn.Module, path: Path) -> None:
    """Puts the weights of a file into an encoder; the file may hold more (heads, a decoder) and may prefix its names.

    Raises:
        RecipeError: no such file, not safetensors, a weight is missing, or one has another shape.
    """
    found = _read(path)
    wanted = encoder.state_dict()
    prefix = max(PREFIXES, key=lambda start: sum(start + name in found for name in wanted))
    for name, tensor in wanted.items():
        if prefix + name not in found:
            raise RecipeError(
                f"{path.name} holds no weight {name!r}, which the encoder has.",
                do="Give the weights of the same encoder (network.backbone).",
                code="ENCODER_WEIGHTS",
            )
        given = found[prefix + name]
        if given.shape != tensor.shape:
            raise RecipeError(
                f"{path.name}: {name!r} has shape {tuple(given.shape)}; the encoder expects {tuple(tensor.shape)}.",
                do="Use the same encoder, channels and width as the file was trained with.",
                code="ENCODER_WEIGHTS",
            )
    encoder.load_state_dict({name: found[prefix + name] for name in wanted})


def _read(path: Path) -> dict[str, torch.Tensor]:
    try:
        weights: dict[str, torch.Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise RecipeError(
            f"The encoder weights {path} cannot be read: {error}.",
            do="Give network.encoder_weights the path of a safetensors file.",
            code="ENCODER_WEIGHTS",
        ) from error
    return weights

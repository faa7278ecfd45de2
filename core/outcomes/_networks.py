"""Networks from a picture, a record, or both, to the logits of all outcomes.

Each takes ``Batch.tensors`` and gives (cases, columns). A missing picture or record is replaced by an embedding that is
learned while modalities are dropped in training; the placeholder in the batch is never looked at.

Reference: Perez et al., AAAI 2018, 10.1609/aaai.v32i1.11671 (FiLM).
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from core.outcomes._encoders import ViewEncoder, VolumeEncoder

Encoder = VolumeEncoder | ViewEncoder

RECORD_FEATURES = 32
IMAGE_FEATURES = 32


def pooled(maps: torch.Tensor) -> torch.Tensor:
    """(cases, 2 × features): mean and largest value over the positions."""
    return torch.cat([maps.mean(dim=2), maps.amax(dim=2)], dim=1)


def encoded(encoder: Encoder, image: torch.Tensor, present: torch.Tensor, missing: torch.Tensor) -> torch.Tensor:
    """(cases, features, positions): maps of the cases that have a picture, ``missing`` (features, 1) for the others.

    Only pictures that are there pass through the encoder, so that placeholders enter no batch norm.
    """
    if not bool(present.any()):
        return missing.expand(len(image), -1, 1)
    found = encoder(image[present])
    maps = missing.to(found.dtype).expand(len(image), -1, found.shape[2]).clone()
    maps[present] = found
    return maps


class Head(nn.Module):
    """Logits of all columns; before anything is learned they are the rates of the training cases."""

    def __init__(self, features: int, prior: NDArray[np.float64]) -> None:
        super().__init__()
        self.linear = nn.Linear(features, len(prior))
        nn.init.normal_(self.linear.weight, std=0.01)
        with torch.no_grad():
            self.linear.bias.copy_(torch.from_numpy(prior))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(cases, columns)."""
        return self.linear(features)


class RecordLayer(nn.Module):
    """A layer over the encoded record, or what was learned for "no record"."""

    def __init__(self, columns: int, features: int = RECORD_FEATURES) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(columns, features), nn.GELU(), nn.Dropout(0.2))
        self.missing = nn.Parameter(torch.zeros(features))

    def forward(self, record: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """(cases, features)."""
        return torch.where(present.unsqueeze(1), self.layers(record), self.missing)


class ImageNetwork(nn.Module):
    """The picture alone."""

    def __init__(self, encoder: Encoder, columns: int, prior: NDArray[np.float64]) -> None:
        super().__init__()
        self.encoder = encoder
        self.missing_image = nn.Parameter(torch.zeros(encoder.features, 1))
        self.image = nn.Sequential(nn.Dropout(0.2), Head(2 * encoder.features, prior))

    def forward(
        self, image: torch.Tensor, has_image: torch.Tensor, record: torch.Tensor, has_record: torch.Tensor
    ) -> torch.Tensor:
        """(cases, columns)."""
        return self.image(pooled(encoded(self.encoder, image, has_image, self.missing_image)))


class JointNetwork(nn.Module):
    """Features of picture and record side by side."""

    def __init__(self, encoder: Encoder, columns: int, prior: NDArray[np.float64]) -> None:
        super().__init__()
        self.encoder = encoder
        self.record = RecordLayer(columns)
        self.image = nn.Sequential(nn.Linear(2 * encoder.features, IMAGE_FEATURES), nn.GELU(), nn.Dropout(0.2))
        self.missing_image = nn.Parameter(torch.zeros(encoder.features, 1))
        self.head = Head(IMAGE_FEATURES + RECORD_FEATURES, prior)

    def forward(
        self, image: torch.Tensor, has_image: torch.Tensor, record: torch.Tensor, has_record: torch.Tensor
    ) -> torch.Tensor:
        """(cases, columns)."""
        seen = self.image(pooled(encoded(self.encoder, image, has_image, self.missing_image)))
        return self.head(torch.cat([seen, self.record(record, has_record)], dim=1))


class FilmNetwork(nn.Module):
    """The record scales and shifts every feature of the picture's map, before it is pooled."""

    def __init__(self, encoder: Encoder, columns: int, prior: NDArray[np.float64]) -> None:
        super().__init__()
        self.encoder = encoder
        self.record = RecordLayer(columns)
        self.film = nn.Linear(RECORD_FEATURES, 2 * encoder.features)
        self.missing_image = nn.Parameter(torch.zeros(encoder.features, 1))
        self.head = Head(2 * encoder.features, prior)

    def forward(
        self, image: torch.Tensor, has_image: torch.Tensor, record: torch.Tensor, has_record: torch.Tensor
    ) -> torch.Tensor:
        """(cases, columns)."""
        maps = encoded(self.encoder, image, has_image, self.missing_image)
        scale, shift = self.film(self.record(record, has_record)).unsqueeze(2).chunk(2, dim=1)
        return self.head(pooled(F.relu(maps * (1 + scale) + shift)))


NETWORKS: dict[str, type[ImageNetwork] | type[JointNetwork] | type[FilmNetwork]] = {
    "image": ImageNetwork,
    "joint": JointNetwork,
    "film": FilmNetwork,
}

"""Domain adaptation of images, learned from training items alone: histograms or moments matched to theirs.

Test-time normalisation belongs to networks: their batch statistics are estimated again on the items to be outlined
(``adapt_statistics``).

Reference: Nyúl et al., IEEE TMI 2000, 10.1109/42.836373 (histogram landmarks); Nado et al. 2020, arXiv:2006.10963 (test-time
batch statistics).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.contracts.pictures import Pictures

Array = NDArray[np.float32]
LANDMARKS = np.linspace(1, 99, 15)
MOST_ITEMS = 300


@dataclass(frozen=True)
class Adaptation:
    """How an image is matched to the training images.

    Args:
        kind: ``none``, ``histogram``, ``intensity`` or ``test_time_norm`` (which leaves images as they are).
        landmarks: (channels, 15) mean percentiles of the training images; moments: (channels, 2) mean and spread.
    """

    kind: str
    landmarks: Array = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float32))
    moments: Array = field(default_factory=lambda: np.zeros((0, 2), dtype=np.float32))

    def apply(self, image: Array) -> Array:
        """(channels, *grid), adapted."""
        if self.kind == "histogram":
            return np.stack([_matched(channel, marks) for channel, marks in zip(image, self.landmarks)])
        if self.kind == "intensity":
            return np.stack([_moved(channel, *moments) for channel, moments in zip(image, self.moments)])
        return image


def make_adaptation(kind: str, train: Pictures) -> Adaptation:
    """What the training images look like, from at most 300 of them."""
    if kind not in ("histogram", "intensity"):
        return Adaptation(kind)
    step = max(1, len(train) // MOST_ITEMS)
    images = [train.image(at) for at in range(0, len(train), step)]
    flat = [image.reshape(len(image), -1) for image in images]
    landmarks = np.mean([np.percentile(channels, LANDMARKS, axis=1).T for channels in flat], axis=0)
    moments = np.mean([np.stack([channels.mean(axis=1), channels.std(axis=1)], axis=1) for channels in flat], axis=0)
    return Adaptation(kind, landmarks.astype(np.float32), moments.astype(np.float32))


def _matched(channel: Array, marks: Array) -> Array:
    """Piecewise linear from the channel's percentiles to the training ones; beyond the ends by the same shift."""
    own = np.percentile(channel, LANDMARKS)
    rising = np.concatenate([[True], np.diff(own) > 1e-6])
    own, aim = own[rising], marks[rising]
    inside = np.interp(channel, own, aim)
    below, above = channel < own[0], channel > own[-1]
    return np.asarray(inside + below * (channel - own[0]) + above * (channel - own[-1]), dtype=np.float32)


def _moved(channel: Array, mean: float, spread: float) -> Array:
    own = float(channel.std())
    return np.asarray((channel - channel.mean()) / (own + 1e-6) * spread + mean, dtype=np.float32)


def adapt_statistics(network: Any, images: Iterable[Any]) -> None:
    """The network's running batch statistics, estimated again on these batches (n, channels, *grid); weights stay."""
    import torch

    network.eval()
    norms = [part for part in network.modules() if isinstance(part, torch.nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    pace = [part.momentum for part in norms]
    for part in norms:
        part.reset_running_stats()
        part.momentum = None  # the plain mean over all batches
        part.train()
    with torch.no_grad():
        for batch in images:
            network(batch)
    for part, momentum in zip(norms, pace):
        part.momentum = momentum
    network.eval()

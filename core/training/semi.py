"""Learning from items without masks: pseudo-labels, or a mean teacher.

Both ask a teacher what it sees in a changed picture and let the network agree with it; the weight of that rises over the
first part of the training, when a teacher knows little.

Reference: Tarvainen & Valpola, NeurIPS 2017, arXiv:1703.01780 (mean teacher); Lee, ICML workshop 2013 (pseudo-labels).
"""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import nn

DECAY = 0.99
SURE = 0.3
"""A pseudo-label counts where the chance is at least this far from one half."""
RAMP = 0.4
"""Share of the training over which the weight rises to 1."""


class Teacher:
    """What the network is to agree with on items that nobody drew.

    Args:
        kind: ``mean_teacher``: a running mean of the network's weights; ``pseudo_labels``: the network as it was at the end of
            the last epoch, its sure answers taken as masks.
    """

    def __init__(self, kind: str, network: nn.Module) -> None:
        self.kind = kind
        self.network = copy.deepcopy(network).eval()
        for weight in self.network.parameters():
            weight.requires_grad_(False)

    def follow(self, network: nn.Module, *, end_of_epoch: bool) -> None:
        """Moves the teacher after a step of the network."""
        if self.kind == "mean_teacher":
            self._mix(network, DECAY)
        elif end_of_epoch:
            self._mix(network, 0.0)

    @torch.no_grad()
    def _mix(self, network: nn.Module, keep: float) -> None:
        now = network.state_dict()
        for name, kept in self.network.state_dict().items():
            if kept.dtype.is_floating_point:
                kept.mul_(keep).add_(now[name].detach(), alpha=1 - keep)
            else:
                kept.copy_(now[name])

    def loss(self, model: Any, image: torch.Tensor, done: float) -> torch.Tensor:
        """How far the network is from its teacher on these pictures, weighted by how far training has come."""
        with torch.no_grad():
            told = self.network(image).float().sigmoid()
        said = model(image).float().sigmoid()
        weight = math.exp(-5 * (1 - min(done / RAMP, 1.0)) ** 2)
        if self.kind == "mean_teacher":
            return weight * ((said - told) ** 2).mean()
        sure = ((told - 0.5).abs() >= SURE).float()
        wrong = nn.functional.binary_cross_entropy(said.clamp(1e-6, 1 - 1e-6), (told >= 0.5).float(), reduction="none")
        return weight * (wrong * sure).sum() / sure.sum().clamp(min=1.0)

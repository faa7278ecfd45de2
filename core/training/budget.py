"""How much of its training a network has had, and what the learning rate is then."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

import torch


def _clock(device: str) -> float:
    if device.startswith("cuda"):
        return time.monotonic()
    return time.process_time() / torch.get_num_threads()


@dataclass
class Budget:
    """A budget of minutes: processor time a thread on a CPU, so that a busy machine is no disadvantage; clock time on a GPU.

    Args:
        minutes: the budget; used: minutes that an earlier part of the same fit has used;
            started_at: on the monotonic clock.
    """

    minutes: float
    device: str
    used: float = 0.0
    started_at: float = field(init=False)
    _started: float = field(init=False)

    def __post_init__(self) -> None:
        self._started, self.started_at = _clock(self.device), time.monotonic()

    @property
    def spent(self) -> float:
        """Minutes used so far."""
        return self.used + (_clock(self.device) - self._started) / 60

    @property
    def share(self) -> float:
        """Share of the budget used so far; above 1 once it is over."""
        return self.spent / self.minutes


def rate_factor(schedule: str, done: float, warmup: float) -> float:
    """The learning rate as a share of the full one.

    Args:
        schedule: ``cosine`` to 0, ``poly`` (power 0.9), ``step`` (a tenth from 60 %, a hundredth from 85 %), ``constant``.
        done: share of the training done, 0 to 1; warmup: share over which the rate rises from a hundredth.
    """
    rise = min(1.0, 0.01 + done / warmup) if warmup > 0 else 1.0
    done = min(done, 1.0)
    if schedule == "cosine":
        return rise * 0.5 * (1 + math.cos(math.pi * done))
    if schedule == "poly":
        return rise * (1 - done) ** 0.9
    if schedule == "step":
        return rise * (1.0 if done < 0.6 else 0.1 if done < 0.85 else 0.01)
    return rise

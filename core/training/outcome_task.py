"""Training a network of outcomes, and letting it forecast."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from core.errors import TrainingError
from core.training.augmentation import augment
from core.training.batches import NetworkInput, Rows, in_batches
from core.training.budget import Budget
from core.training.device import start_fabric
from core.training.loop import Draws, Ears, Plan, Training
from core.training.settings import TrainingSettings
from core.training.splits import set_aside
from core.training.trials import Trials

PICTURE_PARTS = ("encoder.", "image.")
"""Parts of a network that read pictures, by the start of their weights' names."""


@dataclass(frozen=True)
class TrainingData:
    """What a network learns from: input, outcomes and patients, row by row."""

    inputs: NetworkInput
    trials: Trials
    patients: NDArray[np.str_]


@dataclass(frozen=True)
class TrainingReport:
    """How training went.

    Args:
        epochs: run; best_epoch: whose weights were kept (counted from 1).
        training_loss, validation_loss: by epoch; the second is empty where nobody was set aside.
        seconds: in all.
    """

    epochs: int
    best_epoch: int
    training_loss: tuple[float, ...]
    validation_loss: tuple[float, ...]
    seconds: float


def train_outcomes(
    network: nn.Module,
    data: TrainingData,
    settings: TrainingSettings,
    *,
    seed: int,
    device: str = "cpu",
    progress: Callable[[str, float], None] | None = None,
) -> TrainingReport:
    """How training went; ``network`` holds the weights of the epoch with the lowest validation loss.

    Patients set aside for validation come from ``data`` itself. Call it inside ``reproducible``.

    Args:
        network: takes ``Batch.tensors``, gives (cases, columns of ``data.trials``) logits.
        device: ``cpu`` or ``cuda``; bf16 is used on CUDA alone.

    Raises:
        TrainingError: no case with a known outcome, or a loss that is not finite.
    """
    known = np.flatnonzero(data.trials.known)
    if len(known) == 0:
        raise TrainingError("No training case has a known outcome.", do="Check which cases are eligible.", code="NO_TARGETS")
    split = set_aside(data.patients[known], data.trials.any_event()[known], settings.validation_share, seed)
    fabric = start_fabric(device, "bf16-mixed" if device == "cuda" else "32-true")
    weights = torch.from_numpy(data.trials.weights).float().to(fabric.device)
    task = OutcomeTask(data, settings, known[split.kept], known[split.aside], weights)
    optimizer = torch.optim.AdamW(_parameter_groups(network, settings), weight_decay=settings.weight_decay)
    plan = Plan(settings.epochs, Budget(math.inf, device), _rate_over(settings.epochs), settings.clip_norm, settings.patience)
    done = Training.start(fabric, network, optimizer, task, plan, seed=seed, ears=Ears(progress)).run()
    return TrainingReport(done.epochs, done.best_epoch, done.losses, tuple(-score for score in done.scores), done.seconds)


@dataclass(frozen=True)
class OutcomeTask:
    """Outcomes from a picture and a record (``core.training.loop.Task``).

    Args:
        training, aside: rows that are learned from, and those set aside; weights: (columns,) of the loss.
    """

    data: TrainingData
    settings: TrainingSettings
    training: Rows
    aside: Rows
    weights: torch.Tensor
    companions: Mapping[str, nn.Module] = field(default_factory=dict)

    @property
    def shared(self) -> Mapping[str, object]:
        """Settings and rows."""
        return {**asdict(self.settings), "rows": self.training.tolist()}

    @property
    def sets_aside(self) -> bool:
        """Whether patients are set aside."""
        return len(self.aside) > 0

    def batches(self, order: np.random.Generator) -> Sequence[Rows]:
        """Every row once."""
        return list(in_batches(order.permutation(self.training), self.settings.batch_size))

    def loss(self, model: Any, rows: Rows, draws: Draws, done: float) -> torch.Tensor:
        """Of cases turned, moved and zoomed, some shown without their picture or their record."""
        images = self.data.inputs.images
        batch = self.data.inputs.batch(rows, self.weights.device)
        channels = images.channels if images is not None else ()
        batch = batch.with_image(augment(batch.image, channels, self.settings, draws.device))
        batch = batch.without_some(self.settings.modality_dropout, draws.device)
        return self._trial_loss(model(*batch.tensors), rows)

    def _trial_loss(self, logits: torch.Tensor, rows: Rows) -> torch.Tensor:
        trials = self.data.trials.pick(rows)
        counts, events = (torch.from_numpy(part).float().to(self.weights.device) for part in (trials.counts, trials.events))
        return trial_loss(logits, counts, events, self.weights)

    def score(self, model: Any) -> float:
        """Minus the mean loss of the patients set aside."""
        total = 0.0
        with torch.no_grad():
            for rows in in_batches(self.aside, 2 * self.settings.batch_size):
                batch = self.data.inputs.batch(rows, self.weights.device)
                total += float(self._trial_loss(model(*batch.tensors), rows)) * len(rows)
        return -total / len(self.aside)

    def follow(self, *, end_of_epoch: bool) -> None:
        """Nothing follows."""

    def words(self, score: float) -> str:
        """The loss."""
        return f"validation loss {-score:.3f}"


def _rate_over(epochs: int) -> Callable[[float, float], float]:
    """Half a cosine from the full rate to 0, after a rise within the first epoch."""

    def rate(full: float, done: float) -> float:
        rise = min(1.0, done * epochs + 0.1)
        return full * rise * 0.5 * (1 + math.cos(math.pi * done))

    return rate


def _parameter_groups(network: nn.Module, settings: TrainingSettings) -> list[dict[str, Any]]:
    """What reads pictures at the learning rate, everything else at a multiple of it."""
    body = [weight for name, weight in network.named_parameters() if name.startswith(PICTURE_PARTS)]
    rest = [weight for name, weight in network.named_parameters() if not name.startswith(PICTURE_PARTS)]
    rates = (settings.learning_rate, settings.learning_rate * settings.head_rate)
    return [{"params": weights, "full_rate": rate, "lr": rate} for weights, rate in zip((body, rest), rates) if weights]


def trial_loss(logits: torch.Tensor, counts: torch.Tensor, events: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Mean over cases of the weighted negative log-likelihood; columns without a trial count nothing.

    Args:
        logits, counts, events: (cases, columns); weights: (columns,).
    """
    return ((counts * F.softplus(logits.float()) - events * logits.float()) * weights).sum(dim=1).mean()


def predict_logits(network: nn.Module, inputs: NetworkInput, batch_size: int, device: str) -> NDArray[np.float64]:
    """(cases, columns) logits of a trained network, in full precision."""
    network.to(device).eval()
    parts = []
    with torch.no_grad():
        for rows in in_batches(np.arange(len(inputs.case_ids)), 2 * batch_size):
            parts.append(network(*inputs.batch(rows, torch.device(device)).tensors).double().cpu().numpy())
    return np.concatenate(parts)

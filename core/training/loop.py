"""The one training loop."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import nn

from core.errors import TrainingError
from core.training.augmentation import augment
from core.training.batches import NetworkInput, Rows, in_batches
from core.training.settings import TrainingSettings
from core.training.splits import set_aside
from core.training.trials import Trials

Progress = Callable[[str, float], None]


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


def train(
    network: nn.Module,
    data: TrainingData,
    settings: TrainingSettings,
    *,
    seed: int,
    device: str = "cpu",
    progress: Progress | None = None,
) -> TrainingReport:
    """How training went; ``network`` holds the weights of the epoch with the lowest validation loss.

    Patients set aside for validation come from ``data`` itself. Call it inside ``reproducible``.

    Args:
        network: takes ``Batch.tensors``, gives (cases, columns of ``data.trials``) logits.
        device: ``cpu`` or ``cuda``; bf16 is used on CUDA alone.

    Raises:
        TrainingError: no case with a known outcome, or a loss that is not finite.
    """
    started = time.monotonic()
    known = np.flatnonzero(data.trials.known)
    if len(known) == 0:
        raise TrainingError("No training case has a known outcome.", do="Check which cases are eligible.", code="NO_TARGETS")
    split = set_aside(data.patients[known], data.trials.any_event()[known], settings.validation_share, seed)
    training, validation = known[split.kept], known[split.aside]
    fabric = Fabric(accelerator=device, devices=1, precision="bf16-mixed" if device == "cuda" else "32-true")
    steps = Steps.start(fabric, network, data, settings, seed)
    losses: list[float] = []
    checks: list[float] = []
    best, best_epoch = math.inf, 0
    kept: dict[str, Any] = {}
    for epoch in range(1, settings.epochs + 1):
        losses.append(steps.learn(training, epoch))
        if len(validation):
            checks.append(steps.loss(validation))
        latest = checks[-1] if len(validation) else -float(epoch)
        if latest < best:
            best, best_epoch, kept = latest, epoch, copy.deepcopy(network.state_dict())
        if progress:
            progress(f"epoch {epoch} of {settings.epochs}", epoch / settings.epochs)
        if epoch - best_epoch >= settings.patience:
            break
    network.load_state_dict(kept)
    return TrainingReport(len(losses), best_epoch, tuple(losses), tuple(checks), time.monotonic() - started)


@dataclass(frozen=True)
class Steps:
    """The parts of an epoch."""

    fabric: Fabric
    model: Any
    optimizer: Any
    data: TrainingData
    settings: TrainingSettings
    weights: torch.Tensor
    generator: torch.Generator
    order: np.random.Generator

    @staticmethod
    def start(fabric: Fabric, network: nn.Module, data: TrainingData, settings: TrainingSettings, seed: int) -> Steps:
        """Network and optimiser on the device, with their own streams of randomness."""
        optimizer = torch.optim.AdamW(_parameter_groups(network, settings), weight_decay=settings.weight_decay)
        model, optimizer = fabric.setup(network, optimizer)
        weights = torch.from_numpy(data.trials.weights).float().to(fabric.device)
        generator = torch.Generator(device=fabric.device).manual_seed(seed)
        return Steps(fabric, model, optimizer, data, settings, weights, generator, np.random.default_rng([seed, 3]))

    def learn(self, rows: Rows, epoch: int) -> float:
        """Mean loss of one pass over the rows, in a fresh order, with a step of the optimiser a batch.

        Raises:
            TrainingError: a loss that is not finite.
        """
        self.model.train()
        batches = list(in_batches(self.order.permutation(rows), self.settings.batch_size))
        total = 0.0
        for number, chosen in enumerate(batches):
            self._set_rate((epoch - 1 + number / len(batches)) / self.settings.epochs)
            loss = self._batch_loss(chosen, augmented=True)
            value = _finite(float(loss.detach()), f"epoch {epoch}, batch {number + 1}")
            self.fabric.backward(loss)
            self.fabric.clip_gradients(self.model, self.optimizer, max_norm=self.settings.clip_norm, error_if_nonfinite=False)
            self.optimizer.step()
            self.optimizer.zero_grad()
            total += value * len(chosen)
        return total / len(rows)

    def loss(self, rows: Rows) -> float:
        """Mean loss of rows that nothing is learned from.

        Raises:
            TrainingError: a loss that is not finite.
        """
        self.model.eval()
        with torch.no_grad():
            parts = [float(self._batch_loss(chosen, augmented=False)) * len(chosen) for chosen in self._plain(rows)]
        return _finite(sum(parts) / len(rows), "validation")

    def _plain(self, rows: Rows) -> Iterator[Rows]:
        return in_batches(rows, 2 * self.settings.batch_size)

    def _set_rate(self, done: float) -> None:
        """Half a cosine from the full rate to 0, after a rise within the first epoch."""
        rise = min(1.0, done * self.settings.epochs + 0.1)
        for group in self.optimizer.param_groups:
            group["lr"] = group["full_rate"] * rise * 0.5 * (1 + math.cos(math.pi * done))

    def _batch_loss(self, rows: Rows, *, augmented: bool) -> torch.Tensor:
        batch = self.data.inputs.batch(rows, self.fabric.device)
        if augmented:
            channels = self.data.inputs.images.channels if self.data.inputs.images is not None else ()
            batch = batch.with_image(augment(batch.image, channels, self.settings, self.generator))
            batch = batch.without_some(self.settings.modality_dropout, self.generator)
        trials = self.data.trials.pick(rows)
        counts, events = (torch.from_numpy(part).float().to(self.fabric.device) for part in (trials.counts, trials.events))
        return trial_loss(self.model(*batch.tensors), counts, events, self.weights)


def _finite(loss: float, where: str) -> float:
    if not math.isfinite(loss):
        raise TrainingError(
            f"The loss became {loss} in {where}.",
            do="Lower network.learning_rate, and look for wrong values in the record.",
            code="LOSS_NOT_FINITE",
        )
    return loss


PICTURE_PARTS = ("encoder.", "image.")
"""Parts of a network that read pictures, by the start of their weights' names."""


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

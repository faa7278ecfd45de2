"""The one training loop: every network goes through ``Training``, whatever it learns.

What is learned is a ``Task``; how long, how fast and when those set aside are looked at is a ``Plan``. Under ``torchrun`` each
process takes its share of every batch (``core.training.device.start_fabric``).
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import nn

from core.errors import TrainingError
from core.training.budget import Budget
from core.training.checkpoint import Checkpoint, State

Rows = NDArray[np.intp]
Listener = Callable[[str, float], None]

PACES = 200
LOOKS_SHARE = 0.08
"""Looks are spread so that they take no more than this share of the budget."""


@dataclass(frozen=True)
class Draws:
    """All randomness of a training besides that of the network.

    Args:
        order: of the rows, the same in all processes; rng, device: what is drawn within a batch, on the CPU and on the device.
    """

    order: np.random.Generator
    rng: np.random.Generator
    device: torch.Generator

    @staticmethod
    def of(seed: int, device: torch.device, process: int = 0) -> Draws:
        """Streams of their own for this seed, and within batches for this process."""
        generator = torch.Generator(device=device).manual_seed(seed + 1_000_003 * process)
        return Draws(np.random.default_rng([seed, 3]), np.random.default_rng([seed, 5, process]), generator)


class Task(Protocol):
    """What a network learns from some rows, and how good it is at it."""

    @property
    def companions(self) -> Mapping[str, nn.Module]:
        """Other networks whose weights are part of the training's state."""

    @property
    def shared(self) -> Mapping[str, object]:
        """Plain data that a resumed training must share with the killed one."""

    @property
    def sets_aside(self) -> bool:
        """Whether there are rows to look at that nothing is learned from."""

    def batches(self, order: np.random.Generator) -> Sequence[Rows]:
        """The rows of one epoch, in a fresh order."""

    def loss(self, model: Any, rows: Rows, draws: Draws, done: float) -> torch.Tensor:
        """Mean loss of a batch, its rows changed by augmentation; ``done``: share of the training done."""

    def score(self, model: Any) -> float:
        """How good the network is on the rows set aside; higher is better."""

    def follow(self, *, end_of_epoch: bool) -> None:
        """Called after each step of the optimiser and at the end of each epoch."""

    def words(self, score: float) -> str:
        """The score as people read it."""


@dataclass(frozen=True)
class Plan:
    """How long, how fast, and when those set aside are looked at.

    Args:
        epochs: passes over the rows at most; budget: minutes at most; whichever ends first.
        rate: the learning rate, from the full one (``full_rate`` of each of the optimiser's groups) and the share done.
        clip_norm: largest norm of a gradient.
        patience: epochs without a better score after which training stops.
        looks: at those set aside, spread over the training from ``first_look`` (a share of it) on; 0: one an epoch.
    """

    epochs: int
    budget: Budget
    rate: Callable[[float, float], float]
    clip_norm: float
    patience: int
    looks: int = 0
    first_look: float = 0.0


@dataclass(frozen=True)
class Course:
    """How a training went.

    Args:
        best_epoch: whose weights were kept, counted from 1.
        losses: by epoch; scores: by look.
        minutes: as the budget counts them; seconds: by the clock.
    """

    epochs: int
    best_epoch: int
    losses: tuple[float, ...]
    scores: tuple[float, ...]
    minutes: float
    seconds: float


@dataclass(frozen=True)
class Ears:
    """Who is told: ``progress`` of every epoch in words, ``on_look`` of every look (share done, score)."""

    progress: Listener | None = None
    on_look: Callable[[float, float], None] | None = None


@dataclass
class Training:
    """A training under way. Start and run it inside ``reproducible``."""

    fabric: Fabric
    network: nn.Module
    model: Any
    optimizer: Any
    task: Task
    plan: Plan
    draws: Draws
    checkpoint: Checkpoint
    ears: Ears
    started: float = field(default_factory=time.monotonic)
    epochs: int = 0
    losses: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    best_epoch: int = 0
    best: dict[str, torch.Tensor] = field(default_factory=dict)
    next_look: float = math.inf
    looked: bool = True
    stopped: bool = False

    @staticmethod
    def start(
        fabric: Fabric,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        task: Task,
        plan: Plan,
        *,
        seed: int,
        checkpoint: Path | None = None,
        compiled: bool = False,
        ears: Ears = Ears(),
    ) -> Training:
        """Network and optimiser set up on the device, at the start or where a killed training was last kept.

        Args:
            optimizer: whose groups name their ``full_rate``.
            checkpoint: a path beside which the state is kept, so that a killed training goes on; None: it is not.

        Raises:
            TrainingError: the checkpoint is of another training.
            CorruptError: there are checkpoints and none can be read.
        """
        model, set_up = fabric.setup(torch.compile(network) if compiled else network, optimizer)
        if fabric.world_size > 1 and hasattr(network, "training_loss"):
            model.mark_forward_method("training_loss")
        draws = Draws.of(seed, fabric.device, fabric.global_rank)
        training = Training(fabric, network, model, set_up, task, plan, draws, Checkpoint(checkpoint), ears)
        training.next_look = plan.first_look if plan.looks else math.inf
        training.resume()
        return training

    def run(self) -> Course:
        """How it went; ``network`` holds the weights with the highest score, or the last where nobody is set aside.

        Raises:
            TrainingError: a loss that is not finite.
        """
        while self.goes_on:
            self.epoch()
        return self.finish()

    @property
    def goes_on(self) -> bool:
        """Whether another epoch is to be run."""
        return not self.stopped and self.done() < 1

    def done(self, within: float = 0.0) -> float:
        """Share of the training done: of the budget, in whole two-hundredths, or of the epochs, whichever is further.

        A budget in processor time is never spent alike twice; where the epochs end first, the same seed gives the same weights.

        Args:
            within: share of the present epoch.
        """
        spent: float = self._agreed(self.plan.budget.share)
        return max(math.floor(PACES * spent) / PACES, (self.epochs + within) / self.plan.epochs)

    def _agreed(self, value: float) -> float:
        """The first process's value, where there are several."""
        return float(self.fabric.broadcast(value)) if self.fabric.world_size > 1 else value

    def epoch(self) -> None:
        """One pass over the rows, or what the budget allows of it."""
        self.model.train()
        batches = self.task.batches(self.draws.order)
        total, seen = 0.0, 0
        for number, rows in enumerate(batches):
            total += len(rows) * self._step(rows, number, self.done(number / len(batches)))
            seen += len(rows)
            self._look_if_due((number + 1) / len(batches))
            if self.stopped or self.done() >= 1:
                break
        self.epochs += 1
        self.losses.append(total / seen)
        self.task.follow(end_of_epoch=True)
        if not self.plan.looks or not self.goes_on:
            self._look(self.epochs, self.done())
        self._say()
        if self.goes_on and self.fabric.is_global_zero:
            self.checkpoint.save(self._state())

    def _step(self, rows: Rows, number: int, done: float) -> float:
        """The loss of one step of the optimiser.

        Raises:
            TrainingError: it is not finite.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.rate(group["full_rate"], done)
        own = rows[self.fabric.global_rank :: self.fabric.world_size]
        loss = self.task.loss(self.model, own, self.draws, done)
        value = finite(float(loss.detach()), f"epoch {self.epochs + 1}, batch {number + 1}")
        self.fabric.backward(loss)
        self.fabric.clip_gradients(self.model, self.optimizer, max_norm=self.plan.clip_norm, error_if_nonfinite=False)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.task.follow(end_of_epoch=False)
        self.looked = False
        return value

    def _look_if_due(self, within: float) -> None:
        done = self.done(within)
        if done < self.next_look:
            return
        before = self.plan.budget.share
        self._look(self.epochs + 1, done)
        taken = self._agreed(self.plan.budget.share - before)
        self.next_look = done + max((1 - self.plan.first_look) / self.plan.looks, taken / LOOKS_SHARE)
        self.model.train()

    def _look(self, epoch: int, done: float) -> None:
        """Looks at those set aside, and keeps the weights if they are the best so far."""
        if self.looked or not self.task.sets_aside:
            return
        self.looked = True
        self.model.eval()
        best = max(self.scores, default=-math.inf)
        self.scores.append(self._agreed(finite(self.task.score(self.model), "validation")))
        if self.scores[-1] > best:
            self.best_epoch, self.best = epoch, copy.deepcopy(self.network.state_dict())
        self.stopped = epoch - self.best_epoch >= self.plan.patience
        if self.ears.on_look:
            self.ears.on_look(min(done, 1.0), self.scores[-1])

    def _say(self) -> None:
        if self.ears.progress:
            seen = f", {self.task.words(self.scores[-1])}" if self.scores else ""
            phrase = f"epoch {self.epochs} of at most {self.plan.epochs}, loss {self.losses[-1]:.3f}{seen}"
            self.ears.progress(phrase, min(self.done(), 1.0))

    def finish(self) -> Course:
        """The best weights are put back and the checkpoint goes."""
        if self.best:
            self.network.load_state_dict(self.best)
        if self.fabric.is_global_zero:
            self.checkpoint.forget()
        return Course(
            epochs=self.epochs,
            best_epoch=self.best_epoch or self.epochs,
            losses=tuple(self.losses),
            scores=tuple(self.scores),
            minutes=self.plan.budget.spent,
            seconds=time.monotonic() - self.started,
        )

    def _state(self) -> State:
        facts = {name: getattr(self, name) for name in COUNTERS}
        random = {"order": self.draws.order.bit_generator.state, "rng": self.draws.rng.bit_generator.state}
        return State(
            shared=self._shared(),
            facts={**facts, **random, "used": self.plan.budget.spent},
            networks={"network": self.network, **self.task.companions},
            optimizer=self.optimizer,
            best=self.best,
            generator=self.draws.device,
        )

    def _shared(self) -> dict[str, object]:
        """What a resumed training must share: all that the task names, and the weights by name and shape."""
        weights = {name: list(weight.shape) for name, weight in self.network.state_dict().items()}
        return {**self.task.shared, "epochs": self.plan.epochs, "processes": self.fabric.world_size, "weights": weights}

    def resume(self) -> None:
        """Goes on where a killed training was last kept, if it was."""
        kept = self.checkpoint.load(self._state())
        if kept is None:
            return
        for name in COUNTERS:
            setattr(self, name, kept.facts[name])
        self.draws.order.bit_generator.state = kept.facts["order"]
        self.draws.rng.bit_generator.state = kept.facts["rng"]
        self.plan.budget.used, self.best = kept.facts["used"], kept.best
        if kept.caution and self.ears.progress:
            self.ears.progress(kept.caution, min(self.done(), 1.0))


COUNTERS = ("epochs", "losses", "scores", "best_epoch", "next_look", "looked", "stopped")


def finite(value: float, where: str) -> float:
    """The value.

    Raises:
        TrainingError: it is not finite.
    """
    if not math.isfinite(value):
        raise TrainingError(
            f"The loss became {value} in {where}.",
            do="Lower the learning_rate, and look for wrong values in what is learned from.",
            code="LOSS_NOT_FINITE",
        )
    return value

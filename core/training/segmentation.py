"""Training a network to outline, and letting it outline.

A network takes images (n, channels, *grid) and gives logits (n, regions, *grid). It may have a ``training_loss(image, mask,
criterion)`` of its own (deep supervision, instances).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import nn

from core.contracts.pictures import Pictures
from core.contracts.segmentation_recipe import TrainingPart
from core.contracts.segmenter import FitReport, SegmentContext
from core.errors import TrainingError
from core.training.budget import Budget, rate_factor
from core.training.losses import Criterion, criterion_of
from core.training.picture_augmentation import Augmentation, augment_pictures
from core.training.picture_batches import PictureBatch, PictureStore, Rows, epoch_order, full_batches
from core.training.picture_checkpoint import load_state, save_state
from core.training.semi import Teacher
from core.training.splits import set_aside

CHECKS = 16
"""Looks at the patients set aside during a training."""
FIRST_CHECK = 0.3
"""Share of the training before which nobody looks: the best network is never that young."""
PACES = 200
MOST_CHECKED = 200
"""Items looked at in a check, whole cases."""


def train_segmenter(network: nn.Module, train: Pictures, context: SegmentContext) -> FitReport:
    """How training went; ``network`` holds the weights with the highest mean Dice on the patients set aside.

    Patients set aside come from ``train`` itself; unlabelled items are used only where the settings say how.

    Raises:
        TrainingError: no labelled item, or a loss that is not finite.
    """
    settings = TrainingPart.model_validate(dict(context.training))
    if not train.labelled.any():
        raise TrainingError("No training item has a mask.", do="Raise training.labels_share.", code="NO_TARGETS")
    fabric = Fabric(accelerator=context.device, devices=1, precision=_fabric_precision(settings, context.device))
    fit = _Fit.start(fabric, network, train, settings, context)
    fit.resume()
    while fit.goes_on:
        fit.epoch()
    if fit.best:
        network.load_state_dict(fit.best)
    fit.forget()
    return FitReport(
        parameters=sum(weight.numel() for weight in network.parameters()),
        minutes=fit.budget.spent,
        epochs=fit.epochs,
        best_epoch=fit.best_epoch,
        training_loss=tuple(fit.losses),
        validation_score=tuple(fit.scores),
    )


@dataclass
class _Fit:
    """A training under way; its state is what a checkpoint keeps."""

    fabric: Fabric
    network: nn.Module
    model: Any
    optimizer: Any
    store: PictureStore
    settings: TrainingPart
    context: SegmentContext
    criterion: Criterion
    training: Rows
    unlabelled: Rows
    checked: Rows
    generator: torch.Generator
    rng: np.random.Generator
    budget: Budget
    teacher: Teacher | None
    epochs: int = 0
    best_epoch: int = 0
    best_score: float = -math.inf
    best: dict[str, Any] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    next_check: float = FIRST_CHECK
    stopped: bool = False
    last_saved: float = 0.0

    @staticmethod
    def start(fabric: Fabric, network: nn.Module, train: Pictures, settings: TrainingPart, context: SegmentContext) -> _Fit:
        """Network, optimiser and items on the device, patients set aside."""
        budget = Budget(settings.budget_minutes, context.device)
        if train.prepared.dims == 2:
            network.to(memory_format=torch.channels_last)
        patch = getattr(network, "patch_shape", None) if not train.prepared.is_uniform() or train.prepared.dims == 3 else None
        store = PictureStore(train, fabric.device, patch, settings.foreground_share)
        labelled, rest = np.flatnonzero(train.labelled), np.flatnonzero(~train.labelled)
        split = set_aside(train.patients[labelled], store.holds[labelled], settings.validation_share, context.seed)
        model, optimizer = fabric.setup(network, _optimiser(network, settings))
        if settings.compile:
            model = torch.compile(model)
        return _Fit(
            fabric=fabric,
            network=network,
            model=model,
            optimizer=optimizer,
            store=store,
            settings=settings,
            context=context,
            criterion=criterion_of(settings.loss),
            training=labelled[split.kept],
            unlabelled=rest if settings.semi != "none" else rest[:0],
            checked=_whole_cases(labelled[split.aside], store.owners),
            generator=torch.Generator(device=fabric.device).manual_seed(context.seed),
            rng=np.random.default_rng([context.seed, 3]),
            budget=budget,
            teacher=Teacher(settings.semi, network) if settings.semi != "none" and len(rest) else None,
        )

    @property
    def done(self) -> float:
        """Share of the training done: of the budget, in whole two-hundredths, or of the epochs, whichever is further.

        A budget in processor time is never spent alike twice; where the epochs end first, the same seed gives the same weights.
        """
        return max(math.floor(PACES * self.budget.share) / PACES, self.epochs / self.settings.max_epochs)

    @property
    def goes_on(self) -> bool:
        return not self.stopped and self.done < 1

    def epoch(self) -> None:
        """One pass over the labelled items, or what the budget allows of it."""
        order = epoch_order(self.training, self.store.holds, self.settings.foreground_share, self.rng)
        total, steps = 0.0, 0
        for rows in full_batches(order, self.settings.batch_size):
            total, steps = total + self._step(rows), steps + 1
            if self._share_now(steps, len(order)) >= self.next_check:
                self._check()
            if self.budget.share >= 1 or self.stopped:
                break
        self.epochs += 1
        self.losses.append(total / steps)
        if self.teacher:
            self.teacher.follow(self.network, end_of_epoch=True)
        if not self.goes_on and len(self.checked) and not self.stopped:
            self._check()
        self._say()
        self.last_saved = save_state(self, self.context.checkpoint, self.last_saved)

    def _share_now(self, steps: int, items: int) -> float:
        passed = steps * self.settings.batch_size / max(items, 1)
        return max(self.done, (self.epochs + min(passed, 1.0)) / self.settings.max_epochs)

    def _step(self, rows: Rows) -> float:
        """The loss of one step of the optimiser.

        Raises:
            TrainingError: it is not finite.
        """
        self.model.train()
        factor = rate_factor(self.settings.schedule, self.done, self.settings.warmup_share)
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.learning_rate * factor
        loss = self._loss(rows)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingError(
                f"The loss became {value} in epoch {self.epochs + 1}.",
                do="Lower training.learning_rate, and look for wrong values in the pictures.",
                code="LOSS_NOT_FINITE",
            )
        self.fabric.backward(loss)
        self.fabric.clip_gradients(self.model, self.optimizer, max_norm=self.settings.clip_norm, error_if_nonfinite=False)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.teacher:
            self.teacher.follow(self.network, end_of_epoch=False)
        return value

    def _loss(self, rows: Rows) -> torch.Tensor:
        batch = self._changed(rows)
        image = self._laid_out(batch.image)
        with self._autocast():
            own = getattr(self.network, "training_loss", None)
            if own is not None:
                loss: torch.Tensor = own(image, batch.mask, self._criterion)
            else:
                loss = self._criterion(self.model(image), batch.mask)
            if self.teacher is not None:
                drawn = self.rng.choice(self.unlabelled, size=min(len(rows), len(self.unlabelled)), replace=False)
                loss = loss + self.teacher.loss(self.model, self._laid_out(self._changed(drawn).image), self.done)
        return loss

    def _criterion(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        with torch.autocast(self.fabric.device.type, enabled=False):
            return self.criterion(logits.float(), mask)

    def _changed(self, rows: Rows) -> PictureBatch:
        batch = self.store.batch(np.asarray(rows, dtype=np.intp), self.rng)
        if not self.settings.augment:
            return batch
        changed = augment_pictures(
            batch.image, batch.mask, Augmentation.of(self.settings.augmentation.model_dump()), self.generator
        )
        return PictureBatch(changed.image, changed.mask)

    def _laid_out(self, image: torch.Tensor) -> torch.Tensor:
        return image.contiguous(memory_format=torch.channels_last) if image.ndim == 4 else image

    def _autocast(self) -> AbstractContextManager[Any]:
        return _autocast(self.settings.precision, self.fabric.device.type)

    def _check(self) -> None:
        """Looks at the patients set aside and keeps the weights if they are the best so far."""
        self.next_check = max(self.next_check, self.done) + (1 - FIRST_CHECK) / CHECKS
        if not len(self.checked):
            return
        self.scores.append(self._mean_dice())
        if self.context.on_check:
            self.context.on_check(min(self.done, 1.0), self.scores[-1])
        if self.scores[-1] > self.best_score:
            self.best_score, self.best_epoch = self.scores[-1], self.epochs + 1
            self.best = copy.deepcopy(self.network.state_dict())
        self.stopped = self.epochs + 1 - self.best_epoch >= self.settings.patience

    def _mean_dice(self) -> float:
        """Mean over cases that hold a region of the Dice of all their items together."""
        pictures = self.store.pictures.pick(self.checked)
        scores = segment_items(
            self.network, pictures, device=str(self.fabric.device), precision=self.settings.precision, batch_size=32
        )
        cases: dict[str, list[int]] = {}
        for at, owner in enumerate(self.store.owners[self.checked]):
            cases.setdefault(str(owner), []).append(at)
        return float(np.mean([_dice(pictures, scores, items) for items in cases.values()]))

    def _say(self) -> None:
        if self.context.progress:
            dice = f", Dice {self.scores[-1]:.3f}" if self.scores else ""
            self.context.progress(f"epoch {self.epochs}, loss {self.losses[-1]:.3f}{dice}", min(self.done, 1.0))

    def resume(self) -> None:
        """Goes on from the checkpoint of a killed fit, where there is one."""
        load_state(self, self.context.checkpoint)

    def forget(self) -> None:
        """Removes the checkpoint of a finished fit."""
        if self.context.checkpoint is not None:
            self.context.checkpoint.unlink(missing_ok=True)


def _dice(pictures: Pictures, scores: Any, items: list[int]) -> float:
    hit = both = 0
    for at in items:
        reference, predicted = pictures.mask(at), scores[at] >= 0.5
        hit, both = hit + 2 * int((reference & predicted).sum()), both + int(reference.sum() + predicted.sum())
    return hit / both if both else 1.0


def _whole_cases(rows: Rows, owners: NDArray[np.str_]) -> Rows:
    """The first items up to ``MOST_CHECKED``, no case cut in two."""
    if len(rows) <= MOST_CHECKED:
        return rows
    names = list(dict.fromkeys(owners[rows]))
    step = len(rows) / MOST_CHECKED
    kept = {names[int(place * step)] for place in range(len(names)) if int(place * step) < len(names)}
    return np.asarray([row for row in rows if owners[row] in kept], dtype=np.intp)


def _optimiser(network: nn.Module, settings: TrainingPart) -> torch.optim.Optimizer:
    rate, decay = settings.learning_rate, settings.weight_decay
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    made: dict[str, Callable[[], torch.optim.Optimizer]] = {
        "adamw": lambda: torch.optim.AdamW(weights, lr=rate, weight_decay=decay, fused=True),
        "adam": lambda: torch.optim.Adam(weights, lr=rate, fused=True),
        "sgd": lambda: torch.optim.SGD(weights, lr=rate, momentum=0.9, nesterov=True, weight_decay=1e-4),
        "rmsprop": lambda: torch.optim.RMSprop(weights, lr=rate),
    }
    return made[settings.optimiser]()


def _fabric_precision(settings: TrainingPart, device: str) -> Any:
    """fp16 needs a scaled loss, which Fabric does on a GPU; everything else is autocast here."""
    return "16-mixed" if settings.precision == "fp16" and device == "cuda" else "32-true"


def _autocast(precision: str, device: str) -> AbstractContextManager[Any]:
    """bf16 where it was asked for, or where it is quicker: on a GPU, and on a CPU that multiplies bf16 itself."""
    wanted = precision == "bf16" or (precision == "auto" and (device == "cuda" or _multiplies_bf16()))
    return torch.autocast(device, torch.bfloat16) if wanted else nullcontext()


def _multiplies_bf16() -> bool:
    found = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    return bool(found)


def segment_items(
    network: nn.Module, pictures: Pictures, *, device: str, precision: str = "auto", batch_size: int = 16
) -> NDArray[np.float32]:
    """(items, regions, *grid) scores after a sigmoid; volumes by sliding windows of the network's ``patch_shape``."""
    network.to(device).eval()
    kind = torch.device(device).type
    parts = []
    with torch.inference_mode(), _autocast(precision, kind):
        for start in range(0, len(pictures), batch_size):
            image = torch.from_numpy(pictures.images(np.arange(start, min(start + batch_size, len(pictures))))).to(device)
            parts.append(_logits(network, image).float().sigmoid().cpu().numpy())
    return np.concatenate(parts) if parts else np.zeros((0, len(pictures.prepared.regions), *pictures.prepared.shape), np.float32)


def _logits(network: nn.Module, image: torch.Tensor) -> torch.Tensor:
    if image.ndim == 4:
        return network(image.contiguous(memory_format=torch.channels_last))
    patch = getattr(network, "patch_shape", None)
    if patch is None:
        return network(image)
    from monai.inferers import sliding_window_inference

    return sliding_window_inference(image, tuple(patch), 4, network, overlap=0.5, mode="gaussian")

"""Outlining as a task of the one loop: what a network learns from drawn pictures, and how well it outlines those set aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from core.contracts.pictures import Pictures
from core.contracts.segmentation_recipe import TrainingPart
from core.training.device import autocast
from core.training.loop import Draws, Rows
from core.training.losses import criterion_of
from core.training.picture_augmentation import Augmentation, augment_pictures
from core.training.picture_batches import PictureBatch, PictureStore, epoch_order, full_batches
from core.training.semi import Teacher
from core.training.splits import set_aside

MOST_LOOKED_AT = 200
"""Items looked at in a look, whole cases."""


class PictureTask:
    """Masks from images (``core.training.loop.Task``).

    Patients set aside come from the labelled items; unlabelled ones are used only where ``settings.semi`` says how.

    Args:
        network: on the device before the first batch.
        seed: of the patients set aside.
    """

    def __init__(self, network: nn.Module, train: Pictures, settings: TrainingPart, device: torch.device, seed: int) -> None:
        self.network, self.pictures, self.settings, self.device = network, train, settings, device
        patch = getattr(network, "patch_shape", None) if train.prepared.dims == 3 else None
        self.store = PictureStore(train, device, patch, settings.foreground_share)
        labelled, rest = np.flatnonzero(train.labelled), np.flatnonzero(~train.labelled)
        split = set_aside(train.patients[labelled], self.store.holds[labelled], settings.validation_share, seed)
        self.training, self.unlabelled = labelled[split.kept], rest
        self.aside = _whole_cases(labelled[split.aside], self.store.owners)
        self.criterion = criterion_of(settings.loss)
        self.augmentation = Augmentation.of(settings.augmentation.model_dump()) if settings.augment else None
        self.teacher = Teacher(settings.semi, network) if settings.semi != "none" and len(rest) else None

    @property
    def companions(self) -> Mapping[str, nn.Module]:
        """The teacher, where there is one."""
        return {"teacher": self.teacher.network} if self.teacher else {}

    @property
    def shared(self) -> Mapping[str, object]:
        """Every setting, and the items by number and patient."""
        items = {"training items": self.pictures.rows[self.training].tolist(), "patients": self.pictures.patients.tolist()}
        return {**self.settings.model_dump(mode="json"), **items, "unlabelled items": self.unlabelled.tolist()}

    @property
    def sets_aside(self) -> bool:
        """Whether patients are set aside."""
        return len(self.aside) > 0

    def batches(self, order: np.random.Generator) -> Sequence[Rows]:
        """Every labelled item once, less of the empty ones where a share of full ones is asked for."""
        rows = epoch_order(self.training, self.store.holds, self.settings.foreground_share, order)
        return list(full_batches(rows, self.settings.batch_size))

    def loss(self, model: Any, rows: Rows, draws: Draws, done: float) -> torch.Tensor:
        """Of changed items against their changed masks, and of unlabelled ones against what the teacher sees in them."""
        batch = self._changed(rows, draws)
        unmarked = self._changed(self._drawn(len(rows), draws), draws).image if self.teacher else None
        with autocast(self.settings.precision, self.device.type):
            loss = self._supervised(model, batch)
            if self.teacher is not None and unmarked is not None:
                loss = loss + self.teacher.loss(model, unmarked, done)
        return loss

    def _drawn(self, count: int, draws: Draws) -> Rows:
        return np.asarray(draws.rng.choice(self.unlabelled, size=min(count, len(self.unlabelled)), replace=False))

    def _supervised(self, model: Any, batch: PictureBatch) -> torch.Tensor:
        if not hasattr(self.network, "training_loss"):
            return self._criterion(model(batch.image), batch.mask)
        # Through Fabric's wrapper where several processes share a batch; else directly, which leaves the network as it is.
        home = model if "training_loss" in getattr(model, "_forward_methods", ()) else self.network
        loss: torch.Tensor = home.training_loss(batch.image, batch.mask, self._criterion)
        return loss

    def _criterion(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        with torch.autocast(self.device.type, enabled=False):
            return self.criterion(logits.float(), mask.float())

    def _changed(self, rows: Rows, draws: Draws) -> PictureBatch:
        batch = self.store.batch(np.asarray(rows, dtype=np.intp), draws.rng)
        if self.augmentation is not None:
            changed = augment_pictures(batch.image, batch.mask, self.augmentation, draws.device)
            batch = PictureBatch(changed.image, changed.mask)
        return PictureBatch(laid_out(batch.image), batch.mask)

    def score(self, model: Any) -> float:
        """Mean over cases, and regions that a case holds, of the Dice of all its items together.

        Pooled by case, because a slice with three pixels of a tumour says little; by region, because a small one counts as much.
        """
        owners, case = np.unique(self.store.owners[self.aside], return_inverse=True)
        counts = np.zeros((len(owners), 3, self.store.regions))
        size = 32 if self.pictures.prepared.is_uniform() and self.pictures.prepared.dims == 2 else 1
        for start in range(0, len(self.aside), size):
            items = self.aside[start : start + size]
            np.add.at(counts, case[start : start + size], _pixels(self._outlined(items), self.pictures.masks(items)))
        return _mean_dice(counts)

    def _outlined(self, items: Rows) -> NDArray[np.bool_]:
        # Here, since outlining in turn is a part of training: the two would import each other.
        from core.training.segmentation import segment_items

        precision = self.settings.precision
        scores = segment_items(
            self.network, self.pictures.pick(items), device=str(self.device), precision=precision, batch_size=32
        )
        return np.asarray(scores >= 0.5)

    def follow(self, *, end_of_epoch: bool) -> None:
        """The teacher follows the network."""
        if self.teacher:
            self.teacher.follow(self.network, end_of_epoch=end_of_epoch)

    def words(self, score: float) -> str:
        """The Dice."""
        return f"validation Dice {score:.3f}"


def laid_out(image: torch.Tensor) -> torch.Tensor:
    """The batch with its channels last in memory, as convolutions of pictures read it fastest."""
    return image.contiguous(memory_format=torch.channels_last) if image.ndim == 4 else image


def _pixels(predicted: NDArray[np.bool_], drawn: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(items, 3, regions): pixels in both, predicted and drawn."""
    pixels = tuple(range(2, drawn.ndim))
    return np.stack([part.sum(axis=pixels) for part in (predicted & drawn, predicted, drawn)], axis=1).astype(float)


def _mean_dice(counts: NDArray[np.float64]) -> float:
    """Mean over what was drawn; where nothing was, the share of cases in which nothing was predicted either."""
    both, predicted, drawn = counts[:, 0], counts[:, 1], counts[:, 2]
    held = drawn > 0
    if not held.any():
        return float((predicted == 0).mean())
    return float((2 * both[held] / (predicted[held] + drawn[held])).mean())


def _whole_cases(rows: Rows, owners: NDArray[np.str_]) -> Rows:
    """Items up to about ``MOST_LOOKED_AT``, of cases spread over all, no case cut in two."""
    if len(rows) <= MOST_LOOKED_AT:
        return rows
    names = list(dict.fromkeys(owners[rows]))
    step = max(1.0, len(rows) / MOST_LOOKED_AT)
    kept = {names[int(place * step)] for place in range(int(np.ceil(len(names) / step)))}
    return np.asarray([row for row in rows if owners[row] in kept], dtype=np.intp)

"""Training a network to outline, and letting it outline.

A network takes images (n, channels, *grid) and gives logits (n, regions, *grid). It may have a ``training_loss(image, mask,
criterion)`` of its own (deep supervision, instances), and for volumes a ``patch_shape``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from core.contracts.pictures import Pictures
from core.contracts.segmentation_recipe import TrainingPart
from core.contracts.segmenter import FitReport, SegmentContext
from core.errors import TrainingError
from core.training.budget import Budget, rate_factor
from core.training.device import autocast, start_fabric
from core.training.loop import Ears, Plan, Training
from core.training.picture_task import PictureTask, laid_out

LOOKS = 16
"""Looks at the patients set aside during a training."""
FIRST_LOOK = 0.3
"""Share of the training before which nobody looks: the best network is never that young."""
WINDOWS = 4
"""Windows of a volume that go through a network at a time: one at a time takes five times as long."""


def train_segmenter(network: nn.Module, train: Pictures, context: SegmentContext) -> FitReport:
    """How training went; ``network`` holds the weights with the highest mean Dice on the patients set aside.

    Patients set aside come from ``train`` itself; unlabelled items are used only where the settings say how. Call it inside
    ``reproducible``.

    Args:
        context: whose ``training`` are the fields of ``TrainingPart``.

    Raises:
        TrainingError: no labelled item, a loss that is not finite, or a checkpoint of another training.
        CorruptError: there are checkpoints and none can be read.
    """
    course = start_training(network, train, context).run()
    return FitReport(
        parameters=sum(weight.numel() for weight in network.parameters()),
        minutes=course.minutes,
        epochs=course.epochs,
        best_epoch=course.best_epoch,
        training_loss=course.losses,
        validation_score=course.scores,
    )


def start_training(network: nn.Module, train: Pictures, context: SegmentContext) -> Training:
    """The training that ``train_segmenter`` runs."""
    settings = TrainingPart.model_validate(dict(context.training))
    if not train.labelled.any():
        raise TrainingError("No training item has a mask.", do="Raise training.labels_share.", code="NO_TARGETS")
    budget = Budget(settings.budget_minutes, context.device)
    # bf16 is autocast by the task; fp16 also needs a scaled loss, which Fabric sees to on a GPU.
    scaled = settings.precision == "fp16" and context.device == "cuda"
    fabric = start_fabric(context.device, "16-mixed" if scaled else "32-true")
    network.to(fabric.device)
    if train.prepared.dims == 2:
        network.to(memory_format=torch.channels_last)
    return Training.start(
        fabric,
        network,
        _optimiser(network, settings),
        PictureTask(network, train, settings, fabric.device, context.seed),
        _plan(settings, budget),
        seed=context.seed,
        checkpoint=context.checkpoint,
        compiled=settings.compile,
        ears=Ears(context.progress, context.on_check),
    )


def _plan(settings: TrainingPart, budget: Budget) -> Plan:
    return Plan(
        epochs=settings.max_epochs,
        budget=budget,
        rate=lambda full, done: full * rate_factor(settings.schedule, done, settings.warmup_share),
        clip_norm=settings.clip_norm,
        patience=settings.patience,
        looks=LOOKS,
        first_look=FIRST_LOOK,
    )


def _optimiser(network: nn.Module, settings: TrainingPart) -> torch.optim.Optimizer:
    rate, decay = settings.learning_rate, settings.weight_decay
    weights = [{"params": [weight for weight in network.parameters() if weight.requires_grad], "full_rate": rate}]
    made: dict[str, Callable[[], torch.optim.Optimizer]] = {
        "adamw": lambda: torch.optim.AdamW(weights, lr=rate, weight_decay=decay, fused=True),
        "adam": lambda: torch.optim.Adam(weights, lr=rate, fused=True),
        "sgd": lambda: torch.optim.SGD(weights, lr=rate, momentum=0.9, nesterov=True, weight_decay=1e-4, fused=True),
        "rmsprop": lambda: torch.optim.RMSprop(weights, lr=rate),
    }
    return made[settings.optimiser]()


def segment_items(
    network: nn.Module, pictures: Pictures, *, device: str, precision: str = "auto", batch_size: int = 16
) -> NDArray[np.float32]:
    """(items, regions, *grid) scores after a sigmoid; volumes one by one, by sliding windows of the network's ``patch_shape``.

    Args:
        pictures: items of one grid; precision: as in ``TrainingPart``.
    """
    network.to(device).eval()
    size = batch_size if pictures.prepared.dims == 2 else 1
    parts = []
    with torch.inference_mode(), autocast(precision, torch.device(device).type):
        for start in range(0, len(pictures), size):
            images = pictures.images(np.arange(start, min(start + size, len(pictures))))
            parts.append(_logits(network, torch.from_numpy(images).to(device)).float().sigmoid().cpu().numpy())
    return np.concatenate(parts) if parts else np.zeros((0, len(pictures.prepared.regions), *pictures.prepared.shape), np.float32)


def _logits(network: nn.Module, image: torch.Tensor) -> Any:
    patch = getattr(network, "patch_shape", None)
    if image.ndim == 4 or patch is None:
        return network(laid_out(image))
    from monai.inferers import sliding_window_inference

    return sliding_window_inference(image, tuple(patch), WINDOWS, network, overlap=0.5, mode="gaussian")

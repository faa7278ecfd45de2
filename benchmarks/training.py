"""Our training step beside a plain eager loop, in one run: images a second, and the Dice that equal time buys.

    python benchmarks/training.py [--seconds 40] [--size 128] [--batch 8]

Both train segmentation-models-pytorch's U-Net on ResNet-18 from scratch on the same made-up blobs, in turn, on one thread of this
processor (or on the GPU). *Plain* is fp32, NCHW, AdamW, no augmentation. *Ours* is the step of ``core.training``: bf16 where the
processor multiplies it, channels last, fused AdamW, the batch augmented with elastic deformation. Times are processor time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import segmentation_models_pytorch as smp
import torch
from torch import nn

from core.training.device import autocast
from core.training.losses import criterion_of
from core.training.picture_augmentation import Augmentation, augment_pictures

ITEMS = 256
HELD = 64


@dataclass(frozen=True)
class Result:
    """What a loop reached in its time."""

    name: str
    images_per_second: float
    dice: float
    augmenting: float


def blobs(count: int, size: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (count, 3, size, size) and masks (count, 1, size, size): soft bright blobs under noise and a slope."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:size, 0:size] / size
    images, masks = [], []
    for _ in range(count):
        cx, cy, rx, ry = rng.uniform(0.3, 0.7, 2).tolist() + rng.uniform(0.08, 0.25, 2).tolist()
        blob = ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2
        slope = rng.uniform(-0.5, 0.5) * x + rng.uniform(-0.5, 0.5) * y
        images.append(rng.normal(0, 0.35, (3, size, size)) + slope + 0.5 * np.exp(-blob))
        masks.append(blob[np.newaxis] <= 1)
    return torch.from_numpy(np.stack(images)).float(), torch.from_numpy(np.stack(masks)).float()


def network() -> nn.Module:
    """The same untrained network for both."""
    torch.manual_seed(0)
    return smp.Unet("resnet18", encoder_weights=None, in_channels=3, classes=1)


def dice(model: nn.Module, image: torch.Tensor, mask: torch.Tensor) -> float:
    """Over all held-back pixels."""
    model.eval()
    with torch.inference_mode():
        predicted = torch.cat([model(part) for part in image.split(16)]) > 0
    drawn = mask > 0.5
    return float(2 * (predicted & drawn).sum() / (predicted.sum() + drawn.sum()))


def run(
    name: str, make_step: Callable[[nn.Module], Callable[[torch.Tensor, torch.Tensor], float]], arguments: argparse.Namespace
) -> Result:
    """One loop for its time; the first steps are not counted."""
    image, mask = blobs(ITEMS, arguments.size, 1)
    held = blobs(HELD, arguments.size, 2)
    model = network()
    step = make_step(model)
    order = np.random.default_rng(0)
    done, augmenting, started = 0, 0.0, 0.0
    for number in range(1_000_000):
        if number == 2:
            done, augmenting, started = 0, 0.0, time.process_time()
        if number > 2 and time.process_time() - started > arguments.seconds:
            break
        chosen = torch.from_numpy(order.integers(0, ITEMS, arguments.batch))
        augmenting += step(image[chosen], mask[chosen])
        done += arguments.batch
    spent = time.process_time() - started
    return Result(name, done / spent, dice(model, *held), augmenting / spent)


def plain(model: nn.Module) -> Callable[[torch.Tensor, torch.Tensor], float]:
    """fp32, NCHW, AdamW."""
    optimizer, criterion = torch.optim.AdamW(model.parameters(), lr=1e-3), criterion_of("dice_ce")

    def step(image: torch.Tensor, mask: torch.Tensor) -> float:
        model.train()
        criterion(model(image), mask).backward()
        optimizer.step()
        optimizer.zero_grad()
        return 0.0

    return step


def ours(model: nn.Module) -> Callable[[torch.Tensor, torch.Tensor], float]:
    """The step of ``core.training.segmentation``."""
    model.to(memory_format=torch.channels_last)
    optimizer, criterion = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True), criterion_of("dice_ce")
    generator = torch.Generator().manual_seed(0)

    def step(image: torch.Tensor, mask: torch.Tensor) -> float:
        model.train()
        started = time.process_time()
        changed = augment_pictures(image, mask, Augmentation(), generator)
        augmenting = time.process_time() - started
        with autocast("auto", "cpu"):
            logits = model(changed.image.contiguous(memory_format=torch.channels_last))
        criterion(logits.float(), changed.mask).backward()
        optimizer.step()
        optimizer.zero_grad()
        return augmenting

    return step


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch", type=int, default=8)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results = [run("plain eager fp32", plain, arguments), run("ours, augmented", ours, arguments)]
    print("| loop | images a second | x | Dice after equal time | augmentation, share of the step |")
    print("|---|---|---|---|---|")
    for result in results:
        ratio = result.images_per_second / results[0].images_per_second
        told = f"{result.images_per_second:.1f} | {ratio:.2f} | {result.dice:.3f} | {100 * result.augmenting:.1f} %"
        print(f"| {result.name} | {told} |")


if __name__ == "__main__":
    main()

"""Times our training step beside a plain eager loop, compares what both have learned, and prints Markdown tables.

    python benchmarks/training.py [--rounds 5] [--minutes 1] [--threads 1]

Both train the same network (U-Net on a ResNet-18, 128 × 128 pixels, batches of 8) on the same made-up blobs with the same loss,
optimiser, schedule and augmentation. The plain loop computes in single precision with channels first, as most tutorials write
it; ours is ``core.training``, as studies use it. All run in one process, in turn; times are processor time a thread, so that a
busy machine is no disadvantage, and medians over rounds.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import nn

from core.contracts.pictures import Pictures
from core.contracts.segmentation_recipe import TrainingPart
from core.contracts.segmenter import SegmentContext
from core.training.budget import Budget, rate_factor
from core.training.losses import criterion_of
from core.training.picture_augmentation import Augmentation, augment_pictures
from core.training.reproducible import reproducible
from core.training.segmentation import segment_items, start_training, train_segmenter

EDGE, BATCH, RATE, CLIP = 128, 8, 1e-3, 1.0
STEPS = 4
"""Steps of a timed epoch."""


class Blobs:
    """Wavy blobs on noise of their own brightness, beside darker decoys, as ``PreparedPictures``."""

    dims: Literal[2] = 2
    channels, regions, shape = ("red", "green", "blue"), ("blob",), (EDGE, EDGE)

    def __init__(self, count: int, seed: int) -> None:
        self.seed, self.items = seed, [_blob(np.random.default_rng([seed, number])) for number in range(count)]

    def rows_of(self, case_ids: object) -> NDArray[np.intp]:
        return np.array([int(name) for name in case_ids], dtype=np.intp)  # type: ignore[attr-defined]

    def owner(self, row: int) -> str:
        return str(row)

    def image(self, row: int) -> NDArray[np.float32]:
        return self.items[row][0]

    def mask(self, row: int) -> NDArray[np.bool_]:
        return self.items[row][1]

    def is_uniform(self) -> bool:
        return True

    def restore(self, case_id: str, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        return scores[0]

    def pictures(self) -> Pictures:
        """All items, each of a patient of its own."""
        rows = np.arange(len(self.items))
        return Pictures(self, rows, rows.astype(str), np.ones(len(rows), dtype=bool))


def _blob(rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    axes = np.indices((EDGE, EDGE))
    waves = ndimage.gaussian_filter(rng.standard_normal((EDGE, EDGE)), EDGE / 16) * 60

    def disc(smallest: float, largest: float) -> NDArray[np.bool_]:
        middle = rng.uniform(0.25 * EDGE, 0.75 * EDGE, 2)
        return np.hypot(axes[0] - middle[0], axes[1] - middle[1]) + waves < rng.uniform(smallest, largest) * EDGE

    blob, decoy = disc(0.1, 0.25), disc(0.05, 0.15)
    light = 0.8 * blob - 0.8 * (decoy & ~blob) + 0.5 * ndimage.gaussian_filter(rng.standard_normal((EDGE, EDGE)), 4) * 14
    image = light + rng.normal(0, 0.6, (3, EDGE, EDGE)) + rng.normal(0, 0.3, (3, 1, 1))
    return image.astype(np.float32), blob[None]


def network() -> nn.Module:
    """The network of both, from the same first weights."""
    import segmentation_models_pytorch as smp

    torch.manual_seed(0)
    return smp.Unet("resnet18", encoder_weights=None, in_channels=3, classes=1)


def settings(minutes: float, *, augment: bool = True, epochs: int = 100_000) -> SegmentContext:
    """Ours, as a recipe would ask for it; nobody is set aside, as the plain loop sets nobody aside."""
    part = TrainingPart(
        budget_minutes=minutes, max_epochs=epochs, batch_size=BATCH, learning_rate=RATE, augment=augment, validation_share=0
    )
    return SegmentContext(seed=0, training=part.model_dump())


@dataclass
class PlainLoop:
    """What one writes first: eager, single precision, channels first."""

    pictures: Pictures
    augment: bool = True

    def __post_init__(self) -> None:
        at = np.arange(len(self.pictures))
        self.images = torch.from_numpy(self.pictures.images(at))
        self.masks = torch.from_numpy(self.pictures.masks(at)).float()
        self.network, self.criterion = network(), criterion_of("dice_ce")
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=RATE, weight_decay=1e-2)
        self.generator, self.order = torch.Generator().manual_seed(0), np.random.default_rng(0)

    def epoch(self, share: Callable[[], float] = lambda: 0.5) -> None:
        """Every picture once, or until the share done reaches 1."""
        self.network.train()
        order = self.order.permutation(len(self.images))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            for group in self.optimizer.param_groups:
                group["lr"] = RATE * rate_factor("cosine", share(), 0.03)
            image, mask = self.images[order[start : start + BATCH]], self.masks[order[start : start + BATCH]]
            if self.augment:
                changed = augment_pictures(image, mask, Augmentation(), self.generator)
                image, mask = changed.image, changed.mask
            loss = self.criterion(self.network(image), mask)
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
            self.optimizer.step()
            if share() >= 1:
                return


def step_seconds(rounds: int) -> dict[str, float]:
    """Seconds a step of each variant, all taking turns; the first round is not counted."""
    pictures = Blobs(STEPS * BATCH, seed=1).pictures()
    variants = {
        "plain loop, without augmentation": PlainLoop(pictures, augment=False),
        "plain loop": PlainLoop(pictures),
        "ours, without augmentation": start_training(network(), pictures, settings(1e6, augment=False)),
        "ours": start_training(network(), pictures, settings(1e6)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds + 1):
        for name, variant in variants.items():
            started = time.process_time()
            variant.epoch()
            seconds[name].append((time.process_time() - started) / STEPS / torch.get_num_threads())
    return {name: float(np.median(values[1:])) for name, values in seconds.items()}


def show_steps(seconds: dict[str, float]) -> None:
    """One table: pictures a second and the ratio to the plain loop without augmentation; then the share of augmentation."""
    slowest = seconds["plain loop, without augmentation"]
    print("### The training step\n\n| loop | pictures a second | times the plain loop without augmentation |\n|---|---|---|")
    for name, spent in seconds.items():
        print(f"| {name} | {BATCH / spent:.1f} | {slowest / spent:.2f} |")
    alone = augmentation_seconds()
    print(f"\nAugmentation, elastic included: {1000 * alone:.1f} ms a batch, {alone / seconds['ours']:.1%} of our step.\n")


def augmentation_seconds(times: int = 20) -> float:
    """Median seconds to change one batch."""
    generator, seconds = torch.Generator().manual_seed(0), []
    image, mask = torch.randn(BATCH, 3, EDGE, EDGE), (torch.randn(BATCH, 1, EDGE, EDGE) > 0).float()
    for _ in range(times):
        started = time.process_time()
        augment_pictures(image, mask, Augmentation(), generator)
        seconds.append((time.process_time() - started) / torch.get_num_threads())
    return float(np.median(seconds))


def dice(trained: nn.Module, test: Pictures) -> float:
    """Mean over test pictures, outlined in single precision."""
    told = segment_items(trained, test, device="cpu", precision="fp32") >= 0.5
    drawn = test.masks(np.arange(len(test)))
    pixels = (1, 2, 3)
    return float((2 * (told & drawn).sum(pixels) / (told.sum(pixels) + drawn.sum(pixels))).mean())


def show_dice(minutes: float) -> None:
    """One table: Dice on fresh pictures after equal time, and of ours after as many pictures as the plain loop saw."""
    train, test = Blobs(160, seed=2).pictures(), Blobs(64, seed=3).pictures()
    plain, budget, epochs = PlainLoop(train), Budget(minutes, "cpu"), 0
    while budget.share < 1:
        plain.epoch(lambda: budget.share)
        epochs += 1
    rows = [("plain loop", epochs, dice(plain.network, test))]
    for name, context in (
        ("ours, the same minutes", settings(minutes)),
        ("ours, as many epochs as the plain loop", settings(1e6, epochs=epochs)),
    ):
        with reproducible(0, "cpu"):
            ours = network()
            report = train_segmenter(ours, train, context)
        rows.append((name, report.epochs, dice(ours, test)))
    print(f"### After {minutes:g} minutes of training\n\n| loop | epochs begun | mean Dice on 64 fresh pictures |\n|---|---|---|")
    for name, count, value in rows:
        print(f"| {name} | {count} | {value:.3f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(given.threads)
    show_steps(step_seconds(given.rounds))
    show_dice(given.minutes)


if __name__ == "__main__":
    main()

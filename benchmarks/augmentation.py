"""Times our augmentation of a batch beside albumentations, MONAI and kornia, and prints a Markdown table.

    python benchmarks/augmentation.py [--rounds 5] [--images 64] [--edge 256] [--threads 1]

All change the same pictures with their masks by flips, turn, zoom, move, smooth deformation, contrast, brightness and noise,
each picture by its own draw and always; recipes are alike, not identical (albumentations changes bytes, as it is made for, and
the table counts turning them into a batch of floats). All run in one process, in turn; a number is the median over rounds of
processor time a thread, so that a busy machine is no disadvantage. Peers are in benchmarks/requirements.txt; one that is not
installed is left out, saying so.
"""

from __future__ import annotations

import argparse
import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from core.training.picture_augmentation import Augmentation, augment_pictures

TURN, ZOOM, SHIFT, ELASTIC, INTENSITY, NOISE = 20.0, 0.2, 0.1, 0.03, 0.2, 0.05
BATCH = 8


@dataclass(frozen=True)
class Pictures:
    """Images (n, height, width, 3) of bytes and masks (n, height, width) of zeros and ones."""

    images: NDArray[np.uint8]
    masks: NDArray[np.uint8]

    @property
    def tensors(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Images (n, 3, height, width) and masks (n, 1, height, width), float32 from 0 to 1."""
        return torch.from_numpy(self.images).movedim(-1, 1).float() / 255, torch.from_numpy(self.masks)[:, None].float()


@dataclass(frozen=True)
class Method:
    """A row: ``prepare`` gives the form that a method starts from (not timed), ``run`` changes all pictures once."""

    name: str
    prepare: Callable[[Pictures], object]
    run: Callable[[object], object]
    note: str = ""


def some_pictures(count: int, edge: int) -> Pictures:
    """Smooth colours, and a wavy blob in each."""
    rng = np.random.default_rng(0)
    images, masks = [], []
    for _ in range(count):
        field = ndimage.gaussian_filter(rng.standard_normal((edge, edge, 3)), (edge / 32, edge / 32, 0))
        images.append(np.clip(128 + 60 * field / field.std(), 0, 255).astype(np.uint8))
        masks.append((ndimage.gaussian_filter(rng.standard_normal((edge, edge)), edge / 8) > 0).astype(np.uint8))
    return Pictures(np.stack(images), np.stack(masks))


def batches(both: tuple[torch.Tensor, torch.Tensor]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Image and mask, ``BATCH`` at a time."""
    return list(zip(both[0].split(BATCH), both[1].split(BATCH), strict=True))


def ours() -> Method:
    settings = Augmentation(True, TURN, ZOOM, SHIFT, ELASTIC, INTENSITY, NOISE, chance=1.0)
    generator = torch.Generator().manual_seed(0)

    def run(given: object) -> object:
        return [augment_pictures(image, mask, settings, generator) for image, mask in given]  # type: ignore[attr-defined]

    return Method("ours", lambda pictures: batches(pictures.tensors), run, "one map, one interpolation for image and mask")


def albumentations_method() -> Method:
    import albumentations as A
    import cv2

    cv2.setNumThreads(torch.get_num_threads())
    change = A.Compose(
        [
            A.HorizontalFlip(p=0.5),
            A.VerticalFlip(p=0.5),
            A.Affine(scale=(1 - ZOOM, 1 + ZOOM), rotate=(-TURN, TURN), translate_percent=(-SHIFT, SHIFT), border_mode=2, p=1.0),
            A.ElasticTransform(alpha=40, sigma=12, p=1.0),
            A.RandomBrightnessContrast(INTENSITY, INTENSITY, p=1.0),
            A.GaussNoise(std_range=(0.0, NOISE), p=1.0),
        ],
        seed=0,
    )

    def run(given: object) -> object:
        done = [change(image=image, mask=mask) for image, mask in zip(given.images, given.masks, strict=True)]  # type: ignore[attr-defined]
        images = torch.from_numpy(np.stack([one["image"] for one in done])).movedim(-1, 1).float().div_(255)
        return images.contiguous(), torch.from_numpy(np.stack([one["mask"] for one in done]))[:, None].float()

    return Method("albumentations", lambda pictures: pictures, run, "picture by picture, bytes")


def monai_method() -> Method:
    from monai import transforms

    both = ["image", "mask"]
    change = transforms.Compose(
        [
            transforms.RandFlipd(both, prob=0.5, spatial_axis=0),
            transforms.RandFlipd(both, prob=0.5, spatial_axis=1),
            transforms.Rand2DElasticd(
                both,
                spacing=(64, 64),
                magnitude_range=(0, 4),
                prob=1.0,
                rotate_range=math.radians(TURN),
                scale_range=ZOOM,
                translate_range=SHIFT * 256,
                mode=("bilinear", "nearest"),
            ),
            transforms.RandScaleIntensityd("image", INTENSITY, prob=1.0),
            transforms.RandShiftIntensityd("image", INTENSITY, prob=1.0),
            transforms.RandGaussianNoised("image", std=NOISE, prob=1.0),
        ]
    ).set_random_state(0)

    def run(given: object) -> object:
        done = [change({"image": image, "mask": mask}) for image, mask in zip(*given, strict=True)]  # type: ignore[misc]
        return torch.stack([one["image"] for one in done]), torch.stack([one["mask"] for one in done])

    return Method("MONAI", lambda pictures: pictures.tensors, run, "picture by picture, dictionary transforms")


def kornia_method() -> Method:
    from kornia import augmentation as K

    change = K.AugmentationSequential(
        K.RandomHorizontalFlip(p=0.5),
        K.RandomVerticalFlip(p=0.5),
        K.RandomAffine(TURN, (SHIFT, SHIFT), (1 - ZOOM, 1 + ZOOM), p=1.0),
        K.RandomElasticTransform(p=1.0),
        K.ColorJitter(brightness=INTENSITY, contrast=INTENSITY, p=1.0),
        K.RandomGaussianNoise(std=NOISE, p=1.0),
        data_keys=["input", "mask"],
    )

    def run(given: object) -> object:
        return [change(image, mask) for image, mask in given]  # type: ignore[attr-defined]

    return Method("kornia", lambda pictures: batches(pictures.tensors), run, f"batches of {BATCH}")


def methods() -> list[Method]:
    """Ours, then every peer that is installed."""
    found = [ours()]
    for make in (albumentations_method, monai_method, kornia_method):
        try:
            found.append(make())
        except ImportError as error:
            print(f"Left out: {error.name} is not installed (pip install -r benchmarks/requirements.txt).\n")
    return found


def measure(pictures: Pictures, found: Sequence[Method], rounds: int) -> list[float]:
    """Median seconds of processor time a thread of each method, all taking turns; the first round is not counted."""
    given = [method.prepare(pictures) for method in found]
    seconds = np.empty((rounds + 1, len(found)))
    for turn in range(rounds + 1):
        for at, (method, one) in enumerate(zip(found, given, strict=True)):
            started = time.process_time()
            method.run(one)
            seconds[turn, at] = (time.process_time() - started) / torch.get_num_threads()
    return np.median(seconds[1:], axis=0).tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--edge", type=int, default=256)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(given.threads)
    found = methods()
    seconds = measure(some_pictures(given.images, given.edge), found, given.rounds)
    print(f"### {given.images} pictures 3 × {given.edge} × {given.edge} with masks, {given.threads} thread(s)\n")
    print("| method | pictures a second | times ours | note |\n|---|---|---|---|")
    for method, spent in zip(found, seconds, strict=True):
        print(f"| {method.name} | {given.images / spent:.0f} | {spent / seconds[0]:.1f} | {method.note} |")


if __name__ == "__main__":
    main()

"""Our batched augmentation beside albumentations, MONAI and kornia, in one run: flip, turn, zoom, move, elastic, light and noise.

    python benchmarks/augmentation.py [--size 256] [--count 64] [--rounds 3]

Peers are optional (benchmarks/requirements.txt); one that is missing is named and left out. Recipes are alike, not the same.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from core.training.picture_augmentation import Augmentation, augment_pictures

Images = NDArray[np.float32]
Work = Callable[[Images, Images], None]


def ours() -> Work:
    """One interpolation for the whole batch, image and mask together."""
    generator = torch.Generator().manual_seed(0)

    def work(images: Images, masks: Images) -> None:
        augment_pictures(torch.from_numpy(images), torch.from_numpy(masks), Augmentation(chance=1.0), generator)

    return work


def with_albumentations() -> Work:
    """Picture by picture."""
    import albumentations as A

    chain = A.Compose(
        [A.HorizontalFlip(), A.Affine(scale=(0.8, 1.2), rotate=(-20, 20), p=1), A.ElasticTransform(alpha=40, sigma=8, p=1),
         A.RandomBrightnessContrast(p=1), A.GaussNoise(p=1)]
    )  # fmt: skip

    def work(images: Images, masks: Images) -> None:
        for image, mask in zip(images, masks):
            chain(image=np.ascontiguousarray(np.moveaxis(image, 0, 2)), mask=mask[0])

    return work


def with_monai() -> Work:
    """Dictionary transforms, picture by picture."""
    from monai.transforms import Compose, Rand2DElasticd, RandAdjustContrastd, RandFlipd, RandGaussianNoised

    both = ("image", "mask")
    chain = Compose(
        [RandFlipd(both, prob=0.5, spatial_axis=1),
         Rand2DElasticd(both, (30, 30), (0.5, 1.0), prob=1, rotate_range=0.35, scale_range=0.2, mode=("bilinear", "nearest")),
         RandAdjustContrastd("image", prob=1), RandGaussianNoised("image", prob=1)]
    )  # fmt: skip

    def work(images: Images, masks: Images) -> None:
        for image, mask in zip(images, masks):
            chain({"image": image, "mask": mask})

    return work


def with_kornia() -> Work:
    """Batched."""
    import kornia.augmentation as K

    chain = K.AugmentationSequential(
        K.RandomHorizontalFlip(), K.RandomAffine(20.0, (0.1, 0.1), (0.8, 1.2), p=1.0), K.RandomElasticTransform(p=1.0),
        K.RandomGaussianNoise(p=1.0), data_keys=["input", "mask"],
    )  # fmt: skip

    def work(images: Images, masks: Images) -> None:
        chain(torch.from_numpy(images), torch.from_numpy(masks))

    return work


PEERS: dict[str, Callable[[], Work]] = {
    "ours": ours,
    "albumentations": with_albumentations,
    "MONAI": with_monai,
    "kornia": with_kornia,
}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    images = rng.random((arguments.count, 3, arguments.size, arguments.size), dtype=np.float32)
    masks = (rng.random((arguments.count, 1, arguments.size, arguments.size)) < 0.1).astype(np.float32)
    works: dict[str, Work] = {}
    for name, make in PEERS.items():
        try:
            works[name] = make()
        except ImportError:
            print(f"{name} is not installed: left out (benchmarks/requirements.txt).")
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(arguments.rounds):
        for name, work in works.items():
            started = time.process_time()
            work(images, masks)
            times[name].append(time.process_time() - started)
    own = statistics.median(times["ours"])
    print("| | images a second | time, ours = 1 |\n|---|---|---|")
    for name, found in times.items():
        median = statistics.median(found)
        print(f"| {name} | {arguments.count / median:.0f} | {median / own:.2f} |")


if __name__ == "__main__":
    main()

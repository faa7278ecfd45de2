"""Times our mask metrics beside MONAI, torchmetrics, surface-distance and MetricsReloaded's way, and prints Markdown tables.

    python benchmarks/segmentation_metrics.py [--rounds 5]

All run in one process, in turn, on the same masks; a number is the median over rounds. Peers are in benchmarks/requirements.txt;
one that is not installed is left out, saying so. "HD95" is not one number: MONAI, MetricsReloaded and ours agree;
surface-distance weighs the surface otherwise and answers otherwise.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.metrics.masks._distances import pair_numbers

Mask = NDArray[np.bool_]
TOLERANCE = 2.0
SIX = "Dice, Jaccard, sensitivity, specificity, HD95, surface Dice"


@dataclass(frozen=True)
class Task:
    """Pairs of masks (pairs, *grid), and whether the four overlap metrics are asked for beside HD95 and surface Dice."""

    title: str
    reference: Mask
    predicted: Mask
    overlap: bool


@dataclass(frozen=True)
class Method:
    """A row: ``run`` gives HD95 by pair, or nothing where the method has none."""

    name: str
    run: Callable[[Task], NDArray[np.float64] | None]
    note: str = ""


def tasks(pairs: int) -> list[Task]:
    """The masks: smooth outlines and a prediction that errs smoothly; one volume of that kind, one of many parts, one far off."""
    flat = [outline((256, 256), 0.25, seed) for seed in range(pairs)]
    near, parts = outline((128,) * 3, 0.33, 1), many_parts((128,) * 3, 2)
    far = np.stack([ball(128, 25, 20), ball(128, 100, 20)])
    return [
        Task(f"{SIX}: {pairs} pairs of 256 × 256", np.stack([p[0] for p in flat]), np.stack([p[1] for p in flat]), True),
        *(
            Task(f"HD95 and surface Dice: one pair of 128³, {kind}", pair[:1], pair[1:], False)
            for kind, pair in (("one part", near), ("many parts, some missed", parts), ("far apart", far))
        ),
    ]


def outline(shape: tuple[int, ...], radius: float, seed: int) -> Mask:
    """(2, *shape): a wavy ball and the same with other waves."""
    rng = np.random.default_rng(seed)
    middle = rng.uniform(0.4, 0.6, len(shape))
    away = np.sqrt(sum((at / size - m) ** 2 for at, size, m in zip(np.indices(shape), shape, middle, strict=True)))
    sizes = radius * rng.uniform(0.4, 1.1)
    shared = waves(shape, shape[0] / 12, rng) * 0.02
    return np.stack([away + shared + waves(shape, shape[0] / 20, rng) * 0.01 < sizes for _ in range(2)])


def many_parts(shape: tuple[int, ...], seed: int) -> Mask:
    """(2, *shape): a smooth field above a level, and the field changed a little."""
    rng = np.random.default_rng(seed)
    field = waves(shape, shape[0] / 13, rng)
    return np.stack([field > 1.2, field + 0.25 * waves(shape, shape[0] / 26, rng) > 1.2])


def waves(shape: tuple[int, ...], length: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Smooth noise of mean 0 and deviation 1."""
    field = ndimage.gaussian_filter(rng.standard_normal(shape), length)
    return (field - field.mean()) / field.std()


def ball(edge: int, middle: int, radius: int) -> Mask:
    """A ball in a cube, its middle on the diagonal."""
    return sum((at - middle) ** 2 for at in np.indices((edge,) * 3)) <= radius**2


def ours(task: Task) -> NDArray[np.float64]:
    found = pair_numbers(task.reference, task.predicted, None, TOLERANCE)
    shares(found.tp, found.fp, found.fn, found.tn)
    near = found.border_reference_near + found.border_predicted_near
    _ = near / (found.border_reference + found.border_predicted)
    return found.hd95


def shares(tp: object, fp: object, fn: object, tn: object) -> tuple[object, ...]:
    """Dice, Jaccard, sensitivity, specificity from counts, of one pair or of many."""
    return 2 * tp / (2 * tp + fp + fn), tp / (tp + fp + fn), tp / (tp + fn), tn / (tn + fp)  # type: ignore[operator]


def as_metrics_reloaded(task: Task) -> NDArray[np.float64]:
    """Its definitions, by the calls that it makes: erosion, SciPy's transform of the whole picture, NumPy's percentile."""
    values = []
    for reference, predicted in zip(task.reference, task.predicted, strict=True):
        if task.overlap:
            count_by_maps(reference, predicted)
        borders = [mask & ~ndimage.binary_erosion(mask) for mask in (reference, predicted)]
        away = [ndimage.distance_transform_edt(~border) for border in borders]
        there, back = away[1][borders[0]], away[0][borders[1]]
        values.append(max(np.percentile(there, 95), np.percentile(back, 95)))
        _ = (np.sum(there <= TOLERANCE) + np.sum(back <= TOLERANCE)) / (len(there) + len(back))
    return np.array(values)


def count_by_maps(reference: Mask, predicted: Mask) -> tuple[object, ...]:
    """The four shares from counts, each counted on the maps in single precision that MetricsReloaded makes."""
    one, other = reference.astype(np.float32), predicted.astype(np.float32)
    maps = (one + other > 1, other - one > 0, one - other > 0, one + other < 0.5)
    return shares(*(np.sum(found.astype(np.float32)) for found in maps))


def monai_method() -> Method:
    import torch
    from monai.metrics import (
        compute_confusion_matrix_metric,
        compute_dice,
        compute_hausdorff_distance,
        compute_iou,
        compute_surface_dice,
        get_confusion_matrix,
    )

    def run(task: Task) -> NDArray[np.float64]:
        told, drawn = (torch.from_numpy(masks)[:, None].float() for masks in (task.predicted, task.reference))
        if task.overlap:
            compute_dice(told, drawn), compute_iou(told, drawn)
            matrix = get_confusion_matrix(told, drawn)
            for name in ("sensitivity", "specificity"):
                compute_confusion_matrix_metric(name, matrix)
        compute_surface_dice(told, drawn, [TOLERANCE], include_background=True)
        return compute_hausdorff_distance(told, drawn, include_background=True, percentile=95).numpy()[:, 0].astype(np.float64)

    return Method("MONAI", run)


def torchmetrics_method() -> Method:
    import torch
    from torchmetrics.functional.segmentation import dice_score, mean_iou

    def run(task: Task) -> None:
        told, drawn = (torch.from_numpy(masks)[:, None].long() for masks in (task.predicted, task.reference))
        dice_score(told, drawn, num_classes=1), mean_iou(told, drawn, num_classes=1)

    return Method("torchmetrics", run, "Dice and Jaccard only: it has neither HD95 nor surface Dice")


def surface_distance_method() -> Method:
    import surface_distance

    def run(task: Task) -> NDArray[np.float64]:
        values = []
        for reference, predicted in zip(task.reference, task.predicted, strict=True):
            if task.overlap:
                both, drawn, told = (np.count_nonzero(m) for m in (reference & predicted, reference, predicted))
                shares(both, told - both, drawn - both, reference.size - drawn - told + both)
            found = surface_distance.compute_surface_distances(reference, predicted, (1.0,) * reference.ndim)
            surface_distance.compute_surface_dice_at_tolerance(found, TOLERANCE)
            values.append(surface_distance.compute_robust_hausdorff(found, 95))
        return np.array(values)

    return Method("surface-distance, counts by NumPy", run, "other definition: surface areas")


def methods() -> list[Method]:
    """Ours, then every peer that is installed."""
    found = [
        Method("ours", ours, "one thread"),
        Method("MetricsReloaded's way (SciPy)", as_metrics_reloaded),
    ]
    for make in (monai_method, torchmetrics_method, surface_distance_method):
        try:
            found.append(make())
        except ImportError as error:
            print(f"Left out: {error.name} is not installed (pip install -r benchmarks/requirements.txt).\n")
    return found


def measure(task: Task, found: Sequence[Method], rounds: int) -> list[float]:
    """Median seconds of each method, all taking turns."""
    seconds = np.empty((rounds, len(found)))
    for turn in range(rounds):
        for at, method in enumerate(found):
            started = time.perf_counter()
            method.run(task)
            seconds[turn, at] = time.perf_counter() - started
    return np.median(seconds, axis=0).tolist()


def show(task: Task, found: Sequence[Method], seconds: Sequence[float]) -> None:
    """Prints one table: milliseconds, how many times ours that is, and how far HD95 lies from ours."""
    print(f"### {task.title}\n\n| method | ms | times ours | largest difference of HD95 | note |\n|---|---|---|---|---|")
    mine = found[0].run(task)
    for method, spent in zip(found, seconds, strict=True):
        values = method.run(task)
        apart = "" if values is None or mine is None else f"{np.abs(values - mine).max():.1e}"
        print(f"| {method.name} | {spent * 1000:.1f} | {spent / seconds[0]:.1f} | {apart} | {method.note} |")
    print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pairs", type=int, default=256)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    found = methods()
    for task in tasks(given.pairs):
        small = Task(task.title, task.reference[:1], task.predicted[:1], task.overlap)
        for method in found:
            method.run(small)  # compiled and imported before the clock starts
        print(f"Foreground {task.reference.mean():.1%}, median HD95 {np.median(ours(task)):.1f}\n")
        show(task, found, measure(task, found, given.rounds))


if __name__ == "__main__":
    main()

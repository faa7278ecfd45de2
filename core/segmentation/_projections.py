"""One grey picture from several channels, in which a region is bright: learned from training masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.segmentation._training_sample import Array, TrainingSample

RIDGE = 1e-3
POOLED_PIXELS = 100_000


@dataclass(frozen=True)
class Contrast:
    """How a region differs from what lies around it, over the items that hold both.

    Args:
        difference: (channels,) mean of inside minus outside; within: (channels, channels) covariance inside either.
    """

    difference: NDArray[np.float64]
    within: NDArray[np.float64]


def projections(sample: TrainingSample, region: int) -> tuple[tuple[float, ...], ...]:
    """Weights of the channels, best separating first: each channel, their mean, and Fisher's discriminant.

    The sign is such that the region is bright.

    Reference: Fisher, Annals of Eugenics 1936, 10.1111/j.1469-1809.1936.tb02137.x.
    """
    contrast = measure_contrast(sample, region)
    channels = len(contrast.difference)
    fisher = np.linalg.solve(contrast.within + RIDGE * np.eye(channels), contrast.difference)
    rows = [*np.eye(channels), np.full(channels, 1.0 / channels), fisher] if channels > 1 else [np.ones(1)]
    signed = [_bright(row, contrast) for row in rows]
    ordered = sorted(signed, key=lambda row: -_separation(row, contrast))
    return tuple(tuple(float(weight) for weight in row) for row in ordered)


def measure_contrast(sample: TrainingSample, region: int) -> Contrast:
    """The region against its surroundings."""
    channels = len(sample.images[0])
    differences, within = [np.zeros(channels)], RIDGE * np.eye(channels)
    for image, mask in zip(sample.images, sample.masks):
        inside = mask[region]
        if not inside.any() or inside.all():
            continue
        inner, outer = image[:, inside].astype(float), image[:, ~inside].astype(float)
        differences.append(inner.mean(axis=1) - outer.mean(axis=1))
        within = within + (_scatter(inner) + _scatter(outer)) / inside.size
    count = max(1, len(differences) - 1)
    return Contrast(np.sum(differences, axis=0) / count, within / count)


def project(image: Array, weights: Sequence[float], sigma: float = 0.0) -> Array:
    """(*grid): the weighted channels, smoothed by a Gaussian of ``sigma`` pixels."""
    grey = np.tensordot(np.asarray(weights, dtype=np.float32), image, axes=1)
    smooth = ndimage.gaussian_filter(grey, sigma, mode="nearest", truncate=3.0) if sigma else grey
    return np.asarray(smooth, dtype=np.float32)


def is_flat(grey: Array) -> bool:
    """Whether nothing can be told apart in it."""
    return float(grey.max() - grey.min()) < 1e-4


def otsu(grey: Array, classes: int = 2, level: int = 0) -> float:
    """A threshold of the values; infinity where too few of them differ.

    Args:
        classes: into which the histogram is cut; level: which of the thresholds between them, from 0.

    Reference: Otsu, IEEE TSMC 1979, 10.1109/TSMC.1979.4310076.
    """
    from skimage.filters import threshold_multiotsu, threshold_otsu

    if is_flat(grey):
        return float("inf")
    if classes == 2:
        return float(threshold_otsu(grey, nbins=128))
    counts, edges = np.histogram(grey, 64)
    if np.count_nonzero(counts) <= classes:
        return float("inf")
    return float(threshold_multiotsu(classes=classes, hist=(counts, (edges[:-1] + edges[1:]) / 2))[level])


def pooled_pixels(sample: TrainingSample, weights: Sequence[float], sigma: float, seed: int) -> Array:
    """Values of one projection, some pixels of every item."""
    rng = np.random.default_rng([seed, 37])
    each = max(1, POOLED_PIXELS // len(sample))
    return np.concatenate([rng.choice(project(image, weights, sigma).ravel(), each) for image in sample.images])


def _scatter(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = pixels - pixels.mean(axis=1, keepdims=True)
    return np.asarray(centred @ centred.T)


def _bright(row: NDArray[np.float64], contrast: Contrast) -> NDArray[np.float64]:
    scaled = row / max(float(np.abs(row).sum()), 1e-12)
    return scaled if scaled @ contrast.difference >= 0 else -scaled


def _separation(row: NDArray[np.float64], contrast: Contrast) -> float:
    return float((row @ contrast.difference) / np.sqrt(row @ contrast.within @ row + 1e-12))

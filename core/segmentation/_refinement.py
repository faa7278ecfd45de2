"""Hybrid methods: what a network gave, refined by rules or by a classical step.

Scores are (regions, *grid) between 0 and 1; a pixel belongs to a region at 0.5 or above. Every step gives scores again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float32]
Step = Callable[[Array, Array], Array]

INSIDE, OUTSIDE = 0.51, 0.49
SMALL_SHARE = 0.1
"""Parts under this share of the largest are removed by ``remove_small``."""
SURE = 0.8
BAND = 2
CRF_ROUNDS = 5
CRF_NEAR, CRF_COLOUR, CRF_WEIGHT = 2.0, 0.3, 2.0
"""Standard deviation in pixels, in units of the normalised image, and weight of the neighbours' vote."""


def refine(scores: Array, image: NDArray[np.generic], steps: Sequence[str]) -> Array:
    """The scores after those steps, each region by itself.

    Args:
        image: (channels, *grid) on the grid of the scores, in any units.
        steps: of ``STEPS``, in order.
    """
    grey = _grey(image)
    for step in steps:
        scores = np.stack([STEPS[step](region, grey) for region in scores])
    return scores


def _grey(image: NDArray[np.generic]) -> Array:
    mean = image.astype(np.float32).mean(axis=0)
    spread = float(mean.std())
    return np.asarray((mean - mean.mean()) / (spread + 1e-6), dtype=np.float32)


def _limited(scores: Array, kept: NDArray[np.bool_]) -> Array:
    """The scores where the mask is kept; elsewhere below one half."""
    return np.where(kept, scores, np.minimum(scores, OUTSIDE)).astype(np.float32)


def _parts(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    labels, count = ndimage.label(mask, np.ones((3,) * mask.ndim))
    return labels, np.bincount(labels.ravel(), minlength=count + 1)


def largest_component(scores: Array, grey: Array) -> Array:
    """Only the largest connected part stays."""
    labels, sizes = _parts(scores >= 0.5)
    if len(sizes) <= 2:
        return scores
    return _limited(scores, labels == 1 + int(np.argmax(sizes[1:])))


def remove_small(scores: Array, grey: Array) -> Array:
    """Parts under a tenth of the largest go."""
    labels, sizes = _parts(scores >= 0.5)
    if len(sizes) <= 2:
        return scores
    large = sizes >= SMALL_SHARE * sizes[1:].max()
    large[0] = False
    return _limited(scores, large[labels])


def fill_holes(scores: Array, grey: Array) -> Array:
    """Holes inside the mask are filled; in a volume slice by slice."""
    mask = scores >= 0.5
    filled = np.stack([ndimage.binary_fill_holes(one) for one in mask]) if mask.ndim == 3 else ndimage.binary_fill_holes(mask)
    return np.where(filled & ~mask, INSIDE, scores).astype(np.float32)


def crf(scores: Array, grey: Array) -> Array:
    """Mean field of a conditional random field whose neighbours lie in a small window and count by likeness and nearness.

    Reference: Krähenbühl & Koltun, NeurIPS 2011, arXiv:1210.5644; its fully connected pairs are limited to a window here.
    """
    edge = np.clip(scores, 1e-3, 1 - 1e-3)
    unary = np.log(edge) - np.log1p(-edge)
    shifts = [
        shift for shift in np.ndindex(*(5,) * scores.ndim) if any(step != 2 for step in shift) and _near(shift, scores.ndim)
    ]
    weights = [_likeness(grey, shift) for shift in shifts]
    total = np.sum(weights, axis=0) + 1e-6
    chance = edge
    for _ in range(CRF_ROUNDS):
        vote = np.sum([weight * _shifted(chance, shift) for weight, shift in zip(weights, shifts)], axis=0) / total
        chance = 1.0 / (1.0 + np.exp(-(unary + 2 * CRF_WEIGHT * (2 * vote - 1))))
    return chance.astype(np.float32)


def _near(shift: tuple[int, ...], axes: int) -> bool:
    """In a volume only steps along one axis, to keep the window small."""
    return axes == 2 or sum(step != 2 for step in shift) == 1


def _shifted(array: Array, shift: tuple[int, ...]) -> Array:
    padded = np.pad(array, 2, mode="edge")
    return padded[tuple(slice(step, step + edge) for step, edge in zip(shift, array.shape))]


def _likeness(grey: Array, shift: tuple[int, ...]) -> Array:
    away = sum((step - 2) ** 2 for step in shift)
    unlike = (grey - _shifted(grey, shift)) ** 2
    return np.asarray(np.exp(-away / (2 * CRF_NEAR**2) - unlike / (2 * CRF_COLOUR**2)), dtype=np.float32)


def watershed(scores: Array, grey: Array) -> Array:
    """The boundary is moved to the strongest edge within two pixels of it, or where the scores are unsure.

    Parts too thin to be moved stay as they are.
    """
    from skimage.segmentation import watershed as flood

    mask = scores >= 0.5
    inside, outside = _surely(mask, scores >= SURE), _surely(~mask, scores <= 1 - SURE)
    if not inside.any() or not outside.any():
        return scores
    slope = ndimage.gaussian_gradient_magnitude(grey, 1.0)
    flooded = flood(slope, inside.astype(np.int32) + 2 * outside.astype(np.int32)) == 1
    return np.where(flooded, np.maximum(scores, INSIDE), np.minimum(scores, OUTSIDE)).astype(np.float32)


def _surely(side: NDArray[np.bool_], sure: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What is sure and at least two pixels away from the other side; of a part in which nothing is, all of it."""
    core = ndimage.binary_erosion(side, iterations=BAND, border_value=1) & sure
    labels, count = ndimage.label(side, np.ones((3,) * side.ndim))
    lost = np.bincount(labels[core], minlength=count + 1) == 0
    lost[0] = False
    return np.asarray(core | lost[labels])


STEPS: Mapping[str, Step] = {
    "largest_component": largest_component,
    "fill_holes": fill_holes,
    "remove_small": remove_small,
    "crf": crf,
    "watershed": watershed,
}

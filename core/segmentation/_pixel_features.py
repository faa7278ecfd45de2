"""What a classifier of pixels is told about each pixel: brightness at several scales, edges, shape of the surroundings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.segmentation._training_sample import Array

SCALES = (1.0, 2.0, 4.0, 8.0, 16.0)
EDGE_SCALES = (1.0, 2.0, 4.0)
SHAPE_SCALES = (2.0, 4.0)


def pixel_features(image: Array, position: bool) -> Array:
    """(pixels, features) of an image (channels, *grid).

    Each channel as it is and smoothed by Gaussians of 1 to 16 pixels, the difference to the picture's mean, and of the channels'
    mean the size of the gradient and the eigenvalues of the Hessian; with ``position`` also the distance to the centre.
    """
    columns = [column for channel in image for column in _brightness(channel)]
    grey = image.mean(axis=0)
    columns += [ndimage.gaussian_gradient_magnitude(grey, sigma, mode="nearest", truncate=3.0) for sigma in EDGE_SCALES]
    columns += [value for sigma in SHAPE_SCALES for value in _curvature(grey, sigma)]
    if position:
        columns.append(_distance(grey.shape))
    return np.stack([column.ravel() for column in columns], axis=1).astype(np.float32)


def _brightness(channel: Array) -> list[Array]:
    smooth = [ndimage.gaussian_filter(channel, sigma, mode="nearest", truncate=3.0) for sigma in SCALES]
    return [channel, *smooth, smooth[0] - channel.mean()]


def _curvature(grey: Array, sigma: float) -> list[Array]:
    """Eigenvalues of the Hessian, falling.

    Reference: Frangi et al., MICCAI 1998, 10.1007/BFb0056195.
    """
    axes = grey.ndim
    second = np.empty((*grey.shape, axes, axes), dtype=np.float32)
    for row in range(axes):
        for column in range(row, axes):
            order = [int(axis == row) + int(axis == column) for axis in range(axes)]
            found = sigma**2 * ndimage.gaussian_filter(grey, sigma, order=order, mode="nearest", truncate=4.0)
            second[..., row, column] = second[..., column, row] = found
    return list(np.moveaxis(_eigenvalues(second), -1, 0))


def _eigenvalues(second: NDArray[np.float32]) -> NDArray[np.float32]:
    if second.shape[-1] != 2:
        return np.asarray(np.linalg.eigvalsh(second)[..., ::-1])
    # In two dimensions by hand: the general routine takes as long as all other features together.
    middle = (second[..., 0, 0] + second[..., 1, 1]) / 2
    half = np.sqrt(((second[..., 0, 0] - second[..., 1, 1]) / 2) ** 2 + second[..., 0, 1] ** 2)
    return np.stack([middle + half, middle - half], axis=-1)


def _distance(grid: tuple[int, ...]) -> Array:
    """From the centre, 1 at the middle of a face."""
    axes = np.meshgrid(*(np.linspace(-1, 1, edge) for edge in grid), indexing="ij")
    return np.sqrt(np.sum([axis**2 for axis in axes], axis=0)).astype(np.float32)

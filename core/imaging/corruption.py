"""Planted faults of prepared images, in five severities: what a benchmark of clean pictures does not show.

Images are (channels, *grid) of about -1 to 1, 2-D or 3-D; all channels suffer alike; the mask is not touched. The strengths
follow Hendrycks & Dietterich (ICLR 2019, arXiv:1903.12261), scaled to this range.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float32]
Fault = Callable[[Array, int, np.random.Generator], Array]

SEVERITIES = 5
NOISE = (0.08, 0.16, 0.24, 0.36, 0.5)
BLUR = (0.6, 1.0, 1.5, 2.2, 3.0)
CONTRAST = (0.75, 0.6, 0.45, 0.3, 0.2)
GHOST = (0.1, 0.2, 0.3, 0.4, 0.55)
PHOTONS = (200.0, 80.0, 40.0, 20.0, 10.0)


def noise(image: Array, severity: int, rng: np.random.Generator) -> Array:
    """Gaussian noise of standard deviation 0.08 to 0.5."""
    return (image + rng.normal(0.0, NOISE[severity - 1], image.shape)).astype(np.float32)


def blur(image: Array, severity: int, rng: np.random.Generator) -> Array:
    """Gaussian blur of 0.6 to 3 pixels."""
    sigma = (0.0, *(BLUR[severity - 1],) * (image.ndim - 1))
    return np.asarray(ndimage.gaussian_filter(image, sigma), dtype=np.float32)


def contrast(image: Array, severity: int, rng: np.random.Generator) -> Array:
    """Contrast lowered to 75 to 20 % around each channel's mean."""
    mean = image.mean(axis=tuple(range(1, image.ndim)), keepdims=True)
    return (mean + CONTRAST[severity - 1] * (image - mean)).astype(np.float32)


def ghosting(image: Array, severity: int, rng: np.random.Generator) -> Array:
    """Faint copies of the picture along the last but one axis, as periodic motion leaves them in MR: 10 to 55 % of the signal."""
    axis = image.ndim - 2
    edge = image.shape[axis]
    share = GHOST[severity - 1]
    copies = [np.roll(image, int(step * edge / 4), axis=axis) for step in (1, 2, 3)]
    return ((1 - share) * image + share * np.mean(copies, axis=0)).astype(np.float32)


def low_dose(image: Array, severity: int, rng: np.random.Generator) -> Array:
    """Photon noise: the brightness counted with 200 down to 10 photons at full scale."""
    photons = PHOTONS[severity - 1]
    light = np.clip((image + 1.0) / 2.0, 0.0, 1.0)
    return (2.0 * rng.poisson(light * photons) / photons - 1.0).astype(np.float32)


CORRUPTIONS: Mapping[str, Fault] = {
    "noise": noise,
    "blur": blur,
    "contrast": contrast,
    "ghosting": ghosting,
    "low_dose": low_dose,
}

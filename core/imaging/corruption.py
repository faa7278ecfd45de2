"""Planted faults of prepared images, in five severities: what a benchmark of clean pictures does not show.

Images are (channels, *grid) of about -1 to 1, 2-D or 3-D; all channels suffer alike; the mask is not touched. Five severities
and the kinds follow Hendrycks & Dietterich (ICLR 2019, arXiv:1903.12261); the strengths are our own, so chosen that severity 1
is just seen and severity 5 leaves little. Every fault is drawn from the generator that it is given, and from nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.errors import InputError

Array = NDArray[np.float32]
Fault = Callable[[Array, int, np.random.Generator], Array]

SEVERITIES = 5
NOISE = (0.08, 0.16, 0.24, 0.36, 0.5)
BLUR = (0.6, 1.0, 1.5, 2.2, 3.0)
CONTRAST = (0.75, 0.6, 0.45, 0.3, 0.2)
GHOST = (0.1, 0.2, 0.3, 0.4, 0.55)
PHOTONS = (200.0, 80.0, 40.0, 20.0, 10.0)
FIELD = (0.15, 0.3, 0.45, 0.6, 0.8)


def _strength(of: tuple[float, ...], severity: int) -> float:
    """The strength at that severity.

    Raises:
        InputError: not 1 to 5.
    """
    if severity not in range(1, SEVERITIES + 1):
        raise InputError(f"A fault has severities 1 to {SEVERITIES}; given {severity!r}.", do="Give one of these.")
    return of[severity - 1]


def noise(image: Array, severity: int, rng: np.random.Generator) -> Array:
    """Gaussian noise of standard deviation 0.08 to 0.5."""
    return (image + rng.normal(0.0, _strength(NOISE, severity), image.shape)).astype(np.float32)


def blur(image: Array, severity: int, rng: np.random.Generator) -> Array:
    """Gaussian blur of 0.6 to 3 pixels."""
    sigma = (0.0, *(_strength(BLUR, severity),) * (image.ndim - 1))
    return np.asarray(ndimage.gaussian_filter(image, sigma), dtype=np.float32)


def contrast(image: Array, severity: int, rng: np.random.Generator) -> Array:
    """Contrast lowered to 75 to 20 % around each channel's mean."""
    mean = image.mean(axis=tuple(range(1, image.ndim)), keepdims=True)
    return (mean + _strength(CONTRAST, severity) * (image - mean)).astype(np.float32)


def ghosting(image: Array, severity: int, rng: np.random.Generator) -> Array:
    """Faint copies of the picture along the last but one axis, as periodic motion leaves them in MR: 10 to 55 % of the signal."""
    axis = image.ndim - 2
    edge = image.shape[axis]
    share = _strength(GHOST, severity)
    copies = [np.roll(image, int(step * edge / 4), axis=axis) for step in (1, 2, 3)]
    return ((1 - share) * image + share * np.mean(copies, axis=0)).astype(np.float32)


def low_dose(image: Array, severity: int, rng: np.random.Generator) -> Array:
    """Photon noise: the brightness counted with 200 down to 10 photons at full scale, so that bright places are the noisiest."""
    photons = _strength(PHOTONS, severity)
    # Images of other ranges (z-scores) are counted between their own ends.
    low, high = min(-1.0, float(image.min())), max(1.0, float(image.max()))
    light = (image - low) / (high - low)
    return ((high - low) * rng.poisson(light * photons) / photons + low).astype(np.float32)


def bias_field(image: Array, severity: int, rng: np.random.Generator) -> Array:
    """A smooth change of brightness across the picture, of at most 0.15 to 0.8, as coils leave it in MR."""
    grid = image.shape[1:]
    rough = rng.normal(size=(3,) * len(grid))
    field = ndimage.zoom(rough, [edge / 3 for edge in grid], order=3, grid_mode=True, mode="nearest")
    return (image + _strength(FIELD, severity) * field / np.abs(field).max()).astype(np.float32)


CORRUPTIONS: Mapping[str, Fault] = {
    "noise": noise,
    "blur": blur,
    "contrast": contrast,
    "ghosting": ghosting,
    "low_dose": low_dose,
    "bias_field": bias_field,
}

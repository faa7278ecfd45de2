"""Filters of pictures: normalisation and noise reduction, each picture by itself, nothing learned from others.

Arrays are (channels, *grid), 2-D or 3-D.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float32]

PERCENTILES = (0.5, 99.5)
FLAT = 1e-6
"""A channel whose values spread less than this carries nothing; it becomes 0."""


def normalise(image: Array, kind: str, window_hu: tuple[float, float] = (-160.0, 240.0)) -> Array:
    """The image with each channel brought to one scale: about -1 to 1, or mean 0 and variance 1 for ``zscore``.

    Args:
        kind: ``minmax``; ``percentile``: 0.5 and 99.5 % of the values above the channel's smallest (what surrounds a head in
            an MR scan does not count) become -1 and 1, the rest is clipped; ``zscore`` over the same values;
            ``window``: Hounsfield units between the ends of ``window_hu`` become -1 to 1.
    """
    return np.stack([_channel(channel.astype(np.float32), kind, window_hu) for channel in image])


def _channel(channel: Array, kind: str, window_hu: tuple[float, float]) -> Array:
    if kind == "zscore":
        inside = _inside(channel)
        spread = float(inside.std())
        return (channel - inside.mean()) / spread if spread > FLAT else np.zeros_like(channel)
    low, high = _ends(channel, kind, window_hu)
    if high - low <= FLAT:
        return np.zeros_like(channel)
    scaled = (np.clip(channel, low, high) - low) * (2.0 / (high - low)) - 1.0
    return scaled.astype(np.float32)


def _ends(channel: Array, kind: str, window_hu: tuple[float, float]) -> tuple[float, float]:
    if kind == "window":
        return window_hu
    if kind == "minmax":
        return float(channel.min()), float(channel.max())
    low, high = np.percentile(_inside(channel), PERCENTILES)
    return float(low), float(high)


def _inside(channel: Array) -> Array:
    """Values above the smallest, where there are any."""
    inside = channel[channel > channel.min()]
    return inside if inside.size else channel.ravel()


def denoise(image: Array, kind: str) -> Array:
    """The image with less noise: ``gaussian`` (sigma 1 pixel), ``median`` (3 pixels), ``nlm`` (non-local means),
    ``anisotropic`` (Perona-Malik diffusion), or as it is for ``none``."""
    if kind == "none":
        return image
    return np.stack([DENOISERS[kind](channel.astype(np.float32)) for channel in image])


def _gaussian(channel: Array) -> Array:
    return np.asarray(ndimage.gaussian_filter(channel, 1.0), dtype=np.float32)


def _median(channel: Array) -> Array:
    return np.asarray(ndimage.median_filter(channel, size=3), dtype=np.float32)


def _nlm(channel: Array) -> Array:
    """Reference: Buades et al., CVPR 2005, 10.1109/CVPR.2005.38."""
    from skimage.restoration import denoise_nl_means

    sigma = noise_of(channel)
    if sigma <= FLAT:
        return channel
    found = denoise_nl_means(channel, patch_size=5, patch_distance=5, h=0.8 * sigma, sigma=sigma, fast_mode=True)
    return np.asarray(found, dtype=np.float32)


def noise_of(channel: Array) -> float:
    """Standard deviation of white noise in a channel, from its finest structure alone (differences along all axes at once).

    Reference: Donoho & Johnstone, Biometrika 1994, 10.1093/biomet/81.3.425 (median of the finest Haar coefficients).
    """
    finest = channel.astype(np.float32)
    for axis in range(channel.ndim):
        finest = np.diff(finest, axis=axis)
    return float(np.median(np.abs(finest))) / (0.6745 * 2 ** (channel.ndim / 2)) if finest.size else 0.0


def _anisotropic(channel: Array) -> Array:
    """Ten steps of diffusion that stops at edges of more than two robust standard deviations of the gradient.

    Reference: Perona & Malik, IEEE TPAMI 1990, 10.1109/34.56205.
    """
    steps, rate = 10, 1.0 / (2 * channel.ndim + 1)
    flow = channel.astype(np.float32)
    gradients = np.concatenate([np.abs(np.diff(flow, axis=axis)).ravel() for axis in range(flow.ndim)])
    edge = 2.0 * 1.4826 * float(np.median(gradients)) + FLAT
    for _ in range(steps):
        change = np.zeros_like(flow)
        for axis in range(flow.ndim):
            difference = np.diff(flow, axis=axis)
            moved = difference * np.exp(-((difference / edge) ** 2))
            before, after = [(0, 0)] * flow.ndim, [(0, 0)] * flow.ndim
            before[axis], after[axis] = (0, 1), (1, 0)
            change += np.pad(moved, before) - np.pad(moved, after)
        flow = flow + rate * change
    return flow


DENOISERS: Mapping[str, Callable[[Array], Array]] = {
    "gaussian": _gaussian,
    "median": _median,
    "nlm": _nlm,
    "anisotropic": _anisotropic,
}

"""What may explain the errors of a case, measured once from its picture and its drawn regions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.contracts.pictures import Picture, Unit

RING = 3
"""Pixels around a region in which its surroundings are measured."""


def picture_facts(picture: Picture, regions: Sequence[str], unit: Unit) -> list[dict[str, Any]]:
    """One entry a region: case_id, region, ``size`` (pixels, or mm to the number of axes), ``share`` of the picture,
    ``touches_border``, connected ``parts``, ``contrast`` (difference of mean grey inside and in a ring around it, over their
    pooled standard deviation), and of the whole picture ``sharpness`` (standard deviation of the Laplacian over that of the
    grey values) and ``noise`` (robust standard deviation of the finest detail, in units of the grey values' spread).

    Numbers of an empty region are NaN but for size, share and parts, which are 0.
    """
    grey = picture.image.astype(np.float32).mean(axis=0)
    spread = float(grey.std()) + 1e-6
    detail = ndimage.laplace(grey)
    quality = {
        "sharpness": float(detail.std()) / spread,
        "noise": 1.4826 * float(np.median(np.abs(detail - np.median(detail)))) / spread,
    }
    voxel = float(np.prod(picture.spacing_mm)) if unit == "mm" and picture.spacing_mm else 1.0
    drawn = picture.mask if picture.mask is not None else np.zeros((len(regions), *grey.shape), dtype=bool)
    return [
        {"case_id": picture.case_id, "region": name, **_region_facts(mask, grey, voxel), **quality}
        for name, mask in zip(regions, drawn, strict=True)
    ]


def _region_facts(mask: NDArray[np.bool_], grey: NDArray[np.float32], voxel: float) -> dict[str, Any]:
    count = int(mask.sum())
    parts = int(ndimage.label(mask, np.ones((3,) * mask.ndim))[1]) if count else 0
    return {
        "size": count * voxel,
        "share": count / mask.size,
        "touches_border": _touches_border(mask) if count else float("nan"),
        "parts": parts,
        "contrast": _contrast(mask, grey) if count else float("nan"),
    }


def _touches_border(mask: NDArray[np.bool_]) -> float:
    """1 where the region meets an edge of the picture within its last two axes."""
    sides = (mask[..., 0, :], mask[..., -1, :], mask[..., :, 0], mask[..., :, -1])
    return float(any(side.any() for side in sides))


def _contrast(mask: NDArray[np.bool_], grey: NDArray[np.float32]) -> float:
    window = tuple(slice(max(part.start - RING, 0), part.stop + RING) for part in ndimage.find_objects(mask.astype(np.int8))[0])
    inside, seen = mask[window], grey[window]
    ring = ndimage.binary_dilation(inside, iterations=RING) & ~inside
    if not ring.any():
        return float("nan")
    within, around = seen[inside], seen[ring]
    pooled = float(np.sqrt((within.var() + around.var()) / 2)) + 1e-6
    return abs(float(within.mean()) - float(around.mean())) / pooled

"""Voxels with their geometry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from core.errors import GeometryError


@dataclass(frozen=True)
class Volume:
    """A 3-D image or label map.

    Args:
        voxels: shape (x, y, z) in the axes of ``affine``.
        affine: 4 × 4, voxel index to millimetres (RAS+).
        labels: for a label map, what each positive value means ({1: "kidney", 2: "tumour"}); empty for an image.

    Raises:
        GeometryError: not three axes, a spacing at or below zero, or a value that is not finite.
    """

    voxels: NDArray[np.generic]
    affine: NDArray[np.float64]
    labels: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.voxels.ndim != 3:
            raise GeometryError(f"A volume has three axes; this one has {self.voxels.ndim}.", do="Give one 3-D volume.")
        if self.affine.shape != (4, 4) or not np.isfinite(self.affine).all():
            raise GeometryError("The affine of a volume is a finite 4 × 4 matrix.", do="Write the file again with its geometry.")
        if min(self.spacing_mm) <= 0:
            raise GeometryError(
                f"Voxel spacing must be above 0 mm; given: {self.spacing_mm}.", do="Write the file again with its spacing."
            )
        if np.issubdtype(self.voxels.dtype, np.floating) and not np.isfinite(self.voxels).all():
            raise GeometryError("The volume holds values that are not finite.", do="Export the scan again.", code="IMG_NONFINITE")

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Edge lengths of one voxel along its three axes, in mm."""
        x, y, z = np.sqrt((self.affine[:3, :3] ** 2).sum(axis=0))
        return float(x), float(y), float(z)

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in millilitres."""
        x, y, z = self.spacing_mm
        return x * y * z / 1000.0


@dataclass(frozen=True)
class CaseImage:
    """What is known of one case in pictures: a scan, its mask, or both, on one grid.

    Raises:
        GeometryError: scan and mask on different grids.
    """

    case_id: str
    scan: Volume | None = None
    mask: Volume | None = None

    def __post_init__(self) -> None:
        if self.scan is None or self.mask is None:
            return
        same_shape = self.scan.voxels.shape == self.mask.voxels.shape
        if not same_shape or not np.allclose(self.scan.affine, self.mask.affine, atol=1e-3):
            raise GeometryError(
                f"Case {self.case_id}: the mask is on another grid than the scan "
                f"({self.mask.voxels.shape} at {self.mask.spacing_mm} mm; "
                f"{self.scan.voxels.shape} at {self.scan.spacing_mm} mm).",
                do="Resample the mask to the scan's grid, or export both again.",
            )

"""Volumes as stacks of slices: how a scan of any data set is laid out for segmentation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from core.contracts.volume import Volume
from core.errors import GeometryError
from core.imaging.geometry import in_ras_order


def seen_from_the_feet(volume: Volume) -> Volume:
    """The same voxels with their first axis running to the patient's left and their second to the back, as nearly as they can.

    Slices across the third axis then show the front on top and the patient's right on the left, as readers are used to.
    """
    ordered = in_ras_order(volume)
    shift = np.diag([-1.0, -1.0, 1.0, 1.0])
    shift[:2, 3] = [ordered.voxels.shape[0] - 1, ordered.voxels.shape[1] - 1]
    return Volume(ordered.voxels[::-1, ::-1], ordered.affine @ shift, volume.labels)


def stack(volume: Volume) -> NDArray[np.generic]:
    """(depth, height, width) of a volume that is ``seen_from_the_feet``: slices from the feet up, rows from the front."""
    return np.ascontiguousarray(volume.voxels.transpose(2, 1, 0))


def stack_spacing(volume: Volume) -> tuple[float, float, float]:
    """Spacing in mm along the axes of ``stack``."""
    right, front, up = volume.spacing_mm
    return up, front, right


def nested(labels: NDArray[np.generic], regions: Iterable[Sequence[int]]) -> NDArray[np.bool_]:
    """(regions, …): where a label is one of each region's own."""
    return np.stack([np.isin(labels, list(values)) for values in regions])


def refuse_unequal_grids(case_id: str, names: Sequence[str], volumes: Sequence[Volume]) -> None:
    """Nothing, if all volumes of a case lie on the grid of the first.

    Raises:
        GeometryError: names the case and the file that differs.
    """
    first = volumes[0]
    for name, volume in zip(names[1:], volumes[1:], strict=True):
        if volume.voxels.shape != first.voxels.shape or not np.allclose(volume.affine, first.affine, atol=1e-3):
            raise GeometryError(
                f"Case {case_id}: {name} is on another grid than {names[0]} ({volume.voxels.shape} at {volume.spacing_mm} mm; "
                f"{first.voxels.shape} at {first.spacing_mm} mm).",
                do="Fetch the case again, or resample both to one grid.",
            )

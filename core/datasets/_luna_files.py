"""Files of LUNA16: scans, the nodules marked on them, and one case drawn from both."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.contracts.pictures import Picture
from core.contracts.volume import Volume
from core.datasets._volume_stacks import seen_from_the_feet, stack, stack_spacing
from core.errors import DataError, Refused
from core.ingest.cells import Cells, parse_cells
from core.ingest.metaimage import read_metaimage
from core.ingest.tables import read_bytes
from core.ingest.values import is_number

Point = NDArray[np.float64]

ANNOTATIONS = ("annotations.csv", "CSVFILES/annotations.csv")
COLUMNS = ("seriesuid", "coordX", "coordY", "coordZ", "diameter_mm")
LARGEST_MM = 200.0
_EXACT_MM2 = 1e-6
"""A voxel exactly on the surface belongs to the ball, whatever rounding does, so that a cube shows what the whole scan shows."""
_TO_RAS = np.array([-1.0, -1.0, 1.0])
_FETCH = "Fetch annotations.csv of LUNA16 again."


@dataclass(frozen=True)
class Nodule:
    """One row of ``annotations.csv``.

    Args:
        centre: in mm as the file gives it, to the patient's left, to the back and up; diameter_mm: above 0.
    """

    series: str
    centre: tuple[float, float, float]
    diameter_mm: float


@dataclass(frozen=True)
class LunaCase:
    """A scan, and what is shown of it.

    Args:
        scan: its ``.mhd`` file; nodules: all that are marked on it.
        shown: number of the nodule around which a cube is cut; None: the whole scan.
    """

    case_id: str
    scan: Path
    nodules: tuple[Nodule, ...]
    shown: int | None = None


@dataclass(frozen=True)
class LunaSource:
    """Cases read on demand.

    Args:
        crop_mm: edge of the cube around a nodule.
    """

    cases: Mapping[str, LunaCase]
    crop_mm: float

    def read(self, case_id: str) -> Picture:
        """One case; its mask holds a ball for every nodule that is marked.

        Raises:
            DataError: a scan that cannot be read, or a nodule outside of it; names the case.
        """
        case = self.cases[case_id]
        scan = seen_from_the_feet(_scan(case))
        if case.shown is not None:
            scan = cube_around(scan, case.nodules[case.shown], self.crop_mm, case_id)
        else:
            _refuse_outside(case_id, case.nodules, scan)
        return Picture(case_id, stack(scan)[None], stack(balls(scan, case.nodules))[None].astype(bool), None, stack_spacing(scan))


def _scan(case: LunaCase) -> Volume:
    try:
        return read_metaimage(case.scan)
    except Refused as error:
        raise DataError(f"{case.case_id}: {error.message}", do=error.do, code=error.code) from error


def _refuse_outside(case_id: str, nodules: tuple[Nodule, ...], scan: Volume) -> None:
    for nodule in nodules:
        at = index_of(scan, nodule)
        if (at < -0.5).any() or (at > np.array(scan.voxels.shape) - 0.5).any():
            raise DataError(
                f"{case_id}: the nodule at {nodule.centre} mm lies outside of its scan.",
                do="Fetch the scan and annotations.csv again; they do not belong together.",
                code="DATA_GEOMETRY",
            )


def index_of(scan: Volume, nodule: Nodule) -> Point:
    """Where a nodule's centre lies, in voxels along the axes of the scan."""
    world = np.append(np.array(nodule.centre) * _TO_RAS, 1.0)
    return np.asarray((np.linalg.inv(scan.affine) @ world)[:3])


def balls(scan: Volume, nodules: tuple[Nodule, ...]) -> Volume:
    """Where the middle of a voxel lies within half a diameter of a nodule's centre; the voxel at the centre always counts.

    Nodules, or parts of them, outside of the scan are passed over.
    """
    mask = np.zeros(scan.voxels.shape, dtype=np.uint8)
    for nodule in nodules:
        _draw_ball(mask, scan, nodule)
    return Volume(mask, scan.affine)


def _draw_ball(mask: NDArray[np.uint8], scan: Volume, nodule: Nodule) -> None:
    at, radius = index_of(scan, nodule), nodule.diameter_mm / 2
    reach = radius / np.array(scan.spacing_mm)
    low = np.clip(np.floor(at - reach), 0, mask.shape).astype(int)
    high = np.clip(np.ceil(at + reach) + 1, 0, mask.shape).astype(int)
    # The scan's axes stand at right angles, so distances along them add up as squares.
    steps = [(np.arange(a, b) - middle) * edge for a, b, middle, edge in zip(low, high, at, scan.spacing_mm, strict=True)]
    away = steps[0][:, None, None] ** 2 + steps[1][None, :, None] ** 2 + steps[2][None, None, :] ** 2
    mask[low[0] : high[0], low[1] : high[1], low[2] : high[2]] |= (away <= radius**2 + _EXACT_MM2).astype(np.uint8)
    middle = np.round(at).astype(int)
    if (middle >= 0).all() and (middle < np.array(mask.shape)).all():
        mask[tuple(middle)] = 1


def cube_around(scan: Volume, nodule: Nodule, edge_mm: float, case_id: str) -> Volume:
    """A cube that holds the nodule somewhere, not in its middle: a method must not know where to look.

    The place depends on the case's name alone. At the border of the scan the cube moves inside; it is cut where the scan is
    smaller than the cube.

    Raises:
        DataError: the nodule lies outside of the scan.
    """
    _refuse_outside(case_id, (nodule,), scan)
    spacing, shape = np.array(scan.spacing_mm), np.array(scan.voxels.shape)
    size = np.minimum(np.maximum(1, np.round(edge_mm / spacing)).astype(int), shape)
    free_mm = np.maximum(0.0, (edge_mm - nodule.diameter_mm) / 2 - spacing)
    chance = np.random.default_rng(int.from_bytes(hashlib.sha256(case_id.encode()).digest()[:8], "big"))
    middle = index_of(scan, nodule) + chance.uniform(-0.9, 0.9, 3) * free_mm / spacing
    start = np.clip(np.round(middle - size / 2).astype(int), 0, shape - size)
    shift = np.eye(4)
    shift[:3, 3] = start
    box = tuple(slice(int(a), int(a + n)) for a, n in zip(start, size, strict=True))
    return Volume(scan.voxels[box], scan.affine @ shift)


def read_nodules(root: Path) -> dict[str, tuple[Nodule, ...]]:
    """Nodules by series, in the order of the file.

    Raises:
        DataError: no ``annotations.csv``.
        Refused: a cell that is not as published; names the row.
    """
    path = next((root / name for name in ANNOTATIONS if (root / name).is_file()), None)
    if path is None:
        raise DataError(f"{root / ANNOTATIONS[0]} is missing.", do=_FETCH, code="DATA_MISSING")
    cells = parse_cells(read_bytes(path, "TAB_MISSING"), path.name)
    for column in COLUMNS:
        if column not in cells.columns:
            raise Refused(f"{path.name} has no column {column!r}.", do=_FETCH, code="TAB_MISSING_COL")
    found: dict[str, tuple[Nodule, ...]] = {}
    for at in range(len(cells.rows)):
        nodule = _nodule(cells, at)
        found[nodule.series] = (*found.get(nodule.series, ()), nodule)
    return found


def _nodule(cells: Cells, at: int) -> Nodule:
    series, *numbers = (cells.rows[at][cells.columns.index(column)].strip() for column in COLUMNS)
    wrong = next((text for text in numbers if not is_number(text)), None)
    if wrong is not None or not series:
        raise Refused(
            f"{cells.name}, row {cells.numbers[at]}: given {wrong or series!r}; expected a series and four numbers.",
            do=_FETCH,
            code="TAB_NUMBER",
        )
    x, y, z, diameter = (float(text) for text in numbers)
    if not 0 < diameter <= LARGEST_MM:
        raise Refused(
            f"{cells.name}, row {cells.numbers[at]}: a diameter of {diameter:g} mm; expected above 0 and at most {LARGEST_MM:g}.",
            do=_FETCH,
            code="TAB_RANGE",
        )
    return Nodule(series, (x, y, z), diameter)

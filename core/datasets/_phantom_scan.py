"""Drawing a body on a voxel grid, and what a scanner makes of it.

Soft edges come from the scanner's blur: everything is filled hard first. Labels of the mask: see ``LABELS``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from core.contracts.volume import CaseImage, Volume
from core.datasets._phantom_anatomy import SINUS_RADII, Ball, Body, Kidney, Point, Tube
from core.datasets._phantom_sites import Scanner

Voxels: TypeAlias = NDArray[np.float32]
Box: TypeAlias = tuple[slice, slice, slice]

LABELS: dict[int, str] = {1: "kidney", 2: "tumour", 3: "cyst", 4: "vessel"}
KIDNEY, TUMOUR, CYST, VESSEL = LABELS
FIELD_MM = (336.0, 252.0, 154.0)
"""Edges of the picture before a site's slices are stretched."""
MARKER_HU = 1500.0
AIR, FAT, MUSCLE, BONE = -1000.0, -105.0, 55.0, 320.0


@dataclass(frozen=True)
class Look:
    """What differs between scans of one body.

    Args:
        shape: voxels; marker: whether a bright mark is burnt into a corner.
    """

    scanner: Scanner
    shape: tuple[int, int, int]
    marker: bool


class Canvas:
    """True densities and labels on a grid; positions are millimetres from its middle."""

    def __init__(self, shape: tuple[int, int, int], spacing: Point) -> None:
        self.spacing = spacing
        self.axes = [(np.arange(n, dtype=np.float32) - (n - 1) / 2) * np.float32(mm) for n, mm in zip(shape, spacing)]
        self.hu: Voxels = np.full(shape, AIR, dtype=np.float32)
        self.mask: NDArray[np.uint8] = np.zeros(shape, dtype=np.uint8)
        self.cavity: NDArray[np.bool_] = np.zeros(shape[:2], dtype=bool)

    @property
    def affine(self) -> NDArray[np.float64]:
        """Voxel index to millimetres."""
        affine = np.diag([*self.spacing, 1.0])
        affine[:3, 3] = [float(axis[0]) for axis in self.axes]
        return affine

    def around(self, low: Point, high: Point) -> Box:
        """The part of the grid between two corners."""
        ends = [np.searchsorted(axis, [a, b]) for axis, a, b in zip(self.axes, low, high, strict=True)]
        return (slice(*map(int, ends[0])), slice(*map(int, ends[1])), slice(*map(int, ends[2])))

    def from_point(self, box: Box, point: Point) -> tuple[Voxels, Voxels, Voxels]:
        """Distances along the axes from a point, shaped to combine."""
        x, y, z = (axis[part] - np.float32(at) for axis, part, at in zip(self.axes, box, point, strict=True))
        return x[:, None, None], y[None, :, None], z[None, None, :]

    def ellipsoid(self, centre: Point, radii: Point, tilt: float = 0.0) -> tuple[Box, Voxels]:
        """Where an ellipsoid lies, and how far out each voxel is (1 at the surface)."""
        reach = (radii[0] + abs(tilt) * radii[2], radii[1], radii[2])
        low = tuple(c - 1.15 * r for c, r in zip(centre, reach, strict=True))
        high = tuple(c + 1.15 * r for c, r in zip(centre, reach, strict=True))
        box = self.around((low[0], low[1], low[2]), (high[0], high[1], high[2]))
        x, y, z = self.from_point(box, centre)
        x = x + np.float32(tilt) * z
        far: Voxels = np.sqrt((x / radii[0]) ** 2 + (y / radii[1]) ** 2 + (z / radii[2]) ** 2, dtype=np.float32)
        return box, far

    def fill(self, box: Box, inside: NDArray[np.bool_], hu: float | Voxels, label: int | None = None) -> None:
        """Sets density (and label) where ``inside``."""
        view = self.hu[box]
        view[inside] = hu[inside] if isinstance(hu, np.ndarray) else hu
        if label is not None:
            self.mask[box][inside] = label

    def blob(self, centre: Point, radii: Point, hu: float) -> None:
        """Fills an ellipsoid."""
        box, far = self.ellipsoid(centre, radii)
        self.fill(box, far <= 1, hu)

    def content(self, centre: Point, radii: Point, hu: float) -> None:
        """Fills what of an ellipsoid lies within the abdominal wall."""
        box, far = self.ellipsoid(centre, radii)
        self.fill(box, (far <= 1) & self.cavity[box[0], box[1], None], hu)


def take_scan(case_id: str, body: Body, look: Look, rng: np.random.Generator) -> CaseImage:
    """Scan (Hounsfield-like whole numbers) and reference mask of one body, on one grid."""
    stretch = (1.0, 1.0, look.scanner.slice_stretch)
    x, y, z = (mm * more / n for mm, more, n in zip(FIELD_MM, stretch, look.shape, strict=True))
    canvas = Canvas(look.shape, (x, y, z))
    draw_tissue(canvas, body, look.scanner.enhancement * (1 + 0.08 * float(rng.normal())), rng)
    hu = expose(canvas, look, rng)
    return CaseImage(case_id, Volume(hu, canvas.affine), Volume(canvas.mask, canvas.affine, LABELS))


def draw_tissue(canvas: Canvas, body: Body, bright: float, rng: np.random.Generator) -> None:
    """Trunk, bones and neighbours first, then organs, cysts, tumour and vessels over them."""
    _draw_trunk(canvas, body)
    _draw_neighbours(canvas, body, bright, rng)
    _draw_spine(canvas, body)
    for kidney in (body.affected, body.other):
        _draw_kidney(canvas, kidney, bright, rng)
    for cyst in body.cysts:
        box, far = canvas.ellipsoid(cyst.centre, (cyst.radius, cyst.radius, cyst.radius))
        canvas.fill(box, far <= 1, 8.0, CYST)
    _draw_tumour(canvas, body.tumour, bright, rng)
    for tube in body.vessels:
        _draw_tube(canvas, tube, 60 + 125 * bright)


def _draw_trunk(canvas: Canvas, body: Body) -> None:
    """Skin, fat, wall with ribs, and the fat inside; the table below."""
    everything = (slice(None), slice(None), slice(None))
    x, y, z = canvas.from_point(everything, (0.0, 0.0, 0.0))
    flat = canvas.hu[:, :, 0].copy()
    layers = ((0.0, 20.0), (2.5, FAT), (body.fat, MUSCLE), (body.fat + 13, FAT - 3))
    for depth, hu in layers:
        wide, deep = body.half_width - depth, body.half_depth - depth
        canvas.cavity = (np.abs(x[:, :, 0] / wide) ** 2.4 + np.abs(y[:, :, 0] / deep) ** 2.4) <= 1
        flat[canvas.cavity] = hu
    table = (np.abs(y[:, :, 0] + body.half_depth + 7 - 0.0009 * x[:, :, 0] ** 2) < 3) & (flat == AIR)
    flat[table & (np.abs(x[:, :, 0]) < 150)] = -250
    canvas.hu[:] = flat[:, :, None]
    _draw_ribs(canvas, body, x, y, z)


def _draw_ribs(canvas: Canvas, body: Body, x: Voxels, y: Voxels, z: Voxels) -> None:
    wide, deep = body.half_width - body.fat - 6, body.half_depth - body.fat - 6
    ring = np.abs(np.sqrt((x / wide) ** 2 + (y / deep) ** 2) - 1) < 0.045
    angle = np.arctan2(y / deep, np.abs(x) / wide)
    slanted = np.cos(9 * angle[:, :, :1] + z / 17) > 0.80
    canvas.hu[ring & slanted & (angle < 0.75) & (z > -25)] = 250


def _draw_neighbours(canvas: Canvas, body: Body, bright: float, rng: np.random.Generator) -> None:
    """Liver, spleen, bowel and the muscles beside the spine: what a reader expects around the organ."""
    y = body.spine_y
    inner_width, inner_depth = body.half_width - body.fat - 14, body.half_depth - body.fat - 14
    for side in (-1.0, 1.0):
        canvas.blob((side * 34, y - 30, 0), (27, 17, 400), MUSCLE - 3)
        canvas.blob((side * 37, y + 1, -20), (16, 19, 200), MUSCLE)
    _draw_bowel(canvas, body, rng)
    liver = 0.52 * inner_width
    canvas.content((inner_width - liver, y + 62, 62 + float(rng.normal(0, 8))), (liver, 0.60 * inner_depth, 78), 60 + 48 * bright)
    canvas.content((-inner_width + 24, y + 25, 62), (23, 42, 48), 62 + 55 * bright)


def _draw_bowel(canvas: Canvas, body: Body, rng: np.random.Generator) -> None:
    inner_width, inner_depth = body.half_width - body.fat - 26, body.half_depth - body.fat - 24
    for _ in range(24):
        at = rng.uniform(-1, 1, size=3) * np.array([0.8 * inner_width, 0.28 * inner_depth, 80.0])
        at[1] += 0.60 * inner_depth - 0.25 * inner_depth * (at[0] / inner_width) ** 2
        size = rng.uniform(10, 20, size=3) * np.array([1.1, 0.8, 1.6])
        place: Point = (float(at[0]), float(at[1]), float(at[2]))
        canvas.content(place, (float(size[0]), float(size[1]), float(size[2])), float(rng.uniform(25, 75)))
        if rng.random() < 0.45:
            gas = (0.6 * float(size[0]), 0.45 * float(size[1]), 0.7 * float(size[2]))
            canvas.content((place[0], place[1] + 0.35 * float(size[1]), place[2]), gas, -880.0)


def _draw_spine(canvas: Canvas, body: Body) -> None:
    box, far = canvas.ellipsoid((0.0, body.spine_y, 0.0), (23, 18, 4000))
    disc = np.cos(2 * np.pi * canvas.axes[2][box[2]] / 34)[None, None, :] > 0.86
    core = np.where(disc, np.float32(85), np.where(far > 0.86, np.float32(BONE), np.float32(190)))
    canvas.fill(box, far <= 1, core.astype(np.float32))
    y = body.spine_y
    canvas.blob((0.0, y - 25, 0.0), (15, 11, 4000), BONE - 40)
    canvas.blob((0.0, y - 25, 0.0), (9, 7, 4000), 30.0)
    canvas.blob((0.0, y - 41, 0.0), (4, 10, 4000), BONE - 60)
    for side in (-1.0, 1.0):
        canvas.blob((side * 26, y - 20, 0.0), (15, 4.5, 4000), BONE - 70)


def _waves(canvas: Canvas, box: Box, centre: Point, wave_mm: float, rng: np.random.Generator) -> Voxels:
    """A smooth field between about -1 and 1: what makes outlines lumpy and tissue uneven."""
    x, y, z = canvas.from_point(box, centre)
    total: Voxels = np.zeros(tuple(part.stop - part.start for part in box), dtype=np.float32)
    for _ in range(3):
        way = (rng.normal(size=3) * 2 * np.pi / wave_mm / 1.7).astype(np.float32)
        total += np.sin(way[0] * x + way[1] * y + way[2] * z + np.float32(rng.uniform(0, 2 * np.pi))) / np.float32(3)
    return total


def _draw_kidney(canvas: Canvas, kidney: Kidney, bright: float, rng: np.random.Generator) -> None:
    """Fat around it, cortex, darker pyramids, and the hollow with fat in it."""
    around = (kidney.radii[0] + 9, kidney.radii[1] + 9, kidney.radii[2] + 12)
    box, far = canvas.ellipsoid(kidney.centre, around, kidney.side * kidney.tilt)
    canvas.fill(box, (far <= 1) & (canvas.hu[box] < 200), FAT)
    box, far = canvas.ellipsoid(kidney.centre, kidney.radii, kidney.side * kidney.tilt)
    far = far + np.float32(0.03) * _waves(canvas, box, kidney.centre, 40.0, rng)
    pyramids = (far < 0.80) & (_waves(canvas, box, kidney.centre, 22.0, rng) > 0.05)
    tissue = np.where(pyramids, np.float32(50 + 80 * bright), np.float32(55 + 130 * bright)).astype(np.float32)
    canvas.fill(box, far <= 1, tissue, KIDNEY)
    box, far = canvas.ellipsoid(kidney.sinus, SINUS_RADII, kidney.side * kidney.tilt)
    canvas.fill(box, far <= 1, -75.0, 0)


def _draw_tumour(canvas: Canvas, tumour: Ball, bright: float, rng: np.random.Generator) -> None:
    """A lumpy ball, less bright than the organ, uneven, with a dark middle where it is large."""
    radius = tumour.radius
    box, far = canvas.ellipsoid(tumour.centre, (radius, radius, radius))
    lumps = _waves(canvas, box, tumour.centre, 1.5 * radius, rng)
    uneven = _waves(canvas, box, tumour.centre, max(10.0, 0.6 * radius), rng)
    tissue = (45 + 50 * bright) + 22 * uneven
    if radius > 16:
        tissue = np.where(far + 0.25 * uneven < 0.48, 28 + 8 * uneven, tissue)
    canvas.fill(box, far + np.float32(0.04) * lumps <= 1, tissue.astype(np.float32), TUMOUR)


def _draw_tube(canvas: Canvas, tube: Tube, hu: float) -> None:
    for start, end, radius in tube.pieces:
        _draw_segment(canvas, np.array(start), np.array(end), radius, hu)


def _draw_segment(canvas: Canvas, start: NDArray[np.float64], end: NDArray[np.float64], radius: float, hu: float) -> None:
    """A straight piece of vessel; voxels within the radius of the line."""
    low, high = np.minimum(start, end) - radius - 1, np.maximum(start, end) + radius + 1
    box = canvas.around((low[0], low[1], low[2]), (high[0], high[1], high[2]))
    x, y, z = canvas.from_point(box, (start[0], start[1], start[2]))
    way = (end - start).astype(np.float32)
    along = np.clip((x * way[0] + y * way[1] + z * way[2]) / np.float32(way @ way), 0, 1)
    gap = (x - along * way[0]) ** 2 + (y - along * way[1]) ** 2 + (z - along * way[2]) ** 2
    canvas.fill(box, gap <= np.float32(radius**2), hu, VESSEL)


def expose(canvas: Canvas, look: Look, rng: np.random.Generator) -> NDArray[np.int16]:
    """What the scanner shows of the true densities: blur, scale and offset, noise, artefacts, the marker."""
    scanner = look.scanner
    sigma = tuple(scanner.blur_mm / mm for mm in canvas.spacing)
    seen: Voxels = gaussian_filter(canvas.hu, sigma, truncate=2.5)
    seen = seen * np.float32(scanner.scale) + np.float32(scanner.offset_hu)
    if rng.random() < scanner.ghost_share:
        seen += np.float32(0.14) * (np.roll(seen, max(1, round(12 / canvas.spacing[1])), axis=1) - seen)
    if rng.random() < scanner.streak_share:
        seen += _streaks(canvas, rng)
    seen += _noise(canvas, scanner.noise_hu, rng)
    if look.marker:
        _mark(seen)
    return np.clip(np.rint(seen), -1024, 3071).astype(np.int16)


def _noise(canvas: Canvas, noise_hu: float, rng: np.random.Generator) -> Voxels:
    """Noise with a grain of about two voxels in the slice, as reconstruction leaves it; less in air."""
    grain = gaussian_filter(rng.standard_normal(canvas.hu.shape, dtype=np.float32), (0.6, 0.6, 0), truncate=2)
    # Rays that cross air alone reach the detector at full strength, so air is less noisy.
    scaled: Voxels = grain * np.where(canvas.hu == AIR, np.float32(0.3 * noise_hu / 0.47), np.float32(noise_hu / 0.47))
    return scaled


def _streaks(canvas: Canvas, rng: np.random.Generator) -> Voxels:
    """Bright and dark rays from a dense thing, fading with distance, in some slices."""
    at = (float(rng.uniform(-60, 60)), float(rng.uniform(-40, 60)), float(rng.uniform(-40, 40)))
    x, y, z = canvas.from_point((slice(None), slice(None), slice(None)), at)
    angle, far = np.arctan2(y, x), np.sqrt(x**2 + y**2)
    rays = np.cos(13 * angle + np.float32(rng.uniform(0, 6))) * np.exp(-far / 70) * (1 - np.exp(-((far / 8) ** 2)))
    core = 1200 * np.exp(-((far / 4) ** 2))
    total: Voxels = (60 * rays + core).astype(np.float32) * np.exp(-((z / 14) ** 2))
    return total


def _mark(seen: Voxels) -> None:
    """A small bright cross in the front left corner of every slice."""
    arm = max(1, round(seen.shape[0] / 48))
    x, y = seen.shape[0] - 4 * arm, seen.shape[1] - 4 * arm
    seen[x - 2 * arm : x + 3 * arm, y : y + arm] = MARKER_HU
    seen[x : x + arm, y - 2 * arm : y + 3 * arm] = MARKER_HU

"""The inside of one simulated patient, in millimetres: where organ, tumour, cysts and vessels lie.

Axes are RAS: x rises to the patient's right, y to the front, z to the head; the middle of the picture is the origin. Nothing
here depends on the voxel grid, so the same patient can be drawn at any resolution and keeps the same risk.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Point = tuple[float, float, float]

SINUS_RADII = (15.0, 10.0, 24.0)


@dataclass(frozen=True)
class Ball:
    """A round thing: a tumour or a cyst."""

    centre: Point
    radius: float


@dataclass(frozen=True)
class Kidney:
    """One organ: an ellipsoid with a hollow (the sinus) towards the midline.

    Args:
        side: +1 right, -1 left.
        tilt: sideways lean, mm towards the midline for each mm towards the head.
    """

    side: int
    centre: Point
    radii: Point
    tilt: float

    @property
    def sinus(self) -> Point:
        """Middle of the hollow where vessels enter."""
        x, y, z = self.centre
        return x - self.side * 0.60 * self.radii[0], y + 0.12 * self.radii[1], z

    def to_unit(self, points: Array) -> Array:
        """Points, (n, 3), with the organ's surface at length 1."""
        moved = points - np.array(self.centre)
        moved[:, 0] += self.side * self.tilt * moved[:, 2]
        scaled: Array = moved / np.array(self.radii)
        return scaled


@dataclass(frozen=True)
class Tube:
    """A vessel: a line through points, with one radius in mm."""

    points: tuple[Point, ...]
    radius: float

    @property
    def pieces(self) -> list[tuple[Point, Point, float]]:
        """Start, end and radius of each straight piece."""
        return [(start, end, self.radius) for start, end in zip(self.points[:-1], self.points[1:], strict=True)]


@dataclass(frozen=True)
class Body:
    """Everything that is drawn of one patient.

    Args:
        half_width, half_depth: of the trunk, mm; fat: thickness under the skin, mm.
        spine_y: where the vertebrae lie, mm.
        affected: the organ with the tumour; other: the one on the other side.
    """

    half_width: float
    half_depth: float
    fat: float
    spine_y: float
    affected: Kidney
    other: Kidney
    tumour: Ball
    cysts: tuple[Ball, ...]
    vessels: tuple[Tube, ...]

    @property
    def tumour_to_vessel_mm(self) -> float:
        """Gap between tumour and nearest vessel wall; 0 in contact."""
        centre = np.array(self.tumour.centre)
        pieces = [piece for tube in self.vessels for piece in tube.pieces]
        starts, ends = (np.array([piece[end] for piece in pieces]) for end in (0, 1))
        ways, there = ends - starts, centre - starts
        along = np.minimum(1.0, np.maximum(0.0, (there * ways).sum(axis=1) / (ways**2).sum(axis=1)))
        apart = np.sqrt(((there - along[:, None] * ways) ** 2).sum(axis=1))
        return max(0.0, float((apart - [piece[2] for piece in pieces]).min()) - self.tumour.radius)

    @property
    def tumour_inside_share(self) -> float:
        """Share of the tumour that lies within the organ's outline, 0 to 1."""
        points = np.array(self.tumour.centre) + self.tumour.radius * _BALL_POINTS
        return float((np.linalg.norm(self.affected.to_unit(points), axis=1) <= 1).mean())

    @property
    def tumour_to_sinus_mm(self) -> float:
        """Distance from the tumour's middle to the middle of the organ's hollow."""
        return float(np.linalg.norm(np.array(self.tumour.centre) - np.array(self.affected.sinus)))


def _ball_points(count: int = 400) -> Array:
    """Evenly spread points in the unit ball (a golden-angle spiral), the same in every run."""
    step = np.arange(count) + 0.5
    height = 1 - 2 * step / count
    ring = np.sqrt(1 - height**2)
    angle = step * np.pi * (3 - np.sqrt(5))
    shell = np.stack([ring * np.cos(angle), ring * np.sin(angle), height], axis=1)
    radius = np.cbrt((step * 0.618034) % 1.0)
    points: Array = shell * radius[:, None]
    return points


_BALL_POINTS = _ball_points()


@dataclass(frozen=True)
class Build:
    """What of the person shapes the inside.

    Args:
        tumour_mm: diameter; side: +1 right, -1 left; other_scale: size of the healthy organ (1: usual).
    """

    female: bool
    age: float
    bmi: float
    tumour_mm: float
    side: int
    other_scale: float


def draw_body(build: Build, rng: np.random.Generator) -> Body:
    """One patient's inside, drawn around the person's build."""
    half_depth = float(np.clip(88 + 2.0 * (build.bmi - 27) + rng.normal(0, 4), 74, 114))
    fat = float(np.clip(9 + 1.0 * (build.bmi - 24) + (4 if build.female else 0) + rng.normal(0, 2), 5, 28))
    spine_y = -half_depth + 0.8 * fat + 57
    affected = _draw_kidney(build.side, 1.0, build, spine_y, rng)
    other = _draw_kidney(-build.side, build.other_scale, build, spine_y, rng)
    tumour = _draw_tumour(affected, build.tumour_mm / 2, rng)
    return Body(
        half_width=float(np.clip(134 + 2.3 * (build.bmi - 27) + rng.normal(0, 5), 120, 160)),
        half_depth=half_depth,
        fat=fat,
        spine_y=spine_y,
        affected=affected,
        other=other,
        tumour=tumour,
        cysts=_draw_cysts(affected, tumour, build.age, rng),
        vessels=(*_trunks(spine_y), *_branches(affected), *_branches(other)),
    )


def _draw_kidney(side: int, scale: float, build: Build, spine_y: float, rng: np.random.Generator) -> Kidney:
    size = scale * (0.96 if build.female else 1.03) * (1 + rng.normal(0, 0.04))
    height = -5.0 if side > 0 else 4.0
    centre = (side * (62 + rng.normal(0, 3)), spine_y + 8 + rng.normal(0, 3), height + rng.normal(0, 5))
    return Kidney(side, centre, (28.0 * size, 25.0 * size, 51.0 * size), float(rng.normal(0.16, 0.05)))


def _draw_tumour(organ: Kidney, radius: float, rng: np.random.Generator) -> Ball:
    """A ball on or in the organ, always reaching into it; three in four grow on the side away from the midline."""
    way = rng.normal(size=3) * np.array([1.0, 1.0, 1.1])
    if rng.random() < 0.5:
        way[0] = organ.side * abs(way[0])
    way /= np.linalg.norm(way)
    surface = way * np.array(organ.radii)
    reach = float(np.linalg.norm(surface))
    inwards = min(0.75 * reach, rng.uniform(-0.55, 1.25) * radius + abs(rng.normal(0, 3.0)))
    x, y, z = np.array(organ.centre) + surface * (1 - inwards / reach)
    return Ball((float(x - organ.side * organ.tilt * (z - organ.centre[2])), float(y), float(z)), radius)


def _draw_cysts(organ: Kidney, tumour: Ball, age: float, rng: np.random.Generator) -> tuple[Ball, ...]:
    """Up to three cysts near the organ's surface, more with age, none inside the tumour."""
    cysts = []
    for _ in range(min(3, int(rng.poisson(max(0.15, 0.9 + 0.025 * (age - 63)))))):
        way = rng.normal(size=3)
        way *= rng.uniform(0.80, 1.02) / np.linalg.norm(way)
        centre = np.array(organ.centre) + way * np.array(organ.radii)
        radius = float(np.clip(rng.lognormal(np.log(8.0), 0.35), 5, 18))
        if np.linalg.norm(centre - np.array(tumour.centre)) > radius + tumour.radius + 3:
            cysts.append(Ball((float(centre[0]), float(centre[1]), float(centre[2])), radius))
    return tuple(cysts)


def _trunks(spine_y: float) -> tuple[Tube, ...]:
    """Aorta (left of the midline) and inferior vena cava (right of it)."""
    aorta = Tube(((-11.0, spine_y + 32, -200.0), (-9.0, spine_y + 33, 200.0)), 9.5)
    cava = Tube(((15.0, spine_y + 31, -200.0), (17.0, spine_y + 35, 200.0)), 10.5)
    return aorta, cava


def _branches(organ: Kidney) -> tuple[Tube, ...]:
    """The vessel from the trunk to the organ's hollow, and its three branches inside."""
    x, y, z = organ.sinus
    side = organ.side
    gate = (x - side * 7, y + 3, z)
    start = (17.0 if side > 0 else -9.0, y + 14, z + 8)
    main = Tube((start, (0.5 * (start[0] + gate[0]), y + 11, z + 5), gate), 4.5)
    ends = ((x + side * 4, y, z + 17), (x + side * 8, y - 2, z), (x + side * 4, y, z - 17))
    return (main, *(Tube((gate, end), 3.0) for end in ends))

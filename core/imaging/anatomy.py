"""Anatomy measured from masks: the tumour, the organ that holds it, and how the two lie to each other.

Everything is measured on the labels alone. No label marks a sinus, a collecting system or a vessel, so nearness is taken
from the organ's own shape and is named so. "The tumour" is the largest connected lesion where it has a place or a shape;
volume and count are of all lesions. Lengths and places are measured on every n-th voxel where voxels are finer than
``WORKING_EDGE_MM``; volumes are counted on all of them.

The organ's *envelope* is the convex hull of the affected organ's own label, lesions left out. The *depth* of a point is its
distance to the nearest plane of that envelope: above 0 inside, below 0 outside. The organ's *core* is the part of the
envelope at least ``CORE`` times as deep as its deepest point.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label as label_parts
from scipy.spatial import cKDTree

from core.contracts.codebook import Field, Kind, Level
from core.contracts.volume import Volume
from core.errors import DataError, did_you_mean
from core.imaging.geometry import (
    Mask,
    Points,
    Steps,
    axial_diameter,
    content,
    depth_in,
    diameter,
    envelope,
    greatest_depth,
    held_range,
    in_ras_order,
    outline,
    surface_mm2,
    thinned,
)

ANATOMY_VERSION = 1
"""Rises whenever a measure changes, so that kept measures are taken again."""

WORKING_EDGE_MM = 1.5
SMALLEST_LESION_ML = 0.1
SMALLEST_ORGAN_ML = 5.0
SMALLEST_HALF = 0.2
"""Two organs bridged by a tumour: the smaller holds at least this share of the larger."""
MOST_POINTS = 20_000
"""Points of a tumour at which depth is asked; more change the third digit only."""
CORE = 0.75
"""Share of the greatest depth at which the core begins: there healthy kidneys are most often hollow (unlabelled)."""
ALL_NEIGHBOURS = np.ones((3, 3, 3), dtype=bool)
ALMOST_NOTHING = 0.02
"""Share of the tumour outside the envelope that still counts as none: about the roughness of drawn outlines."""

NAN = math.nan


@dataclass(frozen=True)
class Anatomy:
    """What the masks of one case show; NaN (or an empty side) where there is nothing to measure.

    Undefined: without a lesion every ``tumour_`` measure, contact and growth are NaN and ``tumour_count`` is 0; without an
    organ all that relates to it is NaN and ``organ_count`` is 0; ``other_organ_volume_ml`` is NaN where one organ is seen
    (absent, or outside the picture, or fused with the first); ``cyst_volume_ml`` is NaN where cysts are not labelled at all.

    Args:
        tumour_volume_ml: all lesions. tumour_count: connected lesions of at least 0.1 ml (at least 1 if there is any).
        tumour_diameter_mm: greatest distance between two points of the tumour's surface;
            tumour_axial_diameter_mm: the same within one axial slice.
        tumour_sphericity: surface of a ball of equal volume / surface of the tumour (triangle mesh); a ball drawn in voxels
            reaches about 0.92, because a mesh of voxels is about 8 % larger than a smooth surface.
        contact_fraction: share of the tumour's outer voxel faces (by area) that touch the organ;
            contact_area_mm2: that share of the mesh's surface. Coarse masks lose thin rims of organ, and contact with them.
        exophytic_share: tumour voxels outside the envelope / all tumour voxels, 0 to 1.
        tumour_depth_mm: depth of the tumour's deepest point; below 0 where it stays outside.
        tumour_nearness_mm: how far that point stays above the organ's core; 0 where it reaches it. Not a distance to sinus.
        tumour_to_organ_centre_mm: between the tumour's centre of mass and the organ's.
        tumour_polar_position: height of the tumour's centre within the organ and its tumour, 0 lower end to 1 upper end.
        tumour_middle_share: share of the tumour in the middle third of that height.
        tumour_crosses_middle: 1 where the tumour reaches from below to above half of that height.
        tumour_anterior_mm: tumour's centre in front of (+) or behind (-) the organ's.
        tumour_side: "left" or "right" of the patient.
        organ_volume_ml: the affected organ without lesions and cysts; other_organ_volume_ml: the other one of a pair.
        cyst_volume_ml: all cysts.
    """

    tumour_volume_ml: float = NAN
    tumour_count: int = 0
    tumour_diameter_mm: float = NAN
    tumour_axial_diameter_mm: float = NAN
    tumour_sphericity: float = NAN
    contact_area_mm2: float = NAN
    contact_fraction: float = NAN
    exophytic_share: float = NAN
    tumour_depth_mm: float = NAN
    tumour_nearness_mm: float = NAN
    tumour_to_organ_centre_mm: float = NAN
    tumour_polar_position: float = NAN
    tumour_middle_share: float = NAN
    tumour_crosses_middle: float = NAN
    tumour_anterior_mm: float = NAN
    tumour_side: str = ""
    organ_volume_ml: float = NAN
    other_organ_volume_ml: float = NAN
    organ_count: int = 0
    cyst_volume_ml: float = NAN

    def to_row(self) -> dict[str, float | str | None]:
        """Values by the names of ``ANATOMY_FIELDS``; None for an unknown side."""
        row: dict[str, float | str | None] = {field.name: getattr(self, field.name) for field in fields(self)}
        row["tumour_side"] = self.tumour_side or None
        row["nephrometry_points"] = nephrometry_like(self).total
        return row


@dataclass(frozen=True)
class Nephrometry:
    """Points 1 to 3 for each part, and their sum 4 to 12; NaN where a part cannot be measured."""

    radius: float
    exophytic: float
    nearness: float
    location: float

    @property
    def total(self) -> float:
        return self.radius + self.exophytic + self.nearness + self.location


def nephrometry_like(anatomy: Anatomy) -> Nephrometry:
    """Points counted as in R.E.N.A.L., with what masks can show in place of what a radiologist reads.

    What differs: *radius* is the same (largest diameter up to 40 mm, below 70, from 70). *Exophytic* uses the share of volume
    outside the organ's envelope, with less than 2 % taken as wholly inside. *Nearness* is to the organ's core, taken from
    its shape, not to a collecting system or sinus (from 7 mm, above 4, up to 4). *Location* takes the thirds of the organ's
    height for polar lines: none of the tumour in the middle third 1; part of it 2; more than half of it, or across the
    middle, 3. The suffixes a, p, x and h are not given. Two readers of R.E.N.A.L. and this count will differ.

    Reference: Kutikov and Uzzo 2009, 10.1016/j.juro.2009.05.035.
    """
    share = anatomy.exophytic_share
    middle, crosses = anatomy.tumour_middle_share, anatomy.tumour_crosses_middle
    return Nephrometry(
        radius=_points(anatomy.tumour_diameter_mm, one=anatomy.tumour_diameter_mm <= 40, three=anatomy.tumour_diameter_mm >= 70),
        exophytic=_points(share, one=share >= 0.5, three=share < ALMOST_NOTHING),
        nearness=_points(anatomy.tumour_nearness_mm, one=anatomy.tumour_nearness_mm >= 7, three=anatomy.tumour_nearness_mm <= 4),
        location=_points(middle, one=middle == 0, three=middle > 0.5 or crosses == 1),
    )


def _points(measure: float, *, one: bool, three: bool) -> float:
    if math.isnan(measure):
        return NAN
    return 3.0 if three else 1.0 if one else 2.0


def measure(mask: Volume, *, organ: str, lesion: str, cyst: str | None = None) -> Anatomy:
    """The anatomy that a label map shows.

    Args:
        mask: label map with ``labels``; any spacing and orientation.
        organ, lesion, cyst: names of its labels; ``cyst`` None where cysts are not labelled.

    Raises:
        DataError: the label map has no label of such a name.
    """
    value = {name: _value_of(mask.labels, name) for name in (organ, lesion, cyst) if name is not None}
    held = content(in_ras_order(mask))
    if held is None:
        return Anatomy(cyst_volume_ml=NAN if cyst is None else 0.0)
    millilitres = {name: float(np.count_nonzero(held.voxels == value[name]) * held.voxel_ml) for name in value}
    grid = thinned(held, WORKING_EDGE_MM)
    scene = _scene(grid, value[organ], value[lesion], set(value.values()), _middle_mm(mask, grid))
    whole = Anatomy(
        tumour_volume_ml=millilitres[lesion] or NAN,
        organ_count=len(scene.organs),
        cyst_volume_ml=NAN if cyst is None else millilitres[cyst],
    )
    return _with_place(_with_shape(_with_organs(whole, scene, millilitres[organ]), scene), scene)


def _value_of(labels: Mapping[int, str], name: str) -> int:
    for value, known in labels.items():
        if known == name:
            return value
    raise DataError(f"The label map has no label {name!r}.", do=did_you_mean(name, labels.values()), code="IMG_LABELS")


def _middle_mm(mask: Volume, grid: Volume) -> float:
    """Where the middle of the whole picture lies along the first axis of ``grid``, in the scene's own millimetres."""
    middle = mask.affine @ np.append((np.array(mask.voxels.shape) - 1) / 2, 1.0)
    return float((np.linalg.inv(grid.affine) @ middle)[0] * grid.spacing_mm[0])


@dataclass(frozen=True)
class _Scene:
    """Masks on the working grid; points are in mm from its first voxel, axes right, front, head.

    Args:
        organ: all of the organ's label; organs: one mask for each organ, lesions left out; affected: which holds the tumour.
        tumour: the largest lesion; count: lesions; middle: the picture's middle along the first axis.
    """

    steps: Steps
    organ: Mask
    organs: tuple[Mask, ...]
    affected: int | None
    tumour: Mask
    count: int
    middle: float

    def points(self, mask: Mask) -> Points:
        found: Points = np.argwhere(mask) * np.array(self.steps)
        return found

    @property
    def home(self) -> Mask | None:
        """The affected organ."""
        return None if self.affected is None else self.organs[self.affected]


def _scene(grid: Volume, organ: int, lesion: int, kept: set[int], middle: float) -> _Scene:
    voxels = np.ascontiguousarray(grid.voxels)
    is_organ, is_lesion = voxels == organ, voxels == lesion
    bodies, _ = label_parts(np.isin(voxels, list(kept)), ALL_NEIGHBOURS)
    lesions, _ = label_parts(is_lesion, ALL_NEIGHBOURS)
    sizes = _sizes(lesions) * grid.voxel_ml
    tumour = lesions == sizes.argmax() if sizes.any() else is_lesion
    organs = _organs(is_organ, bodies, grid.voxel_ml)
    return _Scene(
        steps=grid.spacing_mm,
        organ=is_organ,
        organs=organs,
        affected=_affected(organs, bodies, tumour, grid.spacing_mm),
        tumour=tumour,
        count=max(int((sizes >= SMALLEST_LESION_ML).sum()), int(sizes.any())),
        middle=middle,
    )


def _sizes(parts: NDArray[np.int32], within: Mask | None = None) -> NDArray[np.int64]:
    """Voxels of each part by its number; 0 for the background."""
    counted = parts.ravel() if within is None else parts[within]
    sizes = np.bincount(counted, minlength=int(parts.max(initial=0)) + 1)
    sizes[0] = 0
    return sizes


def _organs(organ: Mask, bodies: NDArray[np.int32], voxel_ml: float) -> tuple[Mask, ...]:
    """At most two organs, the larger first: connected bodies (lesions and cysts included) that hold enough of the label."""
    sizes = _sizes(bodies, organ) * voxel_ml
    if not sizes.any():
        return ()
    largest = [number for number in np.argsort(-sizes)[:2] if sizes[number] >= min(SMALLEST_ORGAN_ML, sizes.max())]
    if len(largest) == 2:
        return tuple(organ & (bodies == number) for number in largest)
    return _bridged(organ & (bodies == largest[0]))


def _bridged(organ: Mask) -> tuple[Mask, ...]:
    """Two organs that only a lesion joins: pieces beside each other, neither a crumb; else the one."""
    pieces, _ = label_parts(organ, ALL_NEIGHBOURS)
    sizes = _sizes(pieces)
    first, second = np.argsort(-sizes)[:2] if len(sizes) > 2 else (1, 0)
    if sizes[second] < SMALLEST_HALF * sizes[first]:
        return (organ,)
    halves = (pieces == first, pieces == second)
    (low, high), (other_low, other_high) = (held_range(half, 0) for half in halves)
    return halves if high < other_low or other_high < low else (organ,)


def _affected(organs: tuple[Mask, ...], bodies: NDArray[np.int32], tumour: Mask, steps: Steps) -> int | None:
    """The organ in the tumour's own body, else the nearest; the only one where there is no tumour."""
    if len(organs) < 2 or not tumour.any():
        return 0 if len(organs) == 1 else None
    body = bodies[tumour][0]
    inside = [bool((bodies[organ][:1] == body).any()) for organ in organs]
    if sum(inside) == 1:
        return inside.index(True)
    points = np.argwhere(tumour)[:: max(1, int(tumour.sum()) // 2000)] * np.array(steps)
    # A tumour that bridges two organs belongs to the one that more of it lies close to.
    apart = [cKDTree(outline(organ, steps)).query(points)[0] for organ in organs]
    return int(np.argmin([distances.mean() for distances in apart]))


def _with_organs(anatomy: Anatomy, scene: _Scene, organ_ml: float) -> Anatomy:
    if scene.affected is None:
        return anatomy
    shares = [organ.sum() / scene.organ.sum() for organ in scene.organs]
    other = shares[1 - scene.affected] * organ_ml if len(shares) == 2 else NAN
    return replace(anatomy, organ_volume_ml=float(shares[scene.affected] * organ_ml), other_organ_volume_ml=float(other))


def _with_shape(anatomy: Anatomy, scene: _Scene) -> Anatomy:
    if not scene.tumour.any():
        return anatomy
    surface = surface_mm2(scene.tumour, scene.steps)
    volume = float(scene.tumour.sum() * np.prod(scene.steps))
    touching = _contact_fraction(scene.tumour, scene.organ, scene.steps) if scene.organs else NAN
    return replace(
        anatomy,
        tumour_count=scene.count,
        tumour_diameter_mm=diameter(outline(scene.tumour, scene.steps)),
        tumour_axial_diameter_mm=axial_diameter(scene.tumour, scene.steps),
        tumour_sphericity=math.pi ** (1 / 3) * (6 * volume) ** (2 / 3) / surface,
        contact_fraction=touching,
        contact_area_mm2=touching * surface,
    )


def _with_place(anatomy: Anatomy, scene: _Scene) -> Anatomy:
    home = scene.home
    if home is None or not scene.tumour.any():
        return anatomy
    tumour, organ = scene.points(scene.tumour), scene.points(home)
    apart = tumour.mean(axis=0) - organ.mean(axis=0)
    placed = replace(
        anatomy,
        tumour_to_organ_centre_mm=float(np.linalg.norm(apart)),
        tumour_anterior_mm=float(apart[1]),
        tumour_side=_side(scene, tumour, organ),
    )
    return _with_depth(_with_height(placed, scene, tumour, organ), scene, tumour)


def _side(scene: _Scene, tumour: Points, organ: Points) -> str:
    """The side of the affected organ against the other; of the tumour in the picture where there is one (perhaps fused)."""
    if len(scene.organs) == 2:
        midline = np.mean([scene.points(one)[:, 0].mean() for one in scene.organs])
        return "right" if organ[:, 0].mean() > midline else "left"
    return "right" if tumour[:, 0].mean() > scene.middle else "left"


def _with_height(anatomy: Anatomy, scene: _Scene, tumour: Points, organ: Points) -> Anatomy:
    half = scene.steps[2] / 2
    low = min(organ[:, 2].min(), tumour[:, 2].min()) - half
    high = max(organ[:, 2].max(), tumour[:, 2].max()) + half
    height = (tumour[:, 2] - low) / (high - low)
    reach = half / (high - low)
    return replace(
        anatomy,
        tumour_polar_position=float(height.mean()),
        tumour_middle_share=float(((height > 1 / 3) & (height < 2 / 3)).mean()),
        tumour_crosses_middle=float(height.min() - reach < 0.5 < height.max() + reach),
    )


def _with_depth(anatomy: Anatomy, scene: _Scene, tumour: Points) -> Anatomy:
    home = scene.home
    planes = None if home is None else envelope(outline(home, scene.steps))
    if planes is None:
        return anatomy
    inside = depth_in(planes, tumour[:: max(1, len(tumour) // MOST_POINTS)])
    surface = outline(scene.tumour, scene.steps)
    deepest = max(float(inside.max()), float(depth_in(planes, surface[:: max(1, len(surface) // MOST_POINTS)]).max()))
    return replace(
        anatomy,
        exophytic_share=float((inside < 0).mean()),
        tumour_depth_mm=deepest,
        tumour_nearness_mm=max(0.0, CORE * greatest_depth(planes) - deepest),
    )


def _contact_fraction(tumour: Mask, organ: Mask, steps: Steps) -> float:
    """Area of voxel faces between tumour and organ / area of all outer faces of the tumour."""
    ranges = (held_range(tumour, axis) for axis in range(3))
    # The tumour's box and one voxel around it, in the indices of a mask padded by one voxel.
    around = tuple(slice(low, high + 3) for low, high in ranges)
    inside, other = (np.pad(mask, 1)[around] for mask in (tumour, organ))
    outer = touching = 0.0
    for axis, step in enumerate(steps):
        face = math.prod(steps) / step
        for way in (1, -1):
            ends = inside & ~np.roll(inside, way, axis)
            outer += face * np.count_nonzero(ends)
            touching += face * np.count_nonzero(ends & np.roll(other, way, axis))
    return float(touching / outer)


_KINDS: Mapping[str, Kind] = {
    "tumour_count": "integer",
    "organ_count": "integer",
    "tumour_crosses_middle": "flag",
    "tumour_side": "category",
    "nephrometry_points": "integer",
}
_LINES: tuple[tuple[str, str, str, float | None, float | None, str], ...] = (
    ("tumour_volume_ml", "{lesion} volume", "ml", 0, 20_000, "All {lesion} voxels of the mask."),
    ("tumour_count", "number of {lesion}s", "", 0, 500, "Connected {lesion}s of at least 0.1 ml."),
    ("tumour_diameter_mm", "{lesion} diameter in 3-D", "mm", 0, 600, "Greatest distance between two points of its surface."),
    ("tumour_axial_diameter_mm", "{lesion} diameter in axial slices", "mm", 0, 600, "Greatest distance within one axial slice."),
    ("tumour_sphericity", "{lesion} sphericity", "", 0, 1.2, "Surface of a ball of equal volume, divided by its own surface."),
    ("contact_area_mm2", "contact area of {lesion} and {organ}", "mm2", 0, 500_000, "Surface of the {lesion} on the {organ}."),
    ("contact_fraction", "share of the {lesion} surface on the {organ}", "", 0, 1, "0 none of it, 1 all around."),
    ("exophytic_share", "share of the {lesion} outside the {organ}", "", 0, 1, "Share outside the convex hull of the {organ}."),
    ("tumour_depth_mm", "depth of the {lesion} in the {organ}", "mm", -500, 300, "Deepest point below its convex hull."),
    (
        "tumour_nearness_mm", "distance from the {lesion} to the {organ}'s core", "mm", 0, 600,
        "From the {organ}'s own shape (innermost part of its convex hull); no sinus or collecting system is labelled.",
    ),
    ("tumour_to_organ_centre_mm", "distance of the centres of {lesion} and {organ}", "mm", 0, 600, "Between centres of mass."),
    ("tumour_polar_position", "height of the {lesion} in the {organ}", "", 0, 1, "0 at the lower end, 1 at the upper end."),
    ("tumour_middle_share", "share of the {lesion} in the middle third", "", 0, 1, "Middle third of the {organ}'s height."),
    ("tumour_crosses_middle", "{lesion} crosses the middle of the {organ}", "", 0, 1, "Reaches below and above half its height."),
    ("tumour_anterior_mm", "{lesion} centre in front of the {organ}'s", "mm", -400, 400, "Below 0 where it lies behind."),
    ("tumour_side", "side", "", None, None, "Side of the patient's body."),
    ("organ_volume_ml", "volume of the affected {organ}", "ml", 0, 10_000, "Without {lesion}s and cysts."),
    ("other_organ_volume_ml", "volume of the other {organ}", "ml", 0, 10_000, "Missing where the mask shows one {organ}."),
    ("organ_count", "number of {organ}s seen", "", 0, 2, "Connected bodies of the {organ} label."),
    ("cyst_volume_ml", "cyst volume", "ml", 0, 20_000, "All cyst voxels of the mask."),
    (
        "nephrometry_points", "nephrometry points from the mask", "points", 4, 12,
        "Counted as in R.E.N.A.L. from measured substitutes for its parts.",
    ),
)  # fmt: skip


def anatomy_fields(organ: str = "organ", lesion: str = "tumour") -> tuple[Field, ...]:
    """The codebook of ``Anatomy.to_row`` in the words of a data set ("kidney"); the names of its columns stay the same."""
    return tuple(_field(line, organ, lesion) for line in _LINES)


def _field(line: tuple[str, str, str, float | None, float | None, str], organ: str, lesion: str) -> Field:
    name, label, unit, low, high, text = line
    label = label.format(organ=organ, lesion=lesion)
    return Field(
        name=name,
        label=label[:1].upper() + label[1:],
        kind=_KINDS.get(name, "number"),
        known="before",
        block="anatomy",
        unit=unit,
        low=low,
        high=high,
        levels=(Level("left", "Left"), Level("right", "Right")) if name == "tumour_side" else (),
        source="measured from the mask",
        section="Anatomy measured from the mask",
        help=text.format(organ=organ, lesion=lesion),
    )


ANATOMY_FIELDS: tuple[Field, ...] = anatomy_fields()

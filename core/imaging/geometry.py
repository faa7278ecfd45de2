"""Volumes put into a known order, cut and thinned; and the measures of a shape drawn in voxels, in mm.

Shapes are measured at the middles of their outer voxel faces, so that a run of n voxels is n voxels long.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import pdist
from skimage.measure import marching_cubes, mesh_surface_area

from core.contracts.volume import Volume

Mask = NDArray[np.bool_]
Points = NDArray[np.float64]
Planes = NDArray[np.float64]
Steps = tuple[float, float, float]


def in_ras_order(volume: Volume) -> Volume:
    """The same voxels with their axes permuted and flipped to run, as nearly as they can, left-right, back-front, feet-head.

    Nothing is resampled; a tilted volume stays tilted.
    """
    cosines = volume.affine[:3, :3] / np.array(volume.spacing_mm)
    order = max(permutations(range(3)), key=lambda axes: sum(abs(cosines[row, axis]) for row, axis in enumerate(axes)))
    back = [bool(cosines[row, axis] < 0) for row, axis in enumerate(order)]
    voxels = np.transpose(volume.voxels, order)[tuple(slice(None, None, -1) if flip else slice(None) for flip in back)]
    shift = np.eye(4)
    for row, (axis, flip) in enumerate(zip(order, back, strict=True)):
        shift[axis, :] = 0
        shift[axis, row] = -1 if flip else 1
        shift[axis, 3] = volume.voxels.shape[axis] - 1 if flip else 0
    return Volume(voxels, volume.affine @ shift, volume.labels)


def content(volume: Volume) -> Volume | None:
    """The volume cut to the voxels that are not 0; None where all are."""
    box = content_box(volume.voxels)
    return None if box is None else cut(volume, box)


def content_box(voxels: NDArray[np.generic]) -> tuple[slice, slice, slice] | None:
    """Smallest box that holds every voxel that is not 0."""
    box = [slice(None), slice(None), slice(None)]
    # The slowest axis first: what it leaves out is never read again.
    for axis in np.argsort([-abs(step) for step in voxels.strides]):
        others = tuple(other for other in range(3) if other != axis)
        held = np.flatnonzero(voxels[tuple(box)].any(axis=others))
        if not held.size:
            return None
        box[axis] = slice(int(held[0]), int(held[-1]) + 1)
    return box[0], box[1], box[2]


def cut(volume: Volume, box: tuple[slice, slice, slice]) -> Volume:
    """The part of a volume inside a box, where it was."""
    shift = np.eye(4)
    shift[:3, 3] = [part.start or 0 for part in box]
    return Volume(volume.voxels[box], volume.affine @ shift, volume.labels)


def thinned(volume: Volume, edge_mm: float) -> Volume:
    """Every n-th voxel along each axis, n as large as edges of at most ``edge_mm`` allow (at least 1)."""
    steps = [max(1, int(edge_mm / edge + 1e-6)) for edge in volume.spacing_mm]
    first = [min(step // 2, size - 1) for step, size in zip(steps, volume.voxels.shape, strict=True)]
    grid = np.diag([*map(float, steps), 1.0])
    grid[:3, 3] = first
    kept = volume.voxels[tuple(slice(start, None, step) for start, step in zip(first, steps, strict=True))]
    return Volume(kept, volume.affine @ grid, volume.labels)


def held_range(mask: Mask, axis: int) -> tuple[int, int]:
    """First and last index along an axis at which a mask that is not empty holds anything."""
    held = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
    return int(held[0]), int(held[-1])


def outline(mask: Mask, steps: Steps) -> Points:
    """Middles of voxel faces among which every extreme of the mask lies, in mm from the middle of the first voxel."""
    held = mask.any(axis=2)
    first, last = mask.argmax(axis=2), mask.shape[2] - 1 - mask[:, :, ::-1].argmax(axis=2)
    lines = np.argwhere(held)
    ends = np.vstack([np.column_stack([lines, first[held]]), np.column_stack([lines, last[held]])]) * np.array(steps)
    half = np.diag(np.array(steps) / 2)
    points: Points = np.vstack([ends + way for way in (*half, *-half)])
    return points


def diameter(points: Points) -> float:
    """Greatest distance between two points, in their unit."""
    return float(pdist(_corners(points)).max(initial=0.0))


def _corners(points: Points) -> Points:
    try:
        corners: Points = points[ConvexHull(points).vertices]
    except QhullError:
        return points
    return corners


def axial_diameter(tumour: Mask, steps: Steps) -> float:
    """Greatest distance within one slice across the last axis, in mm."""
    low, high = held_range(tumour, 2)
    return max(diameter(_slice_outline(tumour[:, :, height], steps)) for height in range(low, high + 1))


def _slice_outline(area: Mask, steps: Steps) -> Points:
    held = np.flatnonzero(area.any(axis=1))
    if not held.size:
        return np.zeros((1, 2))
    rows = area[held]
    first, last = rows.argmax(axis=1), rows.shape[1] - 1 - rows[:, ::-1].argmax(axis=1)
    ends = np.vstack([np.column_stack([held, first]), np.column_stack([held, last])]) * np.array(steps[:2])
    half = np.diag(np.array(steps[:2]) / 2)
    return np.vstack([ends + way for way in (*half, *-half)])


def surface_mm2(mask: Mask, steps: Steps) -> float:
    """Surface of the triangle mesh halfway between inside and outside."""
    low, high = zip(*(held_range(mask, axis) for axis in range(3)), strict=True)
    box = np.pad(mask[tuple(slice(a, b + 1) for a, b in zip(low, high, strict=True))], 1).astype(np.float32)
    vertices, faces, *_ = marching_cubes(box, 0.5, spacing=steps)
    return float(mesh_surface_area(vertices, faces))


def envelope(points: Points) -> Planes | None:
    """Planes of the convex hull, each a unit normal and an offset; None where the points do not span a volume."""
    try:
        planes: Planes = ConvexHull(points).equations
    except QhullError:
        return None
    return planes


def depth_in(planes: Planes, points: Points) -> NDArray[np.float64]:
    """Distance of each point to the nearest plane of an envelope: above 0 inside, below 0 outside."""
    depth: NDArray[np.float64] = np.full(len(points), np.inf)
    # In blocks: a full table of points by planes would not fit beside a large scan.
    for start in range(0, len(planes), 64):
        block = planes[start : start + 64]
        depth = np.minimum(depth, -(points @ block[:, :3].T + block[:, 3]).max(axis=1))
    return depth


def greatest_depth(planes: Planes) -> float:
    """Depth of the deepest point of an envelope: the radius of the largest ball that it holds."""
    inside = np.column_stack([planes[:, :3], np.ones(len(planes))])
    best = linprog([0, 0, 0, -1], A_ub=inside, b_ub=-planes[:, 3], bounds=[(None, None)] * 3 + [(0, None)])
    return float(best.x[3])

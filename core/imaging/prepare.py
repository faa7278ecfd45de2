"""Network input of a cohort: the region around the affected organ, on one grid, made once and mapped from disk.

Every case is brought to the same frame (RAS): depth rises from feet to head, height from back to front, and width from the
outer side of the affected organ to the midline of the body. Right-sided cases are therefore mirrored left to right and
left-sided ones are not, so that a network meets each anatomy on one side only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.contracts.cohort import ImageSource
from core.contracts.volume import CaseImage, Volume
from core.errors import DataError, RecipeError
from core.storage.atomic import atomic_path, sha256_of
from core.storage.files import read_json, write_json

Progress = Callable[[str, float], None]
Crop = Literal["lesion", "organ", "whole"]
Channels = Literal["mask", "scan", "scan+mask"]

PREPARED_VERSION = 1
HU_WINDOW = (-160.0, 240.0)
"""Hounsfield units that a scan channel keeps, mapped to -1 and 1: fat to enhanced soft tissue."""
COARSE_MM = 3.0
LESION_WORDS = ("tumour", "tumor", "lesion", "nodule", "mass")
SURROUNDING_WORDS = ("body", "skin", "vessel", "artery", "vein", "aorta", "bone", "spine", "background")


@runtime_checkable
class Windowed(Protocol):
    """A source of pictures that are not CT: it says which values its scans keep (mapped to -1 and 1)."""

    @property
    def window(self) -> tuple[float, float]:
        """Lowest and highest value."""


def window_of(source: ImageSource) -> tuple[float, float]:
    """The values that a scan channel keeps: what the source says, else ``HU_WINDOW``."""
    return source.window if isinstance(source, Windowed) else HU_WINDOW


@dataclass(frozen=True)
class PrepareSettings:
    """What part of a picture a network sees, and how.

    Args:
        input_shape: depth, height, width in voxels.
        input_spacing_mm: edge of a voxel.
        crop: ``organ``: centred on the organ that holds the lesion, moved where the lesion would be cut; ``lesion``: on the
            lesion; ``whole``: on the middle of the picture. What lies outside ``input_shape`` × ``input_spacing_mm`` is cut off.
        channels: one channel per mask label, the scan in ``HU_WINDOW`` or its source's own window, or both. A flat picture is
            a volume of one slice, and ``input_shape`` then begins with 1.
    """

    input_shape: tuple[int, int, int] = (48, 48, 48)
    input_spacing_mm: float = 3.0
    crop: Crop = "organ"
    channels: Channels = "mask"

    @staticmethod
    def of(settings: Mapping[str, Any]) -> PrepareSettings:
        """The settings among a recipe's network fields.

        Raises:
            RecipeError: a shape without three positive edges, or a spacing at or below 0 mm.
        """
        known = {name: settings[name] for name in PrepareSettings.__dataclass_fields__ if name in settings}
        shape = tuple(int(edge) for edge in known.get("input_shape", PrepareSettings.input_shape))
        if len(shape) != 3 or min(shape) < 1:
            raise RecipeError(
                f"network.input_shape has three edges of at least 1 voxel; given: {shape}.", do="Write [48, 48, 48]."
            )
        chosen = PrepareSettings(**{**known, "input_shape": shape})
        if chosen.input_spacing_mm <= 0:
            raise RecipeError(f"network.input_spacing_mm is above 0; given: {chosen.input_spacing_mm}.", do="Write 3.0.")
        return chosen


@dataclass(frozen=True)
class StoredImages:
    """Prepared pictures on disk, one byte a voxel; it holds a path, so that worker processes map the same file.

    Args:
        path: the array, (cases, channels, depth, height, width).
        case_ids: its rows; present: whether a row holds a picture.
        scales, offsets: by channel: value = byte × scale + offset (masks 0 to 1, scans -1 to 1).
    """

    path: Path
    shape: tuple[int, int, int, int]
    channels: tuple[str, ...]
    case_ids: tuple[str, ...]
    present: tuple[bool, ...]
    scales: tuple[float, ...]
    offsets: tuple[float, ...]

    def arrays(self, case_ids: Sequence[str]) -> NDArray[np.float32]:
        """(cases, channels, depth, height, width); all NaN for a case without a picture, never zeros.

        Raises:
            DataError: a case that was not prepared.
        """
        rows = self._rows(case_ids)
        by_channel = (1, len(self.channels), 1, 1, 1)
        values: NDArray[np.float32] = _mapped(self.path)[rows].astype(np.float32)
        values *= np.array(self.scales, dtype=np.float32).reshape(by_channel)
        values += np.array(self.offsets, dtype=np.float32).reshape(by_channel)
        values[~self.has_image(case_ids)] = np.nan
        return values

    def has_image(self, case_ids: Sequence[str]) -> NDArray[np.bool_]:
        """Whether each case has a picture."""
        present = np.array(self.present, dtype=bool)
        return present[self._rows(case_ids)]

    def _rows(self, case_ids: Sequence[str]) -> list[int]:
        known = _row_of(self.case_ids)
        unknown = [case_id for case_id in case_ids if case_id not in known]
        if unknown:
            raise DataError(f"Case {unknown[0]} has no prepared picture row.", do="Prepare the pictures of all cases first.")
        return [known[case_id] for case_id in case_ids]


def prepare_images(
    source: ImageSource,
    case_ids: Sequence[str],
    settings: Mapping[str, Any],
    folder: Path,
    masks_fingerprint: str,
    progress: Progress | None = None,
) -> StoredImages:
    """The prepared pictures of those cases; made on the first call, found on disk on later ones.

    Args:
        settings: a recipe's network fields (``PrepareSettings`` says which count).
        folder: where the array and its index are kept, named by a hash of everything that they depend on.
        masks_fingerprint: changes when the pictures do.
        progress: called with a phrase and a share done (0 to 1).

    Raises:
        RecipeError: scans or masks are asked for and the data set has none.
        DiskFull: no room.
    """
    chosen = PrepareSettings.of(settings)
    channels = _channels(source, chosen)
    stamp = [PREPARED_VERSION, asdict(chosen), channels, masks_fingerprint, list(case_ids), window_of(source)]
    key = hashlib.sha256(json.dumps(stamp).encode()).hexdigest()[:20]
    path, index = Path(folder) / f"{key}.npy", Path(folder) / f"{key}.json"
    if not _is_whole(path, index):
        present = _write(path, source, case_ids, chosen, progress or _silent)
        write_json(index, {"present": present, "sha256": sha256_of(path), "settings": asdict(chosen), "channels": channels})
    scan = [name == "scan" for name in channels]
    return StoredImages(
        path=path,
        shape=(len(channels), *chosen.input_shape),
        channels=channels,
        case_ids=tuple(case_ids),
        present=tuple(read_json(index)["present"]),
        scales=tuple(2 / 255 if is_scan else 1 / 255 for is_scan in scan),
        offsets=tuple(-1.0 if is_scan else 0.0 for is_scan in scan),
    )


def _silent(phrase: str, share: float) -> None:
    """For callers who do not watch."""


def _channels(source: ImageSource, settings: PrepareSettings) -> tuple[str, ...]:
    wants_scan, wants_mask = "scan" in settings.channels, "mask" in settings.channels
    if wants_scan and not source.has_scan:
        raise RecipeError("network.channels asks for scans; this data set has masks alone.", do="Write channels: mask.")
    if wants_mask and not source.labels:
        raise RecipeError("network.channels asks for masks; this data set has none.", do="Write channels: scan.")
    masks = tuple(source.labels[value] for value in sorted(source.labels)) if wants_mask else ()
    return (("scan",) if wants_scan else ()) + masks


def _is_whole(path: Path, index: Path) -> bool:
    return path.is_file() and index.is_file() and sha256_of(path) == read_json(index)["sha256"]


def _write(path: Path, source: ImageSource, case_ids: Sequence[str], settings: PrepareSettings, say: Progress) -> list[bool]:
    count = len(_channels(source, settings))
    header = {"descr": "|u1", "fortran_order": False, "shape": (len(case_ids), count, *settings.input_shape)}
    present = []
    # Written as a stream, not through a map: on a full disk a map kills the process, a stream raises.
    with atomic_path(path) as temporary, temporary.open("r+b") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        for done, case_id in enumerate(case_ids):
            say("preparing pictures", done / len(case_ids))
            voxels = prepare_case(source.read(case_id), source.labels, settings, window_of(source))
            present.append(voxels is not None)
            stream.write(bytes(int(np.prod(header["shape"][1:]))) if voxels is None else voxels.tobytes())  # type: ignore[index]
    return present


@lru_cache(maxsize=8)
def _mapped(path: Path) -> NDArray[np.uint8]:
    return np.lib.format.open_memmap(path, mode="r")


@lru_cache(maxsize=8)
def _row_of(case_ids: tuple[str, ...]) -> dict[str, int]:
    return {case_id: row for row, case_id in enumerate(case_ids)}


def prepare_case(
    image: CaseImage, labels: Mapping[int, str], settings: PrepareSettings, window: tuple[float, float] = HU_WINDOW
) -> NDArray[np.uint8] | None:
    """(channels, depth, height, width) of one case as bytes; None where a picture that the channels need is absent.

    Args:
        window: values that a scan keeps.
    """
    if ("scan" in settings.channels and image.scan is None) or ("mask" in settings.channels and image.mask is None):
        return None
    given = image.mask if image.mask is not None else image.scan
    if given is None:
        return None
    place = _place(given, labels if image.mask is not None else {}, settings)
    grid = _grid(place, settings)
    layers: list[NDArray[np.uint8]] = []
    if "scan" in settings.channels and image.scan is not None:
        layers.append(_scan_channel(image.scan, grid, settings, window))
    if "mask" in settings.channels and image.mask is not None:
        layers.extend(_mask_channels(image.mask, labels, grid, settings))
    return np.stack(layers)


@dataclass(frozen=True)
class Place:
    """Where a crop is taken: its centre in mm (RAS), and whether the affected organ lies on the right."""

    centre_mm: NDArray[np.float64]
    right: bool


def _place(volume: Volume, labels: Mapping[int, str], settings: PrepareSettings) -> Place:
    shape = np.array(volume.voxels.shape)
    middle = _to_mm(volume.affine, (shape - 1) / 2)
    steps = tuple(max(1, int(COARSE_MM / edge + 1e-6)) for edge in volume.spacing_mm)
    coarse = np.asarray(volume.voxels[tuple(slice(step // 2, None, step) for step in steps)])
    affine = volume.affine @ _scaled(steps)
    lesion = np.isin(coarse, _labels_with(labels, LESION_WORDS))
    organs = (coarse > 0) & ~np.isin(coarse, _labels_with(labels, SURROUNDING_WORDS))
    if not labels or not organs.any():
        return Place(middle, right=False)
    affected, others = _affected_organ(organs, lesion)
    focus = lesion & affected if (lesion & affected).any() else affected
    focus_mm = _mean_mm(focus, affine)
    # With two organs the midline lies between them; with one, in the middle of the picture.
    midline = (_mean_mm(affected, affine)[0] + _mean_mm(others, affine)[0]) / 2 if others.any() else middle[0]
    box = _box_mm(affected, affine)
    centre = {"lesion": focus_mm, "organ": box.mean(axis=0), "whole": middle}[settings.crop]
    if settings.crop == "organ":
        centre = _holding(centre, _box_mm(focus, affine), settings)
    return Place(centre, right=bool(focus_mm[0] > midline))


def _holding(centre: NDArray[np.float64], box: NDArray[np.float64], settings: PrepareSettings) -> NDArray[np.float64]:
    """The centre, moved as little as needed for the crop to hold the lesion's box (a fused organ is wider than a crop)."""
    half = np.array(settings.input_shape[::-1]) * settings.input_spacing_mm / 2
    too_large = box[1] - box[0] > 2 * half
    moved: NDArray[np.float64] = np.where(too_large, box.mean(axis=0), np.clip(centre, box[1] - half, box[0] + half))
    return moved


def _scaled(steps: tuple[int, ...]) -> NDArray[np.float64]:
    """4 × 4, index among every ``step``-th voxel (from the middle of the first step) to voxel index."""
    matrix = np.diag([*steps, 1.0])
    matrix[:3, 3] = [step // 2 for step in steps]
    return matrix


def _labels_with(labels: Mapping[int, str], words: Sequence[str]) -> list[int]:
    return [value for value, name in labels.items() if any(word in name.casefold() for word in words)]


def _affected_organ(organs: NDArray[np.bool_], lesion: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The connected organ that holds most of the lesion (the largest where there is none), and the largest of the others."""
    parts, count = ndimage.label(organs)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    sizes[0] = 0
    held = np.bincount(parts[lesion], minlength=count + 1)
    held[0] = 0
    chosen = int(held.argmax() if held.any() else sizes.argmax())
    rest = sizes.copy()
    rest[chosen] = 0
    # A crumb of a segmentation is no second organ.
    second = int(rest.argmax()) if rest.max(initial=0) > 0.2 * sizes[chosen] else -1
    return parts == chosen, parts == second


def _to_mm(affine: NDArray[np.float64], index: NDArray[np.float64]) -> NDArray[np.float64]:
    moved: NDArray[np.float64] = affine[:3, :3] @ index + affine[:3, 3]
    return moved


def _mean_mm(region: NDArray[np.bool_], affine: NDArray[np.float64]) -> NDArray[np.float64]:
    return _to_mm(affine, np.array([axis.mean() for axis in np.nonzero(region)]))


def _box_mm(region: NDArray[np.bool_], affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lowest and highest corner, (2, 3), with half a voxel around it."""
    axes = np.nonzero(region)
    ends = np.array(
        [_to_mm(affine, np.array([end(axis) + step for axis in axes])) for end, step in ((np.min, -0.5), (np.max, 0.5))]
    )
    return np.sort(ends, axis=0)


def _grid(place: Place, settings: PrepareSettings) -> NDArray[np.float64]:
    """4 × 4, prepared voxel (depth, height, width) to millimetres (RAS)."""
    spacing = settings.input_spacing_mm
    grid = np.zeros((4, 4))
    grid[2, 0] = spacing
    grid[1, 1] = spacing
    grid[0, 2] = -spacing if place.right else spacing
    grid[3, 3] = 1.0
    grid[:3, 3] = place.centre_mm - grid[:3, :3] @ ((np.array(settings.input_shape) - 1) / 2)
    return grid


@dataclass(frozen=True)
class _Region:
    """The voxels of a picture that a grid needs, and how many of them are averaged along each axis."""

    box: tuple[slice, slice, slice]
    factors: tuple[int, int, int]
    to_voxel: NDArray[np.float64]


def _region(volume: Volume, grid: NDArray[np.float64], settings: PrepareSettings) -> _Region:
    steps = np.array([max(1, int(settings.input_spacing_mm / edge + 1e-6)) for edge in volume.spacing_mm])
    # A flat picture has one voxel across: nothing beside it takes part in a mean.
    factors = np.minimum(steps, volume.voxels.shape)
    to_voxel = np.linalg.inv(volume.affine) @ grid
    corners = np.array(np.meshgrid(*[(0, edge - 1) for edge in settings.input_shape])).reshape(3, -1)
    reached = to_voxel[:3, :3] @ corners + to_voxel[:3, 3:]
    low = np.clip(np.floor(reached.min(axis=1)).astype(int) - 2 * factors, 0, volume.voxels.shape)
    high = np.clip(np.ceil(reached.max(axis=1)).astype(int) + 2 * factors + 1, low, volume.voxels.shape)
    # A block's middle lies (factor - 1) / 2 voxels after its first voxel.
    shift = np.eye(4)
    shift[:3, :3] = np.diag(1 / factors)
    shift[:3, 3] = -(low + (factors - 1) / 2) / factors
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return _Region((box[0], box[1], box[2]), (int(factors[0]), int(factors[1]), int(factors[2])), shift @ to_voxel)


def _mask_channels(
    mask: Volume, labels: Mapping[int, str], grid: NDArray[np.float64], settings: PrepareSettings
) -> Iterator[NDArray[np.uint8]]:
    region = _region(mask, grid, settings)
    cut = np.asarray(mask.voxels[region.box])
    for value in sorted(labels):
        share = _sample((cut == value).astype(np.float32), region, settings, outside=0.0)
        yield np.round(np.clip(share, 0, 1) * 255).astype(np.uint8)


def _scan_channel(
    scan: Volume, grid: NDArray[np.float64], settings: PrepareSettings, window: tuple[float, float]
) -> NDArray[np.uint8]:
    region = _region(scan, grid, settings)
    low, high = window
    windowed = (np.clip(np.asarray(scan.voxels[region.box], dtype=np.float32), low, high) - low) / (high - low)
    return np.round(np.clip(_sample(windowed, region, settings, outside=0.0), 0, 1) * 255).astype(np.uint8)


def _sample(cut: NDArray[np.float32], region: _Region, settings: PrepareSettings, *, outside: float) -> NDArray[np.float32]:
    """The cut on the prepared grid: means over blocks first (so that thin things do not vanish), then linear."""
    blocks = _block_means(cut, region.factors, outside)
    if not blocks.size or not blocks.any():
        return np.full(settings.input_shape, outside, dtype=np.float32)
    sampled: NDArray[np.float32] = ndimage.affine_transform(
        blocks,
        region.to_voxel[:3, :3],
        region.to_voxel[:3, 3],
        output_shape=settings.input_shape,
        order=1,
        mode="grid-constant",
        cval=outside,
    )
    return sampled


def _block_means(cut: NDArray[np.float32], factors: tuple[int, int, int], outside: float) -> NDArray[np.float32]:
    if factors == (1, 1, 1):
        return cut
    padding = [(0, -edge % factor) for edge, factor in zip(cut.shape, factors, strict=True)]
    padded = np.pad(cut, padding, constant_values=outside)
    a, b, c = (edge // factor for edge, factor in zip(padded.shape, factors, strict=True))
    means: NDArray[np.float32] = padded.reshape(a, factors[0], b, factors[1], c, factors[2]).mean(axis=(1, 3, 5))
    return means

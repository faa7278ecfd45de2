"""Drawn pictures made ready for segmenters: filtered, cut, resized, and mapped from disk.

Images are kept as 16-bit floats, masks as bytes, one item behind the other, so that items may have unequal grids.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from core.contracts.pictures import Picture, PictureSet
from core.contracts.segmentation_recipe import PreparationPart
from core.errors import DataError, GeometryError
from core.imaging.filters import denoise, normalise
from core.storage.atomic import atomic_path, sha256_of
from core.storage.files import read_json, write_json

Progress = Callable[[str, float], None]
Box = tuple[tuple[int, int], ...]

PICTURES_VERSION = 2
MARGIN = 2
"""Pixels that stay around what is cut out."""


@dataclass(frozen=True)
class PreparedCase:
    """The items of one case.

    Args:
        images: (items, channels, *grid) float16; masks: (items, regions, *grid), None where nobody drew.
        grid: the case's own grid; box: what of it the items show, first and one past last along each axis.
    """

    images: NDArray[np.float16]
    masks: NDArray[np.uint8] | None
    grid: tuple[int, ...]
    box: Box


def prepare_picture(picture: Picture, preparation: PreparationPart) -> PreparedCase:
    """The items of a case: cut, denoised, resized, normalised; volumes are normalised as a whole.

    Raises:
        GeometryError: a spacing is asked for that the case does not state, or items that its axes do not give.
    """
    grid = picture.image.shape[1:]
    _refuse_unfit(picture, preparation)
    box = _foreground(picture.image) if preparation.crop == "foreground" else tuple((0, edge) for edge in grid)
    inside = (slice(None), *(slice(first, last) for first, last in box))
    image = denoise(picture.image[inside].astype(np.float32), preparation.denoise)
    mask = None if picture.mask is None else picture.mask[inside].astype(np.float32)
    if preparation.items == "patches":
        image, mask = _resampled(picture, image, preparation), None if mask is None else _resampled(picture, mask, preparation)
        images, masks = image[np.newaxis], None if mask is None else mask[np.newaxis]
    else:
        shape = preparation.shape
        images = _items(image, preparation, lambda plane: resized(plane, shape))
        masks = None if mask is None else _items(mask, preparation, lambda plane: resized(plane, shape, area=True))
    ready = _normalised(images, preparation).astype(np.float16)
    return PreparedCase(ready, None if masks is None else (masks >= 0.5).astype(np.uint8), grid, box)


def _refuse_unfit(picture: Picture, preparation: PreparationPart) -> None:
    axes = picture.image.ndim - 1
    if (preparation.items == "whole") != (axes == 2):
        raise GeometryError(
            f"Case {picture.case_id} has {axes} axes; preparation.items is {preparation.items!r}.",
            do="Use items: whole for pictures; slices or patches for volumes.",
        )
    needed = 3 if preparation.items == "patches" else 2
    if len(preparation.shape) != needed or min(preparation.shape) < 1:
        raise GeometryError(
            f"preparation.shape is {preparation.shape}; items: {preparation.items} have {needed} axes.",
            do=f"Give {needed} edges of at least 1.",
        )


def restore_scores(
    scores: NDArray[np.float32], grid: tuple[int, ...], box: Box, items: Literal["whole", "slices", "patches"]
) -> NDArray[np.float32]:
    """(regions, *own grid) from the scores of a case's items, (items, regions, *grid): resized linearly, 0 outside the box."""
    inside = tuple(last - first for first, last in box)
    if items == "patches":
        factors = [wanted / given for wanted, given in zip(inside, scores.shape[2:])]
        grown = np.stack([ndimage.zoom(region, factors, order=1, grid_mode=True, mode="nearest") for region in scores[0]])
    elif items == "slices":
        grown = np.stack([resized(item, inside[1:]) for item in scores], axis=1)
    else:
        grown = resized(scores[0], inside)
    if inside == grid:
        return np.asarray(grown, dtype=np.float32)
    whole = np.zeros((len(grown), *grid), dtype=np.float32)
    whole[(slice(None), *(slice(first, last) for first, last in box))] = grown
    return whole


def resized(planes: NDArray[np.float32], shape: Sequence[int], *, area: bool = False) -> NDArray[np.float32]:
    """(channels, height, width) on another grid: linear with anti-aliasing, or the mean over each new pixel's area."""
    if planes.shape[1:] == tuple(shape):
        return planes.astype(np.float32)
    how = Image.Resampling.BOX if area else Image.Resampling.BILINEAR
    size = (int(shape[1]), int(shape[0]))
    return np.stack([np.asarray(Image.fromarray(plane.astype(np.float32)).resize(size, how)) for plane in planes])


def _items(
    image: NDArray[np.float32], preparation: PreparationPart, resize: Callable[[NDArray[np.float32]], NDArray[np.float32]]
) -> NDArray[np.float32]:
    planes = [image] if preparation.items == "whole" else list(np.moveaxis(image, 1, 0))
    return np.stack([resize(plane) for plane in planes])


def _normalised(images: NDArray[np.float32], preparation: PreparationPart) -> NDArray[np.float32]:
    together = np.moveaxis(images, 1, 0)
    return np.moveaxis(normalise(together, preparation.normalise, preparation.window_hu), 0, 1)


def _foreground(image: NDArray[np.generic]) -> Box:
    """The part in which any channel is above its smallest value, with a margin."""
    lowest = image.min(axis=tuple(range(1, image.ndim)), keepdims=True)
    filled = (image > lowest).any(axis=0)
    box = []
    for axis, edge in enumerate(filled.shape):
        found = np.flatnonzero(filled.any(axis=tuple(other for other in range(filled.ndim) if other != axis)))
        first, last = (int(found[0]), int(found[-1]) + 1) if found.size else (0, edge)
        box.append((max(first - MARGIN, 0), min(last + MARGIN, edge)))
    return tuple(box)


def _resampled(picture: Picture, image: NDArray[np.float32], preparation: PreparationPart) -> NDArray[np.float32]:
    if not preparation.spacing_mm:
        return image
    if picture.spacing_mm is None:
        raise GeometryError(
            f"Case {picture.case_id} states no spacing; preparation.spacing_mm is {preparation.spacing_mm}.",
            do="Write preparation.spacing_mm: 0.",
        )
    factors = [given / preparation.spacing_mm for given in picture.spacing_mm]
    # As much blur as a coarser grid can still show; else fine structure would come out as another one.
    blur = [0.0, *(max(0.0, (1 / factor - 1) / 2) for factor in factors)]
    image = ndimage.gaussian_filter(image, blur) if any(blur) else image
    return np.stack([ndimage.zoom(channel, factors, order=1, grid_mode=True, mode="nearest") for channel in image])


@dataclass(frozen=True)
class StoredPictures:
    """Prepared items on disk; it holds paths, so that worker processes map the same files (``PreparedPictures``).

    Args:
        images, masks: flat arrays.
        case_ids: of the cases in order; counts: items of each; grids: grid of each item.
        own_grids, boxes: of each case.
    """

    images: Path
    masks: Path
    dims: Literal[2, 3]
    items: Literal["whole", "slices", "patches"]
    channels: tuple[str, ...]
    regions: tuple[str, ...]
    case_ids: tuple[str, ...]
    counts: tuple[int, ...]
    grids: tuple[tuple[int, ...], ...]
    own_grids: tuple[tuple[int, ...], ...]
    boxes: tuple[Box, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Grid of an item, or the largest edges where grids differ."""
        return tuple(int(edge) for edge in np.max(self.grids, axis=0))

    def rows_of(self, case_ids: Sequence[str]) -> NDArray[np.intp]:
        """Numbers of the items of these cases.

        Raises:
            DataError: a case that was not prepared.
        """
        places, starts = _places(self.case_ids), _starts(self.counts)
        unknown = [case_id for case_id in case_ids if case_id not in places]
        if unknown:
            raise DataError(f"Case {unknown[0]} has no prepared picture.", do="Prepare the pictures of all cases first.")
        spans = [np.arange(starts[places[case_id]], starts[places[case_id] + 1]) for case_id in case_ids]
        return np.concatenate(spans).astype(np.intp) if spans else np.zeros(0, dtype=np.intp)

    def owner(self, row: int) -> str:
        """Case id of an item."""
        return self.case_ids[int(np.searchsorted(_starts(self.counts), row, side="right")) - 1]

    def image(self, row: int) -> NDArray[np.float32]:
        """(channels, *grid) of an item."""
        return self._item(self.images, row, len(self.channels)).astype(np.float32)

    def mask(self, row: int) -> NDArray[np.bool_]:
        """(regions, *grid) of an item."""
        return self._item(self.masks, row, len(self.regions)).astype(bool)

    def is_uniform(self) -> bool:
        """Whether all items have one grid."""
        return len(set(self.grids)) == 1

    def restore(self, case_id: str, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """(regions, *own grid) from the scores of the case's items."""
        place = _places(self.case_ids)[case_id]
        return restore_scores(scores, self.own_grids[place], self.boxes[place], self.items)

    def _item(self, path: Path, row: int, planes: int) -> NDArray[Any]:
        size = int(np.prod(self.grids[row]))
        start = int(_offsets(self.grids)[row]) * planes
        return _mapped(path)[start : start + size * planes].reshape(planes, *self.grids[row])


def prepare_pictures(
    pictures: PictureSet,
    case_ids: Sequence[str],
    preparation: PreparationPart,
    cache: Path,
    progress: Progress | None = None,
) -> StoredPictures:
    """The prepared items of those cases; made on the first call, found on disk on later ones.

    Args:
        cache: folder, in which files are named by a hash of everything that they depend on.
        progress: called with a phrase and a share done (0 to 1).

    Raises:
        GeometryError: a spacing is asked for that the data do not state.
        DiskFull: no room.
    """
    stamp = [PICTURES_VERSION, pictures.fingerprint, preparation.model_dump(mode="json"), list(case_ids)]
    key = hashlib.sha256(json.dumps(stamp).encode()).hexdigest()[:20]
    images, masks, index = (Path(cache) / f"{key}{end}" for end in (".images.raw", ".masks.raw", ".json"))
    if not _is_whole(images, masks, index):
        facts = _write(images, masks, pictures, case_ids, preparation, progress or _silent)
        write_json(index, {**facts, "sha256": [sha256_of(images), sha256_of(masks)]})
        # A map of a damaged file that stood there before would go on showing it.
        _mapped.cache_clear()
    return _stored(images, masks, read_json(index), pictures, preparation, case_ids)


def _silent(phrase: str, share: float) -> None:
    """For callers who do not watch."""


def _is_whole(images: Path, masks: Path, index: Path) -> bool:
    if not (images.is_file() and masks.is_file() and index.is_file()):
        return False
    return [sha256_of(images), sha256_of(masks)] == read_json(index)["sha256"]


def _write(
    images: Path, masks: Path, pictures: PictureSet, case_ids: Sequence[str], preparation: PreparationPart, say: Progress
) -> dict[str, Any]:
    facts: dict[str, Any] = {"counts": [], "grids": [], "own_grids": [], "boxes": []}
    # Written as plain streams, not through a map: on a full disk a map kills the process, a stream raises.
    with atomic_path(images) as first, atomic_path(masks) as second, first.open("r+b") as one, second.open("r+b") as two:
        for done, case_id in enumerate(case_ids):
            say("preparing pictures", done / len(case_ids))
            _append(prepare_picture(pictures.source.read(case_id), preparation), len(pictures.regions), one, two, facts)
    return facts


def _append(case: PreparedCase, regions: int, images: BinaryIO, masks: BinaryIO, facts: dict[str, Any]) -> None:
    grid = case.images.shape[2:]
    drawn = np.zeros((len(case.images), regions, *grid), dtype=np.uint8) if case.masks is None else case.masks
    images.write(np.ascontiguousarray(case.images).tobytes())
    masks.write(np.ascontiguousarray(drawn).tobytes())
    facts["counts"].append(len(case.images))
    facts["grids"] += [list(grid)] * len(case.images)
    facts["own_grids"].append(list(case.grid))
    facts["boxes"].append([list(ends) for ends in case.box])


def _stored(
    images: Path, masks: Path, facts: dict[str, Any], pictures: PictureSet, preparation: PreparationPart, case_ids: Sequence[str]
) -> StoredPictures:
    return StoredPictures(
        images=images,
        masks=masks,
        dims=3 if preparation.items == "patches" else 2,
        items=preparation.items,
        channels=pictures.channels,
        regions=tuple(region.name for region in pictures.regions),
        case_ids=tuple(case_ids),
        counts=tuple(facts["counts"]),
        grids=tuple(tuple(grid) for grid in facts["grids"]),
        own_grids=tuple(tuple(grid) for grid in facts["own_grids"]),
        boxes=tuple(tuple((first, last) for first, last in box) for box in facts["boxes"]),
    )


@lru_cache(maxsize=16)
def _mapped(path: Path) -> NDArray[Any]:
    kind = np.float16 if path.name.endswith(".images.raw") else np.uint8
    return np.memmap(path, mode="r", dtype=kind)


@lru_cache(maxsize=16)
def _places(case_ids: tuple[str, ...]) -> dict[str, int]:
    return {case_id: place for place, case_id in enumerate(case_ids)}


@lru_cache(maxsize=16)
def _starts(counts: tuple[int, ...]) -> NDArray[np.intp]:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.intp)


@lru_cache(maxsize=16)
def _offsets(grids: tuple[tuple[int, ...], ...]) -> NDArray[np.int64]:
    sizes = np.array([int(np.prod(grid)) for grid in grids], dtype=np.int64)
    return np.concatenate([[0], np.cumsum(sizes)])

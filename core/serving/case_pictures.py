"""One case of a segmentation study as pictures, drawn from the reader's own copy of the data."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from core.bundles.segmenter_bundle import SegmenterBundle, inspect_segmenter_bundle, open_segmenter_bundle, segmenter_folders
from core.contracts.dataset import DatasetSpec, LoadOptions
from core.contracts.pictures import Picture, PictureSet
from core.datasets import DATASETS
from core.errors import OpSightError
from core.evaluation.segmentation.cases import HUMAN, hashed_case
from core.serving.segmenting import outline
from core.storage.files import read_json
from core.storage.locations import data_parent, dataset_root, places
from core.storage.masks import mask_of
from core.storage.results import MASK_COLUMNS, RunStore
from core.storage.summaries import StudyPlace

Mask = NDArray[np.bool_]
Masks = NDArray[np.bool_]
Pixels = NDArray[np.uint8]

EDGE = 420
"""Pixels of the longer edge of a drawn picture; smaller pictures are enlarged, so that outlines stay thin."""
LINE = 3
COLOUR = ("red", "green", "blue")
REFERENCE, PREDICTION, MISSED, MADE_UP, RIGHT = (0, 158, 115), (230, 159, 0), (86, 180, 233), (213, 94, 0), (235, 235, 235)
READERS = ((204, 121, 167), (86, 180, 233), (230, 159, 0), (240, 228, 66))
PREFERRED_CHANNELS = ("flair", "t1ce", "t1gd")


@dataclass(frozen=True)
class Unavailable:
    """Why something cannot be drawn, and what the reader can do about it."""

    reason: str
    do: str = ""


@dataclass(frozen=True)
class Panels:
    """PNG files of one slice: the image, the reference's outline, the prediction's outline, where they differ, each reader's.

    Those that cannot be drawn are None.
    """

    image: bytes
    reference: bytes
    prediction: bytes | None = None
    errors: bytes | None = None
    readers: bytes | None = None


@dataclass(frozen=True)
class CasePicture:
    """A case as arrays, on its own grid.

    Args:
        image: (channels, *grid); reference, prediction: (*grid); readers: (readers, *grid).
        prediction: or why there is none.
    """

    case: str
    channels: tuple[str, ...]
    image: NDArray[np.generic]
    reference: Mask
    prediction: Mask | Unavailable
    readers: Mask | None = None
    aspect: float = 1.0
    levels: tuple[tuple[float, float], ...] = field(default=())

    @property
    def slices(self) -> int:
        """How many slices a volume has; 1 for a picture."""
        return self.reference.shape[0] if self.reference.ndim == 3 else 1

    @property
    def first_slice(self) -> int:
        """The slice in which the reference is largest; without a reference, the prediction; else the middle one."""
        for mask in (self.reference, self.prediction):
            if isinstance(mask, np.ndarray) and mask.ndim == 3 and mask.any():
                return int(mask.sum(axis=(1, 2)).argmax())
        return self.slices // 2 if self.slices > 1 else 0

    @property
    def views(self) -> tuple[str, ...]:
        """What the image may be seen as: its colours, or one of its channels; the most telling first."""
        if self.channels == COLOUR:
            return ("colour",)
        return tuple(sorted(self.channels, key=lambda name: _preference(name)))

    def panels(self, at: int = 0, view: str = "") -> Panels:
        """The pictures of one slice.

        Args:
            at: slice, from 0; view: one of ``views``.
        """
        ground = self._ground(at, view or self.views[0])
        reference = _enlarged(self._slice(self.reference, at), ground)
        drawn = Panels(_png(ground), _png(_outlined(ground, reference, REFERENCE)), readers=self._readers_png(ground, at))
        if isinstance(self.prediction, Unavailable):
            return drawn
        predicted = _enlarged(self._slice(self.prediction, at), ground)
        told = _png(_outlined(ground, predicted, PREDICTION))
        return Panels(drawn.image, drawn.reference, told, _png(_errors(ground, reference, predicted)), drawn.readers)

    def _slice(self, mask: Mask, at: int) -> Mask:
        return mask[at] if mask.ndim == 3 else mask

    def _ground(self, at: int, view: str) -> Pixels:
        """(height, width, 3) of the image, stretched between its own extremes and enlarged."""
        chosen = range(3) if self.channels == COLOUR else [self.channels.index(view)] * 3
        parts = [_stretched(self.image[c][at] if self.image.ndim == 4 else self.image[c], self.levels[c]) for c in chosen]
        flat = np.stack(parts, axis=-1)
        height, width = flat.shape[0] * self.aspect, float(flat.shape[1])
        scale = EDGE / max(height, width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        return np.asarray(Image.fromarray(flat).resize(size, Image.Resampling.BICUBIC))

    def _readers_png(self, ground: Pixels, at: int) -> bytes | None:
        if self.readers is None or len(self.readers) < 2:
            return None
        for number, mask in enumerate(self.readers):
            ground = _outlined(ground, _enlarged(self._slice(mask, at), ground), READERS[number % len(READERS)])
        return _png(ground)


def case_picture(place: StudyPlace, case: str, model: str, region: str, split: str = "internal") -> CasePicture | Unavailable:
    """A case of a study, drawn from the data here, or why it cannot be.

    Args:
        case: hashed id (``core.evaluation.segmentation.cases.hashed_case``).
        model: row of the study whose outline is shown: as the run kept it where the study was run here, else drawn now by the
            segmenter that was shipped with the study.

    Raises:
        CorruptError: the study's own file cannot be read.
    """
    info = read_json(place.summary / "study.json")
    name = str(info["recipe"]["dataset"]["name"])
    if name not in DATASETS:
        return Unavailable(f"This installation knows no data set {name!r}.", "Install the package that adds it.")
    spec = DATASETS.get(name)
    try:
        pictures = _pictures(name, json.dumps(info["recipe"]["dataset"].get("options", {})), _root(spec))
        case_id = _case_of(pictures, case)
        if case_id is None:
            return Unavailable("The copy of the data here does not hold this case.", _how_to_get(spec))
        picture = pictures.source.read(case_id)
        return _drawn(pictures, picture, case, region, _prediction(place, info, picture, model, split))
    except OpSightError as error:
        return Unavailable(f"The pictures are not on this machine: {error.message}", _how_to_get(spec))


def _root(spec: DatasetSpec) -> Path:
    return dataset_root(spec.folder) if spec.folder else data_parent()


def _how_to_get(spec: DatasetSpec) -> str:
    """Where the data set's folder belongs, and how it comes there."""
    where = f"Put the public release into a folder {spec.folder!r} below the folder that $OPSIGHT_DATA names"
    fetch = f", or fetch it with: python -m core data get {spec.name}" if spec.release() else ""
    return f"{where}{fetch}. {spec.description} Licence: {spec.licence}." if spec.folder else spec.description


@lru_cache(maxsize=4)
def _pictures(name: str, options: str, root: Path) -> PictureSet:
    spec = DATASETS.get(name)
    assert spec.pictures is not None
    return spec.pictures(LoadOptions(root=root, cache=places().cohorts / name, options=json.loads(options)))


def _case_of(pictures: PictureSet, case: str) -> str | None:
    names = (str(name) for name in pictures.table.index)
    return next((name for name in names if hashed_case(pictures.name, name) == case), None)


def _prediction(place: StudyPlace, info: Mapping[str, Any], picture: Picture, model: str, split: str) -> Masks | Unavailable:
    """(regions, *grid) that the method drew: kept by the run where it is here, else drawn now by its shipped segmenter."""
    if model == HUMAN:
        return Unavailable("This row is the readers themselves; each reader's outline is shown.")
    run = place.run or places().runs / str(info["name"]) / str(info.get("run_id", ""))
    kept = mask_of(RunStore(run, MASK_COLUMNS), model, split, picture.case_id) if (run / "run.json").exists() else None
    if kept is not None:
        return kept
    try:
        folder = _shipped(info, model, split)
        if folder is not None:
            return next(outline(_opened(folder), [picture])).mask
    except OpSightError as error:
        return Unavailable(f"The shipped segmenter cannot be used: {error.message}", error.do)
    return Unavailable(
        "The outline that this method drew of this case is not on this machine.",
        "Run the study here to keep the outlines of all methods: python -m core study run",
    )


def _shipped(info: Mapping[str, Any], model: str, split: str) -> Path | None:
    """The bundle of the very fit that was judged on this case; None where another fit was, which may have learned from it.

    A bundle holds the fit of the first fold: only where one fold was run has it seen none of the cases judged.
    """
    if split != "internal" or int(info["recipe"].get("run_folds", 0)) != 1:
        return None
    for folder in segmenter_folders(places().models):
        manifest = inspect_segmenter_bundle(folder).manifest
        if (manifest.run_id, manifest.row) == (info.get("run_id"), model):
            return folder
    return None


@lru_cache(maxsize=3)
def _opened(folder: Path) -> SegmenterBundle:
    return open_segmenter_bundle(folder)


def _drawn(
    pictures: PictureSet, picture: Picture, case: str, region: str, prediction: Masks | Unavailable
) -> CasePicture | Unavailable:
    if picture.mask is None:
        return Unavailable("Nobody outlined this case.")
    at = [item.name for item in pictures.regions].index(region)
    reference = picture.mask[at]
    told = prediction if isinstance(prediction, Unavailable) else prediction[at]
    if isinstance(told, np.ndarray) and told.shape != reference.shape:
        told = Unavailable("The kept outline is on another grid than the picture.", "Run the study again on these data.")
    levels = tuple(_levels(channel) for channel in picture.image)
    return CasePicture(case, pictures.channels, picture.image, reference, told, picture.readers, _aspect(picture), levels)


def _levels(channel: NDArray[np.generic]) -> tuple[float, float]:
    """The grey values shown as black and as white."""
    if channel.dtype == np.uint8:
        return 0.0, 255.0
    low, high = np.percentile(channel.astype(np.float64), (0.5, 99.5))
    return float(low), float(max(high, low + 1e-6))


def _aspect(picture: Picture) -> float:
    """Height of a pixel in widths."""
    return float(picture.spacing_mm[-2] / picture.spacing_mm[-1]) if picture.spacing_mm else 1.0


def _preference(name: str) -> int:
    lower = name.lower()
    return next((at for at, liked in enumerate(PREFERRED_CHANNELS) if liked in lower), len(PREFERRED_CHANNELS))


def _stretched(values: NDArray[np.generic], levels: tuple[float, float]) -> Pixels:
    low, high = levels
    return (np.clip((values.astype(np.float32) - low) / (high - low), 0, 1) * 255).astype(np.uint8)


def _enlarged(mask: Mask, ground: Pixels) -> Mask:
    """The mask on the drawn picture's grid."""
    size = ground.shape[1], ground.shape[0]
    return np.asarray(Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BILINEAR)) >= 128


def _outlined(ground: Pixels, mask: Mask, colour: tuple[int, int, int]) -> Pixels:
    drawn = ground.copy()
    drawn[mask & ~ndimage.binary_erosion(mask, iterations=LINE)] = colour
    return drawn


def _errors(ground: Pixels, reference: Mask, predicted: Mask) -> Pixels:
    """Grey and dim, with what is right, missed and made up in colours of their own."""
    grey = np.repeat((ground.mean(axis=2, keepdims=True) * 0.55), 3, axis=2)
    for mask, colour in ((reference & predicted, RIGHT), (reference & ~predicted, MISSED), (predicted & ~reference, MADE_UP)):
        grey[mask] = 0.35 * grey[mask] + 0.65 * np.array(colour)
    return grey.astype(np.uint8)


def _png(pixels: Pixels) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG", optimize=False)
    return stream.getvalue()

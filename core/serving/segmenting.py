"""Shipped segmenters at work: files in, outlines out."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.bundles.segmenter_bundle import SegmenterBundle, open_segmenter_bundle, segmenter_folders
from core.contracts.pictures import Picture, Pictures, PictureSet, Region
from core.contracts.segmentation_recipe import PreparationPart
from core.errors import DataError, Refused, UnknownNameError, did_you_mean
from core.imaging.pictures import prepare_pictures
from core.ingest.door import Accepted, Refusal, ingest
from core.segmentation._refinement import refine
from core.storage.locations import places

AT_ONCE = 16
VOLUMES = (".nii", ".nii.gz")


@dataclass(frozen=True)
class Outline:
    """What a segmenter drew.

    Args:
        name: of the picture; mask: (regions, *grid) on the picture's own grid; areas: pixels of each region.
    """

    name: str
    mask: NDArray[np.bool_]
    picture: Picture

    @property
    def shares(self) -> tuple[float, ...]:
        """Share of the picture that each region takes."""
        return tuple(float(region.mean()) for region in self.mask)


@dataclass(frozen=True)
class _InMemory:
    pictures: dict[str, Picture]

    def read(self, case_id: str) -> Picture:
        """The picture of that name."""
        return self.pictures[case_id]


def find_segmenter(name: str) -> SegmenterBundle:
    """The newest bundle of that name, verified.

    Raises:
        UnknownNameError: there is none; the nearest is suggested.
        BundleError: it must not be used.
    """
    newest: dict[str, Path] = {}
    for folder in segmenter_folders(places().models):
        newest.setdefault(folder.parent.name, folder)
    if name not in newest:
        raise UnknownNameError(f"There is no segmenter named {name!r}.", do=did_you_mean(name, newest))
    return open_segmenter_bundle(newest[name])


def read_picture(path: Path, bundle: SegmenterBundle) -> Picture:
    """A picture or a volume from a file, through the one door for outside bytes.

    Raises:
        Refused: what the door says.
        DataError: another number of channels than the segmenter knows, or a volume for one of pictures.
    """
    kind = "nifti" if path.name.endswith(VOLUMES) else "picture"
    found = ingest(path.read_bytes(), kind)  # type: ignore[arg-type]
    if isinstance(found, Refusal):
        raise Refused(f"{path.name}: {found.sentence}", do=found.do, code=found.code)
    picture = _picture(path.name, found)
    kept = bundle.outline.preprocessing
    if picture.image.ndim - 1 != kept.dims:
        raise DataError(
            f"{path.name} is {picture.image.ndim - 1}-D; this segmenter outlines {kept.dims}-D pictures.",
            do="Choose another one.",
        )
    return _with_channels(picture, len(kept.channels))


def _picture(name: str, found: Accepted) -> Picture:
    if found.volume is not None:
        volume = found.volume
        # Axes as in the data sets: depth first.
        return Picture(name, np.ascontiguousarray(volume.voxels.T)[np.newaxis], spacing_mm=volume.spacing_mm[::-1])
    if found.picture is None:
        raise DataError(f"{name} holds no picture.", do="Send a PNG, JPEG, TIFF, BMP or NIfTI file.")
    return Picture(name, np.moveaxis(found.picture, 2, 0))


def _with_channels(picture: Picture, wanted: int) -> Picture:
    """Grey pictures serve a colour segmenter and the reverse; anything else is refused.

    Raises:
        DataError: it cannot be brought to that number of channels.
    """
    given = len(picture.image)
    if given == wanted:
        return picture
    if given == 1 and wanted == 3:
        return Picture(picture.case_id, np.repeat(picture.image, 3, axis=0), spacing_mm=picture.spacing_mm)
    if given == 3 and wanted == 1:
        grey = picture.image.astype(np.float32).mean(axis=0, keepdims=True)
        return Picture(picture.case_id, grey, spacing_mm=picture.spacing_mm)
    raise DataError(f"{picture.case_id} has {given} channels; this segmenter reads {wanted}.", do="Give the channels it names.")


def outline(bundle: SegmenterBundle, pictures: Sequence[Picture]) -> Iterator[Outline]:
    """The outline of each picture, in order, prepared exactly as in the study."""
    kept = bundle.outline.preprocessing
    preparation = PreparationPart.model_validate(kept.preparation)
    with tempfile.TemporaryDirectory(prefix="opsight-") as folder:
        for start in range(0, len(pictures), AT_ONCE):
            some = pictures[start : start + AT_ONCE]
            names = [f"{start + place}" for place in range(len(some))]
            given = _as_set(bundle, dict(zip(names, some)))
            prepared = prepare_pictures(given, names, preparation, Path(folder) / str(start))
            for name, picture in zip(names, some):
                rows = prepared.rows_of([name])
                items = Pictures(prepared, rows, np.full(len(rows), "", dtype=str), np.zeros(len(rows), dtype=bool))
                scores = prepared.restore(name, bundle.segmenter.segment(items))
                if kept.refine:
                    scores = refine(scores, picture.image, kept.refine)
                yield Outline(picture.case_id, scores >= 0.5, picture)


def _as_set(bundle: SegmenterBundle, pictures: dict[str, Picture]) -> PictureSet:
    kept = bundle.outline.preprocessing
    names = list(pictures)
    return PictureSet(
        name="given",
        label="Given pictures",
        table=pd.DataFrame({"patient_id": names}, index=pd.Index(names, name="case_id")),
        dims=3 if kept.dims == 3 else 2,
        channels=kept.channels,
        regions=tuple(Region(name, label) for name, label in kept.regions),
        source=_InMemory(pictures),
        internal=tuple(names),
        unit=kept.unit,
    )

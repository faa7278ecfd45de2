"""Pictures with drawn regions: what segmentation is learned from and judged on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.contracts.cohort import SplitCheck
from core.errors import DataError, GeometryError, LeakageError

Unit = Literal["mm", "px"]


@dataclass(frozen=True)
class Region:
    """What is outlined. Regions may overlap and nest (whole tumour, core, enhancing part)."""

    name: str
    label: str


@dataclass(frozen=True)
class Picture:
    """One case as it comes from its files: a 2-D picture or a 3-D volume, and what was drawn on it.

    Args:
        image: (channels, height, width) or (channels, depth, height, width); integers or floats, finite.
        mask: (regions, …) on the same grid; None where nobody drew.
        readers: (readers, …) the single region as each reader drew it; None where one reader drew.
        spacing_mm: edge of a pixel along each axis, in the order of the axes; None where the files do not say.

    Raises:
        GeometryError: image and mask on unequal grids, a spacing at or below zero, or a value that is not finite.
    """

    case_id: str
    image: NDArray[np.generic]
    mask: NDArray[np.bool_] | None = None
    readers: NDArray[np.bool_] | None = None
    spacing_mm: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        grid = self.image.shape[1:]
        if self.image.ndim not in (3, 4):
            raise GeometryError(
                f"{self.case_id}: an image has channels and 2 or 3 axes; given {self.image.shape}.", do="Mend it."
            )
        for name, drawn in (("mask", self.mask), ("readers' masks", self.readers)):
            if drawn is not None and drawn.shape[1:] != grid:
                raise GeometryError(
                    f"Case {self.case_id}: the {name} have grid {drawn.shape[1:]}, the image {grid}.",
                    do="Export image and mask on one grid.",
                )
        if np.issubdtype(self.image.dtype, np.floating) and not np.isfinite(self.image).all():
            raise GeometryError(
                f"Case {self.case_id} holds values that are not finite.", do="Export it again.", code="IMG_NONFINITE"
            )
        if self.spacing_mm is not None and (len(self.spacing_mm) != len(grid) or min(self.spacing_mm) <= 0):
            raise GeometryError(
                f"Case {self.case_id}: spacing {self.spacing_mm} mm does not fit {len(grid)} axes.", do="Give one above 0 each."
            )


class PictureSource(Protocol):
    """Cases read on demand. Implementations can be pickled: they hold paths, not pixels."""

    def read(self, case_id: str) -> Picture:
        """One case."""


@dataclass(frozen=True)
class PictureSet:
    """A data set for segmentation, ready to study.

    Args:
        name, label: slug, and what people read.
        table: one row a case, indexed by ``case_id`` (text): ``patient_id``, optionally ``site``, and any column by which
            errors may be looked at (``attributes``).
        dims: 2 for pictures, 3 for volumes.
        channels, regions: in the order of the arrays.
        source: reads a case.
        internal: case ids used for cross-validation; checks: fixed splits beside it (by site, by vendor).
        attributes: columns of ``table`` by which results are broken down, with what people read ({"vendor": "Scanner vendor"}).
        unit: of distances and sizes: ``mm`` where the files give a spacing, else ``px``.
        in_plane: whether distances of a volume are taken within slices, because the distance of slices is not known.
        readers: how many readers drew each case at most (1: no inter-reader line).
        simulated, licence, citation, fingerprint, notes: as in ``Cohort``.

    Raises:
        DataError: two rows a case, no patient, no region.
        LeakageError: one patient on both sides of a check.
    """

    name: str
    label: str
    table: pd.DataFrame
    dims: Literal[2, 3]
    channels: tuple[str, ...]
    regions: tuple[Region, ...]
    source: PictureSource
    internal: tuple[str, ...]
    checks: tuple[SplitCheck, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()
    unit: Unit = "px"
    in_plane: bool = False
    readers: int = 1
    simulated: bool = False
    licence: str = ""
    citation: str = ""
    fingerprint: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.table.index.is_unique:
            twice = self.table.index[self.table.index.duplicated()][0]
            raise DataError(f"{self.name}: case {twice} stands in two rows.", do="Keep one row a case.", code="TAB_DUP_ID")
        if "patient_id" not in self.table:
            raise DataError(f"{self.name}: there is no column patient_id.", do="Name the patient of every case.")
        if not self.regions:
            raise DataError(f"{self.name}: no region is named.", do="Say what the masks outline.")
        for check in self.checks:
            self.refuse_shared_patients(check.train, check.test, check.name)

    def refuse_shared_patients(self, train: Sequence[str], test: Sequence[str], where: str) -> None:
        """Nothing, if no patient stands on both sides.

        Raises:
            LeakageError: names the first shared patient.
        """
        patients = self.table["patient_id"].astype(str)
        shared = set(patients.loc[list(train)]) & set(patients.loc[list(test)])
        if shared:
            raise LeakageError(
                f"{self.name}, split {where!r}: patient {sorted(shared)[0]} is in training and in test "
                f"({len(shared)} such in all).",
                do="Split by patient, not by picture.",
            )


class PreparedPictures(Protocol):
    """Cases made ready for segmenters once, mapped from disk.

    An *item* is what a segmenter sees at a time: a whole picture, a slice of a volume, or a whole volume from which patches
    are cut. Items of one case follow each other.
    """

    @property
    def dims(self) -> Literal[2, 3]:
        """Axes of an item."""

    @property
    def channels(self) -> tuple[str, ...]:
        """What each channel of an item holds."""

    @property
    def regions(self) -> tuple[str, ...]:
        """Slugs of the regions."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Grid of an item; for whole volumes of unequal size the largest along each axis."""

    def rows_of(self, case_ids: Sequence[str]) -> NDArray[np.intp]:
        """Numbers of the items of these cases, in order."""

    def owner(self, row: int) -> str:
        """Case id of an item."""

    def image(self, row: int) -> NDArray[np.float32]:
        """(channels, *grid) of an item: normalised, finite."""

    def mask(self, row: int) -> NDArray[np.bool_]:
        """(regions, *grid) of an item."""

    def is_uniform(self) -> bool:
        """Whether all items have the same grid, so that they may be stacked."""

    def restore(self, case_id: str, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """(regions, *the case's own grid) from the scores of its items (items, regions, *grid), resized linearly."""


@dataclass(frozen=True)
class Pictures:
    """Items of some cases: all that a segmenter is given.

    Args:
        prepared: where items are read.
        rows: which items, in order.
        patients: (items,) patient of each, for splits inside a fit.
        labelled: (items,) whether its mask may be read; all false when segmenting.
    """

    prepared: PreparedPictures
    rows: NDArray[np.intp]
    patients: NDArray[np.str_]
    labelled: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if not len(self.rows) == len(self.patients) == len(self.labelled):
            raise DataError("Pictures need one patient and one flag an item.", do="Give arrays of one length.")

    def __len__(self) -> int:
        return len(self.rows)

    def pick(self, at: NDArray[np.intp] | NDArray[np.bool_]) -> Pictures:
        """These items only, by position."""
        return Pictures(self.prepared, self.rows[at], self.patients[at], self.labelled[at])

    def image(self, at: int) -> NDArray[np.float32]:
        """(channels, *grid) of one item."""
        return self.prepared.image(int(self.rows[at]))

    def mask(self, at: int) -> NDArray[np.bool_]:
        """(regions, *grid) of one item.

        Raises:
            LeakageError: the mask of this item may not be read.
        """
        if not self.labelled[at]:
            raise LeakageError("A segmenter asked for a mask that it may not see.", do="Learn from labelled items only.")
        return self.prepared.mask(int(self.rows[at]))

    def images(self, at: NDArray[np.intp]) -> NDArray[np.float32]:
        """(items, channels, *grid); items must have one grid."""
        return np.stack([self.image(int(i)) for i in at])

    def masks(self, at: NDArray[np.intp]) -> NDArray[np.bool_]:
        """(items, regions, *grid); items must have one grid."""
        return np.stack([self.mask(int(i)) for i in at])

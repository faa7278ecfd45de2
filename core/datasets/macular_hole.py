"""Eyes operated on for a macular hole: one OCT picture and the record before, acuity at four visits after.

Reads the public layout (``clinical_data.csv``, ``octs/ID.tiff``) and the reduced one (``clinical.csv``, ``images/IDx.jpg``
with three digits). Time to recovery counts visits (see ``_macular_hole_record``). Its target is 70 letters: 4 % of the eyes
read as many before the operation (13 % read 65, and 31 % read 60), 58 % at 12 months.

A picture goes in as a volume of one slice. An icon that is burned into the bottom-left corner, and tells right eye from
left, is painted black.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.contracts.cohort import Cohort
from core.contracts.dataset import DatasetSpec, Finding, LoadOptions
from core.contracts.volume import CaseImage, Volume
from core.datasets._macular_hole_record import CODEBOOK, HEADERS, OUTCOMES, TARGET_LETTERS, breakdowns_of, targets_of
from core.datasets._picture_files import fingerprint_of
from core.errors import DataError, OpSightError, Refused
from core.ingest.cells import parse_cells
from core.ingest.images import read_image
from core.ingest.tables import check_cells, read_bytes, require_column

NAME = "Macular hole"
LICENCE = "Not stated by the source: results may be published; images, rows and trained weights may not"
CITATION = (
    "github.com/singla-nitin/macular_hole (names no origin and states no licence); a set with the same visits is used in Zhao "
    "et al. 2025, Transl Vis Sci Technol, 10.1167/tvst.14.12.29"
)
LAYOUTS = (("clinical_data.csv", "octs/{number}.tiff"), ("clinical.csv", "images/{number:03d}.jpg"))
"""Table, and picture by number: as published, and as reduced."""
ICON_TOP, ICON_RIGHT = 0.74, 0.175
"""The icon's box reaches from this share of the height to the bottom, and from the left to this share of the width."""
WIDTH_UNITS = 384.0
"""Nominal width of a picture: the source states no scale, so ``network.input_spacing_mm`` counts in 384ths of the width."""
GREY = (0.0, 255.0)
MIN_CELL = 10

NOTES = (
    "The source names neither hospital nor licence, and gives no patient: each eye counts as a patient, and two eyes of one "
    "person may stand on both sides of a split.",
    "Every eye has every visit, which no clinic achieves: eyes lost to follow-up were left out, by the source or before it.",
    "The pictures have no stated scale. They are single slices through the hole, chosen by hand.",
    "An icon in the bottom-left corner of each picture tells right eye from left; it is painted black, with what lies under it.",
    "There is one place and no date, so nothing can be said about another hospital or a later year.",
)


@dataclass(frozen=True)
class MacularImages:
    """One grey picture an eye, read on demand as a volume of one slice.

    Rows of the picture run along the volume's first axis and columns along its second: training mirrors depth and height of
    a prepared picture, and an eye may be mirrored left to right but never upside down.

    Args:
        files: by case id.
    """

    files: Mapping[str, Path]
    labels: dict[int, str]
    has_scan: bool = True
    mask_origin: str = ""
    window: tuple[float, float] = GREY

    def read(self, case_id: str) -> CaseImage:
        """The picture of one eye, without the icon.

        Raises:
            DataError: a file that cannot be read; names the eye.
        """
        try:
            picture = read_image(self.files[case_id])
        except Refused as error:
            raise DataError(f"{case_id}: {error.message}", do=error.do, code=error.code) from error
        grey = without_icon(picture.astype(np.float32).mean(axis=2))
        unit = WIDTH_UNITS / grey.shape[1]
        return CaseImage(case_id, Volume(grey[:, :, np.newaxis], np.diag([unit, unit, unit, 1.0])))


def without_icon(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """(height, width) with the icon's box painted black."""
    height, width = grey.shape
    clean = grey.copy()
    clean[int(ICON_TOP * height) :, : int(np.ceil(ICON_RIGHT * width))] = 0.0
    return clean


@dataclass(frozen=True)
class _Source:
    """The folder, its table by case id, and its pictures."""

    root: Path
    csv: Path
    table: pd.DataFrame
    files: Mapping[str, Path]


def load(options: LoadOptions) -> Cohort:
    """The cohort: record, outcomes and pictures.

    Raises:
        DataError: no table, or a picture that is not there.
        Refused: a cell that the codebook does not allow; names column and row.
    """
    source = _source(options)
    table = source.table
    return Cohort(
        name="macular_hole",
        label="Macular hole surgery",
        table=table,
        codebook=CODEBOOK,
        outcomes=OUTCOMES,
        targets=targets_of(table),
        internal=tuple(str(case_id) for case_id in table.index),
        images=MacularImages(source.files, {}),
        licence=LICENCE,
        citation=CITATION,
        fingerprint=fingerprint_of(NAME, [source.csv, *source.files.values()], source.root, options),
        notes=(*NOTES, *_counts(table)),
        min_cell=MIN_CELL,
        breakdowns=breakdowns_of(table),
    )


def _source(options: LoadOptions) -> _Source:
    root = options.root
    found = next(((root, csv, picture) for csv, picture in LAYOUTS if root is not None and (root / csv).is_file()), None)
    if found is None:
        raise DataError(
            f"{NAME}: neither {LAYOUTS[0][0]} nor {LAYOUTS[1][0]} was found in {root}.",
            do="Put the table and its pictures there, or name their parent folder with --data or $OPSIGHT_DATA.",
            code="DATA_MISSING",
        )
    root, name, picture = found
    cells = parse_cells(read_bytes(root / name, "DATA_MISSING"), name)
    require_column(cells, "id", "the number of every eye", HEADERS.values())
    frame = check_cells(cells, CODEBOOK, unique=("id",), headers=HEADERS).frame
    numbers = [_number(text, row, name) for row, text in zip(cells.numbers, cells.column("id"), strict=True)]
    cases = [f"eye_{number:03d}" for number in numbers]
    table = frame.set_axis(pd.Index(cases, name="case_id"))
    table.insert(0, "patient_id", cases)
    files = {case: root / picture.format(number=number) for case, number in zip(cases, numbers, strict=True)}
    return _Source(root, root / name, table, files)


def _number(text: str, row: int, name: str) -> int:
    if not text.strip().isdecimal():
        raise DataError(
            f"{name}, column 'id', row {row}: given {text!r}; expected the number of an eye.",
            do="Correct the number.",
            code="TAB_NUMBER",
        )
    return int(text)


def _counts(table: pd.DataFrame) -> Iterator[str]:
    there = int(table["acuity_before"].ge(TARGET_LETTERS).sum())
    yield f"{there} of {len(table)} eyes read {TARGET_LETTERS} letters before the operation and are not eligible for recovery."
    unknown = int(table["elevated_edge"].isna().sum())
    if unknown:
        yield f"Whether the edge is raised is not known of {unknown} (stored as -9)."


def verify(options: LoadOptions) -> tuple[Finding, ...]:
    """Remarks on the table and every picture; ``error`` is what a study would refuse."""
    try:
        source = _source(options)
    except OpSightError as error:
        return (Finding("error", error.code, error.message, error.do),)
    notes = (Finding("note", source.csv.name, note, "") for note in _counts(source.table))
    return (*notes, *_picture_findings(MacularImages(source.files, {})))


def _picture_findings(images: MacularImages) -> Iterator[Finding]:
    for case_id in images.files:
        try:
            images.read(case_id)
        except OpSightError as error:
            yield Finding("error", case_id, error.message, error.do)


PLUGINS = (
    DatasetSpec(
        name="macular_hole",
        label="Macular hole surgery",
        description="Eyes operated on for a macular hole: one OCT picture and a short record before, acuity at 2 weeks, 3, 6 "
        "and 12 months after. Complete at every visit, no patient id, one place. The licence is not known: keep images, rows and "
        "weights to yourself.",
        licence=LICENCE,
        citation=CITATION,
        folder="macular_hole",
        load=load,
        verify=verify,
    ),
)

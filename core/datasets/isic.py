"""ISIC 2018 task 1: skin lesions in dermoscopy pictures, with the lesion outlined."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from core.contracts.dataset import DatasetSpec, Finding, LoadOptions
from core.contracts.pictures import Picture, PictureSet, Region
from core.datasets._near_duplicates import same_scene
from core.datasets._picture_files import fingerprint_of, require_root, verify_cases, whole_number
from core.errors import DataError
from core.ingest.images import read_image, read_mask

INPUT = "ISIC2018_Task1-2_Training_Input"
TRUTH = "ISIC2018_Task1_Training_GroundTruth"
LICENCE = "CC BY-NC 4.0 (non-commercial, with attribution)"
CITATION = (
    "Codella et al., Skin lesion analysis toward melanoma detection 2018, arXiv:1902.03368; Tschandl et al., Sci Data 2018, "
    "10.1038/sdata.2018.161"
)


@dataclass(frozen=True)
class IsicSource:
    """Reads a picture and its outline."""

    root: Path

    def read(self, case_id: str) -> Picture:
        """(3, height, width) red, green, blue; the lesion.

        Raises:
            Refused: a file that cannot be read; GeometryError: unequal grids.
        """
        image = np.moveaxis(read_image(self.root / INPUT / f"{case_id}.jpg"), 2, 0)
        drawn = read_mask(self.root / TRUTH / f"{case_id}_segmentation.png") > 127
        return Picture(case_id, image, drawn[np.newaxis])


def load(options: LoadOptions) -> PictureSet:
    """All pairs of picture and outline; near-identical pictures count as one patient.

    Raises:
        DataError: no such folder, or a picture without its outline.
    """
    root = require_root("ISIC 2018", options, INPUT)
    names = _pairs(root)
    most = whole_number(options, "cases", 0)
    names = names[:: max(1, len(names) // most)][:most] if most else names
    files = [path for name in names for path in (root / INPUT / f"{name}.jpg", root / TRUTH / f"{name}_segmentation.png")]
    fingerprint = fingerprint_of("ISIC 2018", files, root, options, "isic-1", most)
    groups = same_scene([root / INPUT / f"{name}.jpg" for name in names], options, fingerprint)
    table = pd.DataFrame({"patient_id": [names[group] for group in groups]}, index=pd.Index(names, name="case_id"))
    twins = len(names) - len(set(groups))
    return PictureSet(
        name="isic",
        label="ISIC 2018 task 1",
        table=table,
        dims=2,
        channels=("red", "green", "blue"),
        regions=(Region("lesion", "Skin lesion"),),
        source=IsicSource(root),
        internal=tuple(names),
        licence=LICENCE,
        citation=CITATION,
        fingerprint=fingerprint,
        notes=(
            "ISIC 2018 names no patient and no lesion; pictures of one lesion may stand on both sides of a split.",
            f"{twins} pictures are near-identical to another one; each such group is kept on one side, as one patient.",
        ),
    )


def _pairs(root: Path) -> list[str]:
    pictures = {path.stem for path in (root / INPUT).glob("ISIC_*.jpg")}
    outlines = {path.stem.removesuffix("_segmentation") for path in (root / TRUTH).glob("ISIC_*_segmentation.png")}
    lonely = sorted(pictures ^ outlines)
    if lonely:
        raise DataError(
            f"ISIC 2018: {lonely[0]} has a picture without an outline, or the reverse ({len(lonely)} such).",
            do=f"Complete {INPUT} and {TRUTH}.",
        )
    if not pictures:
        raise DataError(f"ISIC 2018: {root / INPUT} holds no picture.", do="Put the public release there.")
    return sorted(pictures)


def verify(options: LoadOptions) -> tuple[Finding, ...]:
    """Remarks: files that cannot be read, outlines that are empty or on another grid."""
    return verify_cases(load(options))


PLUGINS = (
    DatasetSpec(
        name="isic",
        label="ISIC 2018 task 1 (skin lesions)",
        description="2,594 dermoscopy pictures with the lesion outlined. No patient id exists; near-identical pictures are kept "
        "on one side of a split. Fetch Training_Input and Training_GroundTruth of task 1 from the ISIC archive.",
        licence=LICENCE,
        citation=CITATION,
        folder="isic2018",
        load=None,
        verify=verify,
        pictures=load,
        option_names=("cases",),
    ),
)

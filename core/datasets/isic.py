"""ISIC 2018 task 1: skin lesions in dermoscopy pictures, with the lesion outlined."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from core.contracts.dataset import DatasetSpec, Finding, LoadOptions
from core.contracts.pictures import Picture, PictureSet, Region
from core.datasets._near_duplicates import same_scene
from core.datasets._picture_files import fingerprint_of, in_words, require_root, verified, whole_number
from core.errors import DataError
from core.ingest.images import read_image, read_mask

INPUT = "ISIC2018_Task1-2_Training_Input"
TRUTH = "ISIC2018_Task1_Training_GroundTruth"
LICENCE = "CC BY-NC 4.0 (non-commercial, with attribution)"
CITATION = (
    "Codella et al., Skin lesion analysis toward melanoma detection 2018, arXiv:1902.03368; Tschandl et al., Sci Data 2018, "
    "10.1038/sdata.2018.161"
)
DIAGNOSES = {
    "NV": "Naevus", "MEL": "Melanoma", "BKL": "Benign keratosis", "BCC": "Basal cell carcinoma", "AK": "Actinic keratosis",
    "SCC": "Squamous cell carcinoma", "DF": "Dermatofibroma", "VASC": "Vascular lesion",
}  # fmt: skip


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
    groups = same_scene(files[::2], options, fingerprint_of("ISIC 2018", files[::2], root, options))
    table = pd.DataFrame({"patient_id": [names[group] for group in groups]}, index=pd.Index(names, name="case_id"))
    table = table.assign(**_diagnoses(root, names))
    return PictureSet(
        name="isic",
        label="ISIC 2018 task 1",
        table=table,
        dims=2,
        channels=("red", "green", "blue"),
        regions=(Region("lesion", "Skin lesion"),),
        source=IsicSource(root),
        internal=tuple(names),
        attributes=(("diagnosis", "Diagnosis"),) if "diagnosis" in table else (),
        licence=LICENCE,
        citation=CITATION,
        # Who counts as one patient decides the folds, so that it is part of what a run is known by.
        fingerprint=fingerprint_of("ISIC 2018", files, root, options, "isic-2", in_words(table)),
        notes=_notes(len(names) - len(set(groups))),
    )


def _notes(twins: int) -> tuple[str, ...]:
    return (
        "ISIC 2018 names no patient and no lesion; other pictures of one lesion or patient may stand on both sides of a split.",
        f"{twins} pictures are copies of another one, cut or coloured otherwise, or very like it; each such group is kept on "
        "one side, as one patient.",
    )


def _diagnoses(root: Path, names: list[str]) -> dict[str, list[str]]:
    """The column ``diagnosis`` where ``index.csv`` stands beside the pictures and has one; nothing otherwise."""
    path = root / "index.csv"
    index = pd.read_csv(path, dtype=str) if path.is_file() else pd.DataFrame()
    if not {"isic_id", "diagnosis"} <= set(index.columns):
        return {}
    known = index.dropna(subset=["diagnosis"]).set_index("isic_id")["diagnosis"]
    return {"diagnosis": [DIAGNOSES.get(str(known.get(name, "")), "Not recorded") for name in names]}


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
    return verified(load, options)


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

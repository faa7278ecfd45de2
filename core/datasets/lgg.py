"""TCGA-LGG: preoperative MRI of lower-grade glioma with the FLAIR abnormality outlined (kaggle_3m). Not BraTS."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.contracts.cohort import SplitCheck
from core.contracts.dataset import DatasetSpec, Finding, LoadOptions
from core.contracts.pictures import Picture, PictureSet, Region
from core.datasets._picture_files import fingerprint_of, require_root, verified, whole_number
from core.errors import DataError, GeometryError
from core.ingest.images import read_image, read_mask
from core.storage.files import read_json, write_json

FOLDER = "kaggle_3m"
LICENCE = "CC BY-NC-SA 4.0 (non-commercial, share alike)"
CITATION = (
    "Buda, Saha, Mazurowski, Comput Biol Med 2019, 10.1016/j.compbiomed.2019.05.002; images from TCIA TCGA-LGG, "
    "10.7937/K9/TCIA.2016.L4LTD3TK"
)
CHANNELS = ("pre-contrast", "FLAIR", "post-contrast")
SITES = {"CS": "Thomas Jefferson", "DU": "Henry Ford", "EZ": "UNC", "FG": "Case Western", "HT": "Case Western (St Joseph's)"}
FEWEST_OF_A_SITE = 10


@dataclass(frozen=True)
class LggSource:
    """Reads a patient's slices as one volume."""

    root: Path

    def read(self, case_id: str) -> Picture:
        """(3, slices, height, width) and the tumour.

        Raises:
            GeometryError: slices on unequal grids.
            DataError: a slice without three channels.
        """
        files = slices_of(self.root / FOLDER / case_id)
        images = [np.moveaxis(read_image(path), 2, 0) for path in files]
        masks = [read_mask(path.with_name(f"{path.stem}_mask.tif")) > 127 for path in files]
        if images[0].shape[0] != len(CHANNELS):
            raise DataError(f"Case {case_id}: {files[0].name} is no colour picture.", do="Use the files as they were published.")
        if len({image.shape for image in images}) != 1 or {mask.shape for mask in masks} != {images[0].shape[1:]}:
            raise GeometryError(f"Case {case_id}: slices or masks on unequal grids.", do="Fetch the files again.")
        return Picture(case_id, np.stack(images, axis=1), np.stack(masks)[np.newaxis])


def slices_of(folder: Path) -> list[Path]:
    """A patient's slices from the lowest number to the highest.

    Raises:
        DataError: no slice, or one without its mask.
    """
    numbered, masked = _numbered(folder, r".+_(\d+)"), _numbered(folder, r".+_(\d+)_mask")
    lonely = sorted(set(numbered) ^ set(masked))
    if not numbered or lonely:
        what = f"slice {lonely[0]} has no {'mask' if lonely[0] in numbered else 'image'}" if lonely else "it holds no slice"
        raise DataError(f"TCGA-LGG, {folder.name}: {what}.", do="Complete the folder from the public release.")
    return [numbered[number] for number in sorted(numbered)]


def _numbered(folder: Path, name: str) -> dict[int, Path]:
    matches = ((re.fullmatch(name, path.stem), path) for path in folder.glob("*.tif"))
    return {int(match.group(1)): path for match, path in matches if match}


def load(options: LoadOptions) -> PictureSet:
    """One volume a patient.

    Raises:
        DataError: no such folder, or a slice without its mask.
    """
    root = require_root("TCGA-LGG", options, FOLDER)
    names = sorted(path.name for path in (root / FOLDER).iterdir() if path.is_dir() and path.name.startswith("TCGA_"))
    most = whole_number(options, "cases", 0)
    names = names[:: max(1, len(names) // most)][:most] if most else names
    if not names:
        raise DataError(f"TCGA-LGG: {root / FOLDER} holds no patient.", do="Put the public release there.")
    files = [path for name in names for path in sorted((root / FOLDER / name).glob("*.tif"))]
    fingerprint = fingerprint_of("TCGA-LGG", files, root, options, "lgg-1")
    source = LggSource(root)
    table = pd.DataFrame(
        {
            "patient_id": ["_".join(name.split("_")[:3]) for name in names],
            "site": [name.split("_")[1] for name in names],
            "sequences": _sequences(source, names, options, fingerprint),
        },
        index=pd.Index(names, name="case_id"),
    )
    return PictureSet(
        name="lgg",
        label="TCGA-LGG",
        table=table,
        dims=3,
        channels=CHANNELS,
        regions=(Region("tumour", "Tumour (FLAIR abnormality)"),),
        source=source,
        internal=tuple(names),
        checks=_left_out(table),
        attributes=(("site", "Hospital"), ("sequences", "Sequences")),
        in_plane=True,
        licence=LICENCE,
        citation=CITATION,
        fingerprint=fingerprint,
        notes=_notes(table),
    )


def _notes(table: pd.DataFrame) -> tuple[str, ...]:
    copied = int((table["sequences"] != "all three").sum())
    return (
        "The outline is the FLAIR abnormality; BraTS outlines three nested parts on four sequences. The two cannot be compared.",
        "The files state no pixel spacing: distances are in pixels and are taken within slices.",
        f"In {copied} patients the pre- or the post-contrast channel is a copy of FLAIR, because the sequence is missing.",
    )


def _sequences(source: LggSource, names: list[str], options: LoadOptions, fingerprint: str) -> list[str]:
    """Which sequences each patient has; a missing one was filled with FLAIR by the source."""
    kept = options.cache / f"sequences_{fingerprint[:16]}.json"
    if kept.is_file():
        plain: dict[str, str] = read_json(kept)
        if set(plain) >= set(names):
            return [plain[name] for name in names]
    found = {}
    for number, name in enumerate(names):
        found[name] = _present(source.read(name).image)
        if options.progress:
            options.progress("looking for missing sequences", number / len(names))
    write_json(kept, found)
    return [found[name] for name in names]


def _present(image: NDArray[np.generic]) -> str:
    copied = [CHANNELS[place] for place in (0, 2) if np.array_equal(image[place], image[1])]
    return f"no {' and no '.join(copied)}" if copied else "all three"


def _left_out(table: pd.DataFrame) -> tuple[SplitCheck, ...]:
    found = []
    for site, rows in table.groupby("site"):
        train = table.index[table["site"] != site]
        if rows["patient_id"].nunique() >= FEWEST_OF_A_SITE and len(train):
            label = f"{SITES.get(str(site), site)} ({site}) left out"
            note = "Learned from the other hospitals; scanners and protocols differ between them."
            found.append(SplitCheck(f"external:site={site}", label, note, tuple(train), tuple(rows.index)))
    return tuple(found)


def verify(options: LoadOptions) -> tuple[Finding, ...]:
    """Remarks: files that cannot be read, and patients without an outline."""
    return verified(load, options)


PLUGINS = (
    DatasetSpec(
        name="lgg",
        label="TCGA-LGG (lower-grade glioma, MRI)",
        description="110 patients with pre-contrast, FLAIR and post-contrast slices and the FLAIR abnormality outlined "
        "(kaggle_3m). Outcomes of surgery are not part of it.",
        licence=LICENCE,
        citation=CITATION,
        folder="lgg",
        load=None,
        verify=verify,
        pictures=load,
        option_names=("cases",),
    ),
)

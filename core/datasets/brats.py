"""BraTS: gliomas on four MRI sequences, with the whole tumour, its core and its enhancing part.

Reads two public layouts: the challenge's folders of 2020 and 2021 (``BraTS20_Training_001/BraTS20_Training_001_flair.nii.gz`` and
the like) and the Decathlon's ``Task01_BrainTumour`` (one 4-D file a case), which numbers the same parts differently.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from core.contracts.dataset import DatasetSpec, Finding, LoadOptions
from core.contracts.pictures import PictureSet, Region
from core.datasets._brats_files import (
    MODALITIES,
    BratsSource,
    CaseFiles,
    decathlon_cases,
    decathlon_root,
    fingerprint,
    folder_cases,
)
from core.datasets._picture_files import verify_cases
from core.errors import DataError, OpSightError, did_you_mean
from core.ingest.cells import parse_cells

LICENCE = "As agreed at registration (BraTS 2020, 2021); CC BY-SA 4.0 (the Decathlon's Task01)"
CITATION = (
    "Menze et al. 2015, IEEE TMI, 10.1109/TMI.2014.2377694; Bakas et al. 2017, Scientific Data, 10.1038/sdata.2017.117; "
    "Baid et al. 2021, arXiv:2107.02314; Antonelli et al. 2022, Nature Communications, 10.1038/s41467-022-30695-9"
)
REGIONS = (
    Region("whole", "Whole tumour"),
    Region("core", "Tumour core (without oedema)"),
    Region("enhancing", "Enhancing tumour"),
)
OPTION_NAMES = ("layout",)
LAYOUTS = ("auto", "folders", "decathlon")
GRADES = {"HGG": "High grade", "LGG": "Low grade"}
NOTES = (
    "The three regions are nested, as the challenge scores them: the whole tumour holds the core, the core holds the enhancing "
    "part. They are made from the files' labels, which name the three parts without overlap.",
    "Scans come aligned with each other, without the skull, at 1 mm; distances are in mm from each file's own geometry.",
    "In low-grade tumours the enhancing part is often absent: empty masks are frequent there.",
)
OVERLAP_NOTE = (
    "The Decathlon's cases are those of BraTS 2016 and 2017 under other names, and overlap with BraTS 2020 and 2021: never train "
    "on one layout and test on the other."
)


@dataclass(frozen=True)
class _Found:
    """The cases of a folder, in the one layout it holds."""

    layout: str
    files: dict[str, CaseFiles]
    root: Path


def pictures(options: LoadOptions) -> PictureSet:
    """Every case of the training part: four modalities as channels, three nested regions.

    Raises:
        DataError: no case, a file that is missing, or both layouts at once; names file and case.
    """
    found = _found(options)
    table = _table(found)
    return PictureSet(
        name="brats",
        label="BraTS: brain tumours on MRI" if found.layout == "folders" else "BraTS (Decathlon Task01): brain tumours on MRI",
        table=table,
        dims=3,
        channels=MODALITIES,
        regions=REGIONS,
        source=BratsSource(found.files),
        internal=tuple(found.files),
        attributes=(("grade", "Grade"),) if "grade" in table else (),
        unit="mm",
        licence=LICENCE,
        citation=CITATION,
        fingerprint=fingerprint(found.files, found.root, options),
        notes=(*NOTES, OVERLAP_NOTE),
    )


def _found(options: LoadOptions) -> _Found:
    layout = options.options.get("layout", "auto")
    if layout not in LAYOUTS:
        raise DataError(
            f"dataset.options.layout was given {layout!r}.", do=did_you_mean(str(layout), LAYOUTS), code="DATA_OPTION"
        )
    if options.root is None:
        raise DataError(
            "The data set brats needs its folder.",
            do="Name its parent folder with --data or $OPSIGHT_DATA.",
            code="DATA_MISSING",
        )
    return _chosen(options.root, str(layout))


def _chosen(root: Path, layout: str) -> _Found:
    decathlon = decathlon_root(root) if layout != "folders" else None
    folders = folder_cases(root) if layout != "decathlon" else {}
    if decathlon is not None and folders:
        raise DataError(
            f"{root} holds both layouts; they show many of the same patients.",
            do="Set dataset.options.layout to folders or decathlon.",
        )
    files = folders if decathlon is None else decathlon_cases(decathlon)
    if not files:
        raise DataError(
            f"No case was found in {root}; expected folders such as BraTS20_Training_001 or BraTS2021_00000, or imagesTr and "
            "labelsTr of the Decathlon's Task01_BrainTumour.",
            do="Point the data folder's 'brats' at the unpacked release.",
            code="DATA_MISSING",
        )
    return _Found("folders" if decathlon is None else "decathlon", files, root)


def _table(found: _Found) -> pd.DataFrame:
    """One row a case. Both layouts hold one scan a patient."""
    index = pd.Index(list(found.files), name="case_id")
    table = pd.DataFrame({"patient_id": list(found.files)}, index=index)
    grades = _grades(found)
    return table.assign(grade=[grades.get(case_id, "Not stated") for case_id in index]) if grades else table


def _grades(found: _Found) -> Mapping[str, str]:
    """What ``name_mapping.csv`` of the 2020 release says, by case id; empty where the file is not there."""
    folders = {path for case in found.files.values() for path in (case.mask.parent.parent, case.mask.parent)}
    path = next((folder / "name_mapping.csv" for folder in sorted(folders) if (folder / "name_mapping.csv").is_file()), None)
    if path is None:
        return {}
    cells = parse_cells(path.read_bytes(), path.name)
    if not {"Grade", "BraTS_2020_subject_ID"} <= set(cells.columns):
        return {}
    pairs = zip(cells.column("BraTS_2020_subject_ID"), cells.column("Grade"), strict=True)
    return {case_id.strip(): GRADES.get(grade.strip(), "Not stated") for case_id, grade in pairs}


def verify(options: LoadOptions) -> tuple[Finding, ...]:
    """Remarks on every case, each read whole; ``error`` is what a study would refuse."""
    try:
        return verify_cases(pictures(options))
    except OpSightError as error:
        return (Finding("error", error.code, error.message, error.do),)


PLUGINS = (
    DatasetSpec(
        name="brats",
        label="BraTS: brain tumours on MRI",
        description="Gliomas on four aligned MRI sequences with nested regions drawn by experts: BraTS 2020 or 2021 folders, or "
        "the Decathlon's Task01_BrainTumour. Traps: the two layouts number the parts differently and share patients.",
        licence=LICENCE,
        citation=CITATION,
        folder="brats",
        load=None,
        pictures=pictures,
        verify=verify,
        option_names=OPTION_NAMES,
    ),
)

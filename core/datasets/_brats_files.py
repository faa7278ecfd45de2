"""Files of the two public layouts of BraTS: where they lie, what their channels and labels mean, and one case read from them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.contracts.dataset import LoadOptions
from core.contracts.pictures import Picture
from core.contracts.volume import Volume
from core.datasets._picture_files import fingerprint_of
from core.datasets._volume_stacks import nested, refuse_unequal_grids, seen_from_the_feet, stack, stack_spacing
from core.errors import DataError, Refused
from core.ingest.nifti import read_nifti, read_nifti_channels

MODALITIES = ("t1", "t1ce", "t2", "flair")
CASE_FOLDER = re.compile(r"BraTS20_Training_\d{3}|BraTS2021_\d{5}")
STRAY_MASKS = {"BraTS20_Training_355": "W39_1998.09.19_Segm"}
"""The release of 2020 names one mask in a way of its own."""
SUFFIXES = (".nii.gz", ".nii")
DECATHLON_FOLDER = "Task01_BrainTumour"
DEPTH = 4
"""Case folders are looked for so many levels below the data set's folder: archives unpack into folders of their own."""


@dataclass(frozen=True)
class Meaning:
    """Values of a mask. The layouts number the same three parts differently."""

    core: int
    oedema: int
    enhancing: int

    @property
    def regions(self) -> tuple[tuple[int, ...], ...]:
        """Values of the whole tumour, the tumour core and the enhancing part, each inside the one before."""
        return (self.core, self.oedema, self.enhancing), (self.core, self.enhancing), (self.enhancing,)


BRATS_MEANING = Meaning(core=1, oedema=2, enhancing=4)
_DECATHLON_NAMES = {"edema": "oedema", "non-enhancing tumor": "core", "enhancing tumour": "enhancing"}
_DECATHLON_MODALITIES = {"flair": "flair", "t1w": "t1", "t1gd": "t1ce", "t2w": "t2"}


@dataclass(frozen=True)
class CaseFiles:
    """Where a case lies.

    Args:
        scans: one file a modality, or one 4-D file for all.
        order: for a 4-D file, its channel for each of ``MODALITIES``.
        mask: what the annotators drew; meaning: of its values.
    """

    case_id: str
    scans: tuple[Path, ...]
    mask: Path
    meaning: Meaning
    order: tuple[int, ...] = ()


@dataclass(frozen=True)
class BratsSource:
    """Cases read on demand."""

    files: Mapping[str, CaseFiles]

    def read(self, case_id: str) -> Picture:
        """One case: four modalities, three nested regions.

        Raises:
            DataError: a file that cannot be read, or a value that is no label; names case and file.
            GeometryError: files on different grids; names case and file.
        """
        case = self.files[case_id]
        scans, mask = _scans(case), _volume(case, case.mask, as_labels=True)
        names = [*(path.name for path in case.scans)] if not case.order else [case.scans[0].name] * len(MODALITIES)
        refuse_unequal_grids(case_id, [*names, case.mask.name], [*scans, mask])
        _check_labels(case, mask)
        turned = [seen_from_the_feet(volume) for volume in (*scans, mask)]
        return Picture(
            case_id=case_id,
            image=np.stack([stack(volume) for volume in turned[:-1]]),
            mask=nested(stack(turned[-1]), case.meaning.regions),
            spacing_mm=stack_spacing(turned[0]),
        )


def _scans(case: CaseFiles) -> list[Volume]:
    if not case.order:
        return [_volume(case, path) for path in case.scans]
    try:
        channels = read_nifti_channels(case.scans[0])
    except Refused as error:
        raise _named(case, case.scans[0], error) from error
    if len(channels) != len(MODALITIES):
        raise DataError(
            f"{case.case_id}: {case.scans[0]} holds {len(channels)} modalities; expected {', '.join(MODALITIES)}.",
            do="Fetch this case again.",
            code="MODALITY_MISSING",
        )
    return [channels[at] for at in case.order]


def _volume(case: CaseFiles, path: Path, *, as_labels: bool = False) -> Volume:
    try:
        return read_nifti(path, as_labels=as_labels)
    except Refused as error:
        raise _named(case, path, error) from error


def _named(case: CaseFiles, path: Path, error: Refused) -> DataError:
    return DataError(f"{case.case_id}: {error.message}", do=f"Fetch {path.name} of this case again. {error.do}", code=error.code)


def _check_labels(case: CaseFiles, mask: Volume) -> None:
    known = (0, *sorted(case.meaning.regions[0]))
    strange = sorted(set(np.unique(mask.voxels).tolist()) - set(known))
    if strange:
        raise DataError(
            f"{case.case_id}: {case.mask} holds the value {strange[0]}; expected {', '.join(map(str, known))}.",
            do="Later releases number the parts differently; use BraTS 2020, BraTS 2021 or the Decathlon's Task01.",
            code="DATA_LABELS",
        )


# Folders of the challenge: one a case, one file a modality


def folder_cases(root: Path) -> dict[str, CaseFiles]:
    """Cases in folders of their own, by case id; empty where there are none.

    Raises:
        DataError: one case in two places, a modality or a mask that is missing; names case and file.
    """
    found: dict[str, CaseFiles] = {}
    for folder in _case_folders(root):
        if folder.name in found:
            raise DataError(
                f"{folder.name} lies in two places: {found[folder.name].mask.parent} and {folder}.", do="Keep one of the two."
            )
        found[folder.name] = _case_in(folder)
    return found


def _case_folders(root: Path) -> Iterator[Path]:
    below = [root]
    for _ in range(DEPTH):
        below = sorted(path for folder in below if folder.is_dir() for path in folder.iterdir() if path.is_dir())
        yield from (folder for folder in below if CASE_FOLDER.fullmatch(folder.name))
        below = [folder for folder in below if not CASE_FOLDER.fullmatch(folder.name)]


def _case_in(folder: Path) -> CaseFiles:
    scans = tuple(_the_file(folder, f"{folder.name}_{modality}", modality) for modality in MODALITIES)
    stray = STRAY_MASKS.get(folder.name, "")
    mask = _file(folder, f"{folder.name}_seg") or (_file(folder, stray) if stray else None)
    return CaseFiles(folder.name, scans, mask or _the_file(folder, f"{folder.name}_seg", "seg"), BRATS_MEANING)


def _file(folder: Path, stem: str) -> Path | None:
    return next((folder / f"{stem}{suffix}" for suffix in SUFFIXES if (folder / f"{stem}{suffix}").is_file()), None)


def _the_file(folder: Path, stem: str, what: str) -> Path:
    found = _file(folder, stem)
    if found is None:
        raise DataError(
            f"{folder.name}: {stem}.nii.gz (or .nii) is missing in {folder}.",
            do="Give every case t1, t1ce, t2, flair and seg; cases without a mask (the validation set) cannot be studied."
            if what == "seg"
            else "Fetch this case again: a modality that is missing is never filled in.",
            code="DATA_MISSING" if what == "seg" else "MODALITY_MISSING",
        )
    return found


# The Decathlon: one 4-D file a case, and a file that says what its numbers mean


def decathlon_root(root: Path) -> Path | None:
    """The folder that holds the Decathlon's ``dataset.json``; None where there is none."""
    return next((at for at in (root, root / DECATHLON_FOLDER) if (at / "imagesTr").is_dir()), None)


def decathlon_cases(root: Path) -> dict[str, CaseFiles]:
    """Cases of the Decathlon's training part, by case id.

    Raises:
        DataError: ``dataset.json`` is missing or not as published, or a file is missing; names it.
    """
    about = _description(root / "dataset.json")
    order, meaning = _channel_order(about, root), _meaning(about, root)
    names = sorted(path.name for path in (root / "imagesTr").glob("BRATS_*.nii.gz"))
    cases = {}
    for name in names:
        mask = root / "labelsTr" / name
        if not mask.is_file():
            raise DataError(f"{name}: {mask} is missing.", do="Fetch labelsTr again.", code="DATA_MISSING")
        case_id = name.removesuffix(".nii.gz")
        cases[case_id] = CaseFiles(case_id, (root / "imagesTr" / name,), mask, meaning, order)
    return cases


def _description(path: Path) -> Mapping[str, Any]:
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read: it says what channels and labels mean.", do="Fetch dataset.json again.", code="DATA_MISSING"
        ) from error
    if not isinstance(about, dict):
        raise DataError(f"{path} is not as published.", do="Fetch dataset.json again.")
    return about


def _channel_order(about: Mapping[str, Any], root: Path) -> tuple[int, ...]:
    given = _names(about.get("modality"))
    known = {_DECATHLON_MODALITIES.get(name, name): int(at) for at, name in given.items() if at.isdigit()}
    if set(known) != set(MODALITIES):
        raise _not_as_published(root, "modality", given, sorted(_DECATHLON_MODALITIES))
    return tuple(known[name] for name in MODALITIES)


def _meaning(about: Mapping[str, Any], root: Path) -> Meaning:
    given = _names(about.get("labels"))
    values = {_DECATHLON_NAMES[name]: int(at) for at, name in given.items() if name in _DECATHLON_NAMES and at.isdigit()}
    if set(values) != set(_DECATHLON_NAMES.values()) or given.get("0") != "background":
        raise _not_as_published(root, "labels", given, ["background", *_DECATHLON_NAMES])
    return Meaning(**values)


def _names(part: object) -> dict[str, str]:
    return {str(at): str(name).strip().casefold() for at, name in part.items()} if isinstance(part, dict) else {}


def _not_as_published(root: Path, part: str, given: Mapping[str, str], expected: Sequence[str]) -> DataError:
    return DataError(
        f"{root / 'dataset.json'} gives {part} as {dict(given)}; expected {', '.join(expected)}.",
        do="Use the dataset.json of the Decathlon's Task01_BrainTumour.",
    )


def fingerprint(files: Mapping[str, CaseFiles], root: Path, options: LoadOptions) -> str:
    """The sha-256 over all masks; scans count by their size, since hashing them would take many minutes."""
    sizes = [f"{case_id} {path.name} {path.stat().st_size}" for case_id, case in files.items() for path in case.scans]
    meanings = sorted({str(case.meaning) for case in files.values()})
    return fingerprint_of("BraTS", [case.mask for case in files.values()], root, options, "brats-1", *meanings, *sizes)

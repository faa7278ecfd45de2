"""Files of the public KiTS layout: where they lie, their checksums, the masks in them, and the anatomy they show."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from core.contracts.volume import CaseImage, Volume
from core.errors import CorruptError, DataError, Refused
from core.imaging.anatomy import ANATOMY_FIELDS, ANATOMY_VERSION, measure
from core.ingest.nifti import read_nifti
from core.storage.atomic import sha256_of
from core.storage.files import read_table, write_table

LABELS = {1: "kidney", 2: "tumour", 3: "cyst"}
WORKERS = 2
"""Reading and measuring leave Python's lock most of the time; a full-size mask needs some 500 MB while it is measured."""
KEEP_EVERY = 25
"""Measures are written this often, so that a run killed half way goes on from there."""

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class KitsImages:
    """Masks of the annotators, and scans where they were fetched; read on demand.

    Args:
        folder: the one that holds ``case_XXXXX`` folders.
        has_scan: whether any case has its ``imaging.nii.gz``.
    """

    folder: Path
    has_scan: bool
    mask_origin: str = "reviewed by experts (KiTS annotators)"

    @property
    def labels(self) -> dict[int, str]:
        return dict(LABELS)

    def mask_path(self, case_id: str) -> Path:
        """Where the mask of a case belongs."""
        return self.folder / case_id / "segmentation.nii.gz"

    def scan_path(self, case_id: str) -> Path:
        """Where the scan of a case belongs."""
        return self.folder / case_id / "imaging.nii.gz"

    def read(self, case_id: str) -> CaseImage:
        """Scan and mask of one case; None for a file that is not there.

        Raises:
            DataError: a file that cannot be read as what it should be; names case and file.
            GeometryError: scan and mask on different grids.
        """
        scan = _volume(self.scan_path(case_id), case_id) if self.scan_path(case_id).is_file() else None
        return CaseImage(case_id, scan, self.read_mask(case_id) if self.mask_path(case_id).is_file() else None)

    def read_mask(self, case_id: str) -> Volume:
        """The mask of one case, its values checked.

        Raises:
            DataError: missing, damaged, or a value that is no label; names case and file.
        """
        path = self.mask_path(case_id)
        mask = _volume(path, case_id, as_labels=True)
        if int(mask.voxels.max()) > max(LABELS):
            raise DataError(
                f"{case_id}: {path} holds the value {int(mask.voxels.max())}; expected 0 and "
                f"{', '.join(f'{value} {name}' for value, name in LABELS.items())}.",
                do="Use the segmentation.nii.gz of the public release.",
                code="DATA_LABELS",
            )
        return replace(mask, labels=self.labels)


def _volume(path: Path, case_id: str, *, as_labels: bool = False) -> Volume:
    try:
        return read_nifti(path, as_labels=as_labels)
    except Refused as error:
        raise DataError(
            f"{case_id}: {error.message}", do=f"Fetch {path.name} of this case again. {error.do}", code=error.code
        ) from error


def checksums(images: KitsImages, case_ids: Sequence[str]) -> dict[str, str]:
    """The sha-256 of every mask that is there, by case."""
    return {case_id: sha256_of(path) for case_id in case_ids if (path := images.mask_path(case_id)).is_file()}


def fingerprint(records: Path, masks: Mapping[str, str], images: KitsImages) -> str:
    """The sha-256 over records and masks; scans count by their size, since hashing them would take minutes."""
    digest = hashlib.sha256(sha256_of(records).encode())
    for case_id, checksum in sorted(masks.items()):
        scan = images.scan_path(case_id)
        size = scan.stat().st_size if images.has_scan and scan.is_file() else 0
        digest.update(f"\n{case_id} {checksum} {size}".encode())
    return digest.hexdigest()


def anatomy_table(images: KitsImages, masks: Mapping[str, str], cache: Path, say: Progress) -> pd.DataFrame:
    """The anatomy of every case with a mask, indexed by case; measured once and kept in ``cache`` by checksum.

    Raises:
        DataError: a mask that cannot be read; names case and file.
    """
    path = cache / f"kits_anatomy_v{ANATOMY_VERSION}.parquet"
    kept = _kept(path)
    for rows in _measured(images, {case: key for case, key in masks.items() if key not in kept.index}, say):
        rows = rows[~rows.index.duplicated()]
        kept = rows if kept.empty else pd.concat([kept, rows[~rows.index.isin(kept.index)]])
        write_table(path, kept.reset_index())
    return kept.loc[list(masks.values())].set_axis(pd.Index(list(masks), name="case_id"))


def _kept(path: Path) -> pd.DataFrame:
    names = [field.name for field in ANATOMY_FIELDS]
    if path.is_file():
        try:
            return read_table(path).set_index("sha256")[names]
        except (CorruptError, KeyError):
            # Derived data: what cannot be read is measured again.
            path.unlink(missing_ok=True)
    return pd.DataFrame(columns=names, index=pd.Index([], name="sha256", dtype=object))


def _measured(images: KitsImages, masks: Mapping[str, str], say: Progress) -> Iterator[pd.DataFrame]:
    """Rows by checksum, some at a time."""

    def row(case_id: str) -> dict[str, float | str | None]:
        return measure(images.read_mask(case_id), organ="kidney", lesion="tumour", cyst="cyst").to_row()

    cases = list(masks)
    with ThreadPoolExecutor(WORKERS) as pool:
        for start in range(0, len(cases), KEEP_EVERY):
            say(f"measuring anatomy, case {start + 1} of {len(cases)}", start / len(cases))
            block = cases[start : start + KEEP_EVERY]
            rows = pd.DataFrame(list(pool.map(row, block)), index=pd.Index([masks[c] for c in block], name="sha256"))
            yield _typed(rows)


def _typed(rows: pd.DataFrame) -> pd.DataFrame:
    numbers = [field.name for field in ANATOMY_FIELDS if field.kind != "category"]
    return rows.astype(dict.fromkeys(numbers, np.float64) | {"tumour_side": object})

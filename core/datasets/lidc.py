"""LIDC-IDRI: crops of CT around lung nodules, outlined by up to four readers. Not the task of LUNA16."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.contracts.cohort import SplitCheck
from core.contracts.dataset import DatasetSpec, Finding, LoadOptions
from core.contracts.pictures import Picture, PictureSet, Region
from core.datasets._picture_files import fingerprint_of, in_words, require_root, verified, whole_number
from core.errors import DataError
from core.ingest.images import read_image, read_mask

LICENCE = "CC BY 3.0 (TCIA data policy)"
CITATION = "Armato et al., Med Phys 2011, 10.1118/1.3528204; data 10.7937/K9/TCIA.2015.LO9QL9SX"
FEWEST_OF_A_VENDOR = 30
VENDORS = {"GE MEDICAL SYSTEMS": "GE", "SIEMENS": "Siemens", "Philips": "Philips", "TOSHIBA": "Toshiba"}
READERS = 4


@dataclass(frozen=True)
class LidcSource:
    """Reads a window of a crop; where it lies is drawn once for each case, so that the nodule is not in its middle.

    Args:
        window: edge of the window in pixels; 0: the whole crop.
        seed: of the places.
    """

    root: Path
    window: int
    seed: int

    def read(self, case_id: str) -> Picture:
        """(1, height, width) grey; the consensus; each reader's outline."""
        name = f"{case_id}.png"
        image = np.moveaxis(read_image(self.root / "images" / name), 2, 0)[:1]
        consensus = read_mask(self.root / "masks_consensus" / name) > 0
        bits = read_mask(self.root / "masks_readers" / name)
        readers = np.stack([(bits >> reader) & 1 for reader in range(READERS)]).astype(bool)
        cut = self._cut(case_id, consensus)
        drawn = readers[:, cut[0], cut[1]]
        return Picture(case_id, image[:, cut[0], cut[1]], consensus[np.newaxis, cut[0], cut[1]], drawn[drawn.any(axis=(1, 2))])

    def _cut(self, case_id: str, consensus: NDArray[np.bool_]) -> tuple[slice, slice]:
        """A window that holds the whole consensus where it fits, at a place drawn from the case's name."""
        if not self.window or self.window >= min(consensus.shape):
            return slice(None), slice(None)
        digest = hashlib.sha256(f"{self.seed}/{case_id}".encode()).digest()
        rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
        down = self._span(np.flatnonzero(consensus.any(axis=1)), consensus.shape[0], rng)
        return down, self._span(np.flatnonzero(consensus.any(axis=0)), consensus.shape[1], rng)

    def _span(self, filled: NDArray[np.intp], edge: int, rng: np.random.Generator) -> slice:
        first, last = (int(filled[0]), int(filled[-1]) + 1) if filled.size else (edge // 2, edge // 2)
        lowest, highest = max(0, last - self.window), min(first, edge - self.window)
        start = int(rng.integers(lowest, highest + 1)) if lowest <= highest else min(first, edge - self.window)
        return slice(start, start + self.window)


def load(options: LoadOptions) -> PictureSet:
    """The crops of nodules that enough readers marked.

    Raises:
        DataError: no such folder, or a column that the index lacks.
    """
    root = require_root("LIDC", options, "index.csv")
    index = _index(root, whole_number(options, "min_readers", 3, lowest=1), whole_number(options, "cases", 0))
    window, seed = whole_number(options, "window", 96), whole_number(options, "window_seed", 0)
    names = [str(name) for name in index.index]
    files = [root / folder / f"{name}.png" for name in names for folder in ("images", "masks_consensus", "masks_readers")]
    table = index[["patient_id", "vendor"]].copy()
    return PictureSet(
        name="lidc",
        label="LIDC nodules",
        table=table,
        dims=2,
        channels=("CT",),
        regions=(Region("nodule", "Lung nodule"),),
        source=LidcSource(root, window, seed),
        internal=tuple(names),
        checks=_left_out(table),
        attributes=(("vendor", "Scanner vendor"),),
        readers=READERS,
        licence=LICENCE,
        citation=CITATION,
        fingerprint=fingerprint_of("LIDC", files, root, options, "lidc-2", window, seed, in_words(table)),
        notes=_notes(window, _silent_readers(index)),
    )


def _silent_readers(index: pd.DataFrame) -> int:
    """Crops on whose slice a reader who marked the nodule drew nothing; 0 where the index does not say."""
    if "n_readers_slice" not in index:
        return 0
    return int((index["n_readers_slice"] < index["n_readers_nodule"]).sum())


def _notes(window: int, silent: int) -> tuple[str, ...]:
    where = (
        f"Each picture is a window of {window} pixels cut at random around the nodule: at the crop's centre, a fixed disc "
        "would score a Dice of 0.60 without learning."
        if window
        else "The nodule lies at the centre of every crop: a fixed disc scores a Dice of 0.60 without learning."
    )
    return (
        where,
        "Intensities were stretched crop by crop by the source; they are not Hounsfield units.",
        "Crops hold a nodule each: this is outlining, not finding (LUNA16's task).",
        "The reference is what at least half of the readers who marked the nodule drew.",
        f"In {silent} pictures a reader who marked the nodule drew nothing on this slice; such a reader is not compared there.",
    )


def _index(root: Path, min_readers: int, most: int) -> pd.DataFrame:
    index = pd.read_csv(root / "index.csv")
    for column in ("file", "patient_id", "n_readers_nodule", "scanner_manufacturer"):
        if column not in index:
            raise DataError(f"LIDC: index.csv has no column {column!r}.", do="Use the index that comes with the crops.")
    index = index[index["n_readers_nodule"] >= min_readers]
    if index.empty:
        raise DataError(f"LIDC: no nodule was marked by {min_readers} readers.", do="Lower dataset.options.min_readers.")
    index = index.set_index(index["file"].str.removesuffix(".png").rename("case_id")).sort_index()
    index["vendor"] = index["scanner_manufacturer"].map(VENDORS).fillna("other")
    return index.iloc[:: max(1, len(index) // most)].head(most) if most else index


def _left_out(table: pd.DataFrame) -> tuple[SplitCheck, ...]:
    """Each vendor with enough patients left out in turn; patients scanned by two vendors are on neither side."""
    several = table.groupby("patient_id")["vendor"].transform("nunique") > 1
    found = []
    for vendor, rows in table[~several].groupby("vendor"):
        if rows["patient_id"].nunique() >= FEWEST_OF_A_VENDOR and vendor != "other":
            train = table.index[(table["vendor"] != vendor) & ~several]
            note = "Learned from the other vendors' scanners; the readers and their rules are the same."
            found.append(
                SplitCheck(f"external:vendor={vendor}", f"{vendor} scanners left out", note, tuple(train), tuple(rows.index))
            )
    return tuple(check for check in found if check.train)


def verify(options: LoadOptions) -> tuple[Finding, ...]:
    """Remarks: files that cannot be read, and empty outlines."""
    return verified(load, options)


PLUGINS = (
    DatasetSpec(
        name="lidc",
        label="LIDC nodules (CT crops, up to four readers)",
        description="Crops of CT around lung nodules with the outlines of up to four readers, made from LIDC-IDRI with pylidc. "
        "Windows are cut at random around the nodule. It holds no picture without a nodule.",
        licence=LICENCE,
        citation=CITATION,
        folder="lidc_crops",
        load=None,
        verify=verify,
        pictures=load,
        option_names=("min_readers", "window", "window_seed", "cases"),
    ),
)

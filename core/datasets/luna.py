"""LUNA16: chest CT with the lung nodules that at least three of four readers marked, each as a centre and a diameter.

Reads the public layout: ``subset0`` to ``subset9`` with ``<seriesuid>.mhd`` and ``.raw`` (or ``.zraw``), and ``annotations.csv``.
The masks are balls made from centre and diameter: LUNA16 publishes no outline. For outlines see LIDC.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from core.contracts.dataset import DatasetSpec, Finding, LoadOptions
from core.contracts.pictures import PictureSet, Region
from core.datasets._luna_files import LunaCase, LunaSource, Nodule, read_nodules
from core.datasets._picture_files import verify_cases
from core.errors import DataError, OpSightError
from core.ingest.cells import parse_cells
from core.ingest.metaimage import read_metaimage_header
from core.ingest.tables import read_bytes
from core.storage.atomic import sha256_of

LICENCE = "CC BY 4.0 (LUNA16), CC BY 3.0 (LIDC-IDRI)"
CITATION = (
    "Setio et al. 2017, Medical Image Analysis, 10.1016/j.media.2017.06.015; Armato et al. 2011, Medical Physics, "
    "10.1118/1.3528204"
)
OPTION_NAMES = ("crop_mm", "only_with_nodules")
CROP_MM = (16.0, 256.0)
MANIFEST = "metadata.csv"
BALL_NOTE = (
    "LUNA16's reference is a centre and a diameter, so the mask is a BALL, not an outline: scores here say how well a method "
    "finds and sizes nodules, and cannot be set beside scores against drawn outlines."
)
NOTES = (
    BALL_NOTE,
    "Only nodules of at least 3 mm that three or four readers accepted are marked; others are in the scans and count as "
    "background.",
    "Values are Hounsfield units; outside of the scanner's round field some scans hold values below -1000.",
)
NO_PATIENT_NOTE = (
    "The files do not name the patient, so every scan counts as a patient of its own. A few patients of LIDC-IDRI were scanned "
    f"twice; put TCIA's {MANIFEST} of LIDC-IDRI beside annotations.csv to keep their scans together."
)
CROP_NOTE = (
    "Each case is a cube of {edge:g} mm that holds one nodule at a place drawn by chance (other nodules in it are marked too)."
)


@dataclass(frozen=True)
class _Choice:
    """What the options ask for: edge of the cubes (0: whole scans), and whether scans without a nodule are left out."""

    crop_mm: float
    only_with_nodules: bool


def pictures(options: LoadOptions) -> PictureSet:
    """Scans, or cubes around nodules, with balls for masks.

    Raises:
        DataError: no scan, one that lies in two subsets, no annotations, or an option that cannot be used.
    """
    choice = _choice(options)
    root = _root(options)
    scans = _scans(root)
    marked = read_nodules(root)
    cases = {case.case_id: case for series, scan in scans.items() for case in _cases(scan, marked.get(series, ()), choice)}
    if not cases:
        raise DataError(f"None of the {len(scans)} scans in {root} has a nodule.", do="Fetch scan and annotations together.")
    table = _table(cases, _manifest(root))
    return PictureSet(
        name="luna",
        label="LUNA16: lung nodules on CT (balls of the marked diameter)",
        table=table,
        dims=3,
        channels=("CT",),
        regions=(Region("nodule", "Lung nodule (ball of the marked diameter)"),),
        source=LunaSource(cases, choice.crop_mm),
        internal=tuple(cases),
        attributes=tuple(pair for pair in (("subset", "Subset"), ("vendor", "Scanner vendor")) if pair[0] in table),
        unit="mm",
        licence=LICENCE,
        citation=CITATION,
        fingerprint=_fingerprint(root, scans, marked, choice),
        notes=_notes(table, choice),
    )


def _choice(options: LoadOptions) -> _Choice:
    edge = options.options.get("crop_mm", 0)
    low, high = CROP_MM
    if isinstance(edge, bool) or not isinstance(edge, (int, float)) or not (edge == 0 or low <= edge <= high):
        raise DataError(
            f"dataset.options.crop_mm was given {edge!r}.",
            do=f"Give 0 for whole scans, or {low:g} to {high:g} (mm).",
            code="DATA_OPTION",
        )
    only = options.options.get("only_with_nodules", False)
    if not isinstance(only, bool):
        raise DataError(f"dataset.options.only_with_nodules was given {only!r}.", do="Give true or false.", code="DATA_OPTION")
    return _Choice(float(edge), only)


def _root(options: LoadOptions) -> Path:
    if options.root is None or not options.root.is_dir():
        raise DataError(
            f"luna: {options.root} was not found.",
            do="Put the public release there, or name its parent folder with --data.",
            code="DATA_MISSING",
        )
    return options.root


def _scans(root: Path) -> dict[str, Path]:
    """Headers of all scans, by series."""
    found: dict[str, Path] = {}
    for path in sorted(root.glob("subset*/**/*.mhd")):
        if path.stem in found:
            raise DataError(f"{path.stem} lies in two places: {found[path.stem]} and {path}.", do="Keep one of the two.")
        found[path.stem] = path
    if not found:
        raise DataError(
            f"No scan was found in {root}; expected subset0/<seriesuid>.mhd and so on.",
            do="Unpack the subsets of LUNA16 there.",
            code="DATA_MISSING",
        )
    return found


def _cases(scan: Path, nodules: tuple[Nodule, ...], choice: _Choice) -> Iterator[LunaCase]:
    if choice.crop_mm:
        for number in range(len(nodules)):
            yield LunaCase(f"{scan.stem}_nodule{number + 1}", scan, nodules, number)
    elif nodules or not choice.only_with_nodules:
        yield LunaCase(scan.stem, scan, nodules)


def _manifest(root: Path) -> pd.DataFrame:
    """Patient and scanner vendor by series, from TCIA's list of LIDC-IDRI; empty where it is not there."""
    path = root / MANIFEST
    if not path.is_file():
        return pd.DataFrame()
    cells = parse_cells(read_bytes(path, "TAB_MISSING"), path.name)
    wanted = {"Series UID": "series", "Subject ID": "patient_id", "Manufacturer": "vendor"}
    missing = [name for name in ("Series UID", "Subject ID") if name not in cells.columns]
    if missing:
        raise DataError(f"{path} has no column {missing[0]!r}.", do="Use TCIA's metadata.csv of LIDC-IDRI, or remove it.")
    columns = {ours: cells.column(theirs) for theirs, ours in wanted.items() if theirs in cells.columns}
    table = pd.DataFrame(columns).drop_duplicates("series").set_index("series")
    return table[table["patient_id"].str.strip() != ""]


def _table(cases: Mapping[str, LunaCase], manifest: pd.DataFrame) -> pd.DataFrame:
    series = pd.Series([case.scan.stem for case in cases.values()], index=pd.Index(list(cases), name="case_id"))
    table = pd.DataFrame({"patient_id": series, "subset": [case.scan.parent.name for case in cases.values()]})
    if "patient_id" in manifest:
        table["patient_id"] = series.map(manifest["patient_id"]).fillna(series)
    if "vendor" in manifest:
        table["vendor"] = series.map(manifest["vendor"]).fillna("Not stated")
    shown = [case.nodules if case.shown is None else case.nodules[case.shown : case.shown + 1] for case in cases.values()]
    table["nodules"] = [len(nodules) for nodules in shown]
    table["largest_mm"] = [max((nodule.diameter_mm for nodule in nodules), default=0.0) for nodules in shown]
    return table


def _notes(table: pd.DataFrame, choice: _Choice) -> tuple[str, ...]:
    nameless = not table["patient_id"].str.startswith("LIDC-IDRI").all()
    crop = (CROP_NOTE.format(edge=choice.crop_mm),) if choice.crop_mm else ()
    return (*NOTES, *crop, *((NO_PATIENT_NOTE,) if nameless else ()))


def _fingerprint(root: Path, scans: Mapping[str, Path], marked: Mapping[str, tuple[Nodule, ...]], choice: _Choice) -> str:
    """Over headers, marks and options; voxels count by the size of their file, since hashing them would take an hour."""
    digest = hashlib.sha256(f"{choice} {sorted(marked.items())}".encode())
    for series, path in scans.items():
        data = path.with_name(read_metaimage_header(path).data_file)
        size = data.stat().st_size if data.is_file() else 0
        digest.update(f"{series} {sha256_of(path)} {size}\n".encode())
    manifest = root / MANIFEST
    digest.update(sha256_of(manifest).encode() if manifest.is_file() else b"")
    return digest.hexdigest()


def verify(options: LoadOptions) -> tuple[Finding, ...]:
    """Remarks on every case, each read whole; ``error`` is what a study would refuse."""
    try:
        return verify_cases(pictures(options))
    except OpSightError as error:
        return (Finding("error", error.code, error.message, error.do),)


PLUGINS = (
    DatasetSpec(
        name="luna",
        label="LUNA16: lung nodules on CT",
        description="Chest CT with lung nodules marked by three or four readers. The reference is a centre and a diameter, so "
        "masks are balls, not outlines. Whole scans, or cubes around nodules (crop_mm). The files do not name the patient.",
        licence=LICENCE,
        citation=CITATION,
        folder="luna16",
        load=None,
        pictures=pictures,
        verify=verify,
        option_names=OPTION_NAMES,
    ),
)

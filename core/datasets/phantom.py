"""The phantom: patients made up by this project, with a mechanism that is stated and kept.

It is where explanations, calibration and verdicts on groups can be held against the truth, and what a stranger sees first.
Everything is drawn from the options alone; the first call makes the cohort on disk, later ones find it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.contracts.cohort import Cohort, SplitCheck
from core.contracts.dataset import DatasetSpec, Finding, LoadOptions
from core.contracts.pictures import Picture, PictureSet, Region
from core.contracts.volume import CaseImage
from core.datasets._phantom_codebook import OUTCOMES, codebook
from core.datasets._phantom_generation import PhantomSettings, generate, read_case, simulate
from core.datasets._phantom_scan import CYST, KIDNEY, LABELS, TUMOUR
from core.datasets._phantom_sites import SITES
from core.datasets._volume_stacks import nested, seen_from_the_feet, stack, stack_spacing
from core.errors import DataError, did_you_mean
from core.storage.atomic import sha256_of
from core.storage.files import read_json

OPTION_NAMES = ("patients", "seed", "shortcut", "shape")
PATIENTS = (12, 5000)
EDGE = (32, 192)
MOST_VOXELS = 2_000_000
LICENCE = "CC0 (simulated)"
CITATION = "Simulated by OpSight; no real patient."
NOTES = (
    "SIMULATED: these patients do not exist. The project made them up, with a mechanism that is stated here.",
    "Mechanism: on the log-odds scale each risk is a site's own level, plus a part from the record (illness, blood tests, "
    "smoking, size of the tumour), plus a part from anatomy that only the picture shows (how near the tumour lies to a vessel, "
    "how much of it lies inside the kidney, how small the other kidney is), plus an interaction of both (nearness to a vessel "
    "matters more in patients who are ill or take anticoagulants).",
    "The three hospitals differ in scanner (noise, blur, brightness, slice thickness, streaks, movement), in who comes, and in "
    "how often events happen.",
    "In patients who came as an emergency transfer the record is less informative: blood tests and sizes are rougher, part of "
    "the history is not known, and more is missing.",
    "The anatomy columns are measured from the reference masks that the simulation drew.",
)
REGIONS = (Region("organ", "Kidneys with tumour and cysts"), Region("tumour", "Tumour"))
REGION_LABELS = ((KIDNEY, TUMOUR, CYST), (TUMOUR,))
PICTURE_NOTES = (
    "SIMULATED: these patients do not exist; the project made them up.",
    "The two regions are nested: the organ is both kidneys with the tumour and any cysts, the tumour lies inside it. Every scan "
    "shows both.",
    "The masks are what the simulation drew before the scanner blurred it, so no reader's hand is in them: scores here are not "
    "what to expect on patients.",
    "The three hospitals differ in scanner (noise, blur, brightness, slice thickness, streaks, movement).",
)
SHORTCUT_NOTE = (
    "A shortcut is planted: a bright cross in a corner of the scan, more common where a complication follows, at North and "
    "Harbour but not at Valley. A model that reads it fails at Valley."
)


@dataclass(frozen=True)
class PhantomImages:
    """Pictures of a phantom cohort on disk."""

    folder: Path

    @property
    def labels(self) -> dict[int, str]:
        """Meaning of each positive value of the masks."""
        return dict(LABELS)

    @property
    def has_scan(self) -> bool:
        """Scans and masks are both there."""
        return True

    @property
    def mask_origin(self) -> str:
        """Who made the masks."""
        return "simulated reference masks"

    def read(self, case_id: str) -> CaseImage:
        """Scan and mask of one case.

        Raises:
            Refused: a file is missing or damaged.
        """
        return read_case(self.folder, case_id)


@dataclass(frozen=True)
class PhantomPictures:
    """Scans of a phantom cohort on disk with their nested regions, as stacks of slices."""

    folder: Path

    def read(self, case_id: str) -> Picture:
        """One case: the scan as one channel in Hounsfield-like values, and where organ and tumour lie.

        Raises:
            Refused: a file is missing or damaged.
        """
        case = read_case(self.folder, case_id)
        if case.scan is None or case.mask is None:
            raise DataError(f"Case {case_id} lacks its scan or its mask.", do="Delete the cohort's folder; it is made again.")
        scan, mask = seen_from_the_feet(case.scan), seen_from_the_feet(case.mask)
        return Picture(case_id, stack(scan)[None], nested(stack(mask), REGION_LABELS), spacing_mm=stack_spacing(scan))


@dataclass(frozen=True)
class AxialSlice:
    """One axial slice of a scan and its mask, seen from the feet: front on top, the patient's right on the left.

    Args:
        index: which slice, 0 at the feet.
        scan: Hounsfield-like values, (rows, columns); mask: labels, the same shape.
        spacing_mm: edges of a pixel, (rows, columns).
    """

    case_id: str
    index: int
    scan: NDArray[np.int16]
    mask: NDArray[np.uint8]
    spacing_mm: tuple[float, float]


def slices(images: PhantomImages, case_id: str, *, showing: tuple[int, ...] = (), every: int = 1) -> tuple[AxialSlice, ...]:
    """Axial slices of one case, feet first, for segmentation in two dimensions.

    Args:
        showing: only slices whose mask holds at least one of these labels; empty: all slices.
        every: 1 takes each slice, 3 each third, counted before ``showing``.

    Raises:
        DataError: a label that the masks do not use, or ``every`` below 1.
    """
    unknown = sorted(set(showing) - set(LABELS))
    if unknown or every < 1:
        raise DataError(
            f"slices was given showing={showing} and every={every}.",
            do=f"Labels are {', '.join(f'{value} {name}' for value, name in LABELS.items())}; every is 1 or more.",
        )
    image = images.read(case_id)
    if image.scan is None or image.mask is None:
        return ()
    scan, mask = image.scan.voxels.astype(np.int16), image.mask.voxels.astype(np.uint8)
    right, front, _ = image.scan.spacing_mm
    return tuple(
        AxialSlice(case_id, z, scan[::-1, ::-1, z].T.copy(), mask[::-1, ::-1, z].T.copy(), (front, right))
        for z in range(0, scan.shape[2], every)
        if not showing or np.isin(mask[:, :, z], showing).any()
    )


def read_settings(options: Mapping[str, object]) -> PhantomSettings:
    """The settings that a recipe's ``dataset.options`` ask for.

    Raises:
        DataError: an unknown option, or a value of the wrong type or size.
    """
    for name in options:
        if name not in OPTION_NAMES:
            raise DataError(f"The phantom has no option {name!r}.", do=did_you_mean(name, OPTION_NAMES), code="DATA_OPTION")
    usual = PhantomSettings()
    shortcut = options.get("shortcut", usual.shortcut)
    if not isinstance(shortcut, bool):
        raise _unfit("shortcut", shortcut, "true or false")
    return PhantomSettings(
        patients=_whole_number("patients", options.get("patients", usual.patients), *PATIENTS),
        seed=_whole_number("seed", options.get("seed", usual.seed), 0, 2**63 - 1),
        shortcut=shortcut,
        shape=_shape(options.get("shape", usual.shape)),
    )


def _unfit(name: str, value: object, expected: str) -> DataError:
    return DataError(f"The phantom's option {name!r} was given {value!r}.", do=f"Give {expected}.", code="DATA_OPTION")


def _whole_number(name: str, value: object, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise _unfit(name, value, f"a whole number from {low} to {high}")
    return value


def _shape(value: object) -> tuple[int, int, int]:
    expected = f"three whole numbers from {EDGE[0]} to {EDGE[1]}, at most {MOST_VOXELS} voxels in all"
    if not isinstance(value, (list, tuple)) or len(value) != 3:
        raise _unfit("shape", value, expected)
    edges = [_whole_number("shape", edge, *EDGE) for edge in value]
    if edges[0] * edges[1] * edges[2] > MOST_VOXELS:
        raise _unfit("shape", value, expected)
    return edges[0], edges[1], edges[2]


def load(options: LoadOptions) -> Cohort:
    """The cohort; made below ``options.cache`` on the first call, found there on later ones.

    Raises:
        DataError: an option that cannot be used.
        DiskFull: no room for the pictures.
    """
    settings = read_settings(options.options)
    made = generate(settings, options.cache, options.progress)
    table = made.tables.record
    described = codebook()
    return Cohort(
        name="phantom",
        label="Phantom: simulated patients",
        table=table[["patient_id", *described.names]],
        codebook=described,
        outcomes=OUTCOMES,
        targets=made.tables.outcomes,
        internal=tuple(table.index),
        checks=_checks(table),
        images=PhantomImages(made.folder),
        simulated=True,
        licence=LICENCE,
        citation=CITATION,
        fingerprint=made.fingerprint,
        notes=(*NOTES, SHORTCUT_NOTE) if settings.shortcut else NOTES,
        min_cell=1,
    )


def _checks(table: pd.DataFrame) -> tuple[SplitCheck, ...]:
    """Each site left out in turn; a site that a small cohort lacks is passed over."""
    checks = []
    for site in SITES:
        here = (table["site"] == site.name).to_numpy()
        if here.any() and not here.all():
            checks.append(
                SplitCheck(
                    name=f"external:site={site.name}",
                    label=f"Another hospital: {site.label}",
                    note=f"Learned at the other two simulated hospitals and judged at {site.label}, whose scanner, patients "
                    "and event rates differ.",
                    train=tuple(table.index[~here]),
                    test=tuple(table.index[here]),
                )
            )
    return tuple(checks)


def pictures(options: LoadOptions) -> PictureSet:
    """The same scans as drawn pictures: organ and tumour, patients known by site; few patients are made in seconds.

    Raises:
        DataError: an option that cannot be used.
        DiskFull: no room for the pictures.
    """
    settings = read_settings(options.options)
    made = generate(settings, options.cache, options.progress)
    table = made.tables.record[["patient_id", "site"]]
    return PictureSet(
        name="phantom",
        label="Phantom: simulated scans",
        table=table,
        dims=3,
        channels=("CT",),
        regions=REGIONS,
        source=PhantomPictures(made.folder),
        internal=tuple(table.index),
        checks=_checks(table),
        attributes=(("site", "Hospital"),),
        unit="mm",
        simulated=True,
        licence=LICENCE,
        citation=CITATION,
        fingerprint=made.fingerprint,
        notes=(*PICTURE_NOTES, SHORTCUT_NOTE) if settings.shortcut else PICTURE_NOTES,
    )


def truth(options: LoadOptions) -> pd.DataFrame:
    """What is true of each simulated patient, by case id: for checking models, never for training them.

    Columns: the person's true values (``age``, ``egfr``, ``tumour_mm``, ``frailty`` …) and anatomy; for each outcome
    ``<outcome>_risk`` and, on the log-odds scale, its additive parts ``_intercept``, ``_site``, ``_record``, ``_image`` and
    ``_interaction``, with each term of theirs as ``<outcome>_term_<term>``; for ``recovery`` the parts are log days, and
    ``recovery_by_day_<d>`` is the chance to be home by day d; ``marker``: whether the scan carries the planted mark.
    ``major_complication`` has the parts of ``complication`` less a constant.

    Raises:
        DataError: an option that cannot be used.
    """
    return simulate(read_settings(options.options)).truth


def verify(options: LoadOptions) -> tuple[Finding, ...]:
    """Remarks on a cohort on disk: every file against its checksum; nothing to say where none was made yet."""
    try:
        settings = read_settings(options.options)
    except DataError as error:
        return (Finding("error", "options", error.message, error.do),)
    folder = options.cache / f"phantom-{settings.key}"
    if not (folder / "cohort.json").is_file():
        return (Finding("note", str(folder), "The simulated cohort was not made yet.", "It is made when first used."),)
    manifest = read_json(folder / "cohort.json")
    wanted = {**manifest["tables"], **{name: entry["sha256"] for name, entry in manifest["volumes"].items()}}
    return tuple(found for name, checksum in wanted.items() for found in _remarks(folder / name, checksum))


def _remarks(path: Path, checksum: str) -> tuple[Finding, ...]:
    if not path.is_file():
        return (Finding("error", str(path), "The file is missing.", "Use the cohort again: what is missing is made again."),)
    if sha256_of(path) != checksum:
        return (Finding("error", str(path), "The file is not as it was written.", "Delete it and use the cohort again."),)
    return ()


PLUGINS = (
    DatasetSpec(
        name="phantom",
        label="Phantom: simulated patients",
        description=(
            "SIMULATED patients with kidney tumour surgery at three hospitals, with a CT-like scan, a reference mask, a record "
            "with gaps, and outcomes drawn from a known risk. The true risk and its parts are kept beside the cohort. "
            "Traps on purpose: scanners, patients and event rates differ by hospital; the record of emergency transfers is less "
            "informative; a shortcut in the scan can be switched on."
        ),
        licence=LICENCE,
        citation=CITATION,
        folder="",
        load=load,
        pictures=pictures,
        verify=verify,
        option_names=OPTION_NAMES,
    ),
)

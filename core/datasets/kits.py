"""KiTS: patients operated on for a kidney tumour, with masks of kidney, tumour and cysts, and what happened to them.

Reads the public layout: ``dataset/kits23.json``, ``dataset/case_XXXXX/segmentation.nii.gz``, and ``imaging.nii.gz`` beside it
where it was fetched. Sides, directions and sizes come from each file's own geometry, whatever the order of its axes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from core.contracts.cohort import Cohort, SplitCheck
from core.contracts.dataset import DatasetSpec, Finding, LoadOptions, RemoteFile
from core.datasets._kits_codebook import CODEBOOK
from core.datasets._kits_files import KitsImages, anatomy_table, checksums, fingerprint
from core.datasets._kits_outcomes import OUTCOMES, breakdowns_of, is_eligible, targets_of
from core.datasets._kits_record import RecordTable, case_number, read_records, table_of
from core.errors import DataError, OpSightError, RecipeError

LICENCE = "CC BY-NC-SA 4.0 (non-commercial, share alike)"
CITATION = (
    "Heller et al. 2019, The KiTS19 Challenge Data, arXiv:1904.00445; Heller et al. 2021, Medical Image Analysis, "
    "10.1016/j.media.2020.101821; Heller et al. 2023, The KiTS21 Challenge, arXiv:2307.01984"
)
COMMIT = "c1088353084c17b8882a11db71429e7c022b7785"
ADDRESS = f"https://raw.githubusercontent.com/neheller/kits23/{COMMIT}"
RELEASED_CASES = (*range(300), *range(400, 589))
"""Case numbers of the public training set: KiTS19's 300, then 400 to 588."""
LAST_OF_KITS19_TRAIN = 209
FIRST_LATER_RELEASE = 400
SMALLEST_SIDE = 20
MIN_CELL = 10

NOTES = (
    "The image here is the label volume (kidney, tumour, cyst) drawn by the KiTS annotators: the public labels come without "
    "the CT, and no label marks vessels, sinus or collecting system.",
    "Anatomy is measured from those reviewed masks; masks predicted by a program would be less exact.",
    "Patients under 18 and cryoablations are left out: another disease, and another kind of treatment.",
    "An eGFR that was reported as 90 or more stands in the file as a date without a value; it is kept as 90 with a flag. "
    "A few of these were lower values that got lost.",
    "Access, approach and procedure record what was performed, not what was planned, conversions included. Every "
    "model is fitted with and without them.",
    "All operations took place in one health system. The scans came from many sites, so a site here is where a patient was "
    "scanned, and is not used as a hospital.",
    "The table holds no dates of surgery, so nothing can be said about change over time.",
)
RELEASE_NOTE = (
    "The source describes cases 0 to 299 as one series split at random, yet complications are recorded about twice as often in "
    "cases 0 to 209 as in 210 to 299: unequal recording is the likely cause. This is neither a later period nor another place."
)
LATER_NOTE = "Cases 400 and above were published later, from the same health system; complications are recorded less often there."


@dataclass(frozen=True)
class _Source:
    """The folder, its records and its masks."""

    path: Path
    reading: RecordTable
    images: KitsImages

    @property
    def case_ids(self) -> list[str]:
        return [str(case_id) for case_id in self.reading.table.index]

    @property
    def without_mask(self) -> list[str]:
        return [case_id for case_id in self.case_ids if not self.images.mask_path(case_id).is_file()]


def load(options: LoadOptions) -> Cohort:
    """The cohort: record, anatomy, outcomes, splits and masks.

    Raises:
        DataError: a file or a value that is missing, damaged or not as described; names file and case.
    """
    source = _source(options)
    if source.reading.problems:
        raise source.reading.problems[0].as_error(source.path)
    if source.without_mask and not _allows_missing(options):
        raise _missing_masks(source)
    say = options.progress or _silent
    say("reading masks", 0.0)
    masks = checksums(source.images, source.case_ids)
    anatomy = anatomy_table(source.images, masks, options.cache, say)
    table = source.reading.table.join(anatomy)
    table.insert(0, "patient_id", table.index.astype(str))
    return _cohort(source, table, fingerprint(source.path, masks, source.images))


def _source(options: LoadOptions) -> _Source:
    if options.root is None:
        raise DataError(
            "The data set kits needs its folder.", do="Name its parent folder with --data or $OPSIGHT_DATA.", code="DATA_MISSING"
        )
    path = options.root / "dataset" / "kits23.json"
    reading = table_of(read_records(path))
    scans = any((path.parent / str(case_id) / "imaging.nii.gz").is_file() for case_id in reading.table.index)
    return _Source(path, reading, KitsImages(path.parent, has_scan=scans))


def _allows_missing(options: LoadOptions) -> bool:
    allowed = options.options.get("allow_missing_masks", False)
    if not isinstance(allowed, bool):
        raise RecipeError(
            f"dataset.options.allow_missing_masks was given {allowed!r}; expected true or false.", do="Mend that option."
        )
    return allowed


def _missing_masks(source: _Source) -> DataError:
    first = source.without_mask[0]
    return DataError(
        f"{first} stands in {source.path.name}, but {source.images.mask_path(first)} is missing "
        f"({len(source.without_mask)} such cases in all).",
        do="Fetch it with: python -m core data get kits, or set dataset.options.allow_missing_masks: true to go on without "
        "the anatomy of these cases.",
        code="DATA_MISSING",
    )


def _silent(phrase: str, share: float) -> None:
    """For callers who do not watch."""


def _cohort(source: _Source, table: pd.DataFrame, checksum: str) -> Cohort:
    eligible = [str(case_id) for case_id in table.index[is_eligible(table)]]
    internal = [case_id for case_id in eligible if case_number(case_id) < FIRST_LATER_RELEASE] or eligible
    main = table.loc[internal]
    return Cohort(
        name="kits",
        label="KiTS: kidney tumour surgery",
        table=table,
        codebook=CODEBOOK,
        outcomes=OUTCOMES,
        targets=targets_of(table),
        internal=tuple(internal),
        checks=tuple(_checks(eligible, internal)),
        images=source.images,
        licence=LICENCE,
        citation=CITATION,
        fingerprint=checksum,
        notes=NOTES,
        min_cell=MIN_CELL,
        breakdowns=breakdowns_of(main, _parts(main)),
    )


def _checks(eligible: list[str], internal: list[str]) -> Iterator[SplitCheck]:
    """The splits both of whose sides hold enough cases."""
    numbers = {case_id: case_number(case_id) for case_id in eligible}
    first = tuple(case_id for case_id, number in numbers.items() if number <= LAST_OF_KITS19_TRAIN)
    rest = tuple(case_id for case_id, number in numbers.items() if LAST_OF_KITS19_TRAIN < number < 300)
    later = tuple(case_id for case_id, number in numbers.items() if number >= FIRST_LATER_RELEASE)
    checks = (
        SplitCheck("release", "Release check: cases 0 to 209 against 210 to 299", RELEASE_NOTE, first, rest),
        SplitCheck(
            "external:later_release",
            "Later release: cases 400 and above",
            LATER_NOTE,
            tuple(case_id for case_id in internal if numbers[case_id] < FIRST_LATER_RELEASE),
            later,
        ),
    )
    return (check for check in checks if min(len(check.train), len(check.test)) >= SMALLEST_SIDE)


def _parts(table: pd.DataFrame) -> tuple[pd.Series, ...]:
    numbers = table.index.map(case_number).to_series(index=table.index)
    bounds = ((0, LAST_OF_KITS19_TRAIN), (LAST_OF_KITS19_TRAIN + 1, 299), (FIRST_LATER_RELEASE, 99_999))
    return tuple(
        numbers.between(low, high).rename(f"cases {low} to {high}" if high < 99_999 else f"cases {low} and above")
        for low, high in bounds
    )


def verify(options: LoadOptions) -> tuple[Finding, ...]:
    """Remarks on every record and every file; ``error`` is what a study would refuse."""
    try:
        source = _source(options)
    except OpSightError as error:
        return (Finding("error", error.code, error.message, error.do),)
    return (*_record_findings(source), *_mask_findings(source, options))


def _record_findings(source: _Source) -> Iterator[Finding]:
    for found in source.reading.problems:
        error = found.as_error(source.path)
        yield Finding("error", found.case_id, error.message, error.do)
    table = source.reading.table
    left_out = int((~is_eligible(table)).sum())
    if left_out:
        yield Finding("note", source.path.name, f"{left_out} cases are under 18 or cryoablations and are left out.", "")
    strangers = sorted(
        folder.name for folder in source.images.folder.glob("case_*") if folder.is_dir() and folder.name not in table.index
    )
    if strangers:
        yield Finding(
            "warning",
            strangers[0],
            f"{len(strangers)} case folders have no record in {source.path.name}, the first is {strangers[0]}.",
            "They are not read. Fetch kits23.json again if they should be.",
        )


def _mask_findings(source: _Source, options: LoadOptions) -> Iterator[Finding]:
    say = options.progress or _silent
    level = "warning" if _allows_missing(options) else "error"
    for done, case_id in enumerate(source.case_ids):
        say(f"checking {case_id}", done / len(source.case_ids))
        if not source.images.mask_path(case_id).is_file():
            yield Finding(level, case_id, f"{source.images.mask_path(case_id)} is missing.", "Fetch it, or allow_missing_masks.")
            continue
        try:
            image = source.images.read(case_id)
        except OpSightError as error:
            yield Finding("error", case_id, error.message, error.do)
            continue
        mask = image.mask
        absent = (
            []
            if mask is None
            else [name for value, name in mask.labels.items() if value < 3 and not (mask.voxels == value).any()]
        )
        if absent:
            yield Finding("warning", case_id, f"The mask shows no {' and no '.join(absent)}.", "Its anatomy will be missing.")


def release() -> tuple[RemoteFile, ...]:
    """The record and the masks of the public release; its source publishes no checksums, and the CT lies elsewhere."""
    paths = ["dataset/kits23.json"] + [f"dataset/case_{number:05d}/segmentation.nii.gz" for number in RELEASED_CASES]
    return tuple(RemoteFile(path, f"{ADDRESS}/{path}") for path in paths)


PLUGINS = (
    DatasetSpec(
        name="kits",
        label="KiTS: kidney tumour surgery",
        description="Patients of one health system operated on for a kidney tumour: record, reviewed masks and outcomes. "
        "The public labels come without the CT. Complications are recorded unequally between its parts.",
        licence=LICENCE,
        citation=CITATION,
        folder="kits23",
        load=load,
        verify=verify,
        release=release,
        option_names=("allow_missing_masks",),
    ),
)

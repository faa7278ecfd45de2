"""Anybody's table: a CSV or Parquet file and a codebook in YAML, with no code written.

A recipe names the two, relative to the folder that ``--data`` names or to the current one::

    dataset:
      name: table
      options: {table: ours.csv, codebook: ours.codebook.yaml}

``python -m core data draft-codebook ours.csv`` writes a first codebook; ``core.ingest.description`` shows a whole one.
A field that is not known before the operation is never a predictor. A predictor that alone tells an outcome apart
(AUROC above 0.98) stops the load, unless the option ``allow_strong: [field]`` names it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from core.contracts.codebook import USABLE_KINDS, Block, Codebook, Field
from core.contracts.cohort import Cohort, SplitCheck
from core.contracts.dataset import DatasetSpec, Finding, LoadOptions
from core.contracts.volume import CaseImage, Volume
from core.errors import CodebookError, DataError, InputError, LeakageError, OpSightError, did_you_mean
from core.ingest.cells import Cells, parse_cells, text_of
from core.ingest.description import OutcomeRule, TableDescription, read_description
from core.ingest.nifti import read_nifti
from core.ingest.tables import ParsedTable, check_cells, read_bytes, require_column
from core.ingest.values import as_flag
from core.storage.atomic import sha256_of

OPTION_NAMES = ("table", "codebook", "allow_strong")
LEAK_AUROC = 0.98
_FEWEST_FOR_LEAK = 5  # with fewer on either side, a perfect separation can be chance
_SMALLEST_SITE = 30
_MOST_SITES = 5
_BLOCKS: tuple[Block, ...] = ("record", "procedure", "anatomy")


@dataclass(frozen=True)
class TableImages:
    """Pictures named in a table: scan, mask or both of a case, read on demand.

    Args:
        scans, masks: path by case id; a case without a picture is absent.
        meanings: what each positive value of the masks means.
        mask_origin: who made the masks.
    """

    scans: Mapping[str, Path]
    masks: Mapping[str, Path]
    meanings: Mapping[int, str]
    mask_origin: str = ""

    @property
    def labels(self) -> dict[int, str]:
        return dict(self.meanings)

    @property
    def has_scan(self) -> bool:
        return bool(self.scans)

    @property
    def files(self) -> tuple[Path, ...]:
        """Every picture, each once."""
        return tuple(sorted({*self.scans.values(), *self.masks.values()}))

    def read(self, case_id: str) -> CaseImage:
        """Scan and mask of one case, each None where the table names none.

        Raises:
            Refused: a file that is damaged or no NIfTI.
            GeometryError: scan and mask on different grids.
            DataError: a mask value that the codebook does not name.
        """
        scan = read_nifti(self.scans[case_id]) if case_id in self.scans else None
        return CaseImage(case_id, scan, self._mask(case_id) if case_id in self.masks else None)

    def _mask(self, case_id: str) -> Volume:
        mask = read_nifti(self.masks[case_id], as_labels=True)
        unnamed = sorted(set(np.unique(mask.voxels).tolist()) - {0, *self.meanings})
        if unnamed:
            raise DataError(
                f"{self.masks[case_id]}: the mask of case {case_id} holds the value {unnamed[0]}; "
                f"the codebook names {sorted(self.meanings)}.",
                do="Name it under 'mask: labels', or correct the mask.",
                code="DATA_LABELS",
            )
        return Volume(mask.voxels, mask.affine, self.labels)


@dataclass(frozen=True)
class _Source:
    """The two files, read and checked; ``cases`` holds the identifiers, indexed like the frame by row of the file."""

    table_path: Path
    description: TableDescription
    cells: Cells
    parsed: ParsedTable
    cases: pd.DataFrame
    checksums: tuple[str, str]


def load(options: LoadOptions) -> Cohort:
    """The cohort in a table and its codebook.

    Raises:
        Refused: a file that cannot be read, or a cell that the codebook does not allow (``TAB_…``).
        CodebookError: a codebook that is not complete.
        DataError: an outcome without both values, or a picture that is not there.
        LeakageError: ``LEAK_SUSPECT``, naming the field.
    """
    source = _read_source(options)
    description, by_row = source.description, source.parsed.frame
    case_ids = source.cases["case_id"]
    targets = pd.concat([_target(rule, description, by_row) for rule in description.rules], axis=1)
    codebook = Codebook(tuple(field for field in description.codebook.fields if field.kind in USABLE_KINDS))
    _refuse_leaks(by_row, targets, codebook, description, _allowed(options, description))
    table = by_row[list(codebook.names)].set_axis(pd.Index(case_ids, name="case_id"))
    for column in source.cases.columns.drop("case_id"):
        table[column] = source.cases[column].to_numpy()
    images = _images(source, options)
    return Cohort(
        name="table",
        label=description.title,
        table=table,
        codebook=codebook,
        outcomes=tuple(rule.outcome for rule in description.rules),
        targets=targets.set_axis(table.index),
        internal=tuple(case_ids),
        checks=_site_checks(table),
        images=images,
        licence=description.licence,
        citation=description.citation,
        fingerprint=_fingerprint(source, images, options.progress or _silent),
        notes=source.parsed.notes + (() if images is None else _image_notes(images, table.index)),
        min_cell=description.min_cell,
    )


def verify(options: LoadOptions) -> tuple[Finding, ...]:
    """Remarks on the table, its codebook and every picture; an ``error`` is what a study would refuse."""
    try:
        cohort = load(options)
    except OpSightError as error:
        return (Finding("error", error.code, error.message, error.do),)
    return tuple(Finding("note", cohort.label, note, "") for note in cohort.notes) + tuple(_picture_findings(cohort))


def _picture_findings(cohort: Cohort) -> Iterator[Finding]:
    if cohort.images is None:
        return
    for case_id in cohort.internal:
        try:
            image = cohort.images.read(case_id)
        except InputError as error:
            yield Finding("error", f"case {case_id}", error.message, error.do)
            continue
        if image.mask is not None and not image.mask.voxels.any():
            yield Finding("warning", f"case {case_id}", "The mask is empty.", "Draw it, or clear the cell of its path.")


def _silent(phrase: str, share: float) -> None:
    """For callers who do not watch."""


def _read_source(options: LoadOptions) -> _Source:
    table_path, codebook_path = _located(options, "table"), _located(options, "codebook")
    data, description = read_bytes(table_path, "TAB_MISSING"), read_description(codebook_path)
    cells = parse_cells(data, table_path.name)
    for column in (*description.identifiers, *_picture_columns(description)):
        require_column(cells, column, "it under the name that the codebook gives it", description.headers.values())
    parsed = check_cells(cells, _described(description), unique=(description.case_id,), headers=description.headers)
    checksums = (hashlib.sha256(data).hexdigest(), sha256_of(codebook_path))
    return _Source(table_path, description, cells, parsed, _cases(cells, description), checksums)


def _located(options: LoadOptions, key: str) -> Path:
    """The file that an option names, looked for below the data folder and then in the current one."""
    given = options.options.get(key)
    if not isinstance(given, str) or not given.strip():
        raise DataError(
            f"The data set 'table' was not told its {key}.",
            do=f"Write 'dataset: {{name: table, options: {{{key}: FILE}}}}' in the recipe.",
            code="DATA_OPTION",
        )
    places = [Path(given)] if Path(given).is_absolute() else [*([options.root / given] if options.root else []), Path(given)]
    for place in places:
        if place.is_file():
            return place
    looked = " and ".join(str(place.absolute()) for place in places)
    raise DataError(f"The {key} {given!r} was not found; looked for {looked}.", do="Check the name.", code="DATA_MISSING")


def _described(description: TableDescription) -> Codebook:
    """The fields, without those that only repeat a case's names."""
    for name in ("case_id", "patient_id", "site"):
        if name in description.codebook and description.headers[name] != getattr(description, name):
            raise CodebookError(f"The field name {name!r} is taken.", do="Rename the field; 'column' keeps the table's name.")
    return Codebook(tuple(f for f in description.codebook.fields if f.name not in ("case_id", "patient_id", "site")))


def _cases(cells: Cells, description: TableDescription) -> pd.DataFrame:
    index = pd.Index(cells.numbers, name="row")
    names = {"case_id": description.case_id, "patient_id": description.patient_id}
    frame = pd.DataFrame({key: [text.strip() for text in cells.column(name)] for key, name in names.items()}, index, dtype=object)
    empty = frame.index[frame["patient_id"] == ""]
    if len(empty):
        raise DataError(
            f"{cells.name}, column {description.patient_id!r}, row {empty[0]}: the cell is empty; expected a patient.",
            do="Name the patient of every row, so that nobody stands in training and in test.",
            code="TAB_EMPTY_ID",
        )
    if description.site:
        frame["site"] = [text.strip() or "not recorded" for text in cells.column(description.site)]
    return frame


def _target(rule: OutcomeRule, description: TableDescription, frame: pd.DataFrame) -> pd.DataFrame:
    """The target columns of one outcome, NaN where a row is not eligible or its cells are empty."""
    counts = pd.Series(True, frame.index)
    for name, cells in rule.eligible.items():
        counts &= _matches(frame[name], cells, description.codebook[name]) == 1
    event = pd.Series(1.0, frame.index)
    if rule.column:
        event = _matches(frame[rule.column], rule.event or frozenset({"1"}), description.codebook[rule.column])
    if not rule.days:
        _require_both(rule, event[counts])
        return pd.DataFrame({rule.outcome.name: event.where(counts)})
    known = counts & event.notna() & frame[rule.days].notna()
    if not (event[known] == 1).any():
        _refuse_label(rule, "no row has the event")
    if (frame.loc[known, rule.days] < 0).any():
        _refuse_label(rule, "a row counts fewer than 0 days")
    name = rule.outcome.name
    return pd.DataFrame({f"{name}_days": frame[rule.days].where(known), f"{name}_event": event.where(known)})


def _matches(values: pd.Series, cells: frozenset[str], field: Field) -> pd.Series:
    """1.0 where a value is one of the cells, 0.0 where it is not, NaN where it is missing."""
    if field.kind == "flag":
        wanted = {as_flag(cell) for cell in cells}
        hit = values.isin(wanted)
    else:
        hit = values.map(lambda value: text_of(value).strip().casefold()).isin(cells)
    return hit.astype(float).where(values.notna())


def _require_both(rule: OutcomeRule, event: pd.Series) -> None:
    seen = event.dropna()
    if seen.nunique() < 2:
        what = "no row is eligible with a known value" if seen.empty else f"all {len(seen)} rows have the same value"
        _refuse_label(rule, what)


def _refuse_label(rule: OutcomeRule, what: str) -> None:
    raise DataError(
        f"Outcome {rule.outcome.name!r}, read from {', '.join(rule.columns)}: {what}.",
        do="Check 'event' and 'eligible' against the cells of the table.",
        code="LABEL",
    )


def _allowed(options: LoadOptions, description: TableDescription) -> frozenset[str]:
    given = options.options.get("allow_strong") or []
    names = [given] if isinstance(given, str) else list(given) if isinstance(given, (list, tuple)) else []
    for name in names:
        if name not in description.codebook:
            raise DataError(
                f"Option allow_strong names {name!r}, which is no field.",
                do=did_you_mean(str(name), description.codebook.names),
                code="DATA_OPTION",
            )
    return frozenset(names)


def _refuse_leaks(
    frame: pd.DataFrame, targets: pd.DataFrame, codebook: Codebook, description: TableDescription, allowed: frozenset[str]
) -> None:
    """Nothing, if no predictor by itself gives an outcome away.

    Raises:
        LeakageError: ``LEAK_SUSPECT``, naming the field's column.
    """
    for rule in description.rules:
        for field in codebook.predictors(_BLOCKS):
            if field.name in allowed:
                continue
            strength = _strength(frame[field.name], field, targets, rule)
            if strength > LEAK_AUROC:
                header = description.headers[field.name]
                how = "orders the days" if rule.days else "tells the outcome apart"
                raise LeakageError(
                    f"Column {header!r} by itself {how} of {rule.outcome.name!r} ({strength:.3f}, where more than "
                    f"{LEAK_AUROC} is not believed of anything known before the operation).",
                    do=f"Say when it becomes known (known: after), or write 'allow_strong: [{field.name}]' if it is real.",
                )


def _strength(values: pd.Series, field: Field, targets: pd.DataFrame, rule: OutcomeRule) -> float:
    """How well one field alone predicts: the best AUROC of its readings; for days, that of their rank correlation."""
    if not rule.days:
        return max((_auroc(reading, targets[rule.outcome.name]) for reading in _readings(values, field)), default=0.0)
    days = targets[f"{rule.outcome.name}_days"]
    finite = np.isfinite(days) & values.notna()
    if (
        field.kind == "category"
        or finite.sum() < 2 * _FEWEST_FOR_LEAK
        or min(values[finite].nunique(), days[finite].nunique()) < 3
    ):
        return 0.0
    return abs(float(values[finite].rank().corr(days[finite].rank())))


def _readings(values: pd.Series, field: Field) -> Iterator[pd.Series]:
    """A field as numbers that may order cases: itself or each of its levels, and whether it was recorded at all."""
    yield values.notna().astype(float)
    if field.kind != "category":
        yield values
        return
    for level in field.values:
        yield (values == level).astype(float).where(values.notna())


def _auroc(values: pd.Series, events: pd.Series) -> float:
    """AUROC in its better direction by ranks (ties count half), among rows with both; 0 with too few of either kind."""
    known = values.notna() & events.notna()
    ranks, event = values[known].rank(), events[known] == 1
    positive, negative = int(event.sum()), int((~event).sum())
    if min(positive, negative) < _FEWEST_FOR_LEAK:
        return 0.0
    area = (float(ranks[event].sum()) - positive * (positive + 1) / 2) / (positive * negative)
    return max(area, 1 - area)


def _site_checks(table: pd.DataFrame) -> tuple[SplitCheck, ...]:
    """Each of the largest sites left out once, where at least two are large enough."""
    if "site" not in table:
        return ()
    sizes = table["site"].value_counts()
    large = sizes[sizes >= _SMALLEST_SITE].drop("not recorded", errors="ignore").index[:_MOST_SITES]
    return tuple(_site_check(table, str(site)) for site in large) if len(large) >= 2 else ()


def _site_check(table: pd.DataFrame, site: str) -> SplitCheck:
    patients = table["patient_id"].str.casefold()
    here = table["site"] == site
    # A patient treated at two sites stays out of training: the site left out must be new in every way.
    elsewhere = ~here & ~patients.isin(set(patients[here]))
    return SplitCheck(
        name=f"external:site={site}",
        label=f"Site {site}, left out of training",
        note=f"Learned from the other sites alone and judged on {site}: one view of how models travel, not a trial there.",
        train=tuple(table.index[elsewhere]),
        test=tuple(table.index[here]),
    )


def _picture_columns(description: TableDescription) -> tuple[str, ...]:
    return tuple(filter(None, (description.image, description.mask.column if description.mask else "")))


def _images(source: _Source, options: LoadOptions) -> TableImages | None:
    description = source.description
    if not _picture_columns(description):
        return None
    scans = _paths(source, description.image, options) if description.image else {}
    if description.mask is None:
        return TableImages(scans, {}, {})
    masks = _paths(source, description.mask.column, options)
    return TableImages(scans, masks, description.mask.labels, description.mask.origin)


def _paths(source: _Source, column: str, options: LoadOptions) -> dict[str, Path]:
    """Path by case id; a relative one is looked for beside the table, then below the data folder."""
    bases = [source.table_path.parent, *([options.root] if options.root else [])]
    found: dict[str, Path] = {}
    for row, case_id, text in zip(source.cells.numbers, source.cases["case_id"], source.cells.column(column)):
        if not text.strip():
            continue
        places = [base / text.strip() for base in bases]
        there = next((place for place in places if place.is_file()), None)
        if there is None:
            raise DataError(
                f"{source.cells.name}, column {column!r}, row {row}: there is no file {places[0]}.",
                do="Correct the path (it is read from the table's folder), or clear the cell.",
                code="DATA_IMAGE_MISSING",
            )
        found[case_id] = there
    return found


def _image_notes(images: TableImages, case_ids: pd.Index) -> tuple[str, ...]:
    """Rows without a picture and pictures without a row, so that nobody wonders."""
    notes = []
    for what, paths in (("scan", images.scans), ("mask", images.masks)):
        without = [case_id for case_id in case_ids if case_id not in paths]
        if paths and without:
            notes.append(f"{len(without)} of {len(case_ids)} cases have no {what}: {_some(without)}.")
    folders = {path.parent for path in images.files}
    present = {path for folder in folders for path in folder.glob("*.nii*")}
    unnamed = sorted(path.name for path in present - set(images.files))
    if unnamed:
        notes.append(f"{len(unnamed)} pictures in the same folders belong to no row: {_some(unnamed)}.")
    return tuple(notes)


def _some(names: list[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _fingerprint(source: _Source, images: TableImages | None, say: Callable[[str, float], None]) -> str:
    """Checksum over the table, the codebook and every picture, in the order of cases."""
    parts = list(source.checksums)
    if images is not None:
        sums = {}
        for done, path in enumerate(images.files):
            say("checking pictures", done / len(images.files))
            sums[path] = sha256_of(path)
        _refuse_shared_scans(source, images, sums)
        parts += [f"{case} {sums[path]}" for paths in (images.scans, images.masks) for case, path in paths.items()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _refuse_shared_scans(source: _Source, images: TableImages, sums: Mapping[Path, str]) -> None:
    """Two patients with one scan would put the same picture into training and test under two names."""
    patients = dict(zip(source.cases["case_id"], source.cases["patient_id"].str.casefold()))
    first: dict[str, str] = {}
    for case_id, path in images.scans.items():
        other = first.setdefault(sums[path], case_id)
        if patients[other] != patients[case_id]:
            raise LeakageError(
                f"Cases {other} and {case_id} are of two patients and have the same scan ({path.name}).",
                do="Give each case its own scan, or both the same patient.",
                code="DATA_SAME_SCAN",
            )


PLUGINS = (
    DatasetSpec(
        name="table",
        label="A table of your own",
        description=(
            "Anybody's CSV or Parquet file with a codebook that says what each column means and when it becomes known; "
            "scans and masks where columns name NIfTI files. A column that alone gives an outcome away stops the load."
        ),
        licence="As its owner states in the codebook.",
        citation="As its owner states in the codebook.",
        folder="",
        load=load,
        verify=verify,
        option_names=OPTION_NAMES,
    ),
)

"""Anybody's images and masks, with no code written: two folders, or a raw data set of nnU-Net (second version).

    dataset:
      name: picture_folder
      options: {folder: ours, images: scans, masks: outlines, mask_ending: _mask, labels: {tumour: 1, cyst: 2}, table: ours.csv}

``folder`` lies below the folder that ``--data`` names, or is a path of its own. Image and mask share a name; PNG, JPEG, TIFF and
BMP are pictures, NIfTI are volumes. ``table``, inside the folder, has columns case_id and patient_id, and may have site;
without it every case counts as a patient, and pictures that look alike as one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from core.contracts.cohort import SplitCheck
from core.contracts.dataset import DatasetSpec, Finding, LoadOptions
from core.contracts.pictures import Picture, PictureSet, Region
from core.datasets._folder_files import FOREGROUND, FolderSource, Layout, label_values, nnunet_layout, one_kind, plain_layout
from core.datasets._near_duplicates import same_scene
from core.datasets._picture_files import fingerprint_of, in_words, verified
from core.errors import CorruptError, DataError, LeakageError, did_you_mean
from core.ingest.cells import parse_cells
from core.ingest.tables import read_bytes
from core.storage.atomic import sha256_of
from core.storage.files import read_json, write_json

OPTION_NAMES = ("folder", "images", "masks", "mask_ending", "labels", "table", "allow_unmatched", "label", "licence", "citation")
FEWEST_OF_A_SITE = 10
MOST_COMPARED = 5000
"""Pictures that are compared with each other; beyond, only equal files are found."""
UNSTATED = "As its owner states."


@dataclass(frozen=True)
class _Look:
    """What one pass over all cases found: channels of an image, spacing or not, cases on which nothing is drawn."""

    channels: int
    has_spacing: bool
    empty: tuple[str, ...]


def pictures(options: LoadOptions) -> PictureSet:
    """All pairs of image and mask. Every case is read once, so that what a study would refuse is refused at once.

    Raises:
        DataError: files without counterpart, a row without image or the reverse, a value that no label names; names the file.
        GeometryError: image and mask on unequal grids.
        LeakageError: ``DATA_SAME_SCAN``: one image under two patients.
    """
    root = _root(options)
    layout = _layout(root, options)
    _refuse_lonely(layout, options)
    volumes = one_kind(layout.cases.values())
    files = [path for case in layout.cases.values() for path in (*case.images, case.mask)]
    table, notes = _table(root, layout, options, volumes)
    fingerprint = fingerprint_of("the folder", files, root, options, "folder-1", layout.labels, in_words(table))
    source = FolderSource(layout.cases, tuple(layout.labels.values()))
    look = _looked_at(source, layout, options, fingerprint)
    return PictureSet(
        name="picture_folder",
        label=_text(options, "label", root.name),
        table=table,
        dims=3 if volumes else 2,
        channels=_channel_names(layout, look),
        regions=_regions(layout),
        source=source,
        internal=tuple(layout.cases),
        checks=_left_out(table),
        attributes=(("site", "Site"),) if "site" in table else (),
        unit="mm" if look.has_spacing else "px",
        licence=_text(options, "licence", UNSTATED),
        citation=_text(options, "citation", UNSTATED),
        fingerprint=fingerprint,
        notes=(*notes, *_notes(layout, look)),
    )


def _root(options: LoadOptions) -> Path:
    given = _text(options, "folder", "")
    if not given:
        raise DataError(
            "The data set picture_folder was not told its folder.",
            do="Write 'dataset: {name: picture_folder, options: {folder: FOLDER}}' in the recipe.",
            code="DATA_OPTION",
        )
    places = [*([options.root / given] if options.root else []), Path(given)]
    for place in places:
        if place.is_dir():
            return place
    looked = " and ".join(str(place.absolute()) for place in places)
    raise DataError(f"The folder {given!r} was not found; looked for {looked}.", do="Check the name.", code="DATA_MISSING")


def _text(options: LoadOptions, name: str, default: str) -> str:
    given = options.options.get(name, default)
    if not isinstance(given, str):
        raise DataError(f"dataset.options.{name} was given {given!r}.", do="Give a text.", code="DATA_OPTION")
    return given.strip() or default


def _layout(root: Path, options: LoadOptions) -> Layout:
    given = options.options.get("labels")
    if given is not None and not isinstance(given, Mapping):
        raise DataError(f"dataset.options.labels was given {given!r}.", do="Write labels: {tumour: 1}.", code="DATA_OPTION")
    if (root / "dataset.json").is_file() and not {"images", "masks"} & set(options.options):
        layout = nnunet_layout(root)
        return layout if given is None else Layout(layout.cases, label_values(given), layout.channels, layout.lonely)
    labels = FOREGROUND if given is None else label_values(given)
    folders = _text(options, "images", "images"), _text(options, "masks", "masks")
    return plain_layout(root, *folders, _text(options, "mask_ending", ""), labels)


def _refuse_lonely(layout: Layout, options: LoadOptions) -> None:
    if layout.lonely and options.options.get("allow_unmatched") is not True:
        raise DataError(
            f"{_some(layout.lonely)}: an image without mask, or a mask without image ({len(layout.lonely)} such beside "
            f"{len(layout.cases)} pairs).",
            do="Complete the pairs, or write allow_unmatched: true to leave these files out.",
            code="DATA_UNMATCHED",
        )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _table(root: Path, layout: Layout, options: LoadOptions, volumes: bool) -> tuple[pd.DataFrame, tuple[str, ...]]:
    index = pd.Index(list(layout.cases), name="case_id")
    name = _text(options, "table", "")
    if name:
        table = _told(root / name, index)
        _refuse_shared_images(layout, table, options)
        return table, ()
    first = _alike(layout, options, root, volumes)
    table = pd.DataFrame({"patient_id": [first[case_id] for case_id in index]}, index=index)
    twins = len(table) - table["patient_id"].nunique()
    note = f"No table names patients: every case counts as one, {twins} of them together with another because they look alike."
    return table, (note,)


def _told(path: Path, index: pd.Index) -> pd.DataFrame:
    """Patient, and site where there is one, of every case.

    Raises:
        DataError: a case without row, a row without case, a case twice, or a row without patient.
    """
    told = _rows_of(path)
    for what, lonely in (("image", told.index.difference(index)), ("row", index.difference(told.index))):
        if len(lonely):
            raise DataError(
                f"{path.name}: {_some([str(name) for name in lonely])}: no {what} of that case ({len(lonely)} such).",
                do="Give every image one row, and every row its image.",
                code="DATA_UNMATCHED",
            )
    return told.loc[index]


def _rows_of(path: Path) -> pd.DataFrame:
    cells = parse_cells(read_bytes(path, "TAB_MISSING"), path.name)
    missing = [column for column in ("case_id", "patient_id") if column not in cells.columns]
    if missing:
        do = did_you_mean(missing[0], cells.columns) or "Add it."
        raise DataError(f"{path.name} has no column {missing[0]!r}.", do=do, code="TAB_MISSING_COL")
    names = [column for column in ("case_id", "patient_id", "site") if column in cells.columns]
    told = pd.DataFrame({column: [cell.strip() for cell in cells.column(column)] for column in names})
    twice, nobody = told["case_id"][told["case_id"].duplicated()], told["case_id"][told["patient_id"] == ""]
    if len(twice):
        raise DataError(f"{path.name}: case {twice.iloc[0]} stands in two rows.", do="Keep one row a case.", code="TAB_DUP_ID")
    if len(nobody):
        raise DataError(f"{path.name}: case {nobody.iloc[0]} names no patient.", do="Name every patient.", code="TAB_EMPTY_ID")
    # One person written in two ways would stand on both sides of a split.
    told["patient_id"] = told["patient_id"].str.casefold()
    told = told.assign(site=told["site"].replace("", "not recorded")) if "site" in told else told
    return told.set_index("case_id")


def _refuse_shared_images(layout: Layout, table: pd.DataFrame, options: LoadOptions) -> None:
    seen: dict[tuple[str, ...], str] = {}
    for case_id, case in layout.cases.items():
        other = seen.setdefault(tuple(sha256_of(path) for path in case.images), case_id)
        if table.at[other, "patient_id"] != table.at[case_id, "patient_id"]:
            raise LeakageError(
                f"Cases {other} and {case_id} are of two patients and have the same image.",
                do="Give each case its own image, or both the same patient.",
                code="DATA_SAME_SCAN",
            )


def _alike(layout: Layout, options: LoadOptions, root: Path, volumes: bool) -> dict[str, str]:
    """For each case the first one whose image looks like its own, or is the same file where looks are not compared."""
    names = list(layout.cases)
    files = [layout.cases[name].images[0] for name in names]
    if volumes or len(files) > MOST_COMPARED:
        seen: dict[tuple[str, ...], str] = {}
        return {name: seen.setdefault(tuple(map(sha256_of, layout.cases[name].images)), name) for name in names}
    groups = same_scene(files, options, fingerprint_of("the folder", files, root, options))
    return {name: names[group] for name, group in zip(names, groups, strict=True)}


def _looked_at(source: FolderSource, layout: Layout, options: LoadOptions, fingerprint: str) -> _Look:
    """One pass over all cases, kept in the cache under the fingerprint.

    Raises:
        DataError: a case that cannot be read, or with another number of channels than the others.
    """
    kept = options.cache / f"look_{fingerprint[:16]}.json"
    try:
        plain = read_json(kept)
        return _Look(int(plain["channels"]), bool(plain["has_spacing"]), tuple(plain["empty"]))
    except (CorruptError, KeyError):
        look = _look(source, layout, options)
        write_json(kept, {"channels": look.channels, "has_spacing": look.has_spacing, "empty": list(look.empty)})
        return look


def _look(source: FolderSource, layout: Layout, options: LoadOptions) -> _Look:
    channels: dict[str, int] = {}
    empty, spaced = [], []
    for number, case_id in enumerate(layout.cases):
        picture = source.read(case_id)
        channels[case_id] = len(picture.image)
        spaced.append(picture.spacing_mm is not None)
        if _is_empty(picture):
            empty.append(case_id)
        if options.progress:
            options.progress("reading every case once", number / len(layout.cases))
    usual = len(layout.channels) or Counter(channels.values()).most_common(1)[0][0]
    other = [case_id for case_id, count in channels.items() if count != usual]
    if other:
        raise DataError(
            f"Case {other[0]} has {channels[other[0]]} channels, expected are {usual} ({len(other)} such cases).",
            do="Export all images alike.",
            code="MODALITY_MISSING",
        )
    if len(empty) == len(channels):
        raise DataError("No mask outlines anything: all are background.", do="Check masks and labels.", code="DATA_EMPTY_MASKS")
    return _Look(usual, all(spaced), tuple(empty))


def _is_empty(picture: Picture) -> bool:
    return picture.mask is None or not picture.mask.any()


def _channel_names(layout: Layout, look: _Look) -> tuple[str, ...]:
    if layout.channels:
        return layout.channels
    usual = {1: ("image",), 3: ("red", "green", "blue")}
    return usual.get(look.channels, tuple(f"channel {number + 1}" for number in range(look.channels)))


def _regions(layout: Layout) -> tuple[Region, ...]:
    """A region for each label; its slug is its name in small letters, digits and lines.

    Raises:
        DataError: two labels with one slug.
    """
    found: dict[str, Region] = {}
    for label in layout.labels:
        slug = re.sub(r"\W+", "_", label.casefold()).strip("_") or "region"
        if slug in found:
            raise DataError(f"The labels {found[slug].label!r} and {label!r} look the same.", do="Name them apart.")
        found[slug] = Region(slug, label)
    return tuple(found.values())


def _left_out(table: pd.DataFrame) -> tuple[SplitCheck, ...]:
    """Each site with enough patients left out in turn; patients of two sites are on neither side."""
    if "site" not in table:
        return ()
    several = table.groupby("patient_id")["site"].transform("nunique") > 1
    note = "Learned from the other sites alone: one view of how models travel, not a trial there."
    found = []
    for site, rows in table[~several].groupby("site"):
        train = tuple(table.index[(table["site"] != site) & ~several])
        if site != "not recorded" and train and rows["patient_id"].nunique() >= FEWEST_OF_A_SITE:
            found.append(SplitCheck(f"external:site={site}", f"Site {site} left out", note, train, tuple(rows.index)))
    return tuple(found)


def _notes(layout: Layout, look: _Look) -> tuple[str, ...]:
    notes = []
    if layout.lonely:
        notes.append(f"{len(layout.lonely)} files have no counterpart and are left out: {_some(layout.lonely)}.")
    if look.empty:
        notes.append(f"On {len(look.empty)} of {len(layout.cases)} cases nothing is outlined: {_some(look.empty)}.")
    return tuple(notes)


def verify(options: LoadOptions) -> tuple[Finding, ...]:
    """Remarks: why the folder is refused, or the cases on which nothing is outlined."""
    return verified(pictures, options)


PLUGINS = (
    DatasetSpec(
        name="picture_folder",
        label="A folder of your own images and masks",
        description="Anybody's images and masks in two folders, or a raw data set of nnU-Net (second version): PNG, JPEG, TIFF, "
        "BMP or NIfTI. What has no counterpart, lies on another grid or holds a value that no label names is refused by name.",
        licence=UNSTATED,
        citation=UNSTATED,
        folder="",
        load=None,
        pictures=pictures,
        verify=verify,
        option_names=OPTION_NAMES,
    ),
)

"""Files of anybody's folder of images and masks: which belong together, what the values of a mask mean, and one case read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.contracts.pictures import Picture
from core.contracts.volume import Volume
from core.datasets._volume_stacks import nested, refuse_unequal_grids, seen_from_the_feet, stack, stack_spacing
from core.errors import DataError, GeometryError, Refused
from core.ingest.images import read_image, read_mask
from core.ingest.nifti import read_nifti, read_nifti_channels

VOLUME_ENDINGS = (".nii.gz", ".nii")
PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
FOREGROUND = {"foreground": (1, 255)}
"""What masks may hold where no labels are listed: one thing, drawn as 1 or as white."""


@dataclass(frozen=True)
class FolderCase:
    """Where a case lies: its image, one file or one a channel, and its mask."""

    images: tuple[Path, ...]
    mask: Path

    @property
    def is_volume(self) -> bool:
        """Whether it is NIfTI."""
        return self.mask.name.lower().endswith(VOLUME_ENDINGS)


@dataclass(frozen=True)
class Layout:
    """What was found in a folder.

    Args:
        cases: by case id; labels: values of a mask by the name of what they outline.
        channels: as the folder names them; empty where it does not.
        lonely: names of files without their counterpart.
    """

    cases: Mapping[str, FolderCase]
    labels: Mapping[str, tuple[int, ...]]
    channels: tuple[str, ...] = ()
    lonely: tuple[str, ...] = ()


@dataclass(frozen=True)
class FolderSource:
    """Reads a case.

    Args:
        labels: values of a mask, by region in order.
    """

    cases: Mapping[str, FolderCase]
    labels: tuple[tuple[int, ...], ...]

    def read(self, case_id: str) -> Picture:
        """One case; slices of a volume lie as readers see them.

        Raises:
            DataError: a file that cannot be read, or a value of the mask that is not listed; names the case.
            GeometryError: image and mask on unequal grids.
        """
        case = self.cases[case_id]
        try:
            return self._volume(case_id, case) if case.is_volume else self._picture(case_id, case)
        except Refused as error:
            raise DataError(f"Case {case_id}: {error.message}", do=error.do, code=error.code) from error

    def _picture(self, case_id: str, case: FolderCase) -> Picture:
        channels = [np.moveaxis(read_image(path), 2, 0) for path in case.images]
        if len({channel.shape[1:] for channel in channels}) != 1:
            raise GeometryError(f"Case {case_id}: its channels have unequal grids.", do="Export all channels on one grid.")
        return Picture(case_id, np.concatenate(channels), self._regions(case_id, case, read_mask(case.mask)))

    def _volume(self, case_id: str, case: FolderCase) -> Picture:
        mask = read_nifti(case.mask, as_labels=True)
        channels = [channel for path in case.images for channel in _channels(path)]
        names = [path.name for path in case.images] if len(case.images) == len(channels) else ["a channel"] * len(channels)
        refuse_unequal_grids(case_id, [*names, case.mask.name], [*channels, mask])
        first = seen_from_the_feet(channels[0])
        image = np.stack([stack(first), *(stack(seen_from_the_feet(channel)) for channel in channels[1:])])
        drawn = self._regions(case_id, case, stack(seen_from_the_feet(mask)))
        return Picture(case_id, image, drawn, None, stack_spacing(first))

    def _regions(self, case_id: str, case: FolderCase, values: NDArray[np.generic]) -> NDArray[np.bool_]:
        listed = {0, *(value for region in self.labels for value in region)}
        unlisted = sorted(set(np.unique(values).tolist()) - listed)
        if unlisted:
            more = f" and {len(unlisted) - 1} more" if len(unlisted) > 1 else ""
            raise DataError(
                f"Case {case_id}: {case.mask.name} holds the value {unlisted[0]}{more}; listed are {sorted(listed)}.",
                do="List it under labels, by the name of what it outlines, or correct the mask.",
                code="DATA_LABELS",
            )
        return nested(values, self.labels)


def _channels(path: Path) -> Sequence[Volume]:
    try:
        return (read_nifti(path),)
    except Refused as error:
        if error.code != "IMG_NDIM":
            raise
        return read_nifti_channels(path)


def plain_layout(root: Path, images: str, masks: str, ending: str, labels: Mapping[str, tuple[int, ...]]) -> Layout:
    """Images and masks in two folders, or in one, with names that agree once the masks' ``ending`` is taken away.

    Raises:
        DataError: no such folder, no pair, or two images for one name.
    """
    image_files, mask_files = _by_name(root / images), _by_name(root / masks)
    if images == masks:
        image_files = {name: path for name, path in image_files.items() if not (ending and name.endswith(ending))}
    # Where all masks must end alike, other files beside them are no masks.
    drawn = {name.removesuffix(ending): path for name, path in mask_files.items() if name.endswith(ending)}
    cases = {name: FolderCase((image_files[name],), drawn[name]) for name in sorted(set(image_files) & set(drawn))}
    if not cases:
        raise DataError(
            f"No image in {root / images} ({len(image_files)} files) has a mask of its name in {root / masks} "
            f"({len(drawn)} files{f' ending in {ending!r}' if ending else ''}).",
            do="Name folders and endings with dataset.options: images, masks, mask_ending (such as _segmentation).",
            code="DATA_MISSING",
        )
    lonely = [image_files.get(name, drawn.get(name)) for name in sorted(set(image_files) ^ set(drawn))]
    return Layout(cases, labels, lonely=tuple(path.name for path in lonely if path))


def nnunet_layout(root: Path) -> Layout:
    """A raw data set of nnU-Net, second version: ``dataset.json``, ``imagesTr/CASE_0000…``, ``labelsTr/CASE…``.

    Raises:
        DataError: a description that lacks its labels or channels, a case without all channels, or no case.
    """
    about = _described(root / "dataset.json")
    channels = tuple(str(name) for _, name in sorted(_mapping(about, "channel_names", "modality").items(), key=_number))
    masks = _by_name(root / "labelsTr")
    images: dict[str, dict[int, Path]] = {}
    for name, path in _by_name(root / "imagesTr").items():
        found = re.fullmatch(r"(.+)_(\d{4})", name)
        if found:
            images.setdefault(found.group(1), {})[int(found.group(2))] = path
    cases = {name: FolderCase(_in_order(name, images[name]), masks[name]) for name in sorted(set(images) & set(masks))}
    if not cases:
        raise DataError(f"{root} holds no case in imagesTr and labelsTr.", do="Complete the folder.", code="DATA_MISSING")
    return Layout(cases, label_values(_mapping(about, "labels")), channels, tuple(sorted(set(images) ^ set(masks))))


def label_values(given: Mapping[object, Any]) -> dict[str, tuple[int, ...]]:
    """Values of a mask by the name of what they outline, background left out.

    Args:
        given: name to value, or to several values for a region that is made of them.

    Raises:
        DataError: a value that is no whole number from 0, no region, or pixels to be ignored.
    """
    if "ignore" in given:
        raise DataError("Masks with pixels to be ignored are not read.", do="Draw these pixels, or leave their cases out.")
    found = {}
    for name, value in given.items():
        values = value if isinstance(value, (list, tuple)) else [value]
        if not values or any(isinstance(one, bool) or not isinstance(one, int) or one < 0 for one in values):
            raise DataError(f"The label {name!r} was given {value!r}.", do="Give its value in the masks, such as tumour: 1.")
        if set(values) != {0}:
            found[str(name)] = tuple(values)
    if not found:
        raise DataError("No label but background is listed.", do="Name what the masks outline, such as tumour: 1.")
    return found


def _by_name(folder: Path) -> dict[str, Path]:
    """Pictures and volumes in a folder by name without ending; what other systems left behind is passed over.

    Raises:
        DataError: no such folder, or one name twice.
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}.", do="Check dataset.options.", code="DATA_MISSING")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        ending = next((end for end in (*VOLUME_ENDINGS, *PICTURE_ENDINGS) if path.name.lower().endswith(end)), "")
        if not ending or path.name.startswith(".") or not path.is_file():
            continue
        name = path.name[: -len(ending)]
        if name in found:
            raise DataError(f"{folder}: {found[name].name} and {path.name} have one name.", do="Keep one of them.")
        found[name] = path
    return found


def _in_order(name: str, channels: Mapping[int, Path]) -> tuple[Path, ...]:
    if set(channels) != set(range(len(channels))):
        missing = min(set(range(max(channels) + 1)) - set(channels))
        raise DataError(f"Case {name}: its channel {missing:04d} is missing.", do="Complete imagesTr.", code="MODALITY_MISSING")
    return tuple(channels[number] for number in sorted(channels))


def _described(path: Path) -> dict[str, Any]:
    try:
        about = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as JSON.", do="Fetch the data set again.") from error
    if not isinstance(about, dict):
        raise DataError(f"{path} holds no description.", do="Fetch the data set again.")
    return about


def _mapping(about: Mapping[str, Any], *names: str) -> dict[object, Any]:
    for name in names:
        if isinstance(about.get(name), dict) and about[name]:
            return dict(about[name])
    raise DataError(f"dataset.json has no {names[0]!r}.", do="Write it as nnU-Net, second version, describes it.")


def _number(item: tuple[object, object]) -> int:
    return int(str(item[0])) if str(item[0]).isdigit() else 0


def one_kind(cases: Iterable[FolderCase]) -> bool:
    """Whether all cases are volumes (or none is).

    Raises:
        DataError: both kinds.
    """
    kinds = {path.name.lower().endswith(VOLUME_ENDINGS) for case in cases for path in (*case.images, case.mask)}
    if len(kinds) != 1:
        raise DataError("The folder holds pictures and NIfTI volumes.", do="Keep one kind a data set.")
    return kinds.pop()

"""What readers of picture folders share: fingerprints, kept between runs, and the way to a missing folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from core.contracts.dataset import Finding, LoadOptions
from core.contracts.pictures import PictureSet
from core.errors import CorruptError, DataError, OpSightError, Refused
from core.storage.files import read_json, write_json


def fingerprint_of(name: str, files: Sequence[Path], root: Path, options: LoadOptions, *more: object) -> str:
    """sha-256 over the names and bytes of what was read, and over ``more``; read again only where a size or time changed.

    Raises:
        DataError: ``DATA_IMAGE_MISSING``, naming the first file that is not there.
    """
    _refuse_missing(name, files, root)
    stats = [(path.relative_to(root).as_posix(), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    quick = hashlib.sha256(json.dumps(stats).encode()).hexdigest()
    kept = options.cache / f"fingerprint_{quick[:16]}.json"
    bytes_of = _kept(kept) or _read_all(name, files, root, options, kept)
    return hashlib.sha256(json.dumps([bytes_of, *map(str, more)]).encode()).hexdigest()


def in_words(table: pd.DataFrame) -> str:
    """A table of cases as text, for fingerprints: who counts as one patient, and what splits are made by."""
    rows = [(table.index.name, *table.columns), *table.itertuples()]
    return "".join(",".join(map(str, row)) + "\n" for row in rows)


def _refuse_missing(name: str, files: Sequence[Path], root: Path) -> None:
    missing = [path.relative_to(root).as_posix() for path in files if not path.is_file()]
    if missing:
        raise DataError(
            f"{name}: {missing[0]} is missing ({len(missing)} such of {len(files)}).",
            do="Complete the folder from its release.",
            code="DATA_IMAGE_MISSING",
        )


def _kept(path: Path) -> str:
    try:
        return str(read_json(path)["sha256"])
    except (CorruptError, KeyError):
        return ""


def _read_all(name: str, files: Sequence[Path], root: Path, options: LoadOptions, kept: Path) -> str:
    digest = hashlib.sha256()
    for number, path in enumerate(files):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
        if options.progress:
            options.progress(f"checking the files of {name}", number / len(files))
    write_json(kept, {"sha256": digest.hexdigest()})
    return digest.hexdigest()


def require_root(name: str, options: LoadOptions, inside: str) -> Path:
    """The data set's folder, once it holds ``inside``.

    Raises:
        DataError: it does not.
    """
    root = options.root
    if root is None or not (root / inside).exists():
        raise DataError(
            f"{name}: {inside} was not found in {root}.",
            do="Put the public release there, or name its parent folder with --data.",
            code="DATA_MISSING",
        )
    return root


def whole_number(options: LoadOptions, name: str, default: int, lowest: int = 0) -> int:
    """A data set's option as a whole number.

    Raises:
        DataError: it is not one, or is below ``lowest``.
    """
    given = options.options.get(name, default)
    try:
        value = int(str(given))
    except ValueError as error:
        raise DataError(f"dataset.options.{name} was given {given!r}.", do="Give a whole number.") from error
    if value < lowest:
        raise DataError(f"dataset.options.{name} was given {value}.", do=f"Give {lowest} or more.")
    return value


def verified(load: Callable[[LoadOptions], PictureSet], options: LoadOptions) -> tuple[Finding, ...]:
    """Remarks on a folder: why it cannot be read at all, or what ``verify_cases`` finds."""
    try:
        return verify_cases(load(options))
    except OpSightError as error:
        return (Finding("error", error.code, error.message, error.do),)


def verify_cases(pictures: PictureSet) -> tuple[Finding, ...]:
    """Remarks on every case of drawn pictures: what cannot be read is an error, what nobody drew on a remark."""
    found = []
    for case_id in pictures.table.index:
        try:
            mask = pictures.source.read(str(case_id)).mask
        except (Refused, DataError) as error:
            found.append(Finding("error", str(case_id), error.message, error.do))
            continue
        if mask is None or not mask.any():
            found.append(Finding("remark", str(case_id), "Nothing is outlined.", "It counts as an empty mask."))
    return tuple(found)

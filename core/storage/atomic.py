"""Writing a file so that a reader finds the old one or the new one, never half of one."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import CorruptError, DiskFull, StoreError

TEMPORARY_PREFIX = ".opsight-tmp-"


def sha256_of(path: Path) -> str:
    """Checksum of a file's bytes, 64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def atomic_write(path: Path, data: bytes) -> str:
    """The sha-256 of what was written: temp file beside the target, fsync, replace, fsync of the folder.

    Raises:
        DiskFull: no room; the previous file is untouched.
        StoreError: the folder cannot be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path to write to; on leaving without error it becomes ``path``, otherwise it is removed."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, suffix=path.suffix, dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise _explain(error, path) from error
    temporary = Path(name)
    try:
        yield temporary
        _sync(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise _explain(error, path) from error
    finally:
        temporary.unlink(missing_ok=True)


def sweep_temporaries(folder: Path) -> int:
    """How many left-over temporary files below ``folder`` were removed (a killed writer leaves one)."""
    found = [path for path in folder.rglob(f"{TEMPORARY_PREFIX}*") if path.is_file()]
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)


def verify_checksum(path: Path, expected: str) -> None:
    """Nothing, if the file's bytes are those that were written.

    Raises:
        CorruptError: missing, or another checksum.
    """
    if not path.is_file():
        raise CorruptError(f"{path.name} is missing from {path.parent}.", do="Run the study again; finished jobs are kept.")
    if sha256_of(path) != expected:
        raise CorruptError(
            f"{path} does not match its checksum.", do="Delete it and run the study again; the other parts are kept."
        )


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _explain(error: OSError, path: Path) -> StoreError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        free = shutil.disk_usage(path.parent).free // 2**20 if path.parent.exists() else 0
        return DiskFull(
            f"No room to write {path} ({free} MiB free).", do="Free some space and run again; nothing was overwritten."
        )
    return StoreError(f"Cannot write {path}: {error.strerror}.", do="Check the folder and its permissions.")

"""Fetching the files of a public release: resumed where it stopped, compared with its checksum."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.contracts.dataset import RemoteFile
from core.errors import DownloadError
from core.storage.atomic import atomic_write, sha256_of

BLOCK = 1 << 20
TIMEOUT_SECONDS = 60
RECORD = "SHA256SUMS"


@dataclass(frozen=True)
class Fetched:
    """How many files were fetched, and how many were there already."""

    fetched: int
    present: int


def fetch_release(files: Sequence[RemoteFile], folder: Path, progress: Callable[[str, float], None]) -> Fetched:
    """What was fetched into ``folder``; files already there with the right checksum are left alone.

    A checksum that the source does not publish is recorded in ``SHA256SUMS`` at the first download and compared later.

    Raises:
        DownloadError: no network, a file the server does not have, or bytes that do not match their checksum.
    """
    known = _read_record(folder / RECORD)
    fetched = present = 0
    for index, file in enumerate(files):
        progress(file.path, index / len(files))
        target = _inside(folder, file.path)
        expected = file.sha256 or known.get(file.path, "")
        if target.exists() and expected and sha256_of(target) == expected:
            present += 1
            continue
        known[file.path] = _fetch(file, target, expected)
        fetched += 1
        _write_record(folder / RECORD, known)
    progress("done", 1.0)
    return Fetched(fetched, present)


def _inside(folder: Path, path: str) -> Path:
    target = (folder / path).resolve()
    if not target.is_relative_to(folder.resolve()):
        raise DownloadError(f"{path!r} would be written outside {folder}.", do="Report the data set's file list.", code="PATH")
    return target


def _fetch(file: RemoteFile, target: Path, expected: str) -> str:
    """The checksum of the file fetched; a partial download is kept beside the target and resumed."""
    partial = target.with_name(target.name + ".part")
    target.parent.mkdir(parents=True, exist_ok=True)
    _download(file, partial)
    checksum = sha256_of(partial)
    if expected and checksum != expected:
        partial.unlink()
        raise DownloadError(
            f"{file.path} does not match its checksum: expected {expected[:12]}…, received {checksum[:12]}…. It was removed.",
            do="Run the command again; if it happens twice, the release has changed.",
            code="CHECKSUM",
        )
    partial.replace(target)
    return checksum


def _download(file: RemoteFile, partial: Path) -> None:
    start = partial.stat().st_size if partial.exists() else 0
    if file.size and start > file.size:
        partial.unlink()
        start = 0
    if file.size and start == file.size:
        return
    request = urllib.request.Request(file.url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as reply:
            resumed = reply.status == 206
            declared = int(reply.headers.get("Content-Length") or 0)
            with partial.open("ab" if resumed else "wb") as stream:
                received = 0
                while block := reply.read(BLOCK):
                    stream.write(block)
                    received += len(block)
    except urllib.error.HTTPError as error:
        if error.code == 416 and start:
            return
        raise DownloadError(
            f"The server answered {error.code} for {file.url}.", do="Check the address of the release."
        ) from error
    except (urllib.error.URLError, OSError) as error:
        raise DownloadError(
            f"{file.url} could not be fetched: {getattr(error, 'reason', error)}.",
            do="Check the network and run the same command again; it goes on where it stopped.",
        ) from error
    if declared and received != declared:
        raise DownloadError(
            f"The connection broke at {received} of {declared} bytes of {file.path}.",
            do="Run the same command again; it goes on where it stopped.",
        )


def _read_record(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    pairs = (line.split("  ", 1) for line in path.read_text(encoding="utf-8").splitlines() if "  " in line)
    return {name: checksum for checksum, name in pairs}


def _write_record(path: Path, known: dict[str, str]) -> None:
    lines = [f"{checksum}  {name}" for name, checksum in sorted(known.items())]
    atomic_write(path, ("\n".join(lines) + "\n").encode())

"""The door itself: bytes from outside become an accepted value or a refusal, and never an exception or a crash."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.contracts.volume import Volume
from core.errors import OpSightError
from core.ingest.cells import TABLE_NAME, Cells

Kind = Literal["nifti", "table", "picture"]

_ROOT = Path(__file__).resolve().parents[2]
_PREFIX = {"nifti": "IMG", "table": "TAB", "picture": "IMG"}


@dataclass(frozen=True)
class DoorLimits:
    """What decoding one file may use, whatever the file says.

    Args:
        file_bytes: bytes of the file as it comes; checked before a process is started.
        memory_bytes: address space of the decoding process.
        cpu_seconds: its processor time; wall_seconds: its time on the clock.
    """

    file_bytes: int = 2_000_000_000
    memory_bytes: int = 2 << 30
    cpu_seconds: int = 30
    wall_seconds: float = 30.0


@dataclass(frozen=True)
class Accepted:
    """What was read.

    Args:
        kind: ``nifti``, ``table`` or ``picture``; sha256: checksum of the bytes as they came.
        volume: the scan, where one was sent; cells: the table's cells as text, where one was sent (``check_cells`` holds
            them against a codebook); picture: (height, width, channels), uint8 or uint16, where one was sent
            (``core.ingest.images`` says how each kind of file is converted).
        cautions: sentences about what was put right.
    """

    kind: Kind
    sha256: str
    volume: Volume | None = None
    cells: Cells | None = None
    picture: NDArray[np.uint8] | NDArray[np.uint16] | None = None
    cautions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refusal:
    """Why nothing was read: a stable code, one sentence, and what to do."""

    code: str
    sentence: str
    do: str


def ingest(data: bytes, kind: Kind, limits: DoorLimits | None = None) -> Accepted | Refusal:
    """What the bytes hold, or why they are refused; decoding happens in a child process under hard limits.

    Args:
        data: the whole file, as it came.
        kind: what the sender says it is; the content decides.
    """
    limits = limits or DoorLimits()
    if len(data) > limits.file_bytes:
        return _too_large(kind)
    command = [sys.executable, "-P", "-m", "core.ingest.child", kind, str(limits.memory_bytes), str(limits.cpu_seconds)]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=limits.wall_seconds, env=_environment())
    except subprocess.TimeoutExpired:
        return _took_too_long(kind)
    if done.returncode != 0:
        return _died(kind, done.returncode, done.stderr)
    try:
        return _answer(done.stdout, kind, data)
    except (ValueError, KeyError, TypeError, OpSightError):
        return _undecodable(kind)


def _environment() -> dict[str, str]:
    """Nothing of the server's own settings or secrets; one thread, because each would claim address space."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {"PYTHONPATH": str(_ROOT), "PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1", **threads}


def _answer(reply: bytes, kind: Kind, data: bytes) -> Accepted | Refusal:
    stream = io.BytesIO(reply)
    answer = json.loads(stream.readline())
    if "refused" in answer:
        code, sentence, do = (str(part) for part in answer["refused"])
        return Refusal(code, sentence, do) if sentence else _too_large(kind)
    arrays: dict[str, NDArray[Any]] = {name: np.lib.format.read_array(stream, allow_pickle=False) for name in answer["arrays"]}
    checksum, cautions = hashlib.sha256(data).hexdigest(), tuple(str(text) for text in answer["cautions"])
    if kind == "nifti":
        return Accepted(kind, checksum, volume=Volume(arrays["voxels"], arrays["affine"]), cautions=cautions)
    if kind == "picture":
        return Accepted(kind, checksum, picture=arrays["picture"], cautions=cautions)
    return Accepted(kind, checksum, cells=_restore_cells(answer, arrays), cautions=cautions)


def _restore_cells(answer: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Cells:
    """The cells that the child took apart."""
    ends = np.cumsum(arrays["lengths"])
    data = arrays["text"].tobytes()
    texts = [data[end - length : end].decode() for end, length in zip(ends.tolist(), arrays["lengths"].tolist())]
    columns = tuple(str(column) for column in answer["columns"])
    rows = tuple(tuple(texts[at : at + len(columns)]) for at in range(0, len(texts), len(columns)))
    return Cells(TABLE_NAME, columns, rows, tuple(arrays["numbers"].tolist()), str(answer["delimiter"]))


def _died(kind: Kind, status: int, errors: bytes) -> Refusal:
    """What a decoding process that ended by itself tells: memory, time, or a defect of the file that no check caught."""
    if b"MemoryError" in errors or b"Cannot allocate" in errors:
        return _too_large(kind)
    if status in (-24, -9):  # SIGXCPU; SIGKILL comes where the limit is hard
        return _took_too_long(kind)
    return _undecodable(kind)


def _too_large(kind: Kind) -> Refusal:
    return Refusal(
        f"{_PREFIX[kind]}_TOO_LARGE", "The file needs more memory than reading it is given.", "Send the part that is needed."
    )


def _took_too_long(kind: Kind) -> Refusal:
    return Refusal(f"{_PREFIX[kind]}_TIMEOUT", "Reading the file took too long and was stopped.", "Export it again and retry.")


def _undecodable(kind: Kind) -> Refusal:
    return Refusal(f"{_PREFIX[kind]}_DECODER", "The file stopped the program that reads it.", "Export it again from its source.")

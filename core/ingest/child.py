"""The process in which outside bytes are decoded: bytes on standard input, plain arrays on standard output.

It sets its own limits before it reads a byte, may write no file, and imports only what decoding needs. The answer is
one line of JSON, then one ``.npy`` block for each array that the line names.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import Refused
from core.ingest.cells import TABLE_NAME, parse_cells
from core.ingest.nifti import decode_nifti


def main(kind: str, memory_bytes: int, cpu_seconds: int) -> None:
    """Decodes standard input; the answer goes to standard output.

    Args:
        kind: ``nifti``, ``table`` or ``picture``.
        memory_bytes: address space that this process may use.
        cpu_seconds: processor time that this process may use.
    """
    _limit(resource.RLIMIT_AS, memory_bytes)
    _limit(resource.RLIMIT_CPU, cpu_seconds)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    try:
        data = sys.stdin.buffer.read()
        answer, arrays = _READERS[kind](data)
    except Refused as error:
        answer, arrays = {"refused": [error.code, error.message, error.do]}, {}
    except MemoryError:
        answer, arrays = {"refused": ["TOO_LARGE", "", ""]}, {}
    _send(answer, arrays)


def _limit(what: int, value: int) -> None:
    _, hard = resource.getrlimit(what)
    most = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(what, (most, most))


def _nifti(data: bytes) -> tuple[dict[str, Any], dict[str, NDArray[np.generic]]]:
    read = decode_nifti(data)
    return {"cautions": list(read.cautions)}, {"voxels": read.volume.voxels, "affine": read.volume.affine}


def _picture(data: bytes) -> tuple[dict[str, Any], dict[str, NDArray[np.generic]]]:
    from core.ingest.images import decode_picture  # Pillow is loaded for pictures only

    read = decode_picture(data)
    return {"cautions": list(read.cautions)}, {"picture": read.picture}


def _table(data: bytes) -> tuple[dict[str, Any], dict[str, NDArray[np.generic]]]:
    cells = parse_cells(data, TABLE_NAME)
    texts = [text.encode() for row in cells.rows for text in row]
    arrays: dict[str, NDArray[np.generic]] = {
        "lengths": np.array([len(text) for text in texts], np.int64),
        "text": np.frombuffer(b"".join(texts), np.uint8),
        "numbers": np.array(cells.numbers, np.int64),
    }
    return {"cautions": [], "columns": list(cells.columns), "delimiter": cells.delimiter}, arrays


_READERS = {"nifti": _nifti, "table": _table, "picture": _picture}


class _Pipe:
    """Standard output as a plain stream: numpy would ask a file for its position, which a pipe has not."""

    def write(self, block: bytes) -> int:
        return sys.stdout.buffer.write(block)


def _send(answer: dict[str, Any], arrays: Mapping[str, NDArray[np.generic]]) -> None:
    pipe = _Pipe()
    pipe.write(json.dumps({**answer, "arrays": list(arrays)}).encode() + b"\n")
    for array in arrays.values():
        np.lib.format.write_array(pipe, array, allow_pickle=False)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

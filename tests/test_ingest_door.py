"""The door: hostile bytes end in a refusal, within memory and time, whatever they do to the process that reads them."""

from __future__ import annotations

import gzip
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest

from core.contracts.volume import Volume
from core.ingest import Accepted, DoorLimits, Refusal, door, format_nifti, ingest
from tests.test_ingest_nifti import AFFINE, changed, scan


def zeros_behind(header: bytes, count: int) -> bytes:
    """A gzip file of that header and many zeros, made without holding them."""
    engine = zlib.compressobj(6, zlib.DEFLATED, 31)
    block = bytes(1 << 20)
    parts = [engine.compress(header)] + [engine.compress(block) for _ in range(count >> 20)]
    return b"".join([*parts, engine.compress(bytes(count & ((1 << 20) - 1))), engine.flush()])


def refusal(data: bytes, kind: door.Kind = "nifti", limits: DoorLimits | None = None) -> Refusal:
    answer = ingest(data, kind, limits)
    assert isinstance(answer, Refusal)
    assert answer.sentence and answer.do and "Traceback" not in answer.sentence
    return answer


def test_a_scan_comes_through_the_door_unchanged() -> None:
    given = scan(dtype="float32")
    answer = ingest(gzip.compress(format_nifti(given)), "nifti")
    assert isinstance(answer, Accepted) and answer.volume is not None
    assert np.array_equal(answer.volume.voxels, given.voxels) and len(answer.sha256) == 64


def test_a_table_comes_through_the_door_as_text() -> None:
    answer = ingest("id;größe\n007;1,5\n7;\n".encode(), "table")
    assert isinstance(answer, Accepted) and answer.cells is not None
    assert answer.cells.columns == ("id", "größe")
    assert answer.cells.rows == (("007", "1,5"), ("7", ""))
    assert answer.cells.numbers == (2, 3)


def test_cautions_come_through_the_door() -> None:
    answer = ingest(changed(format_nifti(scan()), dim=(4, 9, 8, 7, 1, 1, 1, 1)), "nifti")
    assert isinstance(answer, Accepted) and answer.cautions


@pytest.mark.parametrize(("data", "code"), [(b"", "IMG_TRUNCATED"), (b"not a scan" * 50, "IMG_FORMAT")])
def test_refusals_of_the_child_arrive_with_their_code(data: bytes, code: str) -> None:
    assert refusal(data).code == code


def test_f005_a_false_declaration_is_refused_within_little_memory() -> None:
    header = changed(format_nifti(scan(dtype="float64"))[:352], dim=(3, 1300, 1300, 1300, 1, 1, 1, 1))
    limits = DoorLimits(memory_bytes=300 << 20)
    assert refusal(header + bytes(25), limits=limits).code == "IMG_DECLARED_SIZE"


def test_f006_a_bomb_is_refused_from_its_header() -> None:
    header = changed(format_nifti(scan(dtype="uint8"))[:352], dim=(3, 1024, 1024, 1024, 1, 1, 1, 1))
    start = time.monotonic()
    # A header that may be true is told apart from one that cannot be by the tightest that deflate packs.
    assert refusal(header + zlib.compress(bytes(100))).code == "IMG_DECLARED_SIZE"
    assert refusal(gzip.compress(header) + bytes(1_100_000), limits=DoorLimits(memory_bytes=300 << 20)).code == "IMG_TOO_LARGE"
    assert time.monotonic() - start < 10


def test_f007_zeros_without_end_are_refused_within_little_memory() -> None:
    data = zeros_behind(format_nifti(scan()), 256 << 20)
    assert refusal(data, limits=DoorLimits(memory_bytes=300 << 20)).code == "IMG_TRAILING"


def test_a_scan_that_needs_more_memory_than_allowed_is_refused() -> None:
    header = changed(format_nifti(scan(dtype="float64"))[:352], dim=(3, 600, 600, 600, 1, 1, 1, 1))
    data = gzip.compress(header + bytes(1 << 20))
    assert refusal(data, limits=DoorLimits(memory_bytes=400 << 20)).code == "IMG_TOO_LARGE"


def test_a_file_above_the_cap_starts_no_process() -> None:
    assert refusal(bytes(100), limits=DoorLimits(file_bytes=99)).code == "IMG_TOO_LARGE"
    assert refusal(bytes(100), "table", DoorLimits(file_bytes=99)).code == "TAB_TOO_LARGE"


def test_f177_a_decoder_that_hangs_is_stopped() -> None:
    assert refusal(format_nifti(scan()), limits=DoorLimits(wall_seconds=0.01)).code == "IMG_TIMEOUT"


def test_f033_a_decoder_that_dies_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    killed = subprocess.CompletedProcess([], -11, b"", b"")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: killed)
    assert refusal(b"x").code == "IMG_DECODER"


@pytest.mark.parametrize("reply", [b"", b"{}\n", b'{"cautions": [], "arrays": ["voxels"]}\n\x80\x04pickle', b"[]\n"])
def test_f121_an_answer_that_is_not_plain_arrays_is_never_loaded(monkeypatch: pytest.MonkeyPatch, reply: bytes) -> None:
    done = subprocess.CompletedProcess([], 0, reply, b"")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    assert refusal(b"x").code == "IMG_DECODER"


def test_the_child_lives_under_its_limits_and_imports_no_table_library() -> None:
    code = (
        "import resource, sys, io\n"
        "sys.stdin = io.TextIOWrapper(io.BytesIO(b'a,b\\n1,2\\n'))\n"
        "from core.ingest import child\n"
        f"child.main('table', {1 << 30}, 7)\n"
        "limits = [resource.getrlimit(w)[0] for w in (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE,"
        " resource.RLIMIT_CORE)]\n"
        "heavy = {'pandas', 'pyarrow', 'scipy', 'torch', 'nibabel'} & set(sys.modules)\n"
        "print(limits, heavy, file=sys.stderr)\n"
    )
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == f"[{1 << 30}, 7, 0, 0] set()"


def test_the_child_sees_nothing_of_the_servers_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSIGHT_SECRET", "never passed on")
    assert "OPSIGHT_SECRET" not in door._environment()


def test_a_volume_of_every_size_fits_the_pipe() -> None:
    volume = Volume(np.arange(60 * 60 * 60, dtype=np.int32).reshape(60, 60, 60), AFFINE)
    answer = ingest(format_nifti(volume), "nifti")
    assert isinstance(answer, Accepted) and answer.volume is not None
    assert np.array_equal(answer.volume.voxels, volume.voxels)

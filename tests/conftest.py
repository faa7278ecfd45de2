"""What all tests share: a home of their own, and where real data are found."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

ROOT = Path(__file__).parents[1]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty installation: runs, published studies and bundles of this test alone."""
    monkeypatch.setenv("OPSIGHT_HOME", str(tmp_path))
    return tmp_path


def real_data(folder: str) -> Path:
    """The folder of a real data set, or a skip that says where it was looked for."""
    parent = Path(os.environ.get("OPSIGHT_DATA") or ROOT.parent / "shared" / "data")
    if not (parent / folder).is_dir():
        pytest.skip(f"real data {folder!r} not found; set OPSIGHT_DATA to the parent folder of the data sets")
    return parent / folder

"""What all tests share: a home of their own, and where real data are found."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def main_module() -> Iterator[None]:
    """Streamlit's AppTest leaves its script behind as ``__main__``, which every process started later would run again."""
    kept = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = kept


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

"""Where things lie: data, runs, published studies, bundles."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from core.errors import DataError

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Places:
    """Folders of this installation; ``home`` is the repository unless ``$OPSIGHT_HOME`` names another."""

    home: Path

    @property
    def published(self) -> Path:
        """Published studies: no row of a patient; in git."""
        return self.home / "data" / "studies"

    @property
    def runs(self) -> Path:
        """Full stores, a row per case; never in git."""
        return self.home / "data" / "runs"

    @property
    def cohorts(self) -> Path:
        """Simulated cohorts and derived files; never in git."""
        return self.home / "data" / "cohorts"

    @property
    def raw(self) -> Path:
        """Where data sets are looked for when neither ``--data`` nor ``$OPSIGHT_DATA`` is given."""
        return self.home / "data" / "raw"

    @property
    def records(self) -> Path:
        """The database of what people enter; never in git."""
        return self.home / "data" / "records" / "records.sqlite"

    @property
    def models(self) -> Path:
        """Model bundles: ``<name>/<version>/``."""
        return self.home / "models"


def places() -> Places:
    """The folders in use now."""
    return Places(Path(os.environ.get("OPSIGHT_HOME", ROOT)).resolve())


def data_parent(given: Path | None = None) -> Path:
    """The parent folder that holds data sets by name: ``given``, else ``$OPSIGHT_DATA``, else ``data/raw``."""
    if given is not None:
        return given
    return Path(os.environ["OPSIGHT_DATA"]) if os.environ.get("OPSIGHT_DATA") else places().raw


def dataset_root(folder: str, given: Path | None = None) -> Path:
    """The folder of one data set.

    Raises:
        DataError: it is not there; the message says where it was looked for.
    """
    parent = data_parent(given)
    for candidate in (parent / folder, parent):
        if candidate.name == folder and candidate.is_dir():
            return candidate
    raise DataError(
        f"The data set folder {folder!r} was not found in {parent}.",
        do="Name its parent folder with --data or $OPSIGHT_DATA, or fetch it with: python -m core data get",
        code="DATA_MISSING",
    )

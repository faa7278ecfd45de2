"""The store of a run: one immutable part per job, a row per case."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from core.errors import CorruptError, RunLocked, StoreError
from core.storage.atomic import atomic_write, sha256_of, sweep_temporaries, verify_checksum
from core.storage.files import read_json, read_table, write_json, write_table

PREDICTION_COLUMNS: tuple[str, ...] = (
    "case_id",
    "patient_id",
    "outcome",
    "model",
    "base_model",
    "inputs",
    "split",
    "repeat",
    "fold",
    "y",
    "risk",
    "days",
    "event",
    "by_day",
)
"""Columns of the predictions table. Binary outcomes fill ``y`` and ``risk``; times fill ``days``, ``event`` and ``by_day``
(a list with the chance that the event has come by day 0, 1, … LAST_DAY). ``split`` is ``internal``, ``release`` or
``external:…``; ``repeat`` and ``fold`` are 0 outside ``internal``."""


MASK_COLUMNS: tuple[str, ...] = (
    "case_id",
    "patient_id",
    "region",
    "model",
    "base_model",
    "split",
    "repeat",
    "fold",
    "condition",
    "tp",
    "fp",
    "fn",
    "tn",
    "border_reference",
    "border_predicted",
    "border_reference_near",
    "border_predicted_near",
    "hd95",
    "hd",
    "assd",
    "lesions",
    "lesions_found",
    "lesions_predicted",
    "lesions_false",
)
"""Columns of the masks table: one row a case, region and condition. ``tp`` to ``tn`` count pixels (voxels); ``border_…`` border
pixels, ``…_near`` those within the tolerance of the other border; distances in the data set's unit, NaN where a mask is empty;
``lesions…`` connected parts of the reference, those touched, parts of the prediction, those that touch none. ``condition`` is
``clean``, or a planted fault and its severity ("noise:3"). ``repeat`` counts seeds."""


@dataclass(frozen=True)
class PartInfo:
    """What is known of one finished job."""

    key: str
    rows: int
    seconds: float
    peak_mb: float
    job: dict[str, Any]


class RunStore:
    """One run's folder: ``run.json``, ``parts/<key>.parquet`` with ``<key>.json`` beside it, ``summary/``.

    A part exists when its JSON does (it is written last and holds the part's checksum), so a job killed at any moment
    is either whole or absent.
    """

    def __init__(self, folder: Path, columns: tuple[str, ...] = PREDICTION_COLUMNS) -> None:
        self.folder = folder
        self.columns = columns
        self.parts = folder / "parts"

    @property
    def summary_folder(self) -> Path:
        return self.folder / "summary"

    @staticmethod
    def create(folder: Path, manifest: dict[str, Any], columns: tuple[str, ...] = PREDICTION_COLUMNS) -> RunStore:
        """The store in ``folder``, made if it is not there; a part's rows have those columns.

        Raises:
            StoreError: the folder holds another run.
        """
        store = RunStore(folder, columns)
        if (folder / "run.json").exists():
            if store.manifest()["run_id"] != manifest["run_id"]:
                raise StoreError(
                    f"{folder} holds run {store.manifest()['run_id']}.", do="A run is never overwritten; choose another folder."
                )
            return store
        write_json(folder / "run.json", manifest)
        return store

    @property
    def _finished(self) -> list[Path]:
        """The JSON of every finished part; left-over temporary files begin with a dot."""
        return sorted(path for path in self.parts.glob("*.json") if not path.name.startswith("."))

    def manifest(self) -> dict[str, Any]:
        """What was written when the run was created: recipe, data fingerprint, provenance."""
        plain: dict[str, Any] = read_json(self.folder / "run.json")
        return plain

    def has(self, key: str) -> bool:
        """Whether that job is done."""
        return (self.parts / f"{key}.json").exists()

    def add(
        self,
        key: str,
        rows: pd.DataFrame,
        *,
        job: dict[str, Any],
        seconds: float,
        peak_mb: float,
        extras: Mapping[str, bytes] | None = None,
    ) -> None:
        """Keeps the rows of one finished job; a job that is already there is left as it is.

        Args:
            extras: further files of the part by the end of their name ("masks.npz").
        """
        if self.has(key):
            return
        missing = [column for column in self.columns if column not in rows]
        if missing:
            raise StoreError(f"A part lacks the column {missing[0]!r}.", do=f"Write: {', '.join(self.columns)}.")
        path = self.parts / f"{key}.parquet"
        write_table(path, rows[list(self.columns)])
        beside = {name: atomic_write(self.parts / f"{key}.{name}", data) for name, data in (extras or {}).items()}
        facts = {"rows": len(rows), "seconds": seconds, "peak_mb": peak_mb, "job": job, "extras": beside}
        write_json(self.parts / f"{key}.json", {"key": key, "sha256": sha256_of(path), **facts})

    def take_over(self, key: str, other: RunStore) -> bool:
        """Whether the other store holds that part unharmed; it is then copied here."""
        facts = other.parts / f"{key}.json"
        if not facts.exists():
            return False
        plain = read_json(facts)
        hashes = {"parquet": plain["sha256"], **plain.get("extras", {})}
        try:
            for name, checksum in hashes.items():
                verify_checksum(other.parts / f"{key}.{name}", checksum)
        except CorruptError:
            return False
        for name in hashes:
            atomic_write(self.parts / f"{key}.{name}", (other.parts / f"{key}.{name}").read_bytes())
        write_json(self.parts / f"{key}.json", plain)
        return True

    def extra(self, key: str, name: str) -> Path:
        """A further file of a part, its checksum verified.

        Raises:
            CorruptError: missing or changed.
        """
        path = self.parts / f"{key}.{name}"
        verify_checksum(path, read_json(self.parts / f"{key}.json").get("extras", {}).get(name, ""))
        return path

    def infos(self) -> tuple[PartInfo, ...]:
        """All finished jobs."""
        found = []
        for path in self._finished:
            plain = read_json(path)
            found.append(PartInfo(plain["key"], plain["rows"], plain["seconds"], plain["peak_mb"], plain["job"]))
        return tuple(found)

    def drop_corrupt(self) -> tuple[str, ...]:
        """Keys of parts whose bytes are not what was written; they are removed, so that their jobs run again."""
        dropped = []
        for path in self._finished:
            try:
                verify_checksum(path.with_suffix(".parquet"), read_json(path)["sha256"])
            except CorruptError:
                path.unlink()
                path.with_suffix(".parquet").unlink(missing_ok=True)
                dropped.append(path.stem)
        return tuple(dropped)

    def predictions(self, keys: list[str] | None = None) -> pd.DataFrame:
        """All rows of all parts (or of those keys), each part's checksum verified.

        Raises:
            CorruptError: a part is missing or changed.
        """
        names = keys if keys is not None else [path.stem for path in self._finished]
        frames = []
        for key in names:
            path = self.parts / f"{key}.parquet"
            verify_checksum(path, read_json(self.parts / f"{key}.json")["sha256"])
            frames.append(read_table(path))
        if not frames:
            return pd.DataFrame(columns=list(self.columns))
        return pd.concat(frames, ignore_index=True)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Holds the run for this process; the kernel lets go when the process ends, however it ends.

        Raises:
            RunLocked: another process holds it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise RunLocked(
                    f"Another process is working on {self.folder.name}.", do="Wait for it, or stop it first."
                ) from error
            sweep_temporaries(self.folder)
            yield

"""Making a phantom cohort on disk: the same bytes from the same settings, however many processes work and however often
they were stopped.

``parts/<first case>.json`` is written when the pictures of a few cases are whole, ``cohort.json`` when everything is.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from core.contracts.volume import CaseImage, Volume
from core.datasets._phantom_patients import draw_inside, draw_person, recorded, streams
from core.datasets._phantom_risk import draw_outcomes, true_parts, true_risks
from core.datasets._phantom_scan import LABELS, TUMOUR, VESSEL, Look, take_scan
from core.datasets._phantom_sites import site_named
from core.errors import CorruptError, Refused, RunLocked
from core.imaging.anatomy import ANATOMY_VERSION, measure
from core.ingest.nifti import read_nifti, write_nifti
from core.storage.atomic import sha256_of
from core.storage.files import read_json, read_table, write_json, write_table
from core.storage.results import RunStore

VERSION = 1
"""Rises whenever the same settings would give other patients or other pictures."""
CHUNK = 8
SMALL = 40
"""Up to so many patients are made in this process: starting others takes longer."""
MOST_WORKERS = 8
WAIT_S = 0.5
TABLES = ("record.parquet", "outcomes.parquet", "truth.parquet")

Progress: TypeAlias = Callable[[str, float], None]


@dataclass(frozen=True)
class PhantomSettings:
    """What decides every byte of a cohort."""

    patients: int = 800
    seed: int = 20261123
    shortcut: bool = False
    shape: tuple[int, int, int] = (96, 72, 44)

    @property
    def key(self) -> str:
        """Twelve hex digits that name the cohort's folder."""
        stamp = json.dumps([VERSION, ANATOMY_VERSION, asdict(self)], sort_keys=True)
        return hashlib.sha256(stamp.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class PhantomTables:
    """Everything about the patients but their pictures; indexed by case id."""

    record: pd.DataFrame
    outcomes: pd.DataFrame
    truth: pd.DataFrame


@dataclass(frozen=True)
class Generated:
    """A whole cohort on disk."""

    folder: Path
    tables: PhantomTables
    fingerprint: str


def simulate(settings: PhantomSettings) -> PhantomTables:
    """The patients, their record without anatomy, what happened to them, and the truth; no pictures."""
    rows, written, draws = [], [], []
    for number in range(settings.patients):
        chance = streams(settings.seed, number)
        person = draw_person(number, chance.person)
        inside = draw_inside(person, chance.body)
        rows.append(
            {
                **asdict(person),
                "tumour_to_vessel_mm": round(inside.tumour_to_vessel_mm, 4),
                "tumour_inside_share": round(inside.tumour_inside_share, 6),
                "tumour_to_sinus_mm": round(inside.tumour_to_sinus_mm, 4),
            }
        )
        known = {"case_id": person.case_id, "patient_id": f"P{number:05d}", "site": person.site}
        written.append({**known, **recorded(person, inside, chance.record)})
        draws.append([*chance.outcome.normal(size=4), chance.outcome.random()])
    return _tables(pd.DataFrame(rows), pd.DataFrame(written), np.array(draws), settings)


def _tables(facts: pd.DataFrame, written: pd.DataFrame, draws: NDArray[np.float64], settings: PhantomSettings) -> PhantomTables:
    facts, record = facts.set_index("case_id"), written.set_index("case_id")
    for name in ("comorbidity_index", "diabetes", "anticoagulation", "haemoglobin", "egfr", "albumin", "bmi", "tumour_size_mm"):
        record[name] = record[name].astype(float)
    parts = true_parts(facts)
    outcomes = draw_outcomes(parts, record["egfr"], draws[:, :4])
    shares = np.array([site_named(name).marker_share for name in facts["site"]])
    share = np.where(outcomes["complication"].to_numpy() == 1, shares[:, 1], shares[:, 0])
    facts["marker"] = (draws[:, 4] < share) & settings.shortcut
    return PhantomTables(record, outcomes, pd.concat([facts, parts, true_risks(parts)], axis=1))


def picture(settings: PhantomSettings, number: int, marker: bool) -> CaseImage:
    """Scan and mask of one patient."""
    chance = streams(settings.seed, number)
    person = draw_person(number, chance.person)
    look = Look(site_named(person.site).scanner, settings.shape, marker)
    return take_scan(person.case_id, draw_inside(person, chance.body), look, chance.scan)


def tumour_to_vessel_mm(mask: Volume) -> float:
    """Gap in mm between the nearest voxels of tumour and vessel, one voxel edge taken off, so that touching is 0.

    Undefined: NaN where the mask holds no tumour or no vessel.
    """
    edges = np.array(mask.spacing_mm)
    tumour, vessel = (np.argwhere(mask.voxels == value) * edges for value in (TUMOUR, VESSEL))
    if not len(tumour) or not len(vessel):
        return float("nan")
    nearest = float(cKDTree(vessel).query(tumour)[0].min())
    return round(max(0.0, nearest - float(edges.min())), 3)


def measured(mask: Volume) -> dict[str, Any]:
    """The anatomy columns of one case, from its reference mask."""
    row: dict[str, Any] = dict(measure(mask, organ="kidney", lesion="tumour", cyst="cyst").to_row())
    row = {name: round(value, 6) if isinstance(value, float) else value for name, value in row.items()}
    return {**row, "tumour_to_vessel_mm": tumour_to_vessel_mm(mask)}


@dataclass(frozen=True)
class Chunk:
    """Some cases, made together by one process."""

    folder: Path
    settings: PhantomSettings
    numbers: tuple[int, ...]
    markers: tuple[bool, ...]

    @property
    def part(self) -> Path:
        return self.folder / "parts" / f"{self.numbers[0]:05d}.json"


def scan_name(case_id: str) -> str:
    """Where a case's scan lies, below the cohort's folder."""
    return f"volumes/{case_id}_scan.nii.gz"


def mask_name(case_id: str) -> str:
    """Where a case's mask lies, below the cohort's folder."""
    return f"volumes/{case_id}_mask.nii.gz"


def make_chunk(chunk: Chunk) -> int:
    """How many cases were written: their volumes, and last the part that vouches for them."""
    cases = [_make_case(chunk, number, marker) for number, marker in zip(chunk.numbers, chunk.markers, strict=True)]
    write_json(chunk.part, cases)
    return len(cases)


def _make_case(chunk: Chunk, number: int, marker: bool) -> dict[str, Any]:
    image = picture(chunk.settings, number, marker)
    if image.scan is None or image.mask is None:
        raise Refused(f"Case {image.case_id} was drawn without a picture.", do="Report this as a fault.")
    names = {scan_name(image.case_id): image.scan, mask_name(image.case_id): image.mask}
    files = {name: _entry(chunk.folder, name, write_nifti(chunk.folder / name, volume)) for name, volume in names.items()}
    return {"case_id": image.case_id, "files": files, "anatomy": measured(image.mask)}


def _entry(folder: Path, name: str, checksum: str) -> dict[str, Any]:
    return {"sha256": checksum, "bytes": (folder / name).stat().st_size}


def generate(settings: PhantomSettings, cache: Path, progress: Progress | None = None, workers: int | None = None) -> Generated:
    """The cohort in ``cache``: found where it is whole, gone on with where it is not.

    Args:
        progress: called with a phrase and a share done (0 to 1).
        workers: processes; None: as many as this machine lends, at most ``MOST_WORKERS``. The bytes do not depend on it.

    Raises:
        DiskFull: no room; what is whole stays.
    """
    folder = cache / f"phantom-{settings.key}"
    found = _whole(folder)
    if found is not None:
        return found
    say = progress or _silent
    with _alone(folder):
        # Another process may have made it while this one waited.
        made = _whole(folder) or _make(folder, settings, workers, say)
    say("simulated patients are ready", 1.0)
    return made


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Holds the folder; waits while another process makes the same cohort."""
    with ExitStack() as held:
        while not _entered(held, folder):
            time.sleep(WAIT_S)
        yield


def _entered(held: ExitStack, folder: Path) -> bool:
    try:
        held.enter_context(RunStore(folder).lock())
    except RunLocked:
        return False
    return True


def _make(folder: Path, settings: PhantomSettings, workers: int | None, say: Progress) -> Generated:
    tables = simulate(settings)
    _make_pictures(_chunks(folder, settings, tables), workers, say)
    return _finish(folder, settings, tables)


def _silent(phrase: str, share: float) -> None:
    """For callers who do not watch."""


def _whole(folder: Path) -> Generated | None:
    """The cohort, if its last file is there and all it lists is as it was written (pictures: by size)."""
    try:
        manifest = read_json(folder / "cohort.json")
        sound = all(sha256_of(folder / name) == manifest["tables"][name] for name in TABLES)
        sizes = all((folder / name).stat().st_size == entry["bytes"] for name, entry in manifest["volumes"].items())
    except (CorruptError, OSError, KeyError, TypeError):
        return None
    if not sound or not sizes:
        return None
    tables = [read_table(folder / name).set_index("case_id") for name in TABLES]
    return Generated(folder, PhantomTables(*tables), str(manifest["fingerprint"]))


def _chunks(folder: Path, settings: PhantomSettings, tables: PhantomTables) -> tuple[Chunk, ...]:
    markers = [bool(value) for value in tables.truth["marker"]]
    starts = range(0, settings.patients, CHUNK)
    numbers = [tuple(range(start, min(start + CHUNK, settings.patients))) for start in starts]
    return tuple(Chunk(folder, settings, some, tuple(markers[n] for n in some)) for some in numbers)


def _is_done(chunk: Chunk) -> bool:
    """Whether the chunk's part is there and every file it vouches for has its bytes."""
    try:
        cases = read_json(chunk.part)
        files = [(chunk.folder / name, entry) for case in cases for name, entry in case["files"].items()]
        return all(path.stat().st_size == entry["bytes"] and sha256_of(path) == entry["sha256"] for path, entry in files)
    except (CorruptError, OSError, KeyError, TypeError):
        return False


def _make_pictures(chunks: tuple[Chunk, ...], workers: int | None, say: Progress) -> None:
    todo = [chunk for chunk in chunks if not _is_done(chunk)]
    total = sum(len(chunk.numbers) for chunk in chunks)
    done = total - sum(len(chunk.numbers) for chunk in todo)
    for count in _results(todo, _workers(workers, total - done)):
        done += count
        say("simulating patients", 0.98 * done / total)


def _workers(asked: int | None, patients: int) -> int:
    if asked is not None:
        return max(1, asked)
    # A worker of another pool may start no processes of its own.
    if patients <= SMALL or multiprocessing.current_process().daemon:
        return 1
    return min(MOST_WORKERS, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def _results(todo: list[Chunk], workers: int) -> Iterator[int]:
    if workers == 1 or len(todo) < 2:
        yield from map(make_chunk, todo)
        return
    # Spawned, not forked: a parent with threads (a web page, torch) must not be copied. Nothing drawn here uses more than
    # one thread of its own, so processes do not crowd each other.
    with ProcessPoolExecutor(min(workers, len(todo)), mp_context=multiprocessing.get_context("spawn")) as pool:
        for future in as_completed([pool.submit(make_chunk, chunk) for chunk in todo]):
            yield future.result()


def _finish(folder: Path, settings: PhantomSettings, tables: PhantomTables) -> Generated:
    """Tables and, last of all, ``cohort.json``."""
    cases = [case for path in sorted((folder / "parts").glob("*.json")) for case in read_json(path)]
    anatomy = _anatomy_table(cases)
    whole = PhantomTables(tables.record.join(anatomy), tables.outcomes, tables.truth)
    for name, table in zip(TABLES, (whole.record, whole.outcomes, whole.truth), strict=True):
        write_table(folder / name, table.reset_index())
    volumes = {name: entry for case in cases for name, entry in case["files"].items()}
    manifest = {
        "simulated": True,
        "version": VERSION,
        "settings": asdict(settings),
        "labels": {str(value): label for value, label in LABELS.items()},
        "fingerprint": _fingerprint(settings, whole, volumes),
        "tables": {name: sha256_of(folder / name) for name in TABLES},
        "volumes": volumes,
    }
    write_json(folder / "cohort.json", manifest)
    return Generated(folder, whole, str(manifest["fingerprint"]))


def _anatomy_table(cases: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame([{"case_id": case["case_id"], **case["anatomy"]} for case in cases]).set_index("case_id")
    numbers = [name for name in table.columns if name != "tumour_side"]
    table[numbers] = table[numbers].astype(float)
    return table


def _fingerprint(settings: PhantomSettings, tables: PhantomTables, volumes: Mapping[str, Mapping[str, Any]]) -> str:
    """Over what a model may read: settings, record, outcomes, pictures. The truth follows from the settings."""
    digest = hashlib.sha256(json.dumps([VERSION, asdict(settings)], sort_keys=True).encode())
    for table in (tables.record, tables.outcomes):
        digest.update(repr(table.round(6).to_dict("split")).encode())
    for name in sorted(volumes):
        digest.update(f"{name} {volumes[name]['sha256']}\n".encode())
    return digest.hexdigest()


def read_case(folder: Path, case_id: str) -> CaseImage:
    """Scan and mask of one case of a cohort on disk.

    Raises:
        Refused: a file is missing or damaged.
    """
    scan = read_nifti(folder / scan_name(case_id))
    mask = read_nifti(folder / mask_name(case_id), as_labels=True)
    return CaseImage(case_id, scan, Volume(mask.voxels, mask.affine, LABELS))

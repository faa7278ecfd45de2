"""Writes are whole or absent, and what was written is what is read."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.errors import CorruptError, DataError, DiskFull, RunLocked, StoreError, UnknownNameError
from core.storage.atomic import TEMPORARY_PREFIX, atomic_path, atomic_write, sweep_temporaries
from core.storage.files import read_json, read_table, write_json, write_table
from core.storage.locations import dataset_root
from core.storage.results import PREDICTION_COLUMNS, RunStore
from core.storage.summaries import StudySummary, find_study, list_studies, read_summary, write_summary


def rows(n: int = 3) -> pd.DataFrame:
    frame = pd.DataFrame({column: [None] * n for column in PREDICTION_COLUMNS})
    frame["case_id"] = [f"c{i}" for i in range(n)]
    frame["risk"] = np.linspace(0.1, 0.9, n)
    frame["by_day"] = pd.Series([np.linspace(0, 1, 4)] * n, dtype=object)
    return frame


def store(folder: Path) -> RunStore:
    return RunStore.create(folder, {"run_id": "r1"})


def test_a_failed_write_leaves_the_old_file_and_no_temporary(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    atomic_write(target, b"old")
    with pytest.raises(RuntimeError, match="power"), atomic_path(target) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError("power")
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_f147_a_full_disk_is_named_and_the_old_file_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.json"
    atomic_write(target, b"old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull, match="No room to write .*a.json") as caught:
        atomic_write(target, b"new")
    assert caught.value.exit_code == 4
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_f136_a_writer_killed_at_random_moments_leaves_the_previous_or_the_new_file(tmp_path: Path) -> None:
    target = tmp_path / "weights.bin"
    code = (
        "import sys; from pathlib import Path; from core.storage.atomic import atomic_write\n"
        "n = 0\n"
        "while True:\n"
        "    n += 1; atomic_write(Path(sys.argv[1]), bytes([n % 251]) * 3_000_000)\n"
    )
    rng = random.Random(1)
    for _ in range(12):
        process = subprocess.Popen([sys.executable, "-c", code, str(target)])
        time.sleep(0.25 + rng.random() * 0.3)
        process.send_signal(signal.SIGKILL)
        process.wait()
        if target.exists():
            data = target.read_bytes()
            assert len(data) == 3_000_000
            assert len(set(data)) == 1
    assert target.exists()
    sweep_temporaries(tmp_path)
    assert not list(tmp_path.glob(f"{TEMPORARY_PREFIX}*"))


def test_f153_one_flipped_bit_in_a_part_is_always_found(tmp_path: Path) -> None:
    held = store(tmp_path / "run")
    held.add("k1", rows(40), job={}, seconds=1.0, peak_mb=1.0)
    part = held.parts / "k1.parquet"
    good = part.read_bytes()
    rng = random.Random(0)
    for _ in range(200):
        data = bytearray(good)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        part.write_bytes(bytes(data))
        with pytest.raises(CorruptError, match="does not match its checksum"):
            held.predictions()
    part.write_bytes(good)
    assert len(held.predictions()) == 40


def test_a_truncated_table_is_refused_without_its_checksum_file_too(tmp_path: Path) -> None:
    write_table(tmp_path / "t.parquet", rows())
    data = (tmp_path / "t.parquet").read_bytes()
    (tmp_path / "t.parquet").write_bytes(data[: len(data) // 2])
    with pytest.raises(CorruptError, match="cannot be read"):
        read_table(tmp_path / "t.parquet")


def test_a_corrupt_part_is_dropped_so_that_only_its_job_runs_again(tmp_path: Path) -> None:
    held = store(tmp_path / "run")
    for key in ("k1", "k2"):
        held.add(key, rows(), job={}, seconds=1.0, peak_mb=1.0)
    (held.parts / "k1.parquet").write_bytes(b"broken")
    assert held.drop_corrupt() == ("k1",)
    assert not held.has("k1")
    assert held.has("k2")


def test_a_part_without_its_json_does_not_exist(tmp_path: Path) -> None:
    held = store(tmp_path / "run")
    write_table(held.parts / "k1.parquet", rows())
    assert not held.has("k1")
    assert held.predictions().empty


def test_a_run_is_never_overwritten(tmp_path: Path) -> None:
    store(tmp_path / "run")
    with pytest.raises(StoreError, match="holds run r1"):
        RunStore.create(tmp_path / "run", {"run_id": "r2"})


def test_a_part_that_lacks_a_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="'risk'"):
        store(tmp_path / "run").add("k", rows().drop(columns="risk"), job={}, seconds=0, peak_mb=0)


def test_f145_of_two_processes_one_works_on_a_run_and_a_killed_one_lets_go(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from core.storage.results import RunStore\n"
        "with RunStore(Path(sys.argv[1])).lock():\n    sys.stdout.write('held\\n'); sys.stdout.flush(); time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(RunLocked, match="Another process"), RunStore(tmp_path).lock():
        pass
    process.kill()
    process.wait()
    process.stdout.close()
    with RunStore(tmp_path).lock():
        assert (tmp_path / ".lock").exists()


def test_numbers_that_are_not_finite_become_null_in_json(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"x": float("nan"), "y": np.float64(1.5), "z": [np.int64(2), float("inf")]})
    assert read_json(tmp_path / "a.json") == {"x": None, "y": 1.5, "z": [2, None]}


def test_a_summary_is_read_as_written_and_refused_when_changed(tmp_path: Path) -> None:
    scores = pd.DataFrame(
        [["d", "o", "m", "internal", "all", "auroc", 0.7, 0.6, 0.8, 100, None, 0]],
        columns=[
            "dataset",
            "outcome",
            "model",
            "split",
            "group",
            "metric",
            "value",
            "low",
            "high",
            "n",
            "n_events",
            "n_undefined",
        ],
    )
    write_summary(tmp_path, StudySummary({"name": "s"}, {"scores": scores}))
    back = read_summary(tmp_path)
    assert back.table("scores", metric="auroc")["value"].tolist() == [0.7]
    assert back.tables["curves"].empty
    (tmp_path / "study.json").write_text('{"name": "forged"}')
    with pytest.raises(CorruptError):
        read_summary(tmp_path)


def test_a_study_run_here_stands_beside_the_published_one_of_the_same_name(home: Path) -> None:
    summary = StudySummary({"name": "s"}, {})
    write_summary(home / "data" / "studies" / "s", summary)
    assert [place.name for place in list_studies()] == ["s"]
    write_summary(home / "data" / "runs" / "s" / "r1" / "summary", summary)
    assert [place.name for place in list_studies()] == ["s", "s:published"]
    assert not find_study("s").published
    assert find_study("s").run == home / "data" / "runs" / "s" / "r1"
    assert find_study("s:published").published
    with pytest.raises(UnknownNameError, match="no study named 'q'"):
        find_study("q")


def test_a_data_folder_that_is_not_there_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"'kits23' was not found in {tmp_path}"):
        dataset_root("kits23", tmp_path)
    (tmp_path / "kits23").mkdir()
    assert dataset_root("kits23", tmp_path) == tmp_path / "kits23"
    assert dataset_root("kits23", tmp_path / "kits23") == tmp_path / "kits23"

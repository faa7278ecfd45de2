"""Observed outcomes: kept by two processes at once, corrected without loss, refused where they name a person."""

from __future__ import annotations

import multiprocessing
import sqlite3
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.errors import DataError, InputError, StoreError
from core.records.database import VARIABLE, database_url
from core.records.observed import Observed, current, history, keep

DIGEST = "a" * 64


def case(name: str = "A-1", **changes: Any) -> Observed:
    given = {"bundle": "b", "version": 1, "digest": DIGEST, "case": name, "operated": date(2026, 3, 4), "risk": 0.2, "y": 0}
    return Observed(**{**given, **changes})


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPSIGHT_HOME", str(tmp_path))
    monkeypatch.delenv(VARIABLE, raising=False)
    return tmp_path / "data" / "records" / "records.sqlite"


def test_what_is_kept_is_read_again_with_its_time_and_source(records: Path) -> None:
    assert keep([case(), case("A-2", y=1, operated=date(2026, 1, 2), source="file own.csv")]) == 2
    table = current(DIGEST)
    assert list(table["case"]) == ["A-2", "A-1"] and list(table["y"]) == [1, 0]
    assert table["source"].tolist() == ["file own.csv", "form"] and table["entered"].notna().all()
    assert current("b" * 64).empty
    assert records.is_file()


def test_a_correction_counts_and_what_it_corrects_is_still_told(records: Path) -> None:
    keep([case(y=0)])
    keep([case(y=1)])
    assert current(DIGEST)["y"].tolist() == [1]
    assert history(DIGEST)["y"].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"case": "Mary Smith"}, "no patient's name"), ({"case": ""}, "no patient's name"), ({"case": "x" * 41}, "1 to 40"),
        ({"operated": date.today() + timedelta(days=1)}, "still to come"), ({"risk": 1.2}, "1.2"), ({"y": 2}, "of 2"),
        ({"risk": float("nan")}, "nan"),
    ],
)  # fmt: skip
def test_what_is_no_case_is_refused_in_words(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        case(**changes)


def _write(folder: str, at: int) -> None:
    import os

    os.environ["OPSIGHT_HOME"] = folder
    for number in range(20):
        keep([case(f"{at}-{number}")])


def test_processes_that_write_at_once_lose_nothing(records: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(str(tmp_path), at)) for at in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert len(current(DIGEST)) == 60
    with sqlite3.connect(records) as opened:
        assert opened.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_one_row_that_cannot_be_written_leaves_none_of_them(records: Path) -> None:
    keep([case()])
    broken = case("A-2")
    object.__setattr__(broken, "risk", None)
    with pytest.raises(StoreError, match="could not be used"):
        keep([case("A-3"), broken])
    assert current(DIGEST)["case"].tolist() == ["A-1"]


def test_a_file_that_is_no_database_is_told_and_left_as_it_is(records: Path) -> None:
    records.parent.mkdir(parents=True)
    records.write_text("not a database, but long enough to be taken for one by its name alone" * 20)
    before = records.read_bytes()
    with pytest.raises(StoreError, match="could not be used"):
        keep([case()])
    assert records.read_bytes() == before


def test_a_database_of_a_later_version_is_left_alone(records: Path) -> None:
    keep([case()])
    with sqlite3.connect(records) as opened:
        opened.execute("UPDATE schema_version SET version = 99")
    from core.records import database

    database._engine.cache_clear()
    with pytest.raises(StoreError, match="version 99"):
        keep([case("A-2")])


def test_another_database_can_be_named_and_nonsense_is_refused(
    records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, f"sqlite:///{tmp_path / 'elsewhere.sqlite'}")
    keep([case()])
    assert (tmp_path / "elsewhere.sqlite").is_file() and not records.exists()
    assert database_url().endswith("elsewhere.sqlite")
    monkeypatch.setenv(VARIABLE, "nonsense")
    with pytest.raises(InputError, match="no address"):
        keep([case()])
    monkeypatch.setenv(VARIABLE, f"sqlite:///{tmp_path / 'no' / 'such' / 'folder.sqlite'}")
    with pytest.raises(StoreError, match="could not be used"):
        keep([case()])

"""The one database of what people enter: SQLite with a write-ahead log on this machine, or what ``$OPSIGHT_DATABASE`` names.

Rows are added and never changed: a correction is a later row, so that who said what when can always be told.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Engine, Integer, create_engine, event, insert, inspect, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from core.errors import InputError, StoreError
from core.storage.locations import places

VARIABLE = "OPSIGHT_DATABASE"
VERSION = 1
BUSY_MS = 20_000
WRITES = "opsight_writes"


class Base(DeclarativeBase):
    """Base of every table of the room."""


class SchemaVersion(Base):
    """One row: by which version of the tables the file was written."""

    __tablename__ = "schema_version"
    version: Mapped[int] = mapped_column(Integer, primary_key=True)


def database_url() -> str:
    """``$OPSIGHT_DATABASE``, else a file beside the runs of this installation, whose folder is made."""
    given = os.environ.get(VARIABLE)
    if not given:
        places().records.parent.mkdir(parents=True, exist_ok=True)
    return given or f"sqlite:///{places().records}"


@contextmanager
def session() -> Iterator[Session]:
    """A session that is committed at its end, or rolled back with the error told calmly.

    Raises:
        StoreError: the database cannot be opened, is of a later version, or was not free in time.
        InputError: ``$OPSIGHT_DATABASE`` is no address of a database.
    """
    try:
        with Session(_engine(database_url())) as opened, opened.begin():
            yield opened
    except DBAPIError as error:
        raise _calm(error) from error


@lru_cache(maxsize=8)
def _engine(url: str) -> Engine:
    try:
        engine = create_engine(make_url(url))
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise InputError(
            f"${VARIABLE} is no address of a database that can be used ({type(error).__name__}).",
            do="Write sqlite:////a/folder/records.sqlite, or install the driver that the address names.",
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)
    _made_ready(engine)
    return engine


def _prepare(connection: Any, _record: object) -> None:
    """Readers and a writer do not wait for each other; a second writer waits."""
    connection.isolation_level = None  # transactions are begun by ``_begin``
    for pragma in ("journal_mode=WAL", f"busy_timeout={BUSY_MS}", "foreign_keys=ON", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    """One who reads first and writes later must say so, or another writer could come between."""
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(WRITES) else "BEGIN")


def _made_ready(engine: Engine) -> None:
    try:
        with engine.execution_options(**{WRITES: True}).begin() as connection:
            if inspect(connection).has_table(SchemaVersion.__tablename__):
                _require_known(connection)
                return
            Base.metadata.create_all(connection)
            connection.execute(insert(SchemaVersion).values(version=VERSION))
    except DBAPIError as error:
        raise _calm(error) from error


def _require_known(connection: Connection) -> None:
    found = connection.execute(select(SchemaVersion.version)).scalars().all()
    if found != [VERSION]:
        raise StoreError(
            f"The database of records is of version {', '.join(map(str, found)) or 'none'}, and this OpSight reads {VERSION}.",
            do=f"Use the OpSight that wrote it, or name another database in ${VARIABLE}.",
            code="RECORDS_VERSION",
        )


def _calm(error: DBAPIError) -> StoreError:
    return StoreError(
        f"The database of records could not be used ({str(error.orig)[:120]}).",
        do=f"Check that its folder can be written and that it is a database, or name another one in ${VARIABLE}.",
        code="RECORDS",
    )


def now() -> datetime:
    """The time in UTC, to the second, without a zone, as databases keep it."""
    return datetime.now(UTC).replace(microsecond=0, tzinfo=None)

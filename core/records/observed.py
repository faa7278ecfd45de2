"""Outcomes that a site has seen: what a model had said of a case, and what happened."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

import pandas as pd
from sqlalchemy import Date, DateTime, Float, Integer, String, select
from sqlalchemy.orm import Mapped, mapped_column

from core.errors import DataError
from core.records.database import Base, now, session

CASE = re.compile(r"[A-Za-z0-9_-]{1,40}")
COLUMNS = ("case", "operated", "risk", "y", "entered", "source")


@dataclass(frozen=True)
class Observed:
    """One case.

    Args:
        bundle, version, digest: of the model; the digest names exactly what had answered.
        case: the site's own number of the case; never a name.
        operated: day of the operation; risk: what the model had said, 0 to 1; y: 1 or 0.
        source: "form", or "file" and its name.

    Raises:
        DataError: a case that is no number of a study, a day to come, a risk outside 0 to 1, or an outcome other than 0 and 1.
    """

    bundle: str
    version: int
    digest: str
    case: str
    operated: date
    risk: float
    y: int
    source: str = "form"

    def __post_init__(self) -> None:
        if not CASE.fullmatch(self.case):
            raise DataError(
                "A case is named by 1 to 40 letters, digits, hyphens or underscores, so that no patient's name is kept.",
                do="Use the number that your own list gives the case.",
            )
        if self.operated > date.today():
            raise DataError(f"{self.operated:%Y-%m-%d} is still to come.", do="Give the day of an operation that took place.")
        if not (math.isfinite(self.risk) and 0 <= self.risk <= 1) or self.y not in (0, 1):
            raise DataError(f"A risk of {self.risk} and an outcome of {self.y} were given.", do="Give 0 to 1, and 0 or 1.")


class ObservedRow(Base):
    """As it is kept; of the same digest and case the last row counts."""

    __tablename__ = "observed"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    bundle: Mapped[str] = mapped_column(String(120))
    version: Mapped[int] = mapped_column(Integer)
    digest: Mapped[str] = mapped_column(String(64), index=True)
    case: Mapped[str] = mapped_column("case_id", String(40))
    operated: Mapped[date] = mapped_column(Date)
    risk: Mapped[float] = mapped_column(Float)
    y: Mapped[int] = mapped_column(Integer)
    entered: Mapped[datetime] = mapped_column(DateTime)
    source: Mapped[str] = mapped_column(String(120))


def keep(cases: Iterable[Observed]) -> int:
    """Adds them all or, where one cannot be written, none; how many were added.

    Raises:
        StoreError: the database cannot be used.
    """
    entered = now()
    rows = [
        ObservedRow(
            bundle=one.bundle, version=one.version, digest=one.digest, case=one.case, operated=one.operated, risk=one.risk,
            y=one.y, entered=entered, source=one.source[:120],
        )
        for one in cases
    ]  # fmt: skip
    with session() as opened:
        opened.add_all(rows)
    return len(rows)


def current(digest: str) -> pd.DataFrame:
    """The last row of each case of one bundle, by day of the operation; columns ``COLUMNS``."""
    table = history(digest)
    return table.drop_duplicates("case", keep="last").sort_values(["operated", "case"], ignore_index=True)


def history(digest: str) -> pd.DataFrame:
    """Every row of one bundle as it was entered, corrections below what they correct; columns ``COLUMNS``."""
    wanted = [getattr(ObservedRow, name) for name in COLUMNS]
    with session() as opened:
        rows = opened.execute(select(*wanted).where(ObservedRow.digest == digest).order_by(ObservedRow.id)).all()
    return pd.DataFrame([tuple(row) for row in rows], columns=list(COLUMNS))

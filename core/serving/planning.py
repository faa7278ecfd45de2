"""Next week's list: what planned patients will need, from bundles of stay and of places such as intensive care."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import pandas as pd

from core.errors import InputError
from core.evaluation.resources import Need, bed_days, beds, places
from core.ingest.cells import Cells
from core.serving.predictor import BundlePredictor
from core.serving.tables import Row, curves_of, day_of, require_columns, risks_of, rows_of

MOST_DAYS = 366


@dataclass(frozen=True)
class Plan:
    """What one bundle says of a list.

    Args:
        start: first day of the list; n: patients that the model may answer for.
        needed: of a yes or no, how many of them will need it; of a time, days in bed of all together.
        by_day: of a time, beds taken on each day from ``start`` on (day, date, expected, low, high); of a yes or no, patients of
            each day of operation and how many of them will need it (date, n, expected, low, high).
        left_out: rows that the model may not answer for: row, day, why.
    """

    predictor: BundlePredictor
    start: datetime.date
    n: int
    needed: Need
    by_day: pd.DataFrame
    left_out: pd.DataFrame


def plan_list(predictor: BundlePredictor, cells: Cells, day: str) -> Plan:
    """What the planned patients will need.

    Args:
        cells: one row a patient, columns named as the bundle's fields; day: the column with the day of the operation.

    Raises:
        InputError: a column is missing, a day cannot be read, the days span more than a year, or no patient is in scope.
    """
    require_columns(cells, [day])
    rows = list(rows_of(predictor, cells))
    days = {row.number: day_of(row, day) for row in rows}
    start = min(days.values())
    if (max(days.values()) - start).days > MOST_DAYS:
        raise InputError("The list spans more than a year.", do="Give the operations of the coming days or weeks.")
    kept = [row for row in rows if not row.why_not]
    left_out = pd.DataFrame(
        [(row.number, days[row.number].isoformat(), row.why_not) for row in rows if row.why_not], columns=["row", "day", "why"]
    )
    if not kept:
        raise InputError(
            f"The model may answer for none of {len(rows)} patients: {left_out['why'].iloc[0]}.",
            do="Compare the columns with its fields.",
        )
    make = _beds if predictor.facts.day_based else _places
    needed, by_day = make(predictor, kept, [days[row.number] for row in kept], start)
    return Plan(predictor, start, len(kept), needed, by_day, left_out)


def _beds(
    predictor: BundlePredictor, rows: list[Row], days: list[datetime.date], start: datetime.date
) -> tuple[Need, pd.DataFrame]:
    curves = curves_of(predictor, [row.record for row in rows])
    arrivals = [(day - start).days for day in days]
    told = beds(curves, arrivals, max(arrivals) + curves.shape[1])
    told.insert(1, "date", [(start + datetime.timedelta(days=int(at))).isoformat() for at in told["day"]])
    last = int(told.index[told["high"] > 0].max())  # later a bed is taken less than once in twenty draws
    return bed_days(curves), told.loc[:last]


def _places(
    predictor: BundlePredictor, rows: list[Row], days: list[datetime.date], start: datetime.date
) -> tuple[Need, pd.DataFrame]:
    risks = pd.Series(risks_of(predictor, [row.record for row in rows]))
    told = []
    for day, members in risks.groupby([day.isoformat() for day in days]):
        need = places(members.to_numpy())
        told.append({"date": day, "n": len(members), "expected": need.expected, "low": need.low, "high": need.high})
    return places(risks.to_numpy()), pd.DataFrame(told)

"""What is studied in VitalDB: four outcomes, who counts for each, and small tables about them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from core.contracts.outcome import Outcome
from core.datasets._vitaldb_codebook import DEPARTMENTS

LONG_STAY_DAYS = 7
RECOVERY_DAYS = (1, 2, 3, 5, 7, 14, 30)
ICU_SLACK_DAYS = 1.5
"""Days in intensive care are counted in whole days: up to this many above the stay still fit into it."""
ADULT_YEARS = 18

_WHO = f"Adults ({ADULT_YEARS} or older); an operation whose discharge is recorded before its end is left out"
_SOURCE = "As recorded: Lee 2022, 10.1038/s41597-022-01411-5"
_AGAIN = "One row is one operation: a patient operated on again during one stay has one row each time, with the same discharge."

OUTCOMES: tuple[Outcome, ...] = (
    Outcome(
        name="recovery",
        label="Recovery (home from hospital)",
        kind="time_to_event",
        definition="Days from the operation until the patient went home alive.",
        desirable=True,
        eligible=f"{_WHO}.",
        reference=_SOURCE,
        days=RECOVERY_DAYS,
        notes=(
            "A death in hospital is never a discharge: such a patient is counted as never home.",
            "The source keeps the day of discharge, not its hour; day 1 is the day after the operation.",
            _AGAIN,
        ),
    ),
    Outcome(
        name="long_stay",
        label="Long stay",
        kind="binary",
        definition=f"The patient stayed in hospital for more than {LONG_STAY_DAYS} days after the operation.",
        desirable=False,
        eligible=f"{_WHO}, and so is a patient who died in hospital by day {LONG_STAY_DAYS}, because the length of that stay "
        "was cut short.",
        reference=_SOURCE,
        notes=("Much of a stay is set by the kind of operation: compare with the one-field rule.", _AGAIN),
    ),
    Outcome(
        name="intensive_care",
        label="Intensive care",
        kind="binary",
        definition="The patient spent time in intensive care (more than 0 days recorded).",
        desirable=False,
        eligible=f"{_WHO}, and so is one whose days in intensive care do not fit into the stay after it.",
        reference=_SOURCE,
        notes=(
            "The source does not say whether a stay in intensive care was planned: for some operations it is the rule.",
            _AGAIN,
        ),
    ),
    Outcome(
        name="death_in_hospital",
        label="Death in hospital",
        kind="binary",
        definition="The patient died before discharge.",
        desirable=False,
        eligible=f"{_WHO}.",
        reference=_SOURCE,
        notes=("About one operation in a hundred: too few deaths to tell single patients apart with any certainty.", _AGAIN),
    ),
)


def is_adult(table: pd.DataFrame) -> pd.Series:
    """Boolean by case; an unknown age does not count as adult."""
    return table["age"].ge(ADULT_YEARS)


def has_possible_times(table: pd.DataFrame) -> pd.Series:
    """Boolean by case: discharge is recorded, and not before the end of the operation."""
    return table["stay_days"].ge(0)


def is_eligible(table: pd.DataFrame) -> pd.Series:
    """Boolean by case: an adult whose times are possible."""
    return is_adult(table) & has_possible_times(table)


def care_fits_stay(table: pd.DataFrame) -> pd.Series:
    """Boolean by case: the days in intensive care are recorded and fit into the stay after the operation."""
    return table["icu_days"].le(table["stay_days"] + ICU_SLACK_DAYS)


def targets_of(table: pd.DataFrame) -> pd.DataFrame:
    """The targets of a ``Cohort``, missing where a case does not count."""
    died, known = table["died_in_hospital"].eq(1), table["died_in_hospital"].notna()
    # Discharge is recorded at midnight: a part of a day is the day that it reaches.
    days = np.ceil(table["stay_days"])
    cut_short = died & days.le(LONG_STAY_DAYS)
    targets = pd.DataFrame(
        {
            "recovery_days": days.where(~died, np.inf).where(known),
            "recovery_event": _when(known & days.notna(), ~died),
            "long_stay": _when(known & days.notna() & ~cut_short, days.gt(LONG_STAY_DAYS)),
            "intensive_care": _when(care_fits_stay(table), table["icu_days"].gt(0)),
            "death_in_hospital": _when(known, died),
        }
    )
    return targets.where(is_eligible(table))


def _when(known: pd.Series, event: pd.Series) -> pd.Series:
    return event.astype(float).where(known)


def left_out(table: pd.DataFrame) -> dict[str, int]:
    """How many operations count for nothing, or not for all, by reason."""
    adult, possible = is_adult(table), has_possible_times(table)
    return {
        f"patients under {ADULT_YEARS}, or of unknown age": int((~adult).sum()),
        "discharge before the end of the operation, or not recorded": int((adult & ~possible).sum()),
        "intensive care longer than the stay (left out of that outcome alone)": int(
            (adult & possible & ~care_fits_stay(table)).sum()
        ),
    }


def breakdowns_of(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Small tables about the outcomes, by title.

    Args:
        table: every operation of the file.
    """
    studied = table[is_eligible(table)]
    counts = left_out(table)
    return {
        "Operations that do not count": pd.DataFrame({"reason": list(counts), "operations": list(counts.values())}),
        "Long stay: by department": _by_department(studied, "long_stay", "long stays"),
        "Intensive care: by department": _by_department(studied, "intensive_care", "in intensive care"),
        "Death in hospital: by department": _by_department(studied, "death_in_hospital", "deaths"),
        "Recovery (home from hospital): days in hospital": _stays(studied),
    }


def _by_department(table: pd.DataFrame, outcome: str, event: str) -> pd.DataFrame:
    seen = targets_of(table)[outcome]
    rows = [
        (name, int(seen[inside].notna().sum()), int(seen[inside].sum()))
        for name in DEPARTMENTS
        if (inside := table["department"].eq(name)).any()
    ]
    return _shares(rows, "department", event)


def _shares(rows: Sequence[tuple[str, int, int]], what: str, event: str) -> pd.DataFrame:
    shown = [(name, n, k, round(k / n, 3) if n else np.nan) for name, n, k in rows]
    return pd.DataFrame(shown, columns=[what, "operations", event, "share"])


def _stays(table: pd.DataFrame) -> pd.DataFrame:
    targets = targets_of(table)
    days = targets["recovery_days"].where(targets["recovery_event"].eq(1))
    edges = (0, *RECOVERY_DAYS)
    rows = {}
    for low, high in zip(edges, edges[1:], strict=False):
        rows[f"{low + 1}" if high == low + 1 else f"{low + 1} to {high}"] = days.gt(low) & days.le(high)
    rows[f"more than {edges[-1]}"] = days.gt(edges[-1])
    rows["died in hospital"] = targets["recovery_event"].eq(0)
    return pd.DataFrame({"days": list(rows), "operations": [int(row.sum()) for row in rows.values()]})

"""What is studied in KiTS: seven outcomes, who counts for each, and small tables about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.contracts.outcome import Outcome

ISCHAEMIA_LIMIT_MIN = 25
ISCHAEMIA_LIMITS_MIN = (20, 25, 30)
LONG_STAY_DAYS = 5
RECOVERY_DAYS = (1, 2, 3, 5, 7, 14)
FUNCTION_LIMIT = 45
FIRST_CHECK_DAYS = (30, 365)
MINOR_GRADES = ("0", "1", "2")

_CLAVIEN = "Clavien-Dindo: Dindo 2004, 10.1097/01.sla.0000133083.54934.ae"
_ADULTS = "Adults (18 or older) whose tumour was removed by surgery, not by cryoablation"
_DISCHARGED = "A death in hospital is never a discharge"

OUTCOMES: tuple[Outcome, ...] = (
    Outcome(
        name="complication",
        label="Any complication",
        kind="binary",
        definition="A complication of any Clavien-Dindo grade (I to V) is recorded.",
        desirable=False,
        eligible=f"{_ADULTS}.",
        reference=_CLAVIEN,
        notes=("The source states no time window for complications.",),
    ),
    Outcome(
        name="major_complication",
        label="Major complication",
        kind="binary",
        definition="A complication of Clavien-Dindo grade III, IV or V is recorded.",
        desirable=False,
        eligible=f"{_ADULTS}.",
        reference=_CLAVIEN,
        notes=("The source states no time window for complications.",),
    ),
    Outcome(
        name="success",
        label="Success (trifecta)",
        kind="binary",
        definition=f"A partial nephrectomy with a negative margin, ischaemia of at most {ISCHAEMIA_LIMIT_MIN} minutes and no "
        "complication of any grade.",
        desirable=True,
        eligible=f"{_ADULTS}, by partial nephrectomy, with margin, ischaemia time and complications recorded.",
        reference="Trifecta: Hung 2013, 10.1016/j.juro.2012.09.042; definitions differ between authors",
        notes=(
            "A missing ischaemia time leaves the case out, whatever else happened; an ischaemia of 0 minutes means that no "
            "vessel was clamped and counts as within the limit.",
            "A positive margin counts against success whatever the tumour turned out to be; a table shows the share where "
            "margins of benign tumours are forgiven.",
            "Whether the nephrectomy is partial is itself a choice made before the operation: this outcome says nothing about "
            "patients for whom it was not chosen.",
        ),
    ),
    Outcome(
        name="recovery",
        label="Recovery (home from hospital)",
        kind="time_to_event",
        definition="Days from the operation until the patient went home alive, the only recovery that this cohort records.",
        desirable=True,
        eligible=f"{_ADULTS}, with a stay recorded.",
        reference="Length of stay as recorded: Heller 2019, arXiv:1904.00445",
        days=RECOVERY_DAYS,
        notes=(
            f"{_DISCHARGED}: such a patient is counted as never home.",
            "Stays of 0 days are recorded for a few patients who went home alive, more of them in cases 210 to 299; they are "
            "kept as they are and count as home by day 1.",
        ),
    ),
    Outcome(
        name="long_stay",
        label="Long stay",
        kind="binary",
        definition=f"The patient stayed in hospital for {LONG_STAY_DAYS} days or more.",
        desirable=False,
        eligible=f"{_ADULTS}, with a stay recorded; a patient who died in hospital before day {LONG_STAY_DAYS} is left out, "
        "because the length of that stay was cut short.",
        reference="Length of stay as recorded: Heller 2019, arXiv:1904.00445",
        notes=("Whether the operation was open carries most of the signal: compare with the one-field rule.",),
    ),
    Outcome(
        name="readmission",
        label="Readmission",
        kind="binary",
        definition="The patient was admitted again after going home.",
        desirable=False,
        eligible=f"{_ADULTS}, who went home alive, with readmission recorded.",
        reference="As recorded: Heller 2019, arXiv:1904.00445",
        notes=("The source states no time window for readmission.",),
    ),
    Outcome(
        name="kidney_function_loss",
        label="Loss of kidney function",
        kind="binary",
        definition=f"The first eGFR {FIRST_CHECK_DAYS[0]} to {FIRST_CHECK_DAYS[1]} days after the operation is below "
        f"{FUNCTION_LIMIT} ml/min/1.73 m2.",
        desirable=False,
        eligible=f"{_ADULTS}, with an eGFR of at least {FUNCTION_LIMIT} before, and the first one after the operation "
        f"{FIRST_CHECK_DAYS[0]} to {FIRST_CHECK_DAYS[1]} days later.",
        horizon=f"{FIRST_CHECK_DAYS[0]} to {FIRST_CHECK_DAYS[1]} days after the operation",
        reference="New eGFR below 45 after nephrectomy: Huang 2006, 10.1016/S1470-2045(06)70803-8",
        notes=(
            'Values reported as "90 or more" stand as 90, before and after.',
            "Follow-up is not complete: those with a later check only, or none, are left out, and need not be alike.",
        ),
    ),
)


def is_eligible(table: pd.DataFrame) -> pd.Series:
    """Boolean by case: an adult whose tumour was not treated by cryoablation; an unknown age does not count as adult."""
    return table["age"].ge(18) & table["surgical_procedure"].ne("cryoablation")


def targets_of(table: pd.DataFrame) -> pd.DataFrame:
    """The targets of a ``Cohort``, missing where a case does not count."""
    targets = pd.DataFrame(
        {
            "complication": _when(table["clavien_grade"].notna(), table["clavien_grade"].ne("0")),
            "major_complication": _when(table["clavien_grade"].notna(), ~table["clavien_grade"].isin(MINOR_GRADES)),
            "success": trifecta(table, ISCHAEMIA_LIMIT_MIN),
            **_recovery(table),
            "long_stay": _long_stay(table),
            "readmission": _when(table["died_in_hospital"].eq(0) & table["readmitted"].notna(), table["readmitted"].eq(1)),
            "kidney_function_loss": _function_loss(table),
        }
    )
    return targets.where(is_eligible(table))


def _when(known: pd.Series, event: pd.Series) -> pd.Series:
    return event.astype(float).where(known)


@dataclass(frozen=True)
class Trifecta:
    """Parts of success, boolean by case: who counts, and who meets each part."""

    counts: pd.Series
    margin: pd.Series
    ischaemia: pd.Series
    no_complication: pd.Series

    @property
    def met(self) -> pd.Series:
        return self.margin & self.ischaemia & self.no_complication


def trifecta_parts(table: pd.DataFrame, limit_min: float) -> Trifecta:
    """The parts of success at a limit of ischaemia time, in minutes."""
    recorded = table[["positive_margin", "ischaemia_min", "clavien_grade"]].notna().all(axis=1)
    return Trifecta(
        counts=recorded & table["surgical_procedure"].eq("partial_nephrectomy"),
        margin=table["positive_margin"].eq(0),
        ischaemia=table["ischaemia_min"].le(limit_min),
        no_complication=table["clavien_grade"].eq("0"),
    )


def trifecta(table: pd.DataFrame, limit_min: float) -> pd.Series:
    """1 success, 0 not, missing where a case does not count."""
    parts = trifecta_parts(table, limit_min)
    return _when(parts.counts, parts.met)


def _recovery(table: pd.DataFrame) -> dict[str, pd.Series]:
    died = table["died_in_hospital"].eq(1)
    known = table["hospital_days"].notna() | died
    return {
        "recovery_days": table["hospital_days"].where(~died, np.inf),
        "recovery_event": _when(known, ~died),
    }


def _long_stay(table: pd.DataFrame) -> pd.Series:
    died = table["died_in_hospital"].eq(1)
    # In hospital until death: the recorded stay of such a patient is not a stay.
    days = table["hospital_days"].where(~died, table["vital_days"])
    return _when(days.notna() & ~(died & days.lt(LONG_STAY_DAYS)), days.ge(LONG_STAY_DAYS))


def _function_loss(table: pd.DataFrame) -> pd.Series:
    in_time = table["first_egfr_after_days"].between(*FIRST_CHECK_DAYS)
    known = table["egfr"].ge(FUNCTION_LIMIT) & in_time & table["first_egfr_after"].notna()
    return _when(known, table["first_egfr_after"].lt(FUNCTION_LIMIT))


def breakdowns_of(table: pd.DataFrame, releases: Sequence[pd.Series]) -> dict[str, pd.DataFrame]:
    """Small tables about the outcomes, by title.

    Args:
        table: the cases of the main analysis.
        releases: named boolean series, one for each part of the series.
    """
    return {
        "Success (trifecta): what each part contributes": _contributions(table),
        "Success (trifecta): share by limit of ischaemia time": _by_limit(table),
        "Success (trifecta): who could be counted": _counted(table),
        "Any complication: by Clavien-Dindo grade": _grades(table),
        "Any complication: by part of the series": _by_release(table, releases),
        "Long stay: by access": _by_access(table),
        "Recovery (home from hospital): days in hospital": _stays(table),
    }


def _shares(rows: Sequence[tuple[str, int, int]], what: str, event: str) -> pd.DataFrame:
    shown = [(name, n, k, round(k / n, 3) if n else np.nan) for name, n, k in rows]
    return pd.DataFrame(shown, columns=[what, "patients", event, "share"])


def _contributions(table: pd.DataFrame) -> pd.DataFrame:
    parts = trifecta_parts(table, ISCHAEMIA_LIMIT_MIN)
    named = {
        "negative margin": parts.margin,
        f"ischaemia at most {ISCHAEMIA_LIMIT_MIN} minutes": parts.ischaemia,
        "no complication": parts.no_complication,
    }
    n = int(parts.counts.sum())
    rows = [(name, n, int((parts.counts & met).sum())) for name, met in named.items()]
    for name, met in named.items():
        others = [other for other in named if other != name]
        alone = parts.counts & ~met & named[others[0]] & named[others[1]]
        rows.append((f"missed only for: {name}", n, int(alone.sum())))
    rows.append(("all three: success", n, int((parts.counts & parts.met).sum())))
    return _shares(rows, "part", "met")


def _by_limit(table: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for limit in ISCHAEMIA_LIMITS_MIN:
        parts = trifecta_parts(table, limit)
        rows.append((f"at most {limit} minutes", int(parts.counts.sum()), int((parts.counts & parts.met).sum())))
    parts = trifecta_parts(table, ISCHAEMIA_LIMIT_MIN)
    forgiven = parts.counts & (parts.margin | table["malignant"].eq(0)) & parts.ischaemia & parts.no_complication
    name = f"at most {ISCHAEMIA_LIMIT_MIN} minutes, margins of benign tumours forgiven"
    rows.append((name, int(parts.counts.sum()), int(forgiven.sum())))
    return _shares(rows, "limit", "success")


def _counted(table: pd.DataFrame) -> pd.DataFrame:
    partial = table["surgical_procedure"].eq("partial_nephrectomy")
    ischaemia = table["ischaemia_min"]
    counted = trifecta_parts(table, ISCHAEMIA_LIMIT_MIN).counts
    rows = {
        "partial nephrectomies": partial,
        "of these, ischaemia time not recorded (left out)": partial & ischaemia.isna(),
        "of these, 0 minutes (no vessel clamped, within the limit)": partial & ischaemia.eq(0),
        "counted": counted,
    }
    return pd.DataFrame({"group": list(rows), "patients": [int(row.sum()) for row in rows.values()]})


def _grades(table: pd.DataFrame) -> pd.DataFrame:
    counts = table["clavien_grade"].value_counts().sort_index()
    names = ["none" if grade == "0" else f"grade {grade}" for grade in counts.index]
    return pd.DataFrame({"grade": names, "patients": counts.astype(int).to_numpy()})


def _by_release(table: pd.DataFrame, releases: Sequence[pd.Series]) -> pd.DataFrame:
    event = table["clavien_grade"].notna() & table["clavien_grade"].ne("0")
    known = table["clavien_grade"].notna()
    rows = [(str(part.name), int((part & known).sum()), int((part & event).sum())) for part in releases]
    return _shares([row for row in rows if row[1]], "cases", "complications")


def _by_access(table: pd.DataFrame) -> pd.DataFrame:
    long_stay = _long_stay(table)
    rows = []
    for name, chosen in (("open", table["surgery_type"].eq("open")), ("not open", table["surgery_type"].ne("open"))):
        counted = chosen & table["surgery_type"].notna() & long_stay.notna()
        rows.append((name, int(counted.sum()), int((counted & long_stay.eq(1)).sum())))
    return _shares(rows, "access", "long stays")


def _stays(table: pd.DataFrame) -> pd.DataFrame:
    alive = table["died_in_hospital"].eq(0)
    days = table["hospital_days"].where(alive)
    rows = {"0 (as recorded)": days.eq(0)}
    edges = (0, *RECOVERY_DAYS)
    for low, high in zip(edges, edges[1:], strict=False):
        rows[f"{low + 1}" if high == low + 1 else f"{low + 1} to {high}"] = days.gt(low) & days.le(high)
    rows[f"more than {edges[-1]}"] = days.gt(edges[-1])
    rows["died in hospital"] = table["died_in_hospital"].eq(1)
    return pd.DataFrame({"days": list(rows), "patients": [int(row.sum()) for row in rows.values()]})

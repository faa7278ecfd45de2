"""The record of the eyes with a macular hole: what its columns mean, the outcomes, and small tables about them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from core.contracts.codebook import Codebook, Field, Level
from core.contracts.outcome import Outcome

TARGET_LETTERS = 70
GAIN_LETTERS = 15
VISITS: dict[str, str] = {
    "acuity_2_weeks": "2 weeks",
    "acuity_3_months": "3 months",
    "acuity_6_months": "6 months",
    "acuity_12_months": "12 months",
}
"""Columns of the visits after the operation, in order, and when they took place."""
LAST_VISIT = "acuity_12_months"
BANDS_LETTERS = (45, 55, 65)

HEADERS: dict[str, str] = {
    "age": "age",
    "sex": "sex",
    "pseudophakic": "pseudophakic",
    "duration_months": "mh_duration",
    "elevated_edge": "elevated_edge",
    "hole_size_um": "mh_size",
    "acuity_before": "VA_baseline",
    **{name: f"VA_{moment.replace(' ', '')}" for name, moment in VISITS.items()},
}
"""Field and its name in the header of the file."""


def _record() -> tuple[Field, ...]:
    return (
        Field("age", "Age", "number", "before", unit="years", low=0, high=120, section="Person", subgroup=True, bins=(65, 75),
              required=True, source="VA table: age"),
        Field("sex", "Sex", "category", "before", section="Person", subgroup=True, source="VA table: sex",
              levels=(Level("1", "Code 1"), Level("2", "Code 2")),
              help="The source does not say which code stands for which sex."),
        Field("pseudophakic", "Artificial lens", "flag", "before", section="Eye", subgroup=True, source="VA table: pseudophakic",
              help="The eye already had an artificial lens; without one a cataract may lower acuity after the operation."),
        Field("duration_months", "Duration of the hole", "number", "before", unit="months", low=0, high=600, section="Eye",
              source="VA table: mh_duration", help="The source states no unit; months are likely."),
        Field("elevated_edge", "Elevated edge", "flag", "before", section="Eye", missing_codes=("-9",),
              source="VA table: elevated_edge", help="The edge of the hole is raised."),
        Field("hole_size_um", "Size of the hole", "number", "before", unit="µm", low=1, high=3_000, section="Eye", subgroup=True,
              bins=(250, 400), source="VA table: mh_size",
              help="Diameter; small, medium and large as in Duker 2013, 10.1016/j.ophtha.2013.07.042."),
        Field("acuity_before", "Acuity before", "number", "before", unit="letters", low=0, high=100, section="Eye", subgroup=True,
              bins=BANDS_LETTERS, required=True, source="VA table: VA_baseline", help="Letters read on the ETDRS chart."),
    )  # fmt: skip


def _visit(name: str) -> Field:
    return Field(name, f"Acuity at {VISITS[name]}", "number", "after", "outcome", "letters", 0, 100,
                 section="After the operation", source=f"VA table: {HEADERS[name]}")  # fmt: skip


CODEBOOK = Codebook((*_record(), *(_visit(name) for name in VISITS)))

_COMPLETE = "Every eye here has every visit: eyes that were lost are not in the file, and they need not be alike."

OUTCOMES: tuple[Outcome, ...] = (
    Outcome(
        name="success",
        label=f"Success ({GAIN_LETTERS} letters gained)",
        kind="binary",
        definition=f"At 12 months the eye reads at least {GAIN_LETTERS} letters more than before the operation.",
        desirable=True,
        eligible="Eyes with acuity recorded before and at 12 months.",
        horizon="12 months after the operation",
        reference="Fifteen letters are three lines of the ETDRS chart: a doubling of the angle that the eye resolves",
        notes=(
            "Ceiling: an eye that reads well before has little left to gain, so that acuity before foretells most of this "
            "outcome by arithmetic. Judge a model by the acuity reached as well.",
            _COMPLETE,
        ),
    ),
    Outcome(
        name="acuity_70",
        label=f"Acuity of {TARGET_LETTERS} letters at 12 months",
        kind="binary",
        definition=f"At 12 months the eye reads at least {TARGET_LETTERS} letters.",
        desirable=True,
        eligible="Eyes with acuity recorded at 12 months, whatever they read before.",
        horizon="12 months after the operation",
        reference="Seventy letters of the ETDRS chart are about 20/40",
        notes=("A better eye before is a better eye after: here acuity before helps, where for success it hinders.", _COMPLETE),
    ),
    Outcome(
        name="recovery",
        label=f"Recovery (visit with {TARGET_LETTERS} letters)",
        kind="time_to_event",
        definition=f"The first visit at which the eye was seen to read at least {TARGET_LETTERS} letters: 1 is that at 2 weeks, "
        "2 at 3 months, 3 at 6 months, 4 at 12 months.",
        desirable=True,
        eligible=f"Eyes that read fewer than {TARGET_LETTERS} letters before the operation.",
        horizon="12 months after the operation",
        reference="Grouped survival times: Prentice and Gloeckler 1978, 10.2307/2529588",
        days=(1, 2, 3, 4),
        reached=f"at {TARGET_LETTERS} letters",
        moments=tuple(VISITS.values()),
        notes=(
            "Time is counted in visits and not in days. The target was reached at some moment between that visit and the one "
            "before; nothing more is known, and chances are scored at visits alone.",
            f"An eye that never read {TARGET_LETTERS} letters counts as not there at the last visit, not as one that never will.",
            "An eye that was there once may fall back: later visits are not asked.",
            _COMPLETE,
        ),
    ),
)


def targets_of(table: pd.DataFrame) -> pd.DataFrame:
    """The targets of a ``Cohort``, missing where an eye does not count."""
    before, after = table["acuity_before"], table[LAST_VISIT]
    targets = pd.DataFrame(
        {
            "success": _when(before.notna() & after.notna(), (after - before).ge(GAIN_LETTERS)),
            "acuity_70": _when(after.notna(), after.ge(TARGET_LETTERS)),
        }
    )
    return targets.join(_recovery(table))


def _when(known: pd.Series, event: pd.Series) -> pd.Series:
    return event.astype(float).where(known)


def _recovery(table: pd.DataFrame) -> pd.DataFrame:
    """Number of the first visit at the target, or of the last visit before the first one that is missing."""
    acuity = table[list(VISITS)]
    seen = acuity.notna().cumprod(axis=1).astype(bool)
    there = acuity.ge(TARGET_LETTERS) & seen
    event = there.any(axis=1)
    visit = np.where(event, there.to_numpy().argmax(axis=1) + 1, seen.sum(axis=1))
    counts = table["acuity_before"].lt(TARGET_LETTERS) & (visit > 0)
    days = pd.Series(visit.astype(float), index=table.index)
    return pd.DataFrame({"recovery_days": days.where(counts), "recovery_event": _when(counts, event)})


def breakdowns_of(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Small tables about the outcomes, by title."""
    targets = targets_of(table)
    return {
        "Success: by acuity before": _by_acuity(table, targets["success"], "gained 15 letters"),
        "Acuity of 70 letters: by acuity before": _by_acuity(table, targets["acuity_70"], "read 70 letters"),
        "Recovery: first visit with 70 letters": _first_visits(targets),
    }


def _by_acuity(table: pd.DataFrame, event: pd.Series, word: str) -> pd.DataFrame:
    edges = (-np.inf, *BANDS_LETTERS, np.inf)
    names = (f"fewer than {BANDS_LETTERS[0]}", *(f"{a} to {b - 1}" for a, b in zip(BANDS_LETTERS, BANDS_LETTERS[1:])),
             f"{BANDS_LETTERS[-1]} and more")  # fmt: skip
    before = table["acuity_before"]
    bands = [event[before.ge(low) & before.lt(high)].dropna() for low, high in zip(edges, edges[1:])]
    return _shares([(name, len(band), int(band.sum())) for name, band in zip(names, bands)], "letters before", word)


def _shares(rows: Sequence[tuple[str, int, int]], what: str, event: str) -> pd.DataFrame:
    shown = [(name, n, k, round(k / n, 3) if n else np.nan) for name, n, k in rows]
    return pd.DataFrame(shown, columns=[what, "eyes", event, "share"])


def _first_visits(targets: pd.DataFrame) -> pd.DataFrame:
    days, event = targets["recovery_days"], targets["recovery_event"]
    rows = {moment: event.eq(1) & days.eq(number) for number, moment in enumerate(VISITS.values(), start=1)}
    rows["not by the last visit"] = event.eq(0)
    rows["there before the operation (not eligible)"] = days.isna()
    return pd.DataFrame({"visit": list(rows), "eyes": [int(row.sum()) for row in rows.values()]})

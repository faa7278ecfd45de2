"""Ranges and sets that hold the truth as often as they say, learned from patients of other folds.

Every patient's range is widened (or narrowed) by what was needed on the patients of the other folds, whose predictions are
out of fold too. The promise holds on average over such patients; within a group or class only where it was learned there.

Reference: Romano, Patterson and Candès 2019, arXiv:1905.03222 (conformalised quantiles); Vovk 2012, arXiv:1209.2673
(conditional validity, and how far realised coverage strays with few calibration cases).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from core.contracts.metric import Array
from core.contracts.outcome import Outcome
from core.evaluation.recovery import wilson

ALL = "all"
EVENT, NONE = "event", "no event"
SETS, INTERVALS = "set", "interval"
LEVELS = (0.8, 0.9)
FEWEST = 10
"""Patients of a class or group below which nothing is learned from it."""

Flags = NDArray[np.bool_]


def reached(scores: Array, level: float) -> float:
    """The score that a new one stays at or under with at least that chance: the ⌈(n + 1) · level⌉-th smallest, else infinity.

    Worked: of the scores 1 to 9 at level 0.8 it is the 8th, 8.
    """
    place = math.ceil((len(scores) + 1) * level)
    return float(np.sort(scores)[place - 1]) if 0 < place <= len(scores) else math.inf


@dataclass(frozen=True)
class Expected:
    """Where realised coverage lies in 90 of 100 calibrations."""

    low: float
    high: float


def expected_coverage(n: int, level: float) -> Expected:
    """How far the coverage that a calibration of n cases reaches may lie from its level: it has a beta distribution.

    Worked: with 60 cases and a level of 0.9, between 0.83 and 0.96.
    """
    place = math.ceil((n + 1) * level)
    if place > n:
        return Expected(1.0, 1.0)
    low, high = stats.beta(place, n + 1 - place).ppf([0.05, 0.95])
    return Expected(float(low), float(high))


def conformal_rows(rows: pd.DataFrame, outcome: Outcome, groups: pd.DataFrame, level: float) -> Iterator[dict[str, object]]:
    """Rows of the table ``conformal``: realised coverage of every model, over all and by class or group.

    Binary outcomes get sets of answers, learned within each class; times get ranges of days. Both are learned over all (a group's
    row then tells what it gets of them) and, named "… (own)", within the group itself.

    Args:
        rows: internal rows of one outcome; groups: boolean by case and group.
    """
    for model, mine in rows.groupby("model", sort=False):
        parts = [part.reset_index(drop=True) for _, part in mine.groupby("repeat", sort=True)]
        place = {"outcome": outcome.name, "model": str(model), "level": level}
        found = _sets(parts, groups, level) if outcome.kind == "binary" else _ranges(parts, groups, level)
        for group, coverage in found.items():
            yield {**place, "kind": SETS if outcome.kind == "binary" else INTERVALS, "group": group, **coverage.plain()}


@dataclass(frozen=True)
class Coverage:
    """What a group of patients got.

    Args:
        inside: share whose truth lay inside; size: mean number of answers in a set, or median width in days.
        n: patients; calibrated_on: how many the smallest calibration rested on; level: what was promised.
    """

    inside: float
    size: float
    n: int
    calibrated_on: int
    level: float

    def plain(self) -> dict[str, object]:
        """Columns of the table."""
        seen = wilson(self.inside * self.n, self.n)
        expected = expected_coverage(self.calibrated_on, self.level)
        return {
            "coverage": self.inside, "low": seen.low, "high": seen.high, "expected_low": expected.low,
            "expected_high": expected.high, "size": self.size, "n": self.n, "n_calibration": self.calibrated_on,
        }  # fmt: skip


def _merged(parts: list[dict[str, Coverage]]) -> dict[str, Coverage]:
    """Means over repeats of what every repeat has."""
    names = [name for name in parts[0] if all(name in part for part in parts)]
    return {name: _mean([part[name] for part in parts]) for name in names}


def _mean(found: list[Coverage]) -> Coverage:
    inside, size = np.mean([one.inside for one in found]), np.mean([one.size for one in found])
    return Coverage(float(inside), float(size), found[0].n, min(one.calibrated_on for one in found), found[0].level)


def _sets(parts: list[pd.DataFrame], groups: pd.DataFrame, level: float) -> dict[str, Coverage]:
    return _merged([_sets_of_repeat(part, groups, level) for part in parts])


def _sets_of_repeat(rows: pd.DataFrame, groups: pd.DataFrame, level: float) -> dict[str, Coverage]:
    everyone = np.ones(len(rows), dtype=bool)
    y = rows["y"].to_numpy(dtype=float)
    sets, smallest = _sets_learned(rows, level, everyone)
    inside, sizes = sets[np.arange(len(rows)), y.astype(int)], sets.sum(axis=1)
    found = {ALL: _coverage(inside, sizes, everyone, min(smallest.values()), level)}
    for name, answer in ((EVENT, 1), (NONE, 0)):
        if smallest[answer] >= FEWEST:
            found[name] = _coverage(inside, sizes, y == answer, smallest[answer], level)
    for name, members in _known_groups(rows, groups).items():
        found[name] = _coverage(inside, sizes, members, min(smallest.values()), level)
        own, fewest = _sets_learned(rows, level, members)
        if min(fewest.values()) >= FEWEST:
            held = own[np.arange(len(rows)), y.astype(int)]
            found[f"{name} (own)"] = _coverage(held, own.sum(axis=1), members, min(fewest.values()), level)
    return found


def _known_groups(rows: pd.DataFrame, groups: pd.DataFrame) -> dict[str, Flags]:
    """Groups of at least ``FEWEST`` of these cases."""
    members = {str(name): groups[name].reindex(rows["case_id"], fill_value=False).to_numpy() for name in groups}
    return {name: inside for name, inside in members.items() if inside.sum() >= FEWEST}


def _sets_learned(rows: pd.DataFrame, level: float, learned: Flags) -> tuple[Flags, dict[int, int]]:
    """Sets of answers, shape (cases, 2), learned within each class from the cases in ``learned`` of the other folds; and from
    how few each answer was learned."""
    y = rows["y"].to_numpy(dtype=float)
    unlike = np.column_stack([rows["risk"], 1 - rows["risk"]])  # how ill each answer (no event, event) fits
    sets = np.zeros((len(rows), 2), dtype=bool)
    smallest = {0: len(rows), 1: len(rows)}
    for fold in rows["fold"].unique():
        here = (rows["fold"] == fold).to_numpy()
        for answer in (0, 1):
            scores = unlike[~here & learned & (y == answer), answer]
            smallest[answer] = min(smallest[answer], len(scores))
            sets[here, answer] = unlike[here, answer] <= reached(scores, level)
    return sets, smallest


def _coverage(inside: Flags, sizes: Array, members: Flags, calibrated_on: int, level: float) -> Coverage:
    size = float(np.mean(sizes[members]))
    return Coverage(float(inside[members].mean()), size, int(members.sum()), calibrated_on, level)


def _ranges(parts: list[pd.DataFrame], groups: pd.DataFrame, level: float) -> dict[str, Coverage]:
    return _merged([_ranges_of_repeat(part, groups, level) for part in parts])


def _ranges_of_repeat(rows: pd.DataFrame, groups: pd.DataFrame, level: float) -> dict[str, Coverage]:
    seen = rows[(rows["event"] == 1) & np.isfinite(rows["days"])].reset_index(drop=True)
    if seen.empty:
        return {}
    ends = day_ranges(np.stack(seen["by_day"].to_list()).astype(float), level)
    everyone = np.ones(len(seen), dtype=bool)
    found = dict(_ranges_learned(seen, ends, level, {ALL: everyone}, everyone))
    known = _known_groups(seen, groups)
    found.update(_ranges_learned(seen, ends, level, known, everyone))
    for name, inside in known.items():
        own = _ranges_learned(seen, ends, level, {f"{name} (own)": inside}, inside)
        found.update({key: value for key, value in own.items() if value.calibrated_on >= FEWEST})
    return found


def _ranges_learned(
    rows: pd.DataFrame, ends: Array, level: float, told: Mapping[str, Flags], learned: Flags
) -> dict[str, Coverage]:
    """Coverage of the groups in ``told`` by ranges learned from the patients in ``learned``."""
    days = rows["days"].to_numpy(dtype=float)
    scores = np.maximum(ends[0] - days, days - ends[1])
    low, high = ends.copy()
    smallest = len(rows)
    for fold in rows["fold"].unique():
        here = (rows["fold"] == fold).to_numpy()
        calibration = scores[~here & learned]
        smallest = min(smallest, len(calibration))
        wider = reached(calibration, level)
        low[here], high[here] = np.maximum(ends[0][here] - wider, 0.0), ends[1][here] + wider
    inside = (low <= days) & (days <= high)
    widths = high - low
    return {
        name: Coverage(float(inside[of].mean()), float(np.median(widths[of])), int(of.sum()), smallest, level)
        for name, of in told.items()
        if of.any()
    }


def day_ranges(by_day: Array, level: float) -> Array:
    """(2, cases): the days at which the chance of having come passes (1 ∓ level) / 2; the last day where it never does.

    Args:
        by_day: (cases, days) chance that the event has come by day 0, 1, …
    """
    last = by_day.shape[1] - 1
    ends = []
    for chance in ((1 - level) / 2, (1 + level) / 2):
        past = by_day >= chance
        ends.append(np.where(past.any(axis=1), past.argmax(axis=1), last))
    return np.asarray(ends, dtype=float)

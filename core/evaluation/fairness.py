"""Is a model as good for one group of patients as for the others? Gaps with intervals, and a verdict in one of four phrases.

A group is set against the other patients of the same grouping, in the same bootstrap draws. A largest-minus-smallest gap is
not computed: its percentile interval never holds zero, also where all groups are alike.

Reference: Collins et al. 2024, 10.1136/bmj-2023-078378 (TRIPOD+AI, fairness); Schuirmann 1987, 10.1007/BF01068419 (a margin
stated beforehand, not a missing significance, is what shows that a gap is small).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from core.contracts.metric import Array, MetricSpec
from core.evaluation.bootstrap import interval_of, two_sided
from core.evaluation.comparisons import BASE_RATE
from core.evaluation.groups import CROSS, group_words, others
from core.evaluation.multiplicity import holm
from core.evaluation.panel import Cases
from core.evaluation.scoring import FEWEST_PERSONS, Measure, Scorer
from core.evaluation.verdicts import ADEQUATE, DISPARITY, NO_EVIDENCE, TOO_FEW, verdict_of
from core.metrics import METRICS
from core.metrics.utility import promised_net_benefit

FEWEST_EVENTS = 10
FEWEST_CROSSED = 10
"""Patients of a cell of two crossed groupings below which it is not told at all."""
CROSSED_DRAWS = 300
"""Bootstrap draws for a crossing of any two groupings: there are hundreds of cells, and all of them explore."""

MARGINS: Mapping[str, float] = {
    "oe_ratio": 1.25,
    "net_benefit": 0.02,
    "auroc": 0.05,
    "recall": 0.10,
    "false_positive_rate": 0.10,
    "precision": 0.10,
    "calibration_intercept": 0.25,
    "calibration_slope": 0.25,
}
"""The largest gap that would not matter. Of ratios it is a factor: observed/expected may differ by a quarter. Net benefit may
differ by two net true alarms in a hundred patients from what the stated risks promise: see ``PROMISES``."""

RATIOS = frozenset({"oe_ratio"})
PRIMARY_METRICS = ("oe_ratio", "net_benefit")
PROMISES: Mapping[str, MetricSpec] = {"net_benefit": replace(METRICS.get("net_benefit"), compute=promised_net_benefit)}
"""What a metric would be if the stated risks came true. Net benefit moves with how often the event comes in a group, also under
a fair model; its gap is therefore that of what was reached less what was promised. Value and rest are the plain metric."""
COSTLY = frozenset({"calibration_intercept", "calibration_slope"})
PRIMARY_GROUPINGS = ("sex", "age", "bmi", "kidney_disease", "chronic_kidney_disease")
"""Groupings of the analysis declared beforehand; a data set without one of them goes without."""


@dataclass(frozen=True)
class Gap:
    """A metric in a group and in the other patients of its grouping.

    Args:
        value, low, high: in the group; rest: in the others.
        gap, gap_low, gap_high: group minus others (of a ratio: group over others; of net benefit: beyond ``PROMISES``).
        p: two-sided, from the spread of the bootstrap gaps; p_holm: corrected over its family.
        n, n_events: patients of the group; fewest: the smallest count of patients with or without the event on either side.
        primary: whether it belongs to the analysis declared beforehand.
    """

    group: str
    model: str
    metric: str
    value: float
    low: float
    high: float
    rest: float
    gap: float
    gap_low: float
    gap_high: float
    p: float
    n: int
    n_events: int
    fewest: int
    primary: bool
    p_holm: float = math.nan

    @property
    def margin(self) -> float:
        """The gap that was declared not to matter."""
        return MARGINS[self.metric]

    @property
    def verdict(self) -> str:
        """One of ``VERDICTS``."""
        if self.fewest < FEWEST_EVENTS or not math.isfinite(self.gap_low + self.gap_high):
            return TOO_FEW
        low, high = (1 / self.margin, self.margin) if self.metric in RATIOS else (-self.margin, self.margin)
        return verdict_of(self.gap_low, self.gap_high, self.p_holm, (low, high))


def fairness_rows(
    scorer: Scorer, groups: pd.DataFrame, declared: str, crossed: pd.DataFrame | None = None
) -> Iterator[dict[str, object]]:
    """Rows of the table ``fairness``: every gap of every model, corrected within its family.

    The declared model's observed/expected and net benefit in sex, age, body mass and kidney disease are one family (primary);
    all other gaps of a model are another (exploratory).

    Args:
        groups: boolean by case id and group; declared: the model that the primary analysis is about.
        crossed: cells of crossed groupings that the declared model is judged in besides.
    """
    for model in (name for name in scorer.panel.answers if name != BASE_RATE):
        gaps = list(_gaps(scorer, groups, model, model == declared))
        if model == declared and crossed is not None:
            gaps += _crossed_gaps(scorer, groups, crossed, model)
        for family in (True, False):
            members = [gap for gap in gaps if gap.primary is family]
            tested = holm([gap.p for gap in members])
            for gap, corrected in zip(members, tested):
                yield _row(scorer, replace(gap, p_holm=corrected))


def _row(scorer: Scorer, gap: Gap) -> dict[str, object]:
    kept = ("group", "model", "metric", "value", "low", "high", "rest", "gap", "gap_low", "gap_high", "p", "p_holm", "margin")
    return {
        "outcome": scorer.panel.outcome.name,
        "split": scorer.panel.split,
        **{name: getattr(gap, name) for name in kept},
        "n": gap.n,
        "n_events": gap.n_events,
        "primary": gap.primary,
        "verdict": gap.verdict,
    }


def _gaps(scorer: Scorer, groups: pd.DataFrame, model: str, declared: bool) -> Iterator[Gap]:
    members = groups.reindex(scorer.panel.case_ids, fill_value=False)
    chosen = [Measure(METRICS.get(name)) for name in MARGINS if declared or name not in COSTLY]
    for sides in _all_sides(members, members.columns):
        if sides.persons(scorer) >= FEWEST_PERSONS:
            yield from (_gap(scorer, sides, model, measure, declared) for measure in chosen)


def _crossed_gaps(scorer: Scorer, groups: pd.DataFrame, crossed: pd.DataFrame, model: str) -> Iterator[Gap]:
    """Gaps of the cells in ``crossed``; where events are too few to say anything, no interval is worked out."""
    members = groups.join(crossed).reindex(scorer.panel.case_ids, fill_value=False)
    for sides in _all_sides(members, crossed.columns, CROSSED_DRAWS):
        if sides.persons(scorer) >= FEWEST_CROSSED:
            enough = sides.fewest(scorer) >= FEWEST_EVENTS
            for measure in (Measure(METRICS.get(name)) for name in MARGINS):
                yield _gap(scorer, sides, model, measure, False) if enough else _untold(scorer, sides, model, measure)


def _all_sides(members: pd.DataFrame, names: Iterable[str], draws: int | None = None) -> Iterator[_Sides]:
    for name in names:
        inside, outside = members[name].to_numpy(dtype=bool), others(members, str(name))
        yield _Sides(str(name), np.flatnonzero(inside), np.flatnonzero(outside), draws)


@dataclass(frozen=True)
class _Sides:
    group: str
    inside: Cases
    outside: Cases
    draws: int | None

    @property
    def crossed(self) -> bool:
        return CROSS in self.group

    def persons(self, scorer: Scorer) -> int:
        """The smaller number of patients of the two sides."""
        return min(scorer.panel.persons(self.inside), scorer.panel.persons(self.outside))

    def fewest(self, scorer: Scorer) -> int:
        """The smallest number of patients with or without the event on either side."""
        panel = scorer.panel
        counts: list[int] = []
        for side in (self.inside, self.outside):
            events = panel.persons_with_event(side)
            counts += [events, panel.persons(side) - events]
        return min(counts)


def _gap(scorer: Scorer, sides: _Sides, model: str, measure: Measure, declared: bool) -> Gap:
    here = scorer.values(model, measure, scorer.subset(sides.group, sides.inside, sides.draws))
    there = scorer.values(model, measure, scorer.subset("others", sides.outside, sides.draws))
    ratio = measure.name in RATIOS
    between = _log(here) - _log(there) if ratio else here - there
    if measure.name in PROMISES:
        between = between - _promised(scorer, sides, model, measure)
    own, found = interval_of(here), interval_of(between)
    back = math.exp if ratio else float
    grouping = sides.group.split("=", 1)[0]
    return Gap(
        group=sides.group,
        model=model,
        metric=measure.name,
        value=own.value,
        low=own.low,
        high=own.high,
        rest=float(there[0]),
        gap=back(found.value),
        gap_low=back(found.low),
        gap_high=back(found.high),
        p=two_sided(between),
        n=scorer.panel.persons(sides.inside),
        n_events=scorer.panel.persons_with_event(sides.inside),
        fewest=sides.fewest(scorer),
        primary=declared and measure.name in PRIMARY_METRICS and grouping in PRIMARY_GROUPINGS and not sides.crossed,
    )


def _promised(scorer: Scorer, sides: _Sides, model: str, measure: Measure) -> Array:
    """The gap that there would be if the stated risks came true."""
    promise = Measure(PROMISES[measure.name])
    here = scorer.values(model, promise, scorer.subset(sides.group, sides.inside, sides.draws))
    return here - scorer.values(model, promise, scorer.subset("others", sides.outside, sides.draws))


def _untold(scorer: Scorer, sides: _Sides, model: str, measure: Measure) -> Gap:
    """Counts alone."""
    panel, none = scorer.panel, math.nan
    counts = (panel.persons(sides.inside), panel.persons_with_event(sides.inside), sides.fewest(scorer))
    return Gap(sides.group, model, measure.name, none, none, none, none, none, none, none, none, *counts, primary=False)


def _log(values: Array) -> Array:
    return np.log(values, out=np.full(values.shape, np.nan), where=values > 0)


def one_sentence(table: pd.DataFrame, labels: Mapping[str, str]) -> str:
    """What the primary analysis of one outcome found.

    Args:
        table: rows of ``fairness`` of one outcome and split; labels: what people read for a metric.
    """
    primary = table[table["primary"].astype(bool)]
    if primary.empty:
        return "No group of the analysis declared beforehand (sex, age, body mass, kidney disease) is in this data set."
    parts = [_told(verdict, primary[primary["verdict"] == verdict], labels) for verdict in (DISPARITY, NO_EVIDENCE, TOO_FEW)]
    adequate = int((primary["verdict"] == ADEQUATE).sum())
    opening = f"{adequate} of {len(primary)} declared comparisons are adequate"
    return "; ".join([opening, *(part for part in parts if part)]) + "."


def _told(verdict: str, rows: pd.DataFrame, labels: Mapping[str, str]) -> str:
    if rows.empty:
        return ""
    if verdict == NO_EVIDENCE:
        return f"in {len(rows)} neither a gap nor its absence is shown"
    if verdict == TOO_FEW:
        return f"in {len(rows)} events are too few"
    metrics = [labels.get(metric, metric) for metric in rows["metric"]]
    named = [f"{group_words(group)} ({metric})" for group, metric in zip(rows["group"], metrics)]
    more = f" and {len(named) - 4} more" if len(named) > 4 else ""
    return f"a disparity is seen in {', '.join(named[:4])}{more}"

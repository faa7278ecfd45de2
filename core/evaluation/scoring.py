"""Scores with intervals: metrics of every model, in every group, all replicates at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.contracts.metric import Array, MetricSpec
from core.contracts.outcome import Outcome
from core.contracts.score import Score
from core.evaluation.bootstrap import Counts, Interval, case_counts, interval_of, patient_seed
from core.evaluation.panel import Cases, Panel
from core.metrics import METRICS

FEWEST_PERSONS = 2
ALL = "all"


@dataclass(frozen=True)
class Measure:
    """A metric as it stands in a table: with its day, where it is one of single days."""

    spec: MetricSpec
    day: int = -1

    @property
    def name(self) -> str:
        return self.spec.name if self.day < 0 else f"{self.spec.name}_{self.day}"


def measures(outcome: Outcome, *, groups: bool = False, compared: bool = False) -> tuple[Measure, ...]:
    """What an outcome is scored by: everything; or what groups are scored by; or what models are compared by."""
    found: list[Measure] = []
    for spec in METRICS:
        if spec.in_days and outcome.moments:
            continue
        if outcome.kind in spec.kinds and (spec.in_groups or not groups) and (spec.compared or not compared):
            found.extend(Measure(spec, day) for day in (outcome.days if spec.each_day else (-1,)))
    return tuple(found)


@dataclass(frozen=True)
class Subset:
    """Some cases of a panel and how often each was drawn, shape (cases, replicates + 1)."""

    name: str
    cases: Cases
    counts: Counts

    @cached_property
    def weights(self) -> Array:
        """The counts as real numbers."""
        return self.counts.astype(np.float64)


@dataclass
class Scorer:
    """Metrics of a panel's models under one shared set of bootstrap draws.

    Args:
        panel: what was said and what happened.
        replicates: bootstrap samples of patients.
        seed: the study's seed; the draws depend on it and on who the patients are.
    """

    panel: Panel
    replicates: int
    seed: int
    _known: dict[tuple[str, str], Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        seed = patient_seed(self.seed, self.panel.patient_ids)
        counts = case_counts(self.panel.patients, self.replicates, seed)
        self.everyone = Subset(ALL, np.arange(len(self.panel.y)), counts)

    def subset(self, name: str, members: Cases, draws: int | None = None) -> Subset:
        """A group's cases with the counts that they have in the draws of the whole, or in the first ``draws`` of them."""
        return Subset(name, members, self.everyone.counts[members, : None if draws is None else draws + 1])

    def values(self, model: str, measure: Measure, subset: Subset) -> Array:
        """A metric averaged over repeats, shape (replicates + 1,): first on the data as they are.

        A replicate has no value when any repeat has none.
        """
        answers = self.panel.answers[model]
        drawn: NDArray[Any] = subset.counts if measure.spec.takes_counts else subset.weights
        total = np.zeros(drawn.shape[1])
        for repeat in range(answers.repeats):
            said = answers.said[repeat, subset.cases]
            cases, weights = subset.cases, drawn
            if not said.all():
                cases, weights = cases[said], weights[said]
            sample = self.panel.sample(model, repeat, cases, measure.day)
            total += measure.spec.compute(sample, weights.T) if len(cases) else np.nan
        return total / answers.repeats

    def values_of_all(self, model: str, measure: Measure) -> Array:
        """``values`` on all cases, kept for comparisons."""
        key = (model, measure.name)
        if key not in self._known:
            self._known[key] = self.values(model, measure, self.everyone)
        return self._known[key]


def score_rows(scorer: Scorer, dataset: str, groups: pd.DataFrame) -> Iterator[Score]:
    """One score for every model, group and metric; groups of fewer than 2 persons are left out.

    Args:
        groups: boolean by case id (index) and group.
    """
    outcome = scorer.panel.outcome
    yield from _rows_of_subset(scorer, dataset, scorer.everyone, measures(outcome))
    members = groups.reindex(scorer.panel.case_ids, fill_value=False)
    chosen = measures(outcome, groups=True)
    for name in members.columns:
        cases = np.flatnonzero(members[name].to_numpy(dtype=bool))
        if scorer.panel.persons(cases) >= FEWEST_PERSONS:
            yield from _rows_of_subset(scorer, dataset, scorer.subset(str(name), cases), chosen)


def _rows_of_subset(scorer: Scorer, dataset: str, subset: Subset, chosen: Sequence[Measure]) -> Iterator[Score]:
    panel = scorer.panel
    for model, answers in panel.answers.items():
        cases = subset.cases[answers.covered[subset.cases]]
        n, n_events = panel.persons(cases), panel.persons_with_event(cases)
        if n < FEWEST_PERSONS:
            continue
        for measure in chosen:
            whole = subset is scorer.everyone
            values = scorer.values_of_all(model, measure) if whole else scorer.values(model, measure, subset)
            found: Interval = interval_of(values)
            yield Score(
                dataset=dataset,
                outcome=panel.outcome.name,
                model=model,
                split=panel.split,
                group=subset.name,
                metric=measure.name,
                value=found.value,
                low=found.low,
                high=found.high,
                n=n,
                n_events=n_events,
                n_undefined=found.n_undefined,
            )

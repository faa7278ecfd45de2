"""Times our bootstrap of AUROC, average precision and rates of groups beside scikit-learn, SciPy and fairlearn.

    python benchmarks/evaluation.py [--rounds 5] [--cases 2000] [--replicates 2000] [--sample 4]

All run in one process, in turn; a number is the median over rounds. The loops over scikit-learn and fairlearn's bootstrap are
run on a few of the replicates (``--sample``) and scaled to all of them, which the tables say. Ours is the way that studies take:
draws included, from predictions to values. Every value that two methods both compute is compared; where one differs by more
than rounding, the program says so and ends with status 1. Peers are in benchmarks/requirements.txt; one that is not installed
is left out, saying so.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import average_precision_score, precision_score, recall_score, roc_auc_score

from core.contracts.outcome import Outcome
from core.evaluation.bootstrap import Interval, bca_interval, interval_of
from core.evaluation.delong import placements
from core.evaluation.jackknife import auroc_without_each
from core.evaluation.multinomial import group_rates
from core.evaluation.panel import Panel, make_panel
from core.evaluation.scoring import Measure, Scorer
from core.metrics import METRICS

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
OUTCOME = Outcome("event", "Event", "binary", "It came.", desirable=False)
MODELS, GROUPS, SHARE_IN_GROUP = 6, 8, 0.375
THRESHOLD = 0.5
ROUNDING = 1e-12
SEED = 1
RATES: Mapping[str, Callable[..., float]] = {
    "recall": recall_score,
    "precision": precision_score,
    "false_positive_rate": false_positive_rate,
    "flagged": selection_rate,
}


@dataclass(frozen=True)
class Task:
    """Made-up predictions of several models with ties, and groups of cases, (cases, groups)."""

    panel: Panel
    members: Flags
    replicates: int

    def scorer(self) -> Scorer:
        return Scorer(self.panel, self.replicates, SEED)


@dataclass(frozen=True)
class Method:
    """A row of a table: ``run`` computes values; ``share`` of the replicates is what it computes, the time is scaled by it."""

    name: str
    run: Callable[[], Any]
    share: float = 1.0
    note: str = ""


def made_up(cases: int, replicates: int, models: int, members: Flags) -> Task:
    """Risks of two decimals that know more from model to model; one patient in five has the event."""
    rng = np.random.default_rng(0)
    y = (rng.random(cases) < 0.2).astype(float)
    names = [f"c{case:05d}" for case in range(cases)]
    shared = {"case_id": names, "patient_id": names, "outcome": OUTCOME.name, "split": "internal", "repeat": 0, "y": y}
    tables = [
        pd.DataFrame({**shared, "model": f"m{model}", "fold": np.arange(cases) % 5, "risk": risks_of(y, model, rng)})
        for model in range(models)
    ]
    return Task(make_panel(OUTCOME, "internal", pd.concat(tables, ignore_index=True), THRESHOLD), members, replicates)


def risks_of(y: Array, model: int, rng: np.random.Generator) -> Array:
    return np.round(stats.norm.cdf(rng.normal(size=len(y)) + (0.5 + 0.2 * model) * y), 2)


def ours(task: Task, metric: str) -> Array:
    """(groups, models, replicates + 1): draws and all, as a study computes it."""
    scorer, measure = task.scorer(), Measure(METRICS.get(metric))
    subsets = [scorer.subset("group", np.flatnonzero(column)) for column in task.members.T]
    return np.array([[scorer.values(model, measure, subset) for model in task.panel.answers] for subset in subsets])


def resampled_rows(task: Task, sample: int) -> list[list[NDArray[np.intp]]]:
    """By replicate and group the rows as drawn, of the first replicates."""
    counts = task.scorer().everyone.counts
    inside = [np.flatnonzero(column) for column in task.members.T]
    return [[np.repeat(cases, counts[cases, 1 + at]) for cases in inside] for at in range(sample)]


def scikit_learn(task: Task, drawn: list[list[NDArray[np.intp]]], score: Callable[..., float]) -> Array:
    """(groups, models, sample): one call a replicate, group and model."""
    y, risks = task.panel.y, [answers.risk[0] for answers in task.panel.answers.values()]
    values = [[[score(y[rows], risk[rows]) for risk in risks] for rows in groups] for groups in drawn]
    return np.moveaxis(np.array(values), 0, -1)


def measure(methods: Sequence[Method], rounds: int) -> tuple[list[float], list[Any]]:
    """Median seconds of each method, scaled to all replicates and all taking turns, and what each gave."""
    seconds = np.empty((rounds, len(methods)))
    given: list[Any] = [None] * len(methods)
    for turn in range(rounds):
        for at, method in enumerate(methods):
            started = time.perf_counter()
            given[at] = method.run()
            seconds[turn, at] = (time.perf_counter() - started) / method.share
    return np.median(seconds, axis=0).tolist(), given


def show(title: str, methods: Sequence[Method], seconds: Sequence[float]) -> None:
    """Prints one table: milliseconds of the whole job and how many times ours that is."""
    print(f"### {title}\n\n| method | ms | times ours | note |\n|---|---|---|---|")
    for method, spent in zip(methods, seconds, strict=True):
        scaled = "" if method.share == 1 else f"run on {method.share:.2%} of the replicates, scaled"
        note = "; ".join(filter(None, (scaled, method.note)))
        print(f"| {method.name} | {spent * 1000:,.1f} | {spent / seconds[0]:,.2f} | {note} |")
    print()


def same(what: str, one: Any, other: Any, within: float = ROUNDING) -> bool:
    """Whether two methods' numbers are equal, said in a line."""
    apart = float(np.max(np.abs(np.asarray(one, dtype=float) - np.asarray(other, dtype=float))))
    print(f"{what}: largest difference {apart:.1e}{'' if apart <= within else ', WHICH IS NOT EQUAL'}\n")
    return apart <= within


def ranking(cases: int, replicates: int, sample: int, rounds: int) -> bool:
    """AUROC and average precision of all groups and models beside a loop over scikit-learn."""
    members = np.random.default_rng(1).random((cases, GROUPS)) < SHARE_IN_GROUP
    task = made_up(cases, replicates, MODELS, members)
    drawn, equal = resampled_rows(task, sample), True
    for metric, score in (("auroc", roc_auc_score), ("average_precision", average_precision_score)):
        methods = [
            Method("ours", lambda metric=metric: ours(task, metric), note="draws included"),  # type: ignore[misc]
            Method(
                f"scikit-learn, a loop over {score.__name__}",
                lambda score=score: scikit_learn(task, drawn, score),  # type: ignore[misc]
                sample / replicates,
                "draws not included",
            ),
        ]
        seconds, (mine, theirs) = measure(methods, rounds)
        number = f"{replicates * GROUPS * MODELS:,}"
        show(f"{METRICS.get(metric).label}, {number} values: {replicates:,} replicates, {GROUPS} groups, {MODELS} models, "
             f"{cases:,} cases", methods, seconds)  # fmt: skip
        equal &= same(f"{theirs.size} values of scikit-learn against ours", mine[..., 1 : sample + 1], theirs)
    return equal


def single_interval(cases: int, replicates: int, rounds: int) -> bool:
    """One AUROC's interval, in several ways."""
    task = made_up(cases, replicates, 1, np.ones((cases, 1), dtype=bool))
    y, risk = task.panel.y, task.panel.answers["m0"].risk[0]
    methods = [
        Method("ours, BCa", lambda: our_bca(task)),
        Method("ours, percentile", lambda: interval_of(task.scorer().values_of_all("m0", Measure(METRICS.get("auroc"))))),
        Method("ours, DeLong", lambda: our_delong(y, risk), note="no resampling"),
        Method("scipy.stats.bootstrap, BCa", lambda: scipy_bca(y, risk, replicates), note="calls roc_auc_score"),
        *confidenceinterval_methods(y, risk, replicates),
    ]
    seconds, given = measure(methods, rounds)
    show(f"Interval of one AUROC: {cases:,} cases, {replicates:,} replicates", methods, seconds)
    peer, drawn = given[3]
    for method, found in zip(methods, [*given[:3], Interval(given[0].value, peer[0], peer[1], 0), *given[4:]], strict=True):
        print(f"* {method.name}: {found.low:.4f} to {found.high:.4f}")
    print()
    value = roc_auc_score(y, risk)
    again = bca_interval(np.append(value, drawn), auroc_without_each(y, risk, np.arange(cases)))
    equal = same("The AUROC of ours and of scikit-learn", [found.value for found in given[:3]], value)
    return same("BCa ends of ours and of SciPy on SciPy's draws", (again.low, again.high), peer, 1e-9) and equal


def our_bca(task: Task) -> Interval:
    values = task.scorer().values_of_all("m0", Measure(METRICS.get("auroc")))
    return bca_interval(values, auroc_without_each(task.panel.y, task.panel.answers["m0"].risk[0], task.panel.patients))


def our_delong(y: Array, risk: Array) -> Interval:
    found = placements(y, risk)
    error = np.sqrt(found.events.var(ddof=1) / len(found.events) + found.others.var(ddof=1) / len(found.others))
    value, half = float(found.events.mean()), float(stats.norm.ppf(0.975) * error)
    return Interval(value, value - half, value + half, 0)


def scipy_bca(y: Array, risk: Array, replicates: int) -> tuple[tuple[float, float], Array]:
    found = stats.bootstrap(
        (y, risk),
        roc_auc_score,
        n_resamples=replicates,
        paired=True,
        vectorized=False,
        method="BCa",
        rng=np.random.default_rng(0),
    )
    return tuple(found.confidence_interval), found.bootstrap_distribution


def confidenceinterval_methods(y: Array, risk: Array, replicates: int) -> list[Method]:
    """The package's BCa bootstrap and its DeLong."""
    try:
        from confidenceinterval import roc_auc_score as peer
    except ImportError as error:
        print(f"Left out: {error.name} is not installed (pip install -r benchmarks/requirements.txt).\n")
        return []

    def told(**how: object) -> Interval:
        value, (low, high) = peer(y.astype(int), risk, confidence_level=0.95, **how)
        return Interval(float(value), float(low), float(high), 0)

    resampling = {"method": "bootstrap_bca", "n_resamples": replicates, "random_state": np.random.default_rng(0)}
    return [
        Method("confidenceinterval, bootstrap_bca", lambda: told(**resampling)),
        Method("confidenceinterval, delong", lambda: told(method="delong"), note="no resampling"),
    ]


def groups_at_a_threshold(cases: int, replicates: int, sample: int, rounds: int) -> bool:
    """Four rates of eight groups beside fairlearn."""
    group = np.random.default_rng(2).integers(GROUPS, size=cases)
    task = made_up(cases, replicates, 1, group[:, None] == np.arange(GROUPS))
    flagged = task.panel.answers["m0"].risk[0] >= THRESHOLD
    of_data = {"metrics": RATES, "y_true": task.panel.y, "y_pred": flagged, "sensitive_features": group}
    scorer = task.scorer()
    methods = [
        Method("ours, counts of cells", lambda: group_rates(scorer, "m0", task.members)),
        Method("ours, patients resampled", lambda: by_patients(task), note="the three rates that are metrics of a study"),
        Method(
            "fairlearn MetricFrame",
            lambda: MetricFrame(**of_data, n_boot=sample, ci_quantiles=[0.025, 0.975]),
            sample / replicates,
        ),
    ]
    seconds, (mine, _, frame) = measure(methods, rounds)
    show(f"Four rates of {GROUPS} groups: {cases:,} cases, {replicates:,} replicates", methods, seconds)
    return same(
        "Rates of fairlearn against ours", np.array([mine[name][0] for name in RATES]).T, frame.by_group.to_numpy(dtype=float)
    )


def by_patients(task: Task) -> Array:
    """(rates, groups, replicates + 1)"""
    scorer = task.scorer()
    subsets = [scorer.subset("group", np.flatnonzero(column)) for column in task.members.T]
    rates = [Measure(METRICS.get(name)) for name in ("recall", "precision", "false_positive_rate")]
    return np.array([[scorer.values("m0", rate, subset) for subset in subsets] for rate in rates])


def main() -> None:
    """Prints the tables; ends with status 1 where values are not equal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--replicates", type=int, default=2000)
    parser.add_argument("--sample", type=int, default=4)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    warm = made_up(50, 20, 1, np.ones((50, 1), dtype=bool))
    ours(warm, "auroc"), ours(warm, "average_precision")  # compiled before the clock starts
    equal = [
        ranking(given.cases, given.replicates, given.sample, given.rounds),
        single_interval(given.cases // 2, given.replicates, min(given.rounds, 3)),
        groups_at_a_threshold(given.cases, given.replicates, 20, min(given.rounds, 3)),
    ]
    if not all(equal):
        raise SystemExit("Some values were not equal; see above.")


if __name__ == "__main__":
    main()

"""From the predictions table to the one summary that pages read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, cast, get_args

import numpy as np
import pandas as pd

from core.contracts.codebook import Block
from core.contracts.cohort import Cohort
from core.contracts.metric import Array, MetricSpec
from core.contracts.outcome import Outcome
from core.contracts.recipe import Recipe
from core.evaluation import fairness
from core.evaluation.bootstrap import interval_of
from core.evaluation.case_mix import case_mix_rows
from core.evaluation.case_mix import one_sentence as mix_sentence
from core.evaluation.choice import choose
from core.evaluation.comparisons import Pair, comparison_rows, every_pair, planned_pairs
from core.evaluation.curves import curve_rows
from core.evaluation.distributions import distribution_rows
from core.evaluation.equal_sensitivity import equal_sensitivity_rows
from core.evaluation.facts import dataset_facts, model_facts, outcome_facts, split_facts
from core.evaluation.features import feature_rows
from core.evaluation.groups import all_crossings, default_groups
from core.evaluation.headlines import VERDICTS, Evidence, Finding, find, imaging_pair, procedure_pair
from core.evaluation.panel import Panel, make_panel
from core.evaluation.probes import Probes
from core.evaluation.recalibration import recalibrated_curves, recalibration_rows
from core.evaluation.recovery import recovery_rows
from core.evaluation.sample_size import parameters_of, sample_size_facts
from core.evaluation.scoring import ALL, FEWEST_PERSONS, Measure, Scorer, score_rows
from core.evaluation.splits import INTERNAL, judged
from core.evaluation.strata import strata_rows
from core.evaluation.thresholds import threshold_rows
from core.evaluation.verdicts import VERDICTS as GROUP_VERDICTS
from core.metrics import METRICS
from core.storage.summaries import OUTCOME_TABLES, StudySummary

Progress = Callable[[str, float], None]


def _silent(phrase: str, share: float) -> None:
    return None


@dataclass
class _Tables:
    """Rows of a summary's tables as they come."""

    rows: dict[str, list[Mapping[str, Any]]] = field(default_factory=lambda: {name: [] for name in OUTCOME_TABLES})

    def add(self, name: str, rows: Iterator[dict[str, object]]) -> None:
        self.rows[name].extend(rows)

    def frame(self, name: str) -> pd.DataFrame:
        table = pd.DataFrame(self.rows[name], columns=list(OUTCOME_TABLES[name]))
        if "n_events" in table:
            table["n_events"] = table["n_events"].astype("Int64")
        return table


@dataclass(frozen=True)
class _Work:
    """What every part of the summary is computed from."""

    cohort: Cohort
    recipe: Recipe
    models: Sequence[Mapping[str, object]]
    groups: pd.DataFrame


def summarise(
    *,
    cohort: Cohort,
    recipe: Recipe,
    predictions: pd.DataFrame,
    models: Sequence[Mapping[str, object]],
    run: Mapping[str, object],
    cost: pd.DataFrame,
    permuted: pd.DataFrame | None,
    skipped: Sequence[str],
    features: pd.DataFrame | None = None,
    progress: Progress | None = None,
) -> StudySummary:
    """The summary of a study.

    Args:
        predictions: the table of ``core.storage.results.PREDICTION_COLUMNS``, of all splits.
        models: facts of each model, as in ``StudySummary.info``.
        run: run_id, created and provenance.
        cost: columns of ``OUTCOME_TABLES["cost"]``.
        permuted: rows of a run on shuffled outcomes, or None.
        skipped: what was not computed and why, sentences.
        features: what shuffling each field added to the loss (``core.evaluation.features.COLUMNS``), or None.
        progress: called with a phrase and the share done.

    Raises:
        DataError: the predictions contradict themselves (a case twice, with two truths, or with two patients).
        CodebookError: the recipe names a group that nobody described.
    """
    progress = progress or _silent
    work = _Work(cohort, recipe, models, default_groups(cohort, recipe.evaluation.groups))
    outcomes = [cohort.outcome(name) for name in recipe.outcomes]
    facts = [outcome_facts(cohort, outcome, recipe) for outcome in outcomes]
    tables = _Tables()
    findings: dict[str, Finding] = {}
    for at, (outcome, fact) in enumerate(zip(outcomes, facts)):
        say = _part_of(progress, at, len(outcomes))
        findings[outcome.name] = _judge(work, outcome, fact, predictions[predictions["outcome"] == outcome.name], tables, say)
        fact["verdict"] = findings[outcome.name].verdict
    tables.add("case_mix", case_mix_rows(cohort))
    if features is not None:
        tables.add("features", feature_rows(features, cohort.codebook))
    progress("Writing the summary", 1.0)
    frames = {name: tables.frame(name) for name in OUTCOME_TABLES if name != "cost"}
    frames["cost"] = cost.reindex(columns=list(OUTCOME_TABLES["cost"]))
    info = {
        **_study_facts(work, run, predictions),
        "outcomes": facts,
        "headlines": {name: finding.headline for name, finding in findings.items()},
        "change": {name: finding.change for name, finding in findings.items()},
        "fairness": _fairness_told(frames["fairness"]),
        "case_mix": {str(split): mix_sentence(rows) for split, rows in frames["case_mix"].groupby("split", sort=False)},
        "permuted": {} if permuted is None else _permuted(work, outcomes, permuted),
        "skipped": list(skipped),
    }
    return StudySummary(info, frames)


def _fairness_told(table: pd.DataFrame) -> dict[str, dict[str, str]]:
    """A sentence by outcome and split."""
    labels = {spec.name: spec.label for spec in METRICS}
    told: dict[str, dict[str, str]] = {}
    for (outcome, split), rows in table.groupby(["outcome", "split"], sort=False):
        told.setdefault(str(outcome), {})[str(split)] = fairness.one_sentence(rows, labels)
    return told


def _study_facts(work: _Work, run: Mapping[str, object], predictions: pd.DataFrame) -> dict[str, Any]:
    cohort, recipe = work.cohort, work.recipe
    return {
        "name": recipe.name,
        "title": recipe.title,
        "question": recipe.question,
        "run_id": run.get("run_id", ""),
        "created": run.get("created", ""),
        "published": False,
        "rows_available": True,
        "dataset": dataset_facts(cohort),
        "models": model_facts(work.models),
        "splits": split_facts(cohort, list(predictions["split"].unique())),
        "fairness_verdicts": dict(GROUP_VERDICTS),
        "recipe": recipe.model_dump(mode="json"),
        "provenance": run.get("provenance", {}),
        "min_cell": cohort.min_cell,
        "cannot": [],
        "metrics": [_metric_facts(spec) for spec in METRICS],
        "verdicts": dict(VERDICTS),
        "interval": f"95 % of {recipe.evaluation.bootstrap} bootstrap samples of patients; models are not fitted again",
    }


def _metric_facts(spec: MetricSpec) -> dict[str, Any]:
    names = ("name", "label", "family", "aim", "description", "undefined", "reference", "needs_threshold", "each_day")
    return {name: getattr(spec, name) for name in names}


def _part_of(progress: Progress, at: int, parts: int) -> Progress:
    return lambda phrase, share: progress(phrase, (at + share) / parts)


def _judge(
    work: _Work, outcome: Outcome, fact: dict[str, Any], rows: pd.DataFrame, tables: _Tables, progress: Progress
) -> Finding:
    """The finding on one outcome; its rows are added to the tables."""
    known = rows[rows["y" if outcome.kind == "binary" else "event"].notna()]
    tables.add("groups", group_rows(work.cohort, outcome, work.groups))
    threshold = float("nan") if fact["threshold"] is None else float(fact["threshold"])
    rule, labels = work.recipe.evaluation.choice, {str(row["name"]): str(row["label"]) for row in work.models}
    evidence = Evidence(fact, model_facts(work.models), tables.frame("scores").iloc[:0], tables.frame("comparisons").iloc[:0])
    splits = [str(split) for split in known["split"].unique() if judged(str(split))]
    for at, split in enumerate(sorted(splits, key=lambda name: name != INTERNAL)):
        progress(f"{outcome.label}: {split}", at / len(splits))
        scorer = _scorer(work, make_panel(outcome, split, known[known["split"] == split], threshold))
        found = _fill(work, scorer, tables, fact)
        if split == INTERNAL:
            evidence = found
            tables.add("pairs", comparison_rows(scorer, every_pair(scorer)))
            fact |= {"choice": choose(scorer, rule, labels)} if rule and outcome.kind == "binary" else {}
            fact |= {"needed": _needed(work, scorer)} if outcome.kind == "binary" else {}
            for name, rows_of in Probes(outcome, scorer, known, work.groups).tables.items():
                tables.add(name, rows_of())
    return find(evidence)


def _scorer(work: _Work, panel: Panel) -> Scorer:
    return Scorer(panel, work.recipe.evaluation.bootstrap, work.recipe.seed)


def _fill(work: _Work, scorer: Scorer, tables: _Tables, fact: Mapping[str, Any]) -> Evidence:
    scores = [asdict(score) for score in score_rows(scorer, work.cohort.name, work.groups)]
    pairs = planned_pairs(work.models, work.recipe.evaluation.reference_model)
    comparisons = list(comparison_rows(scorer, pairs))
    evidence = _evidence(work, fact, scores, comparisons)
    found = {imaging_pair(evidence), procedure_pair(evidence)} - {None, *pairs}
    further: list[Pair] = [pair for pair in found if pair is not None]
    if further:  # one family of tests: corrected together
        comparisons = list(comparison_rows(scorer, [*pairs, *further]))
    tables.add("scores", iter(scores))
    tables.add("comparisons", iter(comparisons))
    tables.add("strata", strata_rows(scorer.panel))
    if scorer.panel.outcome.kind == "binary":
        tables.add("curves", curve_rows(scorer, work.recipe.evaluation.uses.get(scorer.panel.outcome.name)))
        tables.add("distribution", distribution_rows(scorer.panel))
        declared = _declared(work, scorer.panel.outcome)
        tables.add("recalibration", recalibration_rows(scorer, [declared]))
        tables.add("curves", recalibrated_curves(scorer, [declared]))
        tables.add("thresholds", threshold_rows(scorer.panel))
        crossed = all_crossings(work.groups) if scorer.panel.split == INTERNAL else None
        tables.add("fairness", fairness.fairness_rows(scorer, work.groups, declared, crossed))
        if declared in scorer.panel.answers:
            tables.add("equal_sensitivity", equal_sensitivity_rows(scorer, work.groups, declared))
    else:
        tables.add("recovery", recovery_rows(scorer.panel))
    return _evidence(work, fact, scores, comparisons)


def _declared(work: _Work, outcome: Outcome) -> str:
    """The one model that the primary analysis of groups is about: that of the bundle, else the reference."""
    bundle = work.recipe.bundles.get(outcome.name)
    return bundle.model if bundle else work.recipe.evaluation.reference_model


def _needed(work: _Work, scorer: Scorer) -> dict[str, Any] | None:
    """The patients that the declared model needs; of its parameters those of the fields are counted."""
    declared = _declared(work, scorer.panel.outcome)
    inputs = next((row["inputs"] for row in work.models if row["name"] == declared), ())
    named, blocks = work.recipe.predictors, [block for block in get_args(Block) if block in set(cast(Sequence[str], inputs))]
    fields = work.cohort.codebook.predictors(blocks)
    return sample_size_facts(
        scorer, declared, parameters_of(field for field in fields if not named or field.block != "record" or field.name in named)
    )


def _evidence(work: _Work, fact: Mapping[str, Any], scores: list[Any], comparisons: list[Any]) -> Evidence:
    return Evidence(
        fact,
        model_facts(work.models),
        pd.DataFrame(scores, columns=list(OUTCOME_TABLES["scores"])),
        pd.DataFrame(comparisons, columns=list(OUTCOME_TABLES["comparisons"])),
    )


def group_rows(cohort: Cohort, outcome: Outcome, groups: pd.DataFrame) -> Iterator[dict[str, object]]:
    """Patients and events of each group in the main analysis; groups of fewer than 2 persons are left out."""
    column = outcome.name if outcome.kind == "binary" else f"{outcome.name}_event"
    event = cohort.targets.loc[list(cohort.internal), column].dropna()
    patients = cohort.table.loc[event.index, "patient_id"]
    everyone = pd.DataFrame({ALL: True}, index=event.index)
    for name, inside in pd.concat([everyone, groups.loc[event.index]], axis=1).items():
        n = int(patients[inside].nunique())
        if n >= FEWEST_PERSONS:
            n_events = int(patients[inside & (event == 1)].nunique())
            yield {"outcome": outcome.name, "group": str(name), "n": n, "n_events": n_events}


def _permuted(work: _Work, outcomes: Sequence[Outcome], rows: pd.DataFrame) -> dict[str, Any]:
    """Skill on shuffled outcomes: the interval should hold 0.5."""
    return {
        outcome.name: _permuted_skill(work, outcome, rows[rows["outcome"] == outcome.name])
        for outcome in outcomes
        if (rows["outcome"] == outcome.name).any()
    }


def _permuted_skill(work: _Work, outcome: Outcome, rows: pd.DataFrame) -> dict[str, Any]:
    present = [str(name) for name in rows["model"].unique()]
    wanted = work.recipe.evaluation.reference_model
    model = wanted if wanted in present else present[0]
    metric = "auroc" if outcome.kind == "binary" else "c_index"
    truth = rows["y" if outcome.kind == "binary" else "event"].notna()
    chosen = rows[(rows["model"] == model) & truth]
    values = [_skill(work, outcome, part, model, metric) for _, part in chosen.groupby("repeat")]
    found = interval_of(np.mean(values, axis=0))
    return {"model": model, "metric": metric, "auroc": found.value, "low": found.low, "high": found.high}


def _skill(work: _Work, outcome: Outcome, rows: pd.DataFrame, model: str, metric: str) -> Array:
    """Each repeat was shuffled anew and so has its own truth; patients are drawn alike in all of them."""
    scorer = _scorer(work, make_panel(outcome, "permuted", rows))
    return scorer.values_of_all(model, Measure(METRICS.get(metric)))

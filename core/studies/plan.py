"""From a recipe and a cohort to jobs: one job is one model, fitted once and judged on cases it has not seen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from core.contracts.cohort import Cohort, target_columns
from core.contracts.forecast import PredictorSpec
from core.contracts.outcome import Outcome
from core.contracts.recipe import ModelPart, Recipe
from core.errors import RecipeError
from core.evaluation.groups import group_table
from core.evaluation.splits import ABLATION, INTERNAL, LEARNING, SECTION, STABILITY
from core.outcomes import PREDICTORS
from core.studies.folds import Fold, folds_digest, make_folds, shuffle_targets

JOB_VERSION = 1
PERMUTED = "permuted"
EXTRAS = ("withhold", "bootstrap", "apparent", "fields", "blind", "shuffle_fields")
"""Fields of a job that do not enter its key where they ask for nothing."""


@dataclass(frozen=True)
class Job:
    """One fit and its predictions.

    Args:
        model: slug of the row in the results, variant included; base_model: the plug-in.
        blocks: blocks of fields that it reads; uses_images: whether it reads pictures.
        outcomes: slugs that it is fitted for.
        shuffle_seed: where given, outcomes are shuffled among the training and test cases first, to show that nothing leaks.
        withhold: inputs that are also taken away, one at a time, from the cases judged ("image", or a block of fields).
        bootstrap: where given, it learns from a bootstrap sample of the training patients drawn by this number.
        apparent: whether it is also judged on the cases that it learned from.
        fields: the only fields that it reads, of its blocks; empty: all of them.
        blind: whether it learns and is judged without pictures, although it could read them.
        shuffle_fields: whether each field is also shuffled among the cases judged, to see what is lost.
    """

    model: str
    base_model: str
    inputs: str
    blocks: tuple[str, ...]
    uses_images: bool
    is_network: bool
    options: Mapping[str, Any]
    tune: int
    outcomes: tuple[str, ...]
    split: str
    repeat: int
    fold: int
    train: tuple[str, ...]
    test: tuple[str, ...]
    seed: int
    version: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    shuffle_seed: int | None = None
    withhold: tuple[str, ...] = ()
    bootstrap: int | None = None
    apparent: bool = False
    fields: tuple[str, ...] = ()
    blind: bool = False
    shuffle_fields: bool = False

    @property
    def key(self) -> str:
        """Twenty hex digits over everything that its result depends on besides the data's fingerprint."""
        asked = {name: value for name, value in self.__dict__.items() if name not in EXTRAS or value not in (None, (), False)}
        plain = {**asked, "options": dict(self.options), "settings": dict(self.settings), "job_version": JOB_VERSION}
        return hashlib.sha256(json.dumps(plain, sort_keys=True, default=list).encode()).hexdigest()[:20]

    @property
    def phrase(self) -> str:
        """What a progress bar says."""
        where = f"fold {self.fold + 1}, repeat {self.repeat + 1}" if self.split == "internal" else self.split
        return f"{self.model}: {where}"

    def describe(self) -> dict[str, Any]:
        """The job as kept beside its part: no case ids."""
        kept = ("model", "base_model", "inputs", "split", "repeat", "fold", "seed", "tune", "is_network")
        return {**{name: getattr(self, name) for name in kept}, "n_train": len(self.train), "n_test": len(self.test)}


@dataclass(frozen=True)
class Plan:
    """All jobs of a study, in the order they are run.

    Args:
        models: facts of each row of the leaderboard (keys as in ``StudySummary.info``).
        skipped: what is not computed and why, sentences.
        folds_stamp: digest of the cross-validation's folds.
    """

    jobs: tuple[Job, ...]
    models: tuple[Mapping[str, Any], ...]
    skipped: tuple[str, ...]
    folds_stamp: str


def make_plan(recipe: Recipe, cohort: Cohort) -> Plan:
    """The jobs of a recipe on a cohort.

    Raises:
        RecipeError: a model needs pictures or masks that the data set does not have.
        UnknownNameError: no such outcome or model.
        OpSightError: a group that the data set does not have; refused here, before hours of training.
    """
    outcomes = tuple(cohort.outcome(name) for name in recipe.outcomes)
    group_table(cohort, recipe.evaluation.groups)
    usable, skipped = _usable(cohort, outcomes, recipe.minimum_events)
    repeats = max(recipe.repeats.table, recipe.repeats.network)
    folds = make_folds(cohort, outcomes, folds=recipe.folds, repeats=repeats, seed=recipe.seed)
    jobs: list[Job] = []
    models: list[Mapping[str, Any]] = []
    for row in _rows(recipe, cohort, usable):
        models.append(row.facts())
        jobs.extend(_jobs_of_row(row, recipe, cohort, folds))
        jobs.extend(_stability_jobs(row, recipe, cohort))
        jobs.extend(_learning_jobs(row, recipe, cohort, folds))
        jobs.extend(_ablation_jobs(row, recipe, cohort, folds))
    if recipe.evaluation.permuted_labels:
        jobs.extend(_permuted_jobs(recipe, cohort, usable))
    jobs.sort(key=lambda job: (job.split != INTERNAL, job.repeat, job.is_network))
    return Plan(tuple(jobs), tuple(models), tuple(skipped), folds_digest(folds))


@dataclass(frozen=True)
class _Row:
    """One row of the leaderboard: a plug-in in one variant."""

    part: ModelPart
    spec: PredictorSpec
    inputs: str
    outcomes: tuple[Outcome, ...]

    @property
    def model(self) -> str:
        return f"{self.part.slug}_with_procedure" if self.inputs == "record_with_procedure" else self.part.slug

    @property
    def blocks(self) -> tuple[str, ...]:
        blocks = [name for name in self.spec.inputs if name != "image"]
        if self.inputs == "record_with_procedure" and "procedure" not in blocks:
            blocks.append("procedure")
        return tuple(blocks)

    def facts(self) -> dict[str, Any]:
        with_procedure = self.inputs == "record_with_procedure"
        label = self.part.label or self.spec.label
        label = f"{label} + procedure" if with_procedure else label
        return {
            "name": self.model, "base_model": self.part.slug, "label": label,
            "family": "reference" if self.part.fields else self.spec.family,
            "inputs": [*self.blocks, *(["image"] if "image" in self.spec.inputs else [])], "with_procedure": with_procedure,
            "description": self._description(), "reference": self.spec.reference, "is_network": self.spec.is_network,
            "variant_of": self.spec.name if self.part.network else "",
        }  # fmt: skip

    def _description(self) -> str:
        asked = f" It reads {', '.join(self.part.fields)} alone." if self.part.fields else ""
        other = ", ".join(f"{key}: {value}" for key, value in self.part.network.items())
        return f"{self.spec.description}{asked}" + (f" Trained with {other}." if other else "")


def _usable(cohort: Cohort, outcomes: Sequence[Outcome], minimum: int) -> tuple[tuple[Outcome, ...], list[str]]:
    kept, skipped = [], []
    targets = cohort.targets.loc[list(cohort.internal)]
    for outcome in outcomes:
        values = targets[target_columns(outcome)[-1]].dropna()
        events, others = int(values.sum()), int((1 - values).sum())
        if outcome.kind == "binary" and min(events, others) < minimum:
            skipped.append(
                f"{outcome.label}: {events} events among {len(values)} eligible patients; at least {minimum} with and "
                f"{minimum} without are needed to fit anything."
            )
        elif outcome.kind == "time_to_event" and events < minimum:
            skipped.append(f"{outcome.label}: {events} events; at least {minimum} are needed to fit anything.")
        else:
            kept.append(outcome)
    if not kept:
        raise RecipeError(
            "No outcome of the recipe has enough events: " + " ".join(skipped), do="Bring more cases, or lower minimum_events."
        )
    return tuple(kept), skipped


def _rows(recipe: Recipe, cohort: Cohort, outcomes: Sequence[Outcome]) -> Iterator[_Row]:
    has_procedure = bool(cohort.codebook.predictors(("procedure",)))
    for part in recipe.models:
        spec = PREDICTORS.get(part.name)
        _refuse_missing_input(spec, cohort)
        _refuse_unknown_fields(part, spec, cohort)
        served = tuple(
            outcome
            for outcome in outcomes
            if outcome.kind in spec.kinds and (not spec.only_outcomes or outcome.name in spec.only_outcomes)
        )
        if not served:
            continue
        varies = spec.variants and "record" in spec.inputs and has_procedure and not part.fields
        for inputs in recipe.inputs:
            if inputs == "record" or varies:
                yield _Row(part, spec, inputs, served)


def _refuse_missing_input(spec: PredictorSpec, cohort: Cohort) -> None:
    if "image" in spec.inputs and cohort.images is None:
        raise RecipeError(f"{spec.name!r} reads pictures, and {cohort.label} has none.", do="Leave it out of the recipe.")
    for block in ("anatomy", "procedure"):
        if block in set(spec.inputs) - set(spec.optional_inputs) and not cohort.codebook.predictors((block,)):
            raise RecipeError(
                f"{spec.name!r} reads {block} fields, and {cohort.label} has none.", do="Leave it out of the recipe."
            )


def _refuse_unknown_fields(part: ModelPart, spec: PredictorSpec, cohort: Cohort) -> None:
    unread = [field.name for field in cohort.codebook.require_predictors(part.fields) if field.block not in spec.inputs]
    if unread:
        raise RecipeError(
            f"{part.slug!r} asks {unread[0]!r}, a field that {spec.name!r} does not read.", do="Name another model."
        )


def _jobs_of_row(row: _Row, recipe: Recipe, cohort: Cohort, folds: Sequence[Fold]) -> Iterator[Job]:
    repeats = recipe.repeats.network if row.spec.is_network else recipe.repeats.table
    for fold in folds:
        if fold.repeat < repeats:
            names = _both_classes(cohort, row.outcomes, fold.train)
            if names:
                yield _job(row, recipe, names, INTERNAL, fold.repeat, fold.fold, fold.train, fold.test)
    for check in cohort.checks if recipe.checks else ():
        names = _both_classes(cohort, row.outcomes, check.train)
        if names:
            yield _job(row, recipe, names, check.name, 0, 0, check.train, check.test)


def _stability_jobs(row: _Row, recipe: Recipe, cohort: Cohort) -> Iterator[Job]:
    """The model from all patients, and refits on bootstrap samples of them; each speaks of every patient."""
    wanted = recipe.evaluation.stability
    if row.model not in wanted.models:
        return
    if "image" in row.spec.inputs:
        raise RecipeError(
            f"evaluation.stability: {row.model!r} reads pictures; a network is not refitted {wanted.refits} times.",
            do="Name models of the record.",
        )
    names = _both_classes(cohort, row.outcomes, cohort.internal)
    for refit in range(wanted.refits + 1):
        drawn = recipe.seed + refit if refit else None
        yield _job(row, recipe, names, STABILITY, refit, 0, cohort.internal, cohort.internal, bootstrap=drawn)


def _learning_jobs(row: _Row, recipe: Recipe, cohort: Cohort, folds: Sequence[Fold]) -> Iterator[Job]:
    """The first cross-validation again with a share of each training part; a smaller share is part of a larger."""
    wanted = recipe.evaluation.learning
    if row.model not in wanted.models:
        return
    patients = cohort.table["patient_id"].astype(str)
    for fold in (fold for fold in folds if fold.repeat == 0):
        order = np.random.default_rng([recipe.seed, 11, fold.fold]).permutation(np.unique(patients.loc[list(fold.train)]))
        for share in wanted.shares:
            kept = set(order[: round(len(order) * share / 100)])
            train = tuple(case for case in fold.train if patients[case] in kept)
            names = _both_classes(cohort, row.outcomes, train)
            if names:
                yield _job(row, recipe, names, f"{LEARNING}{share}", 0, fold.fold, train, fold.test)


def _ablation_jobs(row: _Row, recipe: Recipe, cohort: Cohort, folds: Sequence[Fold]) -> Iterator[Job]:
    """Every fit of the cross-validation again without one input."""
    if row.model not in recipe.evaluation.ablation.models:
        return
    repeats = recipe.repeats.network if row.spec.is_network else recipe.repeats.table
    for left_out, fields in _parts_to_leave_out(row, recipe, cohort).items():
        for fold in (fold for fold in folds if fold.repeat < repeats):
            names = _both_classes(cohort, row.outcomes, fold.train)
            if names:
                job = _job(row, recipe, names, f"{ABLATION}{left_out}", fold.repeat, fold.fold, fold.train, fold.test)
                yield replace(job, fields=fields, blind=left_out == "image")


def _parts_to_leave_out(row: _Row, recipe: Recipe, cohort: Cohort) -> dict[str, tuple[str, ...]]:
    """What a row can do without, and the fields that are left: the picture, each block of fields, each section of the record.

    A network takes long to fit and is not fitted again for each section.
    """
    named = {field.name for field in cohort.codebook.require_predictors(recipe.predictors)}
    visible = [
        field
        for field in cohort.codebook.predictors(("record", "anatomy", "procedure"))
        if field.block in row.blocks and (not named or field.block != "record" or field.name in named)
    ]
    blocks = dict.fromkeys(field.block for field in visible)
    parts = {str(block): [field for field in visible if field.block != block] for block in blocks}
    sections = dict.fromkeys(f.section for f in visible if f.block == "record")
    if len(sections) > 1 and not row.spec.is_network:
        parts |= {
            f"{SECTION}{section}": [field for field in visible if field.block != "record" or field.section != section]
            for section in sections
        }
    left = {name: tuple(field.name for field in kept) for name, kept in parts.items() if kept}
    reads_both = "image" in row.spec.inputs and visible
    return {"image": tuple(field.name for field in visible), **left} if reads_both else left


def _permuted_jobs(recipe: Recipe, cohort: Cohort, outcomes: Sequence[Outcome]) -> Iterator[Job]:
    """The reference model through the same path on shuffled outcomes: what leaks would show as skill.

    Folds are stratified again by the shuffled outcomes: with the old folds a training part rich in events would leave a
    test part poor in them, and an AUROC pooled over folds would fall below 0.5 by that alone.
    """
    part = next((part for part in recipe.models if part.slug == recipe.evaluation.reference_model), None)
    if part is None:
        return
    spec = PREDICTORS.get(part.name)
    row = _Row(
        part, spec, "record", tuple(outcome for outcome in outcomes if outcome.kind == "binary" and "binary" in spec.kinds)
    )
    for repeat in range(recipe.repeats.table if row.outcomes else 0):
        seed = recipe.seed + repeat
        shuffled = replace(cohort, targets=shuffle_targets(cohort.targets, cohort.internal, seed).reindex(cohort.targets.index))
        for fold in make_folds(shuffled, row.outcomes, folds=recipe.folds, repeats=1, seed=seed):
            names = _both_classes(shuffled, row.outcomes, fold.train)
            yield _job(row, recipe, names, PERMUTED, repeat, fold.fold, fold.train, fold.test, shuffle_seed=seed)


def _both_classes(cohort: Cohort, outcomes: Sequence[Outcome], train: Sequence[str]) -> tuple[str, ...]:
    targets = cohort.targets.loc[list(train)]
    kept = []
    for outcome in outcomes:
        values = targets[target_columns(outcome)[-1]].dropna()
        if (outcome.kind == "binary" and values.nunique() == 2) or (outcome.kind == "time_to_event" and values.sum() > 0):
            kept.append(outcome.name)
    return tuple(kept)


def _job(
    row: _Row,
    recipe: Recipe,
    outcomes: tuple[str, ...],
    split: str,
    repeat: int,
    fold: int,
    train: Sequence[str],
    test: Sequence[str],
    shuffle_seed: int | None = None,
    bootstrap: int | None = None,
) -> Job:
    return Job(
        model=row.model,
        base_model=row.spec.name,
        inputs=row.inputs,
        blocks=row.blocks,
        uses_images="image" in row.spec.inputs,
        is_network=row.spec.is_network,
        options=row.part.options,
        tune=row.part.tune,
        outcomes=outcomes,
        split=split,
        repeat=repeat,
        fold=fold,
        train=tuple(train),
        test=tuple(test),
        seed=recipe.seed + 1000 * repeat + fold,
        version=row.spec.version,
        settings={"inner_folds": recipe.inner_folds, **(_network_of(row, recipe) if row.spec.is_network else {})},
        shuffle_seed=shuffle_seed,
        withhold=_withheld(row) if split == INTERNAL else (),
        bootstrap=bootstrap,
        apparent=split == INTERNAL and repeat == 0,
        fields=row.part.fields,
        shuffle_fields=split == INTERNAL and row.model in recipe.evaluation.features.models,
    )


def _network_of(row: _Row, recipe: Recipe) -> dict[str, Any]:
    return {**recipe.network.model_dump(mode="json"), **row.part.network}


def _withheld(row: _Row) -> tuple[str, ...]:
    """Inputs that a model of record and picture is judged without."""
    return ("image", *row.blocks) if "image" in row.spec.inputs and row.blocks else ()

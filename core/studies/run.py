"""A study from recipe to summary: plan, run what is not done yet, evaluate."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from core.contracts.cohort import Cohort, PreparedImages
from core.contracts.dataset import LoadOptions
from core.contracts.recipe import Recipe, StudyRecipe
from core.datasets import DATASETS
from core.errors import RecipeError, did_you_mean
from core.evaluation.features import COLUMNS as FEATURE_COLUMNS
from core.evaluation.summary import summarise
from core.imaging.prepare import prepare_images
from core.storage.locations import data_parent, dataset_root, places
from core.storage.results import RunStore
from core.storage.summaries import StudySummary, read_summary, write_summary
from core.studies.estimates import Estimates, read_estimates
from core.studies.executor import run_jobs
from core.studies.jobs import JobResult, allowed_fields, run_job, study_input
from core.studies.plan import PERMUTED, Job, Plan, make_plan
from core.studies.provenance import code_stamp, provenance


@dataclass(frozen=True)
class Progress:
    """What a runner tells the one who watches.

    ``say(phrase, share)`` for a stage that knows its share done; ``jobs(done, all_jobs, phrase)`` for training, in
    units of expected cost (a network counts as many tables).
    """

    say: Callable[[str, float], None] = field(default=lambda phrase, share: None)
    jobs: Callable[[float, float, str], None] = field(default=lambda done, total, phrase: None)


@dataclass(frozen=True)
class RunOptions:
    """How a study is run; nothing here changes its results on one kind of machine."""

    data: Path | None = None
    device: str = "cpu"
    executor: str = "local"
    workers: int = 1
    profile: str = "cpu"


@dataclass(frozen=True)
class FinishedRun:
    """A finished study: its store, its summary, and how many jobs this call had to run."""

    store: RunStore
    summary: StudySummary
    jobs: int
    jobs_run: int


FEATURES = "features.jsonl"
"""The further file of a part that holds what shuffling each field added to the loss."""
NETWORK_COST = 20.0
"""Expected cost of a network's job beside a table's, until the first ones have been measured."""


def load_cohort(recipe: Recipe, data: Path | None, progress: Progress) -> Cohort:
    """The cohort that a recipe names.

    Raises:
        DataError: its folder was not found, or what it holds cannot be used.
        RecipeError: an option that the data set does not know.
    """
    spec = DATASETS.get(recipe.dataset.name)
    if spec.load is None:
        raise RecipeError(f"{spec.label} has no outcomes of patients.", do="Make it a recipe of kind: segmentation.")
    for name in recipe.dataset.options:
        if name not in spec.option_names:
            raise RecipeError(f"{recipe.name}: unknown key 'dataset.options.{name}'.", do=did_you_mean(name, spec.option_names))
    root = dataset_root(spec.folder, data) if spec.folder else data_parent(data)
    options = LoadOptions(root=root, cache=places().cohorts / spec.name, options=recipe.dataset.options, progress=progress.say)
    return spec.load(options)


def run_study(recipe: Recipe, options: RunOptions, progress: Progress | None = None) -> FinishedRun:
    """The finished study; jobs that an earlier call finished are not run again.

    Raises:
        OpSightError: whatever stops it; finished jobs are kept, and the same call goes on where it was.
    """
    progress = progress or Progress()
    cohort = load_cohort(recipe, options.data, progress)
    allowed_fields(cohort, recipe.predictors)
    plan = make_plan(recipe, cohort)
    estimates = [read_estimates(part, cohort, options.data) for part in recipe.evaluation.estimates]
    run_id = recipe.run_id(cohort.fingerprint)
    store = RunStore(places().runs / recipe.name / run_id)
    with store.lock():
        store = RunStore.create(store.folder, manifest_of(recipe, cohort.fingerprint, plan.folds_stamp, options, run_id))
        store.drop_corrupt()
        _take_over(store, plan, cohort.fingerprint)
        todo = [job for job in plan.jobs if not store.has(job.key)]
        if todo:
            _run(todo, plan, store, cohort, recipe, options, progress)
        # Estimates may have changed since: with them the summary is always made anew.
        summary = _evaluate(store, plan, cohort, recipe, estimates, progress, fresh=bool(todo or estimates))
    return FinishedRun(store, summary, len(plan.jobs), len(todo))


def _take_over(store: RunStore, plan: Plan, fingerprint: str) -> None:
    """Parts that an earlier run of another version of the recipe made by the same jobs from the same data."""
    missing = [job.key for job in plan.jobs if not store.has(job.key)]
    for path in sorted(store.folder.parent.glob("*/run.json")):
        other = RunStore(path.parent)
        if missing and other.folder != store.folder and other.manifest()["provenance"]["data"] == fingerprint:
            missing = [key for key in missing if not store.take_over(key, other)]


def manifest_of(recipe: StudyRecipe, fingerprint: str, folds_stamp: str, options: RunOptions, run_id: str) -> dict[str, Any]:
    """What is written when a run is created."""
    return {
        "run_id": run_id,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "profile": options.profile,
        "recipe": recipe.model_dump(mode="json"),
        "provenance": provenance(
            fingerprint=fingerprint,
            folds_stamp=folds_stamp,
            seed=recipe.seed,
            device=options.device,
            workers=options.workers,
        ),
    }


def _run(
    todo: list[Job], plan: Plan, store: RunStore, cohort: Cohort, recipe: Recipe, options: RunOptions, progress: Progress
) -> None:
    images = _images(todo, cohort, recipe, progress)
    total = sum(_cost(job) for job in plan.jobs)
    done = total - sum(_cost(job) for job in todo)
    described = {job.key: job for job in todo}

    def keep(job: Job, result: JobResult) -> None:
        nonlocal done
        lines = "\n".join(json.dumps(row) for row in result.features)
        extras = {FEATURES: lines.encode()} if result.features else None
        facts = described[job.key].describe()
        store.add(job.key, result.rows, job=facts, seconds=result.seconds, peak_mb=result.peak_mb, extras=extras)
        done += _cost(job)
        progress.jobs(done, total, job.phrase)

    progress.jobs(done, total, "starting workers")
    given = study_input(cohort, images, options.device, recipe.predictors)
    run_jobs(todo, given, run_job, executor=options.executor, workers=options.workers, on_done=keep)


def _cost(job: Job) -> float:
    return NETWORK_COST if job.is_network else 1.0


def _images(todo: list[Job], cohort: Cohort, recipe: Recipe, progress: Progress) -> PreparedImages | None:
    if cohort.images is None or not any(job.uses_images for job in todo):
        return None
    return prepare_images(
        cohort.images,
        [str(case_id) for case_id in cohort.table.index],
        recipe.network.model_dump(mode="json"),
        places().cohorts / cohort.name / "prepared",
        cohort.fingerprint,
        progress.say,
    )


def _evaluate(
    store: RunStore,
    plan: Plan,
    cohort: Cohort,
    recipe: Recipe,
    estimates: Sequence[Estimates],
    progress: Progress,
    *,
    fresh: bool,
) -> StudySummary:
    if not fresh and (store.summary_folder / "manifest.json").exists():
        summary = read_summary(store.summary_folder)
        if summary.info.get("evaluated_by") == code_stamp():
            return summary
    keys = [job.key for job in plan.jobs]
    rows = store.predictions(keys)
    permuted = rows["split"] == PERMUTED
    manifest = store.manifest()
    summary = summarise(
        cohort=cohort,
        recipe=recipe,
        predictions=pd.concat([rows[~permuted], *(given.rows for given in estimates)], ignore_index=True),
        models=[*plan.models, *(given.facts for given in estimates)],
        run={name: manifest[name] for name in ("run_id", "created", "profile", "provenance")},
        cost=cost_table(store, keys),
        permuted=rows[permuted] if permuted.any() else None,
        features=_features(store, plan),
        skipped=plan.skipped,
        progress=progress.say,
    )
    info = {**summary.info, "evaluated_by": code_stamp(), "profile": manifest["profile"]}
    summary = StudySummary(info, summary.tables)
    write_summary(store.summary_folder, summary)
    return summary


def _features(store: RunStore, plan: Plan) -> pd.DataFrame:
    """What shuffling each field added to the loss, by fit (``core.evaluation.features.COLUMNS``)."""
    rows = [
        {**row, "model": job.model, "repeat": job.repeat, "fold": job.fold}
        for job in plan.jobs
        if job.shuffle_fields
        for row in map(json.loads, store.extra(job.key, FEATURES).read_text(encoding="utf-8").splitlines())
    ]
    return pd.DataFrame(rows, columns=list(FEATURE_COLUMNS))


def cost_table(store: RunStore, keys: list[str]) -> pd.DataFrame:
    """What each model cost: fits, seconds in all and per fit, peak memory of a worker in MB."""
    wanted = set(keys)
    rows = [
        {"model": info.job["model"], "seconds": info.seconds, "peak_mb": info.peak_mb}
        for info in store.infos()
        if info.key in wanted and info.job["split"] != PERMUTED
    ]
    grouped = pd.DataFrame(rows, columns=["model", "seconds", "peak_mb"]).groupby("model", sort=False)
    table = grouped.agg(fits=("seconds", "size"), seconds_total=("seconds", "sum"), peak_mb=("peak_mb", "max")).reset_index()
    table["seconds_per_fit"] = table["seconds_total"] / table["fits"]
    return table[["model", "fits", "seconds_total", "seconds_per_fit", "peak_mb"]]

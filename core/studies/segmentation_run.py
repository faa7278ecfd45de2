"""A segmentation study from recipe to summary: plan, prepare, run what is not done yet, evaluate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from core.contracts.dataset import LoadOptions
from core.contracts.pictures import PictureSet, PreparedPictures
from core.contracts.segmentation_recipe import PreparationPart, SegmentationRecipe
from core.datasets import DATASETS
from core.errors import CorruptError, RecipeError, did_you_mean
from core.evaluation.segmentation.summary import summarise_segmentation
from core.imaging.picture_facts import picture_facts
from core.imaging.pictures import prepare_pictures
from core.storage.files import read_table, write_table
from core.storage.locations import data_parent, dataset_root, places
from core.storage.results import MASK_COLUMNS, RunStore
from core.storage.summaries import StudySummary, read_summary, write_summary
from core.studies.executor import run_jobs
from core.studies.provenance import code_stamp
from core.studies.run import FinishedRun, Progress, RunOptions, manifest_of
from core.studies.segmentation_jobs import SegmentationInput, SegmentationResult, preparation_key, run_segmentation_job
from core.studies.segmentation_plan import HUMAN, SegmentationJob, SegmentationPlan, make_segmentation_plan

FACTS_VERSION = 1


def load_pictures(recipe: SegmentationRecipe, options: RunOptions, progress: Progress) -> PictureSet:
    """The drawn pictures that a recipe names.

    Raises:
        DataError: the folder was not found, or what it holds cannot be used.
        RecipeError: the data set has no drawn pictures, or an option that it does not know.
    """
    spec = DATASETS.get(recipe.dataset.name)
    if spec.pictures is None:
        raise RecipeError(f"{spec.label} has no drawn pictures.", do="Choose one of: python -m core data list")
    for name in recipe.dataset.options:
        if name not in spec.option_names:
            raise RecipeError(f"{recipe.name}: unknown key 'dataset.options.{name}'.", do=did_you_mean(name, spec.option_names))
    root = dataset_root(spec.folder, options.data) if spec.folder else data_parent(options.data)
    cache = places().cohorts / spec.name
    return spec.pictures(LoadOptions(root=root, cache=cache, options=recipe.dataset.options, progress=progress.say))


def run_segmentation_study(recipe: SegmentationRecipe, options: RunOptions, progress: Progress | None = None) -> FinishedRun:
    """The finished study; jobs that an earlier call finished are not run again.

    Raises:
        OpSightError: whatever stops it; finished jobs are kept, and the same call goes on where it was.
    """
    progress = progress or Progress()
    pictures = load_pictures(recipe, options, progress)
    facts = facts_of(pictures, progress)
    plan = make_segmentation_plan(recipe, pictures, strata_of(pictures, facts, recipe.folds))
    run_id = recipe.run_id(pictures.fingerprint)
    store = RunStore(places().runs / recipe.name / run_id, MASK_COLUMNS)
    with store.lock():
        manifest = manifest_of(recipe, pictures.fingerprint, plan.folds_stamp, options, run_id)
        store = RunStore.create(store.folder, manifest, MASK_COLUMNS)
        store.drop_corrupt()
        todo = [job for job in plan.jobs if not store.has(job.key)]
        if todo:
            _run(todo, plan, store, pictures, options, progress)
        summary = _evaluate(store, plan, pictures, recipe, facts, progress, fresh=bool(todo))
    return FinishedRun(store, summary, len(plan.jobs), len(todo))


def facts_of(pictures: PictureSet, progress: Progress) -> pd.DataFrame:
    """One row a case and region: size, share, border contact, contrast … (``core.imaging.picture_facts``), kept between runs."""
    path = places().cohorts / pictures.name / f"facts_{pictures.fingerprint[:16]}_{FACTS_VERSION}.parquet"
    if path.exists():
        try:
            return read_table(path)
        except CorruptError:
            path.unlink()
    names = [region.name for region in pictures.regions]
    rows: list[dict[str, Any]] = []
    for number, case_id in enumerate(pictures.table.index):
        rows += picture_facts(pictures.source.read(str(case_id)), names, pictures.unit)
        progress.say("measuring the drawn regions", (number + 1) / len(pictures.table))
    table = pd.DataFrame(rows)
    write_table(path, table)
    return table


def strata_of(pictures: PictureSet, facts: pd.DataFrame, folds: int) -> pd.Series:
    """A label by case that folds are balanced by: the first attribute and the third of sizes, as far as cases allow."""
    cases = [str(case_id) for case_id in pictures.table.index]
    size = facts.groupby("case_id")["share"].max().reindex(cases).fillna(0.0)
    third = pd.Series(np.searchsorted(size.quantile([1 / 3, 2 / 3]).to_numpy(), size.to_numpy()), index=cases).astype(str)
    strata = third
    if pictures.attributes:
        first = pictures.table[pictures.attributes[0][0]].astype(str).set_axis(cases)
        finer = first + "/" + third
        strata = finer if finer.value_counts().min() >= folds else third
    return strata


def _run(
    todo: list[SegmentationJob],
    plan: SegmentationPlan,
    store: RunStore,
    pictures: PictureSet,
    options: RunOptions,
    progress: Progress,
) -> None:
    total = sum(job.minutes for job in plan.jobs)
    done = total - sum(job.minutes for job in todo)

    def keep(job: SegmentationJob, result: SegmentationResult) -> None:
        nonlocal done
        facts = {**job.describe(), **_cost_facts(result)}
        store.add(job.key, result.rows, job=facts, seconds=result.seconds, peak_mb=result.peak_mb, extras=result.extras)
        done += job.minutes
        progress.jobs(done, total, job.phrase)

    prepared = _prepare(todo, pictures, progress)
    progress.jobs(done, total, "starting workers")
    given = SegmentationInput(pictures, prepared, options.device, store.folder / "checkpoints")
    run_jobs(todo, given, run_segmentation_job, executor=options.executor, workers=options.workers, on_done=keep)


def _cost_facts(result: SegmentationResult) -> dict[str, Any]:
    report = result.report
    return {
        "parameters": report.parameters, "minutes": report.minutes, "epochs": report.epochs, "best_epoch": report.best_epoch,
        "training_loss": list(report.training_loss), "validation_score": list(report.validation_score),
        "images_per_second": result.images_per_second,
    }  # fmt: skip


def _prepare(todo: Sequence[SegmentationJob], pictures: PictureSet, progress: Progress) -> dict[str, PreparedPictures]:
    """Each preparation that a job asks for, made once."""
    wanted = {preparation_key(job.preparation): job.preparation for job in todo if job.row != HUMAN}
    cases = [str(case_id) for case_id in pictures.table.index]
    folder = places().cohorts / pictures.name / "prepared"
    return {
        key: prepare_pictures(pictures, cases, PreparationPart.model_validate(plain), folder, progress.say)
        for key, plain in wanted.items()
    }


def _evaluate(
    store: RunStore,
    plan: SegmentationPlan,
    pictures: PictureSet,
    recipe: SegmentationRecipe,
    facts: pd.DataFrame,
    progress: Progress,
    *,
    fresh: bool,
) -> StudySummary:
    if not fresh and (store.summary_folder / "manifest.json").exists():
        summary = read_summary(store.summary_folder)
        if summary.info.get("evaluated_by") == code_stamp():
            return summary
    keys = [job.key for job in plan.jobs]
    manifest = store.manifest()
    cost = segmentation_cost(store, keys)
    parameters = cost.set_index("model")["parameters"]
    summary = summarise_segmentation(
        pictures=pictures,
        recipe=recipe,
        rows=store.predictions(keys),
        facts=facts,
        models=[{**model, "parameters": int(parameters.get(model["name"], 0))} for model in plan.models],
        run={name: manifest[name] for name in ("run_id", "created", "profile", "provenance")},
        cost=cost,
        folds=plan.folds,
        skipped=plan.skipped,
        progress=progress.say,
    )
    summary = StudySummary({**summary.info, "evaluated_by": code_stamp(), "profile": manifest["profile"]}, summary.tables)
    write_summary(store.summary_folder, summary)
    return summary


def segmentation_cost(store: RunStore, keys: Sequence[str]) -> pd.DataFrame:
    """What each row cost: fits, trained numbers, minutes of training a fit, all seconds, pictures a second, peak MB."""
    wanted = set(keys)
    noted = ("model", "parameters", "minutes", "images_per_second")
    rows = [
        {**{name: info.job.get(name) for name in noted}, "seconds": info.seconds, "peak_mb": info.peak_mb}
        for info in store.infos()
        if info.key in wanted and info.job["model"] != HUMAN
    ]
    columns = [*noted, "seconds", "peak_mb"]
    grouped = pd.DataFrame(rows, columns=columns).groupby("model", sort=False)
    return grouped.agg(
        fits=("seconds", "size"),
        parameters=("parameters", "max"),
        training_minutes=("minutes", "mean"),
        seconds_total=("seconds", "sum"),
        images_per_second=("images_per_second", "median"),
        peak_mb=("peak_mb", "max"),
    ).reset_index()

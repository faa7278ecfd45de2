"""From a segmentation recipe and drawn pictures to jobs: one job fits one row of the study and outlines cases it has not seen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd
from pydantic import ValidationError

from core.contracts.pictures import PictureSet
from core.contracts.segmentation_recipe import PreparationPart, SegmentationRecipe, SegmenterPart, TrainingPart
from core.contracts.segmenter import SegmenterSpec
from core.errors import RecipeError, UnknownNameError, did_you_mean
from core.segmentation import SEGMENTERS
from core.studies.folds import Fold, divide, folds_digest

JOB_VERSION = 1
NETWORK_VERSION = 3
"""Of how networks are built and trained: a change of it makes parts of earlier runs useless, but not those of other methods."""
HUMAN = "human_readers"
CLASSICAL_MINUTES = 2.0
"""Expected minutes of a method without a budget, for the progress bar."""


@dataclass(frozen=True)
class SegmentationJob:
    """One fit and its masks.

    Args:
        row: slug in the results; base_model: the plug-in.
        preparation, training, search: the study's parts with the row's own values merged in, as plain data; a method that is no
            network is told of its training only whose masks it may see.
        evaluation: what is judged besides the clean test cases.
    """

    row: str
    base_model: str
    is_network: bool
    split: str
    repeat: int
    fold: int
    train: tuple[str, ...]
    test: tuple[str, ...]
    seed: int
    version: int
    options: Mapping[str, Any] = field(default_factory=dict)
    preparation: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    search: Mapping[str, Any] = field(default_factory=dict)
    refine: tuple[str, ...] = ()
    adapt: str = "none"
    evaluation: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Twenty hex digits over everything that its result depends on besides the data's fingerprint."""
        versions = {"job_version": JOB_VERSION, **({"network_version": NETWORK_VERSION} if self.is_network else {})}
        plain = {**asdict(self), **versions}
        return hashlib.sha256(json.dumps(plain, sort_keys=True, default=list).encode()).hexdigest()[:20]

    @property
    def phrase(self) -> str:
        """What a progress bar says."""
        where = f"fold {self.fold + 1}, seed {self.repeat + 1}" if self.split == "internal" else self.split
        return f"{self.row}: {where}"

    @property
    def minutes(self) -> float:
        """Expected length."""
        return float(self.training.get("budget_minutes", CLASSICAL_MINUTES)) if self.is_network else CLASSICAL_MINUTES

    def describe(self) -> dict[str, Any]:
        """The job as kept beside its part: no case ids."""
        kept = ("row", "base_model", "is_network", "split", "repeat", "fold", "seed", "options", "preparation", "training")
        plain = {name: getattr(self, name) for name in kept}
        return {**plain, "model": self.row, "n_train": len(self.train), "n_test": len(self.test)}


@dataclass(frozen=True)
class SegmentationPlan:
    """All jobs of a study in the order in which they are run, facts of each row, and what every side of every split holds.

    Args:
        folds: one row a split, fold, side (``train``, ``test``) and case.
    """

    jobs: tuple[SegmentationJob, ...]
    models: tuple[Mapping[str, Any], ...]
    skipped: tuple[str, ...]
    folds: pd.DataFrame
    folds_stamp: str


def make_segmentation_plan(recipe: SegmentationRecipe, pictures: PictureSet, strata: pd.Series) -> SegmentationPlan:
    """The jobs of a recipe on a data set.

    Args:
        strata: a label by case, by which folds are balanced.

    Raises:
        RecipeError: a row cannot work on such pictures, or a value that its part does not allow.
        UnknownNameError: no such segmenter.
    """
    patients = pictures.table["patient_id"].astype(str)
    folds = divide(pictures.internal, patients, strata, folds=recipe.folds, repeats=1, seed=recipe.seed)
    for fold in folds:
        pictures.refuse_shared_patients(fold.train, fold.test, f"fold {fold.fold}")
    run = folds[: recipe.run_folds]
    rows = [_Row.of(part, recipe, pictures) for part in recipe.models]
    jobs = [job for row in rows for job in row.jobs(recipe, pictures, run)]
    jobs.sort(key=lambda job: (job.split != "internal", job.fold, job.repeat))
    models = [row.facts() for row in rows]
    if pictures.readers > 1:
        jobs[:0] = [_human_job(recipe, run)]
        models.insert(0, _human_facts())
    return SegmentationPlan(tuple(jobs), tuple(models), (), _sides(run, pictures, recipe), folds_digest(run))


@dataclass(frozen=True)
class _Row:
    part: SegmenterPart
    spec: SegmenterSpec
    preparation: PreparationPart
    training: TrainingPart

    @staticmethod
    def of(part: SegmenterPart, recipe: SegmentationRecipe, pictures: PictureSet) -> _Row:
        spec = SEGMENTERS.get(part.name)
        preparation = _with(recipe.preparation, part.preparation, f"{part.slug}.preparation")
        training = _with(recipe.training, part.training, f"{part.slug}.training")
        dims = 3 if preparation.items == "patches" else 2
        if dims not in spec.dims:
            raise RecipeError(f"{spec.name!r} does not work on {dims}-D items.", do="Use items: slices, or leave it out.")
        if (preparation.items == "whole") != (pictures.dims == 2):
            raise RecipeError(
                f"{pictures.label} holds {pictures.dims}-D pictures; preparation.items is {preparation.items!r}.",
                do="Use items: whole for pictures; slices or patches for volumes.",
            )
        if len(preparation.shape) != dims:
            raise RecipeError(f"preparation.shape {preparation.shape} has not {dims} axes.", do="Give one edge an axis.")
        return _Row(part, spec, preparation, training)

    def facts(self) -> dict[str, Any]:
        return {
            "name": self.part.slug, "base_model": self.spec.name, "label": self.part.label or self.spec.label,
            "family": self.spec.family, "description": self.spec.description, "reference": self.spec.reference,
            "is_network": self.spec.is_network, "choice": asdict(self.spec.choice), "options": dict(self.part.options),
            "refine": list(self.part.refine), "adapt": self.part.adapt,
        }  # fmt: skip

    def jobs(self, recipe: SegmentationRecipe, pictures: PictureSet, folds: Sequence[Fold]) -> Iterator[SegmentationJob]:
        for repeat in range(recipe.seeds if self.spec.is_network else 1):
            for fold in folds:
                yield self._job(recipe, "internal", repeat, fold.fold, fold.train, fold.test)
        if recipe.checks and (not recipe.check_models or self.part.slug in recipe.check_models):
            for check in pictures.checks:
                yield self._job(recipe, check.name, 0, 0, check.train, check.test)

    def _job(
        self, recipe: SegmentationRecipe, split: str, repeat: int, fold: int, train: Sequence[str], test: Sequence[str]
    ) -> SegmentationJob:
        return SegmentationJob(
            row=self.part.slug,
            base_model=self.spec.name,
            is_network=self.spec.is_network,
            split=split,
            repeat=repeat,
            fold=fold,
            train=tuple(train),
            test=tuple(test),
            seed=recipe.seed + 1000 * repeat + fold,
            version=self.spec.version,
            options=self.part.options,
            preparation=self.preparation.model_dump(mode="json"),
            training=self.training.model_dump(mode="json", include=None if self.spec.is_network else {"labels_share"}),
            search=self.part.search.model_dump(mode="json") if self.part.search.trials else {},
            refine=self.part.refine,
            adapt=self.part.adapt,
            evaluation=_judged(recipe, split, repeat),
        )


def _with(part: Any, own: Mapping[str, Any], where: str) -> Any:
    """A recipe's part with a row's own values merged in; a mapping inside is merged too."""
    plain = part.model_dump()
    for key, value in own.items():
        if key not in plain:
            raise RecipeError(f"Unknown key {where}.{key}.", do=did_you_mean(key, plain), code="RECIPE_KEY")
        plain[key] = {**plain[key], **value} if isinstance(plain[key], dict) and isinstance(value, Mapping) else value
    try:
        return type(part).model_validate(plain)
    except ValidationError as error:
        first = error.errors()[0]
        spot = ".".join(str(step) for step in first["loc"])
        raise RecipeError(f"{where}.{spot} was given {first['input']!r}: {first['msg']}.", do="Mend that value.") from error


def _judged(recipe: SegmentationRecipe, split: str, repeat: int) -> dict[str, Any]:
    """Planted faults are judged once a fold, in cross-validation."""
    part = recipe.evaluation
    faults = part.corruptions if split == "internal" and repeat == 0 and part.corrupted_cases else ()
    return {
        "tolerance": part.tolerance, "corruptions": list(faults), "severities": part.severities,
        "corrupted_cases": part.corrupted_cases,
    }  # fmt: skip


def _human_job(recipe: SegmentationRecipe, folds: Sequence[Fold]) -> SegmentationJob:
    test = tuple(case for fold in folds for case in fold.test)
    evaluation = {"tolerance": recipe.evaluation.tolerance}
    return SegmentationJob(HUMAN, HUMAN, False, "internal", 0, 0, (), test, recipe.seed, 1, evaluation=evaluation)


def _human_facts() -> dict[str, Any]:
    return {
        "name": HUMAN, "base_model": HUMAN, "label": "Readers among themselves", "family": "reference",
        "description": "Each reader against what at least half of the other readers drew.", "reference": "",
        "is_network": False, "choice": {}, "options": {}, "refine": [], "adapt": "none",
    }  # fmt: skip


def _sides(folds: Sequence[Fold], pictures: PictureSet, recipe: SegmentationRecipe) -> pd.DataFrame:
    splits = [("internal", fold.fold, fold.train, fold.test) for fold in folds]
    splits += [(check.name, 0, check.train, check.test) for check in (pictures.checks if recipe.checks else ())]
    rows = [
        (split, fold, side, case)
        for split, fold, train, test in splits
        for side, cases in (("train", train), ("test", test))
        for case in cases
    ]
    return pd.DataFrame(rows, columns=["split", "fold", "side", "case_id"])


def rows_of(recipe: SegmentationRecipe) -> tuple[str, ...]:
    """Slugs of a recipe's rows."""
    return tuple(part.slug for part in recipe.models)


def row_named(recipe: SegmentationRecipe, name: str) -> SegmenterPart:
    """The row of that slug.

    Raises:
        UnknownNameError: the nearest is suggested.
    """
    for part in recipe.models:
        if part.slug == name:
            return part
    raise UnknownNameError(f"Study {recipe.name!r} has no row {name!r}.", do=did_you_mean(name, rows_of(recipe)))

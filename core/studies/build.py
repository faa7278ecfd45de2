"""From a finished run to a model bundle."""

from __future__ import annotations

from pathlib import Path

from core.bundles.build import build_bundle
from core.contracts.cohort import Cohort
from core.contracts.recipe import BundlePart, Recipe
from core.errors import InputError, did_you_mean
from core.evaluation.gate import judge
from core.outcomes import PREDICTORS
from core.storage.locations import places
from core.storage.results import RunStore
from core.storage.summaries import StudyPlace, find_study, read_summary
from core.studies.run import Progress, load_cohort


def build_from_study(name: str, outcome: str, *, data: Path | None, progress: Progress) -> Path:
    """The folder of the bundle that the study's recipe declares for an outcome.

    The model was declared in the recipe before any result was seen; it is fitted again on all internal cases, and the
    evidence gate is judged on the run's out-of-fold rows.

    Raises:
        InputError: the study was not run here, or its recipe declares no bundle for the outcome.
    """
    place = find_study(name)
    if place.run is None:
        raise InputError(f"{name!r} is published and holds no rows.", do="Run the study here first, then build the bundle.")
    store = RunStore(place.run)
    recipe = Recipe.model_validate(store.manifest()["recipe"])
    part = _declared(recipe, outcome)
    cohort = load_cohort(recipe, data, progress)
    return _build(store, recipe, cohort, outcome, part, place, progress)


def _declared(recipe: Recipe, outcome: str) -> BundlePart:
    if outcome not in recipe.bundles:
        raise InputError(
            f"The recipe of {recipe.name!r} declares no bundle for outcome {outcome!r}.", do=did_you_mean(outcome, recipe.bundles)
        )
    return recipe.bundles[outcome]


def _build(
    store: RunStore, recipe: Recipe, cohort: Cohort, outcome: str, part: BundlePart, place: StudyPlace, progress: Progress
) -> Path:
    chosen = cohort.outcome(outcome)
    summary = read_summary(place.summary)
    verdict = judge(store.predictions(), outcome=chosen, model=part.model, seed=recipe.seed)
    model = next(item for item in recipe.models if item.name == part.model)
    return build_bundle(
        cohort=cohort,
        recipe=recipe,
        outcome=chosen,
        spec=PREDICTORS.get(part.model),
        options=model.options,
        refits=part.refits,
        verdict=verdict,
        scores=summary.table("scores", outcome=outcome, model=part.model),
        study=summary.info,
        folder=places().models,
        progress=progress.say,
    )

"""An image encoder that learned on one data set, kept so that networks of another study can begin with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.contracts.cohort import Cases
from core.contracts.forecast import FitContext
from core.contracts.recipe import Recipe
from core.errors import RecipeError, did_you_mean
from core.imaging.prepare import prepare_images
from core.outcomes import PREDICTORS
from core.storage.locations import places
from core.studies.jobs import study_input
from core.studies.run import Progress, load_cohort


def train_encoder(
    source: Recipe,
    row: str,
    target: Recipe,
    out: Path,
    *,
    channels: Sequence[str] = (),
    data: Path | None,
    device: str,
    progress: Progress,
) -> Path:
    """Fits one row of ``source`` on all its patients, with the pictures and the network of ``target``, and keeps the encoder.

    Args:
        row: an image network of the source; target: whose networks will begin with the file, by ``network.encoder_weights``.
        channels: names of the target's channels, in its order, where the source has others besides; empty: all of the source's.

    Raises:
        RecipeError: no such row, one that is no network of pictures, or a channel that the source lacks.
    """
    part = next((model for model in source.models if model.slug == row), None)
    if part is None:
        raise RecipeError(f"{source.name!r} has no row {row!r}.", do=did_you_mean(row, [model.slug for model in source.models]))
    spec = PREDICTORS.get(part.name)
    if not spec.is_network or "image" not in spec.inputs:
        raise RecipeError(f"{row!r} is no network that reads pictures.", do="Name a row such as image_cnn3d.")
    cohort = load_cohort(source, data, progress)
    if cohort.images is None:
        raise RecipeError(f"{cohort.label} has no pictures.", do="Name a study that has.")
    settings = target.network.model_dump(mode="json")
    ids = [str(case_id) for case_id in cohort.table.index]
    folder = places().cohorts / cohort.name / "prepared"
    images = prepare_images(cohort.images, ids, settings, folder, cohort.fingerprint, progress.say)
    kept = [_place(name, images.channels) for name in channels]
    given = study_input(cohort, images, device).cases
    outcomes = [outcome for outcome in cohort.outcomes if outcome.name in source.outcomes and outcome.kind in spec.kinds]
    cases = Cases(given.table, given.codebook, given.patients, cohort.targets.loc[given.table.index], images)
    predictor = spec.make(part.options)
    context = FitContext(seed=source.seed, device=device, tuning_budget=0, inner_folds=3, network=settings, progress=progress.say)
    predictor.fit(cases, outcomes, context)
    predictor.export_encoder(out, kept)  # type: ignore[attr-defined]
    return out


def _place(name: str, channels: Sequence[str]) -> int:
    if name not in channels:
        raise RecipeError(f"The pictures have no channel {name!r}.", do=did_you_mean(name, channels))
    return list(channels).index(name)

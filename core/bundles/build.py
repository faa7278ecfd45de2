"""From a finished study to a bundle: fit on all eligible cases, refit, keep, open again."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from core import __version__
from core.bundles.card import CardFacts, write_card
from core.bundles.contents import SCHEMA, Manifest, TrainingSummary
from core.bundles.ensemble import restore_ensemble
from core.bundles.learned import training_summary
from core.bundles.opening import open_bundle_folder
from core.bundles.packing import pack
from core.bundles.training import Say, Training, require_portable, train, training_cases
from core.bundles.writing import BundleParts, next_version, write_bundle
from core.contracts.cohort import Cohort
from core.contracts.forecast import PredictorSpec
from core.contracts.outcome import Outcome
from core.contracts.recipe import Recipe
from core.errors import BundleError
from core.evaluation.gate import GateVerdict


def build_bundle(
    *,
    cohort: Cohort,
    recipe: Recipe,
    outcome: Outcome,
    spec: PredictorSpec,
    options: Mapping[str, object],
    refits: int,
    verdict: GateVerdict,
    scores: pd.DataFrame,
    study: Mapping[str, Any],
    folder: Path,
    progress: Say,
) -> Path:
    """The folder of a new bundle below ``folder``, written, opened again and verified.

    Args:
        spec, options: the model that the recipe declares for the outcome; it is fitted on all internal eligible cases.
        refits: refits on bootstrap samples of patients, for the band.
        verdict: of the evidence gate, from the study's out-of-fold rows.
        scores: the study's scores of that model and outcome (columns of ``core.contracts.score``).
        study: facts of the study (``StudySummary.info``).
        progress: called with a phrase and a share done.

    Raises:
        InputError: the model cannot be kept in a bundle, or no licence is stated.
        BundleError: what was written does not open.
    """
    require_portable(spec)
    cases = training_cases(cohort, outcome, spec)
    summary = training_summary(cases, cohort, outcome, verdict, refits)
    manifest = _manifest(cohort, recipe, outcome, spec, study, folder)
    card = write_card(_card_facts(cohort, recipe, outcome, spec, summary, scores))
    trained = train(Training(spec, options, outcome, recipe), cases, refits, progress)
    packed = pack(trained.fit, trained.refits)
    progress("writing the bundle", 1.0)
    typical = {field.name: field.typical for field in summary.fields}
    golden = restore_ensemble(packed, spec, outcome, cases.codebook).golden(typical)
    parts = BundleParts(manifest, recipe, spec, outcome, cases.codebook, packed, summary, golden, card)
    return _verified(write_bundle(folder, parts))


def _verified(path: Path) -> Path:
    """The same folder, once it has been opened; one that does not open is removed."""
    try:
        open_bundle_folder(path)
    except BundleError:
        shutil.rmtree(path)
        raise
    return path


def _licence(recipe: Recipe, cohort: Cohort) -> str:
    return recipe.licence or cohort.licence


def _manifest(
    cohort: Cohort, recipe: Recipe, outcome: Outcome, spec: PredictorSpec, study: Mapping[str, Any], folder: Path
) -> Manifest:
    name = f"{recipe.name}_{outcome.name}"
    return Manifest(
        schema_version=SCHEMA,
        name=name,
        version=next_version(folder / name),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        software=__version__,
        study=recipe.name,
        run_id=str(study.get("run_id", "")),
        dataset=cohort.name,
        dataset_label=cohort.label,
        fingerprint=cohort.fingerprint,
        simulated=cohort.simulated,
        licence=_licence(recipe, cohort),
        outcome=outcome.name,
        label=outcome.label,
        model=spec.name,
        files={},
    )


def _card_facts(
    cohort: Cohort, recipe: Recipe, outcome: Outcome, spec: PredictorSpec, summary: TrainingSummary, scores: pd.DataFrame
) -> CardFacts:
    limits = (
        "Judged on patients of the data set that it was learned from; another hospital may see other numbers.",
        "It knows nothing that is not among its inputs, and says nothing about causes.",
        f"It gives no number outside the range of its training patients, or where more than {summary.most_missing} fields lack.",
        *outcome.notes,
    )
    title = f"{outcome.label}: {spec.label} ({recipe.title})"
    return CardFacts(title, cohort, outcome, spec, summary, scores, _licence(recipe, cohort), limits)

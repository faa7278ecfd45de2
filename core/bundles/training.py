"""The model of a bundle: one fit on all eligible cases, and refits on bootstrap samples of their patients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from core.contracts.codebook import Codebook
from core.contracts.cohort import Cases, Cohort, target_columns
from core.contracts.forecast import Artifact, FitContext, Forecast, Portable, Predictor, PredictorSpec
from core.contracts.outcome import Outcome
from core.contracts.recipe import Recipe
from core.errors import BundleError, InputError, TrainingError
from core.outcomes import PREDICTORS

Say = Callable[[str, float], None]

EXACT = 1e-9
"""How far a restored model's answers may lie from the fitted one's."""

ATTEMPTS = 3
"""Bootstrap samples drawn for each refit wanted, before giving up on samples that cannot be fitted."""


@dataclass(frozen=True)
class TrainedModel:
    """What was fitted: the model, and the same pipeline on bootstrap samples."""

    fit: Artifact
    refits: tuple[Artifact, ...]


@dataclass(frozen=True)
class Training:
    """How one pipeline is fitted, again and again."""

    spec: PredictorSpec
    options: Mapping[str, object]
    outcome: Outcome
    recipe: Recipe

    def fit(self, cases: Cases, seed: int) -> Predictor:
        """The predictor, with the recipe's tuning inside."""
        tune = next((part.tune for part in self.recipe.models if part.name == self.spec.name), 0)
        predictor = self.spec.make(self.options)
        context = FitContext(seed=seed, tuning_budget=tune, inner_folds=self.recipe.inner_folds)
        predictor.fit(cases, [self.outcome], context)
        return predictor


def require_portable(spec: PredictorSpec) -> None:
    """Nothing, if a bundle can keep that predictor.

    Raises:
        InputError: names those that can be kept.
    """
    able = [item.name for item in PREDICTORS if item.restore is not None and "image" not in item.inputs]
    if spec.restore is None or "image" in spec.inputs:
        reason = "reads pictures" if "image" in spec.inputs else "cannot be kept as plain data"
        raise InputError(
            f"{spec.name!r} {reason} and cannot become a bundle.",
            do=f"Declare one of these in the recipe's bundles: {', '.join(able)}.",
            code="NOT_PORTABLE",
        )


def training_cases(cohort: Cohort, outcome: Outcome, spec: PredictorSpec) -> Cases:
    """All internal cases whose outcome is known, with the fields that the predictor reads.

    Raises:
        InputError: no such case, or no such field.
    """
    blocks = [block for block in spec.inputs if block != "image"]
    fields = cohort.codebook.predictors(blocks)
    ids = [case_id for case_id in cohort.internal if cohort.eligible(outcome)[case_id]]
    if not ids or not fields:
        raise InputError(
            f"{cohort.label} has {len(ids)} eligible cases and {len(fields)} fields of {', '.join(blocks)} for {spec.name!r}.",
            do="Choose another model or outcome for the bundle.",
        )
    return Cases(
        table=cohort.table.loc[ids, [field.name for field in fields]],
        codebook=Codebook(fields),
        patients=cohort.table.loc[ids, "patient_id"].astype(str),
        targets=cohort.targets.loc[ids, list(target_columns(outcome))],
    )


def train(training: Training, cases: Cases, refits: int, say: Say) -> TrainedModel:
    """The fit and its refits as plain data.

    Raises:
        BundleError: the restored model does not answer exactly as the fitted one does.
        TrainingError: too many bootstrap samples could not be fitted.
    """
    say("fitting the model", 0.0)
    predictor = training.fit(cases, training.recipe.seed)
    fit = _exported(predictor, training.spec)
    _require_same_answers(predictor, fit, training.spec, cases)
    return TrainedModel(fit, tuple(_refits(training, cases, refits, say)))


def _refits(training: Training, cases: Cases, wanted: int, say: Say) -> list[Artifact]:
    rng = np.random.default_rng([training.recipe.seed, 5])
    made: list[Artifact] = []
    for attempt in range(ATTEMPTS * wanted):
        if len(made) == wanted:
            break
        sample = bootstrap_cases(cases, rng)
        try:
            made.append(_exported(training.fit(sample, training.recipe.seed + 1 + attempt), training.spec))
        except TrainingError:
            continue
        say(f"refit {len(made)} of {wanted}", len(made) / wanted)
    if len(made) < wanted:
        raise TrainingError(
            f"Only {len(made)} of {wanted} bootstrap samples could be fitted.", do="Bring more events, or choose another model."
        )
    return made


def bootstrap_cases(cases: Cases, rng: np.random.Generator) -> Cases:
    """As many patients, drawn with replacement, each with all of his or her cases.

    A patient drawn twice keeps one patient id, so that an inner fold never holds him or her on both sides.
    """
    patients = cases.patients.to_numpy(dtype=str)
    names, codes = np.unique(patients, return_inverse=True)
    rows_of = [np.flatnonzero(codes == code) for code in range(len(names))]
    drawn = [rows_of[code] for code in rng.integers(len(names), size=len(names))]
    rows = np.concatenate(drawn)
    copies = [f"{place}:{cases.ids[row]}" for place, row in enumerate(rows)]
    targets = None if cases.targets is None else cases.targets.iloc[rows].set_axis(copies)
    table, ids = cases.table.iloc[rows].set_axis(copies), cases.patients.iloc[rows].set_axis(copies)
    return Cases(table=table, codebook=cases.codebook, patients=ids, targets=targets)


def _exported(predictor: Predictor, spec: PredictorSpec) -> Artifact:
    if not isinstance(predictor, Portable):
        raise BundleError(f"{spec.name!r} promises to be portable, yet it has no export().", do="Report this model.")
    return predictor.export()


def _require_same_answers(predictor: Predictor, kept: Artifact, spec: PredictorSpec, cases: Cases) -> None:
    require_portable(spec)
    restored = spec.restore(kept) if spec.restore else predictor
    asked = Cases(cases.table, cases.codebook, cases.patients)
    gap = widest_gap(predictor.predict(asked), restored.predict(asked))
    if gap > EXACT:
        raise BundleError(
            f"{spec.name!r}, once restored, answers {gap:.2g} away from the fitted model; at most {EXACT:.0e} is allowed.",
            do="Let export() keep everything that restore needs.",
        )


def widest_gap(one: Forecast, other: Forecast) -> float:
    """The largest difference between two forecasts of the same cases."""
    gaps = [np.abs(one.risks.to_numpy() - other.risks.to_numpy()).max(initial=0.0)]
    gaps += [np.abs(one.times[name].by_day - other.times[name].by_day).max(initial=0.0) for name in one.times]
    return float(max(gaps))

"""Running one job: pick what the model may see, fit, predict, and lay out the rows."""

from __future__ import annotations

import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.bundles.training import bootstrap_cases
from core.contracts.codebook import Codebook, Field
from core.contracts.cohort import Cases, Cohort, PreparedImages, target_columns
from core.contracts.forecast import FitContext, Forecast
from core.contracts.outcome import Outcome
from core.errors import OpSightError, TrainingError
from core.evaluation.features import added_losses
from core.evaluation.splits import APPARENT, MISSING
from core.outcomes import PREDICTORS
from core.storage.results import PREDICTION_COLUMNS
from core.studies.folds import shuffle_targets
from core.studies.plan import Job


@dataclass(frozen=True)
class StudyInput:
    """All that jobs of a study read; it travels to worker processes once.

    ``cases`` holds every field that may predict (and no other column), for all cases; ``targets`` the outcomes.
    """

    cases: Cases
    targets: pd.DataFrame
    outcomes: tuple[Outcome, ...]
    device: str


@dataclass(frozen=True)
class JobResult:
    """Rows of one finished job and what it cost; ``features``: what shuffling each field adds to the loss, where asked for."""

    key: str
    rows: pd.DataFrame
    seconds: float
    peak_mb: float
    features: tuple[Mapping[str, object], ...] = ()


def study_input(cohort: Cohort, images: PreparedImages | None, device: str, predictors: Sequence[str] = ()) -> StudyInput:
    """What jobs may read of a cohort: fields known before the operation (and procedure fields, for the variants that ask).

    Args:
        predictors: the record's fields that models may use; empty: all of them.

    Raises:
        LeakageError: one of ``predictors`` is known only during or after the operation.
    """
    fields = allowed_fields(cohort, predictors)
    cases = Cases(
        table=cohort.table[[field.name for field in fields]],
        codebook=Codebook(fields),
        patients=cohort.table["patient_id"].astype(str),
        images=images,
    )
    return StudyInput(cases, cohort.targets, cohort.outcomes, device)


def allowed_fields(cohort: Cohort, predictors: Sequence[str]) -> tuple[Field, ...]:
    """The fields that models of a study may read, of all blocks."""
    every = cohort.codebook.predictors(("record", "anatomy", "procedure"))
    named = {field.name for field in cohort.codebook.require_predictors(predictors)}
    return tuple(field for field in every if not named or field.block != "record" or field.name in named)


def run_job(job: Job, given: StudyInput) -> JobResult:
    """The predictions of one job.

    Raises:
        OpSightError: the model could not be fitted; names the job.
    """
    started = time.monotonic()
    outcomes = [outcome for outcome in given.outcomes if outcome.name in job.outcomes]
    targets = given.targets
    if job.shuffle_seed is not None:
        targets = shuffle_targets(targets, [*job.train, *job.test], job.shuffle_seed)
    try:
        answers, features = _fit_and_predict(job, given, outcomes, targets)
    except OpSightError as error:
        raise type(error)(f"{job.phrase}: {error.message}", do=error.do, code=error.code) from error
    except Exception as error:
        raise TrainingError(
            f"{job.phrase}: {type(error).__name__}: {error}", do="Leave the model out of the recipe, or report the message."
        ) from error
    rows = pd.concat([_rows(job, answer, outcomes, targets, given.cases.patients) for answer in answers], ignore_index=True)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return JobResult(job.key, rows, time.monotonic() - started, peak_mb, features)


@dataclass(frozen=True)
class Answer:
    """What a fitted model says of some cases, under the name of a split."""

    split: str
    cases: tuple[str, ...]
    repeat: int
    forecast: Forecast


def _fit_and_predict(
    job: Job, given: StudyInput, outcomes: Sequence[Outcome], targets: pd.DataFrame
) -> tuple[list[Answer], tuple[Mapping[str, object], ...]]:
    visible = _only(given.cases.columns(job.blocks), job.fields)
    train, test = visible.pick(job.train), visible.pick(job.test)
    images = given.cases.images if job.uses_images else None
    if images is not None and job.blind:
        images = NoPictures(images)
    train = Cases(train.table, train.codebook, train.patients, targets.loc[list(job.train)], images)
    test = Cases(test.table, test.codebook, test.patients, None, images)
    if job.bootstrap is not None:
        train = bootstrap_cases(train, np.random.default_rng([job.bootstrap, 5]))
    predictor = PREDICTORS.get(job.base_model).make(job.options)
    context = FitContext(
        seed=job.seed,
        device=given.device,
        tuning_budget=job.tune,
        inner_folds=int(job.settings.get("inner_folds", 3)),
        network=job.settings,
    )
    predictor.fit(train, outcomes, context)
    answers = [Answer(job.split, job.test, job.repeat, predictor.predict(test))]
    for name in job.withhold:
        answers.append(Answer(MISSING + name, job.test, job.repeat, predictor.predict(without(test, name))))
    if job.apparent:
        seen = Cases(train.table, train.codebook, train.patients, None, images)
        answers.append(Answer(APPARENT, job.train, job.fold, predictor.predict(seen)))
    if not job.shuffle_fields:
        return answers, ()
    return answers, tuple(added_losses(predictor.predict, test, outcomes, targets.loc[list(job.test)], job.seed))


def _only(cases: Cases, names: Sequence[str]) -> Cases:
    if not names:
        return cases
    fields = tuple(field for field in cases.codebook.fields if field.name in names)
    return replace(cases, table=cases.table[[field.name for field in fields]], codebook=Codebook(fields))


@dataclass(frozen=True)
class NoPictures:
    """Prepared pictures of cases none of whom has one: the same shape, nothing in it."""

    prepared: PreparedImages

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """As of the pictures that it stands for."""
        return self.prepared.shape

    @property
    def channels(self) -> tuple[str, ...]:
        """As of the pictures that it stands for."""
        return self.prepared.channels

    def arrays(self, case_ids: Sequence[str]) -> NDArray[np.float32]:
        """(cases, channels, depth, height, width), all missing."""
        return np.full((len(case_ids), *self.shape), np.nan, dtype=np.float32)


def without(cases: Cases, name: str) -> Cases:
    """The cases as they are when one input is missing: no pictures, or no value in any field of a block."""
    if name == "image":
        return replace(cases, images=None)
    gone = [field.name for field in cases.codebook.fields if field.block == name]
    return replace(cases, table=cases.table.assign(**dict.fromkeys(gone, np.nan)))


def _rows(job: Job, answer: Answer, outcomes: Sequence[Outcome], targets: pd.DataFrame, patients: pd.Series) -> pd.DataFrame:
    frames = []
    for outcome in outcomes:
        known = targets.loc[list(answer.cases), target_columns(outcome)[0]].notna().to_numpy()
        ids = np.array(answer.cases)[known]
        frame = pd.DataFrame({"case_id": ids, "patient_id": patients.loc[ids].to_numpy()})
        frame["outcome"], frame["model"], frame["base_model"], frame["inputs"] = (
            outcome.name,
            job.model,
            job.base_model,
            job.inputs,
        )
        frame["split"], frame["repeat"], frame["fold"] = answer.split, answer.repeat, job.fold
        frames.append(_with_values(frame, outcome, answer.forecast, targets, known))
    return pd.concat(frames, ignore_index=True)[list(PREDICTION_COLUMNS)]


def _with_values(
    frame: pd.DataFrame, outcome: Outcome, forecast: Forecast, targets: pd.DataFrame, known: np.ndarray
) -> pd.DataFrame:
    ids = frame["case_id"].tolist()
    binary = outcome.kind == "binary"
    frame["y"] = targets.loc[ids, outcome.name].to_numpy(dtype=float) if binary else np.nan
    frame["risk"] = forecast.risks.loc[ids, outcome.name].to_numpy(dtype=float) if binary else np.nan
    frame["days"] = np.nan if binary else targets.loc[ids, f"{outcome.name}_days"].to_numpy(dtype=float)
    frame["event"] = np.nan if binary else targets.loc[ids, f"{outcome.name}_event"].to_numpy(dtype=float)
    frame["by_day"] = None
    if not binary:
        by_day = forecast.times[outcome.name].by_day[known].astype(np.float32)
        frame["by_day"] = pd.Series(list(by_day), index=frame.index, dtype=object)
    return frame

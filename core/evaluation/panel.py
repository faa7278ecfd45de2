"""Predictions of one outcome on one split, as aligned arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.contracts.metric import Array, Sample
from core.contracts.outcome import Outcome
from core.errors import DataError

Cases = NDArray[np.intp]


@dataclass(frozen=True)
class Answers:
    """What one model said: arrays of shape (repeats, cases), NaN where it said nothing.

    Args:
        order: what ranks the cases. A model that says the same of every case in a fold ranks nobody: what differs between
            its folds is the training sets, not the patients, so its order is constant.
        by_day: (repeats, cases, days) for a time to event, else no days.
    """

    risk: Array
    order: Array
    by_day: Array

    @property
    def repeats(self) -> int:
        return len(self.order)

    @cached_property
    def said(self) -> NDArray[np.bool_]:
        """Where there is an answer."""
        return np.isfinite(self.order)

    @cached_property
    def covered(self) -> NDArray[np.bool_]:
        """Cases with an answer in any repeat."""
        return np.asarray(self.said.any(axis=0))


@dataclass(frozen=True)
class Panel:
    """All models on the same cases.

    Args:
        case_ids: eligible cases that any model was judged on; the other arrays are aligned with it.
        patients: number of the patient of each case, from 0 without gaps; patient_ids: their names by number.
        y: event (1) or none (0); days: for a time to event, else empty.
        answers: by model.
        threshold: where a risk is flagged; NaN for a time to event.
    """

    outcome: Outcome
    split: str
    case_ids: NDArray[np.str_]
    patients: Cases
    patient_ids: tuple[str, ...]
    y: Array
    days: Array
    answers: Mapping[str, Answers]
    threshold: float = float("nan")

    def sample(self, model: str, repeat: int, cases: Cases, day: int = -1) -> Sample:
        """What a model said of these cases in one repeat; every case must have an answer there."""
        answers = self.answers[model]
        timed = self.outcome.kind == "time_to_event"
        return Sample(
            y=self.y[cases],
            risk=answers.risk[repeat, cases] if not timed else np.empty(0),
            order=answers.order[repeat, cases],
            threshold=self.threshold,
            days=self.days[cases] if timed else np.empty(0),
            by_day=answers.by_day[repeat, cases] if timed else np.empty((0, 0)),
            scored_days=self.outcome.days,
            day=day,
        )

    def persons(self, cases: Cases) -> int:
        """Patients among these cases."""
        return len(np.unique(self.patients[cases]))

    def persons_with_event(self, cases: Cases) -> int:
        """Patients among these cases who had the event."""
        return len(np.unique(self.patients[cases][self.y[cases] == 1]))


def make_panel(outcome: Outcome, split: str, rows: pd.DataFrame, threshold: float = float("nan")) -> Panel:
    """The panel of an outcome on a split.

    Args:
        rows: rows of the predictions table for this outcome and split, of any models and repeats.

    Raises:
        DataError: a case twice in one repeat of a model, or with two truths or two patients.
    """
    rows = rows.reset_index(drop=True)
    case_codes, case_ids = pd.factorize(rows["case_id"].astype(str), sort=True)
    first = np.unique(case_codes, return_index=True)[1]
    patient_codes, patient_ids = pd.factorize(rows["patient_id"].astype(str), sort=True)
    truth = "y" if outcome.kind == "binary" else "event"
    y = _one_a_case(rows, truth, case_codes, first)
    days = _one_a_case(rows, "days", case_codes, first) if outcome.kind == "time_to_event" else np.empty(0)
    if not np.array_equal(patient_codes[first][case_codes], patient_codes):
        raise DataError(f"{outcome.name}, {split}: a case belongs to two patients.", do="Name one patient a case.")
    positions = rows.groupby("model", sort=False).indices
    answers = {str(model): _answers(outcome, rows.iloc[at], case_codes[at], len(case_ids)) for model, at in positions.items()}
    return Panel(
        outcome=outcome,
        split=split,
        case_ids=np.asarray(case_ids, dtype=str),
        patients=patient_codes[first].astype(np.intp),
        patient_ids=tuple(map(str, patient_ids)),
        y=y,
        days=days,
        answers=answers,
        threshold=threshold,
    )


def _one_a_case(rows: pd.DataFrame, column: str, codes: Cases, first: Cases) -> Array:
    values = rows[column].to_numpy(dtype=np.float64)
    by_case = values[first]
    if np.isnan(values).any() or not np.array_equal(by_case[codes], values):
        where = rows["outcome"].iloc[0] if len(rows) else column
        raise DataError(
            f"{where}: the predictions hold a case whose {column!r} is missing or differs between rows.",
            do="Run the study again in a new folder.",
        )
    return by_case


def _answers(outcome: Outcome, rows: pd.DataFrame, cases: Cases, n_cases: int) -> Answers:
    repeats, names = pd.factorize(rows["repeat"], sort=True)
    if pd.Series(repeats * n_cases + cases).duplicated().any():
        raise DataError(
            f"Model {rows['model'].iloc[0]!r} answers twice for one case in one repeat ({outcome.name}).",
            do="Keep one row for each case, outcome, model and repeat.",
        )
    shape = (len(names), n_cases)
    fold = np.full(shape, -1.0)
    fold[repeats, cases] = rows["fold"].to_numpy(dtype=np.float64)
    if outcome.kind == "binary":
        risk = np.full(shape, np.nan)
        risk[repeats, cases] = rows["risk"].to_numpy(dtype=np.float64)
        return Answers(risk, _ordering(risk, fold), np.empty((*shape, 0)))
    stacked = np.stack([np.asarray(chances, dtype=np.float64) for chances in rows["by_day"]])
    by_day = np.full((*shape, stacked.shape[1]), np.nan)
    by_day[repeats, cases] = stacked
    return Answers(np.full(shape, np.nan), _ordering(by_day.mean(axis=2), fold), by_day)


def _ordering(values: Array, fold: Array) -> Array:
    """The values, or a constant in the repeats where every fold says one thing only."""
    order = values.copy()
    for repeat, folds in enumerate(fold):
        if _ranks_nobody(values[repeat], folds):
            order[repeat] = np.where(np.isfinite(values[repeat]), np.nanmean(values[repeat]), np.nan)
    return order


def _ranks_nobody(values: Array, folds: Array) -> bool:
    spreads = []
    for fold in np.unique(folds[folds >= 0]):
        said = values[(folds == fold) & np.isfinite(values)]
        if len(said) > 1:
            spreads.append(np.ptp(said))
    return bool(spreads) and max(spreads) < 1e-12

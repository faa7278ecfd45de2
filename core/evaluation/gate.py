"""The evidence gate: may a model speak of one patient, or only of the group?

A personal risk needs at least 50 patients with the event and 50 without, and predictions on patients the model had not
seen that were better than the base rate's, beyond chance, on the same patients in the same folds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.contracts.metric import Sample
from core.contracts.outcome import Outcome
from core.errors import DataError, did_you_mean
from core.evaluation.bootstrap import Interval, case_weights, interval_of, patient_seed
from core.metrics import METRICS

Numbers = NDArray[np.float64]
GateState = Literal["PersonalRisk", "GroupRate"]

FEWEST = 50
"""Patients with the event, and patients without, below which no personal risk is given."""

BASE_RATE = "base_rate"
CLIP = 1e-4
"""Risks are kept this far from 0 and 1 before the log loss is taken, so that one stated certainty cannot decide alone."""

MEASURES = {"binary": "log loss", "time_to_event": "Brier score over the days"}
KEYS = ["case_id", "repeat", "fold"]


@dataclass(frozen=True)
class GateVerdict:
    """Whether a model may state a personal risk, and on what evidence.

    Args:
        state: ``PersonalRisk`` allowed, or only a ``GroupRate``.
        n, n_events: cases and events judged (for a time to event: events by the day that divides the cases best); n_events
            is None where it is hidden.
        measure: what the gain is counted in; gain, low, high: how much lower the model's loss is than the base rate's,
            with its 95 % interval over patients; above 0 is better.
        why: one sentence. needed: what would be needed, one sentence; empty where the risk is allowed.
        events_needed: events that would be needed; 0 where it cannot be said, or nothing is needed.
    """

    state: GateState
    n: int
    n_events: int | None
    measure: str
    gain: float
    low: float
    high: float
    why: str
    needed: str
    events_needed: int = 0

    @property
    def allowed(self) -> bool:
        return self.state == "PersonalRisk"

    def hidden_below(self, smallest: int) -> GateVerdict:
        """The verdict without an event count that is under the smallest cell."""
        if self.n_events is None or self.n_events >= smallest:
            return self
        why = f"There are fewer than {smallest} events; a personal risk needs at least {FEWEST}."
        return replace(self, n_events=None, why=why, needed=f"At least {FEWEST} events would be needed.")


@dataclass(frozen=True)
class _Tally:
    """Cases and how the event divides them."""

    n: int
    events: int

    @property
    def fewer(self) -> int:
        return min(self.events, self.n - self.events)


def judge(predictions: pd.DataFrame, *, outcome: Outcome, model: str, seed: int, bootstrap: int = 1000) -> GateVerdict:
    """The verdict on one model and outcome, from its out-of-fold rows beside those of ``base_rate``.

    For a binary outcome the gain is in log loss, with risks kept 0.0001 away from 0 and 1; for a time to event in the
    Brier score, averaged over the outcome's days. It is taken within a repeat and averaged over repeats.

    Args:
        predictions: columns of the result store; only rows of the split ``internal`` count.
        model: slug as in the rows.
        bootstrap: samples of patients, at least 20.

    Raises:
        DataError: no rows of the model or of ``base_rate``, or a case that only one of them judged.
    """
    rows = predictions[(predictions["split"] == "internal") & (predictions["outcome"] == outcome.name)]
    mine, base = _rows_of(rows, model), _rows_of(rows, BASE_RATE)
    pairs = mine.merge(base, on=KEYS, suffixes=("", "_base"), validate="one_to_one").sort_values(KEYS, ignore_index=True)
    if len(pairs) < len(mine):
        raise DataError(
            f"{len(mine) - len(pairs)} rows of {model!r} have no row of {BASE_RATE!r} beside them.",
            do=f"Run {BASE_RATE!r} with at least as many repeats, on the same folds.",
        )
    tally = _tally(pairs.drop_duplicates("case_id"), outcome)
    gain = interval_of(_gains(pairs, outcome, seed, bootstrap))
    return _verdict(tally, gain, MEASURES[outcome.kind])


def _rows_of(rows: pd.DataFrame, model: str) -> pd.DataFrame:
    found = rows[rows["model"] == model]
    if found.empty:
        known = sorted(set(rows["model"]))
        raise DataError(f"The run holds no out-of-fold rows of {model!r} for this outcome.", do=did_you_mean(model, known))
    return found


def _tally(cases: pd.DataFrame, outcome: Outcome) -> _Tally:
    if outcome.kind == "binary":
        return _Tally(len(cases), int(cases["y"].sum()))
    come = [(cases["event"] == 1) & (cases["days"] <= day) for day in outcome.days]
    return max((_Tally(len(cases), int(by.sum())) for by in come), key=lambda tally: tally.fewer)


def _gains(pairs: pd.DataFrame, outcome: Outcome, seed: int, bootstrap: int) -> Numbers:
    """The gain: first on the cases as they are, then on every bootstrap sample of patients."""
    patients = pairs["patient_id"].astype(str)
    codes, names = pd.factorize(patients, sort=True)
    weights = case_weights(np.arange(len(names)), bootstrap, patient_seed(seed, list(names)))
    by_repeat = [_gain(part, outcome, weights[codes[part.index]].T) for _, part in pairs.groupby("repeat", sort=True)]
    mean: Numbers = np.mean(by_repeat, axis=0)
    return mean


def _gain(pairs: pd.DataFrame, outcome: Outcome, weights: Numbers) -> Numbers:
    if outcome.kind == "binary":
        better = _log_loss(pairs["y"], pairs["risk_base"]) - _log_loss(pairs["y"], pairs["risk"])
        gain: Numbers = weights @ better / weights.sum(axis=1)
        return gain
    brier = METRICS.get("brier_by_day").compute
    return brier(_sample(pairs, outcome, "by_day_base"), weights) - brier(_sample(pairs, outcome, "by_day"), weights)


def _log_loss(y: pd.Series, risk: pd.Series) -> Numbers:
    chance = np.clip(risk.to_numpy(dtype=float), CLIP, 1 - CLIP)
    return -np.where(y.to_numpy(dtype=float) == 1, np.log(chance), np.log1p(-chance))


def _sample(pairs: pd.DataFrame, outcome: Outcome, curves: str) -> Sample:
    return Sample(
        y=pairs["event"].to_numpy(dtype=float),
        days=pairs["days"].to_numpy(dtype=float),
        by_day=np.array(pairs[curves].tolist(), dtype=float),
        scored_days=outcome.days,
    )


def _verdict(tally: _Tally, gain: Interval, measure: str) -> GateVerdict:
    enough = tally.fewer >= FEWEST
    beats = math.isfinite(gain.low) and gain.low > 0
    why = _why(tally, gain, measure, enough, beats)
    events_needed = 0 if enough and beats else _events_needed(tally, gain, enough)
    return GateVerdict(
        state="PersonalRisk" if enough and beats else "GroupRate",
        n=tally.n,
        n_events=tally.events,
        measure=measure,
        gain=gain.value,
        low=gain.low,
        high=gain.high,
        why=why,
        needed="" if enough and beats else _needed(tally, enough, events_needed),
        events_needed=events_needed,
    )


def _why(tally: _Tally, gain: Interval, measure: str, enough: bool, beats: bool) -> str:
    others = tally.n - tally.events
    if not enough:
        return f"There are {tally.events} patients with the event and {others} without; a personal risk needs {FEWEST} of each."
    found = (
        f"{gain.value:.4f} ({gain.low:.4f} to {gain.high:.4f}) in {measure}, over {tally.n} patients and {tally.events} events"
    )
    if beats:
        return f"On patients it had not seen, the model beats the base rate by {found}."
    return f"On patients it had not seen, the model does not beat the base rate beyond chance: {found}."


def _events_needed(tally: _Tally, gain: Interval, enough: bool) -> int:
    """Events at which the interval would leave 0 if the gain stayed as it is: its width shrinks with the root of n."""
    if not enough:
        return FEWEST
    if not math.isfinite(gain.low) or gain.value <= 0:
        return 0
    return math.ceil(tally.events * ((gain.value - gain.low) / gain.value) ** 2)


def _needed(tally: _Tally, enough: bool, events: int) -> str:
    if not enough:
        patients = math.ceil(tally.n * FEWEST / max(tally.fewer, 1))
        return f"At least {FEWEST} patients with and {FEWEST} without the event, which takes about {patients} patients."
    if events:
        return f"About {events} events, if the gain over the base rate stays as it is."
    return "Better information about patients: more of the same would not make this model beat the base rate."

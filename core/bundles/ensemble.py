"""A model and its refits, and what they say of one record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.bundles.contents import BAND, Golden
from core.bundles.packing import Packed, unpack
from core.bundles.records import record_cases
from core.contracts.codebook import Codebook
from core.contracts.forecast import Predictor, PredictorSpec
from core.contracts.outcome import Outcome
from core.errors import BundleError

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Answer:
    """What a model and its refits say of one record.

    Args:
        risk: chance of the event; for a time to event, NaN.
        refit_risks: what each refit says, shape (refits,).
        by_day: chance by day, shape (days,); refit_by_day: shape (refits, days); empty for a binary outcome.
    """

    risk: float
    refit_risks: Numbers
    by_day: Numbers
    refit_by_day: Numbers

    def band(self) -> tuple[float, float]:
        """5 and 95 % of the refits, widened where needed so that the model's own answer lies inside."""
        low, high = np.quantile(self.refit_risks, BAND)
        return min(float(low), self.risk), max(float(high), self.risk)

    def band_by_day(self) -> Numbers:
        """The same for every day, shape (2, days)."""
        low, high = np.quantile(self.refit_by_day, BAND, axis=0)
        return np.array([np.minimum(low, self.by_day), np.maximum(high, self.by_day)])


@dataclass(frozen=True)
class Ensemble:
    """A fitted model and its refits, restored from plain data."""

    outcome: Outcome
    codebook: Codebook
    predictor: Predictor
    refits: tuple[Predictor, ...]

    def answer(self, record: Mapping[str, float | str]) -> Answer:
        """What the model and its refits say of a record (missing fields left out). Scope is the caller's to check."""
        cases, name = record_cases(record, self.codebook), self.outcome.name
        forecasts = [predictor.predict(cases) for predictor in (self.predictor, *self.refits)]
        if self.outcome.kind == "binary":
            risks = np.array([forecast.risks[name].iloc[0] for forecast in forecasts], dtype=np.float64)
            return Answer(float(risks[0]), risks[1:], np.empty(0), np.empty((0, 0)))
        curves = np.array([forecast.times[name].by_day[0] for forecast in forecasts])
        return Answer(float("nan"), np.empty(0), curves[0], curves[1:])

    def golden(self, record: Mapping[str, float | str]) -> Golden:
        """The record together with the exact answer to it."""
        answer = self.answer(record)
        if self.outcome.kind == "binary":
            low, high = answer.band()
            return Golden(record=dict(record), risk=answer.risk, low=low, high=high)
        lows, highs = answer.band_by_day().tolist()
        days = tuple(answer.by_day.tolist())
        return Golden(record=dict(record), by_day=days, low_by_day=tuple(lows), high_by_day=tuple(highs))


def restore_ensemble(packed: Packed, spec: PredictorSpec, outcome: Outcome, codebook: Codebook) -> Ensemble:
    """The model and its refits, put together again.

    Raises:
        BundleError: this predictor cannot be restored, or a part is missing.
    """
    restore = spec.restore
    if restore is None:
        raise BundleError(f"{spec.name!r} cannot be restored from plain data.", do="Build the bundle with another model.")
    parts = unpack(packed)
    return Ensemble(outcome, codebook, restore(parts.fit), tuple(restore(refit) for refit in parts.refits))

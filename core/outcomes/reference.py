"""What any model has to beat: the rate of everybody, and one question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from core.contracts.cohort import Cases
from core.contracts.forecast import LAST_DAY, Artifact, FitContext, Forecast, Predictor, PredictorSpec, TimeForecast
from core.contracts.outcome import Outcome
from core.errors import BundleError, DataError, TrainingError
from core.outcomes._preprocessing import Known, Numbers, as_texts, known_cases, settings

RULE_DEFAULTS = {"field": "surgery_type", "level": "open"}


def _refuse_unfitted(fitted: object, name: str) -> None:
    if not fitted:
        raise DataError(f"Model {name!r} has not been fitted.", do="Call fit first.", code="NOT_FITTED")


def _refuse_empty(known: Known, outcome: Outcome) -> None:
    if not len(known.target):
        raise TrainingError(
            f"Outcome {outcome.name!r} is known in none of the training cases.", do="Leave it out.", code="ONE_CLASS"
        )


def share_by_day(known: Known) -> Numbers:
    """Kaplan-Meier's chance that the event has come, by day 0 to LAST_DAY.

    Someone in whom the event never comes stays at risk to the end.

    Reference: Kaplan and Meier 1958, 10.1080/01621459.1958.10501452.
    """
    from lifelines import KaplanMeierFitter

    stays = KaplanMeierFitter().fit(known.target["days"], known.target["event"])
    left = stays.survival_function_at_times(np.arange(LAST_DAY + 1)).to_numpy(dtype=float)
    return np.clip(1.0 - left, 0.0, 1.0)


class BaseRate:
    """The same answer for everybody: the share of events in training, or Kaplan-Meier's curve."""

    def __init__(self, rates: Mapping[str, float], curves: Mapping[str, Numbers]) -> None:
        self.rates = dict(rates)
        self.curves = dict(curves)

    def fit(self, cases: Cases, outcomes: Sequence[Outcome], context: FitContext) -> None:
        """Count events among the cases whose outcome is known."""
        self.rates, self.curves = {}, {}
        for outcome in outcomes:
            known = known_cases(cases, outcome)
            _refuse_empty(known, outcome)
            if outcome.kind == "binary":
                self.rates[outcome.name] = float(known.target.mean())
            else:
                self.curves[outcome.name] = share_by_day(known)

    def predict(self, cases: Cases) -> Forecast:
        """The same chance for each case."""
        _refuse_unfitted(self.rates or self.curves, "base_rate")
        n = len(cases.table)
        return Forecast(
            risks=pd.DataFrame({name: np.full(n, rate) for name, rate in self.rates.items()}, index=cases.ids),
            times={name: TimeForecast(np.tile(curve, (n, 1))) for name, curve in self.curves.items()},
        )

    def export(self) -> Artifact:
        """Rates and curves."""
        return Artifact(plain={"model": "base_rate", "rates": dict(self.rates)}, arrays=dict(self.curves))


def restore_base_rate(artifact: Artifact) -> Predictor:
    """The fitted base rate that ``export`` kept."""
    rates = artifact.plain.get("rates")
    if artifact.plain.get("model") != "base_rate" or not isinstance(rates, Mapping):
        raise BundleError("The artefact does not hold a base rate.", do="Open it with the predictor that wrote it.")
    return BaseRate({str(name): float(rate) for name, rate in rates.items()}, artifact.arrays)


class LevelRate:
    """One question: the share of events among those who have one value of one field, and among the others.

    Args:
        field: the column asked; level: its value that makes the difference.
    """

    def __init__(self, field: str, level: str) -> None:
        self.field = field
        self.level = level
        self.rates: dict[str, tuple[float, float, float]] = {}

    def fit(self, cases: Cases, outcomes: Sequence[Outcome], context: FitContext) -> None:
        """Count events on both sides; a side without cases takes the rate of all."""
        served = [outcome for outcome in outcomes if outcome.kind == "binary"]
        if not served:
            raise TrainingError("The one-field rule serves no time to event.", do="Give a binary outcome.", code="NO_OUTCOME")
        self.rates = {}
        for outcome in served:
            known = known_cases(cases, outcome)
            _refuse_empty(known, outcome)
            side = self._side(known.table)
            overall = float(known.target.mean())
            parts = [float(known.target[side == s].mean()) if (side == s).any() else overall for s in (0, 1)]
            self.rates[outcome.name] = (parts[0], parts[1], overall)

    def predict(self, cases: Cases) -> Forecast:
        """The rate of the case's side; the rate of all where the field is missing."""
        _refuse_unfitted(self.rates, "open_or_not")
        side = self._side(cases.table)
        risks = {name: np.asarray(rates)[side] for name, rates in self.rates.items()}
        return Forecast(risks=pd.DataFrame(risks, index=cases.ids))

    def _side(self, table: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
        """0 other value, 1 the level, 2 missing."""
        if self.field not in table:
            raise DataError(
                f"The one-field rule asks {self.field!r}, and the table has no such column.",
                do="Give the model the options 'field' and 'level' of a column that the data set has, or leave it out.",
                code="TAB_MISSING_COL",
            )
        values = as_texts(table[self.field])
        return np.where(values == "", 2, np.where(values == self.level, 1, 0))


def _make_base_rate(options: Mapping[str, object]) -> Predictor:
    settings(options, {}, "base_rate")
    return BaseRate({}, {})


def _make_rule(options: Mapping[str, object]) -> Predictor:
    return LevelRate(**settings(options, RULE_DEFAULTS, "open_or_not"))


PLUGINS = (
    PredictorSpec(
        name="base_rate",
        label="Base rate",
        family="reference",
        inputs=("record",),
        kinds=("binary", "time_to_event"),
        make=_make_base_rate,
        description="The share of training patients with the event, for everybody alike; for recovery the Kaplan-Meier curve.",
        reference="10.1080/01621459.1958.10501452",
        variants=False,
        restore=restore_base_rate,
    ),
    PredictorSpec(
        name="open_or_not",
        label="Open or not",
        family="reference",
        inputs=("procedure",),
        kinds=("binary",),
        make=_make_rule,
        description="One question: the share of events among open operations, and among the others.",
        only_outcomes=("long_stay",),
        variants=False,
    ),
)

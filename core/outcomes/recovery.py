"""Models of the days until an event: a curve per patient."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit
from sklearn.base import BaseEstimator, RegressorMixin

from core.contracts.forecast import LAST_DAY, Artifact, PredictorSpec
from core.errors import TrainingError
from core.outcomes._preprocessing import Numbers, RecordEncoder
from core.outcomes._tuning import Settings, Span
from core.outcomes.tabular import BOOSTING, BoostedTrees, Learner, encode_for_penalty, encode_for_trees, tabular_spec

DAYS = np.arange(LAST_DAY + 1, dtype=np.float64)
HALF_DAY = 0.5
"""A stay of d days ended somewhere between d and d + 1; its middle is used, so that a stay of 0 days has a length."""

STEEPEST = 50.0
"""Largest exponent taken; beyond it a chance is 0 or 1 in floating point anyway."""


HALVINGS = 50
"""Steps of a search by halves: its answer is then exact to 1e-13."""


def rising(by_day: Numbers) -> Numbers:
    """Chances by day, held between 0 and 1 and never falling."""
    return np.clip(np.maximum.accumulate(by_day, axis=1), 0.0, 1.0)


def _penalties(x: Numbers, ridge: float) -> Numbers:
    """What lifelines must be told for one penalty on all coefficients.

    It penalises columns divided by their deviation, per case; this undoes both, as a rare finding would go unheld.
    """
    return ridge / len(x) / x.var(axis=0, ddof=1)


def _fit_quietly(fitter: Any, x: Numbers, days: Numbers, event: NDArray[Any]) -> Any:
    """A fitted lifelines model; its failure becomes our error.

    Its warnings speak of columns that nearly separate the cases; the penalty is there for exactly those.
    """
    from lifelines.exceptions import ConvergenceError

    # Names of one length: lifelines sorts columns by name.
    frame = pd.DataFrame(x, columns=[f"x{i:05d}" for i in range(x.shape[1])]).assign(days=days, event=event.astype(float))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return fitter.fit(frame, duration_col="days", event_col="event")
    except (ConvergenceError, np.linalg.LinAlgError, ValueError) as error:
        raise TrainingError(
            f"The recovery model found no solution ({type(error).__name__}).",
            do="Raise its option 'ridge', or leave out columns.",
            code="NO_CONVERGENCE",
        ) from error


def tied_baseline(stays: NDArray[Any], pull: Numbers) -> Numbers:
    """Baseline cumulative hazard by day 0 to LAST_DAY, for days that many cases share.

    Breslow's estimate takes days as points in time; where a third of all cases leave on one day it lies far too low.
    This one takes them as days, and equals Kaplan-Meier's where all cases are alike.

    Args:
        stays: array of ``STAY``; pull: relative hazard of each case, above 0.

    Reference: Kalbfleisch and Prentice 1973, 10.1093/biomet/60.2.267.
    """
    hazard = np.zeros(LAST_DAY + 1)
    for day in np.unique(stays["days"][stays["event"]]).astype(int):
        leaving = pull[stays["event"] & (stays["days"] == day)]
        hazard[day] = _hazard_of_day(leaving, float(pull[stays["days"] >= day].sum()))
    return np.cumsum(hazard)


def _hazard_of_day(leaving: Numbers, at_risk: float) -> float:
    """The hazard h that solves: sum over those leaving of pull / (1 - exp(-h pull)) = pull of all at risk."""

    def excess(log_hazard: float) -> float:
        return float((leaving / -np.expm1(-np.exp(log_hazard) * leaving)).sum()) - at_risk

    low, high = np.log(1e-12 / leaving.max()), np.log(STEEPEST / leaving.min())
    return float(np.exp(brentq(excess, low, high))) if excess(high) < 0 else float(np.exp(high))


class CoxModel(RegressorMixin, BaseEstimator):
    """Cox regression with an L2 penalty (Efron's ties) and a baseline that allows for many leaving on one day.

    Args:
        ridge: penalty on squared coefficients; 2 expects log hazard ratios of about 0.7.

    Reference: Cox 1972, 10.1111/j.2517-6161.1972.tb00899.x.
    """

    def __init__(self, ridge: float = 2.0) -> None:
        self.ridge = ridge

    def fit(self, x: Numbers, y: NDArray[Any]) -> CoxModel:
        from lifelines import CoxPHFitter

        fitter = _fit_quietly(CoxPHFitter(penalizer=_penalties(x, self.ridge)), x, y["days"], y["event"])
        self.coefficients_ = fitter.params_.to_numpy(dtype=float)
        self.centres_ = x.mean(axis=0)
        self.baseline_ = tied_baseline(y, self._pull(x))
        return self

    def _pull(self, x: Numbers) -> Numbers:
        return np.exp(np.clip((x - self.centres_) @ self.coefficients_, -STEEPEST, STEEPEST))

    def predict(self, x: Numbers) -> Numbers:
        """Chance that the event has come, by day 0 to LAST_DAY."""
        return rising(-np.expm1(-np.outer(self._pull(x), self.baseline_)))

    def export(self) -> Artifact:
        """Coefficients, centres and the baseline cumulative hazard by day."""
        arrays = {"coefficients": self.coefficients_, "centres": self.centres_, "baseline": self.baseline_}
        return Artifact(plain={"ridge": self.ridge}, arrays=arrays)

    @staticmethod
    def revive(kept: Artifact) -> CoxModel:
        """The fitted model that ``export`` kept."""
        model = CoxModel()
        model.coefficients_, model.centres_, model.baseline_ = (
            kept.arrays[key] for key in ("coefficients", "centres", "baseline")
        )
        return model


class WeibullModel(RegressorMixin, BaseEstimator):
    """Weibull accelerated failure time with an L2 penalty.

    A stay of d days counts as d + 0.5, and the chance by day d is read at d + 1, the end of that day.

    Args:
        ridge: penalty on squared coefficients; 8 expects log time ratios of about 0.35.

    Reference: Wei 1992, 10.1002/sim.4780111409.
    """

    def __init__(self, ridge: float = 8.0) -> None:
        self.ridge = ridge

    def fit(self, x: Numbers, y: NDArray[Any]) -> WeibullModel:
        from lifelines import WeibullAFTFitter

        # The last number is for the shape, which lifelines would hold towards 1.
        fitter = WeibullAFTFitter(penalizer=np.append(_penalties(x, self.ridge), 0.0))
        fitter = _fit_quietly(fitter, x, y["days"] + HALF_DAY, y["event"])
        scale = fitter.params_["lambda_"]
        self.coefficients_ = scale.drop("Intercept").to_numpy(dtype=float)
        self.intercept_ = float(scale["Intercept"])
        self.log_shape_ = float(fitter.params_["rho_"]["Intercept"])
        return self

    def predict(self, x: Numbers) -> Numbers:
        """Chance that the event has come, by day 0 to LAST_DAY."""
        log_scale = x @ self.coefficients_ + self.intercept_
        log_hazard = np.exp(self.log_shape_) * (np.log(DAYS + 1.0)[None, :] - log_scale[:, None])
        return rising(-np.expm1(-np.exp(np.clip(log_hazard, -STEEPEST, np.log(STEEPEST)))))

    def export(self) -> Artifact:
        """Coefficients, intercept and shape."""
        arrays = {"coefficients": self.coefficients_, "intercept_and_shape": np.array([self.intercept_, self.log_shape_])}
        return Artifact(plain={"ridge": self.ridge}, arrays=arrays)

    @staticmethod
    def revive(kept: Artifact) -> WeibullModel:
        """The fitted model that ``export`` kept."""
        model = WeibullModel()
        model.coefficients_ = kept.arrays["coefficients"]
        model.intercept_, model.log_shape_ = (float(value) for value in kept.arrays["intercept_and_shape"])
        return model


class HazardModel(RegressorMixin, BaseEstimator):
    """Boosted discrete-time hazard: each case gives one row a day until its event, and trees learn the event of that day.

    The trees begin from the day's own share of events, so that they only have to learn who differs from it. Those who leave
    early are then gone from later days, so each day's own part is learned once more, given the trees. Someone in whom the
    event never comes (a death before discharge) gives rows without an event up to LAST_DAY.

    Args:
        trees: unfitted boosted trees.

    Reference: Tutz and Schmid 2016, 10.1007/978-3-319-28158-2 (discrete hazards on person-periods).
    """

    def __init__(self, trees: BoostedTrees | None = None) -> None:
        self.trees = trees

    def fit(self, x: Numbers, y: NDArray[Any]) -> HazardModel:
        last = np.minimum(y["days"], LAST_DAY).astype(int)
        case = np.repeat(np.arange(len(y)), last + 1)
        day = np.concatenate([np.arange(stop + 1) for stop in last])
        event = y["event"][case] & (day == last[case])
        rows, start = _with_day(x[case], day), _log_odds_by_day(day, event, np.zeros(len(day)))
        self.trees_ = (self.trees or BoostedTrees()).fit(rows, event, start[day])
        self.day_log_odds_ = _log_odds_by_day(day, event, self.trees_.log_odds(rows))
        return self

    def predict(self, x: Numbers) -> Numbers:
        """Chance that the event has come, by day 0 to LAST_DAY."""
        rows = _with_day(np.repeat(x, LAST_DAY + 1, axis=0), np.tile(DAYS, len(x)))
        hazard = expit(self.trees_.log_odds(rows) + np.tile(self.day_log_odds_, len(x)))
        left = np.cumprod(1.0 - hazard.reshape(len(x), LAST_DAY + 1), axis=1, dtype=np.float64)
        return rising(1.0 - left)

    def export(self) -> Artifact:
        """The trees in LightGBM's own text format, and where they begin."""
        return Artifact(plain={}, arrays={"day_log_odds": self.day_log_odds_}, texts=self.trees_.export().texts)

    @staticmethod
    def revive(kept: Artifact) -> HazardModel:
        """The fitted model that ``export`` kept."""
        model = HazardModel()
        model.trees_ = BoostedTrees.revive(kept)
        model.day_log_odds_ = kept.arrays["day_log_odds"]
        return model


def _log_odds_by_day(day: NDArray[Any], event: NDArray[np.bool_], pull: Numbers) -> Numbers:
    """Each day's own log-odds, beside the ``pull`` of its rows, at which as many events are expected as were seen.

    One row with the overall share of events is added to every day, as late days have few rows or none.
    """
    seen = np.bincount(day[event], minlength=LAST_DAY + 1) + event.mean()
    low, high = np.full(LAST_DAY + 1, -STEEPEST), np.full(LAST_DAY + 1, STEEPEST)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        expected = np.bincount(day, expit(pull + middle[day]), minlength=LAST_DAY + 1) + expit(middle)
        low, high = np.where(expected < seen, middle, low), np.where(expected < seen, high, middle)
    return (low + high) / 2


def _with_day(x: Numbers, day: NDArray[Any]) -> Numbers:
    return np.column_stack([x, day.astype(np.float64)])


def _cox(chosen: Settings, seed: int) -> CoxModel:
    return CoxModel(**chosen)


def _weibull(chosen: Settings, seed: int) -> WeibullModel:
    return WeibullModel(**chosen)


def _hazard(chosen: Settings, seed: int) -> HazardModel:
    return HazardModel(BoostedTrees(**chosen, seed=seed))


COX = Learner(
    encode=encode_for_penalty,
    model=_cox,
    defaults={"ridge": 2.0},
    space={"ridge": Span(0.1, 200.0, log=True)},
    revive=(RecordEncoder.revive, CoxModel.revive),
)
WEIBULL = Learner(
    encode=encode_for_penalty,
    model=_weibull,
    # A log time ratio is a log hazard ratio divided by the shape, near 2 for stays: four times the penalty says the same.
    defaults={"ridge": 8.0},
    space={"ridge": Span(0.1, 200.0, log=True)},
    revive=(RecordEncoder.revive, WeibullModel.revive),
)
HAZARD = Learner(
    encode=encode_for_trees,
    model=_hazard,
    # A row is a day of a stay and carries less than a patient, so leaves hold more rows; all else as for binary outcomes.
    defaults={**BOOSTING.defaults, "leaf_cases": 30},
    space={**BOOSTING.space, "leaf_cases": Span(10, 80, log=True, whole=True)},
    revive=(RecordEncoder.revive, HazardModel.revive),
)

PLUGINS: tuple[PredictorSpec, ...] = (
    tabular_spec(
        "cox",
        "Cox regression",
        "recovery",
        ("record",),
        {"time_to_event": COX},
        "Penalised Cox regression on the record; a baseline for shared days turns it into a chance by day.",
        "10.1111/j.2517-6161.1972.tb00899.x",
    ),
    tabular_spec(
        "weibull",
        "Weibull regression",
        "recovery",
        ("record",),
        {"time_to_event": WEIBULL},
        "A Weibull curve whose pace depends on the record; a stay of d days counts as d + 0.5.",
        "10.1002/sim.4780111409",
    ),
    tabular_spec(
        "boosted_hazard",
        "Boosted daily hazard",
        "recovery",
        ("record",),
        {"time_to_event": HAZARD},
        "Gradient boosting of the chance that the event comes on each day, given that it has not come before.",
        "10.1007/978-3-319-28158-2",
    ),
    tabular_spec(
        "cox_radiomics",
        "Cox regression, record and mask anatomy",
        "recovery",
        ("record", "anatomy"),
        {"time_to_event": COX},
        "Penalised Cox regression on the record and the anatomy measured from the masks.",
        "10.1111/j.2517-6161.1972.tb00899.x",
    ),
)

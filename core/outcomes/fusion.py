"""Networks and stacks that read the record and the picture; each goes on when one of them is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from core.contracts.cohort import Cases
from core.contracts.forecast import FitContext, Forecast, Predictor, PredictorSpec
from core.contracts.outcome import Outcome
from core.errors import DataError, TrainingError
from core.outcomes import PREDICTORS
from core.outcomes._network_predictor import Design, NetworkPredictor, has_picture, known_trials
from core.outcomes._preprocessing import predictor_fields
from core.training.splits import set_aside
from core.training.trials import Numbers, Trials, column_slices, expit, forecast_of, logits_of

RECORD_MODELS: Mapping[str, str] = {"binary": "logistic_regression", "time_to_event": "cox"}
RIDGE = 1.0


@dataclass(frozen=True)
class Stack:
    """Weights of a logistic regression on the logits of two members; none is negative.

    A member that is worse than chance on cases it has not seen gets no weight, instead of being turned round.

    Reference: Breiman, Mach Learn 1996, 10.1007/BF00117832 (stacking with non-negative weights).
    """

    intercept: float
    weights: Numbers

    @staticmethod
    def learn(logits: Numbers, counts: Numbers, events: Numbers) -> Stack:
        """The stack that fits trials best.

        Args:
            logits: (trials, members); counts, events: (trials,).
        """

        def objective(beta: Numbers) -> tuple[float, Numbers]:
            total = beta[0] + logits @ beta[1:]
            miss = counts * expit(total) - events
            loss = (counts * np.logaddexp(0.0, total) - events * total).sum() + RIDGE / 2 * (beta[1:] ** 2).sum()
            return float(loss), np.concatenate([[miss.sum()], logits.T @ miss + RIDGE * beta[1:]])

        start = np.concatenate([[0.0], np.full(logits.shape[1], 1.0 / logits.shape[1])])
        bounds = [(None, None), *[(0.0, None)] * logits.shape[1]]
        beta = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds).x
        return Stack(float(beta[0]), np.asarray(beta[1:]))

    def logits(self, members: Numbers) -> Numbers:
        """Stacked logits of (…, members)."""
        return np.asarray(self.intercept + members @ self.weights)


@dataclass(frozen=True)
class Views:
    """What the two members say of some cases: (cases, columns) logits, NaN where a member has nothing to read."""

    record: Numbers
    image: Numbers

    @property
    def members(self) -> Numbers:
        """(cases, columns, 2)."""
        return np.stack([self.record, self.image], axis=2)


@dataclass(frozen=True)
class Members:
    """The fitted members of a late fusion."""

    record: tuple[Predictor, ...]
    image: NetworkPredictor
    outcomes: tuple[Outcome, ...]
    prior: Numbers
    fields: tuple[str, ...]

    def views(self, cases: Cases) -> Views:
        """The members' logits."""
        record = np.tile(self.prior, (len(cases.ids), 1))
        for predictor in self.record:
            self._put(record, predictor.predict(cases))
        record[~cases.table[list(self.fields)].notna().any(axis=1).to_numpy(dtype=bool)] = np.nan
        image = np.full_like(record, np.nan)
        seen = has_picture(cases)
        if seen.any():
            image[:] = logits_of(self.image.predict(cases), self.outcomes)
            image[~seen] = np.nan
        return Views(record, image)

    def _put(self, logits: Numbers, forecast: Forecast) -> None:
        for outcome, columns in zip(self.outcomes, column_slices(self.outcomes)):
            if outcome.name in forecast.risks or outcome.name in forecast.times:
                logits[:, columns] = logits_of(forecast, (outcome,))


class LateFusion:
    """A record model and an image network, each fitted alone; a logistic regression weighs what they say.

    The weights are learned on cases that the members had not seen: the training patients are halved, and each half is
    judged by members fitted on the other. Where record or picture is missing, the stack of the other member answers.

    Args:
        name: slug; options: of the image network.
    """

    def __init__(self, name: str, options: Mapping[str, object]) -> None:
        self.name = name
        self.options = dict(options)
        self.members: Members | None = None
        self._image()

    def _image(self) -> NetworkPredictor:
        return NetworkPredictor(self.name, Design("image", "cnn3d", uses_record=False), self.options)

    def fit(self, cases: Cases, outcomes: Sequence[Outcome], context: FitContext) -> None:
        """Learn members and stack from these cases alone.

        Raises:
            DataError: no pictures or no targets; TrainingError: an outcome without events, or too few patients to halve.
        """
        trials = known_trials(cases, outcomes, self.name)
        patients = cases.patients.astype(str).to_numpy(dtype=np.str_)
        halves = set_aside(patients, trials.any_event(), 0.5, context.seed)
        if len(halves.aside) == 0:
            raise TrainingError(f"{self.name!r} cannot halve {len(set(patients))} patients.", do="Give more.", code="TOO_FEW")
        unseen = np.full((*trials.counts.shape, 2), np.nan)
        for learn, judge in ((halves.kept, halves.aside), (halves.aside, halves.kept)):
            members = self._members(_rows(cases, learn), tuple(outcomes), trials.pick(learn), context)
            unseen[judge] = members.views(_rows(cases, judge)).members
        self.stacks = _stacks(unseen, trials)
        self.members = self._members(cases, tuple(outcomes), trials, context)

    def _members(self, cases: Cases, outcomes: tuple[Outcome, ...], trials: Trials, context: FitContext) -> Members:
        usable = [outcome for outcome, usable in zip(outcomes, trials.tells_apart()) if usable]
        record = []
        for kind, model in RECORD_MODELS.items():
            served = [outcome for outcome in usable if outcome.kind == kind]
            if served:
                predictor = PREDICTORS.get(model).make({})
                predictor.fit(cases, served, replace(context, tuning_budget=0, progress=None))
                record.append(predictor)
        image = self._image()
        image.fit_trials(cases, trials, context)
        fields = tuple(field.name for field in predictor_fields(cases))
        return Members(tuple(record), image, outcomes, trials.prior, fields)

    def predict(self, cases: Cases) -> Forecast:
        """The stacked chances; ``cases.images`` may be None.

        Raises:
            DataError: not fitted.
        """
        if self.members is None:
            raise DataError(f"Model {self.name!r} has not been fitted.", do="Call fit first.", code="NOT_FITTED")
        views = self.members.views(cases)
        logits = np.tile(self.members.prior, (len(cases.ids), 1))
        for columns, stacks in zip(column_slices(self.members.outcomes), self.stacks):
            logits[:, columns] = _stacked(views.members[:, columns], stacks, logits[:, columns])
        return forecast_of(logits, self.members.outcomes, cases.ids)


MEMBERS_USED: tuple[tuple[int, ...], ...] = ((0, 1), (0,), (1,))
"""Both, the record alone, the picture alone."""


def _stacks(unseen: Numbers, trials: Trials) -> list[dict[tuple[int, ...], Stack]]:
    """By outcome, a stack for every set of members that a case may have."""
    return [
        {
            used: _learn_stack(unseen[:, columns][..., list(used)], trials.counts[:, columns], trials.events[:, columns])
            for used in MEMBERS_USED
        }
        for columns in column_slices(trials.outcomes)
    ]


def _learn_stack(logits: Numbers, counts: Numbers, events: Numbers) -> Stack:
    rows = (counts > 0) & np.isfinite(logits).all(axis=2)
    return Stack.learn(logits[rows], counts[rows], events[rows])


def _stacked(members: Numbers, stacks: Mapping[tuple[int, ...], Stack], otherwise: Numbers) -> Numbers:
    logits = otherwise.copy()
    there = np.asarray(np.isfinite(members).all(axis=1))
    for used, stack in stacks.items():
        has = np.zeros(2, dtype=bool)
        has[list(used)] = True
        rows = (there == has).all(axis=1)
        logits[rows] = stack.logits(members[rows][..., list(used)])
    return logits


def _rows(cases: Cases, rows: NDArray[np.intp]) -> Cases:
    return cases.pick([cases.ids[row] for row in rows])


PLUGINS = (
    PredictorSpec(
        name="fusion_late",
        label="Late fusion (stacked risks)",
        family="fusion",
        inputs=("record", "image"),
        kinds=("binary", "time_to_event"),
        make=partial(LateFusion, "fusion_late"),
        description="A regression on the record and a 3-D network, fitted alone; a logistic regression weighs their risks.",
        reference="Breiman, Mach Learn 1996, 10.1007/BF00117832",
        is_network=True,
    ),
    PredictorSpec(
        name="fusion_joint",
        label="Joint fusion (features side by side)",
        family="fusion",
        inputs=("record", "image"),
        kinds=("binary", "time_to_event"),
        make=partial(NetworkPredictor, "fusion_joint", Design("joint")),
        description="One network on the features of picture and record side by side, trained with either missing at times.",
        reference="Huang et al., npj Digit Med 2020, 10.1038/s41746-020-00341-z",
        is_network=True,
    ),
    PredictorSpec(
        name="fusion_film",
        label="Conditional fusion (FiLM)",
        family="fusion",
        inputs=("record", "image"),
        kinds=("binary", "time_to_event"),
        make=partial(NetworkPredictor, "fusion_film", Design("film")),
        description="The record scales and shifts the features of the picture, trained with either missing at times.",
        reference="Perez et al., AAAI 2018, 10.1609/aaai.v32i1.11671",
        is_network=True,
    ),
    PredictorSpec(
        name="hazard_network",
        label="Discrete-time network",
        family="recovery",
        inputs=("record", "image"),
        kinds=("time_to_event",),
        make=partial(NetworkPredictor, "hazard_network", Design("joint", kinds=("time_to_event",))),
        description="A network on picture and record that gives the chance of the event day by day.",
        reference="Gensheimer & Narasimhan, PeerJ 2019, 10.7717/peerj.6257",
        is_network=True,
    ),
)

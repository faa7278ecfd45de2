"""Models of a table: one small predictor class around conventional scikit-learn pipelines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from core.contracts.codebook import Field
from core.contracts.cohort import Cases
from core.contracts.forecast import (
    Artifact,
    Family,
    FitContext,
    Forecast,
    Input,
    Predictor,
    PredictorSpec,
    TimeForecast,
)
from core.contracts.outcome import Outcome, OutcomeKind
from core.errors import BundleError, DataError, TrainingError
from core.outcomes._preprocessing import (
    Known,
    Numbers,
    RecordEncoder,
    known_cases,
    predictor_fields,
    refuse_one_class,
    settings,
)
from core.outcomes._tuning import Settings, Span, best_settings


class Part(Protocol):
    """A step of a pipeline that can be kept in a bundle."""

    def export(self) -> Artifact:
        """Everything that reviving it needs."""


Revive = Callable[[Artifact], Any]


@dataclass(frozen=True)
class Learner:
    """How one kind of model is built, and what may be tuned.

    Args:
        encode: the first step of the pipeline, from the fields.
        model: the last step, from settings and seed. For a binary outcome it has ``predict_proba``; for a time to event its
            ``predict`` gives the chance by day, shape (cases, LAST_DAY + 1).
        defaults: settings used without a search; the recipe's options may change them.
        space: what a search draws from.
        revive: the two fitted steps from what they exported; None where the model cannot be kept.
    """

    encode: Callable[[tuple[Field, ...]], BaseEstimator]
    model: Callable[[Settings, int], BaseEstimator]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    space: Mapping[str, Span] = field(default_factory=dict)
    revive: tuple[Revive, Revive] | None = None

    def build(self, fields: tuple[Field, ...], seed: int, chosen: Settings) -> Pipeline:
        """An unfitted pipeline with these settings."""
        return Pipeline([("encode", self.encode(fields)), ("model", self.model(chosen, seed))])


class TabularPredictor:
    """One pipeline per outcome, each fitted on the cases whose outcome is known.

    Args:
        name: slug, for messages and bundles.
        learners: how each kind of outcome is learned; outcomes of another kind are passed over.
        options: settings that replace the learners' defaults.

    Raises:
        RecipeError: an option that the model does not have.
    """

    def __init__(self, name: str, learners: Mapping[OutcomeKind, Learner], options: Mapping[str, object]) -> None:
        self.name = name
        self.learners = learners
        self.start = {kind: settings(options, learner.defaults, name) for kind, learner in learners.items()}
        self.pipelines: dict[str, Pipeline] = {}
        self.kinds: dict[str, OutcomeKind] = {}
        self.chosen: dict[str, Settings] = {}

    def fit(self, cases: Cases, outcomes: Sequence[Outcome], context: FitContext) -> None:
        """Learn each outcome in turn.

        Raises:
            TrainingError: no outcome of a kind that this model serves, or one in which all cases are alike.
        """
        served = [outcome for outcome in outcomes if outcome.kind in self.learners]
        if not served:
            raise TrainingError(
                f"Model {self.name!r} serves none of the outcomes {', '.join(o.name for o in outcomes) or '(none)'}.",
                do=f"Give an outcome of kind {' or '.join(self.learners)}.",
                code="NO_OUTCOME",
            )
        fields = predictor_fields(cases)
        self.pipelines, self.kinds, self.chosen = {}, {}, {}
        for done, outcome in enumerate(served):
            if context.progress:
                context.progress(f"{self.name}: {outcome.label}", done / len(served))
            self._fit_one(fields, known_cases(cases, outcome), outcome, context)

    def _fit_one(self, fields: tuple[Field, ...], known: Known, outcome: Outcome, context: FitContext) -> None:
        refuse_one_class(outcome, known.target)
        learner = self.learners[outcome.kind]
        build = partial(learner.build, fields, context.seed)
        chosen = best_settings(build, self.start[outcome.kind], learner.space, known, context)
        self.pipelines[outcome.name] = build(chosen).fit(known.table, known.target)
        self.kinds[outcome.name] = outcome.kind
        self.chosen[outcome.name] = chosen

    def predict(self, cases: Cases) -> Forecast:
        """The chance of each fitted outcome; missing values are handled as they were in training.

        Raises:
            DataError: not fitted yet, or a column is absent.
        """
        if not self.pipelines:
            raise DataError(f"Model {self.name!r} has not been fitted.", do="Call fit first.", code="NOT_FITTED")
        answers = {name: self._answer(name, cases.table) for name in self.pipelines}
        return Forecast(
            risks=pd.DataFrame({name: answers[name] for name in answers if self.kinds[name] == "binary"}, index=cases.ids),
            times={name: TimeForecast(answers[name]) for name in answers if self.kinds[name] == "time_to_event"},
        )

    def _answer(self, name: str, table: pd.DataFrame) -> Numbers:
        pipeline = self.pipelines[name]
        if self.kinds[name] == "time_to_event":
            return np.asarray(pipeline.predict(table), dtype=np.float64)
        return np.asarray(pipeline.predict_proba(table)[:, 1], dtype=np.float64)


class PortablePredictor(TabularPredictor):
    """A tabular predictor that a bundle can keep as plain data."""

    def export(self) -> Artifact:
        """Both steps of every pipeline, as plain data, arrays and texts."""
        arrays: dict[str, Numbers] = {}
        texts: dict[str, str] = {}
        outcomes: dict[str, object] = {}
        for name, pipeline in self.pipelines.items():
            parts: dict[str, object] = {}
            for step, part in pipeline.steps:
                kept: Artifact = part.export()
                parts[step] = dict(kept.plain)
                arrays |= {f"{name}.{step}.{key}": value for key, value in kept.arrays.items()}
                texts |= {f"{name}.{step}.{key}": value for key, value in kept.texts.items()}
            outcomes[name] = {"kind": self.kinds[name], "settings": self.chosen[name], **parts}
        return Artifact(plain={"model": self.name, "outcomes": outcomes}, arrays=arrays, texts=texts)


def restore_tabular(name: str, learners: Mapping[OutcomeKind, Learner], artifact: Artifact) -> Predictor:
    """The fitted predictor that ``PortablePredictor.export`` kept; it predicts the same numbers.

    Raises:
        BundleError: the artefact is of another model, or a part is missing.
    """
    if artifact.plain.get("model") != name:
        raise BundleError(
            f"The artefact holds model {artifact.plain.get('model')!r}; expected {name!r}.",
            do="Open it with the predictor that wrote it.",
        )
    predictor = PortablePredictor(name, learners, {})
    try:
        _revive_all(predictor, artifact)
    except (KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"The artefact of {name!r} lacks a part ({error}).", do="Build the bundle again.") from error
    return predictor


def _revive_all(predictor: PortablePredictor, artifact: Artifact) -> None:
    outcomes: Any = artifact.plain["outcomes"]
    for name, plain in outcomes.items():
        revive = predictor.learners[plain["kind"]].revive
        if revive is None:
            raise KeyError(plain["kind"])
        steps = [
            (step, make(Artifact(plain[step], _below(artifact.arrays, name, step), _below(artifact.texts, name, step))))
            for step, make in zip(("encode", "model"), revive)
        ]
        predictor.pipelines[name] = Pipeline(steps)
        predictor.kinds[name] = plain["kind"]
        predictor.chosen[name] = dict(plain["settings"])


def _below(parts: Mapping[str, Any], outcome: str, step: str) -> dict[str, Any]:
    prefix = f"{outcome}.{step}."
    return {key.removeprefix(prefix): value for key, value in parts.items() if key.startswith(prefix)}


class LogisticModel(LogisticRegression):
    """Scikit-learn's logistic regression, with its numbers as plain data."""

    def export(self) -> Artifact:
        """Coefficients and intercept, on the scale of log-odds."""
        return Artifact(plain={}, arrays={"coefficients": self.coef_[0], "intercept": self.intercept_})

    @staticmethod
    def revive(kept: Artifact) -> LogisticModel:
        """The fitted model that ``export`` kept."""
        model = LogisticModel()
        model.coef_ = kept.arrays["coefficients"][None, :]
        model.intercept_ = kept.arrays["intercept"]
        model.classes_ = np.array([0, 1])
        model.n_features_in_ = model.coef_.shape[1]
        return model


class BoostedTrees(ClassifierMixin, BaseEstimator):
    """LightGBM with shallow trees, on one thread, the same numbers every time.

    Args:
        rounds: number of trees; learning_rate: share of each that counts; leaves: leaves of a tree.
        leaf_cases: fewest cases in a leaf; ridge: L2 penalty on leaf values; column_share: share of columns a tree sees.
        seed: all randomness.

    Reference: Ke et al., NeurIPS 2017 (LightGBM).
    """

    def __init__(
        self,
        rounds: int = 150,
        learning_rate: float = 0.03,
        leaves: int = 4,
        leaf_cases: int = 15,
        ridge: float = 5.0,
        column_share: float = 0.5,
        seed: int = 0,
    ) -> None:
        self.rounds = rounds
        self.learning_rate = learning_rate
        self.leaves = leaves
        self.leaf_cases = leaf_cases
        self.ridge = ridge
        self.column_share = column_share
        self.seed = seed

    def fit(self, x: Numbers, y: NDArray[Any], start: Numbers | None = None) -> BoostedTrees:
        """Learn; ``start`` gives each row log-odds to begin from."""
        import lightgbm

        data = lightgbm.Dataset(x, label=np.asarray(y, dtype=float), init_score=start, params={"verbosity": -1})
        self.booster_ = lightgbm.train(self._parameters(), data, num_boost_round=int(self.rounds))
        self.classes_ = np.array([0, 1])
        return self

    def _parameters(self) -> dict[str, object]:
        return {
            "objective": "binary",
            "learning_rate": self.learning_rate,
            "num_leaves": int(self.leaves),
            "min_data_in_leaf": int(self.leaf_cases),
            "lambda_l2": self.ridge,
            "feature_fraction": self.column_share,
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "feature_pre_filter": False,
            "seed": self.seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "verbosity": -1,
        }

    def log_odds(self, x: Numbers) -> Numbers:
        """What the trees add to where a row began, shape (rows,)."""
        return np.asarray(self.booster_.predict(x, raw_score=True, num_threads=1), dtype=np.float64)

    def predict_proba(self, x: Numbers) -> Numbers:
        """Columns: chance of no event, chance of the event, for rows that began at 0."""
        chance = expit(self.log_odds(x))
        return np.column_stack([1.0 - chance, chance])

    def export(self) -> Artifact:
        """The trees in LightGBM's own text format."""
        return Artifact(plain={}, texts={"trees": self.booster_.model_to_string()})

    @staticmethod
    def revive(kept: Artifact) -> BoostedTrees:
        """The fitted trees that ``export`` kept."""
        import lightgbm

        model = BoostedTrees()
        model.booster_ = lightgbm.Booster(model_str=kept.texts["trees"])
        model.classes_ = np.array([0, 1])
        return model


def encode_for_penalty(fields: tuple[Field, ...]) -> RecordEncoder:
    """Filled and scaled columns, for linear models."""
    return RecordEncoder(fields, fill=True, scale=True)


def encode_for_trees(fields: tuple[Field, ...]) -> RecordEncoder:
    """Columns as they are, missing values left missing, for trees."""
    return RecordEncoder(fields, fill=False, scale=False)


def encode_for_curves(fields: tuple[Field, ...]) -> RecordEncoder:
    """Filled columns in their own units: a missing value gets a column of its own, which a drawn curve would hide."""
    return RecordEncoder(fields, fill=True, scale=False, fewest=5)


def _logistic(chosen: Settings, seed: int) -> LogisticModel:
    return LogisticModel(C=chosen["C"], max_iter=2000, tol=1e-6)


def _forest(chosen: Settings, seed: int) -> RandomForestClassifier:
    return RandomForestClassifier(
        n_estimators=int(chosen["trees"]),
        min_samples_leaf=int(chosen["leaf_cases"]),
        max_features=chosen["column_share"],
        n_jobs=1,
        random_state=seed,
    )


def boosted(chosen: Settings, seed: int) -> BoostedTrees:
    """Unfitted boosted trees with these settings."""
    return BoostedTrees(**chosen, seed=seed)


def _explainable(chosen: Settings, seed: int) -> BaseEstimator:
    from interpret.glassbox import ExplainableBoostingClassifier

    return ExplainableBoostingClassifier(
        interactions=0,
        outer_bags=int(chosen["outer_bags"]),
        learning_rate=chosen["learning_rate"],
        max_bins=int(chosen["max_bins"]),
        min_samples_leaf=int(chosen["leaf_cases"]),
        # A third of the package's own patience: measured here, three times as quick on 300 patients.
        smoothing_rounds=25,
        early_stopping_rounds=50,
        n_jobs=1,
        random_state=seed,
    )


LOGISTIC = Learner(
    encode=encode_for_penalty,
    model=_logistic,
    # A yes-or-no finding is expected to multiply the odds by at most about four (prior standard deviation 0.7).
    defaults={"C": 0.5},
    space={"C": Span(0.005, 20.0, log=True)},
    revive=(RecordEncoder.revive, LogisticModel.revive),
)
FOREST = Learner(
    encode=encode_for_trees,
    model=_forest,
    defaults={"trees": 200, "leaf_cases": 5, "column_share": 0.3},
    space={"leaf_cases": Span(2, 30, log=True, whole=True), "column_share": Span(0.1, 0.7)},
)
BOOSTING = Learner(
    encode=encode_for_trees,
    model=boosted,
    defaults={"rounds": 150, "learning_rate": 0.03, "leaves": 4, "leaf_cases": 15, "ridge": 5.0, "column_share": 0.5},
    space={
        "rounds": Span(40, 300, log=True, whole=True),
        "leaves": Span(2, 8, whole=True),
        "leaf_cases": Span(5, 40, log=True, whole=True),
        "ridge": Span(0.5, 50.0, log=True),
        "column_share": Span(0.2, 0.9),
    },
    revive=(RecordEncoder.revive, BoostedTrees.revive),
)
EXPLAINABLE = Learner(
    encode=encode_for_curves,
    model=_explainable,
    defaults={"outer_bags": 8, "learning_rate": 0.05, "max_bins": 32, "leaf_cases": 5},
    space={"max_bins": Span(4, 128, log=True, whole=True), "leaf_cases": Span(2, 20, log=True, whole=True)},
)


def make_tabular(name: str, learners: Mapping[OutcomeKind, Learner], options: Mapping[str, object]) -> Predictor:
    """An unfitted predictor; one that bundles can keep where all its learners can be revived."""
    if all(learner.revive for learner in learners.values()):
        return PortablePredictor(name, learners, options)
    return TabularPredictor(name, learners, options)


def tabular_spec(
    name: str,
    label: str,
    family: Family,
    inputs: tuple[Input, ...],
    learners: Mapping[OutcomeKind, Learner],
    description: str,
    reference: str = "",
    variants: bool = True,
) -> PredictorSpec:
    """The plug-in of a tabular model."""
    portable = all(learner.revive for learner in learners.values())
    return PredictorSpec(
        name=name,
        label=label,
        family=family,
        inputs=inputs,
        kinds=tuple(learners),
        make=partial(make_tabular, name, learners),
        description=description,
        reference=reference,
        variants=variants,
        restore=partial(restore_tabular, name, learners) if portable else None,
    )


PLUGINS = (
    tabular_spec(
        "logistic_regression",
        "Logistic regression",
        "traditional",
        ("record",),
        {"binary": LOGISTIC},
        "A weighted sum of the record, the weights held small by an L2 penalty.",
        "10.2307/2347628",
    ),
    tabular_spec(
        "random_forest",
        "Random forest",
        "tabular",
        ("record",),
        {"binary": FOREST},
        "The average of many decision trees, each grown on a random sample of patients and columns.",
        "10.1023/A:1010933404324",
    ),
    tabular_spec(
        "gradient_boosting",
        "Gradient boosting",
        "tabular",
        ("record",),
        {"binary": BOOSTING},
        "Shallow trees added one after another, each mending what the sum before it got wrong (LightGBM).",
        "10.1214/aos/1013203451",
    ),
    tabular_spec(
        "explainable_boosting",
        "Explainable boosting (EBM)",
        "tabular",
        ("record",),
        {"binary": EXPLAINABLE},
        "A sum of one curve per column, each learned by boosting, so that every share of a risk can be read off.",
        "10.1145/2339530.2339556",
    ),
    tabular_spec(
        "anatomy_only",
        "Anatomy from masks",
        "image",
        ("anatomy",),
        {"binary": LOGISTIC},
        "Logistic regression on sizes and distances measured from the masks, and nothing else.",
        variants=False,
    ),
    tabular_spec(
        "radiomics_record",
        "Record and mask anatomy, logistic",
        "fusion",
        ("record", "anatomy"),
        {"binary": LOGISTIC},
        "Logistic regression on the record and the anatomy measured from the masks: the simple rival of fusion networks.",
    ),
    tabular_spec(
        "radiomics_record_boosting",
        "Record and mask anatomy, boosting",
        "fusion",
        ("record", "anatomy"),
        {"binary": BOOSTING},
        "Gradient boosting on the record and the anatomy measured from the masks.",
        "10.1214/aos/1013203451",
    ),
)

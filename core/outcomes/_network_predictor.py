"""The one predictor class behind all networks: prepare the input, train a shared body with a head per outcome, answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.contracts.cohort import Cases, PreparedImages
from core.contracts.forecast import FitContext, Forecast
from core.contracts.outcome import Outcome, OutcomeKind
from core.errors import DataError, TrainingError
from core.outcomes._preprocessing import RecordEncoder, predictor_fields, require_columns, settings
from core.training.settings import TrainingSettings
from core.training.trials import Trials, forecast_of, trials_of

if TYPE_CHECKING:
    from core.training.batches import NetworkInput
    from core.training.outcome_task import TrainingReport

OPTIONS: Mapping[str, object] = {
    "epochs": 20,
    "batch_size": 16,
    "learning_rate": 1e-3,
    "weight_decay": 1e-2,
    "head_rate": 5.0,
    "modality_dropout": 0.2,
    "patience": 6,
    "width": 16,
    "backbone": "resnet18",
    "encoder": "cnn3d",
}
"""What a recipe's model entry may set, on top of its network fields (the values show the types)."""

FARTHEST = 3.0
"""An encoded number is kept within this many units (each two standard deviations): one wild value must not steer a network."""


@dataclass(frozen=True)
class Design:
    """What a network is made of.

    Args:
        network: ``image``, ``joint`` or ``film``; encoder: ``cnn3d`` or ``timm2d``; uses_record: whether it reads the record.
        kinds: outcome kinds it learns; others are passed over.
    """

    network: Literal["image", "joint", "film"]
    encoder: Literal["cnn3d", "timm2d"] = "cnn3d"
    uses_record: bool = True
    kinds: tuple[OutcomeKind, ...] = ("binary", "time_to_event")


class NetworkPredictor:
    """A network that serves all outcomes at once.

    A case of which nothing that the network reads is there (no picture for an image network) gets the training rate.

    Args:
        name: slug, for messages; design: what is built; options: values over the recipe's network fields.

    Raises:
        RecipeError: an option that networks do not have.
    """

    def __init__(self, name: str, design: Design, options: Mapping[str, object]) -> None:
        settings(options, OPTIONS, name)
        self.name = name
        self.design = design
        self.options = dict(options)
        self.network: Any = None
        self.record: RecordEncoder | None = None
        self.report: TrainingReport | None = None

    def fit(self, cases: Cases, outcomes: Sequence[Outcome], context: FitContext) -> None:
        """Learn encoding and weights from these cases alone, some of whose patients only say when to stop.

        Raises:
            DataError: no pictures or no targets.
            TrainingError: an outcome without events, or a loss that is not finite.
        """
        served = tuple(outcome for outcome in outcomes if outcome.kind in self.design.kinds)
        self.fit_trials(cases, known_trials(cases, served, self.name), context)

    def fit_trials(self, cases: Cases, trials: Trials, context: FitContext) -> None:
        """As ``fit``, from trials; an outcome without events among them keeps its rate."""
        from core.training.outcome_task import TrainingData, train_outcomes
        from core.training.reproducible import reproducible

        images = _images_of(cases, self.name)
        self.outcomes = trials.outcomes
        self.settings = self._training_settings(context)
        self.device, self.image_shape, self.prior = context.device, images.shape, trials.prior
        self.record = RecordEncoder(predictor_fields(cases)).fit(cases.table) if self.design.uses_record else None
        inputs = self._inputs(cases)
        with reproducible(context.seed, context.device):
            self.network = self._build(images.channels, inputs.record.shape[1], context)
            self.report = train_outcomes(
                self.network,
                TrainingData(inputs, trials, cases.patients.astype(str).to_numpy(dtype=np.str_)),
                self.settings,
                seed=context.seed,
                device=context.device,
                progress=self._say(context),
            )

    def _training_settings(self, context: FitContext) -> TrainingSettings:
        chosen = TrainingSettings.of({**context.network, **self.options})
        return chosen if self.design.uses_record else replace(chosen, modality_dropout=0.0)

    def _build(self, channels: Sequence[str], columns: int, context: FitContext) -> Any:
        from core.outcomes._encoders import make_encoder
        from core.outcomes._networks import NETWORKS

        chosen = {**context.network, **self.options}
        encoder = make_encoder(str(self.options.get("encoder", self.design.encoder)), channels, chosen)
        return NETWORKS[self.design.network](encoder, columns, self.prior)

    def _say(self, context: FitContext) -> Any:
        progress = context.progress
        return None if progress is None else lambda phrase, share: progress(f"{self.name}: {phrase}", share)

    def predict(self, cases: Cases) -> Forecast:
        """The chance of each fitted outcome; ``cases.images`` may be None where the network also reads a record.

        Raises:
            DataError: not fitted, no pictures for a network that reads nothing else, or pictures of another shape.
        """
        from core.training.outcome_task import predict_logits

        if self.network is None:
            raise DataError(f"Model {self.name!r} has not been fitted.", do="Call fit first.", code="NOT_FITTED")
        if not self.design.uses_record:
            _images_of(cases, self.name)
        inputs = self._inputs(cases)
        logits = predict_logits(self.network, inputs, self.settings.batch_size, self.device)
        logits[~(has_picture(cases) | inputs.has_record)] = self.prior
        return forecast_of(logits, self.outcomes, cases.ids)

    def _inputs(self, cases: Cases) -> NetworkInput:
        from core.training.batches import NetworkInput

        if cases.images is not None and cases.images.shape != self.image_shape:
            raise DataError(
                f"Model {self.name!r} was fitted on pictures of shape {self.image_shape}; given: {cases.images.shape}.",
                do="Prepare the pictures with the settings that the model was fitted with.",
                code="IMG_SHAPE",
            )
        return NetworkInput(
            case_ids=tuple(cases.ids),
            images=cases.images,
            image_shape=self.image_shape,
            record=self._numbers(cases),
            has_record=has_record(cases, self.record),
        )

    def _numbers(self, cases: Cases) -> NDArray[np.float32]:
        if self.record is None:
            return np.zeros((len(cases.ids), 0), dtype=np.float32)
        return np.clip(self.record.transform(cases.table), -FARTHEST, FARTHEST).astype(np.float32)

    def export_encoder(self, path: Path, channels: Sequence[int] = ()) -> None:
        """Writes the trained image encoder as safetensors, for ``network.encoder_weights`` of another study.

        Args:
            channels: places of the picture's channels that are kept (``core.training.weights.export_encoder``).
        """
        from core.training.weights import export_encoder

        if self.network is None:
            raise DataError(f"Model {self.name!r} has not been fitted.", do="Call fit first.", code="NOT_FITTED")
        export_encoder(self.network.encoder, path, channels)


def _images_of(cases: Cases, name: str) -> PreparedImages:
    if cases.images is None:
        raise DataError(
            f"Model {name!r} reads pictures, and none were given.",
            do="Give prepared pictures, or use a tabular model.",
            code="NO_IMAGES",
        )
    return cases.images


def known_trials(cases: Cases, outcomes: Sequence[Outcome], name: str) -> Trials:
    """The trials of these cases.

    Raises:
        DataError: no targets; TrainingError: no outcome to serve, or one in which nothing can be told apart.
    """
    if not outcomes:
        raise TrainingError(f"Model {name!r} serves none of the outcomes given.", do="Give another outcome.", code="NO_OUTCOME")
    if cases.targets is None:
        raise DataError(f"Fitting {name!r} needs the outcomes of the cases.", do="Give the cases with their targets.")
    trials = trials_of(cases.targets, outcomes)
    for outcome, usable in zip(outcomes, trials.tells_apart()):
        if not usable:
            raise TrainingError(
                f"Outcome {outcome.name!r} has no event, or nothing but events, among the training cases.",
                do="Leave this outcome out, or give more cases.",
                code="ONE_CLASS",
            )
    return trials


def has_picture(cases: Cases, at_once: int = 64) -> NDArray[np.bool_]:
    """(cases,) whether there is a picture of each case."""
    if cases.images is None:
        return np.zeros(len(cases.ids), dtype=bool)
    parts = [cases.images.arrays(cases.ids[start : start + at_once]) for start in range(0, len(cases.ids), at_once)]
    return ~np.isnan(np.concatenate([part[:, 0, 0, 0, 0] for part in parts]))


def has_record(cases: Cases, record: RecordEncoder | None) -> NDArray[np.bool_]:
    """(cases,) whether any field that the encoder reads is filled in."""
    if record is None:
        return np.zeros(len(cases.ids), dtype=bool)
    require_columns(cases.table, record.fields)
    filled: NDArray[np.bool_] = cases.table[[field.name for field in record.fields]].notna().any(axis=1).to_numpy(dtype=bool)
    return filled

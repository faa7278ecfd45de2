"""How a network is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class TrainingSettings:
    """Everything that the loop may be told.

    Args:
        epochs: passes over the training part at most; the learning rate follows a cosine down to 0 over them.
        batch_size: cases a step.
        learning_rate, weight_decay: of AdamW.
        head_rate: learning rate of everything that does not read pictures, as a multiple: a regression on the record has to
            move its weights by about 1 within some hundred steps, convolutions by far less.
        modality_dropout: chance that a case with picture and record is shown without one of them (0 to below 1).
        patience: epochs without a better validation loss after which training stops.
        validation_share: share of the training PATIENTS kept aside to say when to stop (0: none, all epochs are run).
        clip_norm: largest norm of a gradient.
        turn_degrees, shift, zoom: largest turn; largest move and zoom, as a share of the edge.
        jitter: largest change of a scan's contrast and brightness; masks keep their values.
    """

    epochs: int = 20
    batch_size: int = 16
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    head_rate: float = 5.0
    modality_dropout: float = 0.2
    patience: int = 6
    validation_share: float = 0.2
    clip_norm: float = 1.0
    turn_degrees: float = 12.0
    shift: float = 0.05
    zoom: float = 0.1
    jitter: float = 0.1

    @staticmethod
    def of(settings: Mapping[str, object]) -> TrainingSettings:
        """The settings among a recipe's network fields; other fields are left alone."""
        names = {field.name for field in fields(TrainingSettings)}
        return TrainingSettings(**{name: value for name, value in settings.items() if name in names})  # type: ignore[arg-type]

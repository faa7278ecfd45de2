"""A study, written down before it is run."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Profile = Literal["quick", "cpu", "full"]
PROFILES: tuple[Profile, ...] = ("quick", "cpu", "full")


class Part(BaseModel):
    """A part of a recipe: frozen, and no key that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DatasetPart(Part):
    """Which data set, and its own options."""

    name: str
    options: dict[str, Any] = Field(default_factory=dict)


class ModelPart(Part):
    """One model of the study; ``options`` go to the plug-in; ``tune`` is the number of candidates tried inside a fold.

    ``row`` and ``label`` name a further row of the same plug-in: one that reads only ``fields`` (what is asked today: one
    score, one measurement), or one whose network is trained otherwise (``network``: keys of the recipe's network part).
    """

    name: str
    row: str = Field("", pattern=r"^([a-z][a-z0-9_]{1,60})?$")
    label: str = ""
    fields: tuple[str, ...] = ()
    options: dict[str, Any] = Field(default_factory=dict)
    network: dict[str, Any] = Field(default_factory=dict)
    tune: int = Field(0, ge=0, le=500)

    @property
    def slug(self) -> str:
        """The row's name in the results, before its inputs are added."""
        return self.row or self.name

    @model_validator(mode="after")
    def _named(self) -> ModelPart:
        if (self.fields or self.network) and not (self.row and self.label):
            raise ValueError(f"a row of {self.name!r} with its own fields or network needs 'row' and 'label'")
        return self


class RepeatsPart(Part):
    """Repeats of the cross-validation: more for tables, fewer for networks."""

    table: int = Field(5, ge=1, le=100)
    network: int = Field(2, ge=1, le=100)


class NetworkPart(Part):
    """How networks are trained, and what they see."""

    epochs: int = Field(20, ge=1, le=10_000)
    batch_size: int = Field(16, ge=2, le=4096)
    learning_rate: float = Field(1e-3, gt=0, lt=1)
    weight_decay: float = Field(1e-2, ge=0, lt=1)
    modality_dropout: float = Field(0.2, ge=0, lt=1)
    input_shape: tuple[int, int, int] = (48, 48, 48)
    input_spacing_mm: float = Field(3.0, gt=0, le=20)
    backbone: str = "resnet18"
    pretrained: bool = False
    encoder_weights: str = ""
    crop: Literal["lesion", "organ", "whole"] = "organ"
    channels: Literal["mask", "scan", "scan+mask"] = "mask"


class StabilityPart(Part):
    """Models that are refitted on bootstrap samples of all patients, and how often (tables only)."""

    models: tuple[str, ...] = ()
    refits: int = Field(200, ge=10, le=2000)


class LearningPart(Part):
    """Models that also learn from a share of each training part, and the shares in percent."""

    models: tuple[str, ...] = ()
    shares: tuple[int, ...] = (25, 50, 75)

    @field_validator("shares")
    @classmethod
    def _inside(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if any(not 5 <= share < 100 for share in value) or len(set(value)) < len(value):
            raise ValueError(f"shares are different whole percents from 5 to 99, given {list(value)}")
        return value


class AblationPart(Part):
    """Models that are fitted again without each of their inputs: the picture, a block of fields, a section of the record."""

    models: tuple[str, ...] = ()


class FeaturesPart(Part):
    """Models whose fields are ranked by what is lost when a field is shuffled among the patients judged (tables only)."""

    models: tuple[str, ...] = ()


class EstimatesPart(Part):
    """Clinicians' own estimates, from a CSV file with the columns case_id, outcome and chance (0 to 1).

    ``file``: a path, or a name beside the data sets; ``row`` and ``label`` name the row of the results.
    """

    file: str
    row: str = Field("clinicians", pattern=r"^[a-z][a-z0-9_]{1,60}$")
    label: str = "Clinicians' estimates"


class UsePart(Part):
    """What is done on the word of a model: who does what, and from which risk on reasonable people would.

    ``low`` and ``high``: the range of thresholds, as risks.
    """

    action: str = Field(min_length=3)
    actor: str = Field(min_length=2)
    low: float = Field(gt=0, lt=1)
    high: float = Field(gt=0, lt=1)

    @model_validator(mode="after")
    def _rising(self) -> UsePart:
        if self.low >= self.high:
            raise ValueError(f"the range of thresholds rises, given {self.low} to {self.high}")
        return self


class ChoicePart(Part):
    """The rule by which a model is chosen, written before any result is seen.

    A candidate is adopted when its ``metric`` is better than that of every rival by more than ``margin``, beyond chance; else
    none is, and the record alone, or what is done today, is as good.
    """

    metric: str
    margin: float = Field(ge=0, lt=1)
    candidates: tuple[str, ...] = Field(min_length=1)
    rivals: tuple[str, ...] = Field(min_length=1)


class EvaluationPart(Part):
    """What is computed from the predictions, and what is predicted for that alone."""

    bootstrap: int = Field(1000, ge=50, le=100_000)
    reference_model: str = "logistic_regression"
    groups: tuple[str, ...] = ()
    thresholds: dict[str, float] = Field(default_factory=dict)
    uses: dict[str, UsePart] = Field(default_factory=dict)
    choice: ChoicePart | None = None
    permuted_labels: bool = True
    stability: StabilityPart = StabilityPart()
    learning: LearningPart = LearningPart()
    ablation: AblationPart = AblationPart()
    features: FeaturesPart = FeaturesPart()
    estimates: tuple[EstimatesPart, ...] = ()

    @field_validator("thresholds")
    @classmethod
    def _inside(cls, value: dict[str, float]) -> dict[str, float]:
        for outcome, threshold in value.items():
            if not 0 < threshold < 1:
                raise ValueError(f"the threshold of {outcome} lies between 0 and 1, given {threshold}")
        return value


class BundlePart(Part):
    """Which model of an outcome becomes a bundle, and how many refits its band rests on."""

    model: str
    refits: int = Field(200, ge=10, le=2000)


class StudyRecipe(Part):
    """What every study says of itself. ``name`` names the published study."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{1,60}$")
    title: str
    question: str = ""
    seed: int = Field(20261123, ge=0)
    licence: str = ""

    def canonical(self) -> str:
        """The recipe as one line of JSON, keys sorted: what its hash is taken of."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))

    def run_id(self, fingerprint: str) -> str:
        """Sixteen hex digits that name a run: the recipe's canonical form and the data's fingerprint."""
        return hashlib.sha256(f"{self.canonical()}\n{fingerprint}".encode()).hexdigest()[:16]


class Recipe(StudyRecipe):
    """A study of outcomes.

    ``inputs`` lists the variants every model is run in: ``record`` uses what is known before the operation;
    ``record_with_procedure`` adds the fields that record what was performed.
    ``predictors`` names the record's fields that models may use; without it, all that are known before the operation.
    """

    dataset: DatasetPart
    outcomes: tuple[str, ...] = Field(min_length=1)
    models: tuple[ModelPart, ...] = Field(min_length=1)
    inputs: tuple[Literal["record", "record_with_procedure"], ...] = ("record",)
    predictors: tuple[str, ...] = ()
    folds: int = Field(5, ge=2, le=20)
    repeats: RepeatsPart = RepeatsPart()
    inner_folds: int = Field(3, ge=2, le=10)
    checks: bool = True
    minimum_events: int = Field(10, ge=2)
    network: NetworkPart = NetworkPart()
    evaluation: EvaluationPart = EvaluationPart()
    bundles: dict[str, BundlePart] = Field(default_factory=dict)

    @field_validator("models", mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        """``- logistic_regression`` is short for ``- {name: logistic_regression}``."""
        if isinstance(value, (list, tuple)):
            return [{"name": item} if isinstance(item, str) else item for item in value]
        return value

    @model_validator(mode="after")
    def _rows_apart(self) -> Recipe:
        """Rows have names of their own, and a row's network part has the keys of a network part."""
        rows = [part.slug for part in self.models] + [part.row for part in self.evaluation.estimates]
        twice = sorted({row for row in rows if rows.count(row) > 1})
        if twice:
            raise ValueError(f"two models have the row {twice[0]!r}; give one of them another 'row'")
        for part in self.models:
            NetworkPart.model_validate({**self.network.model_dump(), **part.network})
        return self

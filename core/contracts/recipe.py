"""A study, written down before it is run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from core.errors import RecipeError, did_you_mean

Profile = Literal["quick", "cpu", "full"]
PROFILES: tuple[Profile, ...] = ("quick", "cpu", "full")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DatasetPart(_Part):
    """Which data set, and its own options."""

    name: str
    options: dict[str, Any] = Field(default_factory=dict)


class ModelPart(_Part):
    """One model of the study; ``options`` go to the plug-in; ``tune`` is the number of candidates tried inside a fold."""

    name: str
    options: dict[str, Any] = Field(default_factory=dict)
    tune: int = Field(0, ge=0, le=500)


class RepeatsPart(_Part):
    """Repeats of the cross-validation: more for tables, fewer for networks."""

    table: int = Field(5, ge=1, le=100)
    network: int = Field(2, ge=1, le=100)


class NetworkPart(_Part):
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


class EvaluationPart(_Part):
    """What is computed from the predictions."""

    bootstrap: int = Field(1000, ge=50, le=100_000)
    reference_model: str = "logistic_regression"
    groups: tuple[str, ...] = ()
    thresholds: dict[str, float] = Field(default_factory=dict)
    permuted_labels: bool = True

    @field_validator("thresholds")
    @classmethod
    def _inside(cls, value: dict[str, float]) -> dict[str, float]:
        for outcome, threshold in value.items():
            if not 0 < threshold < 1:
                raise ValueError(f"the threshold of {outcome} lies between 0 and 1, given {threshold}")
        return value


class BundlePart(_Part):
    """Which model of an outcome becomes a bundle, and how many refits its band rests on."""

    model: str
    refits: int = Field(200, ge=10, le=2000)


class Recipe(_Part):
    """A study.

    ``name`` names the published study. ``inputs`` lists the variants every model is run in: ``record`` uses what is
    known before the operation; ``record_with_procedure`` adds the fields that record what was performed.
    ``predictors`` names the record's fields that models may use; without it, all that are known before the operation.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{1,60}$")
    title: str
    question: str = ""
    dataset: DatasetPart
    outcomes: tuple[str, ...] = Field(min_length=1)
    models: tuple[ModelPart, ...] = Field(min_length=1)
    inputs: tuple[Literal["record", "record_with_procedure"], ...] = ("record",)
    predictors: tuple[str, ...] = ()
    folds: int = Field(5, ge=2, le=20)
    repeats: RepeatsPart = RepeatsPart()
    inner_folds: int = Field(3, ge=2, le=10)
    seed: int = Field(20261123, ge=0)
    checks: bool = True
    minimum_events: int = Field(10, ge=2)
    network: NetworkPart = NetworkPart()
    evaluation: EvaluationPart = EvaluationPart()
    bundles: dict[str, BundlePart] = Field(default_factory=dict)
    licence: str = ""

    @field_validator("models", mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        """``- logistic_regression`` is short for ``- {name: logistic_regression}``."""
        if isinstance(value, (list, tuple)):
            return [{"name": item} if isinstance(item, str) else item for item in value]
        return value

    def canonical(self) -> str:
        """The recipe as one line of JSON, keys sorted: what its hash is taken of."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))

    def run_id(self, fingerprint: str) -> str:
        """Sixteen hex digits that name a run: the recipe's canonical form and the data's fingerprint."""
        return hashlib.sha256(f"{self.canonical()}\n{fingerprint}".encode()).hexdigest()[:16]


def load_recipe(path: Path, profile: Profile = "cpu") -> Recipe:
    """The recipe in a YAML file, with the profile's overrides merged in.

    Raises:
        RecipeError: no such file, not YAML, unknown key (the nearest is suggested), a value of the wrong type or range.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RecipeError(
            f"No recipe at {path} ({error.strerror}).", do="List recipes with: python -m core study list"
        ) from error
    try:
        plain = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"{path.name} is not valid YAML: {error}.", do="Mend it at that line.") from error
    return recipe_from_plain(plain, profile, path.name)


def recipe_from_plain(plain: object, profile: Profile, where: str) -> Recipe:
    """The recipe held in plain data (a mapping with an optional ``profiles``)."""
    if not isinstance(plain, Mapping):
        raise RecipeError(f"{where} is not a mapping of keys to values.", do="Start from: python -m core study new")
    body = dict(plain)
    profiles = body.pop("profiles", None) or {}
    if not isinstance(profiles, Mapping):
        raise RecipeError(f"{where}: 'profiles' is not a mapping.", do="Give quick, cpu or full their overrides.")
    for name in profiles:
        if name not in PROFILES:
            raise RecipeError(f"{where}: unknown profile {name!r}.", do=did_you_mean(str(name), PROFILES))
    merged = _merge(body, profiles.get(profile) or {})
    try:
        return Recipe.model_validate(merged)
    except ValidationError as error:
        raise _explain(error, where) from error


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = _merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def _explain(error: ValidationError, where: str) -> RecipeError:
    first = error.errors()[0]
    spot = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        key = str(first["loc"][-1])
        return RecipeError(
            f"{where}: unknown key {spot!r}.", do=did_you_mean(key, _keys_at(first["loc"][:-1])), code="RECIPE_KEY"
        )
    if first["type"] == "missing":
        return RecipeError(f"{where}: {spot!r} is missing.", do="Start from: python -m core study new", code="RECIPE_MISSING")
    return RecipeError(
        f"{where}: {spot!r} was given {first['input']!r}: {first['msg']}.", do="Mend that value.", code="RECIPE_VALUE"
    )


def _keys_at(location: tuple[int | str, ...]) -> tuple[str, ...]:
    part: type[BaseModel] = Recipe
    inside: dict[str, type[BaseModel]] = {
        "dataset": DatasetPart,
        "models": ModelPart,
        "repeats": RepeatsPart,
        "network": NetworkPart,
        "evaluation": EvaluationPart,
        "bundles": BundlePart,
    }
    for step in location:
        if isinstance(step, str) and step in inside:
            part = inside[step]
    return tuple(part.model_fields)

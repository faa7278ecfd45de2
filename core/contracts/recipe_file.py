"""Recipes in YAML files, of whichever kind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from core.contracts.recipe import PROFILES, Profile, Recipe
from core.contracts.segmentation_recipe import SegmentationRecipe
from core.errors import RecipeError, did_you_mean

AnyRecipe = Recipe | SegmentationRecipe

KINDS: dict[str, type[Recipe] | type[SegmentationRecipe]] = {"outcomes": Recipe, "segmentation": SegmentationRecipe}
"""By the recipe's key ``kind``; without it a recipe is of outcomes."""


def load_recipe(path: Path, profile: Profile = "cpu") -> AnyRecipe:
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


def recipe_from_plain(plain: object, profile: Profile, where: str) -> AnyRecipe:
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
    kind = merged.get("kind", "outcomes")
    if kind not in KINDS:
        raise RecipeError(f"{where}: 'kind' was given {kind!r}.", do=did_you_mean(str(kind), KINDS), code="RECIPE_VALUE")
    recipe = KINDS[kind]
    try:
        return recipe.model_validate(merged)
    except ValidationError as error:
        raise _explain(error, where, recipe) from error


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = _merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def _explain(error: ValidationError, where: str, recipe: type[Recipe] | type[SegmentationRecipe]) -> RecipeError:
    first = error.errors()[0]
    spot = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        key = str(first["loc"][-1])
        return RecipeError(
            f"{where}: unknown key {spot!r}.", do=did_you_mean(key, _keys_at(recipe, first["loc"][:-1])), code="RECIPE_KEY"
        )
    if first["type"] == "missing":
        return RecipeError(f"{where}: {spot!r} is missing.", do="Start from: python -m core study new", code="RECIPE_MISSING")
    return RecipeError(
        f"{where}: {spot!r} was given {first['input']!r}: {first['msg']}.", do="Mend that value.", code="RECIPE_VALUE"
    )


def _keys_at(recipe: type[Recipe] | type[SegmentationRecipe], location: tuple[int | str, ...]) -> tuple[str, ...]:
    """Keys that the part of a recipe at that place may hold."""
    part: type[BaseModel] = recipe
    for step in location:
        if isinstance(step, str) and step in part.model_fields:
            part = _part_in(part.model_fields[step].annotation) or part
    return tuple(part.model_fields)


def _part_in(annotation: object) -> type[BaseModel] | None:
    """The part that a field holds, also inside a tuple or a mapping."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _part_in(inner))), None)

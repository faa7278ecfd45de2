"""Options of a segmenter: defaults, and a refusal of names that it does not know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.errors import RecipeError, did_you_mean


def with_defaults(name: str, options: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The options with what was not given.

    Raises:
        RecipeError: an option that the segmenter does not know, or a value of another kind than its default.
    """
    for key, value in options.items():
        if key not in defaults:
            raise RecipeError(f"{name!r} has no option {key!r}.", do=did_you_mean(key, defaults), code="RECIPE_KEY")
        if not _same_kind(value, defaults[key]):
            raise RecipeError(
                f"{name!r}, option {key!r}: given {value!r}.", do=f"Give a value like {defaults[key]!r}.", code="RECIPE_VALUE"
            )
    return {**defaults, **options}


def _same_kind(value: object, default: object) -> bool:
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    if isinstance(default, float):
        return isinstance(value, (int, float))
    return isinstance(value, type(default))


def one_of(name: str, option: str, given: str, known: Mapping[str, Any] | tuple[str, ...]) -> str:
    """The value, if it is a known one.

    Raises:
        RecipeError: it is not.
    """
    if given not in known:
        raise RecipeError(f"{name!r}, option {option!r}: given {given!r}.", do=did_you_mean(given, known), code="RECIPE_VALUE")
    return given

"""A fit and its refits as one set of arrays, texts and plain facts, and back.

Refits differ from the fit in their numbers and in a few plain facts (a level that a bootstrap sample did not hold, a setting
that the search chose). Refits whose arrays have the same shapes form a group: their arrays are stacked, and of their plain
facts only the differences are kept.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.bundles.contents import ArrayFacts, Change, RefitGroup
from core.contracts.forecast import Artifact
from core.errors import BundleError

Array = NDArray[Any]
FIT = "fit/"


@dataclass(frozen=True)
class Packed:
    """A fit and its refits, ready to be written."""

    fit: dict[str, Any]
    groups: tuple[RefitGroup, ...]
    arrays: dict[str, Array] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)

    @property
    def facts(self) -> dict[str, ArrayFacts]:
        """Shape of every array, and whether it is finite."""
        return {key: array_facts(array) for key, array in self.arrays.items()}


@dataclass(frozen=True)
class Unpacked:
    """A fit and its refits, ready to be restored."""

    fit: Artifact
    refits: tuple[Artifact, ...]


def array_facts(array: Array) -> ArrayFacts:
    """What the preprocessing file says of an array."""
    return ArrayFacts(shape=array.shape, finite=bool(np.isfinite(array).all()))


def pack(fit: Artifact, refits: Sequence[Artifact]) -> Packed:
    """The fit and its refits in compact form.

    Raises:
        BundleError: plain facts that JSON cannot keep.
    """
    plain = _as_json(fit.plain)
    arrays = {FIT + key: np.ascontiguousarray(value) for key, value in fit.arrays.items()}
    texts = {FIT + key: value for key, value in fit.texts.items()}
    groups = []
    for number, members in enumerate(_alike(refits)):
        groups.append(_group(plain, members))
        for key in members[0].arrays:
            arrays[f"refits/{number}/{key}"] = np.stack([member.arrays[key] for member in members])
        for place, member in enumerate(members):
            texts |= {f"refits/{number}/{place}/{key}": value for key, value in member.texts.items()}
    return Packed(plain, tuple(groups), arrays, texts)


def _group(fit: Mapping[str, Any], members: Sequence[Artifact]) -> RefitGroup:
    plains = [_as_json(member.plain) for member in members]
    own = tuple(tuple(_changes(plains[0], plain, ())) for plain in plains)
    return RefitGroup(shared=tuple(_changes(fit, plains[0], ())), own=own)


def unpack(packed: Packed) -> Unpacked:
    """What ``pack`` was given, the refits in the order of their groups.

    Raises:
        BundleError: a change that does not fit the plain facts, or arrays of another length than their group.
    """
    fit = Artifact(packed.fit, _below(packed.arrays, FIT), _below(packed.texts, FIT))
    refits = tuple(refit for number, group in enumerate(packed.groups) for refit in _members(packed, number, group))
    return Unpacked(fit, refits)


def _members(packed: Packed, number: int, group: RefitGroup) -> Iterator[Artifact]:
    first = _changed(packed.fit, group.shared)
    stacked = _below(packed.arrays, f"refits/{number}/")
    if any(len(array) != len(group.own) for array in stacked.values()):
        raise BundleError("The refits of this bundle do not match its weights.", do="Build it again.", code="MODEL_SHAPE")
    for place, changes in enumerate(group.own):
        texts = _below(packed.texts, f"refits/{number}/{place}/")
        yield Artifact(_changed(first, changes), {key: array[place] for key, array in stacked.items()}, texts)


def _below(parts: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {key.removeprefix(prefix): value for key, value in parts.items() if key.startswith(prefix)}


def _alike(refits: Sequence[Artifact]) -> list[list[Artifact]]:
    groups: dict[str, list[Artifact]] = {}
    for refit in refits:
        shapes = sorted((key, array.shape, str(array.dtype)) for key, array in refit.arrays.items())
        groups.setdefault(str(shapes), []).append(refit)
    return list(groups.values())


def _as_json(plain: Mapping[str, object]) -> dict[str, Any]:
    """The facts as JSON would give them back."""
    try:
        kept: dict[str, Any] = json.loads(json.dumps(plain, allow_nan=False, default=_number))
    except (TypeError, ValueError) as error:
        raise BundleError(
            f"The model's plain facts cannot be kept as JSON: {error}.", do="Let export() give text, finite numbers and lists."
        ) from error
    return kept


def _number(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not plain data")


def _changes(base: Any, other: Any, path: tuple[str, ...]) -> Iterator[Change]:
    if isinstance(base, dict) and isinstance(other, dict) and base.keys() == other.keys():
        for key in base:
            yield from _changes(base[key], other[key], (*path, key))
    elif base != other:
        yield Change(path=path, value=other)


def _changed(base: Mapping[str, Any], changes: Sequence[Change]) -> dict[str, Any]:
    changed: Any = {"": copy.deepcopy(dict(base))}
    for change in changes:
        *way, last = ("", *change.path)
        place = changed
        for step in way:
            if not isinstance(place, dict) or step not in place:
                raise BundleError(
                    "A refit of this bundle changes a fact that it does not have.", do="Build it again.", code="MODEL_FORMAT"
                )
            place = place[step]
        place[last] = change.value
    result: dict[str, Any] = changed[""]
    return result

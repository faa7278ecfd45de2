"""Opening a bundle: nothing is used before every file, hash, shape and the golden pair are as they should be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load

from core.bundles.card import NOT_STATED, check_card
from core.bundles.contents import (
    CARD,
    GOLDEN,
    GOLDEN_TOLERANCE,
    MANIFEST,
    PARTS,
    PREPROCESSING,
    REQUIRED,
    SCHEMA,
    SUMMARY,
    WEIGHTS,
    Golden,
    Manifest,
    Named,
    Preprocessing,
    TrainingSummary,
)
from core.bundles.ensemble import Ensemble, restore_ensemble
from core.bundles.packing import Packed, array_facts
from core.contracts.codebook import Codebook
from core.contracts.outcome import Outcome
from core.errors import BundleError, OpSightError
from core.outcomes import PREDICTORS
from core.storage.atomic import sha256_of
from core.storage.files import read_json

Part = TypeVar("Part", bound=BaseModel)
AnyManifest = TypeVar("AnyManifest", bound=Named)
BROKEN = (KeyError, TypeError, ValueError, IndexError, AttributeError)
"""What a predictor may raise on parts that are not its own."""

REBUILD = "Build it again with: python -m core model build"


@dataclass(frozen=True)
class BundleOutline:
    """What a bundle says of itself, its files verified, its model not put together yet."""

    path: Path
    manifest: Manifest
    preprocessing: Preprocessing
    summary: TrainingSummary
    golden: Golden
    card: str
    outcome: Outcome
    codebook: Codebook


@dataclass(frozen=True)
class ModelBundle:
    """A verified bundle, ready to answer."""

    outline: BundleOutline
    ensemble: Ensemble


def open_bundle_folder(path: Path) -> ModelBundle:
    """The bundle in a folder ``<name>/<version>``.

    Raises:
        BundleError: what is wrong, with a code: MODEL_MANIFEST, MODEL_VERSION, MODEL_MISSING, MODEL_FORMAT, MODEL_HASH,
            MODEL_CARD, MODEL_LICENCE, MODEL_SHAPE or MODEL_GOLDEN.
    """
    outline = inspect_bundle(path)
    bundle = ModelBundle(outline, _assemble(outline, _read_weights(outline)))
    _check_golden(bundle)
    return bundle


def inspect_bundle(path: Path) -> BundleOutline:
    """What a bundle says of itself, with all files present and unchanged; the model is not put together.

    Raises:
        BundleError: as ``open_bundle_folder``, without MODEL_SHAPE and MODEL_GOLDEN.
    """
    manifest = _read_manifest(path)
    check_files(path, manifest.files, REQUIRED)
    card = (path / CARD).read_text(encoding="utf-8")
    check_card(card)
    preprocessing = read_part(path / PREPROCESSING, Preprocessing)
    if (preprocessing.predictor, preprocessing.outcome.get("name")) != (manifest.model, manifest.outcome):
        raise bundle_error(path, "The manifest is of another model than the other files.", "MODEL_MANIFEST")
    return BundleOutline(
        path=path,
        manifest=manifest,
        preprocessing=preprocessing,
        summary=read_part(path / SUMMARY, TrainingSummary),
        golden=read_part(path / GOLDEN, Golden),
        card=card,
        outcome=_outcome(path, preprocessing.outcome),
        codebook=_codebook(path, preprocessing),
    )


def bundle_error(path: Path, message: str, code: str) -> BundleError:
    """The error of a bundle in a folder ``<name>/<version>``."""
    return BundleError(f"Bundle {path.parent.name}/{path.name}: {message}", do=REBUILD, code=code)


def _read_manifest(path: Path) -> Manifest:
    return read_manifest(path, Manifest)


def read_manifest(path: Path, kind: type[AnyManifest]) -> AnyManifest:
    """Who the bundle in a folder ``<name>/<version>`` is.

    Raises:
        BundleError: MODEL_MANIFEST, MODEL_VERSION or MODEL_LICENCE.
    """
    try:
        plain = read_json(path / MANIFEST)
    except OpSightError as error:
        raise bundle_error(path, f"{MANIFEST} is missing or is not JSON.", "MODEL_MANIFEST") from error
    schema = plain.get("schema_version") if isinstance(plain, dict) else None
    if schema != SCHEMA:
        raise bundle_error(path, f"Its schema is {schema!r}; this version reads {SCHEMA}.", "MODEL_VERSION")
    manifest = _parsed(path / MANIFEST, plain, kind, "MODEL_MANIFEST")
    if (manifest.name, str(manifest.version)) != (path.parent.name, path.name):
        raise bundle_error(path, f"The manifest is of {manifest.name}/{manifest.version}.", "MODEL_MANIFEST")
    if manifest.licence.strip().casefold() in NOT_STATED:
        raise bundle_error(path, "No licence is stated.", "MODEL_LICENCE")
    return manifest


def is_segmenter(path: Path) -> bool:
    """Whether the bundle in a folder outlines regions; other bundles, and broken ones, count as predictors of outcomes."""
    try:
        plain = read_json(path / MANIFEST)
    except OpSightError:
        return False
    return isinstance(plain, dict) and plain.get("kind") == "segmenter"


def check_files(path: Path, files: Mapping[str, str], required: Sequence[str]) -> None:
    """Nothing, if the folder holds those files (name to sha-256) and the manifest, unchanged, and nothing else.

    Raises:
        BundleError: MODEL_MISSING, MODEL_FORMAT or MODEL_HASH.
    """
    found = {item.relative_to(path).as_posix(): item for item in path.rglob("*") if not item.is_dir() or item.is_symlink()}
    found = {name: item for name, item in found.items() if name != MANIFEST and not item.name.startswith(".")}
    missing = sorted(({*required, *files}) - found.keys())
    if missing:
        raise bundle_error(path, f"{missing[0]} is missing.", "MODEL_MISSING")
    for name, item in found.items():
        if name not in files or item.is_symlink():
            raise bundle_error(path, f"{name} does not belong to a bundle.", "MODEL_FORMAT")
        if sha256_of(item) != files[name]:
            raise bundle_error(path, f"{name} is not what was written (its sha-256 differs).", "MODEL_HASH")


def read_part(file: Path, kind: type[Part]) -> Part:
    """What a JSON file of a bundle holds.

    Raises:
        BundleError: MODEL_FORMAT.
    """
    try:
        plain = read_json(file)
    except OpSightError as error:
        raise bundle_error(file.parent, f"{file.name} is not JSON.", "MODEL_FORMAT") from error
    return _parsed(file, plain, kind, "MODEL_FORMAT")


def _parsed(file: Path, plain: Any, kind: type[Part], code: str) -> Part:
    try:
        return kind.model_validate(plain)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        raise bundle_error(file.parent, f"{file.name}, at {where!r}: {first['msg']}.", code) from error


def _outcome(path: Path, plain: Mapping[str, Any]) -> Outcome:
    try:
        return Outcome(**{**plain, **{name: tuple(plain.get(name, ())) for name in ("days", "notes", "moments")}})
    except (TypeError, KeyError, OpSightError) as error:
        raise bundle_error(path, f"Its outcome cannot be read: {error}.", "MODEL_FORMAT") from error


def _codebook(path: Path, preprocessing: Preprocessing) -> Codebook:
    try:
        codebook = Codebook.from_plain(preprocessing.codebook)
        codebook.require_predictors(codebook.names)
    except (TypeError, OpSightError) as error:
        raise bundle_error(path, f"Its codebook cannot be read: {error}", "MODEL_FORMAT") from error
    return codebook


def _read_weights(outline: BundleOutline) -> Packed:
    path, kept = outline.path, outline.preprocessing
    try:
        arrays = load((path / WEIGHTS).read_bytes())
    except (SafetensorError, ValueError, TypeError) as error:
        raise bundle_error(path, f"{WEIGHTS} is not a safetensors file: {error}.", "MODEL_FORMAT") from error
    for key in sorted(arrays.keys() ^ kept.arrays.keys()):
        raise bundle_error(path, f"The array {key!r} is {'missing' if key in kept.arrays else 'unknown'}.", "MODEL_SHAPE")
    for key, array in arrays.items():
        if array_facts(array) != kept.arrays[key]:
            raise bundle_error(path, f"The array {key!r} has another shape, or numbers that are not finite.", "MODEL_SHAPE")
    files = {f"{PARTS}/{file}" for file in kept.texts.values()}
    if files != {name for name in outline.manifest.files if name.startswith(f"{PARTS}/")}:
        raise bundle_error(path, f"The files in {PARTS}/ are not those that the model names.", "MODEL_FORMAT")
    texts = {key: (path / PARTS / file).read_text(encoding="utf-8") for key, file in kept.texts.items()}
    return Packed(kept.fit, kept.groups, arrays, texts)


def _assemble(outline: BundleOutline, packed: Packed) -> Ensemble:
    name = outline.preprocessing.predictor
    try:
        ensemble = restore_ensemble(packed, PREDICTORS.get(name), outline.outcome, outline.codebook)
    except (OpSightError, *BROKEN) as error:
        raise bundle_error(outline.path, f"Its model {name!r} cannot be put together: {error}", "MODEL_SHAPE") from error
    held, told = len(ensemble.refits), outline.summary.refits
    if held != told:
        raise bundle_error(outline.path, f"It holds {held} refits and speaks of {told}.", "MODEL_SHAPE")
    return ensemble


def _check_golden(bundle: ModelBundle) -> None:
    outline = bundle.outline
    try:
        now = bundle.ensemble.golden(outline.golden.record)
    except (OpSightError, *BROKEN) as error:
        raise bundle_error(outline.path, f"Its model cannot answer the golden record: {error}", "MODEL_SHAPE") from error
    expected, given = _flat(outline.golden), _flat(now)
    if expected.shape != given.shape or not np.allclose(expected, given, rtol=0, atol=GOLDEN_TOLERANCE):
        raise bundle_error(outline.path, "Its answer to the golden record is not the one that was kept.", "MODEL_GOLDEN")


def _flat(golden: Golden) -> NDArray[np.float64]:
    single = [value for value in (golden.risk, golden.low, golden.high) if value is not None]
    return np.array([*single, *golden.by_day, *golden.low_by_day, *golden.high_by_day], dtype=np.float64)

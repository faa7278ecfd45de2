"""Segmenters as bundles: written from a finished study, verified on every load.

Weights are kept as 16-bit floats; the golden item is answered with the weights as kept, so that what was judged and what is
served may differ by rounding alone.
"""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from core import __version__
from core.bundles.contents import (
    CARD,
    GOLDEN,
    MANIFEST,
    PREPROCESSING,
    RECIPE,
    SCHEMA,
    SEGMENTER_REQUIRED,
    WEIGHTS,
    SegmenterGolden,
    SegmenterManifest,
    SegmenterPreprocessing,
)
from core.bundles.golden_items import golden_answer, same_answer
from core.bundles.opening import BROKEN, bundle_error, check_files, is_segmenter, read_manifest, read_part
from core.bundles.packing import array_facts
from core.bundles.segmenter_card import check_segmenter_card, segmenter_card
from core.bundles.writing import next_version
from core.contracts.forecast import Artifact
from core.contracts.pictures import PictureSet
from core.contracts.segmentation_recipe import SegmentationRecipe, SegmenterPart
from core.contracts.segmenter import Segmenter, SegmenterSpec
from core.errors import BundleError, InputError, OpSightError
from core.segmentation import SEGMENTERS
from core.storage.atomic import atomic_write
from core.storage.files import write_json

LARGEST_BYTES = 10_000_000


@dataclass(frozen=True)
class SegmenterOutline:
    """What a segmenter's bundle says of itself, its files verified, its weights not read yet."""

    path: Path
    manifest: SegmenterManifest
    preprocessing: SegmenterPreprocessing
    golden: SegmenterGolden


@dataclass(frozen=True)
class SegmenterBundle:
    """A verified bundle, ready to outline."""

    outline: SegmenterOutline
    segmenter: Segmenter


@dataclass(frozen=True)
class SegmenterSource:
    """What a bundle is written from: the study's facts, the row, its preparation, and what it exported in one fit."""

    pictures: PictureSet
    recipe: SegmentationRecipe
    part: SegmenterPart
    spec: SegmenterSpec
    preparation: Mapping[str, Any]
    artifact: Artifact
    scores: pd.DataFrame
    study: Mapping[str, Any]
    n_train: int


def write_segmenter_bundle(source: SegmenterSource, folder: Path) -> Path:
    """The folder of a new bundle below ``folder``, written, opened again and verified.

    Raises:
        InputError: the row cannot be kept in a bundle, no licence is stated, or its weights are above 10 MB.
        BundleError: what was written does not open.
    """
    if source.spec.restore is None:
        raise InputError(f"{source.spec.label} cannot be kept in a bundle.", do="Choose a network that can: U-Net, for example.")
    name = f"{source.recipe.name}_{source.part.slug}"
    arrays = {key: _half(np.asarray(value)) for key, value in source.artifact.arrays.items()}
    weights = save(arrays)
    if len(weights) > LARGEST_BYTES:
        raise InputError(f"The weights take {len(weights) / 1e6:.1f} MB; a bundle holds 10.", do="Choose a narrower network.")
    preprocessing = _preprocessing(source, arrays)
    manifest = _manifest(source, name, next_version(folder / name))
    golden = golden_answer(_restored(source.spec, preprocessing, arrays), preprocessing)
    return _write(folder, manifest, preprocessing, golden, weights, source)


def open_segmenter_bundle(path: Path) -> SegmenterBundle:
    """The segmenter in a folder ``<name>/<version>``; nothing is used before every file, hash, shape and golden item is right.

    Raises:
        BundleError: what is wrong, with a code as in ``core.bundles.opening``.
    """
    outline = inspect_segmenter_bundle(path)
    kept = outline.preprocessing
    try:
        arrays = load((path / WEIGHTS).read_bytes())
    except (SafetensorError, ValueError, TypeError) as error:
        raise bundle_error(path, f"{WEIGHTS} is not a safetensors file: {error}.", "MODEL_FORMAT") from error
    if {key: array_facts(array) for key, array in arrays.items()} != kept.arrays:
        raise bundle_error(path, "Its weights are not those that the model names.", "MODEL_SHAPE")
    try:
        segmenter = _restored(SEGMENTERS.get(kept.segmenter), kept, arrays)
        now = golden_answer(segmenter, kept)
    except (OpSightError, *BROKEN) as error:
        raise bundle_error(path, f"Its segmenter {kept.segmenter!r} cannot be put together: {error}", "MODEL_SHAPE") from error
    if not same_answer(now, outline.golden):
        raise bundle_error(path, "Its answer to the golden item is not the one that was kept.", "MODEL_GOLDEN")
    return SegmenterBundle(outline, segmenter)


def inspect_segmenter_bundle(path: Path) -> SegmenterOutline:
    """What a segmenter's bundle says of itself, with all files present and unchanged; the weights are not read.

    Raises:
        BundleError: as ``open_segmenter_bundle``, without MODEL_SHAPE and MODEL_GOLDEN.
    """
    manifest = read_manifest(path, SegmenterManifest)
    check_files(path, manifest.files, SEGMENTER_REQUIRED)
    check_segmenter_card((path / CARD).read_text(encoding="utf-8"))
    preprocessing = read_part(path / PREPROCESSING, SegmenterPreprocessing)
    if preprocessing.segmenter != manifest.model:
        raise bundle_error(path, "The manifest is of another model than the other files.", "MODEL_MANIFEST")
    return SegmenterOutline(path, manifest, preprocessing, read_part(path / GOLDEN, SegmenterGolden))


def _half(array: NDArray[Any]) -> NDArray[Any]:
    floats = np.issubdtype(array.dtype, np.floating) and array.size > 1
    return np.ascontiguousarray(array.astype(np.float16) if floats and np.abs(array).max(initial=0) < 6e4 else array)


def _restored(spec: SegmenterSpec, kept: SegmenterPreprocessing, arrays: Mapping[str, NDArray[Any]]) -> Segmenter:
    if spec.restore is None:
        raise BundleError(f"{spec.label} cannot be restored.", do="Update OpSight.", code="MODEL_VERSION")
    full: dict[str, NDArray[Any]] = {
        key: array.astype(np.float32) if array.dtype == np.float16 else array for key, array in arrays.items()
    }
    return spec.restore(Artifact(kept.plain, full, kept.texts))


def _preprocessing(source: SegmenterSource, arrays: Mapping[str, NDArray[Any]]) -> SegmenterPreprocessing:
    return SegmenterPreprocessing(
        segmenter=source.spec.name,
        segmenter_version=source.spec.version,
        plain=dict(source.artifact.plain),
        texts=dict(source.artifact.texts),
        arrays={key: array_facts(array) for key, array in arrays.items()},
        preparation=dict(source.preparation),
        channels=source.pictures.channels,
        regions=tuple((region.name, region.label) for region in source.pictures.regions),
        dims=source.pictures.dims,
        unit=source.pictures.unit,
        refine=source.part.refine,
    )


def _manifest(source: SegmenterSource, name: str, version: int) -> SegmenterManifest:
    return SegmenterManifest(
        kind="segmenter",
        schema_version=SCHEMA,
        name=name,
        version=version,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        software=f"opsight {__version__}",
        study=source.recipe.name,
        run_id=str(source.study["run_id"]),
        dataset=source.pictures.name,
        dataset_label=source.pictures.label,
        fingerprint=source.pictures.fingerprint,
        simulated=source.pictures.simulated,
        licence=source.recipe.licence or source.pictures.licence,
        label=source.part.label or source.spec.label,
        model=source.spec.name,
        row=source.part.slug,
        files={},
    )


def _write(
    folder: Path,
    manifest: SegmenterManifest,
    preprocessing: SegmenterPreprocessing,
    golden: SegmenterGolden,
    weights: bytes,
    source: SegmenterSource,
) -> Path:
    target = folder / manifest.name / str(manifest.version)
    if target.exists():
        shutil.rmtree(target)
    recipe = yaml.safe_dump(source.recipe.model_dump(mode="json"), sort_keys=True, allow_unicode=True)
    card = segmenter_card(manifest, source.pictures, source.spec, source.scores, source.n_train)
    files = {
        RECIPE: atomic_write(target / RECIPE, recipe.encode()),
        WEIGHTS: atomic_write(target / WEIGHTS, weights),
        PREPROCESSING: write_json(target / PREPROCESSING, preprocessing.model_dump(mode="json")),
        GOLDEN: write_json(target / GOLDEN, golden.model_dump(mode="json")),
        CARD: atomic_write(target / CARD, card.encode()),
    }
    write_json(target / MANIFEST, manifest.model_copy(update={"files": files}).model_dump(mode="json"))
    try:
        open_segmenter_bundle(target)
    except BundleError:
        shutil.rmtree(target)
        raise
    return target


def segmenter_folders(folder: Path) -> Sequence[Path]:
    """Folders ``<name>/<version>`` of all segmenters below ``folder``, the newest version of a name first."""
    found = [path.parent for path in folder.glob(f"*/*/{MANIFEST}") if path.parent.name.isdigit() and is_segmenter(path.parent)]
    return sorted(found, key=lambda path: (path.parent.name, -int(path.name)))

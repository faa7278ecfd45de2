"""Writing a bundle: every file, and last the manifest; a folder without one is no bundle."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from safetensors.numpy import save

from core.bundles.contents import (
    CARD,
    GOLDEN,
    MANIFEST,
    PARTS,
    PREPROCESSING,
    RECIPE,
    SUMMARY,
    WEIGHTS,
    Golden,
    Manifest,
    Preprocessing,
    TrainingSummary,
)
from core.bundles.packing import Packed
from core.contracts.codebook import Codebook
from core.contracts.forecast import PredictorSpec
from core.contracts.outcome import Outcome
from core.contracts.recipe import Recipe
from core.storage.atomic import atomic_write
from core.storage.files import write_json


@dataclass(frozen=True)
class BundleParts:
    """Everything that the files of a bundle hold; ``manifest`` with no files yet."""

    manifest: Manifest
    recipe: Recipe
    spec: PredictorSpec
    outcome: Outcome
    codebook: Codebook
    packed: Packed
    summary: TrainingSummary
    golden: Golden
    card: str


def next_version(folder: Path) -> int:
    """The number after the highest finished version in ``folder`` (one name's folder); 1 where there is none."""
    return 1 + max((int(item.parent.name) for item in folder.glob(f"*/{MANIFEST}") if item.parent.name.isdigit()), default=0)


def write_bundle(folder: Path, parts: BundleParts) -> Path:
    """The folder ``<folder>/<name>/<version>`` with the bundle in it; what an interrupted writer left there is removed.

    Raises:
        StoreError: it cannot be written; without its manifest it is no bundle.
    """
    target = folder / parts.manifest.name / str(parts.manifest.version)
    if target.exists():
        shutil.rmtree(target)
    texts = {key: f"{number:04d}.txt" for number, key in enumerate(parts.packed.texts)}
    files = {f"{PARTS}/{texts[key]}": atomic_write(target / PARTS / texts[key], text.encode())
             for key, text in parts.packed.texts.items()}  # fmt: skip
    files[RECIPE] = atomic_write(target / RECIPE, _recipe(parts.recipe))
    files[WEIGHTS] = atomic_write(target / WEIGHTS, save(parts.packed.arrays))
    files[PREPROCESSING] = write_json(target / PREPROCESSING, _preprocessing(parts, texts).model_dump(mode="json"))
    files[SUMMARY] = write_json(target / SUMMARY, parts.summary.model_dump(mode="json"))
    files[GOLDEN] = write_json(target / GOLDEN, parts.golden.model_dump(mode="json"))
    files[CARD] = atomic_write(target / CARD, parts.card.encode())
    write_json(target / MANIFEST, parts.manifest.model_copy(update={"files": files}).model_dump(mode="json"))
    return target


def _recipe(recipe: Recipe) -> bytes:
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=True, allow_unicode=True).encode()


def _preprocessing(parts: BundleParts, texts: dict[str, str]) -> Preprocessing:
    plain: dict[str, Any] = parts.outcome.to_plain()
    return Preprocessing(
        predictor=parts.spec.name,
        predictor_version=parts.spec.version,
        outcome=plain,
        codebook=parts.codebook.to_plain(),
        fit=parts.packed.fit,
        groups=parts.packed.groups,
        arrays=parts.packed.facts,
        texts=texts,
    )

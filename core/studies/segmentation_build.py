"""From a finished segmentation study to a segmenter's bundle."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.numpy import load

from core.bundles.segmenter_bundle import SegmenterSource, write_segmenter_bundle
from core.contracts.forecast import Artifact
from core.contracts.segmentation_recipe import SegmentationRecipe
from core.errors import InputError
from core.segmentation import SEGMENTERS
from core.storage.locations import places
from core.storage.results import MASK_COLUMNS, PartInfo, RunStore
from core.storage.summaries import find_study, read_summary
from core.studies.run import Progress, RunOptions
from core.studies.segmentation_jobs import PLAIN, WEIGHTS
from core.studies.segmentation_plan import row_named
from core.studies.segmentation_run import load_pictures


def build_segmenter(name: str, row: str, *, data: Path | None, progress: Progress) -> Path:
    """The folder of a bundle with the weights of a row's first fit in cross-validation: the ones that were judged.

    Raises:
        InputError: the study was not run here, is not of segmentation, or the row left no weights.
        UnknownNameError: no such study or row.
    """
    place = find_study(name)
    if place.run is None:
        raise InputError(f"{name!r} is published and holds no weights.", do="Run the study here first, then build the bundle.")
    store = RunStore(place.run, MASK_COLUMNS)
    summary = read_summary(place.summary)
    if summary.kind != "segmentation":
        raise InputError(f"{name!r} is a study of outcomes.", do="Name an outcome: core model build STUDY --outcome NAME")
    recipe = SegmentationRecipe.model_validate(store.manifest()["recipe"])
    part = row_named(recipe, row)
    info = _first_fit(store, row)
    source = SegmenterSource(
        pictures=load_pictures(recipe, RunOptions(data), progress),
        recipe=recipe,
        part=part,
        spec=SEGMENTERS.get(part.name),
        preparation=info.job["preparation"],
        artifact=_artifact(store, info.key),
        scores=summary.table("scores", model=row),
        study=summary.info,
        n_train=int(info.job["n_train"]),
    )
    return write_segmenter_bundle(source, places().models)


def _first_fit(store: RunStore, row: str) -> PartInfo:
    for info in store.infos():
        if (info.job["model"], info.job["split"], info.job["repeat"], info.job["fold"]) == (row, "internal", 0, 0):
            return info
    raise InputError(f"The run holds no fit of {row!r}.", do="Run the study to its end first.")


def _artifact(store: RunStore, key: str) -> Artifact:
    plain = json.loads(store.extra(key, PLAIN).read_text(encoding="utf-8"))
    return Artifact(plain["plain"], load(store.extra(key, WEIGHTS).read_bytes()), plain["texts"])

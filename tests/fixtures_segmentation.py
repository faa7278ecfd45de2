"""A made-up segmentation study for tests of the pages: masks counted from a formula, judged by the real evaluation."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.contracts.cohort import SplitCheck
from core.contracts.dataset import DatasetSpec, LoadOptions
from core.contracts.pictures import Picture, PictureSet, Region
from core.contracts.segmentation_recipe import SegmentationRecipe
from core.datasets import DATASETS
from core.evaluation.segmentation.summary import summarise_segmentation
from core.imaging.picture_facts import picture_facts
from core.storage.masks import MASKS, pack_masks
from core.storage.results import MASK_COLUMNS, RunStore
from core.storage.summaries import StudySummary

DATASET = "made_up"
REGIONS = (Region("tumour", "Whole tumour"), Region("core", "Tumour core"))
CASES = 30
FOLDS = 3
FAULTS = ("noise", "ghosting")


@dataclass(frozen=True)
class Method:
    """A row of the made-up study: how well it outlines, how much it suffers from small regions, what it costs."""

    name: str
    label: str
    family: str
    skill: float
    trouble: float
    parameters: int = 0
    minutes: float = 0.0
    base: str = ""


METHODS = (
    Method("human_readers", "Readers among themselves", "reference", 0.90, 0.10),
    Method("all_foreground", "All foreground", "reference", 0.16, 0.00),
    Method("centred_disc", "Centred disc", "reference", 0.40, 0.20),
    Method("otsu", "Otsu threshold", "classical", 0.55, 0.55),
    Method("watershed", "Watershed", "classical", 0.62, 0.50),
    Method("random_forest", "Random forest", "classical", 0.70, 0.45, minutes=1.2),
    Method("cnn", "Plain CNN", "network", 0.78, 0.35, 660_000, 20),
    Method("unet", "U-Net", "network", 0.89, 0.22, 486_000, 20),
    Method("segnet", "SegNet", "network", 0.85, 0.28, 1_240_000, 20),
    Method("no_skips", "No skip connections", "network", 0.86, 0.32, 470_000, 20, "unet"),
    Method("dynunet", "Self-configuring U-Net (nnU-Net style)", "anchor", 0.895, 0.20, 2_110_000, 20),
)
CHOICE = {
    "complexity": "Half a million trained numbers.",
    "published": "Dice 0.85 in its own paper.",
    "community": "The most cited method of the field.",
}


@dataclass(frozen=True)
class MadeUpSource:
    """Ellipses of growing size; the core is its inner half."""

    dims: int
    readers: bool = False

    def read(self, case_id: str) -> Picture:
        number = int(case_id.removeprefix("case"))
        shape = (64, 80) if self.dims == 2 else (10, 64, 80)
        whole, core = (_ellipse(shape, number, share) for share in (1.0, 0.5))
        grey = 60 + 70 * whole + 40 * core + (np.indices(shape).sum(axis=0) % 7) * 3
        drawn = np.stack([whole, core])[: 1 if self.readers else 2]
        read = np.stack([_ellipse(shape, number, share) for share in (0.9, 1.0, 1.1)]) if self.readers else None
        return Picture(case_id, grey[np.newaxis].astype(np.uint8), drawn, read)


def _ellipse(shape: tuple[int, ...], number: int, share: float) -> NDArray[np.bool_]:
    """An ellipse; in volumes it is largest in slice 3."""
    middle = (30 + number % 5, 40 - number % 7) if len(shape) == 2 else (3, 30 + number % 5, 40 - number % 7)
    radius = share * (5 + 18 * number / CASES)
    away = sum(((at - m) / (radius if axis > len(shape) - 3 else 2.5)) ** 2 for axis, (at, m) in enumerate(_axes(shape, middle)))
    return np.asarray(away <= 1)


def _axes(shape: tuple[int, ...], middle: tuple[int, ...]) -> Iterator[tuple[NDArray[np.int_], int]]:
    yield from zip(np.indices(shape), middle, strict=True)


def made_up_pictures(dims: int = 2, *, readers: bool = False) -> PictureSet:
    """30 cases of 24 patients at two sites."""
    names = [f"case{number:02d}" for number in range(CASES)]
    patients = [f"p{number % 24:02d}" for number in range(CASES)]
    sites = ["north" if int(name[1:]) % 2 else "south" for name in patients]
    table = pd.DataFrame({"patient_id": patients, "site": sites}, index=pd.Index(names, name="case_id"))
    south, north = ([name for name, site in zip(names, sites) if site == where] for where in ("south", "north"))
    check = SplitCheck("external:site=north", "Hospital North left out", "Another scanner.", tuple(south), tuple(north))
    return PictureSet(
        name=DATASET,
        label="Made-up scans",
        table=table,
        dims=2 if dims == 2 else 3,
        channels=("grey",),
        regions=REGIONS[:1] if readers else REGIONS,
        source=MadeUpSource(dims, readers),
        internal=tuple(names),
        checks=(check,),
        attributes=(("site", "Hospital"),),
        readers=3 if readers else 1,
        simulated=True,
        licence="CC0",
        citation="Nobody, Journal of Made-up Things 2026",
        fingerprint="f" * 64,
    )


def made_up_dataset(dims: int = 2, *, readers: bool = False) -> DatasetSpec:
    """The plug-in that tests put in the place of a real data set."""

    def pictures(options: LoadOptions) -> PictureSet:
        return made_up_pictures(dims, readers=readers)

    return DatasetSpec(
        name=DATASET,
        label="Made-up scans",
        description="Ellipses.",
        licence="CC0",
        citation="Nobody",
        folder="",
        load=None,
        verify=lambda _: (),
        pictures=pictures,
    )


def install(spec: DatasetSpec) -> None:
    """Puts the plug-in among the data sets of this process."""
    DATASETS.names()
    assert DATASETS._specs is not None
    DATASETS._specs[spec.name] = spec


def recipe(name: str = "segmentation_made_up", *, ablated: bool = True) -> SegmentationRecipe:
    part = {"name": "skips", "label": "Skip connections", "baseline": "unet", "arms": ["no_skips"], "claimed": [5, 10]}
    other = {"name": "network", "label": "A deeper network", "baseline": "unet", "arms": ["segnet", "cnn"]}
    rows = [{"name": method.base or method.name, "row": method.name} for method in METHODS if method.name != "human_readers"]
    return SegmentationRecipe.model_validate(
        {
            "kind": "segmentation",
            "name": name,
            "title": "Tumours on made-up scans",
            "question": "Which method to trust on made-up scans?",
            "dataset": {"name": DATASET},
            "models": rows,
            "folds": FOLDS,
            "run_folds": FOLDS,
            "seeds": 2,
            "evaluation": {"bootstrap": 50, "corruptions": list(FAULTS)},
            "ablations": [part, other] if ablated else [],
        }
    )


@lru_cache(maxsize=4)
def segmentation_study(name: str = "segmentation_made_up", *, ablated: bool = True) -> StudySummary:
    """A whole summary: four families, two regions, a human line, a left-out site, planted faults, two ablations."""
    pictures = made_up_pictures()
    facts = pd.DataFrame([row for case in pictures.table.index for row in _facts(pictures, str(case))])
    folds = list(_sides(pictures))
    return summarise_segmentation(
        pictures=pictures,
        recipe=recipe(name, ablated=ablated),
        rows=pd.DataFrame(list(_rows(pictures, facts)), columns=list(MASK_COLUMNS)),
        facts=facts,
        models=[_model(method) for method in METHODS],
        run={"run_id": "0123456789abcdef", "created": "2026-11-25T10:00:00+00:00", "profile": "cpu", "provenance": {}},
        cost=pd.DataFrame([_cost(method) for method in METHODS if method.name != "human_readers"]),
        folds=pd.DataFrame(folds, columns=["split", "fold", "side", "case_id"]),
        skipped=("Swin UNETR does not work on such small pictures.",),
        progress=lambda phrase, share: None,
    )


def _facts(pictures: PictureSet, case: str) -> list[dict[str, Any]]:
    return picture_facts(pictures.source.read(case), [region.name for region in pictures.regions], pictures.unit)


def _sides(pictures: PictureSet) -> Iterator[tuple[str, int, str, str]]:
    for fold in range(FOLDS):
        for case in pictures.internal:
            yield "internal", fold, "test" if _fold_of(case) == fold else "train", case
    for check in pictures.checks:
        yield from ((check.name, 0, "train", case) for case in check.train)
        yield from ((check.name, 0, "test", case) for case in check.test)


def _fold_of(case: str) -> int:
    """By patient, of whom there are 24, so that no patient is on both sides."""
    return int(case.removeprefix("case")) % 24 % FOLDS


def _model(method: Method) -> dict[str, Any]:
    return {
        "name": method.name, "base_model": method.base or method.name, "label": method.label, "family": method.family,
        "description": f"{method.label}: a made-up row for tests.", "reference": "10.1000/example",
        "is_network": method.minutes > 2, "choice": CHOICE if method.family != "reference" else {}, "options": {}, "refine": [],
        "adapt": "none", "parameters": method.parameters,
    }  # fmt: skip


def _cost(method: Method) -> dict[str, Any]:
    return {
        "model": method.name, "fits": 2, "parameters": method.parameters, "training_minutes": method.minutes,
        "seconds_total": 130 * (method.minutes + 0.1), "images_per_second": 4000 / (10 + method.parameters / 4000),
        "peak_mb": 400 + method.parameters / 2000,
    }  # fmt: skip


def _rows(pictures: PictureSet, facts: pd.DataFrame) -> Iterator[list[Any]]:
    patients = pictures.table["patient_id"]
    checked = {case for check in pictures.checks for case in check.test}
    for fact in facts.to_dict("records"):
        case, region, size = str(fact["case_id"]), str(fact["region"]), int(fact["size"])
        for method in METHODS:
            for split in ("internal", "external:site=north") if case in checked else ("internal",):
                for repeat, condition in _conditions(method, split):
                    counts = _counts(method, case, region, size, split, condition, repeat)
                    yield [case, patients[case], region, method.name, method.base or method.name, split, repeat, _fold_of(case), condition, *counts]  # noqa: E501  # fmt: skip


def _conditions(method: Method, split: str) -> Iterator[tuple[int, str]]:
    if split == "external:site=north" and method.name == "human_readers":
        return
    yield 0, "clean"
    if method.minutes > 2 and split == "internal":
        yield 1, "clean"
    if method.name != "human_readers" and split == "internal":
        yield from ((0, f"{fault}:{severity}") for fault in FAULTS for severity in range(1, 6))


def _counts(method: Method, case: str, region: str, size: int, split: str, condition: str, repeat: int) -> tuple[float, ...]:
    """Counts that give the wanted Dice: as many pixels made up as missed."""
    dice = _dice(method, case, region, size, split, condition, repeat)
    border = round(3.5 * np.sqrt(size))
    if dice <= 0.02:
        return 0, 0, size, 5120 - size, border, 0, 0, 0, np.nan, np.nan, np.nan, 1, 0, 0, 0
    hit = round(dice * size)
    near = round(border * min(1.0, dice + 0.05))
    away = 14 * (1 - dice) + 1
    alone = int(dice < 0.5)
    return hit, size - hit, size - hit, 5120 - 2 * size + hit, border, border, near, near, away, away + 2, away / 3, 1, 1, 1 + alone, alone  # noqa: E501  # fmt: skip


def _dice(method: Method, case: str, region: str, size: int, split: str, condition: str, repeat: int) -> float:
    luck = zlib.crc32(f"{method.name}{case}{region}{split}{condition}{repeat}".encode()) % 1000 / 1000 - 0.5
    common = zlib.crc32(f"{case}{region}".encode()) % 1000 / 1000 - 0.5
    small = max(0.0, 1 - size / 700)
    fault, _, severity = condition.partition(":")
    harm = {"noise": 0.03, "blur": 0.05, "ghosting": 0.09}.get(fault, 0.0) * int(severity or 0)
    away = 0.06 if split != "internal" else 0.0
    value = method.skill - method.trouble * small - harm - away + 0.10 * luck + 0.12 * common
    return float(np.clip(value, 0.0, 0.98))


def made_up_run(folder: Path, model: str, pictures: PictureSet) -> None:
    """A run in which the method's outline of every case is kept: the reference, three pixels to the right."""
    store = RunStore.create(folder, {"run_id": folder.name}, MASK_COLUMNS)
    masks = {case: np.roll(_drawn(pictures, case), 3, axis=-1) for case in map(str, pictures.internal)}
    job = {"model": model, "split": "internal", "repeat": 0}
    rows = pd.DataFrame(columns=list(MASK_COLUMNS))
    store.add("f" * 20, rows, job=job, seconds=1.0, peak_mb=1.0, extras={MASKS: pack_masks(masks)})


def _drawn(pictures: PictureSet, case: str) -> NDArray[np.bool_]:
    mask = pictures.source.read(case).mask
    assert mask is not None
    return mask

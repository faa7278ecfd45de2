"""The one summary of a segmentation study, from its rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from core.contracts.pictures import PictureSet
from core.contracts.segmentation_recipe import SegmentationRecipe
from core.evaluation.segmentation.ablations import VERDICTS, ablations
from core.evaluation.segmentation.cases import CLEAN, case_table, case_values, with_metrics
from core.evaluation.segmentation.comparisons import comparisons
from core.evaluation.segmentation.factors import balance, factors, levels_of, robustness
from core.evaluation.segmentation.headlines import change, headline
from core.evaluation.segmentation.means import Resampling, scores
from core.evaluation.segmentation.ranks import rankings
from core.metrics.masks import MASK_METRICS
from core.metrics.masks.empty import EMPTY_RULE, empty_counts
from core.storage.summaries import SEGMENTATION_TABLES, StudySummary

SMALLEST_CELL = 10
Say = Callable[[str, float], None]


def summarise_segmentation(
    *,
    pictures: PictureSet,
    recipe: SegmentationRecipe,
    rows: pd.DataFrame,
    facts: pd.DataFrame,
    models: Sequence[Mapping[str, Any]],
    run: Mapping[str, Any],
    cost: pd.DataFrame,
    folds: pd.DataFrame,
    skipped: Sequence[str],
    progress: Say,
) -> StudySummary:
    """Everything the pages show.

    Args:
        rows: columns of ``MASK_COLUMNS``, all jobs.
        facts: one row a case and region (``core.imaging.picture_facts``).
        models: facts of each row of the study; run: run_id, created, profile, provenance.
        cost: columns of ``SEGMENTATION_TABLES["cost"]``.
        folds: one row a split, fold, side and case.
        progress: called with a phrase and a share done.
    """
    resampling = Resampling(recipe.evaluation.bootstrap, recipe.seed)
    progress("computing metrics", 0.0)
    every = with_metrics(rows)
    clean = every[every["condition"] == CLEAN]
    values = case_values(clean)
    progress("resampling patients", 0.2)
    ranking = rankings(values, resampling)
    made: dict[str, Any] = {
        "scores": scores(values, _groups(pictures), resampling),
        "comparisons": comparisons(values, resampling),
        "ranks": ranking.ranks,
        "rank_shares": ranking.shares,
        "factors": factors(values, levels_of(facts, pictures), resampling),
        "robustness": robustness(every, resampling),
        "folds": balance(folds, facts, pictures),
        "ablations": ablations(clean[clean["split"] == "internal"], recipe.ablations, resampling),
    }
    progress("writing the summary", 0.9)
    tables = {name: pd.DataFrame(found, columns=list(SEGMENTATION_TABLES[name])) for name, found in made.items()}
    sizes = facts.set_index(["region", "case_id"])["size"]
    tables["cases"] = case_table(values, pictures.name, sizes)[list(SEGMENTATION_TABLES["cases"])]
    tables["cost"] = cost.reindex(columns=list(SEGMENTATION_TABLES["cost"]))
    info = _info(pictures, recipe, models, run, skipped)
    info |= _told(info, tables, clean, ranking.stability)
    return StudySummary(info, tables)


def _groups(pictures: PictureSet) -> pd.DataFrame:
    columns = [column for column, _ in pictures.attributes]
    return pictures.table[columns].set_axis([str(case_id) for case_id in pictures.table.index])


def _info(
    pictures: PictureSet,
    recipe: SegmentationRecipe,
    models: Sequence[Mapping[str, Any]],
    run: Mapping[str, Any],
    skipped: Sequence[str],
) -> dict[str, Any]:
    return {
        "kind": "segmentation", "name": recipe.name, "title": recipe.title, "question": recipe.question, **run,
        "published": False, "rows_available": True, "dataset": _dataset(pictures),
        "regions": [asdict(region) for region in pictures.regions], "models": [dict(model) for model in models],
        "metrics": _metrics(), "splits": _splits(pictures, recipe), "recipe": recipe.model_dump(mode="json"),
        "min_cell": 1 if pictures.simulated else SMALLEST_CELL, "cannot": [], "skipped": list(skipped),
        "verdicts": VERDICTS, "licence": recipe.licence or pictures.licence,
        "groups": dict(pictures.attributes), "tolerance": recipe.evaluation.tolerance,
    }  # fmt: skip


def _dataset(pictures: PictureSet) -> dict[str, Any]:
    return {
        "name": pictures.name, "label": pictures.label, "simulated": pictures.simulated, "licence": pictures.licence,
        "citation": pictures.citation, "notes": list(pictures.notes), "n_cases": len(pictures.table),
        "n_patients": int(pictures.table["patient_id"].nunique()), "unit": pictures.unit, "channels": list(pictures.channels),
        "readers": pictures.readers, "in_plane": pictures.in_plane, "dims": pictures.dims, "mask_origin": "",
    }  # fmt: skip


def _metrics() -> list[dict[str, Any]]:
    kept = ("name", "label", "unit", "aim", "description", "undefined", "reference", "compared")
    return [{name: getattr(spec, name) for name in kept} for spec in MASK_METRICS]


def _splits(pictures: PictureSet, recipe: SegmentationRecipe) -> list[dict[str, Any]]:
    n = len(pictures.internal)
    held = round(n / recipe.folds)
    label = "Cross-validation" if recipe.run_folds > 1 else "One split by patient"
    found = [{"name": "internal", "label": label, "note": "Patients of a test fold were never learned from.",
              "n_train": n - held, "n_test": held * recipe.run_folds}]  # fmt: skip
    for check in pictures.checks if recipe.checks else ():
        counts = {"n_train": len(check.train), "n_test": len(check.test)}
        found.append({"name": check.name, "label": check.label, "note": check.note, **counts})
    return found


def _told(
    info: Mapping[str, Any], tables: Mapping[str, pd.DataFrame], clean: pd.DataFrame, stability: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    found: dict[str, Any] = {"headlines": {}, "change": {}, "empty_masks": {}, "rank_stability": [dict(one) for one in stability]}
    external = any(split["name"] != "internal" for split in info["splits"])
    for region in info["regions"]:
        name = region["name"]
        board = tables["scores"][tables["scores"]["region"] == name]
        pairs = tables["comparisons"][tables["comparisons"]["region"] == name]
        found["headlines"][name] = headline(region, board, pairs, info["models"])
        found["change"][name] = change(board, info["recipe"], external)
        found["empty_masks"][name] = {"rule": EMPTY_RULE, "models": _empties(clean[clean["region"] == name])}
    return found


def _empties(rows: pd.DataFrame) -> dict[str, dict[str, int]]:
    internal = rows[rows["split"] == "internal"]
    return {str(model): asdict(empty_counts(part)) for model, part in internal.groupby("model", sort=False)}

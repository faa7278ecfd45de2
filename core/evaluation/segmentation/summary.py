"""The one summary of a segmentation study, from its rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd

from core.contracts.pictures import PictureSet
from core.contracts.segmentation_recipe import SegmentationRecipe
from core.evaluation.segmentation.ablations import VERDICTS, ablations
from core.evaluation.segmentation.across import is_ablation_study
from core.evaluation.segmentation.cases import CLEAN, HUMAN, INTERNAL, case_table, case_values, with_metrics
from core.evaluation.segmentation.comparisons import comparisons
from core.evaluation.segmentation.factors import balance, factors, levels_of, robustness
from core.evaluation.segmentation.fairness import VERDICTS as FAIRNESS_VERDICTS
from core.evaluation.segmentation.fairness import fairness
from core.evaluation.segmentation.headlines import Evidence, ablation_change, ablation_headline, change, headline, suitability
from core.evaluation.segmentation.means import Board, Resampling, boards, scores
from core.evaluation.segmentation.ranks import Ranking
from core.metrics.masks import MASK_METRICS
from core.metrics.masks.empty import EMPTY_RULE, empty_counts
from core.storage.summaries import SEGMENTATION_TABLES, StudySummary

SMALLEST_CELL = 10
PEOPLE: Mapping[str, Any] = {
    "name": HUMAN,
    "base_model": HUMAN,
    "label": "Readers among themselves",
    "family": "reference",
    "description": "Each reader against what the others drew.",
    "reference": "",
    "is_network": False,
    "choice": {},
    "options": {},
    "parameters": 0,
}
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
    levels = levels_of(facts, pictures)
    found = _Found()
    for board in boards(values, resampling):
        progress(f"resampling patients: {board.region}, {board.split}", 0.1)
        found.judge(board, _groups(pictures), levels)
    progress("comparing conditions and parts", 0.8)
    found.rows["robustness"] += robustness(every, resampling)
    found.rows["folds"] += balance(folds, facts, pictures)
    found.rows["ablations"] += ablations(clean[clean["split"] == INTERNAL], recipe.ablations, resampling)
    progress("writing the summary", 0.9)
    tables = found.frames()
    sizes = facts.set_index(["region", "case_id"])["size"]
    tables["cases"] = case_table(values, pictures.name, sizes)[list(SEGMENTATION_TABLES["cases"])].reset_index(drop=True)
    tables["cost"] = cost.reindex(columns=list(SEGMENTATION_TABLES["cost"]))
    info = _info(pictures, recipe, _with_people(models, values), run, skipped) | {"splits": _splits(pictures, recipe, folds)}
    info |= _told(info, tables, clean) | {"rank_stability": found.ranking.stability}
    return StudySummary(info, tables)


@dataclass
class _Found:
    """Rows of a summary's tables as they come."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {name: [] for name in SEGMENTATION_TABLES})
    ranking: Ranking = field(default_factory=Ranking)

    def judge(self, board: Board, groups: pd.DataFrame, levels: pd.DataFrame) -> None:
        self.rows["scores"] += scores(board, groups)
        self.rows["comparisons"] += comparisons(board)
        self.rows["factors"] += factors(board, levels)
        self.rows["fairness"] += fairness(board, levels)
        self.ranking.add(board)

    def frames(self) -> dict[str, pd.DataFrame]:
        made = {**self.rows, "ranks": self.ranking.ranks, "rank_shares": self.ranking.shares}
        return {name: pd.DataFrame(made[name], columns=list(columns)) for name, columns in SEGMENTATION_TABLES.items()}


def _with_people(models: Sequence[Mapping[str, Any]], values: pd.DataFrame) -> list[dict[str, Any]]:
    """The models' facts, with the inter-reader line where it was judged and nobody described it."""
    told = [dict(model) for model in models]
    if HUMAN in set(values["model"]) and HUMAN not in {model["name"] for model in told}:
        told.append(dict(PEOPLE))
    return told


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
        "metrics": _metrics(), "recipe": recipe.model_dump(mode="json"),
        "min_cell": 1 if pictures.simulated else SMALLEST_CELL, "cannot": [], "skipped": list(skipped),
        "verdicts": VERDICTS, "fairness_verdicts": dict(FAIRNESS_VERDICTS), "licence": recipe.licence or pictures.licence,
        "groups": dict(pictures.attributes), "tolerance": recipe.evaluation.tolerance,
        "interval": f"95 % of {recipe.evaluation.bootstrap} bootstrap samples of patients; models are not trained again",
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


def _splits(pictures: PictureSet, recipe: SegmentationRecipe, folds: pd.DataFrame) -> list[dict[str, Any]]:
    """Facts of the splits that were run; of cross-validation the mean number of training cases a fold, and all test cases."""
    label = "Cross-validation" if recipe.run_folds > 1 else "One split by patient"
    told = {INTERNAL: (label, "Patients of a test fold were never learned from.")}
    told |= {check.name: (check.label, check.note) for check in pictures.checks}
    found = []
    for split, rows in folds.groupby("split", sort=False):
        test = rows["side"] == "test"
        counts = {"n_train": round((~test).sum() / rows["fold"].nunique()), "n_test": int(rows.loc[test, "case_id"].nunique())}
        name, note = told.get(str(split), (str(split), ""))
        found.append({"name": str(split), "label": name, "note": note, **counts})
    return found


def _told(info: Mapping[str, Any], tables: Mapping[str, pd.DataFrame], clean: pd.DataFrame) -> dict[str, Any]:
    """Sentences and counts by region."""
    found: dict[str, Any] = {"headlines": {}, "change": {}, "empty_masks": {}, "suitability": {}}
    for region in info["regions"]:
        name = region["name"]
        own = {table: tables[table][tables[table]["region"] == name] for table in ("scores", "comparisons", "ablations")}
        evidence = Evidence(region, info["models"], own["scores"], own["comparisons"], info["splits"], info["recipe"])
        parts = is_ablation_study(info)
        found["headlines"][name] = ablation_headline(region, own["ablations"]) if parts else headline(evidence)
        found["change"][name] = ablation_change(evidence) if parts else change(evidence)
        found["empty_masks"][name] = _empties(clean[(clean["region"] == name) & (clean["split"] == INTERNAL)])
        found["suitability"][name] = asdict(suitability(evidence))
    return found


def _empties(rows: pd.DataFrame) -> dict[str, Any]:
    """The rule, in how many test cases nothing is drawn, and by model how often either mask was empty."""
    counts = {str(model): asdict(empty_counts(part)) for model, part in rows.groupby("model", sort=False)}
    ours = rows[rows["model"] != HUMAN]
    empty = ours.loc[(ours["tp"] + ours["fn"]) == 0, "case_id"].nunique()
    return {"rule": EMPTY_RULE, "n": int(empty), "models": counts}

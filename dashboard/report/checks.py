"""Checks of how a study was set up: its question, data, outcomes, predictors and models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from dashboard.charts.wording import plural
from dashboard.report import front
from dashboard.report.check_tools import CANNOT, MET, NOT_MET, Finding, all_of, check, first_place, label_of, stated
from dashboard.report.study import Study

# What the study is, and where its data come from.


@check
def title_and_question(study: Study) -> Finding:
    """A title, a question, and named outcomes or regions."""
    there = study.info.get("title") and study.info.get("question") and study.subjects
    return stated(there, "Title, question and what is judged are stated.", "Title or question is missing.", "#top")


@check
def question_stated(study: Study) -> Finding:
    """The recipe asks a question."""
    return stated(study.info.get("question"), "The recipe asks a question.", "The recipe asks no question.", "#top")


@check
def data_source(study: Study) -> Finding:
    """The data set is named and cited, with what is known of it."""
    facts = study.info["dataset"]
    simulated = " They are simulated." if facts.get("simulated") else ""
    there = facts.get("citation") or facts.get("simulated")
    return stated(there, f"The source of the data is cited.{simulated}", "The data set cites no source.", f"#{front.DATA}")


@check
def data_quality(study: Study) -> Finding:
    """What was found in the data is written down, and their fingerprint kept."""
    there = study.info["dataset"].get("notes") and (study.info.get("provenance") or {}).get("data")
    return stated(
        there, "Remarks on the data and their fingerprint are kept.",
        "Remarks on the data or their fingerprint are missing.", f"#{front.DATA}",
    )  # fmt: skip


@check
def data_available(study: Study) -> Finding:
    """Terms and source of the data."""
    facts = study.info["dataset"]
    there = facts.get("licence") and (facts.get("citation") or facts.get("simulated"))
    return stated(there, f"Terms: {facts.get('licence')}.", "Terms or source of the data are not stated.", f"#{front.DATA}")


@check
def selection_told(study: Study) -> Finding:
    """Which part of the data set was taken."""
    there = (study.recipe.get("dataset") or {}).get("name")
    return stated(there, "The recipe names the data set and its options.", "The recipe names no data set.", f"#{front.RECIPE}")


@check
def eligibility(study: Study) -> Finding:
    """Who counts, for every outcome."""
    if study.is_segmentation:
        return Finding(CANNOT, "A segmentation study has no field for who was included.")
    return all_of(study, (label_of(item) for item in study.subjects if not item.get("eligible")), "Who counts is stated")


@check
def treatment_handled(study: Study) -> Finding:
    """Whether models were run with and without what was performed."""
    seen = [model for model in study.info["models"] if model.get("with_procedure") or "procedure" in model.get("inputs", ())]
    if not seen:
        return Finding(CANNOT, "No field of the procedure is used; whether treatments differed is not recorded.")
    return Finding(MET, f"{plural(len(seen), 'model')} also saw the procedure performed, the others did not.", first_place(study, "leaderboard"))  # noqa: E501  # fmt: skip


# Outcomes, reference standard, predictors.


@check
def outcomes_defined(study: Study) -> Finding:
    """Definition and time window of every outcome."""
    lacking = (label_of(item) for item in study.subjects if not item.get("definition") or not _has_window(item))
    return all_of(study, lacking, "Definition and time window are stated")


@check
def horizon_told(study: Study) -> Finding:
    """Time window, or scored days, of every outcome."""
    return all_of(study, (label_of(item) for item in study.subjects if not _has_window(item)), "A time window is stated")


def _has_window(item: Mapping[str, Any]) -> bool:
    return bool(item.get("horizon") or item.get("days"))


@check
def outcome_sources(study: Study) -> Finding:
    """Every outcome follows a definition that somebody published."""
    lacking = (label_of(item) for item in study.subjects if not (item.get("definition") and item.get("reference")))
    return all_of(study, lacking, "The definition cites a source")


@check
def reference_standard_told(study: Study) -> Finding:
    """How the truth was made: the definition of outcomes, or who drew the masks."""
    if not study.is_segmentation:
        return all_of(study, (label_of(item) for item in study.subjects if not item.get("definition")), "A definition is stated")
    return annotators_told(study)


@check
def annotators_told(study: Study) -> Finding:
    """Who drew the masks."""
    origin = study.info["dataset"].get("mask_origin")
    return stated(origin, f"Masks: {origin}.", "Who drew the masks is not stated.", f"#{front.DATA}")


@check
def reader_variability(study: Study) -> Finding:
    """Several readers drew the same picture, and were set against each other."""
    scores = study.summary.tables.get("scores", pd.DataFrame(columns=["model"]))
    there = (scores["model"] == "human_readers").any()
    anchor = first_place(study, "leaderboard")
    return stated(there, "Readers were set against each other.", "No reader was set against another one.", anchor)


@check
def predictors_chosen(study: Study) -> Finding:
    """What each model sees."""
    lacking = [str(model["name"]) for model in study.info["models"] if not model.get("inputs")]
    anchor = f"#{front.MODELS}"
    return stated(not lacking, "For every model it is stated what it sees.", f"Not stated for: {', '.join(lacking)}.", anchor)


@check
def predictors_defined(study: Study) -> Finding:
    """Fields with their labels and units, in the comparison of patients or in a model card."""
    if study.bundles:
        return Finding(MET, "The model card lists every field.", study.bundles[0].card)
    table = study.summary.table("case_mix")
    return stated(len(table), "Fields are listed with units.", "No list of fields is kept.", first_place(study, "transport"))


@check
def known_before(study: Study) -> Finding:
    """There are models that see nothing of the operation itself."""
    before = [
        model for model in study.info["models"]
        if model.get("family") != "reference" and not model.get("with_procedure") and "procedure" not in model.get("inputs", ())
    ]  # fmt: skip
    return stated(
        before, f"{plural(len(before), 'model')} see nothing that is known only later.",
        "Every model sees the procedure that was performed.", f"#{front.MODELS}",
    )  # fmt: skip


@check
def preprocessing_kept(study: Study) -> Finding:
    """One written preparation for all patients: in the recipe, or in a bundle."""
    if study.bundles and not study.is_segmentation:
        return Finding(MET, "The bundle holds the one preparation that every record passes.", f"{study.bundles[0].folder}/preprocessing.json")  # noqa: E501  # fmt: skip
    there = study.recipe.get("preparation")
    if there:
        return Finding(MET, "The recipe states one preparation for all pictures.", f"#{front.RECIPE}")
    return Finding(CANNOT, "Preparation is written into a model bundle, and the study has none here.")


@check
def missing_values_told(study: Study) -> Finding:
    """What was done where a value, or a mask, is not there."""
    if study.is_segmentation:
        rules = study.info.get("empty_masks") or {}
        return all_of(study, (label_of(item) for item in study.subjects if item["name"] not in rules), "The rule for empty masks is stated", "lesions")  # noqa: E501  # fmt: skip
    return preprocessing_kept(study)


# How it was done.


@check
def partition(study: Study) -> Finding:
    """Folds, and sets of patients with their sizes."""
    folds = int(study.recipe.get("folds") or 0)
    there = folds >= 2 and study.info["splits"]
    return stated(there, f"{folds} folds; sizes of every set are told.", "The recipe states no folds.", f"#{front.SPLITS}")


@check
def disjoint_patients(study: Study) -> Finding:
    """The split by patient is kept as a fingerprint."""
    there = (study.info.get("provenance") or {}).get("split")
    yes = f"Folds are drawn by patient; fingerprint of the split: {there}."
    return stated(there, yes, "No fingerprint of the split is kept.", f"#{front.PROVENANCE}")


@check
def judged_on_unseen(study: Study) -> Finding:
    """Scores come from patients that the models had not seen."""
    names = {str(item["name"]) for item in study.info["splits"]}
    there = "internal" in names and int(study.recipe.get("folds") or 0) >= 2
    return stated(there, "Every score is of patients not learned from.", "No split of unseen patients.", f"#{front.SPLITS}")


@check
def external_testing(study: Study) -> Finding:
    """A set of patients of another place."""
    named = [label_of(item) for item in study.info["splits"] if str(item["name"]).startswith("external")]
    return stated(named, f"External: {', '.join(named)}.", "No set of patients of another place.", f"#{front.SPLITS}")


@check
def clusters_judged(study: Study) -> Finding:
    """Results by site, at least two of them."""
    named = [str(item["name"]) for item in study.info["splits"] if str(item["name"]).startswith("external")]
    anchor = first_place(study, "transport")
    yes = f"{plural(len(named), 'site')} judged apart."
    return stated(len(named) >= 2, yes, "Fewer than two sites are judged apart.", anchor)


@check
def tuning_inside_folds(study: Study) -> Finding:
    """Tuning is repeated inside each training part."""
    inner = int(study.recipe.get("inner_folds") or 0)
    return stated(
        inner >= 2, f"Every step is repeated in each fold; tuning by {inner} inner folds.",
        "The recipe states no inner folds.", f"#{front.RECIPE}",
    )  # fmt: skip


@check
def models_described(study: Study) -> Finding:
    """Each model in a sentence, with its options in the recipe."""
    lacking = [label_of(model) for model in study.info["models"] if not model.get("description")]
    anchor = f"#{front.MODELS}"
    return stated(not lacking, "Every model is described.", f"Not described: {', '.join(lacking)}.", anchor)


@check
def training_told(study: Study) -> Finding:
    """Learning rate, batches and length of training."""
    told = study.recipe.get("training") or study.recipe.get("network") or {}
    there = {"learning_rate", "batch_size"} <= set(told)
    return stated(there, "The recipe holds how networks were trained.", "How networks were trained is not kept.", f"#{front.RECIPE}")  # noqa: E501  # fmt: skip


@check
def start_told(study: Study) -> Finding:
    """Whether networks start from weights of elsewhere."""
    told = study.recipe.get("training") or study.recipe.get("network") or {}
    return stated(
        "encoder_weights" in told, f"Weights at the start: {told.get('encoder_weights') or 'random'}.",
        "How weights start is not kept.", f"#{front.RECIPE}",
    )  # fmt: skip


@check
def software_told(study: Study) -> Finding:
    """Packages with their versions."""
    told = study.info.get("provenance") or {}
    there = told.get("packages") and told.get("python")
    return stated(there, "Versions of Python and packages are kept.", "No versions are kept.", f"#{front.PROVENANCE}")


@check
def code_version(study: Study) -> Finding:
    """The code that ran, by commit and fingerprint."""
    told = study.info.get("provenance") or {}
    there = told.get("commit") or told.get("code")
    return stated(there, f"Code {there}.", "Which code ran is not kept.", f"#{front.PROVENANCE}")


@check
def imbalance(study: Study) -> Finding:
    """No weights or resampling for rare outcomes stand in the recipe."""
    words = ("class_weight", "oversample", "undersample", "smote")
    used = [word for word in words if word in front.recipe_text(study.recipe)]
    if not study.recipe:
        return Finding(NOT_MET, "No recipe was kept.", f"#{front.RECIPE}")
    return stated(
        not used, "The recipe balances no classes, so that no risk is bent by it.",
        f"The recipe uses {', '.join(used)}.", f"#{front.RECIPE}",
    )  # fmt: skip

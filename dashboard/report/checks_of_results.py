"""Checks of what a study tells: its measures, differences, groups, limits, and the models that come of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboard.charts.wording import finite, plural
from dashboard.report import front
from dashboard.report.check_tools import (
    MET,
    NO_SKILL,
    NOT_MET,
    Finding,
    all_of,
    check,
    evaluation_of,
    first_place,
    label_of,
    rows_of,
    stated,
    yes_or_no,
)
from dashboard.report.study import Study


@check
def measures_told(study: Study) -> Finding:
    """Every measure with what it says and its source."""
    items = study.info.get("metrics") or ()
    there = items and all(item.get("description") for item in items)
    return stated(there, f"{plural(len(items), 'measure')} with meaning.", "Measures are not described.", f"#{front.METRICS}")


@check
def output_told(study: Study) -> Finding:
    """What a model gives, and where its threshold comes from."""
    lacking = (label_of(item) for item in yes_or_no(study) if item.get("threshold") is None or not item.get("threshold_from"))
    return all_of(study, lacking, "Risks, with a threshold and where it comes from", "leaderboard")


@check
def intended_use(study: Study) -> Finding:
    """What is done on the word of a model, by whom, or a model card that says it."""
    if study.is_segmentation:
        card = next((bundle.card for bundle in study.bundles), "")
        return Finding(MET, "The model card states the intended use.", card) if card else Finding(NOT_MET, "No model card is here.", f"#{front.MODELS}")  # noqa: E501  # fmt: skip
    told = {*(evaluation_of(study).get("uses") or {}), *(bundle.subject for bundle in study.bundles)}
    lacking = (label_of(item) for item in study.subjects if item["name"] not in told)
    return all_of(study, lacking, "An action and who acts, or a model card, is there", "decision" if yes_or_no(study) else "")


@check
def model_selection(study: Study) -> Finding:
    """A rule for choosing a model, or the model of a bundle, stands in the recipe."""
    there = study.recipe.get("bundles") or evaluation_of(study).get("choice")
    return stated(
        there, "The recipe says beforehand which model is taken, or by which rule.",
        "No model and no rule was declared beforehand.", f"#{front.RECIPE}",
    )  # fmt: skip


# How many, and how sure.


@check
def sample_size(study: Study) -> Finding:
    """Enough patients with and without every outcome; of masks, what more cases would bring."""
    if study.is_segmentation:
        told = study.info.get("change") or {}
        return all_of(study, (label_of(item) for item in study.subjects if not told.get(item["name"])), "What more cases would bring is told", "change")  # noqa: E501  # fmt: skip
    sized = [item for item in yes_or_no(study) if item.get("needed")]
    if not sized:
        lacking = (label_of(item) for item in study.subjects if not item.get("enough", False))
        return all_of(study, lacking, "At least 50 patients with and 50 without the event", "change")
    short = [label_of(item) for item in sized if item["n"] < _to_develop(item["needed"])]
    return all_of(study, short, "As many patients as Riley's criteria of development ask for", "stability")


def _to_develop(needed: Mapping[str, Any]) -> int:
    return max(one["patients"] for one in needed["criteria"] if one["phase"] == "development")


@check
def participants_counted(study: Study) -> Finding:
    """Patients and events of every outcome, or cases of every split."""
    if study.is_segmentation:
        there = all(item.get("n_test") for item in study.info["splits"])
        return stated(there, "Cases of every split are told.", "Cases of a split are missing.", f"#{front.SPLITS}")
    return all_of(study, (label_of(item) for item in study.subjects if not item.get("n")), "Patients and events are told")


@check
def characteristics(study: Study) -> Finding:
    """Who the patients are: groups with counts, or what each side of a split holds."""
    if study.is_segmentation:
        there = len(study.summary.table("folds"))
        return stated(there, "What each side of each split holds is kept.", "No facts of the sides are kept.", f"{study.folder}/folds.parquet")  # noqa: E501  # fmt: skip
    groups = study.summary.table("groups")
    lacking = (label_of(item) for item in study.subjects if not (rows_of(study, groups, item["name"])["group"] != "all").any())
    found = all_of(study, lacking, "Patients and events by group are kept")
    return Finding(found.state, found.why, f"{study.folder}/groups.parquet")


@check
def case_mix_compared(study: Study) -> Finding:
    """Patients of the other sets set beside those learned from."""
    table = study.summary.table("case_mix")
    anchor = first_place(study, "transport")
    return stated((table["split"] != "internal").any(), "Both sides are set beside each other.", "No comparison of both sides.", anchor)  # noqa: E501  # fmt: skip


@check
def numbers_by_analysis(study: Study) -> Finding:
    """The number of patients or cases behind each score."""
    scores = study.summary.table("scores")
    there = len(scores) and scores["n"].notna().all()
    return stated(there, "Every score carries its number.", "Some scores carry no number.", first_place(study, "leaderboard"))


@check
def intervals_everywhere(study: Study) -> Finding:
    """Every score of all patients carries an interval."""
    scores = study.summary.table("scores", group="all")
    known = scores[scores["value"].notna()]
    bare = known[~known["low"].map(finite) | ~known["high"].map(finite)]
    anchor = first_place(study, "leaderboard")
    return stated(
        len(known) and bare.empty, f"All {len(known):,} scores carry a 95% interval.",
        f"{plural(len(bare), 'score')} of {len(known):,} without an interval.", anchor,
    )  # fmt: skip


@check
def differences_tested(study: Study) -> Finding:
    """Paired differences with p corrected for many comparisons."""
    table = study.summary.table("comparisons")
    there = table["p_holm"].map(finite).any()
    return stated(there, "Differences carry an adjusted p.", "No difference carries an adjusted p.", first_place(study, "pairs"))


@check
def performance_measured(study: Study) -> Finding:
    """Discrimination, calibration and net benefit of every outcome with a yes or no."""
    scores, curves = study.summary.table("scores", group="all"), study.summary.table("curves")
    lacking = []
    for item in yes_or_no(study):
        known = set(rows_of(study, scores[scores["value"].notna()], item["name"])["metric"])
        kinds = set(rows_of(study, curves, item["name"])["kind"])
        missing = [name for name, there in (("discrimination", "auroc" in known), ("calibration", "calibration_slope" in known), ("net benefit", "decision" in kinds)) if not there]  # noqa: E501  # fmt: skip
        lacking += [f"{label_of(item)}: {', '.join(missing)}"] if missing else []
    return all_of(study, lacking, "Discrimination, calibration and net benefit", "calibration" if yes_or_no(study) else "")


@check
def recalibration_tried(study: Study) -> Finding:
    """Risks before and after recalibration, learned from other patients."""
    table = study.summary.table("recalibration")
    lacking = (label_of(item) for item in yes_or_no(study) if rows_of(study, table, item["name"]).empty)
    return all_of(study, lacking, "Recalibration was tried", "recalibration" if yes_or_no(study) else "")


@check
def overfitting_checked(study: Study) -> Finding:
    """How much is lost from patients learned from to new ones."""
    table = study.summary.table("gaps")
    lacking = (label_of(item) for item in study.subjects if rows_of(study, table, item["name"]).empty)
    return all_of(study, lacking, "The gap between patients learned from and new ones was measured", "stability")


@check
def leak_looked_for(study: Study) -> Finding:
    """On shuffled outcomes the pipeline finds nothing."""
    told: Mapping[str, Any] = study.info.get("permuted") or {}
    found = [(label_of(item), told.get(item["name"]) or {}) for item in yes_or_no(study)]
    lacking = [label for label, facts in found if not (facts and facts["low"] <= NO_SKILL <= facts["high"])]
    return all_of(study, lacking, "On shuffled outcomes the interval of the AUROC holds 0.5", "leaderboard")


@check
def fairness_compared(study: Study) -> Finding:
    """Groups set against the other patients, by a margin stated beforehand."""
    table = study.summary.table("fairness")
    lacking = (label_of(item) for item in yes_or_no(study) if rows_of(study, table, item["name"]).empty)
    return all_of(study, lacking, "Groups were compared by a stated margin", "groups")


@check
def subgroup_performance(study: Study) -> Finding:
    """Scores by group of patients, or by what a picture holds."""
    table = study.summary.table("factors" if study.is_segmentation else "scores")
    rows = table if study.is_segmentation else table[table["group"] != "all"]
    lacking = (label_of(item) for item in study.subjects if rows_of(study, rows, item["name"]).empty)
    return all_of(study, lacking, "Scores by group", "errors" if study.is_segmentation else "groups")


@check
def robustness_tested(study: Study) -> Finding:
    """Planted faults, or refits on bootstrap samples."""
    table = study.summary.table("robustness" if study.is_segmentation else "stability")
    lacking = (label_of(item) for item in study.subjects if rows_of(study, table, item["name"]).empty)
    what = "Faults were planted" if study.is_segmentation else "Models were fitted again on bootstrap samples"
    return all_of(study, lacking, what, "robustness" if study.is_segmentation else "stability")


@check
def explained(study: Study) -> Finding:
    """What a model leans on, or what each part of a method adds."""
    table = study.summary.table("ablations" if study.is_segmentation else "features")
    lacking = (label_of(item) for item in study.subjects if rows_of(study, table, item["name"]).empty)
    what = "What each part adds was measured" if study.is_segmentation else "What a model leans on was measured"
    return all_of(study, lacking, what, "ablations" if study.is_segmentation else "inputs")


@check
def failures_shown(study: Study) -> Finding:
    """Scores of single cases, or right and wrong decisions at each threshold."""
    table = study.summary.table("cases" if study.is_segmentation else "thresholds")
    subjects = study.subjects if study.is_segmentation else yes_or_no(study)
    lacking = (label_of(item) for item in subjects if rows_of(study, table, item["name"]).empty)
    what = "Scores of single cases are kept" if study.is_segmentation else "Right and wrong decisions at each threshold are kept"
    found = all_of(study, lacking, what)
    return Finding(found.state, found.why, f"{study.folder}/{'cases' if study.is_segmentation else 'thresholds'}.parquet")


# What is said of it.


@check
def findings_written(study: Study) -> Finding:
    """A sentence from the numbers for each outcome or region."""
    told = study.info.get("headlines") or {}
    return all_of(study, (label_of(item) for item in study.subjects if not told.get(item["name"])), "A finding is written")


@check
def limits_written(study: Study) -> Finding:
    """What the study cannot answer, and remarks on its data."""
    there = (study.info.get("cannot") or study.info.get("skipped")) and study.info["dataset"].get("notes")
    return stated(there, "Limits and remarks on the data are written.", "Limits or remarks on the data are missing.", f"#{front.LIMITS}")  # noqa: E501  # fmt: skip


@check
def change_written(study: Study) -> Finding:
    """What would change each conclusion."""
    told = study.info.get("change") or {}
    return all_of(study, (label_of(item) for item in study.subjects if not told.get(item["name"])), "What would change it is told", "change")  # noqa: E501  # fmt: skip


@check
def model_available(study: Study) -> Finding:
    """A bundle that can be asked, of this very run."""
    own = [bundle for bundle in study.bundles if bundle.same_run]
    if own:
        return Finding(MET, f"{plural(len(own), 'bundle')} of this run can be asked.", own[0].card)
    return Finding(NOT_MET, "No bundle of this run is here.", f"#{front.MODELS}")


@check
def scope_told(study: Study) -> Finding:
    """Whom a bundle must not be asked about, and what it does without a value."""
    if study.bundles:
        return Finding(MET, "The model card says who must not be assessed.", study.bundles[0].card)
    return Finding(NOT_MET, "No model card is here.", f"#{front.MODELS}")

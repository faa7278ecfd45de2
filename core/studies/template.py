"""A commented recipe for a data set, to begin with."""

from __future__ import annotations

from core.contracts.cohort import Cohort
from core.contracts.dataset import DatasetSpec
from core.outcomes import PREDICTORS

_HEAD = """\
# A study of {label}.
# Check it, then run it:  python -m core study run {file} --data THE_PARENT_FOLDER_OF_THE_DATA

name: {name}                  # names the study in commands, pages and files
title: {title}
question: Which model can be trusted, on whom, and how far?

dataset:
  name: {dataset}             # python -m core data list
  options: {options}
"""

_TAIL = """\
# record: what is known before the operation. record_with_procedure adds fields that record what was performed.
inputs: [record]
# predictors: [age, sex]      # only these fields of the record; without it, all that are known before the operation

folds: 5                      # stratified, by patient
repeats: {table: 5, network: 2}
inner_folds: 3                # of the search inside a training part; it never sees a test fold
seed: 20261123
checks: true                  # also run the data set's fixed splits (other site, later release)
minimum_events: 10            # outcomes with fewer are reported and not fitted

evaluation:
  bootstrap: 1000             # patients are resampled, with all their repeats
  reference_model: logistic_regression
  thresholds: {}              # risk at which a patient would be flagged, by outcome; default: the event rate

# Which model of an outcome becomes a bundle is said here, before any result is seen.
bundles: {}

# What --profile changes.
profiles:
  quick: {folds: 3, repeats: {table: 1, network: 1}, evaluation: {bootstrap: 200}}
  cpu: {}
  full: {repeats: {table: 10, network: 5}, evaluation: {bootstrap: 2000}}
"""


def recipe_text(spec: DatasetSpec, cohort: Cohort | None, *, name: str, file: str, options: dict[str, str]) -> str:
    """A recipe as commented YAML: every outcome of the cohort, every model that its data allow."""
    shown = "{" + ", ".join(f"{key}: {value}" for key, value in options.items()) + "}"
    head = _HEAD.format(label=spec.label, file=file, name=name, title=spec.label, dataset=spec.name, options=shown)
    return "\n".join([head, _outcomes(cohort), _models(cohort), _TAIL])


def _outcomes(cohort: Cohort | None) -> str:
    if cohort is None:
        return "outcomes: [complication]      # the slugs that your data set defines\n"
    lines = [f"  - {outcome.name:<24}# {outcome.definition}" for outcome in cohort.outcomes]
    return "\n".join(["outcomes:", *lines, ""])


def _models(cohort: Cohort | None) -> str:
    lines = ["# tune: candidates tried inside each training part. Remove what you do not need.", "models:"]
    for spec in PREDICTORS:
        if spec.only_outcomes or not _allowed(spec.inputs, cohort):
            continue
        lines.append(f"  - {spec.name:<24}# {spec.description}")
    return "\n".join([*lines, ""])


def _allowed(inputs: tuple[str, ...], cohort: Cohort | None) -> bool:
    if cohort is None:
        return "image" not in inputs and "anatomy" not in inputs
    if "image" in inputs and cohort.images is None:
        return False
    return "anatomy" not in inputs or bool(cohort.codebook.predictors(("anatomy",)))

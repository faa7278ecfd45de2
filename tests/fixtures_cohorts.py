"""A small cohort with a known signal, for tests of the study runner."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.contracts.codebook import Codebook, Field, Level
from core.contracts.cohort import Cohort, SplitCheck
from core.contracts.outcome import Outcome
from core.contracts.recipe import Recipe
from core.contracts.recipe_file import recipe_from_plain

FIELDS = (
    Field("age", "Age", "integer", "before", unit="years", low=18, high=110, subgroup=True, bins=(65, 75), required=True),
    Field("sex", "Sex", "category", "before", levels=(Level("male", "Male"), Level("female", "Female")), subgroup=True),
    Field("tumour_size_mm", "Tumour size", "number", "before", unit="mm", low=1, high=300),
    Field(
        "approach", "Approach", "category", "during", "procedure",
        levels=(Level("open", "Open"), Level("robotic", "Robotic")), stands_in_for_plan=True,
    ),
    Field("blood_loss_ml", "Blood loss", "number", "during", "outcome", unit="ml"),
)  # fmt: skip
OUTCOMES = (
    Outcome("complication", "Complication", "binary", "Any complication.", desirable=False),
    Outcome("recovery", "Recovery", "time_to_event", "Days in hospital.", desirable=True, days=(1, 2, 3, 5, 7, 14)),
)
MODELS = ["base_rate", "logistic_regression", "cox"]


def small_cohort(n: int = 120, *, cases_per_patient: int = 1, seed: int = 0) -> Cohort:
    """A cohort in which age, size and approach raise the risk; blood loss gives the outcome away."""
    rng = np.random.default_rng(seed)
    ids = pd.Index([f"c{i:03d}" for i in range(n)], name="case_id")
    age, size = rng.normal(60, 12, n).round().clip(18, 100), rng.gamma(3.0, 12.0, n).clip(2, 250)
    approach = rng.choice(["open", "robotic"], n)
    logit = -0.8 + 0.06 * (age - 60) + 0.03 * (size - 36) + 0.8 * (approach == "open")
    event = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(float)
    table = pd.DataFrame(
        {
            "patient_id": [f"p{i // cases_per_patient}" for i in range(n)],
            "age": age,
            "sex": rng.choice(["male", "female"], n),
            "tumour_size_mm": size,
            "approach": approach,
            "blood_loss_ml": 100 + 900 * event,
        },
        index=ids,
    )
    days = rng.poisson(np.exp(1 + 0.3 * logit)).clip(0, 40).astype(float)
    targets = pd.DataFrame({"complication": event, "recovery_days": days, "recovery_event": 1.0}, index=ids)
    half = n // 2
    check = SplitCheck("release", "Later half", "Split by number.", tuple(ids[:half]), tuple(ids[half:]))
    return Cohort(
        "small", "Small", table, Codebook(FIELDS), OUTCOMES, targets, tuple(ids), (check,), licence="CC0", fingerprint="f0"
    )


def small_recipe(**changes: object) -> Recipe:
    """Three quick models, three folds, two repeats."""
    plain = {
        "name": "small",
        "title": "Small",
        "dataset": {"name": "table"},
        "outcomes": ["complication", "recovery"],
        "models": MODELS,
        "folds": 3,
        "repeats": {"table": 2, "network": 1},
        "evaluation": {"bootstrap": 60},
    }
    return recipe_from_plain({**plain, **changes}, "cpu", "small")

"""Plain facts of a study: its data, outcomes, models and splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from core.contracts.cohort import Cohort, target_columns
from core.contracts.outcome import Outcome
from core.contracts.recipe import Recipe
from core.evaluation.headlines import FEWEST_EVENTS
from core.evaluation.splits import INTERNAL
from core.evaluation.thresholds import stated_threshold


def dataset_facts(cohort: Cohort) -> dict[str, Any]:
    """What pages say of the data set."""
    return {
        "name": cohort.name,
        "label": cohort.label,
        "simulated": cohort.simulated,
        "licence": cohort.licence,
        "citation": cohort.citation,
        "notes": list(cohort.notes),
        "n_cases": len(cohort.table),
        "n_patients": int(cohort.table["patient_id"].nunique()),
        "mask_origin": cohort.images.mask_origin if cohort.images is not None else "",
        "breakdowns": _breakdowns(cohort, ""),
    }


def outcome_facts(cohort: Cohort, outcome: Outcome, recipe: Recipe) -> dict[str, Any]:
    """What pages say of an outcome; counts are patients of the main analysis."""
    eligible = cohort.targets.loc[list(cohort.internal), list(target_columns(outcome))].dropna()
    event = eligible[target_columns(outcome)[-1]] == 1
    patients = cohort.table.loc[eligible.index, "patient_id"]
    n, n_events = int(patients.nunique()), int(patients[event].nunique())
    rate = n_events / n if n else float("nan")
    binary = outcome.kind == "binary"
    return {
        **outcome.to_plain(),
        "n": n,
        "n_events": n_events,
        "rate": rate,
        "enough": min(n_events, n - n_events) >= FEWEST_EVENTS if binary else n_events >= FEWEST_EVENTS,
        "threshold": stated_threshold(rate, recipe.evaluation.thresholds.get(outcome.name)) if binary else None,
        "threshold_from": ("recipe" if outcome.name in recipe.evaluation.thresholds else "event rate") if binary else "",
        "breakdowns": _breakdowns(cohort, outcome.name),
    }


def _owner(title: str, cohort: Cohort) -> str:
    """The outcome that a breakdown's title names: the longest name or label found in it; empty where none is."""
    told = title.casefold()
    found = [
        (len(word), outcome.name)
        for outcome in cohort.outcomes
        for word in (outcome.name.casefold(), outcome.name.replace("_", " ").casefold(), outcome.label.casefold())
        if word in told
    ]
    return max(found)[1] if found else ""


def _breakdowns(cohort: Cohort, owner: str) -> list[dict[str, Any]]:
    return [_plain_table(title, table) for title, table in cohort.breakdowns.items() if _owner(title, cohort) == owner]


def _plain_table(title: str, table: pd.DataFrame) -> dict[str, Any]:
    # What names a row is text, so that it is never taken for a count.
    named = table if isinstance(table.index, pd.RangeIndex) else table.rename(index=str).reset_index(names=table.index.name or "")
    return {"title": title, "rows": [{str(key): _plain(value) for key, value in row.items()} for row in named.to_dict("records")]}


def _plain(value: object) -> object:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    return value.item() if isinstance(value, np.generic) else value


def model_facts(models: Sequence[Mapping[str, object]]) -> list[dict[str, Any]]:
    """The leaderboard's rows as plain data."""
    return [{key: list(value) if isinstance(value, tuple) else value for key, value in row.items()} for row in models]


def split_facts(cohort: Cohort, used: Sequence[str]) -> list[dict[str, Any]]:
    """The splits that predictions came from, the main analysis first."""
    n = len(cohort.internal)
    internal = {
        "name": INTERNAL,
        "label": "Cross-validation",
        "note": "Every patient was judged by models that had not seen him or her.",
        "n_train": n,
        "n_test": n,
    }
    checks = [
        {"name": check.name, "label": check.label, "note": check.note, "n_train": len(check.train), "n_test": len(check.test)}
        for check in cohort.checks
        if check.name in used
    ]
    return [internal, *checks] if INTERNAL in used else checks

"""How the patients of one side of a split differ from those of the other: a table of means, shares and standardised differences.

A model may do worse elsewhere because it is worse there, or because the patients are others; this table tells of the second.

Reference: Austin 2009, 10.1002/sim.3697 (standardised differences); Debray et al. 2015, 10.1016/j.jclinepi.2014.06.018.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import numpy as np
import pandas as pd

from core.contracts.codebook import Block, Field
from core.contracts.cohort import Cohort, SplitCheck, target_columns
from core.contracts.outcome import Outcome

LARGE = 0.25
"""A standardised difference from which the two sides are called unlike."""
MOST_LEVELS = 12
OUTCOMES = "Outcomes"


def case_mix_rows(cohort: Cohort) -> Iterator[dict[str, object]]:
    """One row a split, field and level: mean (or share) and spread on the side learned from and on the other.

    A number has one row with an empty level; a flag the row of its "yes"; a category a row a level, the missing values being
    one of them. What happened (each binary outcome's rate) stands last.
    """
    for check in cohort.checks:
        for field in cohort.codebook.predictors(get_args(Block)):
            if field.name in cohort.table:
                yield from _of_field(cohort, check, field)
        for outcome in cohort.outcomes:
            yield from _of_outcome(cohort, check, outcome)


def _of_field(cohort: Cohort, check: SplitCheck, field: Field) -> Iterator[dict[str, object]]:
    values = cohort.table[field.name]
    here, there = values.loc[list(check.train)], values.loc[list(check.test)]
    place = {"split": check.name, "field": field.name, "label": field.label, "unit": field.unit, "section": field.section}
    if field.kind in ("number", "integer"):
        yield {**place, "level": "", **_numbers(here.astype(float), there.astype(float))}
        return
    here, there = here.map(_text), there.map(_text)
    levels = [level for level in pd.concat([here, there]).value_counts().index if level != "0" or field.kind != "flag"]
    for level in levels[:MOST_LEVELS]:
        yield {**place, "level": str(level), **_shares(here == level, there == level)}


def _of_outcome(cohort: Cohort, check: SplitCheck, outcome: Outcome) -> Iterator[dict[str, object]]:
    event = cohort.targets[target_columns(outcome)[-1]]
    here, there = event.loc[list(check.train)].dropna(), event.loc[list(check.test)].dropna()
    if outcome.kind == "binary" and len(here) and len(there):
        place = {"split": check.name, "field": outcome.name, "label": outcome.label, "unit": "", "section": OUTCOMES}
        yield {**place, "level": "", **_shares(here == 1, there == 1)}


def _text(value: object) -> str:
    if pd.isna(value):
        return "missing"
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _numbers(here: pd.Series, there: pd.Series) -> dict[str, object]:
    pooled = np.sqrt((here.var() + there.var()) / 2)
    return _row(here.mean(), here.std(), there.mean(), there.std(), here.mean() - there.mean(), pooled, here, there)


def _shares(here: pd.Series, there: pd.Series) -> dict[str, object]:
    one, other = float(here.mean()), float(there.mean())
    pooled = np.sqrt((one * (1 - one) + other * (1 - other)) / 2)
    return _row(one, np.nan, other, np.nan, one - other, pooled, here, there)


def _row(
    train: float, train_sd: float, test: float, test_sd: float, apart: float, pooled: float, here: pd.Series, there: pd.Series
) -> dict[str, object]:
    return {
        "train": float(train),
        "train_sd": float(train_sd),
        "test": float(test),
        "test_sd": float(test_sd),
        "difference": float(-apart / pooled) if pooled > 0 else (0.0 if apart == 0 else float("nan")),
        "n_train": int(here.notna().sum()),
        "n_test": int(there.notna().sum()),
    }


def one_sentence(table: pd.DataFrame) -> str:
    """How unlike the two sides of one split are, and in what most."""
    known = table[table["difference"].notna() & (table["section"] != OUTCOMES)]
    if known.empty:
        return "Nothing is recorded by which the two sides could be compared."
    largest = known.loc[known.groupby("field")["difference"].apply(lambda values: values.abs().idxmax())]
    apart = largest[largest["difference"].abs() > LARGE].sort_values("difference", key=np.abs, ascending=False)
    if apart.empty:
        return f"The two sides are alike: none of {len(largest)} fields differs by more than {LARGE:g} standard deviations."
    first = ", ".join(f"{row['label']} ({row['difference']:+.2f})".replace("-", "−") for _, row in apart.head(3).iterrows())
    return f"{len(apart)} of {len(largest)} fields differ by more than {LARGE:g} standard deviations, most of all: {first}."

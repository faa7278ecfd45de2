"""Folds of a repeated, stratified cross-validation by patient."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from core.contracts.cohort import Cohort
from core.contracts.outcome import Outcome
from core.errors import DataError


@dataclass(frozen=True)
class Fold:
    """One train/test division of the internal cases."""

    repeat: int
    fold: int
    train: tuple[str, ...]
    test: tuple[str, ...]


def make_folds(cohort: Cohort, outcomes: Sequence[Outcome], *, folds: int, repeats: int, seed: int) -> tuple[Fold, ...]:
    """Every fold of every repeat, in order; all cases of a patient stay on one side.

    Folds are shared by all outcomes and models, so that any two can be compared on the same cases. They are stratified
    by the binary outcomes together, the rarest first, as far as the number of cases allows.

    Raises:
        DataError: fewer patients than folds.
    """
    ids = list(cohort.internal)
    strata = pd.Series(_strata(cohort.targets.loc[ids], outcomes, folds), index=ids)
    made = divide(ids, cohort.table["patient_id"].astype(str), strata, folds=folds, repeats=repeats, seed=seed)
    for item in made:
        cohort.refuse_shared_patients(item.train, item.test, f"repeat {item.repeat}, fold {item.fold}")
    return made


def divide(
    ids: Sequence[str], patients: pd.Series, strata: pd.Series, *, folds: int, repeats: int, seed: int
) -> tuple[Fold, ...]:
    """Every fold of every repeat over those cases, alike in their strata, no patient on both sides.

    Args:
        patients, strata: by case id.

    Raises:
        DataError: fewer patients than folds.
    """
    cases = np.array(ids)
    owners, labels = patients.loc[list(ids)].to_numpy(), strata.loc[list(ids)].to_numpy()
    if len(set(owners)) < folds:
        raise DataError(f"{len(set(owners))} patients cannot be divided into {folds} folds.", do="Use fewer folds.")
    made = []
    for repeat in range(repeats):
        splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed + repeat)
        for fold, (train, test) in enumerate(splitter.split(cases, labels, groups=owners)):
            made.append(Fold(repeat, fold, tuple(cases[train]), tuple(cases[test])))
    return tuple(made)


def shuffle_targets(targets: pd.DataFrame, ids: Sequence[str], seed: int) -> pd.DataFrame:
    """The targets with whole rows shuffled among ``ids``: outcomes no longer belong to their patients."""
    order = sorted(ids)
    shuffled = targets.loc[order].copy()
    shuffled[:] = targets.loc[np.random.default_rng([seed, 7]).permutation(order)].to_numpy()
    return shuffled


def folds_digest(folds: Sequence[Fold]) -> str:
    """Sixteen hex digits over every fold's test cases: the stamp of a split."""
    text = "\n".join(f"{item.repeat}/{item.fold}:{','.join(sorted(item.test))}" for item in folds)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _strata(targets: pd.DataFrame, outcomes: Sequence[Outcome], folds: int) -> np.ndarray:
    """One label a case: the outcomes joined, rarest first; an outcome that would make a stratum too small is left out."""
    binary = [outcome.name for outcome in outcomes if outcome.kind == "binary"]
    binary.sort(key=lambda name: float(targets[name].sum()))
    strata = pd.Series("", index=targets.index)
    for name in binary:
        finer = strata + targets[name].map({1.0: "1", 0.0: "0"}).fillna("-")
        if finer.value_counts().min() >= folds:
            strata = finer
    return strata.to_numpy(dtype=str)

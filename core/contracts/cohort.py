"""Patients, their record, their pictures, and what happened to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.contracts.codebook import Codebook
from core.contracts.outcome import Outcome
from core.contracts.volume import CaseImage
from core.errors import DataError, LeakageError, UnknownNameError, did_you_mean


class ImageSource(Protocol):
    """Pictures of a cohort, read on demand. Implementations can be pickled (they hold paths, not voxels)."""

    @property
    def labels(self) -> dict[int, str]:
        """Meaning of each positive value of the masks."""

    @property
    def has_scan(self) -> bool:
        """Whether there are scans, or masks alone."""

    @property
    def mask_origin(self) -> str:
        """Who made the masks: one phrase for the pages ("reviewed by experts")."""

    def read(self, case_id: str) -> CaseImage:
        """Scan and mask of one case."""


@dataclass(frozen=True)
class SplitCheck:
    """A fixed split beside cross-validation: fitted on ``train``, judged on ``test``.

    Args:
        name: ``release``, or ``external:`` and which ("external:site=north").
        label: what people read.
        note: what the comparison can and cannot say, one sentence.
        train, test: case ids.

    Raises:
        DataError: a case on both sides.
    """

    name: str
    label: str
    note: str
    train: tuple[str, ...]
    test: tuple[str, ...]

    def __post_init__(self) -> None:
        both = set(self.train) & set(self.test)
        if both:
            raise DataError(f"Split {self.name!r}: case {sorted(both)[0]} is in training and test.", do="Keep the sides apart.")


@dataclass(frozen=True)
class Cohort:
    """A data set, ready to study.

    Args:
        name: the data set's slug.
        label: what people read.
        table: one row a case, indexed by ``case_id`` (text); holds ``patient_id``, optionally ``site``, and the columns
            that ``codebook`` describes (anatomy measured from masks included).
        codebook: every other column of ``table``.
        outcomes: what is studied.
        targets: indexed like ``table``. A binary outcome ``x`` has a column ``x`` (1, 0, or missing where the case is not
            eligible). A time to event ``x`` has ``x_days`` and ``x_event`` (1 event seen, 0 not; both missing where not
            eligible); an event that can never come (a death before discharge) is event 0 with days ``numpy.inf``.
        internal: case ids used for cross-validation.
        checks: fixed splits beside it.
        images: pictures, or None.
        simulated: whether the project made the patients up.
        licence, citation: terms and source.
        fingerprint: sha-256 over everything that was read.
        notes: what readers must know, sentences for the pages.
        min_cell: persons a published group must hold (1 for openly licensed or simulated patients).
        breakdowns: small tables about the outcomes, shown beside them (title → table of counts).

    Raises:
        DataError: index not unique, outcome columns missing, a column that the codebook does not describe.
        LeakageError: one patient on both sides of a split.
    """

    name: str
    label: str
    table: pd.DataFrame
    codebook: Codebook
    outcomes: tuple[Outcome, ...]
    targets: pd.DataFrame
    internal: tuple[str, ...]
    checks: tuple[SplitCheck, ...] = ()
    images: ImageSource | None = None
    simulated: bool = False
    licence: str = ""
    citation: str = ""
    fingerprint: str = ""
    notes: tuple[str, ...] = ()
    min_cell: int = 10
    breakdowns: dict[str, pd.DataFrame] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.table.index.is_unique:
            twice = self.table.index[self.table.index.duplicated()][0]
            raise DataError(f"{self.name}: case {twice} stands in two rows.", do="Keep one row a case.", code="TAB_DUP_ID")
        if not self.table.index.equals(self.targets.index):
            raise DataError(f"{self.name}: record and outcomes do not list the same cases.", do="Give one row of each a case.")
        if "patient_id" not in self.table:
            raise DataError(
                f"{self.name}: there is no column patient_id.", do="Name the patient of every case.", code="TAB_MISSING_COL"
            )
        for column in self.table.columns:
            if column not in ("patient_id", "site") and column not in self.codebook:
                self.codebook[column]
        for outcome in self.outcomes:
            for column in target_columns(outcome):
                if column not in self.targets:
                    raise DataError(
                        f"{self.name}: outcome {outcome.name!r} has no column {column!r}.", do="Add it to the targets."
                    )
        for check in self.checks:
            self.refuse_shared_patients(check.train, check.test, check.name)

    def refuse_shared_patients(self, train: Sequence[str], test: Sequence[str], where: str) -> None:
        """Nothing, if no patient stands on both sides.

        Raises:
            LeakageError: names the first shared patient.
        """
        patients = self.table["patient_id"].astype(str).str.strip().str.casefold()
        shared = set(patients.loc[list(train)]) & set(patients.loc[list(test)])
        if shared:
            raise LeakageError(
                f"{self.name}, split {where!r}: patient {sorted(shared)[0]} is in training and in test "
                f"({len(shared)} such in all).",
                do="Split by patient, not by case.",
            )

    def outcome(self, name: str) -> Outcome:
        """The outcome of that name.

        Raises:
            UnknownNameError: the nearest name is suggested.
        """
        for outcome in self.outcomes:
            if outcome.name == name:
                return outcome
        raise UnknownNameError(
            f"Data set {self.name!r} has no outcome {name!r}.", do=did_you_mean(name, [o.name for o in self.outcomes])
        )

    def eligible(self, outcome: Outcome) -> pd.Series:
        """Boolean by case: whether the outcome is known and the case counts for it."""
        return self.targets[target_columns(outcome)[0]].notna()


def target_columns(outcome: Outcome) -> tuple[str, ...]:
    """Columns of ``Cohort.targets`` that hold an outcome."""
    if outcome.kind == "binary":
        return (outcome.name,)
    return (f"{outcome.name}_days", f"{outcome.name}_event")


class PreparedImages(Protocol):
    """Network input of many cases, made once and mapped from disk (float16 or uint8)."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Channels, depth, height, width of one case."""

    @property
    def channels(self) -> tuple[str, ...]:
        """What each channel holds."""

    def arrays(self, case_ids: Sequence[str]) -> NDArray[np.float32]:
        """(cases, channels, depth, height, width)."""


@dataclass(frozen=True)
class Cases:
    """What a predictor is given: the columns that it may use, and nothing else.

    Args:
        table: one row a case, only predictor columns, raw (missing values as NaN, categories as their stored text).
        codebook: describes exactly those columns.
        targets: outcomes of these cases when fitting; None when predicting.
        patients: patient id by case, for splits inside the fit.
        images: prepared network input, or None where the data set has no pictures.
    """

    table: pd.DataFrame
    codebook: Codebook
    patients: pd.Series
    targets: pd.DataFrame | None = None
    images: PreparedImages | None = None

    @property
    def ids(self) -> list[str]:
        return [str(case_id) for case_id in self.table.index]

    def pick(self, case_ids: Sequence[str]) -> Cases:
        """These cases only."""
        wanted = list(case_ids)
        return Cases(
            table=self.table.loc[wanted],
            codebook=self.codebook,
            patients=self.patients.loc[wanted],
            targets=None if self.targets is None else self.targets.loc[wanted],
            images=self.images,
        )

    def columns(self, blocks: Sequence[str]) -> Cases:
        """Only the columns of those blocks."""
        fields = tuple(field for field in self.codebook.fields if field.block in blocks)
        return Cases(
            table=self.table[[field.name for field in fields]],
            codebook=Codebook(fields),
            patients=self.patients,
            targets=self.targets,
            images=self.images,
        )

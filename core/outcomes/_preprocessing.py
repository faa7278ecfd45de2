"""From a raw record to numbers, learned inside the fit; and the outcomes that go with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from core.contracts.codebook import Codebook, Field
from core.contracts.cohort import Cases, target_columns
from core.contracts.forecast import LAST_DAY, Artifact
from core.contracts.outcome import Outcome
from core.errors import DataError, RecipeError, TrainingError, did_you_mean

Numbers = NDArray[np.float64]

STAY = np.dtype([("days", np.float64), ("event", np.bool_)])
"""One time to an event: whole days, and whether the event was seen."""


NO_NUMBERS: Numbers = np.empty(0)
NO_TEXTS: NDArray[np.str_] = np.empty(0, dtype=np.str_)


@dataclass(frozen=True)
class Known:
    """The cases whose outcome is known, and that outcome.

    Args:
        table: their raw record.
        target: 0 or 1 by case; for a time to event an array of ``STAY``.
        patients: patient id by case.
    """

    table: pd.DataFrame
    target: NDArray[Any]
    patients: NDArray[np.str_]


def known_cases(cases: Cases, outcome: Outcome) -> Known:
    """The cases that count for an outcome, with what happened to them.

    Raises:
        DataError: no targets were given, or a value that is not 0 or 1, or a stay below 0 days.
    """
    columns = target_columns(outcome)
    absent = [name for name in columns if cases.targets is None or name not in cases.targets]
    if cases.targets is None or absent:
        raise DataError(
            f"Fitting {outcome.name!r} needs the column {absent[0]!r} of the outcomes, which was not given.",
            do="Give the cases with their targets.",
            code="TAB_MISSING_COL",
        )
    targets = cases.targets[list(columns)]
    rows = targets.notna().all(axis=1).to_numpy()
    values = targets[rows].to_numpy(dtype=float)
    target = _stays(outcome, values) if outcome.kind == "time_to_event" else _flags(outcome, values[:, 0])
    return Known(cases.table[rows], target, cases.patients[rows].astype(str).to_numpy(dtype=np.str_))


def _flags(outcome: Outcome, values: Numbers) -> NDArray[np.int64]:
    if not np.isin(values, (0.0, 1.0)).all():
        raise DataError(f"Outcome {outcome.name!r} holds values besides 0 and 1.", do="Code it 1 for the event, else 0.")
    return values.astype(np.int64)


def _stays(outcome: Outcome, values: Numbers) -> NDArray[Any]:
    days, event = values[:, 0], values[:, 1]
    if (days < 0).any() or not np.isin(event, (0.0, 1.0)).all():
        raise DataError(
            f"Outcome {outcome.name!r} needs days from 0 up and an event of 0 or 1.", do="Mend the days or the event column."
        )
    stays = np.zeros(len(days), dtype=STAY)
    # A part of a day counts as the day that it reaches; what comes after the last day is only known to be later.
    stays["days"] = np.minimum(np.ceil(days), LAST_DAY + 1)
    stays["event"] = (event == 1) & (stays["days"] <= LAST_DAY)
    return stays


def refuse_one_class(outcome: Outcome, target: NDArray[Any]) -> None:
    """Nothing, if there is something to tell apart.

    Raises:
        TrainingError: all cases had the event, or none had.
    """
    events = target["event"] if target.dtype == STAY else target
    if not events.any() or (target.dtype != STAY and events.all()):
        raise TrainingError(
            f"Outcome {outcome.name!r} has {int(events.sum())} events among {len(events)} training cases.",
            do="Leave this outcome out, or give more cases.",
            code="ONE_CLASS",
        )


def predictor_fields(cases: Cases) -> tuple[Field, ...]:
    """The fields that a predictor may learn from: those of the codebook that stand in the table.

    Raises:
        LeakageError: a field known only during or after the operation.
        DataError: a described column is absent.
    """
    fields = cases.codebook.require_predictors(cases.codebook.names)
    require_columns(cases.table, fields)
    if not fields:
        raise DataError("The cases hold no column to predict from.", do="Give the columns of the inputs this model reads.")
    return fields


def require_columns(table: pd.DataFrame, fields: Sequence[Field]) -> None:
    """Nothing, if the table holds every field.

    Raises:
        DataError: names the first that is absent.
    """
    absent = [field.name for field in fields if field.name not in table]
    if absent:
        near = did_you_mean(absent[0], [str(column) for column in table.columns])
        raise DataError(
            f"The table has no column {absent[0]!r}, which this model reads.",
            do=f"Add it (empty values are allowed). {near}",
            code="TAB_MISSING_COL",
        )


def settings(options: Mapping[str, object], defaults: Mapping[str, Any], model: str) -> dict[str, Any]:
    """The defaults of a model with the recipe's options laid over them.

    Raises:
        RecipeError: an unknown option, or one of another type.
    """
    for key, value in options.items():
        if key not in defaults:
            raise RecipeError(f"Model {model!r} has no option {key!r}.", do=did_you_mean(key, defaults), code="RECIPE_KEY")
        number = isinstance(defaults[key], (int, float))
        fits = isinstance(value, (int, float)) and not isinstance(value, bool) if number else isinstance(value, str)
        if not fits:
            expected = "a number" if number else "text"
            raise RecipeError(
                f"Model {model!r}: option {key!r} was given {value!r}; expected {expected}.",
                do="Mend that option.",
                code="RECIPE_VALUE",
            )
    return {**defaults, **options}


def as_numbers(values: pd.Series) -> Numbers:
    """A column as numbers; NaN where a value is missing or is no number."""
    if values.dtype != np.float64:
        values = pd.to_numeric(values, errors="coerce")
    numbers = values.to_numpy(dtype=float, na_value=np.nan)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def as_texts(values: pd.Series) -> NDArray[np.str_]:
    """A column as text, whole numbers without a decimal point; empty where a value is missing."""
    texts = [
        "" if pd.isna(value) else str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
        for value in values
    ]
    return np.array(texts, dtype=np.str_)


@dataclass(frozen=True)
class Column:
    """One number made from a field: its value, whether it is ``level``, or whether it is missing."""

    field: str
    part: str
    level: str = ""

    @property
    def name(self) -> str:
        return self.field if self.part == "value" else f"{self.field}={self.level or 'missing'}"

    def made_from(self, numbers: Numbers, texts: NDArray[np.str_]) -> Numbers:
        """The column before filling and scaling, from its field read as numbers and as text."""
        if self.part == "level":
            return (texts == self.level).astype(np.float64)
        return np.isnan(numbers).astype(np.float64) if self.part == "missing" else numbers


def _read(table: pd.DataFrame, columns: Sequence[Column]) -> list[Numbers]:
    """Each column before filling and scaling; every field is read once."""
    levels = {column.field for column in columns if column.part == "level"}
    texts = {name: as_texts(table[name]) for name in levels}
    numbers = {name: as_numbers(table[name]) for name in {column.field for column in columns} - levels}
    return [column.made_from(numbers.get(column.field, NO_NUMBERS), texts.get(column.field, NO_TEXTS)) for column in columns]


class RecordEncoder(TransformerMixin, BaseEstimator):
    """Numbers from a raw table, by its codebook.

    A category becomes one column per level of the codebook; a missing or unknown value belongs to none. A number keeps one
    column; with ``fill`` a missing value becomes the training median and a second column says that it was missing.
    Columns that do not vary in training are left out.

    Numbers are divided by two standard deviations, so that a penalty treats them and yes-or-no columns alike.

    Args:
        fields: what the table means.
        fill: replace missing numbers (a tree needs no replacement).
        scale: centre and scale numbers.
        fewest: a yes-or-no column needs that many of each kind, else it is left out.

    Raises:
        TrainingError: no column varies among the training cases.

    Reference: Gelman, Stat Med 2008, 10.1002/sim.3107 (two standard deviations).
    """

    def __init__(self, fields: tuple[Field, ...] = (), fill: bool = True, scale: bool = True, fewest: int = 1) -> None:
        self.fields = fields
        self.fill = fill
        self.scale = scale
        self.fewest = fewest

    def fit(self, table: pd.DataFrame, target: object = None) -> RecordEncoder:
        require_columns(table, self.fields)
        columns = [column for field in self.fields for column in self._columns(field)]
        raw = _read(table, columns)
        varying = [i for i, values in enumerate(raw) if self._varies(values)]
        if not varying:
            raise TrainingError(
                f"None of the {len(self.fields)} predictors varies among the {len(table)} training cases.",
                do="Give more cases or other predictors.",
                code="NO_VARIATION",
            )
        self.columns_ = tuple(columns[i] for i in varying)
        self._learn(np.column_stack([raw[i] for i in varying]))
        return self

    def _columns(self, field: Field) -> list[Column]:
        if field.kind == "category":
            return [Column(field.name, "level", level) for level in field.values]
        value = Column(field.name, "value")
        return [value, Column(field.name, "missing")] if self.fill else [value]

    def _varies(self, values: Numbers) -> bool:
        seen = values[~np.isnan(values)]
        if len(seen) == 0:
            return False
        ones = int((seen == 1).sum())
        if np.isin(seen, (0.0, 1.0)).all() and 0 < min(ones, len(seen) - ones) < self.fewest:
            return False
        return bool(seen.min() < seen.max()) or (not self.fill and len(seen) < len(values))

    def _learn(self, raw: Numbers) -> None:
        numbers = np.array([column.part == "value" for column in self.columns_])
        self.fills_ = np.where(numbers, np.nanmedian(raw, axis=0), 0.0) if self.fill else np.full(len(numbers), np.nan)
        filled = np.where(np.isnan(raw), self.fills_, raw)
        yes_or_no = np.isin(filled, (0.0, 1.0)).all(axis=0)
        scaled = np.array(self.scale) & numbers & ~yes_or_no
        self.centres_ = np.where(scaled, filled.mean(axis=0), 0.0)
        self.scales_ = np.where(scaled, 2.0 * filled.std(axis=0), 1.0)
        self.scales_[self.scales_ == 0] = 1.0

    def transform(self, table: pd.DataFrame) -> Numbers:
        used = {column.field for column in self.columns_}
        require_columns(table, [field for field in self.fields if field.name in used])
        raw = np.column_stack(_read(table, self.columns_))
        return (np.where(np.isnan(raw), self.fills_, raw) - self.centres_) / self.scales_

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.str_]:
        """Names of the columns made: the field, ``field=level`` or ``field=missing``."""
        return np.array([column.name for column in self.columns_], dtype=np.str_)

    def export(self) -> Artifact:
        """Everything ``revive`` needs."""
        return Artifact(
            plain={
                "fields": Codebook(self.fields).to_plain(),
                "fill": self.fill,
                "scale": self.scale,
                "fewest": self.fewest,
                "columns": [asdict(column) for column in self.columns_],
            },
            arrays={"fills": self.fills_, "centres": self.centres_, "scales": self.scales_},
        )

    @staticmethod
    def revive(kept: Artifact) -> RecordEncoder:
        """The fitted encoder that ``export`` kept."""
        plain: Mapping[str, Any] = kept.plain
        encoder = RecordEncoder(Codebook.from_plain(plain["fields"]).fields, plain["fill"], plain["scale"], plain["fewest"])
        encoder.columns_ = tuple(Column(**column) for column in plain["columns"])
        encoder.fills_, encoder.centres_, encoder.scales_ = (kept.arrays[key] for key in ("fills", "centres", "scales"))
        return encoder

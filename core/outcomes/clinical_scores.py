"""Scores that surgeons count by hand: fixed points, and one learned line from points to chance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

from core.contracts.codebook import Codebook, Field
from core.contracts.forecast import Artifact
from core.errors import DataError, TrainingError
from core.imaging.anatomy import ALMOST_NOTHING
from core.outcomes._preprocessing import Numbers, as_numbers, require_columns
from core.outcomes._tuning import Settings
from core.outcomes.recovery import CoxModel
from core.outcomes.tabular import Learner, LogisticModel, tabular_spec

Steps = tuple[tuple[float, float], ...]
"""Points by value: (from this value on, so many points), rising; below the first there are none."""


@dataclass(frozen=True)
class Factor:
    """One line of a score.

    Args:
        label: what people read.
        names: columns that may hold it, the first one present is taken.
        points: from the column's numbers, in the factor's unit, to points.
        unit: "mm", "years", "points"; a column in cm is read as mm.
        reference: the published score it is taken from.
    """

    label: str
    names: tuple[str, ...]
    points: Callable[[Numbers], Numbers]
    unit: str = ""
    reference: str = ""

    def find(self, fields: tuple[Field, ...]) -> Field | None:
        """The field that holds this factor, or None."""
        by_name = {field.name: field for field in fields}
        return next((by_name[name] for name in self.names if name in by_name), None)

    def count(self, table: pd.DataFrame, source: Field) -> Numbers:
        """Points by case; NaN where the value is missing."""
        values = as_numbers(table[source.name])
        in_centimetres = self.unit == "mm" and (source.unit == "cm" or source.name.endswith("_cm"))
        return self.points(values * 10.0 if in_centimetres else values)


def _stepped(steps: Steps) -> Callable[[Numbers], Numbers]:
    return partial(_step, steps)


def _step(steps: Steps, values: Numbers) -> Numbers:
    edges, points = np.array([edge for edge, _ in steps]), np.array([0.0, *(points for _, points in steps)])
    found = points[np.searchsorted(edges, np.nan_to_num(values), side="right")]
    return np.where(np.isnan(values), np.nan, found)


def _as_counted(values: Numbers) -> Numbers:
    return np.maximum(values, 0.0)


_ABOVE = 1e-9
"""Published limits such as "4 cm or less" include their end, so the next step begins just above it."""

AGE = Factor(
    "Age",
    ("age_years", "age", "age_at_nephrectomy", "age_at_surgery_years", "age_at_surgery"),
    _stepped(((50, 1), (60, 2), (70, 3), (80, 4))),
    unit="years",
    reference="Charlson 1994, 10.1016/0895-4356(94)90129-5: one point per decade from 50",
)
COMORBIDITY = Factor(
    "Comorbidity index",
    ("comorbidity_index", "charlson_index", "charlson_comorbidity_index", "cci"),
    _as_counted,
    unit="points",
    reference="Charlson 1987, 10.1016/0021-9681(87)90171-8: its own points",
)
SIZE_NAMES = ("radiographic_size_mm", "radiographic_size_cm", "radiographic_size", "tumour_size_mm", "tumor_size_mm")
MEASURED_SIZE_NAMES = ("tumour_diameter_mm", "tumour_max_diameter_mm", "tumour_axial_diameter_mm")
SIZE = Factor(
    "Tumour size",
    SIZE_NAMES + MEASURED_SIZE_NAMES,
    _stepped(((0, 1), (40 + _ABOVE, 2), (70, 3))),
    unit="mm",
    reference="R.E.N.A.L., Kutikov 2009, 10.1016/j.juro.2009.05.035, part R: up to 4 cm 1, under 7 cm 2, from 7 cm 3",
)
MEASURED_SIZE = Factor("Tumour size", MEASURED_SIZE_NAMES, SIZE.points, unit="mm", reference=SIZE.reference)
NEARNESS = Factor(
    "Nearness",
    ("nearness_mm", "tumour_nearness_mm", "sinus_distance_mm", "tumour_sinus_distance_mm"),
    _stepped(((-np.inf, 3), (4 + _ABOVE, 2), (7, 1))),
    unit="mm",
    reference="R.E.N.A.L., Kutikov 2009, 10.1016/j.juro.2009.05.035, part N: from 7 mm 1, above 4 mm 2, up to 4 mm 3",
)
GROWTH = Factor(
    "Share of the tumour outside the kidney",
    ("exophytic_share", "tumour_exophytic_share", "exophytic_fraction"),
    _stepped(((-np.inf, 3), (ALMOST_NOTHING, 2), (0.5, 1))),
    reference="R.E.N.A.L., Kutikov 2009, 10.1016/j.juro.2009.05.035, part E: half or more outside 1, less 2, none 3",
)
MEASURED_POINTS = Factor(
    "Nephrometry points",
    ("nephrometry_points",),
    _as_counted,
    unit="points",
    reference="R.E.N.A.L., Kutikov 2009, 10.1016/j.juro.2009.05.035; PADUA, Ficarra 2009, 10.1016/j.eururo.2009.07.040",
)

CLINICAL_FACTORS = (AGE, COMORBIDITY, SIZE, NEARNESS)
NEPHROMETRY_FACTORS = (MEASURED_SIZE, GROWTH, NEARNESS)


@dataclass(frozen=True)
class Line:
    """A factor of a score and the field that holds it."""

    factor: Factor
    source: Field


class PointScore(TransformerMixin, BaseEstimator):
    """One column: the sum of fixed points over the factors that the table holds.

    The only thing learned is the usual number of points of each factor (training median), for a missing value.

    Args:
        fields: what the table means.
        factors: lines of the score; a factor without a column is left out.

    Raises:
        DataError: the table holds none of the factors.
        TrainingError: all training cases have the same points.
    """

    def __init__(self, fields: tuple[Field, ...] = (), factors: tuple[Factor, ...] = ()) -> None:
        self.fields = fields
        self.factors = factors

    def fit(self, table: pd.DataFrame, target: object = None) -> PointScore:
        self.lines_ = self._find_lines()
        points = [line.factor.count(table, line.source) for line in self.lines_]
        self.usual_ = np.array([np.nanmedian(p) if np.isfinite(p).any() else 0.0 for p in points])
        total = self._total(table)
        self.centre_, self.width_ = float(total.mean()), float(total.std())
        if self.width_ == 0:
            raise TrainingError(
                f"All {len(table)} training cases have the same points.", do="Give more cases.", code="NO_VARIATION"
            )
        return self

    def _find_lines(self) -> tuple[Line, ...]:
        found = [Line(factor, source) for factor in self.factors if (source := factor.find(self.fields)) is not None]
        if not found:
            looked_for = "; ".join(f"{factor.label}: {', '.join(factor.names)}" for factor in self.factors)
            raise DataError(
                f"The score finds none of its factors in the table (looked for {looked_for}).",
                do="Give one of these names to a column of the data set, or leave this model out.",
                code="NO_FACTOR",
            )
        return tuple(found)

    def _total(self, table: pd.DataFrame) -> Numbers:
        require_columns(table, [line.source for line in self.lines_])
        points = np.column_stack([line.factor.count(table, line.source) for line in self.lines_])
        return np.where(np.isnan(points), self.usual_, points).sum(axis=1)

    def points(self, table: pd.DataFrame) -> Numbers:
        """The score itself, shape (cases,): what a surgeon would count."""
        return self._total(table)

    def transform(self, table: pd.DataFrame) -> Numbers:
        return ((self._total(table) - self.centre_) / self.width_)[:, None]

    def get_feature_names_out(self, input_features: object = None) -> Any:
        """The one name."""
        return np.array(["points"], dtype=np.str_)

    def export(self) -> Artifact:
        """Which columns were found, and what was learned."""
        return Artifact(
            plain={"fields": Codebook(tuple(line.source for line in self.lines_)).to_plain()},
            arrays={"usual": self.usual_, "centre_and_width": np.array([self.centre_, self.width_])},
        )


def _revive_score(factors: tuple[Factor, ...], kept: Artifact) -> PointScore:
    plain: Any = kept.plain
    score = PointScore(Codebook.from_plain(plain["fields"]).fields, factors)
    score.lines_ = score._find_lines()
    score.usual_ = kept.arrays["usual"]
    score.centre_, score.width_ = (float(value) for value in kept.arrays["centre_and_width"])
    return score


def _nephrometry(fields: tuple[Field, ...]) -> PointScore:
    """The points that the data set counted itself, else the parts that it measured."""
    counted = MEASURED_POINTS.find(fields) is not None
    return PointScore(fields, (MEASURED_POINTS,) if counted else NEPHROMETRY_FACTORS)


def _clinical(fields: tuple[Field, ...]) -> PointScore:
    return PointScore(fields, CLINICAL_FACTORS)


def _line(chosen: Settings, seed: int) -> LogisticModel:
    # One column of standardised points: so weak a penalty only keeps a line finite where points part the cases fully.
    return LogisticModel(C=10.0, max_iter=1000)


def _time_line(chosen: Settings, seed: int) -> CoxModel:
    return CoxModel(ridge=0.1)


def _learners(encode: Callable[[tuple[Field, ...]], PointScore], factors: tuple[Factor, ...]) -> dict[Any, Learner]:
    revive = partial(_revive_score, factors)
    return {
        "binary": Learner(encode, _line, revive=(revive, LogisticModel.revive)),
        "time_to_event": Learner(encode, _time_line, revive=(revive, CoxModel.revive)),
    }


_CLINICAL_SCORE = replace(
    tabular_spec(
        "clinical_score",
        "Clinical score",
        "traditional",
        ("record", "anatomy"),
        _learners(_clinical, CLINICAL_FACTORS),
        "Fixed points for age, comorbidity (Charlson), tumour size and nearness (R.E.N.A.L.), and one line from their sum.",
        "10.1016/j.juro.2009.05.035; 10.1016/0021-9681(87)90171-8; 10.1016/0895-4356(94)90129-5",
        variants=False,
    ),
    optional_inputs=("anatomy",),
)

PLUGINS = (
    _CLINICAL_SCORE,
    tabular_spec(
        "nephrometry_score",
        "Nephrometry score from masks",
        "traditional",
        ("anatomy",),
        _learners(_nephrometry, (MEASURED_POINTS, *NEPHROMETRY_FACTORS)),
        "Points for size, growth and nearness measured from the masks, in the manner of R.E.N.A.L. and PADUA, and one line.",
        "10.1016/j.juro.2009.05.035; 10.1016/j.eururo.2009.07.040",
        variants=False,
    ),
)

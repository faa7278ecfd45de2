"""Made-up patients for tests of the predictors: a known mechanism, no patient anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.contracts.codebook import Codebook, Field, Level
from core.contracts.cohort import Cases
from core.contracts.outcome import Outcome

COMPLICATION = Outcome("complication", "Complication", "binary", "Any complication.", desirable=False)
SUCCESS = Outcome("success", "Success", "binary", "All went well.", desirable=True)
LONG_STAY = Outcome("long_stay", "Long stay", "binary", "Five days or more.", desirable=False)
RECOVERY = Outcome("recovery", "Home", "time_to_event", "Days until home.", desirable=True, days=(1, 3, 7))
OUTCOMES = (COMPLICATION, SUCCESS, LONG_STAY, RECOVERY)


def _levels(*values: str) -> tuple[Level, ...]:
    return tuple(Level(value, value.capitalize()) for value in values)


CODEBOOK = Codebook(
    (
        Field("age_years", "Age", "number", "before", unit="years", low=18, high=110),
        Field("bmi", "Body mass index", "number", "before", unit="kg/m2"),
        Field("comorbidity_index", "Comorbidity", "integer", "before"),
        Field("diabetes", "Diabetes", "flag", "before"),
        Field("smoking", "Smoking", "category", "before", levels=_levels("never", "former", "current")),
        Field("radiographic_size_mm", "Tumour size", "number", "before", unit="mm"),
        Field(
            "surgery_type",
            "Kind of surgery",
            "category",
            "during",
            block="procedure",
            levels=_levels("open", "laparoscopic", "robotic"),
            stands_in_for_plan=True,
        ),
        Field("tumour_ml", "Tumour volume", "number", "before", block="anatomy", unit="ml"),
        Field("nearness_mm", "Nearness", "number", "before", block="anatomy", unit="mm"),
        Field("nephrometry_points", "Nephrometry points", "integer", "before", block="anatomy"),
    )
)


@dataclass(frozen=True)
class BallImages:
    """Prepared pictures: a ball whose radius follows the tumour's size, in one channel."""

    radii: pd.Series
    edge: int = 16

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return 1, self.edge, self.edge, self.edge

    @property
    def channels(self) -> tuple[str, ...]:
        return ("tumour",)

    def arrays(self, case_ids: Sequence[str]) -> NDArray[np.float32]:
        axis = np.arange(self.edge) - self.edge / 2
        distance = np.sqrt(sum(part**2 for part in np.meshgrid(axis, axis, axis)))
        radii = self.radii.loc[list(case_ids)].to_numpy()[:, None, None, None, None]
        return (distance[None, None] <= radii).astype(np.float32)


def made_up_cases(n: int = 120, seed: int = 1, missing: float = 0.1, images: bool = False) -> Cases:
    """Patients whose risk of a complication rises with age, comorbidity and size, and whose stay is long when open."""
    rng = np.random.default_rng(seed)
    ids = pd.Index([f"case_{i:04d}" for i in range(n)], name="case_id")
    age, size = rng.normal(62, 11, n).clip(20, 90), rng.gamma(4, 11, n)
    index, open_surgery = rng.poisson(1.5, n), rng.random(n) < 0.4
    pull = 1.6 * ((age - 62) / 11 + 0.8 * (index - 1.5) + 0.6 * (size - 44) / 22)
    table = pd.DataFrame(
        {
            "age_years": age,
            "bmi": rng.normal(28, 4, n),
            "comorbidity_index": index,
            "diabetes": (rng.random(n) < 0.2).astype(int),
            "smoking": rng.choice(["never", "former", "current"], n),
            "radiographic_size_mm": size,
            "surgery_type": np.where(open_surgery, "open", rng.choice(["laparoscopic", "robotic"], n)),
            "tumour_ml": size**3 / 2000,
            "nearness_mm": rng.uniform(0, 12, n),
            "nephrometry_points": np.digitize(size, (40, 70)) + rng.integers(1, 4, n),
        },
        index=ids,
    )
    for name in ("bmi", "smoking", "radiographic_size_mm"):
        table[name] = table[name].where(rng.random(n) >= missing)
    pictures = BallImages(pd.Series(1 + size / 15, index=ids)) if images else None
    return Cases(table, CODEBOOK, pd.Series(ids, index=ids), _targets(ids, pull, open_surgery, rng), pictures)


def _targets(ids: pd.Index, pull: NDArray[np.float64], is_open: NDArray[np.bool_], rng: np.random.Generator) -> pd.DataFrame:
    n = len(ids)
    complication = (rng.random(n) < 1 / (1 + np.exp(1 - pull))).astype(float)
    days = np.floor(rng.exponential(1.5, n) * (1 + 2.5 * is_open) * np.exp(0.2 * pull)).clip(0, 90)
    event = np.ones(n)
    days[:2], event[:2] = np.inf, 0.0
    success = 1 - complication
    success[: n // 5] = np.nan
    return pd.DataFrame(
        {
            "complication": complication,
            "success": success,
            "long_stay": (days >= 5).astype(float),
            "recovery_days": days,
            "recovery_event": event,
        },
        index=ids,
    )


def blocks(cases: Cases, *names: str) -> Cases:
    """The cases with the columns of these blocks, as a study hands them over."""
    return cases.columns(names)


def without_targets(cases: Cases) -> Cases:
    """The cases as a predictor meets them later."""
    return Cases(cases.table, cases.codebook, cases.patients, None, cases.images)


def with_table(cases: Cases, table: pd.DataFrame) -> Cases:
    """The same cases with another record."""
    return Cases(table, cases.codebook, cases.patients, cases.targets, cases.images)


def with_targets(cases: Cases, targets: pd.DataFrame) -> Cases:
    """The same cases with other outcomes."""
    return Cases(cases.table, cases.codebook, cases.patients, targets, cases.images)

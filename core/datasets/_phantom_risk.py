"""The mechanism: how a patient's facts become risks, and risks become outcomes.

On the log-odds scale every binary risk is ``intercept + site + record part + image part + interaction part``, and each part
is a weighted sum of the terms below; for the stay in hospital the same sum stands on the scale of log days. All numbers are
fixed: no risk depends on who else is in the cohort.

Complications have grades. One latent value (the log-odds plus logistic noise) crosses three lines: any complication, a major
one, death in hospital; so the lines differ by a constant and the grades are nested. A complication lengthens the stay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtr

Array = NDArray[np.float64]
Part = Literal["record", "image", "interaction"]
PARTS: tuple[Part, ...] = ("record", "image", "interaction")
RECOVERY_DAYS = (1, 2, 3, 5, 7, 14)
LAST_DAY = 60

NEAR_MM = 10.0
MAJOR_SHIFT = 1.85
DEATH_SHIFT = 4.7
STAY_SPREAD = 0.40
STAY_AFTER = (0.0, 0.32, 0.85)
"""What no, a minor and a major complication add to the log of the days in hospital."""


@dataclass(frozen=True)
class Term:
    """One cause: a number about 0 for the average patient, made from what is true of the patient."""

    name: str
    part: Part
    meaning: str
    value: Callable[[pd.DataFrame], Array]


def _column(facts: pd.DataFrame, name: str) -> Array:
    values: Array = facts[name].to_numpy(dtype=float)
    return values


def _nearness(facts: pd.DataFrame) -> Array:
    nearness: Array = np.exp(-_column(facts, "tumour_to_vessel_mm") / NEAR_MM) - 0.56
    return nearness


def _inside(facts: pd.DataFrame) -> Array:
    return _column(facts, "tumour_inside_share") - 0.68


def _comorbidity(facts: pd.DataFrame) -> Array:
    return _column(facts, "comorbidity_index") - 1.55


def _anticoagulation(facts: pd.DataFrame) -> Array:
    return _column(facts, "anticoagulation") - 0.17


def _obesity(facts: pd.DataFrame) -> Array:
    return _column(facts, "bmi").clip(28) / 5 - 6.05


def _severe(facts: pd.DataFrame) -> Array:
    return (_column(facts, "asa") >= 3).astype(np.float64) - 0.37


def _size(facts: pd.DataFrame) -> Array:
    size: Array = np.log(_column(facts, "tumour_mm") / 30.0) / 0.4
    return size


def _small_other(facts: pd.DataFrame) -> Array:
    return (1.0 - _column(facts, "kidney_scale")) / 0.11


def _low_egfr(facts: pd.DataFrame) -> Array:
    return (80.0 - _column(facts, "egfr")) / 20.0


TERMS: tuple[Term, ...] = (
    Term("age", "record", "each 10 years above 63", lambda f: (_column(f, "age") - 63) / 10),
    Term("comorbidity", "record", "each point of the comorbidity index above the average", _comorbidity),
    Term("asa", "record", "ASA class 3 or 4", _severe),
    Term("obesity", "record", "each 5 kg/m2 above 28", _obesity),
    Term("smoking", "record", "smokes now", lambda f: (f["smoking"] == "current").to_numpy(dtype=float) - 0.17),
    Term("diabetes", "record", "diabetes", lambda f: _column(f, "diabetes") - 0.21),
    Term("anaemia", "record", "each 10 g/L of haemoglobin below 131", lambda f: (131 - _column(f, "haemoglobin")) / 10),
    Term("albumin", "record", "each 4 g/L of albumin below 41", lambda f: (41 - _column(f, "albumin")) / 4),
    Term("egfr", "record", "each 20 mL/min/1.73 m2 of eGFR below 80", _low_egfr),
    Term("size", "record", "log of the diameter over 30 mm", _size),
    Term("anticoagulation", "record", "takes anticoagulants", _anticoagulation),
    Term("emergency", "record", "came as an emergency transfer", lambda f: _column(f, "emergency") - 0.19),
    Term("nearness", "image", "tumour near a vessel: exp(-gap / 10 mm)", _nearness),
    Term("inside", "image", "share of the tumour inside the organ's outline", _inside),
    Term("other_kidney", "image", "smallness of the healthy organ", _small_other),
    Term(
        "nearness_x_anticoagulation",
        "interaction",
        "near a vessel AND anticoagulated",
        lambda f: _nearness(f) * _anticoagulation(f),
    ),
    Term("nearness_x_comorbidity", "interaction", "near a vessel AND ill", lambda f: _nearness(f) * _comorbidity(f)),
    Term("inside_x_egfr", "interaction", "deep inside AND low eGFR", lambda f: _inside(f) * _low_egfr(f)),
)


@dataclass(frozen=True)
class Mechanism:
    """The numbers of one outcome: intercept, what a site adds, and the weight of each term that counts."""

    intercept: float
    sites: Mapping[str, float]
    weights: Mapping[str, float]


MECHANISMS: Mapping[str, Mechanism] = {
    "complication": Mechanism(
        -1.25,
        {"north": -0.15, "harbour": 0.0, "valley": 0.25},
        {
            "age": 0.10,
            "comorbidity": 0.18,
            "asa": 0.35,
            "obesity": 0.22,
            "smoking": 0.50,
            "anaemia": 0.20,
            "albumin": 0.22,
            "size": 0.22,
            "anticoagulation": 0.30,
            "emergency": 0.25,
            "nearness": 1.8,
            "inside": 1.25,
            "nearness_x_anticoagulation": 2.8,
            "nearness_x_comorbidity": 0.85,
        },
    ),
    "success": Mechanism(
        0.50,
        {"north": 0.15, "harbour": 0.0, "valley": -0.15},
        {
            "comorbidity": -0.14,
            "asa": -0.25,
            "obesity": -0.25,
            "size": -0.65,
            "egfr": -0.25,
            "emergency": -0.30,
            "nearness": -1.3,
            "inside": -1.6,
            "nearness_x_comorbidity": -0.35,
        },
    ),
    "kidney_function_loss": Mechanism(
        -1.66,
        {"north": -0.10, "harbour": 0.05, "valley": 0.10},
        {
            "age": 0.15,
            "diabetes": 0.45,
            "egfr": 0.80,
            "size": 0.35,
            "inside": 1.2,
            "other_kidney": 0.50,
            "inside_x_egfr": 0.9,
        },
    ),
    "recovery": Mechanism(
        1.26,
        {"north": -0.10, "harbour": 0.0, "valley": 0.12},
        {
            "age": 0.06,
            "comorbidity": 0.03,
            "asa": 0.08,
            "albumin": 0.08,
            "anaemia": 0.04,
            "size": 0.06,
            "emergency": 0.18,
            "nearness": 0.22,
            "nearness_x_comorbidity": 0.06,
        },
    ),
}
CORRELATION = np.array([[1.0, -0.40, 0.15], [-0.40, 1.0, -0.25], [0.15, -0.25, 1.0]])
"""Of what is left to chance in complication, success and loss of kidney function, in one patient."""


def term_values(facts: pd.DataFrame) -> pd.DataFrame:
    """Every term of every patient."""
    return pd.DataFrame({term.name: term.value(facts) for term in TERMS}, index=facts.index)


def true_parts(facts: pd.DataFrame) -> pd.DataFrame:
    """The additive parts of each outcome (``<outcome>_intercept``, ``_site``, ``_record``, ``_image``, ``_interaction``).

    ``<outcome>_term_<term>`` is what one term adds to its part. Log-odds for binary outcomes, log days for ``recovery``.
    """
    values = term_values(facts)
    columns: dict[str, Array] = {}
    for outcome, mechanism in MECHANISMS.items():
        columns[f"{outcome}_intercept"] = np.full(len(facts), mechanism.intercept)
        columns[f"{outcome}_site"] = facts["site"].map(dict(mechanism.sites)).to_numpy(dtype=float)
        weighted = {name: values[name].to_numpy() * weight for name, weight in mechanism.weights.items()}
        for part in PARTS:
            chosen = [weighted[term.name] for term in TERMS if term.part == part and term.name in weighted]
            columns[f"{outcome}_{part}"] = np.sum(chosen, axis=0)
        columns.update({f"{outcome}_term_{name}": added for name, added in weighted.items()})
    return pd.DataFrame(columns, index=facts.index).round(9)


def log_odds(parts: pd.DataFrame, outcome: str) -> Array:
    """The sum of an outcome's parts."""
    names = [f"{outcome}_{part}" for part in ("intercept", "site", *PARTS)]
    total: Array = parts[names].sum(axis=1).to_numpy()
    return total


def true_risks(parts: pd.DataFrame) -> pd.DataFrame:
    """The true chance of each binary outcome, of death in hospital, and of being home by each of ``RECOVERY_DAYS``."""
    complication = log_odds(parts, "complication")
    risks = {
        "complication_risk": expit(complication),
        "major_complication_risk": expit(complication - MAJOR_SHIFT),
        "death_risk": expit(complication - DEATH_SHIFT),
        "success_risk": expit(log_odds(parts, "success")),
        "kidney_function_loss_risk": expit(log_odds(parts, "kidney_function_loss")),
    }
    for day in RECOVERY_DAYS:
        risks[f"recovery_by_day_{day}"] = _home_by(day, parts, risks)
    return pd.DataFrame(risks, index=parts.index).round(9)


def _home_by(day: int, parts: pd.DataFrame, risks: Mapping[str, Array]) -> Array:
    """Over the grades: chance of the grade times chance of so short a stay; a death in hospital never goes home."""
    grades = (
        1 - risks["complication_risk"],
        risks["complication_risk"] - risks["major_complication_risk"],
        risks["major_complication_risk"] - risks["death_risk"],
    )
    centre = log_odds(parts, "recovery")
    shares = [grade * ndtr((np.log(day) - centre - after) / STAY_SPREAD) for grade, after in zip(grades, STAY_AFTER, strict=True)]
    total: Array = np.sum(shares, axis=0)
    return total


def draw_outcomes(parts: pd.DataFrame, egfr: pd.Series, draws: Array) -> pd.DataFrame:
    """What happened: one draw from each true risk.

    Args:
        parts: from ``true_parts``.
        egfr: as recorded before the operation; decides who is eligible for loss of kidney function.
        draws: standard normal, (patients, 4), from each patient's own stream.
    """
    chance = ndtr(draws[:, :3] @ np.linalg.cholesky(CORRELATION).T).clip(1e-12, 1 - 1e-12)
    latent = log_odds(parts, "complication") + logit(chance[:, 0])
    died = latent > DEATH_SHIFT
    lost = (logit(chance[:, 2]) + log_odds(parts, "kidney_function_loss") > 0).astype(float)
    days = _days(latent, log_odds(parts, "recovery"), draws[:, 3])
    return pd.DataFrame(
        {
            "complication": (latent > 0).astype(float),
            "major_complication": (latent > MAJOR_SHIFT).astype(float),
            "success": (logit(chance[:, 1]) + log_odds(parts, "success") > 0).astype(float),
            "recovery_days": np.where(died, np.inf, np.minimum(days, LAST_DAY)),
            "recovery_event": np.where(died | (days > LAST_DAY), 0.0, 1.0),
            "kidney_function_loss": np.where((egfr >= 45).to_numpy() & ~died, lost, np.nan),
        },
        index=parts.index,
    )


def _days(latent: Array, centre: Array, draw: Array) -> Array:
    after = np.array(STAY_AFTER)[(latent > 0).astype(int) + (latent > MAJOR_SHIFT)]
    days: Array = np.ceil(np.exp(centre + after + STAY_SPREAD * draw))
    return np.maximum(days, 1.0)

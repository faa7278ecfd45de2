"""How many patients it takes: to develop a model, and to judge one firmly.

Reference: Riley et al. 2019, 10.1002/sim.7992 (development, yes or no); Riley et al. 2021, 10.1002/sim.9025 (validation);
Hanley and McNeil 1982, 10.1148/radiology.143.1.7063747 (the error of an AUROC).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from core.contracts.codebook import Field
from core.contracts.metric import Array
from core.evaluation.comparisons import BASE_RATE
from core.evaluation.scoring import Measure, Scorer
from core.metrics import METRICS

Z95 = 1.959963984540054
HALF_WIDTH = 0.05
MOST_EVENTS = 10_000_000


@dataclass(frozen=True)
class Needed:
    """Events, and patients at the event rate given, behind an interval of the wanted width."""

    events: int
    patients: int


def auroc_standard_error(auroc: float, events: float, others: float) -> float:
    """Standard error of an AUROC (0 to 1) from its value and the two counts.

    Worked: 0.75 with 50 events and 50 others: 0.0488.
    Reference: Hanley and McNeil 1982, 10.1148/radiology.143.1.7063747
    """
    q1, q2 = auroc / (2 - auroc), 2 * auroc**2 / (1 + auroc)
    variance = auroc * (1 - auroc) + (events - 1) * (q1 - auroc**2) + (others - 1) * (q2 - auroc**2)
    return math.sqrt(max(variance, 0.0) / (events * others))


def events_needed(auroc: float, rate: float, half_width: float = HALF_WIDTH) -> Needed:
    """The fewest events, at an event rate between 0 and 1, for a 95 % interval of ± ``half_width``.

    An AUROC below 0.5 needs as many as its mirror image.
    """
    auroc = max(auroc, 1 - auroc)
    low, high = 1, MOST_EVENTS
    while low < high:
        middle = (low + high) // 2
        if Z95 * auroc_standard_error(auroc, middle, middle * (1 - rate) / rate) <= half_width:
            high = middle
        else:
            low = middle + 1
    return Needed(low, math.ceil(low / rate))


SHRINKAGE = 0.9
OPTIMISM = 0.05
RATE_WIDTH = 0.05
CUSTOMARY_R2 = 0.15
"""Share of the largest R² that is assumed where a model's own is not known: Riley et al. 2020, 10.1136/bmj.m441."""
OE_FACTOR = 1.25
SLOPE_HALF_WIDTH = 0.2


@dataclass(frozen=True)
class Criterion:
    """One demand and how many patients meet it.

    Args:
        phase: "development" or "validation"; demand: in words; patients, events: needed, at the event rate.
    """

    phase: str
    demand: str
    patients: int
    events: int


def largest_r2(rate: float) -> float:
    """The largest Cox-Snell R² that an outcome of that rate allows.

    Worked: a rate of 0.174: 0.603.
    """
    return 1 - (rate**rate * (1 - rate) ** (1 - rate)) ** 2


def development_criteria(parameters: int, rate: float, r2: float) -> list[Criterion]:
    """Riley's three criteria for a model of a yes or no: little shrinkage, little optimism, a firm overall rate.

    Worked: 24 parameters, rate 0.174, Cox-Snell R² 0.288: 623, 662 and 221 patients.

    Args:
        parameters: predictor parameters tried; rate: of the event, 0 to 1; r2: Cox-Snell R², above 0.
    """
    largest = largest_r2(rate)
    optimism = r2 / (r2 + OPTIMISM * largest)
    told = {
        f"coefficients shrink by at most {1 - SHRINKAGE:.0%}": _patients_for(parameters, r2, SHRINKAGE),
        f"R² is flattered by at most {OPTIMISM:.2f}": _patients_for(parameters, r2, optimism),
        f"the overall rate is known to ±{RATE_WIDTH:.2f}": (Z95 / RATE_WIDTH) ** 2 * rate * (1 - rate),
    }
    return [_criterion("development", demand, patients, rate) for demand, patients in told.items()]


def _patients_for(parameters: int, r2: float, shrinkage: float) -> float:
    """At which the expected shrinkage is that (0 to 1)."""
    return parameters / ((shrinkage - 1) * math.log(1 - r2 / shrinkage))


def validation_criteria(rate: float, auroc: float, risk: Array) -> list[Criterion]:
    """Patients for a firm AUROC, observed/expected and calibration slope of a model on new patients.

    Args:
        rate: of the event, 0 to 1; auroc: as expected there; risk: risks (0 to 1) spread as they will be there.
    """
    auroc_needs = events_needed(auroc, rate)
    told = {
        f"the AUROC is known to ±{HALF_WIDTH:.2f}": float(auroc_needs.patients),
        f"observed/expected is known within a factor of {OE_FACTOR:g}": (1 - rate) / (rate * (math.log(OE_FACTOR) / Z95) ** 2),
        f"the calibration slope is known to ±{SLOPE_HALF_WIDTH:g}": slope_unit_variance(risk) * (Z95 / SLOPE_HALF_WIDTH) ** 2,
    }
    return [_criterion("validation", demand, patients, rate) for demand, patients in told.items() if math.isfinite(patients)]


def slope_unit_variance(risk: Array) -> float:
    """Variance of the calibration slope times the number of patients, where the risks come true; infinite without a spread."""
    kept = np.clip(risk, 1e-6, 1 - 1e-6)
    line, information = np.log(kept / (1 - kept)), kept * (1 - kept)
    alone, both, slope = information.mean(), (information * line).mean(), (information * line**2).mean()
    left = alone * slope - both**2
    return float(alone / left) if left > 1e-9 else math.inf


def _criterion(phase: str, demand: str, patients: float, rate: float) -> Criterion:
    return Criterion(phase, demand, math.ceil(patients), math.ceil(patients * rate))


def sample_size_facts(scorer: Scorer, model: str, parameters: int) -> dict[str, Any] | None:
    """What pages say of the patients needed for a model, from its predictions on patients it had not seen; None without events.

    The R² is that of the gain in log loss over the base rate, 1 − exp(−2 · gain). Where there is no gain, 15 % of the
    largest R² is assumed, as is customary.

    Args:
        scorer: of the internal split, with rows of the base rate; parameters: predictor parameters of the model.

    Returns: model, r2, largest_r2, assumed (whether the R² is the customary one), parameters, n, n_events, criteria.
    """
    panel = scorer.panel
    n, n_events = panel.persons(scorer.everyone.cases), panel.persons_with_event(scorer.everyone.cases)
    if not {model, BASE_RATE} <= set(panel.answers) or not 0 < n_events < n:
        return None
    rate, risk = n_events / n, panel.answers[model].risk
    gain = float(np.nanmean(_loss(panel.y, panel.answers[BASE_RATE].risk)) - np.nanmean(_loss(panel.y, risk)))
    r2 = 1 - math.exp(-2 * gain) if gain > 0 else CUSTOMARY_R2 * largest_r2(rate)
    auroc = float(scorer.values_of_all(model, Measure(METRICS.get("auroc")))[0])
    criteria = [
        *development_criteria(parameters, rate, r2), *validation_criteria(rate, auroc, risk[np.isfinite(risk)]),
    ]  # fmt: skip
    return {
        "model": model, "parameters": parameters, "r2": r2, "largest_r2": largest_r2(rate), "assumed": gain <= 0, "n": n,
        "n_events": n_events, "criteria": [asdict(one) for one in criteria],
    }  # fmt: skip


def parameters_of(fields: Iterable[Field]) -> int:
    """Predictor parameters of a regression on these fields: one a number or flag, one fewer than levels a category."""
    return sum(max(len(field.values) - 1, 1) for field in fields)


def _loss(y: Array, risk: Array) -> Array:
    kept = np.clip(risk, 1e-4, 1 - 1e-4)
    return -np.where(y == 1, np.log(kept), np.log1p(-kept))

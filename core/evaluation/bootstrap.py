"""Intervals that resample patients, never rows.

One draw gives every patient a whole number: how often he or she stands in that replicate. The draw depends on the seed and
the set of patients alone, so all models, metrics, groups and repeats of a comparison share it, and a patient's
weight goes to all of his or her cases. A metric is taken within each repeat and averaged over repeats inside a replicate:
repeating a cross-validation does not make the interval narrower than the patients allow.

The interval answers for the patients who were sampled. Models are not fitted again, so what another training set would have
taught them is not in it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from core.contracts.metric import Array
from core.errors import DataError

LEVEL = 0.95
FEWEST_REPLICATES = 20
AT_ONCE = 64
NORMAL = NormalDist()

Counts = NDArray[np.uint8]


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval; NaN where undefined."""

    value: float
    low: float
    high: float
    n_undefined: int


def patient_seed(seed: int, patients: Sequence[str]) -> int:
    """A seed that depends on the study's seed and on who the patients are, not on their order."""
    text = f"{seed}\n" + "\n".join(sorted(set(map(str, patients))))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def case_counts(patients: NDArray[np.intp], replicates: int, seed: int) -> Counts:
    """How often each case counts, shape (cases, replicates + 1), one byte each; column 0 is the data as they are.

    A count stays below 256: with more patients than that, one of them is drawn so often less than once in 10^500 draws.

    Args:
        patients: for every case the number of its patient, from 0 without gaps.
        replicates: bootstrap samples, each as many patients as there are.

    Raises:
        DataError: no case, or fewer than one replicate.
    """
    if not len(patients) or replicates < 1:
        raise DataError("A bootstrap needs at least one case and one replicate.", do="Check which cases are eligible.")
    count = int(patients.max()) + 1
    by_patient = np.ones((count, replicates + 1), dtype=np.uint8)
    rng = np.random.default_rng(seed)
    # A few replicates at a time stay in the processor's cache, and come from the same stream of random numbers.
    for first in range(1, replicates + 1, AT_ONCE):
        block = by_patient[:, first : first + AT_ONCE]
        block[:] = _tallies(rng, count, block.shape[1]).T
    return by_patient if np.array_equal(patients, np.arange(count)) else by_patient[patients]


def _tallies(rng: np.random.Generator, count: int, replicates: int) -> NDArray[np.intp]:
    """How often each of ``count`` patients is drawn, shape (replicates, count)."""
    drawn = rng.integers(count, size=(replicates, count))
    drawn += np.arange(replicates)[:, None] * count
    return np.bincount(drawn.ravel(), minlength=replicates * count).reshape(replicates, count)


def case_weights(patients: NDArray[np.intp], replicates: int, seed: int) -> Array:
    """``case_counts`` as real numbers."""
    return case_counts(patients, replicates, seed).astype(np.float64)


def two_sided(values: Array) -> float:
    """p of a difference from its value and the spread of its bootstrap replicates, as of a normal estimate; NaN without spread.

    Args:
        values: first on the data as they are, then the replicates.
    """
    spread = float(np.nanstd(values[1:])) if np.isfinite(values[1:]).sum() > 1 else float("nan")
    if not np.isfinite(values[0]) or not spread > 0:
        return float("nan")
    return two_tails(float(values[0]) / spread)


def two_tails(z: float) -> float:
    """Chance that a standard normal number lies at least as far from 0 as ``z``."""
    return math.erfc(abs(z) / math.sqrt(2))


def interval_of(values: Array) -> Interval:
    """The percentile interval from a metric's values: first the data as they are, then the replicates.

    Replicates without a value are dropped and counted; with fewer than 20 left there is no interval.
    """
    value, replicates = float(values[0]), values[1:]
    defined = replicates[np.isfinite(replicates)]
    n_undefined = len(replicates) - len(defined)
    if not np.isfinite(value) or len(defined) < FEWEST_REPLICATES:
        return Interval(value if np.isfinite(value) else float("nan"), float("nan"), float("nan"), n_undefined)
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, float(low), float(high), n_undefined)


def bca_interval(values: Array, without: Array) -> Interval:
    """The interval by bias correction and acceleration (BCa) from a metric's values: first the data as they are, then replicates.

    The percentiles are moved by how many replicates lie below the value (bias) and by how lopsidedly single patients pull at it
    (acceleration). Replicates without a value are dropped and counted; there is no interval with fewer than 20 left, or where
    all of them lie on one side of the value.

    Args:
        without: the metric with each patient left out in turn, shape (patients,); see ``core.evaluation.jackknife``. Patients
            without whom it has no value are passed over.

    Reference: Efron 1987, 10.1080/01621459.1987.10478410
    """
    plain = interval_of(values)
    if not math.isfinite(plain.low):
        return plain
    defined = values[1:][np.isfinite(values[1:])]
    below = float(((defined < plain.value).mean() + (defined <= plain.value).mean()) / 2)
    if not 0 < below < 1:
        return replace(plain, low=math.nan, high=math.nan)
    low, high = np.quantile(defined, _moved(NORMAL.inv_cdf(below), acceleration(without)))
    return replace(plain, low=float(low), high=float(high))


def _moved(bias: float, speed: float) -> list[float]:
    """The shares of replicates below the ends of the interval."""
    ends = [bias + NORMAL.inv_cdf(share) for share in ((1 - LEVEL) / 2, (1 + LEVEL) / 2)]
    return [NORMAL.cdf(bias + end / (1 - speed * end)) for end in ends]


def acceleration(without: Array) -> float:
    """How fast the standard error of a metric changes with its true value; 0 where no patient makes a difference.

    Args:
        without: the metric with each patient left out in turn.

    Reference: Efron 1987, 10.1080/01621459.1987.10478410 (equation 7.3, by the jackknife)
    """
    known = without[np.isfinite(without)]
    pulls = known.mean() - known if len(known) else known
    spread = float((pulls**2).sum())
    return float((pulls**3).sum() / (6 * spread**1.5)) if spread > 0 else 0.0

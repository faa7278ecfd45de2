"""Whether stated risks come true: observed over expected, calibration intercept and slope."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.contracts.metric import Array, MetricSpec, Sample
from core.metrics._ratio import ratio

SMALLEST_RISK = 1e-6
FIRST_STEPS = 25
FURTHER_STEPS = 4
CONVERGED = 1e-3


def oe_ratio(sample: Sample, weights: Array) -> Array:
    """Events observed over events expected (the sum of the risks). Shape (replicates,).

    Direction: 1 is best; above 1 the model says too little, below 1 too much. Range: 0 upwards.
    Worked: 3 events where risks sum to 2: 1.5.
    Undefined: all risks are 0.
    Reference: Debray et al. 2017, 10.1136/bmj.i6460
    """
    return ratio(weights @ sample.y, weights @ sample.risk)


@dataclass(frozen=True)
class _Line:
    """Intercept and slope of outcome on logit(risk), by replicate; the last Newton step tells whether they stand."""

    intercept: Array
    slope: Array
    last_step: Array

    def kept(self, values: Array) -> Array:
        return np.where(np.isfinite(values) & (self.last_step < CONVERGED), values, np.nan)


def _logit(risk: Array) -> Array:
    risk = np.clip(risk, SMALLEST_RISK, 1 - SMALLEST_RISK)
    return np.log(risk) - np.log1p(-risk)


def _sums(weights: Array, x: Array) -> Array:
    """Moments 1, x, x² of some cases under each row of weights, shape (replicates, 3)."""
    return weights @ np.column_stack((np.ones_like(x), x, x * x))


def _newton_step(line: _Line, y: Array, x: Array, weights: Array, *, with_slope: bool) -> _Line:
    chance = 1 / (1 + np.exp(-(line.intercept[:, None] + line.slope[:, None] * x)))
    g0, g1 = ((weights * (y - chance)) @ np.column_stack((np.ones_like(x), x))).T
    h00, h01, h11 = _sums(weights * (chance * (1 - chance)), x).T
    if not with_slope:
        step = ratio(g0, h00)
        return _Line(line.intercept + step, line.slope, np.abs(step))
    determinant = h00 * h11 - h01 * h01
    determinant = np.where(determinant > 1e-10 * h00 * h11, determinant, 0.0)
    up, tilt = ratio(h11 * g0 - h01 * g1, determinant), ratio(h00 * g1 - h01 * g0, determinant)
    return _Line(line.intercept + up, line.slope + tilt, np.maximum(np.abs(up), np.abs(tilt)))


def _fit(sample: Sample, weights: Array, *, with_slope: bool) -> _Line:
    """Newton's method: first on the mean weights, then a few steps for every replicate from there."""
    x = _logit(sample.risk)
    start = _Line(np.zeros(1), np.ones(1), np.full(1, np.inf))
    together = weights.mean(axis=0, keepdims=True)
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(FIRST_STEPS):
            start = _newton_step(start, sample.y, x, together, with_slope=with_slope)
            if not start.last_step[0] > 1e-10:
                break
        shape = len(weights)
        line = _Line(np.repeat(start.intercept, shape), np.repeat(start.slope, shape), np.full(shape, np.inf))
        for _ in range(FURTHER_STEPS):
            line = _newton_step(line, sample.y, x, weights, with_slope=with_slope)
    return line


def _both_classes(sample: Sample, weights: Array) -> NDArray[np.bool_]:
    events = weights @ sample.y
    return (events > 0) & (events < weights.sum(axis=1))


def calibration_intercept(sample: Sample, weights: Array) -> Array:
    """Calibration in the large: the shift on the logit scale that makes the mean risk right. Shape (replicates,).

    Direction: 0 is best; above 0 the model says too little. Range: all numbers.
    Worked: risks of 0.5 where 3 of 4 had the event: logit(0.75) = 1.099.
    Undefined: all cases or none had the event.
    Reference: Van Calster et al. 2019, 10.1186/s12916-019-1466-7
    """
    line = _fit(sample, weights, with_slope=False)
    return np.where(_both_classes(sample, weights), line.kept(line.intercept), np.nan)


def calibration_slope(sample: Sample, weights: Array) -> Array:
    """Slope of the outcome on logit(risk): below 1 the risks are too extreme, above 1 too timid. Shape (replicates,).

    Direction: 1 is best. Range: all numbers.
    Undefined: all cases or none had the event, all risks alike, or risks that separate the two completely.
    Reference: Van Calster et al. 2019, 10.1186/s12916-019-1466-7
    """
    if np.ptp(sample.order) == 0:
        return np.full(len(weights), np.nan)
    line = _fit(sample, weights, with_slope=True)
    return np.where(_both_classes(sample, weights), line.kept(line.slope), np.nan)


PLUGINS = (
    MetricSpec(
        name="oe_ratio",
        label="Observed / expected",
        family="calibration",
        kinds=("binary",),
        aim="one",
        low=0.0,
        high=float("inf"),
        description="Events seen over events expected; above 1 the model says too little.",
        undefined="All risks are 0.",
        compute=oe_ratio,
        reference="10.1136/bmj.i6460",
        in_groups=True,
    ),
    MetricSpec(
        name="calibration_intercept",
        label="Calibration intercept",
        family="calibration",
        kinds=("binary",),
        aim="zero",
        low=float("-inf"),
        high=float("inf"),
        description="Shift on the logit scale that would make the mean risk right.",
        undefined="All patients or none had the event.",
        compute=calibration_intercept,
        reference="10.1186/s12916-019-1466-7",
    ),
    MetricSpec(
        name="calibration_slope",
        label="Calibration slope",
        family="calibration",
        kinds=("binary",),
        aim="one",
        low=float("-inf"),
        high=float("inf"),
        description="Below 1 the risks are too extreme, above 1 too timid.",
        undefined="All patients or none had the event, all risks are alike, or they separate the two completely.",
        compute=calibration_slope,
        reference="10.1186/s12916-019-1466-7",
    ),
)

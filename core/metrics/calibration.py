"""Whether stated risks come true: observed over expected, calibration intercept and slope."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.contracts.metric import Array, MetricSpec, Sample
from core.metrics.smoothing import departures
from core.metrics.weighting import ratio

SMALLEST_RISK = 1e-6
MOST_STEPS = 15
STANDS_STILL = 1e-3


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
    """Intercept and slope of the outcome on logit(risk), by replicate, and how far the last step moved them."""

    intercept: Array
    slope: Array
    moved: Array

    def at(self, rows: NDArray[np.intp]) -> _Line:
        return _Line(self.intercept[rows], self.slope[rows], self.moved[rows])

    def with_rows(self, rows: NDArray[np.intp], line: _Line) -> _Line:
        changed = _Line(self.intercept.copy(), self.slope.copy(), self.moved.copy())
        changed.intercept[rows], changed.slope[rows], changed.moved[rows] = line.intercept, line.slope, line.moved
        return changed


def _logit(risk: Array) -> Array:
    risk = np.clip(risk, SMALLEST_RISK, 1 - SMALLEST_RISK)
    return np.log(risk) - np.log1p(-risk)


@dataclass(frozen=True)
class _Slopes:
    """Gradient and curvature of the log likelihood, by replicate."""

    g0: Array
    g1: Array
    h00: Array
    h01: Array
    h11: Array


def _slopes(line: _Line, y: Array, x: Array, by_case: Array) -> _Slopes:
    """Every replicate at its own line; ``by_case`` has shape (cases, replicates)."""
    powers = np.stack((np.ones_like(x), x, x * x))
    # In place, because these passes over (cases, replicates) are what a whole evaluation spends most of its time on.
    chance = np.multiply.outer(-x, line.slope)
    chance -= line.intercept
    np.exp(chance, out=chance)
    chance += 1
    np.reciprocal(chance, out=chance)
    expected = by_case * chance
    gradient = (powers[:2] * y) @ by_case - powers[:2] @ expected
    np.subtract(1, chance, out=chance)
    expected *= chance
    return _Slopes(*gradient, *(powers @ expected))


def _slopes_at_one_line(line: _Line, y: Array, x: Array, by_case: Array) -> _Slopes:
    """All replicates at the first one's line, where they share one chance per case and products of matrices do."""
    chance = 1 / (1 + np.exp(-(line.intercept[0] + line.slope[0] * x)))
    pull, stiffness = y - chance, chance * (1 - chance)
    rows = np.stack((pull, pull * x, stiffness, stiffness * x, stiffness * x * x)) @ by_case
    return _Slopes(*rows)


def _moved(line: _Line, at: _Slopes, *, with_slope: bool) -> _Line:
    """One step of Newton's method."""
    if not with_slope:
        step = ratio(at.g0, at.h00)
        return _Line(line.intercept + step, line.slope, np.abs(step))
    determinant = at.h00 * at.h11 - at.h01 * at.h01
    determinant = np.where(determinant > 1e-10 * at.h00 * at.h11, determinant, 0.0)
    up, tilt = (
        ratio(at.h11 * at.g0 - at.h01 * at.g1, determinant),
        ratio(at.h00 * at.g1 - at.h01 * at.g0, determinant),
    )
    return _Line(line.intercept + up, line.slope + tilt, np.maximum(np.abs(up), np.abs(tilt)))


def _fit(sample: Sample, weights: Array, *, with_slope: bool) -> _Line:
    """Newton's method from the fit on the mean weights, for every replicate until it stands still.

    Where it does not (risks that separate events from others), ``moved`` stays large.
    """
    x, by_case = _logit(sample.risk), weights.T
    line = _Line(np.zeros(1), np.ones(1), np.full(1, np.inf))
    with np.errstate(over="ignore", invalid="ignore"):
        together = by_case.mean(axis=1, keepdims=True)
        for _ in range(MOST_STEPS):
            line = _moved(line, _slopes(line, sample.y, x, together), with_slope=with_slope)
            if line.moved[0] < 1e-12:
                break
        shared = _Line(*(np.repeat(part, len(weights)) for part in (line.intercept, line.slope, line.moved)))
        line = _moved(shared, _slopes_at_one_line(line, sample.y, x, by_case), with_slope=with_slope)
        for _ in range(MOST_STEPS):
            rows = np.flatnonzero(line.moved > STANDS_STILL)
            if not len(rows):
                break
            some = by_case if len(rows) == len(weights) else by_case[:, rows]
            step = _moved(line.at(rows), _slopes(line.at(rows), sample.y, x, some), with_slope=with_slope)
            line = line.with_rows(rows, step)
    return line


def _standing(line: _Line, values: Array, sample: Sample, weights: Array) -> Array:
    """The values where Newton's method stood still and both classes are there."""
    usable = np.isfinite(values) & (line.moved <= STANDS_STILL) & _both_classes(sample, weights)
    return np.where(usable, values, np.nan)


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
    return _standing(line, line.intercept, sample, weights)


def calibration_slope(sample: Sample, weights: Array) -> Array:
    """Slope of the outcome on logit(risk): below 1 the risks are too extreme, above 1 too timid. Shape (replicates,).

    Direction: 1 is best. Range: all numbers.
    Undefined: all cases or none had the event, all risks alike, or risks that separate the two completely.
    Reference: Van Calster et al. 2019, 10.1186/s12916-019-1466-7
    """
    if np.ptp(sample.order) == 0:
        return np.full(len(weights), np.nan)
    line = _fit(sample, weights, with_slope=True)
    return _standing(line, line.slope, sample, weights)


def integrated_calibration_index(sample: Sample, weights: Array) -> Array:
    """Mean distance of the smoothed observed share from the stated risk, over the cases. Shape (replicates,).

    Direction: lower is better; 0 is perfect. Range: 0 to 1.
    Undefined: no case.
    Reference: Austin and Steyerberg 2019, 10.1002/sim.8281
    """
    return ratio(np.einsum("rc,cr->r", weights, departures(sample, weights)), weights.sum(axis=1))


def e90(sample: Sample, weights: Array) -> Array:
    """The distance of smoothed observed share and stated risk that nine tenths of the cases stay under. Shape (replicates,).

    Direction: lower is better; 0 is perfect. Range: 0 to 1.
    Undefined: no case.
    Reference: Austin and Steyerberg 2019, 10.1002/sim.8281
    """
    apart = departures(sample, weights)
    order = np.argsort(apart, axis=0)
    ranked, mass = np.take_along_axis(apart, order, axis=0), np.cumsum(np.take_along_axis(weights.T, order, axis=0), axis=0)
    whole = mass[-1]
    at = np.argmax(mass >= 0.9 * whole, axis=0)
    return np.where(whole > 0, np.take_along_axis(ranked, at[None], axis=0)[0], np.nan)


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
    MetricSpec(
        name="integrated_calibration_index",
        label="Integrated calibration index",
        family="calibration",
        kinds=("binary",),
        aim="lower",
        low=0.0,
        high=1.0,
        description="Mean distance between the stated risk and the smoothed share with the event.",
        undefined="No patient.",
        compute=integrated_calibration_index,
        reference="10.1002/sim.8281",
    ),
    MetricSpec(
        name="e90",
        label="E90",
        family="calibration",
        kinds=("binary",),
        aim="lower",
        low=0.0,
        high=1.0,
        description="The distance between stated risk and smoothed share that nine tenths of the patients stay under.",
        undefined="No patient.",
        compute=e90,
        reference="10.1002/sim.8281",
    ),
)

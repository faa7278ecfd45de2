"""How near the stated risks are to what happened: Brier score and log loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.contracts.metric import Aim, Array, MetricSpec, Sample
from core.metrics.weighting import ratio, weighted_mean

TENTHS = 10


def brier(sample: Sample, weights: Array) -> Array:
    """Mean squared distance between risk and outcome. Shape (replicates,).

    Direction: lower is better. Range: 0 to 1; a constant risk p at event rate p scores p (1 - p).
    Worked: risks 0.8 and 0.4 for an event and a non-event: (0.04 + 0.16) / 2 = 0.10.
    Undefined: no case.
    Reference: Brier 1950, 10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2
    """
    return weighted_mean((sample.risk - sample.y) ** 2, weights)


def scaled_brier(sample: Sample, weights: Array) -> Array:
    """1 − Brier / Brier of the event rate as everybody's risk: the share of uncertainty that is explained. Shape (replicates,).

    Direction: higher is better; 0 is no better than the event rate. Range: minus infinity to 1.
    Worked: Brier 0.10 at an event rate of one half: 1 − 0.10 / 0.25 = 0.6.
    Undefined: all cases or none had the event.
    Reference: Steyerberg et al. 2010, 10.1097/EDE.0b013e3181c30fb2
    """
    rate = weighted_mean(sample.y, weights)
    return 1 - ratio(brier(sample, weights), rate * (1 - rate))


def brier_reliability(sample: Sample, weights: Array) -> Array:
    """The part of the Brier score that comes from risks that do not come true, in ten parts of stated risk. Shape (replicates,).

    Brier = reliability − resolution + uncertainty, but for the spread of risks within a part.
    Direction: lower is better; 0 is perfect. Undefined: no case.
    Reference: Murphy 1973, 10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2
    """
    parts = _parts(sample, weights)
    return ratio((parts.mass * (parts.risk - parts.rate) ** 2).sum(axis=0), parts.mass.sum(axis=0))


def brier_resolution(sample: Sample, weights: Array) -> Array:
    """The part of the uncertainty that the model resolves: how far the parts' event rates lie apart. Shape (replicates,).

    Direction: higher is better. Undefined: no case.
    Reference: Murphy 1973, 10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2
    """
    parts = _parts(sample, weights)
    rate = weighted_mean(sample.y, weights)
    return ratio((parts.mass * (parts.rate - rate) ** 2).sum(axis=0), parts.mass.sum(axis=0))


@dataclass(frozen=True)
class _Parts:
    """Weight, mean risk and event rate of each part of stated risk, shape (parts, replicates); 0 where nobody is."""

    mass: Array
    risk: Array
    rate: Array


def _parts(sample: Sample, weights: Array) -> _Parts:
    edges = np.unique(np.quantile(sample.risk, np.linspace(0, 1, TENTHS + 1)[1:-1]))
    member = (np.searchsorted(edges, sample.risk, side="right")[:, None] == np.arange(len(edges) + 1)).astype(np.float64)
    mass = (weights @ member).T
    risk, rate = (np.nan_to_num(ratio(((weights * values) @ member).T, mass)) for values in (sample.risk, sample.y))
    return _Parts(mass, risk, rate)


def log_loss(sample: Sample, weights: Array) -> Array:
    """Mean negative log likelihood of what happened; risks are kept 2.2e-16 away from 0 and 1. Shape (replicates,).

    Direction: lower is better. Range: 0 upwards.
    Worked: a risk of 0.5 costs 0.693 whatever happens.
    Undefined: no case.
    Reference: Good 1952, 10.1111/j.2517-6161.1952.tb00104.x
    """
    smallest = np.finfo(np.float64).eps
    risk = np.clip(sample.risk, smallest, 1 - smallest)
    return weighted_mean(-np.where(sample.y == 1, np.log(risk), np.log1p(-risk)), weights)


def _part(name: str, label: str, aim: Aim, description: str, compute: Callable[[Sample, Array], Array]) -> MetricSpec:
    return MetricSpec(
        name=name,
        label=label,
        family="probability",
        kinds=("binary",),
        aim=aim,
        low=float("-inf"),
        high=1.0,
        description=description,
        undefined="All patients or none had the event." if name == "scaled_brier" else "No patient.",
        compute=compute,
        reference="10.1097/EDE.0b013e3181c30fb2" if name == "scaled_brier" else "10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2",
    )


PLUGINS = (
    MetricSpec(
        name="brier",
        label="Brier score",
        family="probability",
        kinds=("binary",),
        aim="lower",
        low=0.0,
        high=1.0,
        description="Mean squared distance between the stated risk and what happened.",
        undefined="No patient.",
        compute=brier,
        reference="10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2",
        in_groups=True,
        compared=True,
    ),
    MetricSpec(
        name="log_loss",
        label="Log loss",
        family="probability",
        kinds=("binary",),
        aim="lower",
        low=0.0,
        high=float("inf"),
        description="Mean surprise at what happened; confident mistakes cost most.",
        undefined="No patient.",
        compute=log_loss,
        reference="10.1111/j.2517-6161.1952.tb00104.x",
    ),
    _part("scaled_brier", "Scaled Brier score", "higher", "Share of the uncertainty that the model explains.", scaled_brier),
    _part("brier_reliability", "Brier: reliability", "lower", "What risks that do not come true cost.", brier_reliability),
    _part("brier_resolution", "Brier: resolution", "higher", "How far the model tells patients apart.", brier_resolution),
)

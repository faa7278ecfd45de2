"""How near the stated risks are to what happened: Brier score and log loss."""

from __future__ import annotations

import numpy as np

from core.contracts.metric import Array, MetricSpec, Sample
from core.metrics.weighting import weighted_mean


def brier(sample: Sample, weights: Array) -> Array:
    """Mean squared distance between risk and outcome. Shape (replicates,).

    Direction: lower is better. Range: 0 to 1; a constant risk p at event rate p scores p (1 - p).
    Worked: risks 0.8 and 0.4 for an event and a non-event: (0.04 + 0.16) / 2 = 0.10.
    Undefined: no case.
    Reference: Brier 1950, 10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2
    """
    return weighted_mean((sample.risk - sample.y) ** 2, weights)


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
)

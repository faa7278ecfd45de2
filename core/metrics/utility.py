"""What acting on a model is worth: net benefit at a stated threshold.

Reference: Vickers and Elkin 2006, 10.1177/0272989X06295361; Vickers, Van Calster and Steyerberg 2019, 10.1186/s41512-019-0064-7.
"""

from __future__ import annotations

import numpy as np

from core.contracts.metric import Array, MetricSpec, Sample
from core.metrics.classification import counts, counts_by_threshold
from core.metrics.weighting import ratio, weighted_mean


def net_benefit(sample: Sample, weights: Array) -> Array:
    """Rightly flagged cases less falsely flagged ones at the odds of the threshold, per case. Shape (replicates,).

    Direction: higher is better; 0 is flagging nobody. Range: minus infinity to the event rate.
    Worked: of 100 cases 12 are flagged, 5 rightly, at a threshold of 0.2: 0.05 - 0.07 · 0.25 = 0.0325.
    Undefined: no case.
    Reference: Vickers and Elkin 2006, 10.1177/0272989X06295361
    """
    found = counts(sample, weights)
    n = found.tp + found.fp + found.fn + found.tn
    return ratio(found.tp - found.fp * odds(sample.threshold), n)


def promised_net_benefit(sample: Sample, weights: Array) -> Array:
    """The net benefit that there would be if every stated risk came true. Shape (replicates,).

    It moves with how often the event comes as the net benefit itself does: what the two differ by is what the model's risks
    do not keep, wherever the threshold stands. Worked: of 100 cases 10 are flagged at 0.2, each at a risk of 0.6:
    0.06 - 0.04 · 0.25 = 0.05.
    Undefined: no case.
    """
    flagged, odd = sample.risk >= sample.threshold, odds(sample.threshold)
    return weighted_mean(flagged * (sample.risk - (1 - sample.risk) * odd), weights)


def standardised_net_benefit(sample: Sample, weights: Array) -> Array:
    """Net benefit as a share of the most that could be had: 1 flags exactly those with the event. Shape (replicates,).

    Undefined: no case with the event.
    Reference: Kerr, Brown, Zhu and Janes 2016, 10.1200/JCO.2015.65.5654
    """
    found = counts(sample, weights)
    return ratio(found.tp - found.fp * odds(sample.threshold), found.tp + found.fn)


def net_benefits(sample: Sample, thresholds: Array) -> Array:
    """Net benefit of the cases as they are, at many thresholds; shape (thresholds,)."""
    found = counts_by_threshold(sample, thresholds)
    return ratio(found.tp - found.fp * odds(thresholds), np.full(len(thresholds), float(len(sample))))


def odds(threshold: Array | float) -> Array:
    """How many false alarms are held to be worth one true one, inverted: t / (1 - t)."""
    return np.asarray(threshold) / (1 - np.asarray(threshold))


PLUGINS = (
    MetricSpec(
        name="net_benefit",
        label="Net benefit",
        family="utility",
        kinds=("binary",),
        aim="higher",
        low=float("-inf"),
        high=1.0,
        description="True alarms less false ones, weighed by the odds of the threshold, per patient; 0 is flagging nobody.",
        undefined="No patient.",
        compute=net_benefit,
        reference="10.1177/0272989X06295361",
        needs_threshold=True,
        compared=True,
    ),
    MetricSpec(
        name="standardised_net_benefit",
        label="Standardised net benefit",
        family="utility",
        kinds=("binary",),
        aim="higher",
        low=float("-inf"),
        high=1.0,
        description="Net benefit as a share of the most that could be had.",
        undefined="Nobody had the event.",
        compute=standardised_net_benefit,
        reference="10.1200/JCO.2015.65.5654",
        needs_threshold=True,
    ),
)

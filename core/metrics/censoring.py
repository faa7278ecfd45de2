"""What is known of cases whose follow-up ended early."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.contracts.metric import Array, Sample


@dataclass(frozen=True)
class Status:
    """Whether the event had come by a day.

    Args:
        y: 1 come, 0 not come; 0 where not known.
        factor: what a case counts for: 1 where nobody was lost; 0 where not known; above 1 where the case stands in
            for others that were lost (inverse probability of censoring).
    """

    y: Array
    factor: Array


def status_by(sample: Sample, day: float) -> Status:
    """What is known at ``day`` of every case of a time to event.

    A case lost on a day is taken to be without the event until the end of that day.
    Reference: Graf et al. 1999, 10.1002/(SICI)1097-0258(19990915/30)18:17/18<2529::AID-SIM274>3.0.CO;2-5
    """
    event = sample.y == 1
    come = event & (sample.days <= day)
    not_come = (sample.days > day) | (~event & (sample.days == day))
    known = come | not_come
    seen = _share_seen_before(sample, np.minimum(sample.days, day))
    factor = np.divide(1.0, seen, out=np.zeros_like(seen), where=known & (seen > 0))
    return Status(come.astype(np.float64), factor)


def _share_seen_before(sample: Sample, times: Array) -> Array:
    """Kaplan-Meier share of cases not yet lost just before each time."""
    lost = (sample.y == 0) & np.isfinite(sample.days)
    share = np.ones_like(times)
    for moment in np.unique(sample.days[lost]):
        here = sample.days == moment
        at_risk = (sample.days >= moment).sum() - (here & (sample.y == 1)).sum()
        share[times > moment] *= 1 - (here & lost).sum() / at_risk
    return share

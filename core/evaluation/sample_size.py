"""How many events an AUROC of a given firmness needs."""

from __future__ import annotations

import math
from dataclasses import dataclass

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

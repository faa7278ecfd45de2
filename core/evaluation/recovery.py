"""Share of patients to whom an event has come, by day: seen and predicted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.contracts.metric import Array
from core.evaluation.panel import Panel

Z95 = 1.959963984540054


@dataclass(frozen=True)
class Share:
    """A share with its 95 % interval, 0 to 1."""

    value: float
    low: float
    high: float


def wilson(count: float, n: float) -> Share:
    """A share of n with Wilson's interval. Undefined (NaN): n is 0. Reference: Wilson 1927, 10.1080/01621459.1927.10502953"""
    if n <= 0:
        return Share(float("nan"), float("nan"), float("nan"))
    share = count / n
    centre = (share + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 / (1 + Z95**2 / n) * np.sqrt(share * (1 - share) / n + Z95**2 / (4 * n**2))
    return Share(share, max(0.0, float(centre - half)), min(1.0, float(centre + half)))


def share_by(days: Array, event: Array, day: float) -> Share:
    """Share to whom the event has come by ``day``.

    Where nobody was lost before it, the plain share with Wilson's interval; otherwise Kaplan and Meier's, with the
    interval on the log-log scale. A case for whom the event never comes (days = infinity) stays among those at risk.

    Reference: Kalbfleisch and Prentice 2002, 10.1002/9781118032985
    """
    lost = (event == 0) & (days < day)
    if not lost.any():
        return wilson(float(((event == 1) & (days <= day)).sum()), len(days))
    left, variance = 1.0, 0.0
    for moment in np.unique(days[(event == 1) & (days <= day)]):
        at_risk, came = (days >= moment).sum(), ((days == moment) & (event == 1)).sum()
        left *= 1 - came / at_risk
        variance += came / (at_risk * (at_risk - came)) if at_risk > came else 0.0
    if not 0 < left < 1:
        return Share(1 - left, float("nan"), float("nan"))
    width = Z95 * np.sqrt(variance) / abs(np.log(left))
    return Share(1 - left, float(1 - left ** np.exp(-width)), float(1 - left ** np.exp(width)))


def recovery_rows(panel: Panel) -> Iterator[dict[str, object]]:
    """Observed and mean predicted share by each scored day, for every model, on the cases that it answered for."""
    for model, answers in panel.answers.items():
        cases = np.flatnonzero(answers.covered)
        for day in panel.outcome.days:
            seen = share_by(panel.days[cases], panel.y[cases], day)
            chance = answers.by_day[:, :, min(day, answers.by_day.shape[2] - 1)]
            yield {
                "outcome": panel.outcome.name,
                "model": model,
                "split": panel.split,
                "day": int(day),
                "observed": seen.value,
                "observed_low": seen.low,
                "observed_high": seen.high,
                "predicted": float(np.mean([np.nanmean(repeat) for repeat in chance])),
            }

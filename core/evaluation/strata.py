"""Low, middle and high risk as a model tells them apart, and what happened in each.

Reference: Janes, Pepe and Gu 2008, 10.7326/0003-4819-149-10-200811180-00009 (risk stratification needs rates and sizes).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from core.evaluation.panel import Cases, Panel
from core.evaluation.recovery import Share, share_by, wilson

STRATA = ("low", "middle", "high")


def strata_rows(panel: Panel) -> Iterator[dict[str, object]]:
    """Rows of the table ``strata``: thirds of the stated risk (of the speed, for a time to event) by each model.

    Each case's risk is its mean over repeats. For a binary outcome the observed rate has Wilson's interval; for a time to event
    it is the share of whom the event has come by each scored day. A model that ranks nobody has no strata.
    """
    for model, answers in panel.answers.items():
        said = answers.covered
        order = np.full(len(panel.y), np.nan)
        order[said] = np.nanmean(answers.order[:, said], axis=0)
        if np.ptp(order[said]) == 0:
            continue
        edges = np.quantile(order[said], [1 / 3, 2 / 3])
        member = np.searchsorted(edges, order, side="left")
        for at, name in enumerate(STRATA):
            inside = np.flatnonzero(said & (member == at))
            if len(inside):
                yield from _of_stratum(panel, model, name, inside)


def _of_stratum(panel: Panel, model: str, name: str, inside: Cases) -> Iterator[dict[str, object]]:
    answers, n, events = panel.answers[model], panel.persons(inside), panel.persons_with_event(inside)
    place = {"outcome": panel.outcome.name, "model": model, "split": panel.split, "stratum": name, "n": n, "n_events": events}
    if panel.outcome.kind == "binary":
        risk = float(np.nanmean(answers.risk[:, inside]))
        yield {**place, "day": -1, "predicted": risk, **_seen(wilson(events, n))}
        return
    for day in panel.outcome.days:
        chance = answers.by_day[:, inside, min(day, answers.by_day.shape[2] - 1)]
        seen = share_by(panel.days[inside], panel.y[inside], day)
        yield {**place, "day": int(day), "predicted": float(np.nanmean(chance)), **_seen(seen)}


def _seen(share: Share) -> dict[str, object]:
    return {"observed": share.value, "low": share.low, "high": share.high}

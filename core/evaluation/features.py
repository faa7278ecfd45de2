"""Which fields a model leans on, and whether fits on other patients agree: what is lost when a field is shuffled.

Reference: Breiman 2001, 10.1023/A:1010933404324 (permutation importance); Fisher, Rudin and Dominici 2019, JMLR 20(177)
(of any model, on cases that it had not seen). A field whose content another field repeats looks unimportant here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from core.contracts.codebook import Codebook
from core.contracts.cohort import Cases
from core.contracts.forecast import Forecast
from core.contracts.metric import Array
from core.contracts.outcome import Outcome

SHUFFLES = 5
TOP = 5
SMALLEST = 1e-6
COLUMNS = ("model", "outcome", "field", "repeat", "fold", "added")
"""``added``: mean loss with the field shuffled minus the loss as it is, on one fold's cases."""


def added_losses(
    predict: Callable[[Cases], Forecast], cases: Cases, outcomes: Sequence[Outcome], targets: pd.DataFrame, seed: int
) -> Iterator[dict[str, object]]:
    """For each field and outcome, what shuffling the field among these cases adds to the loss (mean of 5 shuffles).

    Args:
        predict: of a fitted model; cases: that it had not seen; targets: their outcomes, rows in the same order.

    The loss is the log loss of a binary outcome, and the Brier score over the scored days of a time to event.
    """
    rng = np.random.default_rng([seed, 17])
    start = _losses(predict(cases), outcomes, targets)
    for field in cases.table.columns:
        shuffled = [_shuffled(cases, str(field), rng) for _ in range(SHUFFLES)]
        losses = [_losses(predict(other), outcomes, targets) for other in shuffled]
        for outcome in outcomes:
            added = float(np.mean([loss[outcome.name] for loss in losses]) - start[outcome.name])
            yield {"outcome": outcome.name, "field": str(field), "added": added}


def _shuffled(cases: Cases, field: str, rng: np.random.Generator) -> Cases:
    values = cases.table[field].to_numpy()[rng.permutation(len(cases.table))]
    column = pd.Series(values, index=cases.table.index, dtype=cases.table[field].dtype)
    return replace(cases, table=cases.table.assign(**{field: column}))


def _losses(forecast: Forecast, outcomes: Sequence[Outcome], targets: pd.DataFrame) -> dict[str, float]:
    return {outcome.name: _loss(forecast, outcome, targets) for outcome in outcomes}


def _loss(forecast: Forecast, outcome: Outcome, targets: pd.DataFrame) -> float:
    if outcome.kind == "binary":
        y = targets[outcome.name].to_numpy(dtype=float)
        risk = np.clip(forecast.risks[outcome.name].to_numpy(dtype=float), SMALLEST, 1 - SMALLEST)
        return float(np.nanmean(-(y * np.log(risk) + (1 - y) * np.log(1 - risk))))
    event, days = (targets[f"{outcome.name}_{end}"].to_numpy(dtype=float) for end in ("event", "days"))
    come = [np.where(np.isnan(event), np.nan, (event == 1) & (days <= day)) for day in outcome.days]
    chance = forecast.times[outcome.name].by_day
    return float(np.nanmean([(chance[:, day] - seen) ** 2 for day, seen in zip(outcome.days, come, strict=True)]))


def feature_rows(found: pd.DataFrame, codebook: Codebook) -> Iterator[dict[str, object]]:
    """Rows of the table ``features``: each field's rank by its mean over fits, and how far fits disagree.

    Args:
        found: ``COLUMNS``.
    """
    for (outcome, model), rows in found.groupby(["outcome", "model"], sort=False):
        by_fit = rows.pivot_table(index=["repeat", "fold"], columns="field", values="added", sort=False)
        ranks = by_fit.rank(axis=1, ascending=False)
        order = by_fit.mean().sort_values(ascending=False).index
        for rank, name in enumerate(order, start=1):
            field, added, seen = codebook[str(name)], by_fit[name].to_numpy(), ranks[name].to_numpy()
            yield {
                "outcome": outcome, "model": model, "field": name, "label": field.label, "block": field.block,
                "section": field.section, "rank": rank, **_spread("rank", seen), "added": float(added.mean()),
                **_spread("added", added), "top_share": float((seen <= TOP).mean()), "fits": len(by_fit),
            }  # fmt: skip


def _spread(name: str, values: Array) -> dict[str, float]:
    low, high = np.percentile(values, [5.0, 95.0])
    return {f"{name}_low": float(low), f"{name}_high": float(high)}


def one_sentence(rows: pd.DataFrame, label: str) -> str:
    """What the fits agree on; ``rows``: of one model and outcome."""
    firm = rows[(rows["top_share"] >= 0.8) & (rows["added_low"] > 0)]
    fits = int(rows["fits"].iloc[0])
    if firm.empty:
        return f"{label}: no field was among the first {TOP} in four of five of its {fits} fits. The order is mostly chance."
    told = ", ".join(firm["label"])
    return f"{label} leans on {told}: among the first {TOP} fields in at least four of five of its {fits} fits."

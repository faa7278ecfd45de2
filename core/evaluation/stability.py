"""How much a patient's risk depends on which patients the model happened to learn from: refits on bootstrap samples.

It is called instability, not the patient's risk interval: a model that says the same of everybody is stable and useless.

Reference: Riley and Collins 2023, 10.1002/bimj.202200302 (instability plots, mean absolute prediction error).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.contracts.metric import Array
from core.contracts.outcome import Outcome
from core.errors import DataError

FEWEST_REFITS = 10
CENTRAL = (0.05, 0.95)
BINS = 20


@dataclass(frozen=True)
class Refits:
    """What the refits of one model say.

    Args:
        case_ids: patients' cases; original: (cases,) risk of the model that learned from all; again: (refits, cases).
    """

    case_ids: tuple[str, ...]
    original: Array
    again: Array

    @property
    def errors(self) -> Array:
        """(cases,) mean absolute distance of the refits' risks from the original."""
        return np.asarray(np.abs(self.again - self.original).mean(axis=0))

    @property
    def bands(self) -> Array:
        """(2, cases): 5 to 95 % of the refits' risks."""
        return np.asarray(np.quantile(self.again, CENTRAL, axis=0))

    def flips(self, threshold: float) -> Array:
        """(cases,) share of refits on whose word a case changes sides of the threshold."""
        return np.asarray(((self.again >= threshold) != (self.original >= threshold)).mean(axis=0))


def refits_of(rows: pd.DataFrame, model: str) -> Refits:
    """The refits of one model for one binary outcome.

    Args:
        rows: rows of the predictions table of the split ``stability`` and one outcome.

    Raises:
        DataError: no original, fewer than 10 refits, or refits that speak of other cases.
    """
    mine = rows[rows["model"] == model]
    table = mine.pivot(index="repeat", columns="case_id", values="risk").sort_index()
    if 0 not in table.index or len(table) - 1 < FEWEST_REFITS:
        raise DataError(
            f"{model!r} has {max(len(table) - 1, 0)} refits; at least {FEWEST_REFITS} beside the original are needed.",
            do="Raise evaluation.stability.refits and run the study again.",
        )
    if table.isna().any(axis=None):
        raise DataError(f"{model!r}: some refits do not speak of every case.", do="Run the study again in a new folder.")
    values = table.to_numpy(dtype=float)
    return Refits(tuple(map(str, table.columns)), values[0], values[1:])


def stability_rows(rows: pd.DataFrame, outcome: Outcome, threshold: float) -> Iterator[dict[str, object]]:
    """Rows of the table ``stability``: for each model how far refits move, in one number a measure.

    ``mape``: mean absolute prediction error (points of risk, 0 to 1); ``band``: mean width of the 5 to 95 % band; ``spread``:
    standard deviation of the original risks, beside which the two are to be read; ``flips``: share of refits that put a
    patient on the other side of the threshold.
    """
    for model in dict.fromkeys(rows["model"]):
        found = refits_of(rows, str(model))
        low, high = found.bands
        values = {
            "mape": found.errors.mean(),
            "band": (high - low).mean(),
            "spread": found.original.std(),
            "flips": found.flips(threshold).mean(),
        }
        for measure, value in values.items():
            yield {
                "outcome": outcome.name, "model": str(model), "measure": measure, "value": float(value),
                "n": len(found.case_ids), "refits": len(found.again),
            }  # fmt: skip


def instability_rows(rows: pd.DataFrame, outcome: Outcome) -> Iterator[dict[str, object]]:
    """Rows of the table ``instability``: patients in twentieths of the original risk, and where their refits lie.

    The band is that of all refits of all patients of the part; its width is what the plot of Riley and Collins shows.
    """
    for model in dict.fromkeys(rows["model"]):
        found = refits_of(rows, str(model))
        parts = np.array_split(np.argsort(found.original, kind="stable"), min(BINS, len(found.original)))
        for part in parts:
            again = found.again[:, part].ravel()
            low, middle, high = np.quantile(again, (CENTRAL[0], 0.5, CENTRAL[1]))
            yield {
                "outcome": outcome.name, "model": str(model), "risk": float(found.original[part].mean()), "low": float(low),
                "middle": float(middle), "high": float(high), "n": len(part),
            }  # fmt: skip


def one_sentence(table: pd.DataFrame, label: str) -> str:
    """What the refits of one model show.

    Args:
        table: rows of ``stability`` of one outcome and model; label: the model, as people read it.
    """
    value = dict(zip(table["measure"], table["value"]))
    refits = int(table["refits"].iloc[0])
    moved = f"{100 * value['mape']:.1f} points of risk on average, the middle nine tenths {100 * value['band']:.0f} points wide"
    told = f"{label}: {refits} refits on bootstrap samples move a patient's risk by {moved}"
    spread = f"patients differ from each other by {100 * value['spread']:.1f} points (standard deviation)"
    if value["spread"] < value["mape"]:
        return f"{told}; {spread}: more depends on who was learned from than on the patient."
    return f"{told}; {spread}."

"""The one rule for empty masks, and how often it applied."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

EMPTY_RULE = (
    "Empty masks: where neither reference nor prediction holds a pixel, overlap and border metrics have no value and the case is "
    "counted as rightly empty; where only one of them does, Dice, Jaccard and surface Dice are 0 and the case is counted as "
    "missed or made up; distances have no value in either. No value is put in their place, and every mean says over how many "
    "cases it was taken."
)
"""What pages say."""


@dataclass(frozen=True)
class EmptyCounts:
    """Rows by what is empty: none, both masks (rightly empty), the prediction only (missed), the reference only (made up)."""

    rows: int
    neither: int
    rightly_empty: int
    missed: int
    made_up: int


def empty_counts(rows: pd.DataFrame) -> EmptyCounts:
    """How many rows of the masks table have an empty mask, and which."""
    drawn, told = reference_pixels(rows) > 0, predicted_pixels(rows) > 0
    return EmptyCounts(
        rows=len(rows),
        neither=int(np.count_nonzero(drawn & told)),
        rightly_empty=int(np.count_nonzero(~drawn & ~told)),
        missed=int(np.count_nonzero(drawn & ~told)),
        made_up=int(np.count_nonzero(~drawn & told)),
    )


def reference_pixels(rows: pd.DataFrame) -> NDArray[np.float64]:
    """Pixels drawn in the reference, by row."""
    return column(rows, "tp") + column(rows, "fn")


def predicted_pixels(rows: pd.DataFrame) -> NDArray[np.float64]:
    """Pixels predicted, by row."""
    return column(rows, "tp") + column(rows, "fp")


def column(rows: pd.DataFrame, name: str) -> NDArray[np.float64]:
    """One stored number of every row."""
    return rows[name].to_numpy(dtype=np.float64)

"""What a metric of masks promises: one number a case, computed from stored counts and distances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True)
class MaskMetricSpec:
    """A plug-in of ``core.metrics.masks``.

    Args:
        name: slug in tables ("dice"); label: what people read.
        unit: "" for a share, ``distance`` for the data set's unit (mm or px).
        aim: whether higher or lower is better, or zero is aimed at.
        low, high: ends of its range; infinity where it has none.
        description: one sentence: what it says; undefined: when a case has no value.
        compute: (rows with ``core.storage.results.MASK_COLUMNS``) to (rows,) values; NaN where undefined.
        reference: doi or paper.
        compared: whether models are compared and ranked by it.
    """

    name: str
    label: str
    unit: Literal["", "distance"]
    aim: Literal["higher", "lower", "zero"]
    low: float
    high: float
    description: str
    undefined: str
    compute: Callable[[pd.DataFrame], NDArray[np.float64]]
    reference: str = ""
    compared: bool = False

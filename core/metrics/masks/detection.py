"""Whether each connected part was found at all, and what was made up."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.contracts.mask_metric import MaskMetricSpec
from core.metrics.masks.empty import column
from core.metrics.weighting import ratio

METRICS_RELOADED = "10.1038/s41592-023-02151-z"


def lesion_sensitivity(rows: pd.DataFrame) -> NDArray[np.float64]:
    """Share of the connected parts of the reference that the prediction touches with a pixel or more, by row.

    Direction: higher is better. Range: 0 to 1. Parts are joined by faces, edges and corners.
    Worked: 1 of 2 drawn parts touched: 0.5.
    Undefined: the reference is empty.
    Reference: Maier-Hein et al. 2024, 10.1038/s41592-023-02151-z
    """
    return ratio(column(rows, "lesions_found"), column(rows, "lesions"))


def lesion_precision(rows: pd.DataFrame) -> NDArray[np.float64]:
    """Share of the predicted connected parts that touch the reference, by row.

    Direction: higher is better. Range: 0 to 1.
    Undefined: both masks empty. Only the prediction empty: 0, as for the precision of pixels.
    Reference: Maier-Hein et al. 2024, 10.1038/s41592-023-02151-z
    """
    parts = column(rows, "lesions_predicted")
    values = ratio(parts - column(rows, "lesions_false"), parts)
    values[(parts == 0) & (column(rows, "lesions") > 0)] = 0.0
    return values


PLUGINS = (
    MaskMetricSpec(
        name="lesion_sensitivity",
        label="Lesions found",
        unit="",
        aim="higher",
        low=0.0,
        high=1.0,
        description="Share of the drawn connected parts that the prediction touches with one pixel or more.",
        undefined="The reference is empty.",
        compute=lesion_sensitivity,
        reference=METRICS_RELOADED,
    ),
    MaskMetricSpec(
        name="lesion_precision",
        label="Lesion precision",
        unit="",
        aim="higher",
        low=0.0,
        high=1.0,
        description="Share of the predicted connected parts that touch a drawn one; 0 where only the prediction is empty.",
        undefined="Both masks are empty.",
        compute=lesion_precision,
        reference=METRICS_RELOADED,
    ),
    MaskMetricSpec(
        name="false_lesions",
        label="False lesions a case",
        unit="",
        aim="lower",
        low=0.0,
        high=float("inf"),
        description="Predicted connected parts that touch no drawn one, counted a case.",
        undefined="Never.",
        compute=partial(column, name="lesions_false"),
        reference=METRICS_RELOADED,
    ),
)

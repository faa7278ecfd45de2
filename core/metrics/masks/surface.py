"""How far the borders of two masks lie apart."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.contracts.mask_metric import MaskMetricSpec
from core.metrics.masks.empty import column
from core.metrics.weighting import ratio

INFINITE = float("inf")
NO_BORDER = "A mask is empty (within slices: no slice holds both)."


def surface_dice(rows: pd.DataFrame) -> NDArray[np.float64]:
    """Share of the pixels of both borders that lie within the tolerance of the other border, by row.

    Direction: higher is better. Range: 0 to 1.
    Worked: two 3 × 3 squares one pixel apart have 8 border pixels each; at a tolerance of 1 all 16 are near: 1.
    Undefined: both masks empty. One empty: 0.
    Reference: Nikolov et al. 2021, 10.2196/26151, with border pixels counted as MetricsReloaded does
    """
    near = column(rows, "border_reference_near") + column(rows, "border_predicted_near")
    return ratio(near, column(rows, "border_reference") + column(rows, "border_predicted"))


PLUGINS = (
    MaskMetricSpec(
        name="hd95",
        label="HD95",
        unit="distance",
        aim="lower",
        low=0.0,
        high=INFINITE,
        description="Distance that 95 % of the border pixels of one mask do not exceed to the other border; the worse direction.",
        undefined=NO_BORDER,
        compute=partial(column, name="hd95"),
        reference="10.1038/s41592-023-02151-z",
        compared=True,
    ),
    MaskMetricSpec(
        name="nsd",
        label="Surface Dice",
        unit="",
        aim="higher",
        low=0.0,
        high=1.0,
        description="Share of the pixels of both borders that lie within the tolerance of the other border.",
        undefined="Both masks are empty.",
        compute=surface_dice,
        reference="10.2196/26151",
        compared=True,
    ),
    MaskMetricSpec(
        name="assd",
        label="Mean border distance",
        unit="distance",
        aim="lower",
        low=0.0,
        high=INFINITE,
        description="Mean distance over the pixels of both borders to the other border (average symmetric surface distance).",
        undefined=NO_BORDER,
        compute=partial(column, name="assd"),
        reference="10.1038/s41592-023-02151-z",
    ),
)

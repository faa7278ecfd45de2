"""Whether the predicted size is right, wherever it lies."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.contracts.mask_metric import MaskMetricSpec
from core.metrics.masks.empty import predicted_pixels, reference_pixels
from core.metrics.weighting import ratio

INFINITE = float("inf")


def volume_bias(rows: pd.DataFrame) -> NDArray[np.float64]:
    """Predicted minus drawn size over the drawn size, by row.

    Direction: 0 is aimed at; above it too large, below it too small. Range: -1 to infinity.
    Worked: 12 pixels predicted where 9 are drawn: 0.333.
    Undefined: the reference is empty.
    Reference: relative volume difference, Heimann et al. 2009, 10.1109/TMI.2009.2013851
    """
    drawn = reference_pixels(rows)
    return ratio(predicted_pixels(rows) - drawn, drawn)


def volume_error(rows: pd.DataFrame) -> NDArray[np.float64]:
    """``volume_bias`` without its sign, by row.

    Direction: lower is better. Range: 0 to infinity.
    Undefined: the reference is empty.
    """
    return np.abs(volume_bias(rows))


PLUGINS = (
    MaskMetricSpec(
        name="volume_error",
        label="Volume error",
        unit="",
        aim="lower",
        low=0.0,
        high=INFINITE,
        description="Difference of predicted and drawn size over the drawn size, without its sign.",
        undefined="The reference is empty.",
        compute=volume_error,
        reference="10.1109/TMI.2009.2013851",
    ),
    MaskMetricSpec(
        name="volume_bias",
        label="Volume bias",
        unit="",
        aim="zero",
        low=-1.0,
        high=INFINITE,
        description="Predicted minus drawn size over the drawn size: above 0 too large, below 0 too small.",
        undefined="The reference is empty.",
        compute=volume_bias,
        reference="10.1109/TMI.2009.2013851",
    ),
)

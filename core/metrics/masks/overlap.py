"""How far two masks cover each other: shares of the four counts."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.contracts.mask_metric import MaskMetricSpec
from core.metrics.masks.empty import column, predicted_pixels, reference_pixels
from core.metrics.weighting import ratio

Values = NDArray[np.float64]
METRICS_RELOADED = "10.1038/s41592-023-02151-z"


def dice(rows: pd.DataFrame) -> Values:
    """Twice the shared pixels over the pixels of both masks: 2 TP / (2 TP + FP + FN), by row.

    Direction: higher is better. Range: 0 to 1.
    Worked: two 3 × 3 squares one pixel apart share 6 of 9 pixels each: 12 / 18 = 0.667.
    Undefined: both masks empty. One empty: 0.
    Reference: Dice 1945, 10.2307/1932409
    """
    return ratio(2 * column(rows, "tp"), reference_pixels(rows) + predicted_pixels(rows))


def jaccard(rows: pd.DataFrame) -> Values:
    """Shared pixels over the pixels in either mask: TP / (TP + FP + FN), by row.

    Direction: higher is better. Range: 0 to 1; equals Dice / (2 - Dice).
    Worked: two 3 × 3 squares one pixel apart: 6 / 12 = 0.5.
    Undefined: both masks empty. One empty: 0.
    Reference: Jaccard 1912, 10.1111/j.1469-8137.1912.tb05611.x
    """
    return ratio(column(rows, "tp"), reference_pixels(rows) + column(rows, "fp"))


def accuracy(rows: pd.DataFrame) -> Values:
    """Share of all pixels that are right, background included: (TP + TN) / all, by row.

    Direction: higher is better. Range: 0 to 1; nearly 1 for any small structure, found or not.
    Worked: two 3 × 3 squares one pixel apart in 8 × 8: (6 + 52) / 64 = 0.906.
    Undefined: never.
    Reference: Maier-Hein et al. 2024, 10.1038/s41592-023-02151-z
    """
    right = column(rows, "tp") + column(rows, "tn")
    return ratio(right, right + column(rows, "fp") + column(rows, "fn"))


def share(rows: pd.DataFrame, hit: str, miss: str) -> Values:
    """``hit / (hit + miss)`` by row: sensitivity of TP and FN, specificity of TN and FP; NaN where both are 0."""
    return ratio(column(rows, hit), column(rows, hit) + column(rows, miss))


def precision(rows: pd.DataFrame) -> Values:
    """Share of the predicted pixels that are in the reference: TP / (TP + FP), by row.

    Direction: higher is better. Range: 0 to 1.
    Undefined: both masks empty. Only the prediction empty: 0, as in MetricsReloaded, so that saying nothing earns nothing.
    Reference: Maier-Hein et al. 2024, 10.1038/s41592-023-02151-z
    """
    values = share(rows, "tp", "fp")
    values[(predicted_pixels(rows) == 0) & (reference_pixels(rows) > 0)] = 0.0
    return values


PLUGINS = (
    MaskMetricSpec(
        name="dice",
        label="Dice",
        unit="",
        aim="higher",
        low=0.0,
        high=1.0,
        description="Twice the shared pixels over the pixels of both masks.",
        undefined="Both masks are empty.",
        compute=dice,
        reference="10.2307/1932409",
        compared=True,
    ),
    MaskMetricSpec(
        name="jaccard",
        label="Jaccard",
        unit="",
        aim="higher",
        low=0.0,
        high=1.0,
        description="Shared pixels over the pixels in either mask (intersection over union).",
        undefined="Both masks are empty.",
        compute=jaccard,
        reference="10.1111/j.1469-8137.1912.tb05611.x",
    ),
    MaskMetricSpec(
        name="accuracy",
        label="Accuracy",
        unit="",
        aim="higher",
        low=0.0,
        high=1.0,
        description="Share of all pixels that are right; background counts, so it is high for any small structure.",
        undefined="Never.",
        compute=accuracy,
        reference=METRICS_RELOADED,
    ),
    MaskMetricSpec(
        name="sensitivity",
        label="Sensitivity",
        unit="",
        aim="higher",
        low=0.0,
        high=1.0,
        description="Share of the drawn pixels that are predicted.",
        undefined="The reference is empty.",
        compute=partial(share, hit="tp", miss="fn"),
        reference=METRICS_RELOADED,
    ),
    MaskMetricSpec(
        name="specificity",
        label="Specificity",
        unit="",
        aim="higher",
        low=0.0,
        high=1.0,
        description="Share of the pixels outside the reference that are left out.",
        undefined="The reference fills the picture.",
        compute=partial(share, hit="tn", miss="fp"),
        reference=METRICS_RELOADED,
    ),
    MaskMetricSpec(
        name="precision",
        label="Precision",
        unit="",
        aim="higher",
        low=0.0,
        high=1.0,
        description="Share of the predicted pixels that are in the reference; 0 where nothing is predicted but something drawn.",
        undefined="Both masks are empty.",
        compute=precision,
        reference=METRICS_RELOADED,
    ),
)

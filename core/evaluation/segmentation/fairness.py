"""Is a method as good on one group of patients or pictures as on the others? Gaps with intervals, and the verdicts of fairness.

Every comparison explores: no data set of pictures here records a grouping that was declared beforehand for all of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.evaluation.bootstrap import interval_of, two_sided
from core.evaluation.multiplicity import holm
from core.evaluation.segmentation.means import Board, patient_counts, weighted_means
from core.evaluation.verdicts import ADEQUATE, DISPARITY, NO_EVIDENCE, verdict_of
from core.evaluation.verdicts import VERDICTS as OF_OUTCOMES

TOO_FEW = "too few patients"
FEWEST_PATIENTS = 10
MARGINS: Mapping[str, float] = {"dice": 0.05, "nsd": 0.05}
"""The largest gap of a mean that would not matter, stated beforehand."""
VERDICTS: Mapping[str, str] = {
    **{word: OF_OUTCOMES[word] for word in (ADEQUATE, DISPARITY, NO_EVIDENCE)},
    TOO_FEW: "Fewer than 10 patients with a value, here or among the others: nothing can be said.",
}


def fairness(board: Board, levels: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Rows of the table ``fairness``: every level against the other levels of its factor, corrected over a model's gaps.

    Args:
        levels: as ``core.evaluation.segmentation.factors.levels_of`` gives them.
    """
    sides = list(_sides(board, levels))
    for at, model in enumerate(board.models):
        rows = [_gap(board, at, metric, *side) for side in sides for metric in MARGINS]
        rows = [row for row in rows if row["n"]]
        for row, corrected in zip(rows, holm([row["p"] for row in rows])):
            yield {**board.place, "model": model, **row, "p_holm": corrected, "verdict": _verdict(row, corrected)}


def _sides(board: Board, levels: pd.DataFrame) -> Iterator[tuple[str, NDArray[np.bool_], NDArray[np.bool_]]]:
    """Each group, its cases, and those of the other levels of its factor."""
    here = levels[levels["region"] == board.region]
    for factor, rows in here.groupby("factor", sort=False):
        by_case = rows.set_index("case_id")["level"].reindex(board.cases)
        known = by_case.notna().to_numpy()
        names = rows.sort_values("order")["level"].unique()
        for level in names:
            inside = (by_case == level).to_numpy(dtype=bool)
            if inside.any() and (known & ~inside).any():
                yield f"{factor}={level}", inside, known & ~inside


def _gap(board: Board, at: int, metric: str, group: str, inside: NDArray[np.bool_], others: NDArray[np.bool_]) -> dict[str, Any]:
    values = board.values[metric][:, [at]]
    here, there = (weighted_means(values[side], board.weights[side])[:, 0] for side in (inside, others))
    counts = [int(patient_counts(values[side], board.patients[side])[0]) for side in (inside, others)]
    own, gap = interval_of(here), interval_of(here - there)
    return {
        "group": group, "metric": metric, "value": own.value, "low": own.low, "high": own.high, "rest": float(there[0]),
        "gap": gap.value, "gap_low": gap.low, "gap_high": gap.high, "p": two_sided(here - there), "margin": MARGINS[metric],
        "n": int(np.isfinite(values[inside]).sum()), "n_patients": counts[0], "fewest": min(counts),
    }  # fmt: skip


def _verdict(row: Mapping[str, Any], p_holm: float) -> str:
    if row["fewest"] < FEWEST_PATIENTS or not math.isfinite(row["gap_low"] + row["gap_high"]):
        return TOO_FEW
    return verdict_of(row["gap_low"], row["gap_high"], p_holm, (-row["margin"], row["margin"]))

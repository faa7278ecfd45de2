"""Rates of groups at a threshold, bootstrapped by counts of cells instead of by patients.

A patient is in certain groups, had the event or not, and is flagged or not: a cell. All rates follow from how many patients are
in each cell, and when patients are resampled those numbers are multinomial. So they are drawn directly: the same distribution,
jointly over all groups, at a cost that does not grow with the patients. This holds where each patient has one case and
a model answers once; where not, patients are resampled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.contracts.metric import Array
from core.evaluation.bootstrap import patient_seed
from core.evaluation.panel import Panel
from core.evaluation.scoring import Scorer
from core.metrics.classification import Counts

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Cells:
    """How many cases there are of each kind; kinds that do not occur are left out.

    Args:
        size: (cells,) cases; members: (cells, groups) whether they are in a group; event, flagged: (cells,).
    """

    size: NDArray[np.intp]
    members: Flags
    event: Flags
    flagged: Flags


def cells_of(members: Flags, event: Flags, flagged: Flags) -> Cells:
    """Counts the cases by what groups they are in, what happened and what was said.

    Args:
        members: (cases, groups); groups may overlap. event, flagged: (cases,).
    """
    kinds, size = np.unique(np.column_stack((members, event, flagged)), axis=0, return_counts=True)
    return Cells(size, kinds[:, :-2], kinds[:, -2], kinds[:, -1])


def drawn_counts(cells: Cells, replicates: int, seed: int) -> Counts:
    """The four counts of each group, each of shape (replicates + 1, groups); row 0 is the data as they are.

    Every replicate draws as many cases as there are, so that the sizes of groups vary as they do when patients are resampled.
    """
    total = int(cells.size.sum())
    drawn = np.random.default_rng(seed).multinomial(total, cells.size / total, size=replicates)
    return _in_groups(np.vstack((cells.size, drawn)).astype(np.float64), cells.members, cells.event, cells.flagged)


def _in_groups(weights: Array, members: Flags, event: Flags, flagged: Flags) -> Counts:
    """The four counts of each group, (rows of weights, groups); the rest are aligned with the columns of the weights."""
    kinds = (event & flagged, ~event & flagged, event & ~flagged, ~event & ~flagged)
    return Counts(*(weights @ (members & kind[:, None]).astype(np.float64) for kind in kinds))


def rates(counts: Counts) -> Mapping[str, Array]:
    """Sensitivity, false positive rate, positive predictive value and share flagged; NaN where nobody is asked about."""
    return {
        "recall": counts.sensitivity,
        "false_positive_rate": counts.false_positive_rate,
        "precision": counts.precision,
        "flagged": counts.flagged,
    }


def can_draw_cells(panel: Panel, model: str) -> bool:
    """Whether each patient has one case and the model answers each case once."""
    answers = panel.answers[model]
    return len(panel.patient_ids) == len(panel.case_ids) and answers.repeats == 1 and bool(answers.said.all())


def group_rates(scorer: Scorer, model: str, members: Flags) -> Mapping[str, Array]:
    """Rates of each group at the panel's threshold, each of shape (replicates + 1, groups); row 0 is the data as they are.

    Cells are drawn where they may be; else patients are, in the scorer's shared draws, and rates are averaged over repeats.

    Args:
        members: (cases, groups), aligned with the panel's cases.
    """
    panel = scorer.panel
    event, risk = panel.y == 1, panel.answers[model].risk
    if can_draw_cells(panel, model):
        seed = patient_seed(scorer.seed, panel.patient_ids)
        return rates(drawn_counts(cells_of(members, event, risk[0] >= panel.threshold), scorer.replicates, seed))
    weights = scorer.everyone.weights.T
    told = [
        rates(_in_groups(weights, members & said[:, None], event, said & (answer >= panel.threshold)))
        for answer, said in zip(risk, panel.answers[model].said)
    ]
    return {name: np.mean([one[name] for one in told], axis=0) for name in told[0]}

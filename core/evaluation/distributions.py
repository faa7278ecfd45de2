"""How the stated risks lie among those with the event and those without: counts on a fixed grid.

Reference: Van Calster et al. 2024, arXiv:2412.10288 (one of the four displays that every report needs).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from core.contracts.metric import Array
from core.evaluation.panel import Panel

EDGES = np.round(np.linspace(0, 1, 41), 3)
"""Bins of 2.5 points of risk; the last one holds a risk of exactly 1."""


def distribution_rows(panel: Panel) -> Iterator[dict[str, object]]:
    """Share of the cases in each bin by model and by what happened, a mean over repeats; bins that nobody is in are left out."""
    for model in panel.answers:
        for event in (0, 1):
            shares, n = _shares(panel, model, event)
            for at in np.flatnonzero(shares > 0):
                yield {
                    "outcome": panel.outcome.name, "model": model, "split": panel.split, "event": event,
                    "bin_low": float(EDGES[at]), "bin_high": float(EDGES[at + 1]), "share": float(shares[at]), "n": n,
                }  # fmt: skip


def _shares(panel: Panel, model: str, event: int) -> tuple[Array, int]:
    answers = panel.answers[model]
    counts = []
    for repeat in range(answers.repeats):
        said = answers.risk[repeat, answers.said[repeat] & (panel.y == event)]
        counts.append(np.histogram(said, EDGES)[0] / max(len(said), 1))
    return np.mean(counts, axis=0), int((panel.y == event).sum())

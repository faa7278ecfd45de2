"""Tables that rest on probes of a model: an input taken away, patients it learned from, fewer of them, bootstrap samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from core.contracts.outcome import Outcome
from core.evaluation.conformal import LEVELS, conformal_rows
from core.evaluation.learning import gap_rows, learning_rows, missing_rows
from core.evaluation.panel import make_panel
from core.evaluation.scoring import Scorer
from core.evaluation.splits import ABLATION, APPARENT, INTERNAL, LEARNING, MISSING, STABILITY
from core.evaluation.stability import instability_rows, stability_rows

Rows = Iterator[dict[str, object]]


@dataclass(frozen=True)
class Probes:
    """What one outcome's probes are judged by.

    Args:
        full: scorer of the internal split; rows: all predictions of the outcome, of every split; groups: by case.
    """

    outcome: Outcome
    full: Scorer
    rows: pd.DataFrame
    groups: pd.DataFrame

    @property
    def tables(self) -> Mapping[str, Callable[[], Rows]]:
        """Rows by the name of their table."""
        return {
            "missing": lambda: missing_rows(self.full, self._scorers(MISSING)),
            "ablation": lambda: missing_rows(self.full, self._scorers(ABLATION)),
            "gaps": lambda: (row for scorer in self._scorers(APPARENT).values() for row in gap_rows(self.full, scorer)),
            "learning": lambda: learning_rows(self.full, self._scorers(LEARNING)),
            "stability": self._stability,
            "instability": self._instability,
            "conformal": self._conformal,
        }

    def _scorers(self, start: str) -> dict[str, Scorer]:
        """By split; models that say nothing in the internal split are left out."""
        found: dict[str, Scorer] = {}
        for split in sorted(str(name) for name in self.rows["split"].unique() if str(name).startswith(start)):
            rows = self.rows[(self.rows["split"] == split) & self.rows["model"].isin(list(self.full.panel.answers))]
            if len(rows):
                panel = make_panel(self.outcome, split, rows, self.full.panel.threshold)
                found[split] = Scorer(panel, self.full.replicates, self.full.seed)
        return found

    def _refits(self) -> pd.DataFrame:
        return self.rows[(self.rows["split"] == STABILITY) & (self.outcome.kind == "binary")]

    def _stability(self) -> Rows:
        return stability_rows(self._refits(), self.outcome, self.full.panel.threshold)

    def _instability(self) -> Rows:
        return instability_rows(self._refits(), self.outcome)

    def _conformal(self) -> Rows:
        internal = self.rows[self.rows["split"] == INTERNAL]
        for level in LEVELS if not self.outcome.moments else ():
            yield from conformal_rows(internal, self.outcome, self.groups, level)

"""The sentences of a segmentation study, written from its numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from core.evaluation.segmentation.cases import HUMAN, INTERNAL
from core.evaluation.segmentation.means import ALL

MAIN = "dice"
LEVEL = 0.05
SHOWN = 3
"""Methods that a sentence names before it counts the others."""


@dataclass(frozen=True)
class Evidence:
    """What the sentences on one region are written from.

    Args:
        region: its facts; models: facts of each row of the study.
        scores, pairs: tables ``scores`` and ``comparisons`` of the region.
        splits: facts of the splits; recipe: as plain data.
    """

    region: Mapping[str, Any]
    models: Sequence[Mapping[str, Any]]
    scores: pd.DataFrame
    pairs: pd.DataFrame
    splits: Sequence[Mapping[str, Any]] = ()
    recipe: Mapping[str, Any] | None = None

    def label(self, name: str) -> str:
        """What people read."""
        return next((str(model["label"]) for model in self.models if model["name"] == name), name)

    def family(self, name: str) -> str:
        """Reference, classical, network or anchor."""
        return next((str(model["family"]) for model in self.models if model["name"] == name), "")

    def board(self, split: str = INTERNAL) -> pd.DataFrame:
        """Rows of the main metric by model, the best first."""
        rows = self.scores[(self.scores["metric"] == MAIN) & (self.scores["group"] == ALL) & (self.scores["split"] == split)]
        return rows[rows["value"].notna()].sort_values("value", ascending=False, kind="stable").set_index("model")

    @cached_property
    def methods(self) -> tuple[str, ...]:
        """Everything that looks at the picture, the best first."""
        return tuple(str(name) for name in self.board().index if self.family(str(name)) != "reference")

    @cached_property
    def baselines(self) -> tuple[str, ...]:
        """What learns nothing, the best first; not people."""
        board = self.board().index
        return tuple(str(name) for name in board if self.family(str(name)) == "reference" and name != HUMAN)

    def pair(self, model: str, rival: str) -> pd.Series | None:
        """The comparison model - rival, turned round where it stands the other way."""
        rows = self.pairs[(self.pairs["metric"] == MAIN) & (self.pairs["split"] == INTERNAL)]
        for one, other, sign in ((model, rival, 1), (rival, model, -1)):
            found = rows[(rows["model"] == one) & (rows["rival"] == other)]
            if len(found):
                row = found.iloc[0].copy()
                low, high = sorted((sign * row["low"], sign * row["high"]))
                row["difference"], row["low"], row["high"] = sign * row["difference"], low, high
                return row
        return None

    def alike(self) -> tuple[str, ...]:
        """Methods that cannot be told apart from the best, or were not compared with it."""
        best, *others = self.methods
        rows = {name: self.pair(best, name) for name in others}
        return tuple(name for name, row in rows.items() if row is None or not row["p_holm"] < LEVEL)


def headline(evidence: Evidence) -> str:
    """A few plain sentences: the best method, who cannot be told apart from it, the best of the other kind, the best that
    learns nothing, people, and other hospitals."""
    if not evidence.methods:
        return f"{evidence.region['label']}: no method was judged."
    parts = (_best, _other_kind, _baseline, _people, _elsewhere)
    return " ".join(sentence for part in parts for sentence in part(evidence))


def _best(evidence: Evidence) -> Iterator[str]:
    best, *others = evidence.methods
    reached = f"a mean Dice of {_told(evidence.board().loc[best])}"
    if not others:
        yield f"{evidence.label(best)} is the one method judged, with {reached}."
        return
    alike = evidence.alike()
    apart = (
        f"it cannot be told apart from {_named(evidence, alike)}"
        if alike
        else "every other method is behind it by more than chance"
    )
    yield f"{evidence.label(best)} outlines best of {len(evidence.methods)} methods, with {reached}; {apart}."


def _told(row: pd.Series) -> str:
    cases = f"{int(row['n'])} case{'' if row['n'] == 1 else 's'}"
    return (
        f"{row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f}; {cases})" if _wide(row) else f"{row['value']:.2f} ({cases})"
    )


def _wide(row: pd.Series) -> bool:
    return math.isfinite(row["low"]) and math.isfinite(row["high"])


def _named(evidence: Evidence, names: Sequence[str]) -> str:
    labels = [evidence.label(name) for name in names]
    if len(labels) > SHOWN + 1:
        return f"{', '.join(labels[:SHOWN])} and {len(labels) - SHOWN} more"
    return labels[0] if len(labels) == 1 else f"{', '.join(labels[:-1])} and {labels[-1]}"


def _points(row: pd.Series) -> str:
    """ "3.1 points of Dice behind (1.2 to 5.0)", of the rival; without a sign where it is behind."""
    difference, low, high = (round(100 * float(row[name]), 1) + 0.0 for name in ("difference", "low", "high"))  # no "-0.0"
    away = "behind" if difference >= 0 else "ahead"
    if difference < 0:
        difference, low, high = -difference, -high + 0.0, -low + 0.0
    ends = f" ({low:.1f} to {high:.1f})" if _wide(row) else ""
    return f"{difference:.1f} points of Dice {away}{ends}"


def _other_kind(evidence: Evidence) -> Iterator[str]:
    """The best network beside a classical winner, the best classical method beside a network."""
    best = evidence.methods[0]
    classical = evidence.family(best) == "classical"
    others = [name for name in evidence.methods if (evidence.family(name) == "classical") != classical]
    row = evidence.pair(best, others[0]) if others else None
    if row is not None:
        kind = "network" if classical else "classical method"
        yield f"The best {kind}, {evidence.label(others[0])}, is {_points(row)}{_by_chance(row)}."


def _by_chance(row: pd.Series) -> str:
    return "" if row["p_holm"] < LEVEL else ", which may be chance once all pairs of methods are counted"


def _baseline(evidence: Evidence) -> Iterator[str]:
    """Whether looking at the picture helps at all."""
    row = evidence.pair(evidence.methods[0], evidence.baselines[0]) if evidence.baselines else None
    if row is None:
        return
    label = evidence.label(evidence.baselines[0])
    if row["p_holm"] < LEVEL and row["difference"] > 0:
        yield f"{label}, which does not look at the picture, is {_points(row)}."
    else:
        yield f"No method is ahead of {label}, which does not look at the picture, by more than chance: it is {_points(row)}."


def _people(evidence: Evidence) -> Iterator[str]:
    board = evidence.board()
    row = evidence.pair(evidence.methods[0], HUMAN) if HUMAN in board.index else None
    if row is None:
        return
    gap, low, high = (round(100 * float(row[name]), 1) + 0.0 for name in ("difference", "low", "high"))
    away = "as close" if gap == 0 else f"{abs(gap):.1f} points {'behind' if gap < 0 else 'ahead of'} them"
    ends = f" ({low:+.1f} to {high:+.1f})" if _wide(row) else ""
    yield f"Readers agree with each other at {board.loc[HUMAN, 'value']:.2f}; on the same cases the method is {away}{ends}."


def _elsewhere(evidence: Evidence) -> Iterator[str]:
    """The best method on the fixed splits: sites or scanners that it did not learn from."""
    best = evidence.methods[0]
    boards = {str(split["label"]): evidence.board(str(split["name"])) for split in evidence.splits if split["name"] != INTERNAL}
    reached = sorted((float(board.loc[best, "value"]), label) for label, board in boards.items() if best in board.index)
    if len(reached) == 1:
        yield f"{reached[0][1]}: its mean Dice is {reached[0][0]:.2f}."
    elif reached:
        yield (
            f"In {len(reached)} checks on cases set apart its mean Dice lies between {reached[0][0]:.2f} ({reached[0][1]}) "
            f"and {reached[-1][0]:.2f} ({reached[-1][1]})."
        )


def ablation_headline(region: Mapping[str, Any], rows: pd.DataFrame) -> str:
    """How many parts add what the literature claims, and which add nothing, from the table ``ablations``.

    Args:
        rows: of the region.
    """
    rows = rows[rows["metric"] == MAIN]
    if rows.empty:
        return f"{region['label']}: no ablation was run."
    told = [f"{word}: {_arms(rows[rows['verdict'] == word])}" for word in dict.fromkeys(rows["verdict"])]
    return f"{len(rows)} comparisons of a method with and without a part, by Dice: {'; '.join(told)}."


def _arms(rows: pd.DataFrame) -> str:
    labels = list(dict.fromkeys(rows["label"]))
    shown = ", ".join(labels[:SHOWN]) + (f" and {len(labels) - SHOWN} more" if len(labels) > SHOWN else "")
    return f"{len(rows)} ({shown})"


def change(evidence: Evidence) -> str:
    """What would change the conclusion: cases needed to tell the nearest rival apart, and what the study did not do."""
    sentences = [*_basis(evidence), *_needed(evidence)]
    sentences.append("More training, larger pictures or pretrained weights may help some methods more than others.")
    if all(split["name"] == INTERNAL for split in evidence.splits):
        sentences.append("Pictures of other hospitals were not part of it.")
    return " ".join(sentences)


def ablation_change(evidence: Evidence) -> str:
    """What would change the conclusion of a study of parts."""
    narrower = "More cases and more seeds would narrow the intervals; a part may add more, or less, after longer training."
    return " ".join([*_basis(evidence), narrower])


def _basis(evidence: Evidence) -> Iterator[str]:
    board, recipe = evidence.board(), evidence.recipe or {}
    if len(board) and recipe:
        run, seeds = int(recipe["run_folds"]), int(recipe["seeds"])
        folds = "one split by patient" if run == 1 else f"{run} folds"
        times = "one training of each network" if seeds == 1 else f"{seeds} trainings of each network"
        budget = f"at most {recipe['training']['budget_minutes']:g} minutes"
        yield f"This rests on {int(board['n'].max())} test cases in {folds}, and {times} of {budget}."


def _needed(evidence: Evidence) -> Iterator[str]:
    """Cases at which the interval of the nearest rival's difference would leave 0, if the difference stays."""
    alike = evidence.alike() if evidence.methods else ()
    row = evidence.pair(evidence.methods[0], alike[0]) if alike else None
    if row is None or not _wide(row):
        return
    both = f"{evidence.label(evidence.methods[0])} and {evidence.label(alike[0])}"
    half, gap = (row["high"] - row["low"]) / 2, abs(float(row["difference"]))
    times = (half / gap) ** 2 if gap > 0 else math.inf
    if times > 100:
        yield f"{both} are so close that a hundred times as many cases would not tell them apart."
    elif times > 1:
        yield f"To tell {both} apart at this difference takes about {math.ceil(times * row['n'])} cases."
    else:
        yield f"{both} differ by more than chance when compared alone, but not among all pairs."


@dataclass(frozen=True)
class Suitability:
    """Whether a data set can tell methods apart.

    Args:
        pairs: of methods; apart: those with an adjusted p under 0.05; spread: best mean minus worst.
    """

    pairs: int
    apart: int
    spread: float
    sentence: str


def suitability(evidence: Evidence) -> Suitability:
    """Of all pairs of methods how many differ by more than chance.

    Reference: Isensee et al. 2024, arXiv:2404.09556
    """
    rows = evidence.pairs[(evidence.pairs["metric"] == MAIN) & (evidence.pairs["split"] == INTERNAL)]
    rows = rows[rows["model"].isin(evidence.methods) & rows["rival"].isin(evidence.methods)]
    values = evidence.board().loc[list(evidence.methods), "value"]
    spread = float(values.max() - values.min()) if len(values) else float("nan")
    apart = int((rows["p_holm"] < LEVEL).sum())
    sentence = (
        f"{apart} of {len(rows)} pairs of methods differ by more than chance; their means span {100 * spread:.1f} points of Dice."
    )
    return Suitability(len(rows), apart, spread, sentence if len(rows) else "Fewer than two methods were judged.")

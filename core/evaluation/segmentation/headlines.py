"""The sentences of a segmentation study, written from its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from core.evaluation.segmentation.cases import HUMAN

MAIN = "dice"
LEVEL = 0.05


def headline(region: Mapping[str, Any], scores: pd.DataFrame, pairs: pd.DataFrame, models: Sequence[Mapping[str, Any]]) -> str:
    """One or two plain sentences: the best method, who cannot be told apart from it, the best of the other kind, and people.

    Args:
        scores, pairs: tables ``scores`` and ``comparisons`` of the region in cross-validation.
    """
    facts = {str(model["name"]): model for model in models}
    board = _board(scores)
    rivals = board[[facts[name]["family"] != "reference" for name in board.index]]
    if rivals.empty:
        return f"{region['label']}: no method was judged."
    best = rivals.index[0]
    sentences = [
        f"{_label(facts, best)} outlines best, with a mean Dice of {_told(rivals.loc[best])}{_alike(best, rivals, pairs, facts)}."
    ]
    sentences += _other_kind(best, rivals, pairs, facts)
    sentences += _people(best, board, pairs)
    return " ".join(sentences)


def _board(scores: pd.DataFrame) -> pd.DataFrame:
    rows = scores[(scores["metric"] == MAIN) & (scores["group"] == "all") & (scores["split"] == "internal")]
    return rows[rows["value"].notna()].sort_values("value", ascending=False).set_index("model")


def _label(facts: Mapping[str, Mapping[str, Any]], name: str) -> str:
    return str(facts[name]["label"])


def _told(row: pd.Series) -> str:
    return f"{row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f}; {int(row['n'])} cases)"


def pair_of(pairs: pd.DataFrame, model: str, rival: str) -> pd.Series | None:
    """The comparison model - rival, turned round where it stands the other way."""
    rows = pairs[(pairs["metric"] == MAIN) & (pairs["split"] == "internal")]
    for one, other, sign in ((model, rival, 1), (rival, model, -1)):
        found = rows[(rows["model"] == one) & (rows["rival"] == other)]
        if len(found):
            row = found.iloc[0].copy()
            ends = sorted((sign * row["low"], sign * row["high"]))
            row["difference"], row["low"], row["high"] = sign * row["difference"], ends[0], ends[1]
            return row
    return None


def _alike(best: str, rivals: pd.DataFrame, pairs: pd.DataFrame, facts: Mapping[str, Mapping[str, Any]]) -> str:
    alike = []
    for name in rivals.index[1:]:
        row = pair_of(pairs, best, str(name))
        if row is not None and not row["p_holm"] < LEVEL:
            alike.append(_label(facts, str(name)))
    if not alike:
        return "; every other method is behind it by more than chance"
    shown = ", ".join(alike[:3]) + (f" and {len(alike) - 3} more" if len(alike) > 3 else "")
    return f"; it cannot be told apart from {shown}"


def _other_kind(best: str, rivals: pd.DataFrame, pairs: pd.DataFrame, facts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    classical = facts[best]["family"] == "classical"
    others = [name for name in rivals.index if (facts[name]["family"] == "classical") != classical]
    row = pair_of(pairs, best, str(others[0])) if others else None
    if row is None:
        return []
    kind = "network" if classical else "classical method"
    ahead = f"{100 * row['difference']:.0f} points of Dice ({100 * row['low']:.0f} to {100 * row['high']:.0f})"
    return [f"The best {kind}, {_label(facts, str(others[0]))}, is {ahead} behind."]


def _people(best: str, board: pd.DataFrame, pairs: pd.DataFrame) -> list[str]:
    row = pair_of(pairs, best, HUMAN) if HUMAN in board.index else None
    if row is None:
        return []
    gap = 100 * row["difference"]
    away = "behind" if gap < 0 else "ahead of"
    ends = f"{100 * row['low']:+.0f} to {100 * row['high']:+.0f}"
    people = board.loc[HUMAN, "value"]
    return [f"Readers agree with each other at {people:.2f}; the method is {abs(gap):.0f} points {away} them ({ends})."]


def change(scores: pd.DataFrame, recipe: Mapping[str, Any], has_external: bool) -> str:
    """What would change the conclusion."""
    board = _board(scores)
    n = int(board["n"].max()) if len(board) else 0
    run, seeds = int(recipe["run_folds"]), int(recipe["seeds"])
    folds = "one split by patient" if run == 1 else f"{run} folds"
    times = "one training of each network" if seeds == 1 else f"{seeds} trainings of each network"
    budget = f"{recipe['training']['budget_minutes']:g} minutes of training"
    other = "" if has_external else " Pictures of other hospitals were not part of it."
    return (
        f"This rests on {n} test cases in {folds}, {times} and {budget} each. More cases would tell close methods apart; more "
        f"training, larger pictures or pretrained weights may help some methods more than others.{other}"
    )

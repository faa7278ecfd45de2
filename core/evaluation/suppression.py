"""Which cells of a table may be told: small ones are hidden, and so is what would let a reader subtract them."""

from __future__ import annotations

from collections.abc import Mapping

from core.evaluation.groups import CROSS

Counts = Mapping[str, int]

ALL = "all"


def hidden_groups(persons: Counts, min_cell: int) -> frozenset[str]:
    """Groups that must be left out.

    A group under ``min_cell`` persons is. Where one level could be found by subtracting the others from the whole, or
    where what is missing to the whole would be under ``min_cell`` persons, the next smallest level goes too. A crossing
    goes with its parts, and the same rule holds among the crossings inside each of its parts.

    Args:
        persons: patients by group name, with "all" for everyone.
    """
    if min_cell <= 1:
        return frozenset()
    hidden = {name for name, n in persons.items() if n < min_cell}
    while True:
        more = _next_hidden(persons, hidden, min_cell)
        if not more:
            return frozenset(hidden)
        hidden |= more


def hidden_counts(events: Counts, persons: Counts, min_cell: int) -> frozenset[str]:
    """Groups whose number of events must be hidden: under ``min_cell`` with or without the event, and, where exactly
    one level of a grouping is such, the next smallest level too."""
    if min_cell <= 1:
        return frozenset()
    smaller = {name: min(events[name], persons[name] - events[name]) for name in events}
    hidden = {name for name, n in smaller.items() if n < min_cell}
    while True:
        more = {
            min(rest, key=lambda name: smaller[name])
            for levels in _families(events).values()
            if len(hidden & set(levels)) == 1 and (rest := [name for name in levels if name not in hidden])
        }
        if not more:
            return frozenset(hidden)
        hidden |= more


def _next_hidden(persons: Counts, hidden: set[str], min_cell: int) -> set[str]:
    more = {name for name in persons if CROSS in name and hidden & set(name.split(CROSS))} - hidden
    for whole, levels in _families(persons).items():
        total = persons.get(whole[0], 0)
        kept = [name for name in levels if name not in hidden]
        missing = total - sum(persons[name] for name in kept)
        # Persons of no listed level (a value is missing, a level was too small to list) stand beside a hidden one.
        unlisted = total - sum(persons[name] for name in levels)
        lonely = len(levels) - len(kept) == 1 and unlisted == 0
        if kept and (lonely or 0 < missing < min_cell) and whole[0] not in hidden:
            more.add(min(kept, key=lambda name: persons[name]))
    return more - hidden


def _families(names: Counts) -> dict[tuple[str, str], list[str]]:
    """Levels that add up to a whole: (whole, grouping) to names. The whole is "all", or one part of a crossing."""
    found: dict[tuple[str, str], list[str]] = {}
    for name in names:
        parts = name.split(CROSS)
        if name == ALL:
            continue
        if len(parts) == 1:
            found.setdefault((ALL, grouping(name)), []).append(name)
        for at, part in enumerate(parts if len(parts) == 2 else ()):
            found.setdefault((part, grouping(parts[1 - at])), []).append(name)
    return found


def grouping(name: str) -> str:
    """What a single group is a level of ("sex" for "sex=female")."""
    return name.split("=", 1)[0]

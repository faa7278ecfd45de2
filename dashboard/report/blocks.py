"""What a report is made of, before it is HTML: all text here is plain and is escaped once, where it is written out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pandas as pd
import plotly.graph_objects as go


@dataclass(frozen=True)
class Text:
    """A paragraph.

    Args:
        strong: words in front of it that carry weight; small: whether it explains more than it says.
    """

    text: str
    strong: str = ""
    small: bool = False


@dataclass(frozen=True)
class Lead:
    """The sentence that answers."""

    text: str


@dataclass(frozen=True)
class Missing:
    """What is not there, and why, in one line."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Badge:
    """A word of the closed list, and what it means."""

    word: str
    meaning: str


@dataclass(frozen=True)
class Badges:
    """Badges side by side."""

    items: tuple[Badge, ...]


@dataclass(frozen=True)
class Facts:
    """Names and values under each other; empty values are left out."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Listing:
    """Text that keeps its lines, such as a recipe."""

    text: str


@dataclass(frozen=True)
class Figure:
    """A figure and its finding in words."""

    drawing: go.Figure
    alt: str


@dataclass(frozen=True)
class Table:
    """A table under its title.

    Args:
        links: a column whose texts are anchors of the report (``#…``), which become links, or paths, which do not.
    """

    rows: pd.DataFrame
    title: str
    links: str = ""


Block = Text | Lead | Missing | Bullets | Badges | Facts | Listing | Figure | Table


@dataclass(frozen=True)
class Section:
    """A part of the report under a heading, with an anchor that findings point to.

    Args:
        level: of the heading, 2 to 4.
    """

    anchor: str
    title: str
    blocks: tuple[Block, ...] = ()
    level: int = 3
    parts: tuple[Section, ...] = field(default=())

    def all(self) -> Iterator[Section]:
        """This section and all below it, in reading order."""
        yield self
        for part in self.parts:
            yield from part.all()


def section(anchor: str, title: str, blocks: Iterable[Block], level: int = 3, parts: Iterable[Section] = ()) -> Section:
    """A section of what generators give; one without anything in it says so."""
    found, below = tuple(blocks), tuple(parts)
    return Section(anchor, title, found if found or below else (Missing("Nothing is recorded here."),), level, below)


def anchor_of(*names: str) -> str:
    """An anchor from names: small letters, digits and hyphens."""
    return "-".join(re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") for name in names)

"""Badges: words, never colour alone; each says on hover what it means."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import streamlit as st


@dataclass(frozen=True)
class Badge:
    """A word, its colour and its meaning."""

    word: str
    colour: Literal["orange", "blue", "violet", "gray", "green"]
    meaning: str


SIMULATED = Badge("SIMULATED", "orange", "These patients were made up by the project. Nothing here is true of real people.")
EXTERNAL = Badge("EXTERNAL", "blue", "Judged on patients of a site or release that the models never saw.")
TOO_FEW_EVENTS = Badge(
    "TOO FEW EVENTS",
    "violet",
    "Too few patients had this event to say how well a model works; read the intervals, not the points.",
)
RESEARCH_USE = Badge("RESEARCH USE", "gray", "Not a medical device. Not for decisions about a patient's care.")
PUBLISHED = Badge("PUBLISHED", "green", "A published study: results only, no row of a patient.")
RUN_HERE = Badge("RUN HERE", "green", "This study was run on this machine; its rows lie here too.")


def row(badges: Iterable[Badge]) -> None:
    """Badges side by side; nothing where there are none."""
    chosen = tuple(badges)
    if not chosen:
        return
    with st.container(horizontal=True, gap="small"):
        for badge in chosen:
            st.badge(badge.word, color=badge.colour, help=badge.meaning)


def titled(title: str, badges: Iterable[Badge]) -> None:
    """A bold line with badges behind it."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.markdown(f"**{title}**", width="content")
        for badge in badges:
            st.badge(badge.word, color=badge.colour, help=badge.meaning)


def inline(badge: Badge) -> str:
    """A badge inside a line of Markdown."""
    return f":{badge.colour}-badge[{badge.word}]"


def of_study(simulated: bool, published: bool) -> tuple[Badge, ...]:
    """The badges that a study wears."""
    return (*((SIMULATED,) if simulated else ()), PUBLISHED if published else RUN_HERE)

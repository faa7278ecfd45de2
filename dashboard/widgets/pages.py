"""What a page promises, and how pages find each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboard.widgets import state
from dashboard.widgets.trouble import guarded

SECTIONS: tuple[str, ...] = ("Studies", "Patients", "Experts", "Governance")


@dataclass(frozen=True)
class PageSpec:
    """A plug-in of ``dashboard.views``.

    Args:
        name: slug ("outcome_models").
        title: what people read in the navigation.
        section: heading it stands under; one of ``SECTIONS``, or a new one, which comes last.
        order: place within the section, smallest first.
        url_path: last part of the address ("outcome-models").
        render: draws the page.
        kinds: kinds of study that the page shows (``StudySummary.kind``); the sidebar offers these. Empty: of any kind.
    """

    name: str
    title: str
    section: str
    order: int
    url_path: str
    render: Callable[[], None]
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Here:
    """The page that the reader is on, ready to run, and its promise."""

    page: Any
    spec: PageSpec


def navigation(specs: Iterable[PageSpec]) -> Here:
    """The page that the reader is on, chosen from all pages in their sections; the first page is the landing page."""
    ordered = sorted(specs, key=lambda spec: (_place(spec.section), spec.order))
    pages = {
        spec.name: st.Page(guarded(spec.render), title=spec.title, url_path=spec.url_path, default=at == 0)
        for at, spec in enumerate(ordered)
    }
    st.session_state[state.PAGES] = pages
    menu: dict[str, list[Any]] = {}
    for spec in ordered:
        menu.setdefault(spec.section, []).append(pages[spec.name])
    page = st.navigation(menu)
    return Here(page, next((spec for spec in ordered if spec.title == page.title), ordered[0]))


def link(name: str, label: str, query: Mapping[str, str] | None = None, help: str | None = None) -> None:
    """A short link to another page that opens it at the values of ``query``; nothing where that page is not installed."""
    page = st.session_state.get(state.PAGES, {}).get(name)
    if page is None:
        return
    st.page_link(page, label=label, query_params=dict(query or {}), help=help)


def _place(section: str) -> int:
    return SECTIONS.index(section) if section in SECTIONS else len(SECTIONS)

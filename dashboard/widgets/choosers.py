"""Choosers whose value lives in the URL, so that a link opens the same view."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from dashboard.widgets import state


def select(label: str, name: str, words: Mapping[str, str], default: str, *, help: str | None = None) -> str:
    """One of ``words`` (value → what people read) from a list; the URL parameter ``name`` holds it."""
    key = _prepare(name, words, default)
    chosen = st.selectbox(
        label, list(words), format_func=lambda value: words[value], key=key, help=help, on_change=_keep, args=(name, key)
    )
    return _kept(name, chosen or default)


def switch(label: str, name: str, words: Mapping[str, str], default: str, *, help: str | None = None) -> str:
    """One of a few ``words`` as a row of buttons; the URL parameter ``name`` holds it."""
    key = _prepare(name, words, default)
    chosen = st.segmented_control(
        label,
        list(words),
        format_func=lambda value: words[value],
        key=key,
        help=help,
        on_change=_keep,
        args=(name, key),
        required=True,
    )
    return _kept(name, chosen or default)


def _prepare(name: str, words: Mapping[str, str], default: str) -> str:
    """The widget's key, its value set from the URL: a link followed inside the app changes the URL, not the widget."""
    key = f"choose_{name}"
    st.session_state[key] = state.from_url(name, list(words), default)
    return key


def _keep(name: str, key: str) -> None:
    value = st.session_state.get(key)
    if value is not None:
        state.to_url(name, str(value))


def _kept(name: str, value: str) -> str:
    state.to_url(name, value)
    return value

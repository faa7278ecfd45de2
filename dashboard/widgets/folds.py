"""The folded and the closing parts that every page ends with."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st


def how_to_read(lines: Iterable[str], sources: Iterable[str] = ()) -> None:
    """Three lines, folded, and where the methods come from."""
    with st.expander("How to read this"):
        for line in lines:
            st.markdown(f"- {line}")
        listed = [source for source in sources if source]
        if listed:
            st.caption("Sources: " + "; ".join(listed))


def what_would_change(sentence: str) -> None:
    """What would change the conclusion of a page."""
    if sentence:
        st.subheader("What would change this conclusion", anchor=False)
        st.markdown(sentence)


def remarks(title: str, sentences: Iterable[str]) -> None:
    """A folded list of sentences; nothing where there are none."""
    listed = [sentence for sentence in sentences if sentence]
    if listed:
        with st.expander(title):
            for sentence in listed:
                st.markdown(f"- {sentence}")


def nothing_yet(sentence: str, do: str, command: str = "") -> None:
    """An empty state: what is missing, and the command that makes it."""
    st.info(f"**{sentence}**  \n{do}")
    if command:
        st.code(command, language="bash")

"""Names of everything that is kept in the session and in the URL, and the one way to read and write them."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

# In the URL: never a patient's name, value or free text.
STUDY, OUTCOME, SPLIT, INPUTS, DATASET = "study", "outcome", "split", "inputs", "dataset"
REGION, METRIC, METHOD, CASE, FACTOR, COST = "region", "metric", "method", "case", "factor", "cost"
CROSSED = "crossed"

# In the session only.
PAGES = "_pages"
RECORD_PREFIX = "record:"
RESULT = "_counseling_result"


def from_url(name: str, known: Sequence[str], default: str) -> str:
    """The value of a URL parameter if it is a known one, else what the session last held, else the default."""
    for candidate in (st.query_params.get(name), st.session_state.get(f"_last_{name}")):
        if candidate in known:
            return str(candidate)
    return default


def to_url(name: str, value: str) -> None:
    """Keeps a value in the URL and in the session, so that a change of page does not lose it."""
    st.session_state[f"_last_{name}"] = value
    if st.query_params.get(name) != value:
        st.query_params[name] = value

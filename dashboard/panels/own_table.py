"""A site's own table: a template to fill in, the file itself, and which column is which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from core.contracts.codebook import Codebook
from core.ingest.cells import Cells, parse_cells
from dashboard.widgets import store

if TYPE_CHECKING:
    from core.serving.predictor import BundleFacts, BundlePredictor

GUESSES: Mapping[str, tuple[str, ...]] = {
    "outcome": ("outcome", "event", "happened", "y"),
    "patient": ("case", "case_id", "patient_id", "patient", "id", "subject"),
    "date": ("date", "day", "operated", "operated_on", "operation", "operation_date"),
}


def choose_bundle(facts: Sequence[BundleFacts], key: str) -> BundlePredictor:
    """The bundle that the reader chose, verified.

    Args:
        facts: of those offered, in order; the newest version of a name first.

    Raises:
        BundleError: it must not be used.
    """
    newest: dict[str, BundleFacts] = {}
    for one in facts:
        newest.setdefault(one.name, one)
    names = list(newest)
    words = {
        name: f"{newest[name].label}: {newest[name].dataset_label}{' (simulated)' * newest[name].simulated}" for name in names
    }
    chosen = st.selectbox("Model", names, format_func=lambda name: words[name], key=f"own_bundle_{key}")
    return store.predictor(newest[chosen])


def template(predictor: BundlePredictor, further: Sequence[str], key: str) -> None:
    """The header to fill in, and what belongs into each column."""
    from core.serving.tables import template as header

    codebook = predictor.bundle.outline.codebook
    with st.expander("What the table must hold"):
        st.markdown("One row a patient; CSV (comma or semicolon) or Parquet. A cell that is not known stays empty.")
        st.dataframe(_described(codebook), hide_index=True, width="stretch", key=f"own_fields_{key}")
        st.download_button(
            "Download an empty table", header(codebook, further).encode("utf-8-sig"), f"{predictor.facts.name}.csv", "text/csv",
            key=f"own_template_{key}", on_click="ignore",
        )  # fmt: skip


def _described(codebook: Codebook) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "Column": field.name, "What it is": field.label, "Unit": field.unit,
                "Values": ", ".join(f"{value} ({field.label_of(value)})" for value in field.values)
                or ("0 or 1" if field.kind == "flag" else _range(field.low, field.high)),
                "Needed": "yes" if field.required else "",
            }
            for field in codebook.fields
        ]
    )  # fmt: skip


def _range(low: float | None, high: float | None) -> str:
    return f"{low:g} to {high:g}" if low is not None and high is not None else ""


def upload(label: str, key: str) -> Cells | None:
    """The cells of the file that the reader gave; None as long as there is none. It is read in memory and kept nowhere.

    Raises:
        Refused: it cannot be read as a table.
    """
    given = st.file_uploader(label, type=["csv", "txt", "parquet"], key=f"own_file_{key}")
    return None if given is None else parse_cells(given.getvalue(), given.name)


def column(cells: Cells, label: str, role: str, key: str, *, optional: bool = False, first: Sequence[str] = ()) -> str:
    """The column that plays a role, guessed by its name; "" where there is none.

    Args:
        first: names that are tried before the usual ones.
    """
    names = (["", *cells.columns]) if optional else list(cells.columns)
    folded = {name.casefold(): name for name in cells.columns}
    guess = next((folded[word.casefold()] for word in (*first, *GUESSES[role]) if word.casefold() in folded), names[0])
    return str(
        st.selectbox(label, names, index=names.index(guess), format_func=lambda name: name or "none", key=f"own_{key}_{role}")
    )

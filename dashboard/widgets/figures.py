"""A figure, the same as a table, and both to take away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.charts.look import with_ink

MOST_ROWS, TALL_PX = 30, 620
"""A longer table scrolls inside this height."""

MODEBAR: dict[str, Any] = {
    "displaylogo": False,
    "displayModeBar": "hover",
    "scrollZoom": False,
    "modeBarButtons": [["toImage"]],
}


def figure(drawing: Any, *, name: str, alt: str) -> None:
    """A Plotly figure with its finding in words below; the camera in its corner saves it as SVG."""
    config = {**MODEBAR, "toImageButtonOptions": {"format": "svg", "filename": name, "scale": 1}}
    drawing = with_ink(drawing, st.context.theme.type or "light")
    st.plotly_chart(drawing, width="stretch", theme="streamlit", config=config, key=f"figure_{name}", alt=alt)
    st.caption(alt)


def clickable(drawing: Any, *, name: str, alt: str, on_click: Callable[[str, str], None]) -> None:
    """A figure whose dots can be clicked: ``on_click`` is given the two names that a dot carries (``customdata``)."""
    config = {**MODEBAR, "toImageButtonOptions": {"format": "svg", "filename": name, "scale": 1}}
    drawing = with_ink(drawing, st.context.theme.type or "light").update_layout(clickmode="event+select")
    key = f"figure_{name}"

    def clicked() -> None:
        points = (st.session_state.get(key) or {}).get("selection", {}).get("points", ())
        names = list(points[0].get("customdata") or ()) if points else []
        if len(names) >= 2:
            on_click(str(names[0]), str(names[1]))

    chosen = {"on_select": clicked, "selection_mode": "points"}
    st.plotly_chart(drawing, width="stretch", theme="streamlit", config=config, key=key, alt=alt, **chosen)
    st.caption(alt)


def table(shown: pd.DataFrame, *, name: str, alt: str, raw: pd.DataFrame | None = None, config: Any = None) -> None:
    """A sortable table and its download as CSV; ``raw`` holds the unrounded numbers where they differ."""
    st.dataframe(
        shown,
        hide_index=True,
        width="stretch",
        height="content" if len(shown) <= MOST_ROWS else TALL_PX,
        column_config=config,
        key=f"table_{name}",
        alt=alt,
    )
    download(shown if raw is None else raw, name)


def pickable(shown: pd.DataFrame, *, name: str, alt: str, on_pick: Callable[[], None]) -> None:
    """A table of which one row can be picked; the session holds the pick under ``table_`` and its name."""
    height = "content" if len(shown) <= MOST_ROWS else TALL_PX
    picking = {"on_select": on_pick, "selection_mode": "single-row"}
    st.dataframe(shown, hide_index=True, width="stretch", height=height, key=f"table_{name}", alt=alt, **picking)
    download(shown, name)


def download(rows: pd.DataFrame, name: str) -> None:
    """A button that saves rows as CSV."""
    st.download_button(
        "Download as CSV",
        data=lambda: rows.to_csv(index=False).encode("utf-8-sig"),
        file_name=f"{name}.csv",
        mime="text/csv",
        key=f"csv_{name}",
        on_click="ignore",
    )

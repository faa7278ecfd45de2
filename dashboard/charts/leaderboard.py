"""Forest plot of all models: one row each, families grouped, every point with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboard.charts.look import GREY, Mark, dress, mark_of
from dashboard.charts.wording import FAMILIES, difference_with_interval, finite, metric_label, signed, with_interval

ROW_PX = 25
SCORE_PANEL, TEXT_AT, DIFFERENCE_PANEL = [0.0, 0.44], 0.455, [0.74, 1.0]
"""Shares of the width: points, their numbers in words, differences."""

TICK_STEPS = (0.02, 0.05, 0.1, 0.2, 0.3)
SKILL_FREE = 0.5
"""What AUROC and C-index are without skill."""


@dataclass(frozen=True)
class _Line:
    """One line of the plot: a model, or a family's heading (no row)."""

    y: int
    text: str
    row: pd.Series | None


def forest(board: pd.DataFrame, metric: str) -> go.Figure:
    """The leaderboard drawn. ``board`` is what ``rows.leaderboard`` gives; the right panel holds paired differences."""
    lines = _lines(board)
    models = [(line.y, line.row) for line in lines if line.row is not None]
    paired = bool(board["difference"].notna().any())
    figure = make_subplots(cols=2 if paired else 1, shared_yaxes=True)
    figure.add_traces([_score_point(y, row, metric) for y, row in models if finite(row["value"])], rows=1, cols=1)
    if paired:
        figure.add_traces([_difference_point(y, row) for y, row in models if finite(row["difference"])], rows=1, cols=2)
    figure.update_layout(annotations=[_words(y, row) for y, row in models])
    _write_axes(figure, lines, metric)
    if paired:
        _write_difference_axis(figure, board)
    return dress(figure, 76 + ROW_PX * len(lines))


def _lines(board: pd.DataFrame) -> list[_Line]:
    lines: list[_Line] = []
    for family, rows in board.groupby("family", sort=False):
        lines.append(_Line(len(lines), f"<b>{FAMILIES.get(str(family), str(family))}</b>", None))
        for _, row in rows.iterrows():
            lines.append(_Line(len(lines), str(row["label"]), row))
    return lines


def _score_point(y: int, row: pd.Series, metric: str) -> go.Scatter:
    text = with_interval(row["value"], row["low"], row["high"])
    hover = f"<b>{row['label']}</b><br>{metric_label(metric)} {text}<br>{int(row['n'])} patients<extra></extra>"
    return _point(row["value"], row["low"], row["high"], y, _mark(row), hover)


def _difference_point(y: int, row: pd.Series) -> go.Scatter:
    low, high = row["difference_low"], row["difference_high"]
    told = difference_with_interval(row["difference"], low, high)
    hover = f"<b>{row['label']}</b><br>difference {told}<extra></extra>"
    return _point(row["difference"], low, high, y, _mark(row), hover)


def _mark(row: pd.Series) -> Mark:
    return mark_of(row["base_model"], row["family"], row["with_procedure"])


def _words(y: int, row: pd.Series) -> dict[str, Any]:
    """The score beside its point, in words."""
    text = with_interval(row["value"], row["low"], row["high"])
    return {
        "x": TEXT_AT, "xref": "paper", "xanchor": "left", "y": y, "yref": "y", "text": text, "showarrow": False,
        "font": {"size": 12}, "align": "left",
    }  # fmt: skip


def _point(value: float, low: float, high: float, y: int, mark: Mark, hover: str) -> go.Scatter:
    return go.Scatter(
        x=[value],
        y=[y],
        mode="markers",
        marker={"color": mark.colour, "symbol": mark.symbol, "size": 9, "line": {"width": 2, "color": mark.colour}},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [max(high - value, 0) if finite(high) else 0],
            "arrayminus": [max(value - low, 0) if finite(low) else 0],
            "color": mark.colour,
            "thickness": 1.8,
            "width": 0,
        },
        hovertemplate=hover,
        showlegend=False,
    )


def _write_axes(figure: go.Figure, lines: list[_Line], metric: str) -> None:
    figure.update_yaxes(
        tickvals=[line.y for line in lines],
        ticktext=[line.text for line in lines],
        range=[len(lines) - 0.4, -0.6],
        showgrid=False,
        zeroline=False,
        showline=False,
        ticks="",
        automargin=True,
    )
    if metric in ("auroc", "c_index"):
        figure.add_vline(x=SKILL_FREE, line={"color": GREY, "width": 1.2, "dash": "dot"}, row=1, col=1)
    figure.update_xaxes(title_text=f"{metric_label(metric)}, 95% interval", zeroline=False, nticks=6, tickangle=0)
    figure.update_xaxes(domain=SCORE_PANEL, row=1, col=1)


def _write_difference_axis(figure: go.Figure, board: pd.DataFrame) -> None:
    """Three ticks, zero in the middle: more do not fit in a narrow window."""
    farthest = board[["difference_low", "difference_high"]].abs().max(axis=None)
    step = max((size for size in TICK_STEPS if size <= farthest), default=TICK_STEPS[0])
    ticks = [-step, 0.0, step]
    figure.update_yaxes(showticklabels=False, row=1, col=2)
    figure.add_vline(x=0, line={"color": GREY, "width": 1.2, "dash": "dot"}, row=1, col=2)
    figure.update_xaxes(
        domain=DIFFERENCE_PANEL, title_text="Difference", tickvals=ticks, ticktext=[signed(tick) for tick in ticks], row=1, col=2
    )


def forest_alt(board: pd.DataFrame, metric: str, reference_label: str = "") -> str:
    """The finding of the forest plot in a sentence."""
    rivals = board[(board["family"] != "reference") & board["value"].notna()]
    if rivals.empty:
        return f"No model has a defined {metric_label(metric)} here."
    ranked = rivals.sort_values("value")
    worst, best = ranked.iloc[0], ranked.iloc[-1]
    against = f" Differences are to {reference_label}, on the same patients." if reference_label else ""
    return (
        f"{metric_label(metric)} of {len(rivals)} models: from "
        f"{with_interval(worst['value'], worst['low'], worst['high'])} for {worst['label']} to "
        f"{with_interval(best['value'], best['low'], best['high'])} for {best['label']}; no skill is 0.5.{against}"
    )

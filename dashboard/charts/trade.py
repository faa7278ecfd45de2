"""Quality against cost: one dot a method, with its interval."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from dashboard.charts.look import dress, log_ticks, mark_of
from dashboard.charts.mask_leaderboard import cost_words
from dashboard.charts.mask_rows import MaskMetric
from dashboard.charts.wording import finite

COSTS: dict[str, str] = {
    "parameters": "Trained numbers",
    "training_minutes": "Training, minutes a fit",
    "images_per_second": "Pictures a second when outlining",
    "peak_mb": "Peak memory, MB",
}


def trade(board: pd.DataFrame, metric: MaskMetric, cost: str) -> go.Figure:
    """Methods with a known cost; the cost on a logarithmic axis, where nothing is learned at its left end."""
    known = shown(board, cost)
    floor = _floor(known, cost)
    figure = go.Figure([_dot(row, metric, cost, floor) for _, row in known.iterrows()])
    if len(known):
        ticks = log_ticks(floor, max(float(known[cost].max()), floor))
        figure.update_xaxes(type="log", title_text=COSTS[cost] + ", logarithmic", tickangle=0, **ticks)
    if (known[cost] < floor).any():
        figure.add_annotation(x=0, xref="paper", y=0, yref="paper", text="left edge: none", showarrow=False, xanchor="left", yanchor="bottom", font={"size": 11})  # noqa: E501  # fmt: skip
    figure.update_yaxes(title_text=f"{metric.axis}, 95% interval")
    dress(figure, 430, top=24)
    return figure.update_layout(legend={"orientation": "v", "x": 1.01, "y": 1, "yanchor": "top", "xanchor": "left"})


def shown(board: pd.DataFrame, cost: str) -> pd.DataFrame:
    """Methods that have a value and that cost."""
    return board[board["value"].notna() & board[cost].notna() & (board["family"] != "reference")]


def _floor(known: pd.DataFrame, cost: str) -> float:
    """Where a cost of none is drawn: under the smallest cost that there is."""
    some = known.loc[known[cost] > 1e-3, cost]
    return float(some.min()) / 2 if len(some) else 1.0


def _dot(row: pd.Series, metric: MaskMetric, cost: str, floor: float) -> go.Scatter:
    mark = mark_of(row["model"], row["family"])
    told = metric.with_interval(row["value"], row["low"], row["high"])
    lines = [f"<b>{row['label']}</b>", f"{metric.label} {told}", f"{COSTS[cost]}: {cost_words(row)[cost]}"]
    return go.Scatter(
        x=[max(row[cost], floor)],
        y=[row["value"]],
        mode="markers",
        name=str(row["label"]),
        marker={"color": mark.colour, "symbol": mark.symbol, "size": 10},
        error_y={
            "type": "data", "symmetric": False, "array": [max(row["high"] - row["value"], 0) if finite(row["high"]) else 0],
            "arrayminus": [max(row["value"] - row["low"], 0) if finite(row["low"]) else 0], "color": mark.colour,
            "thickness": 1.4, "width": 0,
        },
        hovertemplate="<br>".join(lines) + "<extra></extra>",
    )  # fmt: skip


def trade_alt(board: pd.DataFrame, metric: MaskMetric, cost: str) -> str:
    """What the figure shows, in a sentence."""
    known = shown(board, cost)
    if known.empty:
        return "No cost was recorded."
    best = known.loc[metric.ranked(known["value"]).idxmax()]
    least = known.loc[known[cost].idxmax() if cost == "images_per_second" else known[cost].idxmin()]
    quality = f"{metric.label} {metric.value(best['value'])}"
    first = f"{COSTS[cost]}: the best method, {best['label']}, has {quality} at {cost_words(best)[cost]}"
    if best["model"] == least["model"]:
        return f"{first}, and is the cheapest."
    return f"{first}; the cheapest, {least['label']}, has {metric.value(least['value'])} at {cost_words(least)[cost]}."

"""Scores by what errors may depend on, and under planted faults of growing severity."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboard.charts.error_rows import CORRUPTION_MEANING, corruption_label
from dashboard.charts.look import dress, mark_of
from dashboard.charts.mask_rows import MaskMetric
from dashboard.charts.wording import finite, plural

GAP = 0.13
PANEL_PX, PANELS_A_ROW = 250, 3


def by_level(rows: pd.DataFrame, metric: MaskMetric) -> go.Figure:
    """One dot a method and level, side by side. ``rows`` is what ``error_rows.factor_rows`` gives."""
    levels = list(dict.fromkeys(rows["level"]))
    models = list(dict.fromkeys(rows["model"]))
    figure = go.Figure()
    for at, model in enumerate(models):
        mine = rows[rows["model"] == model]
        shift = (at - (len(models) - 1) / 2) * GAP
        figure.add_trace(_level_dots(mine, [levels.index(level) + shift for level in mine["level"]], metric))
    most = rows.groupby("level")["n"].max()
    figure.update_xaxes(
        tickvals=list(range(len(levels))), ticktext=[f"{level}<br>{plural(int(most[level]), 'case')}" for level in levels],
        range=[-0.6, len(levels) - 0.4], showgrid=False, tickangle=0,
    )  # fmt: skip
    figure.update_yaxes(title_text=f"{metric.axis}, 95% interval")
    return dress(figure, 400, bottom=64).update_layout(legend={"y": 1.02, "yanchor": "bottom"})


def _level_dots(mine: pd.DataFrame, places: list[float], metric: MaskMetric) -> go.Scatter:
    mark = mark_of(mine["model"].iloc[0], mine["family"].iloc[0])
    told = [f"{row['level']}: {metric.with_interval(row['value'], row['low'], row['high'])}, {int(row['n'])} cases" for _, row in mine.iterrows()]  # noqa: E501  # fmt: skip
    return go.Scatter(
        x=places,
        y=mine["value"],
        mode="markers",
        name=str(mine["label"].iloc[0]),
        marker={"color": mark.colour, "symbol": mark.symbol, "size": 10},
        error_y={
            "type": "data", "symmetric": False, "array": (mine["high"] - mine["value"]).clip(lower=0),
            "arrayminus": (mine["value"] - mine["low"]).clip(lower=0), "color": mark.colour, "thickness": 1.8, "width": 0,
        },
        text=told,
        hovertemplate="<b>%{fullData.name}</b><br>%{text}<extra></extra>",
    )  # fmt: skip


def by_level_alt(rows: pd.DataFrame, factor: str, metric: MaskMetric) -> str:
    """What the first method does at each level, in a sentence."""
    if rows.empty:
        return "No breakdown was computed."
    mine = rows[rows["model"] == rows["model"].iloc[0]]
    told = ", ".join(
        f"{row['level']} {metric.with_interval(row['value'], row['low'], row['high'])}" for _, row in mine.iterrows()
    )
    return f"{metric.axis} by {factor.lower()}, {mine['label'].iloc[0]}: {told}."


def by_severity(rows: pd.DataFrame) -> go.Figure:
    """A panel for each planted fault: Dice from no fault to the strongest. ``rows``: ``error_rows.robustness_rows``."""
    faults = list(dict.fromkeys(rows["corruption"]))
    count = -(-len(faults) // PANELS_A_ROW)
    titles = [corruption_label(str(fault)) for fault in faults]
    figure = make_subplots(
        rows=count, cols=PANELS_A_ROW, shared_yaxes=True, subplot_titles=titles, horizontal_spacing=0.04, vertical_spacing=0.2
    )
    for at, fault in enumerate(faults):
        for model in dict.fromkeys(rows["model"]):
            mine = rows[(rows["corruption"] == fault) & (rows["model"] == model)]
            if len(mine):
                figure.add_trace(_line(mine, first=at == 0), row=at // PANELS_A_ROW + 1, col=at % PANELS_A_ROW + 1)
    lowest = rows["low"].min() if finite(rows["low"].min()) else 0.0
    figure.update_xaxes(title_text="severity (0: none)", dtick=1, tickangle=0)
    figure.update_yaxes(range=[max(0.0, min(lowest, 0.5) - 0.03), 1.0])
    figure.update_yaxes(title_text="Dice", col=1)
    dress(figure, 110 + PANEL_PX * count, top=70)
    return figure.update_layout(legend={"y": 1 + 44 / (PANEL_PX * count), "yanchor": "bottom"})


def _line(mine: pd.DataFrame, *, first: bool) -> go.Scatter:
    mark = mark_of(mine["model"].iloc[0], mine["family"].iloc[0])
    told = [f"{row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f}), {int(row['n'])} cases" for _, row in mine.iterrows()]
    return go.Scatter(
        x=mine["severity"],
        y=mine["value"],
        mode="lines+markers",
        name=str(mine["label"].iloc[0]),
        legendgroup=str(mine["model"].iloc[0]),
        showlegend=first,
        line={"color": mark.colour, "dash": mark.dash, "width": 1.8},
        marker={"color": mark.colour, "symbol": mark.symbol, "size": 7},
        error_y={
            "type": "data", "symmetric": False, "array": (mine["high"] - mine["value"]).clip(lower=0),
            "arrayminus": (mine["value"] - mine["low"]).clip(lower=0), "color": mark.colour, "thickness": 1.2, "width": 0,
        },
        text=told,
        hovertemplate="<b>%{fullData.name}</b><br>severity %{x}: Dice %{text}<extra></extra>",
    )  # fmt: skip


def by_severity_alt(rows: pd.DataFrame) -> str:
    """How far the first method falls under each fault, in a sentence."""
    mine = rows[rows["model"] == rows["model"].iloc[0]]
    told = []
    for fault, part in mine.groupby("corruption", sort=False):
        part = part.sort_values("severity")
        told.append(f"{corruption_label(str(fault)).lower()} {part['value'].iloc[-1]:.2f}")
    clean = mine[mine["severity"] == 0]["value"]
    start = f" from {clean.iloc[0]:.2f}" if len(clean) else ""
    return f"Dice of {mine['label'].iloc[0]}{start} to, at the strongest: {', '.join(told)}."


def meanings(rows: pd.DataFrame) -> str:
    """What each planted fault is."""
    named = [str(fault) for fault in dict.fromkeys(rows["corruption"])]
    return "; ".join(f"{corruption_label(name)}: {CORRUPTION_MEANING[name]}" for name in named if name in CORRUPTION_MEANING)

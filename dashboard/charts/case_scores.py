"""Scores of single cases: how they spread, and where each case lies."""

from __future__ import annotations

import zlib

import pandas as pd
import plotly.graph_objects as go

from dashboard.charts.look import GREY, dress, log_ticks, mark_of, tint
from dashboard.charts.mask_rows import MaskMetric

MOST_DOTS, WORST_DOTS = 110, 12
"""Dots drawn of a method: its worst cases, and others spread evenly over the order."""

ROW_PX = 30
SIZE_DOTS = 1500


def spread(rows: pd.DataFrame, order: list[str], metric: MaskMetric, chosen: tuple[str, str] = ("", "")) -> go.Figure:
    """A box over all cases of each method, and dots of single cases that can be clicked.

    Args:
        rows: what ``mask_rows.case_rows`` gives; order: methods from top to bottom; chosen: method and case to ring.
    """
    figure = go.Figure()
    for place, model in enumerate(order):
        mine = rows[(rows["model"] == model) & rows[metric.name].notna()]
        if len(mine):
            figure.add_traces([_box(place, mine, metric), _dots(place, some_of(mine, metric, chosen[1]), metric)])
    _ring(figure, rows, order, metric, chosen)
    labels = dict(zip(rows["model"], rows["label"]))
    figure.update_yaxes(
        tickvals=list(range(len(order))), ticktext=[labels.get(model, model) for model in order],
        range=[len(order) - 0.4, -0.6], showgrid=False, automargin=True,
    )  # fmt: skip
    figure.update_xaxes(title_text=f"{metric.axis} of a case", nticks=8, tickangle=0)
    return dress(figure, 80 + ROW_PX * len(order))


def some_of(mine: pd.DataFrame, metric: MaskMetric, keep: str = "") -> pd.DataFrame:
    """At most so many cases of a method that a browser stays quick; the worst ones and a chosen one are always among them."""
    ranked = mine.assign(_good=metric.ranked(mine[metric.name])).sort_values(["_good", "case"], kind="stable")
    ranked = ranked.drop(columns="_good").reset_index(drop=True)
    if len(ranked) <= MOST_DOTS:
        return ranked
    step = -(-(len(ranked) - WORST_DOTS) // (MOST_DOTS - WORST_DOTS))
    return ranked[(ranked.index < WORST_DOTS) | (ranked.index % step == 0) | (ranked["case"] == keep)]


def _box(place: int, mine: pd.DataFrame, metric: MaskMetric) -> go.Box:
    mark = mark_of(mine["model"].iloc[0], mine["family"].iloc[0])
    return go.Box(
        x=mine[metric.name].round(4), y0=place, orientation="h", width=0.62, boxpoints=False, boxmean=True,
        line={"color": mark.colour, "width": 1.4}, fillcolor=tint(mark.colour, 0.12), hoverinfo="skip", showlegend=False,
    )  # fmt: skip


def _dots(place: int, mine: pd.DataFrame, metric: MaskMetric) -> go.Scatter:
    mark = mark_of(mine["model"].iloc[0], mine["family"].iloc[0])
    return go.Scatter(
        x=mine[metric.name].round(4),
        y=[place + 0.24 * _jitter(case) for case in mine["case"]],
        mode="markers",
        marker={"color": mark.colour, "size": 5, "opacity": 0.7},
        selected={"marker": {"opacity": 0.9}},
        unselected={"marker": {"opacity": 0.7}},
        customdata=mine[["model", "case"]].to_numpy(dtype=str),
        hovertemplate=f"<b>{mine['label'].iloc[0]}</b><br>case %{{customdata[1]}}<br>{metric.label} %{{x}}<extra></extra>",
        showlegend=False,
    )


def _jitter(case: str) -> float:
    """A place between −1 and 1 that a case keeps in every figure."""
    return zlib.crc32(case.encode()) % 2001 / 1000 - 1


def _ring(figure: go.Figure, rows: pd.DataFrame, order: list[str], metric: MaskMetric, chosen: tuple[str, str]) -> None:
    """A ring around the case on show."""
    found = rows[(rows["model"] == chosen[0]) & (rows["case"] == chosen[1]) & rows[metric.name].notna()]
    if len(found) and chosen[0] in order:
        y = order.index(chosen[0]) + 0.24 * _jitter(chosen[1])
        ring = {"color": "rgba(0,0,0,0)", "size": 13, "line": {"width": 3, "color": GREY}}
        figure.add_trace(go.Scatter(x=[found.iloc[0][metric.name]], y=[y], mode="markers", marker=ring, hoverinfo="skip", showlegend=False))  # noqa: E501  # fmt: skip


def spread_alt(rows: pd.DataFrame, model: str, metric: MaskMetric) -> str:
    """What the boxes show, in a sentence about one method."""
    first = rows[(rows["model"] == model) & rows[metric.name].notna()]
    if first.empty:
        return "No score of a single case was kept."
    low, high = first[metric.name].min(), first[metric.name].max()
    return (
        f"{metric.axis} of single cases. {first['label'].iloc[0]} lies between {metric.value(low)} and {metric.value(high)} over "
        f"{len(first)} cases. Box: middle half of the cases, line: median, dashed: mean; a dot is a case."
    )


def against_size(rows: pd.DataFrame, models: list[str], metric: MaskMetric, size_axis: str) -> go.Figure:
    """Each case's score against the size of its region, for a few methods; dots can be clicked."""
    figure = go.Figure()
    for model in models:
        mine = rows[(rows["model"] == model) & rows[metric.name].notna() & (rows["size"] > 0)]
        if len(mine):
            figure.add_trace(_size_dots(mine.head(SIZE_DOTS), metric))
    sizes = rows.loc[rows["model"].isin(models) & (rows["size"] > 0), "size"]
    if len(sizes):
        figure.update_xaxes(type="log", title_text=size_axis, tickangle=0, **log_ticks(sizes.min(), sizes.max()))
    figure.update_yaxes(title_text=f"{metric.axis} of a case")
    return dress(figure, 440).update_layout(legend={"y": 1.02, "yanchor": "bottom"})


def _size_dots(mine: pd.DataFrame, metric: MaskMetric) -> go.Scatter:
    mark = mark_of(mine["model"].iloc[0], mine["family"].iloc[0])
    return go.Scatter(
        x=mine["size"],
        y=mine[metric.name].round(4),
        mode="markers",
        name=str(mine["label"].iloc[0]),
        marker={"color": mark.colour, "symbol": mark.symbol, "size": 7, "opacity": 0.8},
        selected={"marker": {"opacity": 0.9}},
        unselected={"marker": {"opacity": 0.8}},
        customdata=mine[["model", "case"]].to_numpy(dtype=str),
        hovertemplate="<b>%{fullData.name}</b><br>case %{customdata[1]}<br>" + metric.label + " %{y}, size %{x}<extra></extra>",
    )

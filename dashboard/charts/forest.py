"""Groups beneath each other: how far each lies from the other patients, with interval, margin and verdict."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from core.evaluation.groups import group_words
from dashboard.charts.look import BLUE, GREEN, GREY, VERMILLION, dress, tint
from dashboard.charts.wording import finite, number, plural

ROW_PX = 30
MARKS: dict[str, tuple[str, str]] = {
    "adequate": (GREEN, "circle"),
    "disparity": (VERMILLION, "diamond"),
    "no evidence": (BLUE, "circle-open"),
    "too few events": (GREY, "x-thin-open"),
    "too few patients": (GREY, "x-thin-open"),
}
"""Colour and symbol of each verdict; the word stands beside it."""
RATIOS = frozenset({"oe_ratio"})
PROMISED = frozenset({"net_benefit"})
"""Metrics whose gap is beyond what the stated risks promise."""


def forest(rows: pd.DataFrame, label: str) -> go.Figure:
    """One line a group: the gap to the others.

    Args:
        rows: rows of ``fairness`` of one model and metric, in the order drawn; label: what people read for the metric.
    """
    ratio = bool(rows["metric"].isin(RATIOS).any())
    figure = go.Figure()
    margin = float(rows["margin"].iloc[0])
    edges = (1 / margin, margin) if ratio else (-margin, margin)
    figure.add_vrect(x0=edges[0], x1=edges[1], fillcolor=tint(GREY, 0.14), line_width=0, layer="below")
    figure.add_vline(x=1.0 if ratio else 0.0, line={"color": GREY, "width": 1.2, "dash": "dot"})
    place = {group: at for at, group in enumerate(rows["group"])}
    for verdict, (colour, symbol) in MARKS.items():
        part = rows[(rows["verdict"] == verdict) & rows["gap"].map(finite)]
        if len(part):
            figure.add_trace(_marks(part, place, verdict, colour, symbol, label))
    figure.update_yaxes(
        tickvals=list(place.values()),
        ticktext=[f"{group_words(row['group'])} (n = {int(row['n']):,})" for _, row in rows.iterrows()],
        range=[len(rows) - 0.4, -0.6],
        showgrid=False,
        automargin=True,
    )
    if ratio:
        figure.update_xaxes(
            type="log", tickvals=[0.25, 0.5, 0.8, 1, 1.25, 2, 4], ticktext=["¼", "½", "0.8", "1", "1.25", "2", "4"]
        )
    for _, row in rows[~rows["gap"].map(finite)].iterrows():
        figure.add_annotation(
            x=0, y=place[row["group"]], text=str(row["verdict"]), showarrow=False, font={"color": GREY, "size": 12}
        )
    promised = "<br>(beyond what risks promise)" if rows["metric"].isin(PROMISED).any() else ""
    figure.update_xaxes(title_text=f"Group {'/' if ratio else '−'} others, 95% interval{promised}")
    dress(figure, 120 + ROW_PX * len(rows), top=40)
    return figure.update_layout(legend={"y": 1.0, "yanchor": "bottom"})


def _marks(part: pd.DataFrame, place: dict[str, int], verdict: str, colour: str, symbol: str, label: str) -> go.Scatter:
    return go.Scatter(
        x=part["gap"],
        y=[place[group] for group in part["group"]],
        mode="markers",
        name=verdict.capitalize(),
        showlegend=True,
        marker={"color": colour, "symbol": symbol, "size": 10, "line": {"color": colour, "width": 2}},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": (part["gap_high"] - part["gap"]).clip(lower=0),
            "arrayminus": (part["gap"] - part["gap_low"]).clip(lower=0),
            "color": colour,
            "thickness": 1.6,
            "width": 0,
        },
        text=[_hover(row, label) for _, row in part.iterrows()],
        hovertemplate="%{text}<extra></extra>",
    )


def _hover(row: pd.Series, label: str) -> str:
    gap = f"{number(row['gap'])} ({number(row['gap_low'])} to {number(row['gap_high'])})"
    here, there = number(row["value"]), number(row["rest"])
    return f"<b>{group_words(row['group'])}</b><br>{label}: {here}, others {there}<br>gap {gap}<br>{row['verdict']}"


def forest_alt(rows: pd.DataFrame, label: str) -> str:
    """What the forest shows, in a sentence."""
    counts = rows["verdict"].value_counts()
    parts = [f"{counts[verdict]} {verdict}" for verdict in MARKS if verdict in counts]
    widest = rows[rows["gap"].map(finite)]
    told = f"{label}, {plural(len(rows), 'group')}: {', '.join(parts)}."
    seen = widest[widest["verdict"] == "disparity"]
    if seen.empty:
        return told
    return f"{told} A disparity: {'; '.join(group_words(group) for group in seen['group'])}."

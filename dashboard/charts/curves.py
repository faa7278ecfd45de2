"""ROC and precision-recall curves with their 95 % bands."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from dashboard.charts.look import GREY, Mark, dress, mark_of, tint
from dashboard.charts.wording import percent

HEIGHT = 460


def roc(rows: pd.DataFrame) -> go.Figure:
    """ROC curves of a few models; the grey diagonal is no skill."""
    figure = curves(rows, "1 − specificity", "sensitivity")
    figure.add_trace(grey_line([0, 1], [0, 1], "No skill"))
    return _square(figure, "Flagged among those without the event", "Flagged among those with it")


def precision_recall(rows: pd.DataFrame, rate: float) -> go.Figure:
    """Precision-recall curves of a few models; the grey line is the base rate."""
    figure = curves(rows, "recall", "precision")
    figure.add_trace(grey_line([0, 1], [rate, rate], f"Base rate, {percent(rate)}"))
    return _square(figure, "Flagged among those with the event", "Events among the flagged")


def curves_alt(rows: pd.DataFrame, kind: str, rate: float | None = None) -> str:
    """What the curves show, in a sentence."""
    names = ", ".join(rows["label"].unique()) or "no model"
    name = "ROC curves" if kind == "roc" else "Precision-recall curves"
    line = "the diagonal is no skill" if rate is None else f"the grey line is the base rate, {percent(rate)}"
    return f"{name} with 95% bands of {names}; {line}."


def curves(rows: pd.DataFrame, x_name: str, y_name: str) -> go.Figure:
    """Lines with their bands, one a model."""
    figure = go.Figure()
    for _, points in rows.groupby("model", sort=False):
        first = points.iloc[0]
        mark = mark_of(first["base_model"], first["family"], first["with_procedure"])
        figure.add_trace(_band(points, mark))
        figure.add_trace(_line(points, mark, str(first["label"]), x_name, y_name))
    return figure


def _band(points: pd.DataFrame, mark: Mark) -> go.Scatter:
    known = points.dropna(subset=["low", "high"])
    return go.Scatter(
        x=[*known["x"], *known["x"][::-1]],
        y=[*known["high"], *known["low"][::-1]],
        mode="lines",
        fill="toself",
        fillcolor=tint(mark.colour, 0.13),
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
    )


def _line(points: pd.DataFrame, mark: Mark, label: str, x_name: str, y_name: str) -> go.Scatter:
    return go.Scatter(
        x=points["x"],
        y=points["y"],
        mode="lines",
        name=label,
        line={"color": mark.colour, "width": 2.2, "dash": mark.dash},
        hovertemplate=f"<b>{label}</b><br>{x_name} %{{x:.2f}}<br>{y_name} %{{y:.2f}}<extra></extra>",
    )


def grey_line(x: list[float], y: list[float], name: str) -> go.Scatter:
    """What a model is compared with: no skill, nobody, everybody."""
    return go.Scatter(x=x, y=y, mode="lines", name=name, line={"color": GREY, "width": 1.4, "dash": "dot"}, hoverinfo="skip")


def _square(figure: go.Figure, x_title: str, y_title: str) -> go.Figure:
    figure.update_xaxes(range=[-0.01, 1.01], tickformat=".0%", title_text=x_title, dtick=0.25, zeroline=False)
    figure.update_yaxes(range=[-0.01, 1.01], tickformat=".0%", title_text=y_title, dtick=0.25, zeroline=False)
    return dress(figure, HEIGHT, bottom=140)

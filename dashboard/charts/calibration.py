"""Stated risk beside what happened, how risks are spread, and what acting on them is worth."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from dashboard.charts.curves import curves, grey_line
from dashboard.charts.look import BLUE, DASHES, GREY, ORANGE, PALETTE, dress, tint
from dashboard.charts.wording import number, percent

HEIGHT = 460
METHODS: dict[str, str] = {
    "none": "As it is",
    "intercept": "Level moved",
    "platt": "Level and slope (logistic)",
    "beta": "Beta",
    "isotonic": "Isotonic",
}


def calibration(rows: pd.DataFrame) -> go.Figure:
    """Smooth calibration curves with bands; the grey diagonal is a risk that comes true."""
    figure = curves(rows, "stated risk", "share with the event")
    top = min(1.0, max(0.2, 1.1 * float(rows[["x", "y"]].max(axis=None))))
    figure.add_trace(grey_line([0, top], [0, top], "Comes true"))
    figure.update_xaxes(range=[0, top], tickformat=".0%", title_text="Stated risk", zeroline=False)
    figure.update_yaxes(range=[0, top], tickformat=".0%", title_text="Share with the event", zeroline=False)
    return dress(figure, HEIGHT, bottom=140)


def calibration_alt(rows: pd.DataFrame, slope: dict[str, str]) -> str:
    """What the curves show, in a sentence; ``slope``: calibration slope with interval by model label."""
    parts = [f"{label}: slope {slope[label]}" if label in slope else str(label) for label in rows["label"].unique()]
    return f"Smooth calibration curves with 95% bands; on the diagonal a stated risk comes true. {'; '.join(parts)}."


def distribution(rows: pd.DataFrame, event_word: str, other_word: str) -> go.Figure:
    """Spread of the stated risks of one model, those with the event above the line and those without below."""
    figure = go.Figure()
    for event, name, colour, sign in ((1, event_word, ORANGE, 1), (0, other_word, BLUE, -1)):
        part = rows[rows["event"] == event].dropna(subset=["share"])
        figure.add_trace(
            go.Bar(
                x=(part["bin_low"] + part["bin_high"]) / 2,
                y=sign * part["share"],
                width=part["bin_high"] - part["bin_low"],
                name=name,
                marker={"color": tint(colour, 0.75), "line": {"color": colour, "width": 1}},
                customdata=part["share"],
                hovertemplate="risk %{x:.0%}: %{customdata:.0%} of these patients<extra></extra>",
            )
        )
    figure.add_hline(y=0, line={"color": GREY, "width": 1})
    figure.update_xaxes(title_text="Stated risk", tickformat=".0%", range=[0, min(1.0, 1.1 * float(rows["bin_high"].max()))])
    figure.update_yaxes(title_text="Share of these patients", tickformat=".0%", showticklabels=True)
    dress(figure, HEIGHT, bottom=140)
    return figure.update_layout(barmode="overlay", bargap=0)


def distribution_alt(rows: pd.DataFrame, event_word: str, other_word: str) -> str:
    """Where the two groups lie, in a sentence."""
    told = []
    for event, name in ((1, event_word), (0, other_word)):
        part = rows[(rows["event"] == event)].dropna(subset=["share"])
        if len(part) and part["share"].sum() > 0:
            centre = ((part["bin_low"] + part["bin_high"]) / 2 * part["share"]).sum() / part["share"].sum()
            told.append(f"{name}: mean stated risk {percent(float(centre))}")
    return f"Distribution of stated risks. {'; '.join(told)}."


def decision(rows: pd.DataFrame, rate: float, action: str) -> go.Figure:
    """Net benefit over the thresholds, beside flagging nobody and flagging everybody."""
    figure = curves(rows, "threshold", "net benefit")
    grid = sorted(rows["x"].unique())
    everybody = [rate - (1 - rate) * at / (1 - at) for at in grid]
    figure.add_trace(grey_line(grid, [0.0] * len(grid), "Nobody"))
    figure.add_trace(grey_line(grid, everybody, "Everybody").update(line={"dash": "dash"}))
    low = min(0.0, float(rows["y"].min())) - 0.01
    top = max(float(rows["high"].max()), everybody[0]) + 0.01
    figure.update_xaxes(title_text=f"Threshold for {action}", tickformat=".0%", zeroline=False)
    figure.update_yaxes(title_text="Net benefit per patient", range=[max(low, -0.1), top], zeroline=False)
    return dress(figure, HEIGHT, bottom=140)


def decision_alt(rows: pd.DataFrame, rate: float) -> str:
    """Over which thresholds each model is worth more than the better of nobody and everybody."""
    told = []
    for label, points in rows.groupby("label", sort=False):
        best = (rate - (1 - rate) * points["x"] / (1 - points["x"])).clip(lower=0)
        sure = points[points["low"] > best]
        likely = points[points["y"] > best]
        if len(sure):
            told.append(f"{label} is worth more, beyond chance, at {_span(sure['x'])}")
        elif len(likely):
            told.append(f"{label} lies above both at {_span(likely['x'])}, within chance")
        else:
            told.append(f"{label} is worth no more than flagging nobody or everybody")
    return f"Decision curves with 95% bands. {'; '.join(told)}."


def _span(thresholds: pd.Series) -> str:
    low, high = float(thresholds.min()), float(thresholds.max())
    return percent(low) if low == high else f"{percent(low)} to {percent(high)}"


def recalibrated(rows: pd.DataFrame) -> go.Figure:
    """Calibration of one model before and after each method; ``rows`` has the column ``method``."""
    figure = go.Figure()
    top = min(1.0, max(0.2, 1.1 * float(rows[["x", "y"]].max(axis=None))))
    for method, points in rows.groupby("method", sort=False):
        place = list(METHODS).index(str(method))
        colour, dash = (GREY, "solid") if method == "none" else (PALETTE[place - 1], DASHES[(place - 1) % len(DASHES)])
        figure.add_trace(
            go.Scatter(
                x=points["x"],
                y=points["y"],
                mode="lines",
                name=METHODS.get(str(method), str(method)),
                line={"color": colour, "dash": dash, "width": 2.2},
                hovertemplate="stated %{x:.0%}, happened %{y:.0%}<extra></extra>",
            )
        )
    figure.add_trace(grey_line([0, top], [0, top], "Comes true"))
    figure.update_xaxes(range=[0, top], tickformat=".0%", title_text="Stated risk", zeroline=False)
    figure.update_yaxes(range=[0, top], tickformat=".0%", title_text="Share with the event", zeroline=False)
    return dress(figure, HEIGHT, bottom=140)


def recalibrated_alt(table: pd.DataFrame) -> str:
    """The integrated calibration index before and after, in a sentence."""
    index = table[table["metric"] == "integrated_calibration_index"].set_index("method")["value"]
    parts = [f"{METHODS.get(str(name), str(name)).lower()} {number(value, 3)}" for name, value in index.items()]
    return f"Mean distance from the diagonal (integrated calibration index): {', '.join(parts)}."

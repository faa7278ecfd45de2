"""Observed beside expected: by month on a site's own cases, and by day on a list of planned patients."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from dashboard.charts.look import BLUE, GREY, VERMILLION, dress, tint

HEIGHT = 360


def watch(months: pd.DataFrame) -> go.Figure:
    """Events of each month with the limits that hold them 95 times in 100 while the risks come true.

    Args:
        months: as ``core.evaluation.local_check.monthly`` gives them.
    """
    figure = go.Figure(_band(months["month"], months, "Expected, 95 in 100"))
    for stop, name, colour, symbol in ((False, "Observed", BLUE, "circle"), (True, "Observed, rule says stop", VERMILLION, "x")):
        part = months[months["stop"] == stop]
        if len(part):
            figure.add_trace(
                go.Scatter(
                    x=part["month"], y=part["observed"], mode="markers", name=name,
                    marker={"color": colour, "symbol": symbol, "size": 11}, customdata=part[["n", "expected"]],
                    hovertemplate="%{x}: %{y} of %{customdata[0]}, %{customdata[1]:.1f} expected<extra></extra>",
                )
            )  # fmt: skip
    figure.update_xaxes(type="date", tickformat="%b<br>%Y", title_text="Month of the operation")
    figure.update_yaxes(title_text="Patients with the event", rangemode="tozero")
    return _dressed(figure)


def needs(by_day: pd.DataFrame, what: str) -> go.Figure:
    """What is expected on each day, with the range that holds nine times in ten.

    Args:
        by_day: date, expected, low, high; what: "Beds taken".
    """
    figure = go.Figure(_band(by_day["date"], by_day, "Nine times in ten"))
    figure.update_xaxes(type="date", tickformat="%d %b", title_text="Day")
    figure.update_yaxes(title_text=what, rangemode="tozero")
    return _dressed(figure)


def _dressed(figure: go.Figure) -> go.Figure:
    dress(figure, HEIGHT, top=60)
    return figure.update_layout(legend={"y": 1.0, "yanchor": "bottom", "x": 0, "xanchor": "left"})


def _band(x: pd.Series, rows: pd.DataFrame, name: str) -> list[go.Scatter]:
    half = {"mode": "lines", "hoverinfo": "skip", "line": {"width": 0, "shape": "hvh"}, "legendrank": 1001}
    return [
        go.Scatter(x=x, y=rows["low"], showlegend=False, **half),
        go.Scatter(x=x, y=rows["high"], fill="tonexty", fillcolor=tint(GREY, 0.2), name=name, **half),
        go.Scatter(x=x, y=rows["expected"], mode="lines", name="Expected", line={"color": GREY, "width": 2, "shape": "hvh"}),
    ]


def watch_alt(months: pd.DataFrame) -> str:
    """What the months show, in a sentence."""
    last = months.iloc[-1]
    total = f"{last['total_observed']:.0f} events seen, {last['total_expected']:.1f} expected, over {len(months)} months"
    if not months["stop"].any():
        return f"{total}; the rule sees no reason to stop."
    first = months.loc[months["stop"], "month"].iloc[0]
    return f"{total}; since {first} the rule says: stop relying on these risks until they are checked."

"""Forest plot of all methods of outlining: one row each, families grouped, and what each costs beside it."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dashboard.charts.cost import duration
from dashboard.charts.look import GREY, dress, mark_of
from dashboard.charts.mask_rows import HUMAN, MaskMetric, cases_words
from dashboard.charts.wording import FAMILIES, finite

ROW_PX = 25
SCORE_PANEL = [0.0, 0.37]
COLUMNS: tuple[tuple[str, float], ...] = (
    ("value", 0.39), ("parameters", 0.705), ("training_minutes", 0.80), ("images_per_second", 0.905), ("peak_mb", 1.0),
)  # fmt: skip
"""Where the numbers in words stand, as shares of the width: the score from its left edge, costs up to their right edge."""

HEADINGS = {
    "value": "mean (interval)",
    "parameters": "numbers",
    "training_minutes": "training",
    "images_per_second": "pictures/s",
    "peak_mb": "memory",
}


def forest(board: pd.DataFrame, metric: MaskMetric) -> go.Figure:
    """The leaderboard drawn. ``board`` is what ``mask_rows.board`` gives; a dot carries its method for clicks."""
    lines = _lines(board)
    rows = [(y, row) for y, (_, row) in enumerate(lines) if row is not None]
    figure = go.Figure([_point(y, row, metric) for y, row in rows if finite(row["value"])])
    notes = [note for y, row in rows for note in _words(y, row, metric)]
    figure.update_layout(annotations=[*notes, *_headings()])
    figure.update_yaxes(
        tickvals=list(range(len(lines))), ticktext=[text for text, _ in lines], range=[len(lines) - 0.4, -0.6],
        showgrid=False, zeroline=False, showline=False, ticks="", automargin=True,
    )  # fmt: skip
    figure.update_xaxes(domain=SCORE_PANEL, title_text=f"{metric.axis}, 95% interval", nticks=6, tickangle=0, zeroline=False)
    _human_line(figure, board)
    return dress(figure, 100 + ROW_PX * len(lines), top=40)


def _lines(board: pd.DataFrame) -> list[tuple[str, pd.Series | None]]:
    lines: list[tuple[str, pd.Series | None]] = []
    for family, rows in board.groupby("family", sort=False):
        lines.append((f"<b>{FAMILIES.get(str(family), str(family))}</b>", None))
        lines += [(str(row["label"]), row) for _, row in rows.iterrows()]
    return lines


def _point(y: int, row: pd.Series, metric: MaskMetric) -> go.Scatter:
    mark = mark_of(row["model"], row["family"])
    told = f"{metric.label} {metric.with_interval(row['value'], row['low'], row['high'])}"
    hover = f"<b>{row['label']}</b><br>{told}<br>{cases_words(row['n'], row['n_patients'])}<extra></extra>"
    return go.Scatter(
        x=[row["value"]],
        y=[y],
        mode="markers",
        customdata=[[row["model"], ""]],
        marker={"color": mark.colour, "symbol": mark.symbol, "size": 9, "line": {"width": 2, "color": mark.colour}},
        error_x=interval_bar(row, mark.colour),
        hovertemplate=hover,
        showlegend=False,
    )


def interval_bar(row: pd.Series, colour: str) -> dict[str, Any]:
    """The interval of one point."""
    high = max(row["high"] - row["value"], 0) if finite(row["high"]) else 0
    low = max(row["value"] - row["low"], 0) if finite(row["low"]) else 0
    return {
        "type": "data", "symmetric": False, "array": [high], "arrayminus": [low], "color": colour, "thickness": 1.8, "width": 0,
    }  # fmt: skip


def _words(y: int, row: pd.Series, metric: MaskMetric) -> list[dict[str, Any]]:
    """The score and the costs of a row, in words."""
    told = {"value": metric.with_interval(row["value"], row["low"], row["high"]), **cost_words(row)}
    return [_note(x, y, told[name], name) for name, x in COLUMNS if told[name]]


def cost_words(row: pd.Series) -> dict[str, str]:
    """What a method costs, in the units that fit; empty where nothing was measured."""
    return {
        "parameters": count_words(row["parameters"]),
        "training_minutes": _time_words(60 * row["training_minutes"]),
        "images_per_second": _rate_words(row["images_per_second"]),
        "peak_mb": f"{row['peak_mb'] / 1024:.1f} GB" if finite(row["peak_mb"]) else "",
    }


def _time_words(seconds: float) -> str:
    """ "none", "< 0.1 s", "20 min"."""
    if not finite(seconds):
        return ""
    return "none" if seconds <= 0 else "< 0.1 s" if seconds < 0.1 else duration(seconds)


def _rate_words(rate: float) -> str:
    """ "0.4", "7.4", "1,880"."""
    return "" if not finite(rate) else f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"


def count_words(count: float) -> str:
    """ "none", "1,240", "660 k", "2.1 M"."""
    if not finite(count):
        return ""
    if count < 1e4:
        return f"{count:,.0f}" if count else "none"
    return f"{count / 1e3:,.0f} k" if count < 1e6 else f"{count / 1e6:,.1f} M"


def _note(x: float, y: int, text: str, name: str) -> dict[str, Any]:
    anchor = "left" if name == "value" else "right"
    place = {"x": x, "xref": "paper", "xanchor": anchor, "y": y, "yref": "y", "align": anchor}
    return {**place, "text": text, "showarrow": False, "font": {"size": 12}}


def _headings() -> list[dict[str, Any]]:
    return [
        {**_note(x, 0, f"<i>{HEADINGS[name]}</i>", name), "y": 1.0, "yref": "paper", "yanchor": "bottom"} for name, x in COLUMNS
    ]


def _human_line(figure: go.Figure, board: pd.DataFrame) -> None:
    people = board[(board["model"] == HUMAN) & board["value"].notna()]
    if len(people):
        row = people.iloc[0]
        figure.add_vrect(x0=row["low"], x1=row["high"], fillcolor=GREY, opacity=0.15, line_width=0)
        figure.add_vline(x=row["value"], line={"color": GREY, "width": 1.2, "dash": "dot"})


def forest_alt(board: pd.DataFrame, metric: MaskMetric) -> str:
    """The finding of the forest plot in a sentence or two."""
    rivals = board[(board["family"] != "reference") & board["value"].notna()]
    if rivals.empty:
        return f"No method has a defined {metric.label} here."
    order = metric.ranked(rivals["value"])
    ends = [rivals.loc[at] for at in (order.idxmax(), order.idxmin())]
    best, worst = (f"{metric.with_interval(row['value'], row['low'], row['high'])} for {row['label']}" for row in ends)
    people = board[(board["model"] == HUMAN) & board["value"].notna()]
    line = (
        f" The grey band is how well readers agree among themselves: {metric.value(people.iloc[0]['value'])}."
        if len(people)
        else ""
    )
    aim = (
        "higher is better"
        if metric.aim == "higher"
        else "lower is better"
        if metric.aim == "lower"
        else "nearer to zero is better"
    )
    return f"{metric.axis} of {len(rivals)} methods ({aim}): from {best} to {worst}.{line}"

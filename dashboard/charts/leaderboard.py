"""Forest plot of all models: one row each, families grouped, every point with its interval."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboard.charts.look import GREY, Mark, dress, mark_of
from dashboard.charts.wording import FAMILIES, difference_with_interval, finite, metric_label, with_interval

ROW_PX = 25
SKILL_FREE = 0.5
"""What AUROC and C-index are without skill."""


@dataclass(frozen=True)
class _Line:
    """One line of the plot: a model, or a family's heading (no row)."""

    y: int
    text: str
    row: pd.Series | None


def forest(board: pd.DataFrame, metric: str, reference_label: str = "") -> go.Figure:
    """The leaderboard drawn. ``board`` is what ``rows.leaderboard`` gives; the right panel holds paired differences."""
    lines = _lines(board)
    paired = bool(board["difference"].notna().any())
    figure = make_subplots(
        cols=2 if paired else 1, shared_yaxes=True, column_widths=[0.62, 0.38] if paired else [1.0], horizontal_spacing=0.2
    )
    for line in lines:
        if line.row is not None:
            _draw(figure, line.y, line.row, metric, paired)
    _write_axes(figure, lines, metric, reference_label if paired else "")
    return dress(figure, 76 + ROW_PX * len(lines), top=30)


def _lines(board: pd.DataFrame) -> list[_Line]:
    lines: list[_Line] = []
    for family, rows in board.groupby("family", sort=False):
        lines.append(_Line(len(lines), f"<b>{FAMILIES.get(str(family), str(family))}</b>", None))
        for _, row in rows.iterrows():
            lines.append(_Line(len(lines), str(row["label"]), row))
    return lines


def _draw(figure: go.Figure, y: int, row: pd.Series, metric: str, paired: bool) -> None:
    mark = mark_of(row["base_model"], row["family"], row["with_procedure"])
    if finite(row["value"]):
        text = with_interval(row["value"], row["low"], row["high"])
        hover = f"<b>{row['label']}</b><br>{metric_label(metric)} {text}<br>{int(row['n'])} patients<extra></extra>"
        figure.add_trace(_point(row["value"], row["low"], row["high"], y, mark, hover), row=1, col=1)
    else:
        text = "not defined"
    figure.add_annotation(
        x=1.02, xref="x domain", xanchor="left", y=y, yref="y", text=text, showarrow=False, font={"size": 12}, align="left"
    )
    if paired and finite(row["difference"]):
        low, high = row["difference_low"], row["difference_high"]
        told = difference_with_interval(row["difference"], low, high)
        hover = f"<b>{row['label']}</b><br>difference {told}<extra></extra>"
        figure.add_trace(_point(row["difference"], low, high, y, mark, hover), row=1, col=2)


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


def _write_axes(figure: go.Figure, lines: list[_Line], metric: str, reference_label: str) -> None:
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
    figure.update_xaxes(title_text=f"{metric_label(metric)}, 95% interval", showgrid=True, zeroline=False, nticks=7, row=1, col=1)
    if reference_label:
        figure.update_yaxes(showticklabels=False, row=1, col=2)
        figure.add_vline(x=0, line={"color": GREY, "width": 1.2, "dash": "dot"}, row=1, col=2)
        figure.update_xaxes(
            title_text="Difference, same patients", showgrid=True, zeroline=False, nticks=5, tickformat="+.2f", row=1, col=2
        )
        figure.add_annotation(
            x=0, xref="x2 domain", xanchor="left", y=1, yref="paper", yanchor="bottom", showarrow=False,
            text=f"against {reference_label[0].lower() + reference_label[1:]}", font={"size": 12},
        )  # fmt: skip


def forest_alt(board: pd.DataFrame, metric: str) -> str:
    """The finding of the forest plot in a sentence."""
    rivals = board[(board["family"] != "reference") & board["value"].notna()]
    if rivals.empty:
        return f"No model has a defined {metric_label(metric)} here."
    best, worst = rivals.loc[rivals["value"].idxmax()], rivals.loc[rivals["value"].idxmin()]
    return (
        f"{metric_label(metric)} of {len(rivals)} models: from "
        f"{with_interval(worst['value'], worst['low'], worst['high'])} for {worst['label']} to "
        f"{with_interval(best['value'], best['low'], best['high'])} for {best['label']}; no skill is 0.5."
    )

"""Internal beside release and external results: one line a model, one mark a split."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from dashboard.charts.look import BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILLION, dress
from dashboard.charts.wording import finite, metric_label, with_interval

ROW_PX = 34
SPLIT_MARKS: tuple[tuple[str, str], ...] = (
    (BLUE, "circle"),
    (VERMILLION, "diamond"),
    (GREEN, "square"),
    (PURPLE, "triangle-up"),
    (ORANGE, "cross"),
)


def dumbbell(rows: pd.DataFrame, metric: str, label: str = "") -> go.Figure:
    """Splits beside each other. ``rows`` is what ``charts.rows.beside`` or ``charts.mask_rows.across_splits`` gives.

    Args:
        label: what people read for the metric, where ``wording`` does not know it.
    """
    label = label or metric_label(metric)
    models = list(dict.fromkeys(rows["label"]))
    place = {label: at for at, label in enumerate(models)}
    splits = list(dict.fromkeys(rows["split"]))
    figure = go.Figure()
    for at, split in enumerate(splits):
        offset = (at - (len(splits) - 1) / 2) * 0.22
        _add_split(figure, rows[rows["split"] == split], at, place, offset, label)
    if metric in ("auroc", "c_index"):
        figure.add_vline(x=0.5, line={"color": GREY, "width": 1.2, "dash": "dot"})
    figure.update_yaxes(
        tickvals=list(range(len(models))),
        ticktext=models,
        range=[len(models) - 0.4, -0.6],
        showgrid=False,
        zeroline=False,
        automargin=True,
    )
    figure.update_xaxes(title_text=f"{label}, 95% interval", zeroline=False, nticks=8)
    dress(figure, 110 + ROW_PX * len(models), top=44)
    return figure.update_layout(legend={"y": 1.0, "yanchor": "bottom"})


def _add_split(figure: go.Figure, rows: pd.DataFrame, at: int, place: dict[str, int], offset: float, metric: str) -> None:
    colour, symbol = SPLIT_MARKS[at % len(SPLIT_MARKS)]
    known = rows[rows["value"].map(finite)]
    label = str(rows["split_label"].iloc[0]) if len(rows) else ""
    told = [_hover(row, label, metric) for _, row in known.iterrows()]
    figure.add_trace(
        go.Scatter(
            x=known["value"],
            y=[place[name] + offset for name in known["label"]],
            mode="markers",
            name=label,
            marker={"color": colour, "symbol": symbol, "size": 9},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": (known["high"] - known["value"]).clip(lower=0),
                "arrayminus": (known["value"] - known["low"]).clip(lower=0),
                "color": colour,
                "thickness": 1.6,
                "width": 0,
            },
            text=told,
            hovertemplate="%{text}<extra></extra>",
        )
    )


def _hover(row: pd.Series, split_label: str, metric: str) -> str:
    score = with_interval(row["value"], row["low"], row["high"])
    return f"<b>{row['label']}</b><br>{split_label}: {metric} {score}<br>n = {int(row['n'])}"


def dumbbell_alt(rows: pd.DataFrame, metric: str, label: str = "") -> str:
    """What the comparison of splits shows, in a sentence."""
    parts = []
    for split, group in rows[rows["family"] != "reference"].groupby("split_label", sort=False):
        parts.append(f"{split} {group['value'].min():.2f} to {group['value'].max():.2f}")
    return f"{label or metric_label(metric)} over all models, lowest to highest: {'; '.join(parts)}."

"""Fields of a model by what shuffling them loses, with the spread over fits."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from dashboard.charts.look import BLUE, GREEN, GREY, dress

SHOWN = 20
COLOURS = {"anatomy": (GREEN, "diamond", "Measured in the picture")}
OTHER = (BLUE, "circle", "Record")


def ranked(rows: pd.DataFrame, is_time: bool) -> go.Figure:
    """The first 20 fields; the bar holds nine fits in ten.

    Args:
        rows: rows of ``features`` of one model and outcome, with ``field_label``.
    """
    shown = rows.head(SHOWN)
    figure = go.Figure()
    figure.add_vline(x=0, line={"color": GREY, "width": 1.2, "dash": "dot"})
    names = {field: f"{at}. {label}" for at, (field, label) in enumerate(zip(shown["field"], shown["field_label"]), start=1)}
    for anatomy, part in shown.groupby(shown["block"] == "anatomy"):
        colour, symbol, name = COLOURS["anatomy"] if anatomy else OTHER
        figure.add_trace(
            go.Scatter(
                x=part["added"], y=[names[field] for field in part["field"]], mode="markers", name=name,
                marker={"color": colour, "symbol": symbol, "size": 9},
                customdata=part[["rank_low", "rank_high", "top_share"]],
                hovertemplate="%{y}: %{x:.4f}<br>rank %{customdata[0]:.0f} to %{customdata[1]:.0f} over fits<br>"
                "among the first five in %{customdata[2]:.0%} of fits<extra></extra>",
                error_x={
                    "type": "data", "symmetric": False, "array": part["added_high"] - part["added"],
                    "arrayminus": part["added"] - part["added_low"], "color": colour, "thickness": 1.6, "width": 0,
                },
            )
        )  # fmt: skip
    figure.update_yaxes(categoryorder="array", categoryarray=list(names.values())[::-1], automargin=True, showgrid=False)
    loss = "Brier score" if is_time else "log loss"
    figure.update_xaxes(title_text=f"Added {loss} when the field is shuffled; bar: nine fits in ten", zeroline=False)
    dress(figure, 190 + 26 * max(len(shown), 2), top=40)
    return figure.update_layout(legend={"y": 1.0, "yanchor": "bottom"})


def ranked_alt(rows: pd.DataFrame) -> str:
    """The first five fields and how firm their places are."""
    told = [
        f"{row['field_label']} (rank {row['rank_low']:.0f} to {row['rank_high']:.0f} over fits)"
        for _, row in rows.head(5).iterrows()
    ]
    return f"Fields by what shuffling them loses, first five of {len(rows)}: {', '.join(told)}."

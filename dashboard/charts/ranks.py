"""Ranks and how firm they are: in one study under resampled cases, and across studies."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from dashboard.charts.look import GREY, dress, mark_of
from dashboard.charts.wording import percent

ROW_PX, LARGEST_PX = 27, 24
RANK_COLOURS = ((0.0, "#0072B2"), (0.5, "#7FB3D3"), (1.0, "#B9C4CC"))


def bubbles(ranks: pd.DataFrame, shares: pd.DataFrame) -> go.Figure:
    """Rows are methods, columns ranks; a bubble's area is the share of resampled studies in which the method had that rank.

    Args:
        ranks: what ``mask_rows.rank_rows`` gives; shares: rows of ``rank_shares`` of the same region, split and metric.
    """
    figure = go.Figure([_bubbles(place, row, shares) for place, row in ranks.iterrows()])
    figure.add_trace(
        go.Scatter(
            x=ranks["rank"], y=list(range(len(ranks))), mode="markers", hoverinfo="skip", showlegend=False,
            marker={"symbol": "circle-open", "size": LARGEST_PX + 5, "color": GREY, "line": {"width": 2, "color": GREY}},
        )
    )  # fmt: skip
    figure.update_yaxes(
        tickvals=list(range(len(ranks))), ticktext=list(ranks["label"]), range=[len(ranks) - 0.4, -0.6], automargin=True
    )
    figure.update_xaxes(title_text="Rank (1 is best)", dtick=1, range=[0.3, len(ranks) + 0.7], tickangle=0)
    return dress(figure, 80 + ROW_PX * len(ranks))


def _bubbles(place: object, row: pd.Series, shares: pd.DataFrame) -> go.Scatter:
    mine = shares[(shares["model"] == row["model"]) & (shares["share"] > 0)]
    mark = mark_of(row["model"], row["family"])
    return go.Scatter(
        x=mine["rank"],
        y=[place] * len(mine),
        mode="markers",
        marker={"color": mark.colour, "opacity": 0.75, "size": (mine["share"] ** 0.5 * LARGEST_PX).clip(lower=3)},
        text=[percent(share) for share in mine["share"]],
        hovertemplate=f"<b>{row['label']}</b><br>rank %{{x}} in %{{text}} of resampled studies<extra></extra>",
        showlegend=False,
    )


def bubbles_alt(ranks: pd.DataFrame, shares: pd.DataFrame) -> str:
    """How firm the first place is, in a sentence."""
    if ranks.empty:
        return "No ranks were computed."
    first = ranks.iloc[0]
    won = shares[(shares["model"] == first["model"]) & (shares["rank"] == 1)]["share"].sum()
    rivals = [str(row["label"]) for _, row in ranks.iloc[1:].iterrows() if row["low"] <= 1]
    others = f" First place was also reached by {', '.join(rivals[:4])}." if rivals else " No other method reached first place."
    return f"{first['label']} came first in {percent(won)} of the studies made by drawing the patients anew.{others}"


def across(table: pd.DataFrame, order: list[str]) -> go.Figure:
    """Rank of each method in each data set and region: dark is a good place, and the number stands in each field.

    Args:
        table: what ``across_studies`` gives, with ``column``; order: labels from top to bottom.
    """
    columns = list(dict.fromkeys(table["column"]))
    place = table.assign(place=(table["rank"] - 1) / (table["of"] - 1).clip(lower=1))
    wide = place.pivot_table(index="label", columns="column", values="place", sort=False).reindex(index=order, columns=columns)
    texts = place.assign(text=[_rank_text(row) for _, row in place.iterrows()])
    words = texts.pivot_table(index="label", columns="column", values="text", aggfunc="first", sort=False)
    words = words.reindex(index=order, columns=columns).fillna("")
    figure = go.Figure(
        go.Heatmap(
            z=wide.to_numpy(), x=columns, y=order, text=words.to_numpy(), texttemplate="%{text}", colorscale=RANK_COLOURS,
            showscale=False, xgap=2, ygap=2, zmin=0, zmax=1, hovertemplate="<b>%{y}</b><br>%{x}<br>rank %{text}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", showgrid=False, automargin=True)
    figure.update_xaxes(side="top", showgrid=False, tickangle=0)
    return dress(figure, 80 + 26 * len(order), top=48, bottom=12)


def _rank_text(row: pd.Series) -> str:
    return f"{int(row['rank'])} ({int(row['low'])} to {int(row['high'])})"

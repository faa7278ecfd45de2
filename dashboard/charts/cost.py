"""What a model costs: time of one fit."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from dashboard.charts.look import dress, mark_of

ROW_PX = 24


def cost(rows: pd.DataFrame) -> go.Figure:
    """Seconds of one fit on a logarithmic axis, cheapest first. ``rows`` is what ``charts.rows.cost_rows`` gives."""
    marks = [mark_of(row["base_model"], row["family"], row["with_procedure"]) for _, row in rows.iterrows()]
    colours = [mark.colour for mark in marks]
    figure = go.Figure(
        go.Scatter(
            x=rows["seconds_per_fit"].clip(lower=1e-3),
            y=list(range(len(rows))),
            mode="markers",
            marker={"color": colours, "symbol": [m.symbol for m in marks], "size": 10, "line": {"width": 1.5, "color": colours}},
            text=[duration(seconds) for seconds in rows["seconds_per_fit"]],
            customdata=rows["label"],
            hovertemplate="<b>%{customdata}</b><br>%{text} a fit<extra></extra>",
            showlegend=False,
        )
    )
    figure.update_xaxes(type="log", title_text="Time of one fit", tickvals=[0.01, 0.1, 1, 10, 60, 600, 3600], zeroline=False)
    figure.update_xaxes(ticktext=["10 ms", "0.1 s", "1 s", "10 s", "1 min", "10 min", "1 h"])
    figure.update_yaxes(
        tickvals=list(range(len(rows))), ticktext=list(rows["label"]), range=[len(rows) - 0.4, -0.6], automargin=True
    )
    return dress(figure, 70 + ROW_PX * len(rows))


def cost_alt(rows: pd.DataFrame) -> str:
    """What the cost figure shows, in a sentence."""
    if rows.empty:
        return "No cost was recorded."
    cheap, dear = rows.iloc[0], rows.iloc[-1]
    return (
        f"One fit takes from {duration(cheap['seconds_per_fit'])} ({cheap['label']}) to "
        f"{duration(dear['seconds_per_fit'])} ({dear['label']})."
    )


def duration(seconds: float) -> str:
    """ "0.2 s", "71 s", "12 min", "3.0 h"."""
    if seconds < 10:
        return f"{seconds:.2g} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"

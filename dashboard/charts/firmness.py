"""How firm a model is: refits, fewer patients, a missing input, realised coverage, and unlike patients."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from dashboard.charts.curves import grey_line
from dashboard.charts.look import BLUE, GREY, VERMILLION, dress, mark_of, tint
from dashboard.charts.wording import finite, number, percent, with_interval

ROW_PX = 30


def instability(rows: pd.DataFrame) -> go.Figure:
    """Refits' risks against the original risk of the same patients; on the diagonal the refit says the same."""
    figure = go.Figure()
    ordered = rows.sort_values("risk")
    figure.add_trace(
        go.Scatter(
            x=[*ordered["risk"], *ordered["risk"][::-1]],
            y=[*ordered["high"], *ordered["low"][::-1]],
            mode="lines",
            fill="toself",
            fillcolor=tint(BLUE, 0.16),
            line={"width": 0},
            name="Nine refits in ten",
            hoverinfo="skip",
        )
    )
    figure.add_trace(
        go.Scatter(
            x=ordered["risk"], y=ordered["middle"], mode="lines+markers", name="Middle refit",
            line={"color": BLUE, "width": 2}, customdata=ordered[["low", "high"]],
            hovertemplate="original %{x:.0%}<br>refits %{customdata[0]:.0%} to %{customdata[1]:.0%}<extra></extra>",
        )
    )  # fmt: skip
    top = min(1.0, 1.1 * float(rows[["risk", "high"]].max(axis=None)))
    figure.add_trace(grey_line([0, top], [0, top], "Says the same"))
    figure.update_xaxes(title_text="Risk by the model that learned from all", tickformat=".0%", range=[0, top])
    figure.update_yaxes(title_text="Risk by refits on bootstrap samples", tickformat=".0%", range=[0, top])
    return dress(figure, 460, bottom=120)


def learning(rows: pd.DataFrame, metric: str) -> go.Figure:
    """The metric with a share of the training patients; one line a model."""
    figure = go.Figure()
    for _, points in rows.groupby("model", sort=False):
        first = points.iloc[0]
        mark = mark_of(str(first["base_model"]), str(first["family"]), bool(first["with_procedure"]))
        figure.add_trace(
            go.Scatter(
                x=points["share"], y=points["value"], mode="lines+markers", name=str(first["label"]),
                line={"color": mark.colour, "dash": mark.dash, "width": 2}, marker={"symbol": mark.symbol, "size": 9},
                error_y={
                    "type": "data", "symmetric": False, "array": points["high"] - points["value"],
                    "arrayminus": points["value"] - points["low"], "color": mark.colour, "thickness": 1.4, "width": 0,
                },
            )
        )  # fmt: skip
    figure.update_xaxes(title_text="Share of the training patients, %", tickvals=sorted(rows["share"].unique()))
    figure.update_yaxes(title_text=f"{metric}, 95% interval")
    return dress(figure, 420, bottom=120)


def learning_alt(rows: pd.DataFrame, metric: str) -> str:
    """What the last patients added, in a sentence."""
    told = []
    for label, points in rows.groupby("label", sort=False):
        part = points[points["share"] < 100].sort_values("share")
        if part.empty:
            continue
        last = part.iloc[-1]
        added = with_interval(last["added"], last["added_low"], last["added_high"])
        verdict = "more patients still help" if last["added_low"] > 0 else "no gain is seen"
        told.append(f"{label}: from {last['share']} % to all patients {added}, {verdict}")
    return f"{metric} by share of the training patients. {'; '.join(told)}."


def missing(rows: pd.DataFrame, metric: str, words: dict[str, str]) -> go.Figure:
    """What each model loses without one input: one line an input, zero in grey."""
    figure = go.Figure()
    names = [f"{row['label']} without {words.get(row['without'], row['without'])}" for _, row in rows.iterrows()]
    figure.add_vline(x=0, line={"color": GREY, "width": 1.2, "dash": "dot"})
    known = rows[rows["difference"].map(finite)]
    figure.add_trace(
        go.Scatter(
            x=known["difference"], y=[names[at] for at in range(len(rows)) if finite(rows["difference"].iloc[at])],
            mode="markers", marker={"color": BLUE, "size": 9}, showlegend=False,
            error_x={
                "type": "data", "symmetric": False, "array": known["difference_high"] - known["difference"],
                "arrayminus": known["difference"] - known["difference_low"], "color": BLUE, "thickness": 1.6, "width": 0,
            },
        )
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", automargin=True, showgrid=False)
    figure.update_xaxes(title_text=f"{metric} lost, 95% interval")
    return dress(figure, 110 + ROW_PX * max(len(rows), 2))


def missing_alt(rows: pd.DataFrame, metric: str) -> str:
    """Which inputs are missed, in a sentence."""
    helps, harms = rows[rows["difference_low"] > 0], rows[rows["difference_high"] < 0]
    return (
        f"{metric} lost without an input, {len(rows)} rows, 95% interval: in {len(helps)} the model is worse without it, "
        f"in {len(harms)} better, in the others no difference is seen."
    )


def case_mix(rows: pd.DataFrame) -> go.Figure:
    """Standardised differences of the fields that differ most."""
    figure = go.Figure()
    shown = rows.reindex(rows["difference"].abs().sort_values(ascending=False).index).head(20)
    names = [_field(row) for _, row in shown.iterrows()]
    figure.add_vrect(x0=-0.25, x1=0.25, fillcolor=tint(GREY, 0.14), line_width=0, layer="below")
    figure.add_trace(
        go.Scatter(
            x=shown["difference"], y=names, mode="markers",
            marker={"color": [VERMILLION if abs(value) > 0.25 else BLUE for value in shown["difference"]], "size": 9},
            showlegend=False, hovertemplate="%{y}: %{x:+.2f}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", automargin=True, showgrid=False)
    figure.update_xaxes(title_text="There minus here, in standard deviations; shaded: less than a quarter", zeroline=True)
    return dress(figure, 110 + 24 * max(len(shown), 2))


def _field(row: pd.Series) -> str:
    return str(row["label"]) if not row["level"] or row["level"] == "1" else f"{row['label']}: {row['level']}"


def coverage(rows: pd.DataFrame, level: float) -> go.Figure:
    """Realised coverage by group, beside what was promised and how far chance may carry it."""
    figure = go.Figure()
    figure.add_vline(x=level, line={"color": GREY, "width": 1.4, "dash": "dot"})
    for colour, name, low, high, width in (
        (tint(GREY, 0.6), "Where 9 calibrations in 10 end", "expected_low", "expected_high", 8),
        (BLUE, "Seen, 95% interval", "low", "high", 2),
    ):
        figure.add_trace(
            go.Scatter(
                x=[value for _, row in rows.iterrows() for value in (row[low], row[high], None)],
                y=[value for group in rows["group"] for value in (group, group, None)],
                mode="lines", line={"color": colour, "width": width}, name=name, hoverinfo="skip",
            )
        )  # fmt: skip
    figure.add_trace(
        go.Scatter(
            x=rows["coverage"], y=rows["group"], mode="markers", marker={"color": BLUE, "size": 9}, showlegend=False,
            customdata=rows[["n", "n_calibration", "size"]],
            hovertemplate="%{y}: %{x:.0%} of %{customdata[0]} patients<br>learned from %{customdata[1]}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", automargin=True, showgrid=False)
    near = rows[["low", "high", "expected_low", "expected_high"]].stack()
    step = ".0%" if near.max() - near.min() > 0.05 else ".1%"
    figure.update_xaxes(title_text=f"Share whose truth lay inside; {percent(level)} was promised", tickformat=step)
    dress(figure, 150 + ROW_PX * max(len(rows), 2), top=40)
    return figure.update_layout(legend={"y": 1.0, "yanchor": "bottom"})


def coverage_alt(rows: pd.DataFrame, level: float) -> str:
    """Where coverage falls short, in a sentence."""
    short = rows[rows["high"] < level]
    told = ", ".join(f"{row['group']} {percent(row['coverage'])}" for _, row in short.iterrows())
    whole = rows[rows["group"] == "all"]
    seen = f"Over all, {percent(float(whole['coverage'].iloc[0]))} were covered. " if len(whole) else ""
    return f"{seen}{f'Short of the promise: {told}.' if told else 'No group falls short beyond chance.'}"


def gap_told(rows: pd.DataFrame) -> str:
    """How much of the apparent performance is lost on new patients."""
    parts = [f"{row['label']} {number(row['seen'])} → {number(row['new'])}" for _, row in rows.iterrows()]
    return "; ".join(parts)

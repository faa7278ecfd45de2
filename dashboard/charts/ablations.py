"""What each part of a method adds: differences with intervals, beside the range that is claimed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dashboard.charts.look import BLUE, GREY, dress, tint
from dashboard.charts.mask_rows import MaskMetric, labels_of
from dashboard.charts.wording import MINUS, finite, plural

ROW_PX = 26
TEXT_AT, TEXT_PX = 1.01, 255
POINTS = 100.0
"""Differences of shares are told in points, so that they can be held against claims."""


def ablation_rows(summary: Any, region: str, metric: str) -> pd.DataFrame:
    """One row an arm, in points where the metric is a share, with labels of baseline and arm."""
    labels = labels_of(summary)
    rows = summary.table("ablations", region=region, metric=metric).copy()
    for column in ("difference", "low", "high", "claimed_low", "claimed_high"):
        rows[column] = POINTS * rows[column].astype(float)
    rows["with_part"] = [labels.get(name, name) for name in rows["baseline"]]
    rows["without"] = [labels.get(name, name) for name in rows["arm"]]
    return rows.reset_index(drop=True)


def forest(rows: pd.DataFrame, metric: MaskMetric, verdicts: Mapping[str, str]) -> go.Figure:
    """A dot an arm with its interval, a band where a range is claimed, and the verdict in words."""
    lines = _lines(rows)
    figure = go.Figure()
    for y, (_, row) in enumerate(lines):
        if row is not None:
            _add(figure, y, row, verdicts)
    figure.add_vline(x=0, line={"color": GREY, "width": 1.4, "dash": "dot"})
    figure.update_layout(annotations=[note for y, (_, row) in enumerate(lines) if row is not None for note in _notes(y, row)])
    figure.update_yaxes(
        tickvals=list(range(len(lines))), ticktext=[text for text, _ in lines], range=[len(lines) - 0.4, -0.6], showgrid=False,
        showline=False, ticks="", automargin=True,
    )  # fmt: skip
    figure.update_xaxes(title_text=f"points of {metric.label} gained, 95% interval", nticks=8, tickangle=0)
    return dress(figure, 90 + ROW_PX * len(lines), right=TEXT_PX)


def _lines(rows: pd.DataFrame) -> list[tuple[str, pd.Series | None]]:
    """A heading and its arms; the commonest method with the part is not named on every line."""
    usual = rows["with_part"].mode().iloc[0]
    lines: list[tuple[str, pd.Series | None]] = []
    for _, arms in rows.groupby("ablation", sort=False):
        lines.append((f"<b>{arms['label'].iloc[0]}</b>", None))
        for _, row in arms.iterrows():
            lines.append((_named(str(row["with_part"]), str(row["without"]), str(usual)), row))
    return lines


def _named(with_part: str, without: str, usual: str) -> str:
    """Both sides, but for the usual one."""
    if with_part == usual:
        return f"against {without}"
    return with_part if without == usual else f"{with_part} against {without}"


def _add(figure: go.Figure, y: int, row: pd.Series, verdicts: Mapping[str, str]) -> None:
    if finite(row["claimed_low"]):
        low, high = row["claimed_low"], row["claimed_high"]
        figure.add_shape(type="rect", x0=low, x1=high, y0=y - 0.38, y1=y + 0.38, fillcolor=tint(GREY, 0.35), line_width=0, layer="below")  # noqa: E501  # fmt: skip
    if not finite(row["difference"]):
        return
    told = f"{points(row['difference'])} ({points(row['low'])} to {points(row['high'])}) points"
    claimed = f"<br>claimed: {claim(row)}" if finite(row["claimed_low"]) else ""
    over = f"{plural(int(row['n']), 'case')}, {plural(int(row['seeds']), 'training')}, {plural(int(row['folds']), 'fold')}"
    hover = f"<b>{row['with_part']}</b> {MINUS} {row['without']}<br>{told}{claimed}<br>{row['verdict']}: {verdicts.get(row['verdict'], '')}<br>{over}"  # noqa: E501  # fmt: skip
    figure.add_trace(
        go.Scatter(
            x=[row["difference"]], y=[y], mode="markers", marker={"color": BLUE, "size": 9}, showlegend=False,
            error_x={
                "type": "data", "symmetric": False, "array": [row["high"] - row["difference"]],
                "arrayminus": [row["difference"] - row["low"]], "color": BLUE, "thickness": 1.8, "width": 0,
            },
            hovertemplate=hover + "<extra></extra>",
        )
    )  # fmt: skip


def _notes(y: int, row: pd.Series) -> list[dict[str, Any]]:
    told = f"{points(row['difference'])} ({points(row['low'])} to {points(row['high'])})"
    text = f"<b>{row['verdict']}</b>  {told if finite(row['difference']) else 'not defined'}"
    place = {"xref": "paper", "xanchor": "left", "x": TEXT_AT, "y": y, "yref": "y", "align": "left"}
    return [{**place, "text": text, "showarrow": False, "font": {"size": 11}}]


def points(value: float) -> str:
    """ "+5.0", "−0.3", "0.0"."""
    text = f"{value:+.1f}"
    return text[1:] if float(text) == 0 else text.replace("-", MINUS)


def claim(row: pd.Series) -> str:
    """ "5 to 10"; empty where nothing is claimed."""
    return f"{row['claimed_low']:g} to {row['claimed_high']:g}" if finite(row["claimed_low"]) else ""


def forest_alt(rows: pd.DataFrame, metric: MaskMetric) -> str:
    """What the figure shows, in a sentence."""
    known = rows[rows["difference"].notna()]
    if known.empty:
        return "No difference was computed."
    most = known.loc[known["difference"].idxmax()]
    return (
        f"{plural(len(known), 'comparison')} by {metric.label}: {_counted(known)}. The largest gain is "
        f"{points(most['difference'])} points, {most['with_part']} against {most['without']}. Grey: the range that is claimed."
    )


def _counted(rows: pd.DataFrame) -> str:
    """How often each verdict was given: "confirmed 1, none seen 2"."""
    return ", ".join(f"{verdict} {count}" for verdict, count in rows.groupby("verdict", sort=False).size().items())


def answer(rows: pd.DataFrame) -> str:
    """What became of the claims, in a sentence."""
    claimed = rows[rows["claimed_low"].notna()]
    if claimed.empty:
        return "No range is claimed for the parts that were left out here."
    return f"{plural(len(claimed), 'comparison')} for which a range is claimed: {_counted(claimed)}."

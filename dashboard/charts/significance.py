"""Which differences are more than chance: a map of all pairs, with direction."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from dashboard.charts.look import dress
from dashboard.charts.mask_rows import LEVEL, MaskMetric

CELL_PX = 26
STEPS: tuple[tuple[float, float], ...] = ((0.001, 1.0), (0.01, 0.75), (0.05, 0.5))
"""Adjusted p below each bound is drawn that strongly."""

SCALE = (
    (0.0, "#B34700"), (0.125, "#D0702F"), (0.25, "#E39A66"), (0.49, "#A9B4BC"), (0.51, "#A9B4BC"), (0.75, "#7DB5D8"),
    (0.875, "#3E8FC0"), (1.0, "#005A8F"),
)  # fmt: skip
BETTER, WORSE, SAME = "▲", "▼", "·"


def significance_map(pairs: pd.DataFrame, order: list[str], labels: dict[str, str], metric: MaskMetric) -> go.Figure:
    """Each row's method against each column's: blue and ▲ where the row is better, orange and ▼ where it is worse.

    Args:
        pairs: what ``mask_rows.pairs_both_ways`` gives; order: methods, the best first.
    """
    known = {(row["model"], row["rival"]): row for _, row in pairs.iterrows()}
    cells = [[known.get((model, rival)) for rival in order] for model in order]
    names = [labels.get(model, model) for model in order]
    figure = go.Figure(
        go.Heatmap(
            z=[[None if cell is None else strength(cell, metric) for cell in row] for row in cells],
            text=[["" if cell is None else sign(cell, metric) for cell in row] for row in cells],
            customdata=[[_hover(cell, labels, metric) for cell in row] for row in cells],
            x=[str(at + 1) for at in range(len(order))],
            y=[f"{name}  {at + 1}" for at, name in enumerate(names)],
            texttemplate="%{text}", colorscale=SCALE, zmin=-1, zmax=1, showscale=False, xgap=2, ygap=2,
            hovertemplate="%{customdata}<extra></extra>", hoverongaps=False,
        )
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", showgrid=False, automargin=True)
    figure.update_xaxes(
        side="top", type="category", dtick=1, showgrid=False, tickangle=0, title_text="against the method of that number"
    )
    return dress(figure, 90 + CELL_PX * len(order), top=60, bottom=12)


def strength(cell: pd.Series, metric: MaskMetric) -> float:
    """Between −1 (worse, surely) and 1 (better, surely); 0 where the difference may be chance."""
    sure = next((weight for bound, weight in STEPS if cell["p_holm"] < bound), 0.0)
    return sure if _good(cell, metric) > 0 else -sure


def sign(cell: pd.Series, metric: MaskMetric) -> str:
    """The same without colour."""
    if not cell["p_holm"] < LEVEL:
        return SAME
    return BETTER if _good(cell, metric) > 0 else WORSE


def _good(cell: pd.Series, metric: MaskMetric) -> float:
    return float(cell["difference"]) if metric.aim == "higher" else -float(cell["difference"])


def _hover(cell: pd.Series | None, labels: dict[str, str], metric: MaskMetric) -> str:
    if cell is None:
        return ""
    told = metric.difference(cell["difference"], cell["low"], cell["high"])
    pair = f"<b>{labels.get(cell['model'], cell['model'])}</b> − {labels.get(cell['rival'], cell['rival'])}"
    return f"{pair}<br>{metric.label} {told}<br>adjusted p {p_words(cell['p_holm'])}, {int(cell['n'])} cases"


def p_words(value: float) -> str:
    """ "0.03", "below 0.001"."""
    return "below 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.01 else f"{value:.2f}"


def map_alt(pairs: pd.DataFrame, order: list[str], labels: dict[str, str], metric: MaskMetric) -> str:
    """How many pairs can be told apart, and who stands with the best."""
    if pairs.empty or not order:
        return "No pair of methods was compared."
    count, sure = len(pairs) // 2, int((pairs["p_holm"] < LEVEL).sum()) // 2
    best = pairs[(pairs["model"] == order[0]) & ~(pairs["p_holm"] < LEVEL)]
    alike = [labels.get(name, name) for name in best["rival"]]
    told = (
        f"{labels.get(order[0], order[0])} cannot be told apart from {', '.join(alike)}"
        if alike
        else f"{labels.get(order[0], order[0])} differs from every other method"
    )
    return f"{metric.label}: {sure} of {count} pairs differ by more than chance (adjusted p below {LEVEL}). {told}."

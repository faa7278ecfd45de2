"""One threshold for all groups beside one a group that finds the event as often: what each finds, and what it costs."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from core.evaluation.groups import ONE_THRESHOLD as ONE
from core.evaluation.groups import OWN_THRESHOLDS as OWN
from core.evaluation.groups import group_words
from core.evaluation.suppression import ALL
from dashboard.charts.look import BLUE, GREY, VERMILLION, dress
from dashboard.charts.wording import difference_with_interval, finite, percent, span

MARKS = {ONE: (BLUE, "circle", "One threshold for all"), OWN: (VERMILLION, "diamond", "A threshold for each group")}
ROW_PX = 58


def sentence(table: pd.DataFrame) -> str:
    """What the two policies do to the groups that they treat least alike, and what the second costs.

    Args:
        table: rows of ``equal_sensitivity`` of one outcome, split, model and grouping.
    """
    one = table[(table["policy"] == ONE) & (table["group"] != ALL)]
    least, most = one.loc[one["sensitivity"].idxmin()], one.loc[one["sensitivity"].idxmax()]
    whole = table[table["group"] == ALL].set_index("policy")
    cost = whole.loc[OWN]
    value, low, high = (100 * float(cost[name]) for name in ("cost", "cost_low", "cost_high"))
    told = difference_with_interval(value, low, high, digits=1)
    return (
        f"One threshold of {percent(least['threshold'])} finds {percent(least['sensitivity'])} of the events in "
        f"{_named(least)} and {percent(most['sensitivity'])} in {_named(most)}. To find "
        f"{percent(whole.loc[ONE, 'sensitivity'])} in each costs {told} net true alarms in 100 patients{_verdict(cost)}."
    )


def _named(row: pd.Series) -> str:
    return f"the group “{group_words(str(row['group']))}”"


def _verdict(cost: pd.Series) -> str:
    if not finite(cost["cost_low"]) or cost["cost_low"] <= 0 <= cost["cost_high"]:
        return ": no cost is shown"
    return "" if cost["cost"] > 0 else ": it gains, so the one threshold stands ill for some of them"


def dumbbell(table: pd.DataFrame) -> go.Figure:
    """Sensitivity of each group under both policies, with intervals."""
    groups = [name for name in dict.fromkeys(table["group"]) if name != ALL]
    place = {name: at for at, name in enumerate(groups)}
    figure = go.Figure()
    whole = table.loc[(table["policy"] == ONE) & (table["group"] == ALL), "sensitivity"].iloc[0]
    figure.add_vline(x=whole, line={"color": GREY, "width": 1.2, "dash": "dot"})
    for shift, (policy, (colour, symbol, label)) in zip((-0.16, 0.16), MARKS.items()):
        rows = table[(table["policy"] == policy) & (table["group"] != ALL)]
        figure.add_trace(_dots(rows, [place[name] + shift for name in rows["group"]], colour, symbol, label))
    sizes = table.drop_duplicates("group").set_index("group")
    figure.update_yaxes(
        tickvals=list(place.values()),
        ticktext=[f"{group_words(name)} ({sizes.loc[name, 'n_events']:,.0f} of {sizes.loc[name, 'n']:,.0f})" for name in groups],
        range=[len(groups) - 0.4, -0.6], showgrid=False, automargin=True,
    )  # fmt: skip
    figure.update_xaxes(title_text="Share of the events that is found, 95% interval", tickformat=".0%", range=[0, 1.02])
    dress(figure, 130 + ROW_PX * len(groups), top=40)
    return figure.update_layout(legend={"y": 1.0, "yanchor": "bottom"})


def _dots(rows: pd.DataFrame, y: list[float], colour: str, symbol: str, label: str) -> go.Scatter:
    return go.Scatter(
        x=rows["sensitivity"], y=y, mode="markers", name=label, marker={"color": colour, "symbol": symbol, "size": 10},
        error_x={
            "type": "data", "symmetric": False, "array": (rows["sensitivity_high"] - rows["sensitivity"]).clip(lower=0),
            "arrayminus": (rows["sensitivity"] - rows["sensitivity_low"]).clip(lower=0), "color": colour, "thickness": 1.6,
            "width": 0,
        },
        text=[
            f"<b>{group_words(str(row['group']))}</b><br>{label}: {percent(row['threshold'])}<br>"
            f"finds {percent(row['sensitivity'])}, flags {percent(row['flagged'])}"
            for _, row in rows.iterrows()
        ],
        hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip


def told(table: pd.DataFrame) -> pd.DataFrame:
    """The rows as people read them."""
    return pd.DataFrame(
        {
            "Group": ["All of them" if name == ALL else group_words(str(name)) for name in table["group"]],
            "n": table["n"], "Events": table["n_events"],
            "Policy": [MARKS[policy][2] for policy in table["policy"]],
            "Threshold": ["by group" if not finite(value) else percent(value) for value in table["threshold"]],
            "Found": [
                f"{percent(row['sensitivity'])} ({percent(row['sensitivity_low'])} to {percent(row['sensitivity_high'])})"
                for _, row in table.iterrows()
            ],
            "False positive rate": [percent(value) for value in table["false_positive_rate"]],
            "Flagged": [percent(value) for value in table["flagged"]],
            "Flagged rightly": [percent(value) for value in table["precision"]],
            "Net true alarms in 100": [
                f"{100 * row['net_benefit']:.1f} ({span(100 * row['net_benefit_low'], 100 * row['net_benefit_high'], 1)})"
                for _, row in table.iterrows()
            ],
        }
    )  # fmt: skip

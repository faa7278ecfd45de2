"""Recovery: the share of patients in whom the event has come (at home) by day or visit, seen and foretold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dashboard.charts.look import BLUE, GREY, dress, mark_of, tint
from dashboard.charts.wording import percent

HEIGHT = 430


@dataclass(frozen=True)
class Clock:
    """How an outcome counts its time.

    Args:
        days: at which it is scored; moments: their names where they are visits; reached: what people then are ("at home").
    """

    days: tuple[int, ...] = ()
    moments: tuple[str, ...] = ()
    reached: str = "at home"

    @staticmethod
    def of(outcome: Mapping[str, Any]) -> Clock:
        """Of an outcome's facts."""
        days, moments = tuple(int(day) for day in outcome.get("days", ())), tuple(outcome.get("moments", ()))
        return Clock(days, moments, str(outcome.get("reached", "at home")))

    def by(self, day: int) -> str:
        """ "by day 3", or "by the visit at 3 months"."""
        return f"by the visit at {self.moments[self.days.index(day)]}" if self.moments else f"by day {day}"

    @property
    def title(self) -> str:
        """Of the axis."""
        return "Visit after the operation" if self.moments else "Days after the operation"

    @property
    def unit(self) -> str:
        """Day or visit."""
        return "visit" if self.moments else "day"


def home_by_day(rows: pd.DataFrame, clock: Clock) -> go.Figure:
    """Observed share with its 95 % band in grey, and what each model said on average."""
    if clock.moments:
        rows = rows[rows["day"].isin(clock.days)]
    figure = go.Figure()
    observed = rows.drop_duplicates("day").sort_values("day")
    figure.add_trace(_ribbon(observed["day"], observed["observed_low"], observed["observed_high"], GREY, 0.22))
    figure.add_trace(_observed(observed))
    for _, points in rows.groupby("model", sort=False):
        figure.add_trace(_predicted(points))
    days = [day for day in clock.days if day <= rows["day"].max()] if len(rows) else []
    figure.update_xaxes(title_text=clock.title, tickvals=days or None, ticktext=clock.moments or None, zeroline=False)
    figure.update_yaxes(title_text=f"Share {clock.reached}", range=[-0.01, 1.02], tickformat=".0%", dtick=0.25, zeroline=False)
    return dress(figure, HEIGHT, bottom=96)


def chance_by_day(chances: Sequence[tuple[int, float, float, float]]) -> go.Figure:
    """One patient's (or one group's) chance to be home by day, with its band, until hardly anybody is left."""
    table = pd.DataFrame(list(chances), columns=["day", "chance", "low", "high"])
    table = table[table["day"] <= _last_worth_drawing(table)]
    figure = go.Figure()
    figure.add_trace(_ribbon(table["day"], table["low"], table["high"], BLUE, 0.18))
    figure.add_trace(
        go.Scatter(
            x=table["day"],
            y=table["chance"],
            mode="lines+markers",
            line={"color": BLUE, "width": 2.2},
            marker={"size": 8},
            showlegend=False,
            hovertemplate="by day %{x}: %{y:.0%}<extra></extra>",
        )
    )
    figure.update_xaxes(title_text="Days after the operation", tickvals=_ticks(table["day"]), zeroline=False)
    figure.update_yaxes(range=[-0.01, 1.02], tickformat=".0%", dtick=0.25, zeroline=False)
    return dress(figure, 260)


FEWEST_DAYS = 14
NEARLY_ALL = 0.99
MOST_TICKS = 12


def _last_worth_drawing(table: pd.DataFrame) -> int:
    """The first day by which nearly everybody is home even at the low end, but not before two weeks."""
    reached = table.loc[table["low"] >= NEARLY_ALL, "day"]
    last = int(table["day"].max())
    return max(FEWEST_DAYS, int(reached.min())) if len(reached) else last


def _ticks(days: pd.Series) -> list[int] | None:
    """Every day where there is room for it; otherwise what the figure chooses."""
    return [int(day) for day in days] if len(days) <= MOST_TICKS else None


def home_alt(rows: pd.DataFrame, clock: Clock) -> str:
    """What the recovery figure shows, in a sentence."""
    seen = rows.drop_duplicates("day").set_index("day")["observed"]
    told = [f"{percent(float(seen[day]))} {clock.by(day)}" for day in clock.days if day in seen.index]
    return f"Share of patients {clock.reached}: {', '.join(told) or 'by day'}; the band is the 95% interval of what was seen."


def _ribbon(x: pd.Series, low: pd.Series, high: pd.Series, colour: str, opacity: float) -> go.Scatter:
    return go.Scatter(
        x=[*x, *x[::-1]],
        y=[*high, *low[::-1]],
        mode="lines",
        fill="toself",
        fillcolor=tint(colour, opacity),
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
    )


def _observed(rows: pd.DataFrame) -> go.Scatter:
    return go.Scatter(
        x=rows["day"],
        y=rows["observed"],
        mode="lines",
        name="What was seen",
        line={"color": GREY, "width": 3},
        hovertemplate="seen at %{x}: %{y:.0%}<extra></extra>",
    )


def _predicted(points: pd.DataFrame) -> go.Scatter:
    first = points.iloc[0]
    mark = mark_of(first["base_model"], first["family"], first["with_procedure"])
    return go.Scatter(
        x=points["day"],
        y=points["predicted"],
        mode="lines",
        name=str(first["label"]),
        line={"color": mark.colour, "width": 2.2, "dash": mark.dash},
        hovertemplate=f"<b>{first['label']}</b><br>said for %{{x}}: %{{y:.0%}}<extra></extra>",
    )

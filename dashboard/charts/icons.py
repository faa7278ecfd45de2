"""People as icons: so many of 100, filled as one block in reading order."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from core.counseling.counts import Counts, icon_rows
from dashboard.charts.look import BLUE, GREY

CELL_WIDTH, CELL_HEIGHT = 20, 30
PERSON = (
    "M10 2.6a3.6 3.6 0 1 1 0 7.2a3.6 3.6 0 0 1 0-7.2z"
    "M6.6 11.2h6.8a2.6 2.6 0 0 1 2.6 2.6v7.4h-2.2v6.2h-7.6v-6.2h-2.2v-7.4a2.6 2.6 0 0 1 2.6-2.6z"
)


@dataclass(frozen=True)
class IconArray:
    """A drawing of persons (SVG), and the same in words."""

    svg: str
    alt: str


def icon_array(counts: Counts, event_text: str, no_event_text: str, colour: str = BLUE) -> IconArray:
    """Persons filled as one block in reading order; both counts sum to the denominator because ``Counts`` does.

    Args:
        event_text, no_event_text: what each count means, as the legend says it.
        colour: of the filled persons; it keeps contrast on the reader's theme.
    """
    alt = f"Of {counts.denominator:,} persons, {counts.event:,} are filled: {event_text} {no_event_text}"
    rows = icon_rows(counts)
    width, height = len(rows[0]) * CELL_WIDTH, len(rows) * CELL_HEIGHT
    filled, outlined = _persons(rows, True), _persons(rows, False)
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">'
        f"<title>{escape(alt)}</title>"
        f'<g fill="{colour}" stroke="{colour}" stroke-width="1.2" class="event">{filled}</g>'
        f'<g fill="none" stroke="{GREY}" stroke-width="1.2" class="no-event">{outlined}</g></svg>'
    )
    return IconArray(svg, alt)


def _persons(rows: tuple[tuple[bool, ...], ...], filled: bool) -> str:
    """The persons that are filled, or those that are not."""
    return "".join(
        f'<path transform="translate({column * CELL_WIDTH} {row * CELL_HEIGHT})" d="{PERSON}"/>'
        for row, icons in enumerate(rows)
        for column, icon in enumerate(icons)
        if icon is filled
    )

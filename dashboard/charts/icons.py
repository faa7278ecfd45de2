"""People as icons: so many of 100, filled as one block in reading order."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.charts.look import BLUE, GREY

CELL_WIDTH, CELL_HEIGHT = 20, 30
COLUMNS = {100: 10, 1000: 40}
PERSON = (
    "M10 2.6a3.6 3.6 0 1 1 0 7.2a3.6 3.6 0 0 1 0-7.2z"
    "M6.6 11.2h6.8a2.6 2.6 0 0 1 2.6 2.6v7.4h-2.2v6.2h-7.6v-6.2h-2.2v-7.4a2.6 2.6 0 0 1 2.6-2.6z"
)


@dataclass(frozen=True)
class IconArray:
    """An array of persons.

    Args:
        event, no_event: whole counts that sum to the denominator.
        svg: the drawing.
        alt: the same in words.
    """

    event: int
    no_event: int
    svg: str
    alt: str

    @property
    def denominator(self) -> int:
        return self.event + self.no_event


def icon_array(event: int, denominator: int, event_text: str, no_event_text: str) -> IconArray:
    """An icon array with ``event`` filled persons out of 100 or 1,000.

    Args:
        event_text, no_event_text: what each count means ("have a complication", "have none").

    Raises:
        ValueError: a denominator without a layout, or a count outside 0 to the denominator.
    """
    if denominator not in COLUMNS or not 0 <= event <= denominator:
        raise ValueError(f"cannot draw {event} of {denominator} persons")
    no_event = denominator - event
    alt = f"{event} of {denominator} persons are filled: {event} {event_text}, {no_event} {no_event_text}."
    return IconArray(event, no_event, _svg(event, denominator, alt), alt)


def _svg(event: int, denominator: int, alt: str) -> str:
    columns = COLUMNS[denominator]
    rows = denominator // columns
    width, height = columns * CELL_WIDTH, rows * CELL_HEIGHT
    filled, outlined = ("".join(_use(at, columns) for at in part) for part in (range(event), range(event, denominator)))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">'
        f"<title>{_plain(alt)}</title>"
        f'<g fill="{BLUE}" stroke="{BLUE}" stroke-width="1" class="event">{filled}</g>'
        f'<g fill="none" stroke="{GREY}" stroke-width="1.1" class="no-event">{outlined}</g></svg>'
    )


def _use(at: int, columns: int) -> str:
    x, y = at % columns * CELL_WIDTH, at // columns * CELL_HEIGHT
    return f'<path transform="translate({x} {y})" d="{PERSON}"/>'


def _plain(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

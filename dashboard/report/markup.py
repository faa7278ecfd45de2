"""Blocks as HTML. Every text passes through ``escaped`` here and nowhere else."""

from __future__ import annotations

import re
from functools import singledispatch
from html import escape
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.io.json import to_json_plotly

from dashboard.charts.look import with_ink
from dashboard.charts.wording import NOT_DEFINED, finite
from dashboard.report.blocks import Badges, Bullets, Facts, Figure, Lead, Listing, Missing, Section, Table, Text

WIDTH_PX = 960
"""Of every figure: a page of A4 shows it made smaller."""

WIDE_COLUMNS = 9
"""A table of more columns is printed on a page turned sideways."""

SMALL = ' class="small"'
OWN_TAGS = re.compile(r"<(?!/?(?:b|i|br|extra)>)")


def escaped(value: object) -> str:
    """Text that HTML shows as it is written, in an element or in an attribute."""
    return escape(str(value), quote=True)


class Writer:
    """Sections as HTML; the figures are kept aside, as the data of the one script that draws them."""

    def __init__(self) -> None:
        self.plots: list[str] = []

    def section(self, part: Section) -> str:
        """A section, its heading and all below it."""
        inner = "\n".join([*(_html(block, self) for block in part.blocks), *(self.section(below) for below in part.parts)])
        heading = f"<h{part.level}>{escaped(part.title)}</h{part.level}>"
        return f'<section id="{escaped(part.anchor)}">\n{heading}\n{inner}\n</section>'

    def figure(self, drawing: go.Figure) -> int:
        """The number of a figure that is now kept."""
        self.plots.append(drawing_json(drawing))
        return len(self.plots) - 1

    def data(self) -> str:
        """All figures as JSON that cannot close the element around it."""
        return f"[{','.join(self.plots)}]".replace("<", "\\u003c").replace(">", "\\u003e").replace("\u2028", "\\u2028")


def drawing_json(drawing: go.Figure) -> str:
    """A figure on paper: a fixed width, dark text, and no tags but our own in its labels."""
    plain = with_ink(go.Figure(drawing), "light").update_layout(width=WIDTH_PX).to_plotly_json()
    return str(to_json_plotly(_without_foreign_tags(plain)))


def _without_foreign_tags(value: Any) -> Any:
    """The same data; a label of a study cannot bring a link or any tag of its own into a figure."""
    if isinstance(value, str):
        return OWN_TAGS.sub("&lt;", value)
    if isinstance(value, dict):
        return {key: _without_foreign_tags(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_foreign_tags(inner) for inner in value]
    if getattr(getattr(value, "dtype", None), "kind", "") == "O":
        return _without_foreign_tags(value.tolist())
    return value


@singledispatch
def _html(block: object, writer: Writer) -> str:
    raise TypeError(type(block).__name__)


@_html.register
def _text(block: Text, writer: Writer) -> str:
    strong = f"<strong>{escaped(block.strong)}</strong> " if block.strong else ""
    return f"<p{SMALL if block.small else ''}>{strong}{linked(block.text)}</p>"


@_html.register
def _lead(block: Lead, writer: Writer) -> str:
    return f'<p class="lead">{escaped(block.text)}</p>'


@_html.register
def _missing(block: Missing, writer: Writer) -> str:
    return f'<p class="missing">{escaped(block.text)}</p>'


@_html.register
def _bullets(block: Bullets, writer: Writer) -> str:
    items = "".join(f"<li>{linked(item)}</li>" for item in block.items)
    return f"<ul>{items}</ul>"


@_html.register
def _badges(block: Badges, writer: Writer) -> str:
    words = (f'<span class="badge" title="{escaped(item.meaning)}">{escaped(item.word)}</span>' for item in block.items)
    said = (f"<strong>{escaped(item.word)}:</strong> {escaped(item.meaning)}" for item in block.items)
    return f'<p class="badges">{" ".join(words)}</p>\n<p class="small">{" ".join(said)}</p>'


@_html.register
def _facts(block: Facts, writer: Writer) -> str:
    items = "".join(f"<dt>{escaped(name)}</dt><dd>{linked(value)}</dd>" for name, value in block.items if value)
    return f"<dl>{items}</dl>"


@_html.register
def _listing(block: Listing, writer: Writer) -> str:
    return f"<pre>{escaped(block.text)}</pre>"


@_html.register
def _figure(block: Figure, writer: Writer) -> str:
    height = int(block.drawing.layout.height or 450)
    plot = f'<div class="plot" id="plot-{writer.figure(block.drawing)}" style="height:{height}px"'
    alt = escaped(block.alt)
    return f'<figure>{plot} role="img" aria-label="{alt}"></div><figcaption>{alt}</figcaption></figure>'


@_html.register
def _table(block: Table, writer: Writer) -> str:
    heads = "".join(f'<th scope="col">{escaped(name)}</th>' for name in block.rows.columns)
    lines = [_line(row, block) for row in block.rows.itertuples(index=False)]
    kind = "scroll wide" if len(block.rows.columns) > WIDE_COLUMNS else "scroll"
    caption = f"<caption>{escaped(block.title)}</caption>"
    body = "\n".join(lines)
    return f'<div class="{kind}"><table>{caption}<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>'


def _line(row: tuple[Any, ...], block: Table) -> str:
    cells = [_cell(value, str(name) == block.links) for name, value in zip(block.rows.columns, row)]
    return f"<tr>{''.join(cells)}</tr>"


def _cell(value: Any, is_link: bool) -> str:
    if is_link:
        return f"<td>{_pointer(str(value))}</td>"
    if isinstance(value, (int, float)) or hasattr(value, "dtype"):
        return f'<td class="number">{escaped(cell_text(value))}</td>'
    return f"<td>{escaped(cell_text(value))}</td>"


def _pointer(text: str) -> str:
    """A link inside the report, or the path of a file as it is called in the repository."""
    if text.startswith("#"):
        return f'<a href="{escaped(text)}">{escaped(text.removeprefix("#"))}</a>'
    return f"<code>{escaped(text)}</code>" if text else ""


def cell_text(value: Any) -> str:
    """A cell as people read it: nothing for what is missing, four digits of a number."""
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, bool) or not finite(value):
        return str(value) if str(value) != NOT_DEFINED else NOT_DEFINED
    return f"{value:,}" if float(value).is_integer() else f"{value:.4g}"


DOI = re.compile(r"\b(10\.\d{4,9}/[^\s;,()&]*[^\s;,()&.])")


def linked(text: str) -> str:
    """Escaped text, with DOIs as links that a reader may follow; nothing is loaded from them."""
    return DOI.sub(lambda found: f'<a href="https://doi.org/{found[0]}">{found[0]}</a>', escaped(text))

"""One look for every figure: the template, the colours, and who wears which."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

# Okabe and Ito's colours that keep contrast on white and on near-black; yellow and black do not.
BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
PALETTE: tuple[str, ...] = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
GREY = "#7F8A93"
SYMBOLS: tuple[str, ...] = ("circle", "square", "diamond", "triangle-up")
DASHES: tuple[str, ...] = ("solid", "dash", "dot", "dashdot")
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', Arial, sans-serif"
TEXT_SIZE = 13
INK = {"light": "#4F5A64", "dark": "#B4BEC6"}
"""Colour of the text in figures; each has a contrast above 6 on its theme's background."""


# Models that are compared most often stand far apart; a model that is not listed gets its place from its name.
OUTCOME_PLACES: dict[str, int] = {
    "logistic_regression": 0,
    "explainable_boosting": 1,
    "random_forest": 2,
    "gradient_boosting": 3,
    "radiomics_record": 4,
    "image_cnn3d": 5,
    "anatomy_only": 6,
    "fusion_joint": 7,
    "fusion_late": 8,
    "fusion_film": 9,
    "radiomics_record_boosting": 10,
    "image_timm2d": 11,
    "cox": 12,
    "weibull": 13,
    "clinical_score": 14,
    "nephrometry_score": 15,
    "cox_radiomics": 16,
    "hazard_network": 17,
    "boosted_hazard": 20,
}
SEGMENTER_PLACES: dict[str, int] = {
    "unet": 0,
    "dynunet": 1,
    "random_forest": 2,
    "attention_unet": 3,
    "segformer": 4,
    "deeplabv3plus": 5,
    "segnet": 6,
    "mask_rcnn": 7,
    "watershed": 8,
    "fcn": 9,
    "cnn": 10,
    "swin_unetr": 11,
    "otsu": 12,
    "region_growing": 13,
    "kmeans": 14,
    "gaussian_mixture": 15,
    "canny": 16,
    "svm": 17,
}
KNOWN_PLACES: dict[str, int] = {**OUTCOME_PLACES, **SEGMENTER_PLACES}
"""Colour is the place modulo 6, the symbol changes with each round, the dash with both. Models of outcomes and segmenters never
stand on one page, so each has places of its own."""


@dataclass(frozen=True)
class Mark:
    """How a model is drawn on every page: colour, and a symbol and a dash for those who do not see colour."""

    colour: str
    symbol: str
    dash: str


def mark_of(base_model: str, family: str = "", with_procedure: bool = False) -> Mark:
    """The mark of a model; references are grey, variants with procedure fields hollow and of the same colour."""
    if family == "reference":
        return Mark(GREY, "line-ns-open" if base_model == "base_rate" else "circle", "dot")
    place = KNOWN_PLACES.get(base_model, zlib.crc32(base_model.encode()) % (len(PALETTE) * len(SYMBOLS)))
    colour, turn = place % len(PALETTE), place // len(PALETTE)
    dash = DASHES[(colour + turn + (2 if with_procedure else 0)) % len(DASHES)]
    return Mark(PALETTE[colour], SYMBOLS[turn] + ("-open" if with_procedure else ""), dash)


def tint(colour: str, opacity: float) -> str:
    """A hex colour made transparent, as Plotly writes it."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


TEMPLATE = go.layout.Template(
    layout={
        "font": {"family": FONT, "size": TEXT_SIZE},
        "colorway": list(PALETTE),
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "xaxis": {"zeroline": False, "gridcolor": "#E3E8EC", "linecolor": "#B8C2CA"},
        "yaxis": {"zeroline": False, "gridcolor": "#E3E8EC", "linecolor": "#B8C2CA"},
    }
)


def dress(figure: go.Figure, height: int, *, left: int = 8, top: int = 16, bottom: int = 48, right: int = 16) -> go.Figure:
    """The figure in the house's look; text and grid colours are left to the page's theme, light or dark."""
    figure.update_layout(
        template=TEMPLATE,
        height=height,
        margin={"l": left, "r": right, "t": top, "b": bottom},
        font={"family": FONT, "size": TEXT_SIZE},
        legend={"orientation": "h", "yanchor": "top", "y": -0.2, "x": 0, "xanchor": "left", "font": {"size": TEXT_SIZE}},
        hoverlabel={"font": {"family": FONT, "size": TEXT_SIZE}},
        dragmode=False,
    )
    figure.update_xaxes(title_font={"size": TEXT_SIZE}, tickfont={"size": TEXT_SIZE}, title_standoff=12)
    figure.update_yaxes(title_font={"size": TEXT_SIZE}, tickfont={"size": TEXT_SIZE}, title_standoff=12)
    return figure


def log_ticks(low: float, high: float) -> dict[str, Any]:
    """Ticks at 1, 2 and 5 of each power of ten between two numbers above 0, for a logarithmic axis; few where many fit."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if high / low <= 1000 else (1,)
    ticks = [step * 10.0**power for power in powers for step in steps if low / 2 <= step * 10.0**power <= high * 2]
    return {"tickvals": ticks, "ticktext": [_short(tick) for tick in ticks]}


def _short(value: float) -> str:
    """ "0.5", "20", "5 k", "2 M"."""
    for size, unit in ((1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def with_ink(figure: go.Figure, theme: str) -> go.Figure:
    """The figure with its text in the colour of the reader's theme, "light" or "dark"."""
    colour = INK.get(theme, INK["light"])
    figure.update_layout(font_color=colour, legend_font_color=colour)
    figure.update_xaxes(tickfont_color=colour, title_font_color=colour)
    figure.update_yaxes(tickfont_color=colour, title_font_color=colour)
    return figure

"""Errors and robustness: where methods fail, on which cases, and how they stand up to poor pictures."""

from __future__ import annotations

import streamlit as st

from dashboard.charts.error_rows import errors_sentence
from dashboard.panels import mask_about, mask_errors
from dashboard.panels.mask_choice import MaskView, choose_view, open_study
from dashboard.widgets import badges, folds
from dashboard.widgets.pages import PageSpec

READING: tuple[str, ...] = (
    "**Thirds** are of the cases that hold the region, so that each has as many; an interval is over patients drawn anew.",
    "**Cases** are single pictures: one bad case says little, twenty of a kind say where the method must not be used.",
    "**Planted faults** are our own: 1 is just seen, 5 leaves little. Real faults differ: read the order, not the height.",
)


def render() -> None:
    """The page."""
    place = open_study("Errors and robustness")
    if place is None:
        return
    view = choose_view(place, with_metric=False)
    if view.board.empty:
        folds.nothing_yet("No method was judged on this split.", "Choose another region or another split above.")
        return
    _body(view)


def _body(view: MaskView) -> None:
    models = mask_errors.choose_models(view)
    st.markdown(f"### {errors_sentence(view.summary, view.region_name, view.split, models[0])}")
    if view.split.startswith("external"):
        badges.row((badges.EXTERNAL,))
    mask_errors.headline_numbers(view, models[0])
    mask_errors.factor_section(view, models)
    mask_errors.cases_section(view, models)
    mask_errors.lesion_section(view)
    mask_errors.robustness_section(view, models)
    mask_errors.empty_section(view)
    mask_about.closing(view, READING, ("Planted faults: after Hendrycks and Dietterich, arXiv:1903.12261",))


PLUGINS = (PageSpec("errors_and_robustness", "Errors and robustness", "Studies", 60, "errors", render, ("segmentation",)),)

"""Segmentation benchmark: which method outlines best, by how much, how surely and at what cost."""

from __future__ import annotations

from dashboard.panels import case_viewer, mask_about, mask_evidence, mask_ranking
from dashboard.panels.mask_choice import MaskView, answer, choose_view, open_study
from dashboard.widgets import folds
from dashboard.widgets.pages import PageSpec


def render() -> None:
    """The page."""
    place = open_study("Segmentation benchmark")
    if place is None:
        return
    view = choose_view(place)
    if view.board.empty:
        folds.nothing_yet("No method was judged on this split.", "Choose another region or another split above.")
        return
    _body(view)


def _body(view: MaskView) -> None:
    answer(view)
    mask_ranking.headline_numbers(view)
    mask_ranking.leaderboard_section(view)
    mask_ranking.trade_section(view)
    case_viewer.spread_section(view)
    mask_evidence.rank_section(view)
    mask_evidence.significance_section(view)
    mask_about.suitability_line(view)
    mask_ranking.transport_section(view)
    mask_about.published_section(view)
    mask_about.across_section(view)
    mask_about.choice_section(view)
    mask_about.folds_section(view)
    mask_about.closing(view, mask_about.reading(view))


PLUGINS = (
    PageSpec("segmentation_benchmark", "Segmentation benchmark", "Studies", 50, "segmentation", render, ("segmentation",)),
)

"""What a reader of a segmentation study has chosen to see, and everything that follows from it."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from core.storage.summaries import StudyPlace, StudySummary
from dashboard.charts import mask_rows
from dashboard.charts.mask_rows import MAIN, MaskMetric
from dashboard.charts.mask_view import MaskView as MaskView
from dashboard.charts.mask_view import view_of
from dashboard.charts.wording import first_and_rest
from dashboard.widgets import badges, choosers, folds, state, store
from dashboard.widgets.sidebar import badges_of, chosen_study, title_of

RUN = "python -m core study run core/recipes/segmentation_phantom.yaml --profile quick"


def open_study(title: str, kinds: tuple[str, ...] = ("segmentation",)) -> StudyPlace | None:
    """The title, the chosen segmentation study and its badges; None, and words in its place, where there is no such study."""
    st.title(title, anchor=False)
    place = chosen_study(*kinds)
    if place is None:
        folds.nothing_yet("There is no segmentation study to show yet.", "This command makes one on simulated scans:", RUN)
        return None
    badges.titled(title_of(place), badges_of(place))
    return place


def choose_view(place: StudyPlace, *, with_split: bool = True, with_metric: bool = True, only: tuple[str, ...] = ()) -> MaskView:
    """The view that the reader chose.

    Args:
        with_split: whether the reader may choose a split; else the main one.
        with_metric: whether the reader may choose a metric; else Dice.
        only: the metrics offered; empty: all.
    """
    summary = store.summary(place)
    metrics = mask_rows.metrics_of(summary)
    left, middle, right = st.columns([3, 3, 3], gap="medium", vertical_alignment="bottom")
    with left:
        region = _choose_region(summary)
    with middle:
        words = mask_rows.split_words(summary, region) or {"internal": "Cross-validation"}
        split = choosers.select("Judged on", state.SPLIT, words, next(iter(words))) if with_split else "internal"
    with right:
        offered = {name: metric.label for name, metric in metrics.items() if not only or name in only}
        metric = choosers.select("Metric", state.METRIC, offered, MAIN, help=_explained(metrics)) if with_metric else MAIN
    return view_of(place, summary, region, split, metric)


def _choose_region(summary: StudySummary) -> str:
    words = {str(item["name"]): str(item["label"]) for item in summary.info["regions"]}
    return choosers.select("What is outlined", state.REGION, words, next(iter(words)))


def _explained(metrics: Mapping[str, MaskMetric]) -> str:
    return "  \n".join(f"**{metric.label}:** {metric.description}" for metric in metrics.values())


def headline(text: str, help: str | None = None) -> None:
    """The first sentence large, the others below it."""
    first, rest = first_and_rest(text)
    st.markdown(f"### {first}", help=help)
    if rest:
        st.markdown(rest)


def answer(view: MaskView) -> None:
    """The sentence that answers the page's question; it speaks of Dice in cross-validation."""
    sentence = str((view.summary.info.get("headlines") or {}).get(view.region_name, ""))
    if sentence:
        headline(sentence)
    if view.split.startswith("external"):
        badges.row((badges.EXTERNAL,))
    if view.split != "internal" or view.metric.name != MAIN:
        st.caption(
            f"The sentences speak of Dice in the main split; the numbers below are of: {view.metric.label}, {view.split_label}."
        )

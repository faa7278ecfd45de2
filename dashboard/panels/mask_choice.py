"""What a reader of a segmentation study has chosen to see, and everything that follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from core.storage.summaries import StudyPlace, StudySummary
from dashboard.charts import mask_rows
from dashboard.charts.mask_rows import MAIN, MaskMetric
from dashboard.charts.wording import first_and_rest
from dashboard.widgets import badges, choosers, folds, state, store
from dashboard.widgets.sidebar import badges_of, chosen_study, title_of

RUN = "python -m core study run core/recipes/segmentation_phantom.yaml --profile quick"


@dataclass(frozen=True)
class MaskView:
    """One region of one study on one split, by one metric.

    Args:
        board: what ``charts.mask_rows.board`` gives for it; metrics: all metrics of the study by slug.
    """

    place: StudyPlace
    summary: StudySummary
    region: Mapping[str, Any]
    split: str
    metric: MaskMetric
    metrics: Mapping[str, MaskMetric]
    board: pd.DataFrame

    @property
    def region_name(self) -> str:
        return str(self.region["name"])

    @property
    def unit(self) -> str:
        """Of distances: mm or px."""
        return str(self.summary.info["dataset"].get("unit", "px"))

    @property
    def split_label(self) -> str:
        return mask_rows.split_words(self.summary, self.region_name).get(self.split, self.split)

    @property
    def compared(self) -> MaskMetric:
        """The metric itself where methods are ranked by it, else Dice."""
        return self.metric if self.metric.compared else self.metrics[MAIN]

    @property
    def labels(self) -> dict[str, str]:
        return mask_rows.labels_of(self.summary)

    def cases(self) -> pd.DataFrame:
        """Scores of single cases on this split."""
        return mask_rows.case_rows(self.summary, self.region_name, self.split)

    def file(self, part: str) -> str:
        """Name of a download: study, region, split, metric and what it holds."""
        split = self.split.replace(":", "-").replace("=", "-")
        return "_".join((self.summary.name, self.region_name, split, self.metric.name, part))


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


def view_of(place: StudyPlace, summary: StudySummary, region: str, split: str, metric: str) -> MaskView:
    """The view of these choices."""
    metrics = mask_rows.metrics_of(summary)
    chosen = metrics[metric]
    return MaskView(
        place=place,
        summary=summary,
        region=next(item for item in summary.info["regions"] if item["name"] == region),
        split=split,
        metric=chosen,
        metrics=metrics,
        board=mask_rows.board(summary, region, split, chosen),
    )


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

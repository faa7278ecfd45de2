"""One region of one segmentation study on one split, by one metric, and everything that follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from core.storage.summaries import StudyPlace, StudySummary
from dashboard.charts import mask_rows
from dashboard.charts.mask_rows import MAIN, MaskMetric


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

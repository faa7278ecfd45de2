"""From a segmentation summary to the small tables that figures and pages show; no statistics, only selection and joining."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from core.storage.summaries import StudySummary
from dashboard.charts.wording import FAMILIES, difference_with_interval, finite, number, plural, signed, with_interval

HUMAN = "human_readers"
MAIN = "dice"
FIRST_METRICS = ("dice", "nsd", "hd95", "jaccard", "assd", "sensitivity", "precision")
COST_COLUMNS = ("parameters", "training_minutes", "images_per_second", "peak_mb")
LEVEL = 0.05
"""Adjusted p below which a difference is said to be more than chance."""


@dataclass(frozen=True)
class MaskMetric:
    """A metric as pages tell it.

    Args:
        unit: "" for a share, else "px" or "mm"; aim: ``higher``, ``lower`` or ``zero``.
        compared: whether models are compared and ranked by it.
    """

    name: str
    label: str
    unit: str
    aim: str
    description: str = ""
    undefined: str = ""
    reference: str = ""
    compared: bool = False

    @property
    def digits(self) -> int:
        """Decimals of a value in running text."""
        return 1 if self.unit else 2

    @property
    def axis(self) -> str:
        """Its name and unit, as axes carry it."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    def value(self, value: float) -> str:
        """A number and its unit."""
        return number(value, self.digits) + (f" {self.unit}" if self.unit and finite(value) else "")

    def with_interval(self, value: float, low: float, high: float) -> str:
        """A number with its interval."""
        return with_interval(value, low, high, self.digits if self.unit else None)

    def difference(self, value: float, low: float, high: float) -> str:
        """A difference with its interval."""
        return difference_with_interval(value, low, high, self.digits)

    def signed(self, value: float) -> str:
        """A difference."""
        return signed(value, self.digits)

    def ranked(self, values: pd.Series) -> pd.Series:
        """The values turned so that larger is better."""
        return values if self.aim == "higher" else -values if self.aim == "lower" else -values.abs()


def metrics_of(summary: StudySummary) -> dict[str, MaskMetric]:
    """The metrics of a study by slug, those that most readers ask for first."""
    unit = str(summary.info["dataset"].get("unit", ""))
    found = {str(item["name"]): _metric(item, unit) for item in summary.info["metrics"]}
    order = [name for name in FIRST_METRICS if name in found]
    return {name: found[name] for name in (*order, *(name for name in found if name not in order))}


def _metric(item: dict[str, object], unit: str) -> MaskMetric:
    texts = {name: str(item.get(name, "")) for name in ("name", "label", "aim", "description", "undefined", "reference")}
    return MaskMetric(unit=unit if item.get("unit") == "distance" else "", compared=bool(item.get("compared")), **texts)


def method_facts(summary: StudySummary) -> pd.DataFrame:
    """One row a method: model, label, family, description, reference."""
    columns = ("name", "label", "family", "description", "reference")
    rows = [[str(item.get(column, "")) for column in columns] for item in summary.info["models"]]
    return pd.DataFrame(rows, columns=["model", *columns[1:]])


def labels_of(summary: StudySummary) -> dict[str, str]:
    """What people read for each method."""
    return {str(item["name"]): str(item["label"]) for item in summary.info["models"]}


def families_of(summary: StudySummary) -> dict[str, str]:
    """The family of each method."""
    return {str(item["name"]): str(item["family"]) for item in summary.info["models"]}


def board(summary: StudySummary, region: str, split: str, metric: MaskMetric) -> pd.DataFrame:
    """One row a method, families in their order and the best first: facts, value, low, high, n, n_patients, n_undefined, cost."""
    scores = summary.table("scores", region=region, split=split, group="all", metric=metric.name)
    table = method_facts(summary).merge(scores.drop(columns=["region", "split", "group", "metric"]), on="model")
    table = table.merge(summary.tables["cost"], on="model", how="left")
    rank = {family: place for place, family in enumerate(FAMILIES)}
    keys = table.assign(_family=table["family"].map(rank).fillna(len(rank)), _good=-metric.ranked(table["value"]))
    keys = keys.sort_values(["_family", "_good"], kind="stable", na_position="last")
    return keys.drop(columns=["_family", "_good"]).reset_index(drop=True)


def best_of(table: pd.DataFrame, metric: MaskMetric, families: Sequence[str] = ("classical", "network", "anchor")) -> str:
    """Slug of the best method of these families; empty where none has a value."""
    rivals = table[table["family"].isin(families) & table["value"].notna()]
    return "" if rivals.empty else str(rivals.loc[metric.ranked(rivals["value"]).idxmax(), "model"])


def first_methods(table: pd.DataFrame, metric: MaskMetric, limit: int = 3) -> list[str]:
    """Methods to draw first: the best network, U-Net, the best classical method, then the next best."""
    ranked = table[table["family"] != "reference"].assign(_good=metric.ranked(table["value"]))
    ranked = ranked.sort_values("_good", ascending=False, kind="stable")
    wanted = [best_of(table, metric), "unet", best_of(table, metric, ("classical",)), *map(str, ranked["model"])]
    known = set(ranked["model"])
    return [name for name in dict.fromkeys(wanted) if name in known][:limit]


def pair(summary: StudySummary, region: str, split: str, metric: str, model: str, rival: str) -> pd.Series | None:
    """The paired comparison model − rival, turned round where it was stored the other way."""
    rows = summary.table("comparisons", region=region, split=split, metric=metric)
    for one, other, sign in ((model, rival, 1), (rival, model, -1)):
        found = rows[(rows["model"] == one) & (rows["rival"] == other)]
        if len(found):
            row = found.iloc[0].copy()
            low, high = sorted((sign * row["low"], sign * row["high"]))
            row["model"], row["rival"] = model, rival
            row["difference"], row["low"], row["high"] = sign * row["difference"], low, high
            return row
    return None


def pairs_both_ways(summary: StudySummary, region: str, split: str, metric: str) -> pd.DataFrame:
    """Every comparison in both directions, with an adjusted p; the line of human readers has none and is left out."""
    rows = summary.table("comparisons", region=region, split=split, metric=metric)
    rows = rows[rows["p_holm"].notna()]
    turned = rows.rename(columns={"model": "rival", "rival": "model"})
    turned = turned.assign(difference=-rows["difference"], low=-rows["high"], high=-rows["low"])
    return pd.concat([rows, turned[rows.columns]], ignore_index=True)


def case_rows(summary: StudySummary, region: str, split: str) -> pd.DataFrame:
    """Scores of single cases with the label and family of each method."""
    rows = summary.table("cases", region=region, split=split)
    return rows.merge(method_facts(summary)[["model", "label", "family"]], on="model")


def case_metric(metric: MaskMetric, rows: pd.DataFrame, metrics: dict[str, MaskMetric]) -> MaskMetric:
    """The metric itself where it was kept for single cases, else Dice."""
    return metric if metric.name in rows.columns else metrics[MAIN]


def worst_cases(rows: pd.DataFrame, model: str, metric: MaskMetric) -> pd.DataFrame:
    """A method's cases, the worst first; cases without a value come last."""
    mine = rows[rows["model"] == model]
    mine = mine.assign(_good=metric.ranked(mine[metric.name]))
    return mine.sort_values(["_good", "case"], kind="stable").drop(columns="_good").reset_index(drop=True)


def best_on(rows: pd.DataFrame, case: str, models: Sequence[str], metric: MaskMetric) -> pd.Series | None:
    """The row of the method that does best on a case: whether it is hard for all, or for one."""
    others = rows[(rows["case"] == case) & rows["model"].isin(models) & rows[metric.name].notna()]
    return None if others.empty else others.loc[metric.ranked(others[metric.name]).idxmax()]


def rank_rows(summary: StudySummary, region: str, split: str, metric: str) -> pd.DataFrame:
    """Rank of each method with interval, best first, with its facts."""
    rows = summary.table("ranks", region=region, split=split, metric=metric)
    rows = rows.merge(method_facts(summary)[["model", "label", "family"]], on="model")
    return rows.sort_values(["rank", "high", "label"], kind="stable").reset_index(drop=True)


def split_words(summary: StudySummary, region: str) -> dict[str, str]:
    """The splits on which methods were judged: slug and what people read."""
    judged = set(summary.table("scores", region=region)["split"])
    return {str(item["name"]): str(item.get("label", item["name"])) for item in summary.info["splits"] if item["name"] in judged}


def across_splits(summary: StudySummary, region: str, metric: MaskMetric) -> pd.DataFrame:
    """One row a method and split: the metric with interval, methods in the order of the main split's leaderboard."""
    words = split_words(summary, region)
    parts = [board(summary, region, split, metric).assign(split=split, split_label=label) for split, label in words.items()]
    joined = pd.concat(parts, ignore_index=True)
    several = joined.groupby("model")["split"].transform("nunique") > 1
    return joined[several].reset_index(drop=True)


def cases_words(count: float, patients: float = float("nan")) -> str:
    """ "439 cases of 430 patients"."""
    told = plural(int(count), "case")
    return f"{told} of {plural(int(patients), 'patient')}" if finite(patients) else told

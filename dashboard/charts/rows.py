"""From a summary to the small tables that figures and pages show; no statistics, only selection and joining."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from core.counseling.counts import largest_remainder
from core.storage.summaries import StudySummary
from dashboard.charts.wording import FAMILIES, inputs_text

Inputs = Literal["record", "procedure", "both"]
MODEL_COLUMNS = ("model", "base_model", "label", "family", "with_procedure", "sees")


def main_metric(outcome: dict[str, Any]) -> str:
    """The metric that orders the leaderboard of an outcome."""
    return "c_index" if outcome["kind"] == "time_to_event" else "auroc"


def reference_model(summary: StudySummary, outcome: str) -> str:
    """The model that others are compared with: the recipe's where it was run, else the commonest rival."""
    asked = str(summary.info.get("recipe", {}).get("evaluation", {}).get("reference_model", ""))
    if not summary.table("scores", outcome=outcome, model=asked).empty:
        return asked
    rivals = summary.table("comparisons", outcome=outcome)["rival"].value_counts()
    return str(rivals.index[0]) if len(rivals) else ""


def model_facts(summary: StudySummary) -> pd.DataFrame:
    """One row a model: slug, base model, label, family, whether it sees procedure fields, what it sees in words."""
    rows = [
        (
            item["name"],
            item.get("base_model", item["name"]),
            item.get("label", item["name"]),
            item.get("family", "tabular"),
            bool(item.get("with_procedure", False)),
            inputs_text(list(item.get("inputs", []))),
        )
        for item in summary.info["models"]
    ]
    return pd.DataFrame(rows, columns=list(MODEL_COLUMNS))


def labels(summary: StudySummary) -> dict[str, str]:
    """What people read for each model."""
    return {str(item["name"]): str(item.get("label", item["name"])) for item in summary.info["models"]}


def has_variants(summary: StudySummary, outcome: str) -> bool:
    """Whether any model of the outcome was run with procedure fields too."""
    facts = model_facts(summary)
    judged = set(summary.table("scores", outcome=outcome)["model"])
    return bool(facts[facts["with_procedure"] & facts["model"].isin(judged)].size)


def _seen(facts: pd.DataFrame, inputs: Inputs) -> pd.DataFrame:
    """Models of the variant asked for; those that exist in one form only (images, references) stay in every view."""
    if inputs == "both":
        return facts
    paired = set(facts.loc[facts["with_procedure"], "base_model"])
    if inputs == "record":
        return facts[~facts["with_procedure"]]
    return facts[facts["with_procedure"] | ~facts["base_model"].isin(paired)]


def leaderboard(summary: StudySummary, outcome: str, split: str, inputs: Inputs = "both", metric: str = "") -> pd.DataFrame:
    """One row a model, families in their order and the best first: facts, value, low, high, n, n_events, and the paired
    difference to the reference model (difference, difference_low, difference_high; missing where not computed)."""
    chosen = metric or main_metric(dict(summary.outcome(outcome)))
    scores = summary.table("scores", outcome=outcome, split=split, group="all", metric=chosen)
    scores = scores[["model", "value", "low", "high", "n", "n_events", "n_undefined"]]
    paired = summary.table("comparisons", outcome=outcome, split=split, metric=chosen)
    paired = paired[paired["rival"].map(_base_of(summary)) == _base_of(summary).get(reference_model(summary, outcome), "")]
    paired = paired.rename(columns={"low": "difference_low", "high": "difference_high"})
    paired = paired[["model", "rival", "difference", "difference_low", "difference_high"]].drop_duplicates("model")
    table = _seen(model_facts(summary), inputs).merge(scores, on="model").merge(paired, on="model", how="left")
    return _ordered(table)


def _base_of(summary: StudySummary) -> dict[str, str]:
    return {str(item["name"]): str(item.get("base_model", item["name"])) for item in summary.info["models"]}


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    rank = {family: place for place, family in enumerate(FAMILIES)}
    best = table.groupby("base_model")["value"].transform("max")
    keys = table.assign(_family=table["family"].map(rank).fillna(len(rank)), _best=-best.fillna(0.0))
    keys = keys.sort_values(["_family", "_best", "base_model", "with_procedure"], kind="stable")
    return keys.drop(columns=["_family", "_best"]).reset_index(drop=True)


def metric_table(summary: StudySummary, outcome: str, split: str, inputs: Inputs = "both") -> pd.DataFrame:
    """All metrics in long form, as computed: what the download holds."""
    scores = summary.table("scores", outcome=outcome, split=split, group="all")
    return _seen(model_facts(summary), inputs).merge(scores, on="model").reset_index(drop=True)


def best_of(board: pd.DataFrame) -> str:
    """Slug of the model with the highest value, references left out; empty where there is none."""
    rivals = board[(board["family"] != "reference") & board["value"].notna()]
    return "" if rivals.empty else str(rivals.sort_values("value", ascending=False)["model"].iloc[0])


def first_choice(board: pd.DataFrame, reference: str, limit: int = 3) -> list[str]:
    """Models to draw first: the best, the reference model, then the best of each other way of seeing the patient."""
    ranked = board[board["family"] != "reference"].sort_values("value", ascending=False)
    wanted = [best_of(board), reference]
    wanted += [str(rows.iloc[0]["model"]) for _, rows in ranked.groupby("family", sort=False)]
    wanted += [str(name) for name in ranked["model"]]
    known = set(board["model"])
    return [name for name in dict.fromkeys(wanted) if name in known][:limit]


def beside(summary: StudySummary, outcome: str, inputs: Inputs) -> pd.DataFrame:
    """One row a model and split: the main metric of every split, split labels included, in the leaderboard's order."""
    labels = {str(item["name"]): str(item.get("label", item["name"])) for item in summary.info["splits"]}
    boards = [leaderboard(summary, outcome, split, inputs).assign(split=split, split_label=labels[split]) for split in labels]
    return pd.concat(boards, ignore_index=True)


def curve_rows(summary: StudySummary, outcome: str, split: str, kind: str, models: Sequence[str]) -> pd.DataFrame:
    """Points of one kind of curve for those models, with the models' facts, in the order asked for."""
    rows = summary.table("curves", outcome=outcome, split=split, kind=kind)
    rows = rows[rows["model"].isin(models)].merge(model_facts(summary), on="model")
    order = {name: place for place, name in enumerate(models)}
    return rows.sort_values("x", kind="stable").sort_values("model", key=lambda names: names.map(order), kind="stable")


def recovery_rows(summary: StudySummary, outcome: str, split: str, models: Sequence[str], last_day: int) -> pd.DataFrame:
    """Share home by day, observed and predicted, for those models up to a day."""
    rows = summary.table("recovery", outcome=outcome, split=split)
    rows = rows[rows["model"].isin(models) & (rows["day"] <= last_day)].merge(model_facts(summary), on="model")
    order = {name: place for place, name in enumerate(models)}
    return rows.sort_values("day", kind="stable").sort_values("model", key=lambda names: names.map(order), kind="stable")


def cost_rows(summary: StudySummary) -> pd.DataFrame:
    """What each model costs, with its facts, cheapest first."""
    return summary.tables["cost"].merge(model_facts(summary), on="model").sort_values("seconds_per_fit").reset_index(drop=True)


@dataclass(frozen=True)
class Consequences:
    """What a threshold does to 100 such patients; the four counts sum to the denominator."""

    flagged_rightly: int
    flagged_in_vain: int
    missed: int
    left_rightly: int

    @property
    def flagged(self) -> int:
        return self.flagged_rightly + self.flagged_in_vain

    @property
    def with_event(self) -> int:
        return self.flagged_rightly + self.missed


def consequences(flagged: float, sensitivity: float, rate: float, denominator: int = 100) -> Consequences:
    """Counts of a denominator from shares between 0 and 1; the largest remainders are rounded up."""
    hit = min(sensitivity * rate, flagged)
    shares = (hit, flagged - hit, max(rate - hit, 0.0), max(1 - flagged - max(rate - hit, 0.0), 0.0))
    total = sum(shares)
    return Consequences(*largest_remainder([share / total for share in shares], denominator))

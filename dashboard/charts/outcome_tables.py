"""The tables and sentences of outcome models that pages and reports share; no statistics, only selection and wording."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from core.evaluation.groups import group_words
from core.evaluation.learning import missing_sentence
from dashboard.charts import calibration, rows
from dashboard.charts.outcome_view import View
from dashboard.charts.significance import p_words
from dashboard.charts.wording import (
    difference_with_interval,
    digits_for,
    events,
    finite,
    metric_label,
    number,
    percent,
    with_interval,
)

TABLE_METRICS = (
    "average_precision",
    "brier",
    "accuracy",
    "precision",
    "recall",
    "f1",
    "interval_score",
    "quantile_coverage",
    "brier_by_day",
)
CALIBRATION = {
    "calibration_slope": "Slope (1 is best)",
    "calibration_intercept": "Intercept (0 is best)",
    "oe_ratio": "Observed / expected",
    "integrated_calibration_index": "Calibration index (0 is best)",
    "brier": "Brier score",
}
DROPPED = ("outcome", "model", "base_model", "family", "with_procedure", "sees")


def row_of(board: pd.DataFrame, model: str) -> pd.Series | None:
    found = board[board["model"] == model]
    return None if found.empty else found.iloc[0]


def reference_row(view: View) -> pd.Series | None:
    """The reference model, in the variant on show where it has only that one."""
    found = row_of(view.board, view.reference)
    if found is not None:
        return found
    base = rows.model_facts(view.summary).set_index("model")["base_model"].get(view.reference, "")
    same = view.board[view.board["base_model"] == base]
    return None if same.empty else same.iloc[0]


def score_table(view: View) -> pd.DataFrame:
    """The leaderboard as people read it: one row a model, each score with its interval."""
    shown = pd.DataFrame(
        {
            "Model": view.board["label"],
            "Sees": view.board["sees"],
            metric_label(view.metric): _intervals(view.board, "value", "low", "high"),
            "Difference": [
                difference_with_interval(row["difference"], row["difference_low"], row["difference_high"])
                if finite(row["difference"])
                else ""
                for _, row in view.board.iterrows()
            ],
        }
    )
    for metric in TABLE_METRICS:
        scores = view.summary.table("scores", outcome=view.outcome_name, split=view.split, group="all", metric=metric)
        if not scores.empty:
            joined = view.board[["model"]].merge(scores, on="model", how="left")
            shown[metric_label(metric)] = _intervals(joined, "value", "low", "high")
    return shown.assign(Patients=view.board["n"].astype(int), Events=[events(n, view.min_cell) for n in view.board["n_events"]])


def _intervals(table: pd.DataFrame, value: str, low: str, high: str) -> list[str]:
    digits = max((digits_for(*pair) for pair in table[[low, high]].dropna().to_numpy()), default=2)
    return [with_interval(row[value], row[low], row[high], digits) for _, row in table.iterrows()]


def use_of(view: View) -> Mapping[str, Any] | None:
    """What the recipe says is done on the word of a model for this outcome."""
    uses = view.summary.info.get("recipe", {}).get("evaluation", {}).get("uses") or {}
    return uses.get(view.outcome_name)


def _cell(table: pd.DataFrame, model: str, metric: str) -> str:
    found = table[(table["model"] == model) & (table["metric"] == metric)]
    return "" if found.empty else with_interval(found["value"].iloc[0], found["low"].iloc[0], found["high"].iloc[0])


def told_by_label(view: View, metric: str) -> dict[str, str]:
    table = view.summary.table("scores", outcome=view.outcome_name, split=view.split, group="all", metric=metric)
    names = rows.labels(view.summary)
    return {names[row["model"]]: with_interval(row["value"], row["low"], row["high"]) for _, row in table.iterrows()}


def use_sentence(view: View, model: str) -> str:
    """Whether the stated risks of one model can be taken at their word."""
    table = view.summary.table("scores", outcome=view.outcome_name, split=view.split, group="all", model=model)
    found = table.set_index("metric")
    label = rows.labels(view.summary)[model]
    if "calibration_slope" not in found.index or pd.isna(found.loc["calibration_slope", "value"]):
        return f"{label}: too little is known to say whether its risks come true."
    slope, level = found.loc["calibration_slope"], found.loc["oe_ratio"]
    steep = f"slope {with_interval(slope['value'], slope['low'], slope['high'])}"
    told = []
    if slope["high"] < 1:
        told.append(f"its risks are too extreme ({steep})")
    elif slope["low"] > 1:
        told.append(f"its risks are too timid ({steep})")
    if not level["low"] <= 1 <= level["high"]:
        way = "too low" if level["value"] > 1 else "too high"
        told.append(f"on average {way} (observed / expected {number(level['value'])})")
    if told:
        return f"{label}: {' and '.join(told)}."
    return f"{label}: no departure of its risks from what happened is seen ({steep})."


def with_facts(view: View, table: str) -> pd.DataFrame:
    """Rows of a table of the outcome, with the facts of their models."""
    found = view.summary.table(table, outcome=view.outcome_name)
    return found.merge(rows.model_facts(view.summary), on="model")


def plain(table: pd.DataFrame) -> pd.DataFrame:
    """Without slugs; numbers in three decimals."""
    return table.drop(columns=[name for name in DROPPED if name in table]).round(3)


def parts_answer(view: View) -> str:
    """How many inputs are missed, and by which model."""
    table = with_facts(view, "ablation")
    table = table[table["metric"] == view.metric]
    if table.empty:
        return "No input was left out in this study."
    missed = table[table["difference_low"] > 0].sort_values("difference", ascending=False)
    count = f"{len(table)} times a model was fitted again without an input"
    if missed.empty:
        return f"{count}; in none of them was it clearly worse."
    worst = missed.iloc[0]
    return f"{count}; in {len(missed)} it was clearly worse. Most: {missing_sentence(worst.to_dict(), str(worst['label']))}"


def fairness_table(part: pd.DataFrame, label: str) -> pd.DataFrame:
    """Groups against the others by one measure, as people read it."""
    return pd.DataFrame(
        {
            "Group": [group_words(group) for group in part["group"]],
            "n": part["n"],
            label: [with_interval(row["value"], row["low"], row["high"]) for _, row in part.iterrows()],
            "Others": [number(value) for value in part["rest"]],
            "Gap": [with_interval(row["gap"], row["gap_low"], row["gap_high"]) for _, row in part.iterrows()],
            "Adjusted p": [number(value, 3) for value in part["p_holm"]],
            "Verdict": part["verdict"],
        }
    )


def fairness_change(table: pd.DataFrame) -> str:
    """What would change the verdicts on groups."""
    few = table[table["verdict"] == "too few events"]["group"].nunique()
    open_ = table[table["verdict"] == "no evidence"]["group"].nunique()
    told = f"More patients with the event in the {few} groups that hold too few. " if few else ""
    more = f"Narrower intervals: in {open_} groups neither a gap nor its absence is shown for some measure. " if open_ else ""
    return f"{told}{more}Patients of other hospitals: groups there may differ in more than their name."


def transport_answer(view: View) -> str:
    """What happens to the ranking elsewhere, or that nobody knows."""
    scores = view.summary.table("scores", outcome=view.outcome_name, group="all", metric=view.metric, model=view.reference)
    inside, outside = scores[scores["split"] == "internal"], scores[scores["split"] != "internal"].dropna(subset=["value"])
    if inside.empty or outside.empty:
        return "Whether this holds on other patients is not known: the study has no second set of them."
    worst = outside.loc[outside["value"].idxmin()]
    labels = {str(item["name"]): str(item.get("label", item["name"])) for item in view.summary.info["splits"]}
    where = labels.get(str(worst["split"]), str(worst["split"]))
    told = f"{view.metric.replace('_', '-').upper()} {worst['value']:.2f} ({worst['low']:.2f} to {worst['high']:.2f})"
    here = f"{inside['value'].iloc[0]:.2f} in cross-validation"
    return f"Elsewhere the reference model reaches at least {told} ({where}), against {here}."


def pair_table(view: View, stored: pd.DataFrame | None = None) -> pd.DataFrame:
    """Comparisons by the main metric, with p corrected over their family: ``stored``, or all that were planned."""
    if stored is None:
        stored = view.summary.table("comparisons", outcome=view.outcome_name, split=view.split, metric=view.metric)
    names = rows.labels(view.summary)
    return pd.DataFrame(
        {
            "Model": [names.get(name, name) for name in stored["model"]],
            "Against": [names.get(name, name) for name in stored["rival"]],
            f"Difference in {metric_label(view.metric)}": [
                difference_with_interval(row["difference"], row["low"], row["high"]) for _, row in stored.iterrows()
            ],
            "Adjusted p": [p_words(value) if finite(value) else "" for value in stored["p_holm"]],
            "Patients": stored["n"].astype(int),
        }
    )


def transport_rows(view: View) -> pd.DataFrame:
    """Every split beside the others; references are left out."""
    table = rows.beside(view.summary, view.outcome_name, view.inputs)
    return table[table["family"] != "reference"]


def transport_table(table: pd.DataFrame) -> pd.DataFrame:
    """A row a model, a column a set of patients, of what ``transport_rows`` gives."""
    wide = table.assign(text=[with_interval(row["value"], row["low"], row["high"]) for _, row in table.iterrows()])
    wide = wide.pivot(index="label", columns="split_label", values="text").reindex(table["label"].unique())
    wide = wide[list(dict.fromkeys(table["split_label"]))].reset_index().rename(columns={"label": "Model"})
    return wide.fillna("")


def measures_table(view: View, models: list[str]) -> pd.DataFrame:
    """Discrimination and calibration of a few models: a row a measure."""
    names = rows.labels(view.summary)
    table = view.summary.table("scores", outcome=view.outcome_name, split=view.split, group="all")
    kept = {"auroc": "AUROC", "average_precision": "Average precision", "scaled_brier": "Scaled Brier score", **CALIBRATION}
    return pd.DataFrame(
        [
            {"Measure": label, **{names[model]: _cell(table, model, metric) for model in models}}
            for metric, label in kept.items()
            if (table["metric"] == metric).any()
        ]
    )


def recalibration_points(view: View, model: str) -> pd.DataFrame:
    """Calibration curves of one model before and after each method."""
    points = view.summary.table("curves", outcome=view.outcome_name, split=view.split, model=model)
    points = points[points["kind"].str.startswith("calibration")]
    return points.assign(method=points["kind"].str.removeprefix("calibration").str.removeprefix(":").replace("", "none"))


def recalibration_table(table: pd.DataFrame) -> pd.DataFrame:
    """A row a method, a column a measure."""
    wide = table.assign(text=[with_interval(row["value"], row["low"], row["high"]) for _, row in table.iterrows()])
    wide = wide.pivot(index="method", columns="metric", values="text").reindex(list(calibration.METHODS)).reset_index()
    wide["method"] = wide["method"].map(calibration.METHODS)
    return wide.rename(columns={"method": "Method", **CALIBRATION, "log_loss": "Log loss"})


def strata_table(view: View, table: pd.DataFrame) -> pd.DataFrame:
    """Thirds of the stated risk and what happened, of rows of ``strata``."""
    names = rows.labels(view.summary)
    shown = pd.DataFrame(
        {
            "Model": table["model"].map(names),
            "Third of risk": table["stratum"],
            "Patients": table["n"],
            "Stated": [percent(value) for value in table["predicted"]],
            "Happened": [
                f"{percent(row['observed'])} ({percent(row['low'])} to {percent(row['high'])})" for _, row in table.iterrows()
            ],
        }
    )
    if view.is_time:
        shown.insert(2, "By day", table["day"].to_list())
    return shown


def choice_table(view: View, told: Mapping[str, Any]) -> pd.DataFrame:
    """Candidates against rivals by the measure that was declared."""
    names = rows.labels(view.summary)
    return pd.DataFrame(
        [
            {
                "Candidate": names.get(one["candidate"], one["candidate"]),
                "Rival": names.get(one["rival"], one["rival"]),
                "Better by": with_interval(one["better"], one["low"], one["high"], 3),
            }
            for one in told["contests"]
        ]
    )


def choice_sentence(told: Mapping[str, Any]) -> tuple[str, str]:
    """The verdict of the rule that was written beforehand, and the rule."""
    verdict = str(told["verdict"])
    return f"{verdict[:1].upper()}{verdict[1:]}.", str(told["rule"])


def coverage_part(table: pd.DataFrame, model: str, level: float) -> pd.DataFrame:
    """Realised coverage of one model at one promised level, groups in words."""
    part = table[(table["model"] == model) & (table["level"] == level)]
    return part.assign(group=[group_words(name) if "=" in name else name for name in part["group"]])


def features_part(table: pd.DataFrame, model: str) -> pd.DataFrame:
    """Fields of one model by rank, of what ``with_facts`` gives."""
    return table[table["model"] == model].sort_values("rank")


def shuffled_sentence(view: View) -> str:
    """What training on shuffled labels gave; empty where that was not tried."""
    facts = (view.summary.info.get("permuted") or {}).get(view.outcome_name)
    if not facts or not finite(facts.get("auroc")):
        return ""
    metric = metric_label(str(facts.get("metric", view.metric)))
    told = with_interval(facts["auroc"], facts.get("low", float("nan")), facts.get("high", float("nan")))
    return f"Check: trained on shuffled labels, the same pipeline reaches {metric} {told}; without a leak it is about 0.5."


def any_pair(view: View, model: str, rival: str) -> pd.DataFrame:
    """One model minus another, a row a metric, whichever way round the pair is kept."""
    table = view.summary.table("pairs", outcome=view.outcome_name, split="internal")
    found = table[(table["model"] == model) & (table["rival"] == rival)]
    if len(found):
        return found
    turned = table[(table["model"] == rival) & (table["rival"] == model)]
    swapped = turned.assign(model=model, rival=rival, difference=-turned["difference"], low=-turned["high"], high=-turned["low"])
    return swapped


def any_pair_table(part: pd.DataFrame) -> pd.DataFrame:
    """The rows of ``any_pair`` as people read them."""
    return pd.DataFrame(
        {
            "Measure": [metric_label(name) for name in part["metric"]],
            "Difference": [difference_with_interval(row["difference"], row["low"], row["high"]) for _, row in part.iterrows()],
            "p": [p_words(value) if finite(value) else "" for value in part["p"]],
            "Adjusted over all pairs": [p_words(value) if finite(value) else "" for value in part["p_holm"]],
            "Patients": part["n"].astype(int),
        }
    )


def built_otherwise(view: View) -> pd.DataFrame:
    """Planned pairs of models that differ in one thing of their building: where they begin, or how picture and record meet."""
    stored = view.summary.table("comparisons", outcome=view.outcome_name, split=view.split, metric=view.metric)
    facts = {str(item["name"]): item for item in view.summary.info["models"]}

    def alike(row: pd.Series) -> bool:
        model, rival = facts.get(str(row["model"]), {}), facts.get(str(row["rival"]), {})
        kinds = {str(one.get("family")) for one in (model, rival)} == {"fusion"} and not model.get("with_procedure")
        begun = bool(model.get("variant_of")) and model.get("variant_of") == rival.get("base_model")
        return begun or (kinds and not model.get("variant_of"))

    return stored[[alike(row) for _, row in stored.iterrows()]] if len(stored) else stored


def built_sentence(view: View, part: pd.DataFrame) -> str:
    """How many of these pairs differ by more than chance, and which most."""
    seen = part[(part["low"] > 0) | (part["high"] < 0)]
    count = f"{len(part)} pairs differ only in how they were built"
    if seen.empty:
        return f"{count}; no difference between them is more than chance."
    names = rows.labels(view.summary)
    most = seen.loc[seen["difference"].abs().idxmax()]
    told = difference_with_interval(most["difference"], most["low"], most["high"])
    return (
        f"{count}; in {len(seen)} the interval leaves out zero, most for {names.get(most['model'], most['model'])} minus "
        f"{names.get(most['rival'], most['rival'])}: {told}."
    )

"""The tables and sentences of segmentation that pages and reports share; no statistics, only selection and wording."""

from __future__ import annotations

import pandas as pd

from core.evaluation.segmentation.across import is_ablation_study
from core.evaluation.verdicts import ADEQUATE, DISPARITY
from core.storage.summaries import StudySummary
from dashboard.charts import ablations, error_rows, mask_leaderboard, mask_rows, significance
from dashboard.charts.mask_rows import MAIN, MaskMetric
from dashboard.charts.mask_view import MaskView
from dashboard.charts.wording import FAMILIES, finite, number

TABLE_COSTS = {"parameters": "Numbers", "training_minutes": "Training", "images_per_second": "Pictures/s", "peak_mb": "Memory"}


def score_table(view: MaskView) -> pd.DataFrame:
    """The leaderboard as people read it: one row a method, every metric with its interval, and costs."""
    shown = pd.DataFrame({"Method": view.board["label"], "Family": [FAMILIES.get(name, name) for name in view.board["family"]]})
    for metric in (view.metric, *(other for other in view.metrics.values() if other.name != view.metric.name)):
        scores = view.summary.table("scores", region=view.region_name, split=view.split, group="all", metric=metric.name)
        joined = view.board[["model"]].merge(scores, on="model", how="left")
        shown[metric.axis] = [metric.with_interval(row["value"], row["low"], row["high"]) for _, row in joined.iterrows()]
    costs = [mask_leaderboard.cost_words(row) for _, row in view.board.iterrows()]
    for name, label in TABLE_COSTS.items():
        shown[label] = [told[name] for told in costs]
    return shown.assign(Cases=view.board["n"].astype(int), Patients=view.board["n_patients"].astype(int))


def tau_sentence(view: MaskView) -> str:
    """Kendall's tau of the resampled rankings with the one found."""
    wanted = (view.region_name, view.split, view.compared.name)
    for item in view.summary.info.get("rank_stability", ()):
        if (item["region"], item["split"], item["metric"]) == wanted and finite(item["kendall_tau"]):
            return f"Kendall's tau of resampled orders with this one: {number(item['kendall_tau'])} (1 is the same order)."
    return ""


def pair_table(view: MaskView, stored: pd.DataFrame) -> pd.DataFrame:
    """All pairs of methods with their adjusted p, of rows of ``comparisons``."""
    rows = stored[stored["p_holm"].notna()]
    return pd.DataFrame(
        {
            "Method": [view.labels[name] for name in rows["model"]],
            "Against": [view.labels[name] for name in rows["rival"]],
            f"Difference in {view.compared.axis}": [
                view.compared.difference(row["difference"], row["low"], row["high"]) for _, row in rows.iterrows()
            ],
            "Adjusted p": [significance.p_words(value) for value in rows["p_holm"]],
            "Cases": rows["n"].astype(int),
        }
    )


def budget_sentence(summary: StudySummary) -> str:
    """How long each training was, and what that leaves open."""
    minutes = float((summary.info["recipe"].get("training") or {}).get("budget_minutes") or 0.0)
    length = f"{60 * minutes:.0f} seconds" if minutes < 2 else f"{minutes:g} minutes"
    return (
        f"Every training, with the part and without it, had the same {length}. What a part adds so early need not be what it "
        "adds to a network that was trained for hours."
    )


def ablation_table(rows: pd.DataFrame) -> pd.DataFrame:
    """What each part adds, of what ``ablations.ablation_rows`` gives."""
    told = [
        f"{ablations.points(row['difference'])} ({ablations.points(row['low'])} to {ablations.points(row['high'])})"
        if finite(row["difference"])
        else ""
        for _, row in rows.iterrows()
    ]
    return pd.DataFrame(
        {
            "Part": rows["label"], "With": rows["with_part"], "Without": rows["without"], "Points gained": told,
            "Claimed": [ablations.claim(row) for _, row in rows.iterrows()], "Verdict": rows["verdict"], "Cases": rows["n"],
            "Trainings": rows["seeds"], "Folds": rows["folds"],
        }
    )  # fmt: skip


def rank_table(table: pd.DataFrame) -> pd.DataFrame:
    """Rank of each method with its interval, of what ``mask_rows.rank_rows`` gives."""
    spans = [f"{low:g} to {high:g}" for low, high in zip(table["low"], table["high"])]
    return pd.DataFrame({"Method": table["label"], "Rank": table["rank"], "95% interval": spans})


def transport_table(view: MaskView, table: pd.DataFrame) -> pd.DataFrame:
    """A row a method, a column a split, of what ``mask_rows.across_splits`` gives."""
    told = [view.metric.with_interval(row["value"], row["low"], row["high"]) for _, row in table.iterrows()]
    wide = table.assign(text=told).pivot(index="label", columns="split_label", values="text")
    wide = wide.reindex(table["label"].unique())[list(dict.fromkeys(table["split_label"]))].fillna("")
    return wide.reset_index().rename(columns={"label": "Method"})


def factor_table(rows: pd.DataFrame, factor: str, metric: MaskMetric) -> pd.DataFrame:
    """A metric by the levels of one factor, of what ``error_rows.factor_rows`` gives."""
    told = [metric.with_interval(row["value"], row["low"], row["high"]) for _, row in rows.iterrows()]
    return pd.DataFrame({"Method": rows["label"], factor: rows["level"], metric.axis: told, "Cases": rows["n"]})


def robustness_table(view: MaskView, rows: pd.DataFrame) -> pd.DataFrame:
    """Dice by planted fault and severity, of what ``error_rows.robustness_rows`` gives."""
    dice = view.metrics[MAIN]
    told = rows.assign(text=[dice.with_interval(row["value"], row["low"], row["high"]) for _, row in rows.iterrows()])
    told = told.assign(fault=[error_rows.corruption_label(str(name)) for name in told["corruption"]])
    wide = told.pivot(index=["label", "fault"], columns="severity", values="text").reset_index()
    return wide.rename(columns={"label": "Method", "fault": "Fault"}).rename(columns=str)


def lesion_table(view: MaskView) -> pd.DataFrame:
    """Single lesions found and made up, by method; empty where none were counted."""
    table = error_rows.lesion_rows(view.summary, view.region_name, view.split, view.metrics)
    table = in_board_order(view, table)
    names = lesion_metrics(table)
    return pd.DataFrame({"Method": table["label"], **{view.metrics[name].label: table[name].fillna("") for name in names}})


def lesion_metrics(table: pd.DataFrame) -> list[str]:
    """Metrics of single lesions that a table holds."""
    return [name for name in ("lesion_sensitivity", "lesion_precision", "false_lesions") if name in table]


def empty_table(view: MaskView) -> pd.DataFrame:
    """How often a mask was empty, by method; empty where that was not counted."""
    table = in_board_order(view, error_rows.empties(view.summary, view.region_name))
    return pd.DataFrame(
        {"Method": table["label"], "Outlines": table["rows"]}
        | {words.capitalize(): table[name] for name, words in error_rows.EMPTY_WORDS.items()}
    )


def in_board_order(view: MaskView, table: pd.DataFrame) -> pd.DataFrame:
    """Rows in the order of the leaderboard."""
    order = {model: at for at, model in enumerate(view.board["model"])}
    return table.sort_values("model", key=lambda column: column.map(order))


def ablation_answer(view: MaskView) -> str:
    """The study's own sentence where it asks about parts alone; else a count of verdicts."""
    sentence = str((view.summary.info.get("headlines") or {}).get(view.region_name, ""))
    if sentence and is_ablation_study(view.summary.info):
        return sentence
    return ablations.answer(ablations.ablation_rows(view.summary, view.region_name, "dice"))


def people_sentence(view: MaskView) -> str:
    """The best method beside the line of human readers, on the cases that several read; empty where there is no such line."""
    best = mask_rows.best_of(view.board, view.compared)
    row = mask_rows.pair(view.summary, view.region_name, view.split, view.compared.name, best, mask_rows.HUMAN)
    if row is None or not finite(row["difference"]):
        return ""
    told = view.compared.difference(row["difference"], row["low"], row["high"])
    return (
        f"Against people: {view.labels[best]} minus readers among themselves is {told} in {view.compared.label} on the "
        f"{int(row['n'])} cases that several readers drew."
    )


def groups_sentence(table: pd.DataFrame, label: str) -> str:
    """What the comparison of groups found for one model.

    Args:
        table: rows of ``fairness`` of one model, region, split and metric; label: of the model.
    """
    seen = table[table["verdict"] == DISPARITY].sort_values("gap", key=abs, ascending=False)
    counted = f"{int((table['verdict'] == ADEQUATE).sum())} of {len(table)} groups are adequate for {label}"
    if seen.empty:
        return f"{counted}; no disparity is shown."
    worst = seen.iloc[0]
    group = str(worst["group"]).replace("=", ": ", 1)
    told = f"{worst['gap']:+.2f} ({worst['gap_low']:+.2f} to {worst['gap_high']:+.2f})".replace("-", "−")
    return f"{counted}; in {len(seen)} a disparity is seen, the largest in {group}: {told} against the others."

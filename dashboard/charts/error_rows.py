"""Where errors lie, as small tables and a sentence; no statistics, only selection and joining."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from core.storage.summaries import StudySummary
from dashboard.charts.mask_rows import MAIN, MaskMetric, labels_of, method_facts
from dashboard.charts.wording import plural

SIZE = "Size of the region"
CORRUPTIONS: dict[str, str] = {
    "noise": "Noise",
    "blur": "Blur",
    "contrast": "Low contrast",
    "ghosting": "Ghosting (motion)",
    "low_dose": "Low dose",
    "bias_field": "Uneven brightness",
}
CORRUPTION_MEANING: dict[str, str] = {
    "noise": "random noise added to every pixel",
    "blur": "the picture out of focus",
    "contrast": "bright and dark pulled together",
    "ghosting": "faint copies shifted along one axis, as motion leaves them in MR",
    "low_dose": "grain as of few photons in CT",
    "bias_field": "one side brighter than the other, as coils leave it in MR",
}
EMPTY_WORDS: dict[str, str] = {
    "neither": "both hold something",
    "rightly_empty": "rightly empty",
    "missed": "missed",
    "made_up": "made up",
}


def corruption_label(name: str) -> str:
    """What people read for a planted fault."""
    return CORRUPTIONS.get(name, name.replace("_", " ").capitalize())


def factor_names(summary: StudySummary, region: str, split: str) -> list[str]:
    """What errors may depend on, in the order in which it was computed."""
    rows = summary.table("factors", region=region, split=split)
    several = rows.groupby("factor", sort=False)["level"].nunique()
    return [str(name) for name in several.index[several > 1]]


def factor_metrics(summary: StudySummary) -> tuple[str, ...]:
    """Metrics that were broken down."""
    return tuple(dict.fromkeys(map(str, summary.tables["factors"]["metric"])))


def factor_rows(summary: StudySummary, region: str, split: str, factor: str, metric: str, models: Sequence[str]) -> pd.DataFrame:
    """One row a method and level, levels in their order."""
    rows = summary.table("factors", region=region, split=split, factor=factor, metric=metric)
    rows = rows[rows["model"].isin(models)].merge(method_facts(summary)[["model", "label", "family"]], on="model")
    place = {model: at for at, model in enumerate(models)}
    return rows.sort_values(["order", "model"], key=lambda column: column.map(place) if column.name == "model" else column)


def robustness_rows(summary: StudySummary, region: str, split: str, models: Sequence[str]) -> pd.DataFrame:
    """One row a method, planted fault and severity."""
    rows = summary.table("robustness", region=region, split=split, metric=MAIN)
    rows = rows[rows["model"].isin(models)].merge(method_facts(summary)[["model", "label", "family"]], on="model")
    place = {model: at for at, model in enumerate(models)}
    return rows.sort_values(["corruption", "model", "severity"], key=lambda column: column.map(place) if column.name == "model" else column)  # noqa: E501  # fmt: skip


def ends(summary: StudySummary, region: str, split: str, model: str) -> tuple[pd.Series, pd.Series] | None:
    """The lowest and the highest level of size for a method."""
    rows = factor_rows(summary, region, split, SIZE, MAIN, [model])
    return None if len(rows) < 2 else (rows.iloc[0], rows.iloc[-1])


def worst_fault(summary: StudySummary, region: str, split: str, model: str) -> tuple[pd.Series, pd.Series] | None:
    """The planted fault under which a method ends lowest at the highest severity: that row, and the clean one beside it."""
    rows = robustness_rows(summary, region, split, [model])
    rows = rows[rows["value"].notna()]
    if rows.empty:
        return None
    last = rows[rows["severity"] == rows["severity"].max()]
    worst = last.loc[last["value"].idxmin()]
    clean = rows[(rows["corruption"] == worst["corruption"]) & (rows["severity"] == 0)]
    return None if clean.empty else (worst, clean.iloc[0])


def empties(summary: StudySummary, region: str) -> pd.DataFrame:
    """How often a mask was empty, by method; a row is a case and training."""
    facts: Mapping[str, Any] = (summary.info.get("empty_masks") or {}).get(region) or {}
    rows = [{"model": model, **counts} for model, counts in (facts.get("models") or {}).items()]
    table = pd.DataFrame(rows, columns=["model", "rows", *EMPTY_WORDS])
    return table.merge(method_facts(summary)[["model", "label", "family"]], on="model")


def errors_sentence(summary: StudySummary, region: str, split: str, model: str) -> str:
    """Where a method fails, in a sentence or two, from stored numbers."""
    label = labels_of(summary).get(model, model)
    parts = [_by_size(summary, region, split, model), _by_fault(summary, region, split, model)]
    told = [part for part in parts if part]
    return f"{label} " + " and ".join(told) + "." if told else f"Nothing is known of where {label} fails on this split."


def _by_size(summary: StudySummary, region: str, split: str, model: str) -> str:
    found = ends(summary, region, split, model)
    if found is None:
        return ""
    small, large = found
    verb = "does worse on small regions" if small["high"] < large["low"] else "does worse on large regions" if small["low"] > large["high"] else "does about as well on small regions as on large ones"  # noqa: E501  # fmt: skip
    return f"{verb} (Dice {small['value']:.2f} on the smallest third, {large['value']:.2f} on the largest)"


def _by_fault(summary: StudySummary, region: str, split: str, model: str) -> str:
    found = worst_fault(summary, region, split, model)
    if found is None:
        return ""
    worst, clean = found
    name = corruption_label(str(worst["corruption"])).lower()
    return f"of the planted faults suffers most from {name} (Dice {clean['value']:.2f} without it, {worst['value']:.2f} at its strongest)"  # noqa: E501  # fmt: skip


def lesion_rows(summary: StudySummary, region: str, split: str, metrics: Mapping[str, MaskMetric]) -> pd.DataFrame:
    """One row a method: the metrics of single lesions with interval, as text, and the number of cases."""
    names = [name for name in ("lesion_sensitivity", "lesion_precision", "false_lesions") if name in metrics]
    scores = summary.table("scores", region=region, split=split, group="all")
    table = method_facts(summary)[["model", "label", "family"]]
    for name in names:
        rows = scores[scores["metric"] == name][["model", "value", "low", "high", "n"]]
        told = [metrics[name].with_interval(row["value"], row["low"], row["high"]) for _, row in rows.iterrows()]
        table = table.merge(rows.assign(**{name: told})[["model", name]], on="model", how="left")
    return table[table[names].notna().any(axis=1)] if names else table.iloc[:0]


def missed_words(row: pd.Series) -> str:
    """ "3 of 48 outlines"."""
    return f"{int(row['missed']):,} of {plural(int(row['rows']), 'outline')}"

"""Numbers of others beside ours, data sets beside each other, how methods were chosen, and the closing parts."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.errors import OpSightError
from core.evaluation.segmentation.across import across_studies, agreement, mean_ranks
from core.evaluation.segmentation.reported import SOURCE, best_published_for, reported_for
from core.storage.summaries import StudySummary
from dashboard.charts import mask_rows, ranks
from dashboard.charts.wording import FAMILIES, finite, number
from dashboard.panels.mask_choice import MaskView
from dashboard.widgets import figures, folds, store
from dashboard.widgets.sidebar import studies_of

REPORTED_METRICS = ("dice", "jaccard", "accuracy", "sensitivity", "specificity")
REPORTED_METHODS = {"unet": "U-Net", "segnet": "SegNet", "mask_rcnn": "Mask R-CNN", "fcn": "FCN", "cnn": "CNN"}
CHOICE = {"complexity": "How complex", "published": "What was published", "community": "Who uses it"}


def published_section(view: MaskView) -> None:
    """Three kinds of numbers in columns of their own, in no order of merit."""
    name = str(view.summary.info["recipe"]["dataset"]["name"])
    metric = view.metric if view.metric.name in REPORTED_METRICS else view.metrics[mask_rows.MAIN]
    numbers = [item for item in reported_for(name) if item.metric == metric.name]
    best = [item for item in best_published_for(name) if item.metric == metric.name]
    if not numbers and not best:
        return
    st.subheader("Beside what others report", anchor=False)
    st.markdown(
        f"{metric.label}. **These columns are no ranking:** other data, other splits, other resolution. "
        "Reported and published numbers come without the cases behind them."
    )
    measured = mask_rows.board(view.summary, view.region_name, view.split, metric).set_index("model")
    called = numbers[0].dataset if numbers else ""
    reported_column, here_column = f"Reported on {called}", f"Measured here on {view.summary.info['dataset']['label']}"
    rows: list[dict[str, str]] = []
    for item in numbers:
        row = measured.loc[item.model] if item.model in measured.index else None
        told = "not run" if row is None else metric.with_interval(row["value"], row["low"], row["high"])
        label = view.labels.get(item.model, REPORTED_METHODS.get(item.model, item.model))
        rows.append({"Method": label, reported_column: number(item.value), here_column: told, "Best published": ""})
    for published in best:
        told = f"{number(published.value, 3)} ({published.dataset})"
        rows.append({"Method": published.who, reported_column: "", here_column: "", "Best published": told})
    figures.table(pd.DataFrame(rows).fillna(""), name=view.file("reported"), alt="Reported, measured here and best published")
    lines = [f"Reported: {SOURCE}."] if numbers else []
    lines += [f"{item.dataset}: {item.beside} ({item.source})." for item in best]
    st.caption("  \n".join(lines))


def across_section(view: MaskView) -> None:
    """Which method ranks where on which data set."""
    studies = _all_studies(view.summary)
    table = across_studies(studies)
    if table["study"].nunique() < 2 and table["region"].nunique() < 2:
        return
    st.subheader("Which method ranks where, over all data sets?", anchor=False)
    regions = {(one.name, str(item["name"])): str(item["label"]) for one in studies for item in one.info["regions"]}
    table = table.assign(column=[_column(row, regions) for _, row in table.iterrows()])
    means = mean_ranks(table)
    chart, shown = st.tabs(["Figure", "Table"])
    with chart:
        alt = _across_alt(table, means)
        figures.figure(ranks.across(table, [str(label) for label in means["label"]]), name="across_data_sets", alt=alt)
    with shown:
        plain = pd.DataFrame(
            {
                "Method": means["label"],
                "Family": [FAMILIES.get(family, family) for family in means["family"]],
                "Mean rank": means["mean_rank"].round(1),
                "Best": means["best"],
                "Worst": means["worst"],
                "Rankings": means["studies"],
            }
        )
        figures.table(plain, name="across_data_sets", alt="Mean rank of each method over data sets", raw=table)


def _all_studies(own: StudySummary) -> list[StudySummary]:
    """Each segmentation study once; where it was run here and is published too, the one run here."""
    found: dict[str, StudySummary] = {}
    for place in studies_of(("segmentation",)):
        try:
            summary = store.summary(place)
        except OpSightError:
            continue
        if summary.name not in found or not place.published:
            found[summary.name] = summary
    return list({**found, own.name: own}.values())


def _column(row: pd.Series, regions: dict[tuple[str, str], str]) -> str:
    simulated = " (simulated)" if row["simulated"] else ""
    return f"{row['dataset']}{simulated}<br>{regions.get((row['study'], row['region']), row['region'])}"


def _across_alt(table: pd.DataFrame, means: pd.DataFrame) -> str:
    first = means.iloc[0]
    told = agreement(table)
    alike = f" Orders agree with a mean Kendall's tau of {number(told)} (1: the same order everywhere)." if finite(told) else ""
    return (
        f"Over {first['studies']} rankings by Dice, {first['label']} has the best mean rank, {first['mean_rank']:.1f} "
        f"(from {int(first['best'])} to {int(first['worst'])}).{alike} In each field: rank and its 95% interval."
    )


def suitability_line(view: MaskView) -> None:
    """Whether this data set can tell methods apart at all."""
    facts = (view.summary.info.get("suitability") or {}).get(view.region_name) or {}
    if facts.get("sentence"):
        st.caption(f"Can this data set tell methods apart? {facts['sentence']}")


def choice_section(view: MaskView) -> None:
    """Why each method is in the benchmark."""
    st.subheader("How were the methods chosen?", anchor=False)
    judged = set(view.board["model"])
    rows = [
        {
            "Method": str(item["label"]),
            "Family": FAMILIES.get(str(item["family"]), str(item["family"])),
            "What it does": str(item.get("description", "")),
            **{label: str((item.get("choice") or {}).get(name, "")) for name, label in CHOICE.items()},
            "Source": str(item.get("reference", "")),
        }
        for item in view.summary.info["models"]
        if item["name"] in judged
    ]
    with st.expander("Criteria: complexity, published results, use in the community"):
        st.table(pd.DataFrame(rows), border="horizontal", hide_index=True)
        figures.download(pd.DataFrame(rows), view.file("criteria"))


def folds_section(view: MaskView) -> None:
    """What each side of each split holds."""
    table = view.summary.table("folds", split=view.split)
    if table.empty:
        return
    with st.expander("Are the folds alike?"):
        sides = table.sort_values(["fold", "side"], ascending=[True, False], kind="stable")
        sides = sides.assign(column=[_side(row) for _, row in sides.iterrows()])
        wide = sides.pivot_table(index="measure", columns="column", values="value", sort=False)
        shown = wide.map(lambda value: f"{value:,.0f}" if value >= 2 else f"{value:.3f}")
        for name in ("cases", "patients"):
            if name in wide.index:
                shown.loc[name] = [f"{value:,.0f}" for value in wide.loc[name]]
        shown = shown.rename_axis(None, axis=1).reset_index().rename(columns={"measure": "Measure"})
        st.table(shown, border="horizontal", hide_index=True)
        st.caption("Shares are between 0 and 1. No patient stands on both sides of a split.")
        figures.download(table, view.file("folds"))


def _side(row: pd.Series) -> str:
    return f"fold {int(row['fold']) + 1}, {row['side']}" if row["split"] == "internal" else str(row["side"])


def closing(view: MaskView, reading: Sequence[str], sources: Sequence[str] = ()) -> None:
    """What would change the conclusion, how to read the page, and what was not computed."""
    info = view.summary.info
    folds.what_would_change(str((info.get("change") or {}).get(view.region_name, "")))
    own = f"{view.metric.label}: {view.metric.reference}" if view.metric.reference else ""
    folds.how_to_read(reading, (own, *sources))
    if info.get("published"):
        folds.remarks("What a published study cannot answer", info.get("cannot", ()))
    folds.remarks("What was not computed, and why", info.get("skipped", ()))
    folds.remarks("About the data", [*info["dataset"].get("notes", ()), str(info["dataset"].get("citation", ""))])


def reading(view: MaskView) -> list[str]:
    """Three lines: the metric, the intervals, the empty masks."""
    made = str(view.summary.info.get("interval") or "95 % of bootstrap samples of patients")
    rule = str(((view.summary.info.get("empty_masks") or {}).get(view.region_name) or {}).get("rule", ""))
    first = f"**{view.metric.label}.** {view.metric.description} Without a value: {view.metric.undefined or 'never.'}"
    second = f"**Intervals:** {made}. Where two intervals overlap, look at the paired difference, not at the points."
    return [first, second, f"**{rule.partition(':')[0]}:**{rule.partition(':')[2]}" if rule else ""]

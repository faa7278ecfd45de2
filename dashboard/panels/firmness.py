"""The parts of the page Transport and stability."""

from __future__ import annotations

import streamlit as st

from core.evaluation.case_mix import one_sentence as mix_sentence
from core.evaluation.stability import one_sentence as stability_sentence
from dashboard.charts import firmness, rows, sizes
from dashboard.charts.outcome_tables import coverage_part, plain, with_facts
from dashboard.charts.wording import metric_label
from dashboard.panels.choice import View
from dashboard.widgets import figures
from dashboard.widgets.trouble import section


@section
def case_mix_section(view: View) -> None:
    """How the patients of the other side differ."""
    table = view.summary.table("case_mix")
    splits = [item for item in view.summary.info["splits"] if item["name"] in set(table["split"])]
    if not splits:
        return
    st.subheader("Are the patients there like those here?", anchor=False)
    names = {str(item["name"]): str(item.get("label", item["name"])) for item in splits}
    start = view.split if view.split in names else next(iter(names))
    split = st.selectbox(
        "Set of patients", list(names), index=list(names).index(start), format_func=lambda name: names[name], key="mix_split"
    )
    rows_of = table[(table["split"] == split) & table["difference"].notna()]
    st.markdown(mix_sentence(rows_of))
    chart, listed = st.tabs(["Figure", "Table"])
    with chart:
        record = rows_of[rows_of["section"] != "Outcomes"]
        alt = f"Standardised differences of the {min(20, len(record))} most unlike fields or levels, {names[split]}."
        figures.figure(firmness.case_mix(record), name=view.file("case_mix"), alt=alt)
    with listed:
        kept = ["label", "level", "unit", "train", "test", "difference", "n_train", "n_test", "section"]
        figures.table(rows_of[kept].round(3), name=view.file("case_mix_table"), alt="Both sides of the split", raw=rows_of)


@section
def learning_section(view: View) -> None:
    """Patients learned from against new ones, and whether more of them would help."""
    gaps, curve = with_facts(view, "gaps"), with_facts(view, "learning")
    gaps = gaps[gaps["family"] != "reference"]
    if gaps.empty and curve.empty:
        return
    st.subheader("Is it only good on those it learned from? Would more patients help?", anchor=False)
    if len(gaps):
        st.markdown(f"{metric_label(view.metric)} on patients learned from → on new ones: {firmness.gap_told(gaps)}.")
    if len(curve):
        alt = firmness.learning_alt(curve, metric_label(view.metric))
        figures.figure(firmness.learning(curve, metric_label(view.metric)), name=view.file("learning"), alt=alt)
        with st.expander("As a table"):
            figures.table(plain(curve), name=view.file("learning_table"), alt=alt, raw=curve)


@section
def size_section(view: View) -> None:
    """How many patients the declared model needs, to be built and to be judged."""
    needed = view.outcome.get("needed")
    if not needed:
        return
    st.subheader("How many patients does it take?", anchor=False)
    label = rows.labels(view.summary).get(str(needed["model"]), str(needed["model"]))
    st.markdown(sizes.sentence(needed, label))
    figures.table(sizes.table(needed), name=view.file("sizes"), alt="Patients needed by demand")
    st.caption(sizes.basis(needed))


@section
def stability_section(view: View) -> None:
    """Refits on bootstrap samples."""
    table, points = with_facts(view, "stability"), view.summary.table("instability", outcome=view.outcome_name)
    if table.empty:
        return
    st.subheader("Does a risk depend on who was learned from?", anchor=False)
    for model, part in table.groupby("model", sort=False):
        st.markdown(stability_sentence(part, str(part["label"].iloc[0])))
        band = points[points["model"] == model]
        if len(band):
            alt = f"Refits' risks by original risk of {part['label'].iloc[0]}; the band holds nine refits in ten."
            figures.figure(firmness.instability(band), name=view.file(f"instability_{model}"), alt=alt)
    st.caption("Instability is not a patient's risk interval: a model that says the same of everybody is stable and useless.")


@section
def coverage_section(view: View) -> None:
    """Whether ranges and sets hold what they promise."""
    table = with_facts(view, "conformal")
    if table.empty:
        return
    st.subheader("Do stated ranges hold the truth as often as they promise?", anchor=False)
    labels = dict(zip(table["model"], table["label"], strict=True))
    left, right = st.columns([3, 2], gap="medium", vertical_alignment="bottom")
    with left:
        start = view.reference if view.reference in labels else next(iter(labels))
        model = st.selectbox(
            "Model", list(labels), index=list(labels).index(start), format_func=lambda name: labels[name], key="coverage_model"
        )
    with right:
        levels = sorted(table["level"].unique())
        level = st.segmented_control("Promised", levels, default=levels[-1], format_func=lambda value: f"{value:.0%}")
    part = coverage_part(table, model, level or levels[-1])
    alt = firmness.coverage_alt(part, float(part["level"].iloc[0]))
    figures.figure(firmness.coverage(part, float(part["level"].iloc[0])), name=view.file("coverage"), alt=alt)
    size = "Size is the median width in days." if view.is_time else "Size is the mean number of answers in a set: 2 says nothing."
    with st.expander("As a table"):
        st.caption(size)
        kept = ["group", "coverage", "low", "high", "expected_low", "expected_high", "size", "n", "n_calibration"]
        figures.table(part[kept].round(3), name=view.file("coverage_table"), alt=alt, raw=part)

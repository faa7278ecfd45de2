"""Ablations: what each part of a segmentation method or input of an outcome model adds, beside what is claimed for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from core.errors import OpSightError
from core.storage.summaries import StudyPlace, kind_of
from dashboard.charts import ablations
from dashboard.charts.mask_tables import ablation_answer, ablation_table, budget_sentence
from dashboard.charts.outcome_tables import parts_answer
from dashboard.charts.wording import plural
from dashboard.panels import mask_about, parts
from dashboard.panels.choice import open_outcomes
from dashboard.panels.mask_choice import MaskView, choose_view, headline, open_study
from dashboard.panels.mask_ranking import number
from dashboard.widgets import figures, folds, state, store
from dashboard.widgets.pages import PageSpec, link
from dashboard.widgets.sidebar import chosen_study, studies_of, title_of

KINDS = ("outcomes", "segmentation")
METRICS = ("dice", "nsd")
OUTCOME_READING = (
    "**Without an input** the model was fitted again in every fold. What is lost is the whole model minus that one, on the same "
    "patients; the interval resamples patients.",
    "**An input that brings nothing** may still hold what another input repeats.",
    "**Shuffling** gives a field's values to other patients of the same fold: what the model loses by it is what it leans on.",
)
OUTCOME_SOURCES = ("shuffling: 10.1023/A:1010933404324", "any model, unseen patients: JMLR 20(177), 2019")
READING = (
    "**A dot** is the mean of paired differences: the method with the part minus the method without it, on the same cases.",
    "**Its interval** resamples patients and trainings together; with one training it answers for patients alone.",
    "**The grey band** is the range of the source study, which states neither data nor interval; its points are of Dice.",
)


def render() -> None:
    """The page, of outcome models or of segmentation methods."""
    chosen = chosen_study(*KINDS)
    if chosen is not None and kind_of(store.facts(chosen)) == "outcomes":
        _outcome_models()
    else:
        _segmentation()


def _outcome_models() -> None:
    view = open_outcomes("Ablations", KINDS)
    if view is None:
        return
    st.markdown(f"### {parts_answer(view)}")
    parts.left_out_section(view, "ablation", "What does each input bring?")
    parts.built_section(view)
    parts.features_section(view)
    folds.what_would_change("More patients: with them, inputs that now seem to bring nothing may turn out to bring a little.")
    folds.how_to_read(OUTCOME_READING, OUTCOME_SOURCES)


def _segmentation() -> None:
    place = open_study("Ablations", KINDS)
    if place is None:
        return
    if store.summary(place).tables["ablations"].empty:
        _none_here(place)
        return
    view = choose_view(place, with_split=False, only=METRICS)
    rows = ablations.ablation_rows(view.summary, view.region_name, view.metric.name)
    if rows.empty:
        folds.nothing_yet("No part was left out on this region.", "Choose another region above.")
        return
    _body(view, rows)


def _none_here(place: StudyPlace) -> None:
    """Words, and the studies that do have ablations."""
    folds.nothing_yet(
        "There is no ablation in this study.", "An ablation is a part 'ablations' of the recipe. These recipes have some:",
        "python -m core study run core/recipes/ablation_isic.yaml --profile cpu",
    )  # fmt: skip
    for other in studies_of(("segmentation",)):
        try:
            asked = (store.facts(other).get("recipe") or {}).get("ablations") or ()
        except OpSightError:
            continue
        if asked and other.name != place.name:
            link("ablations", f"Open: {title_of(other)}", {state.STUDY: other.name}, help=f"{len(asked)} questions")


def _body(view: MaskView, rows: pd.DataFrame) -> None:
    verdicts: Mapping[str, str] = view.summary.info.get("verdicts") or {}
    headline(ablation_answer(view), help="  \n".join(f"**{word}:** {rule}" for word, rule in verdicts.items()))
    _numbers(rows)
    st.caption(budget_sentence(view.summary))
    st.subheader("What does each part add?", anchor=False)
    chart, table = st.tabs(["Figure", "Table"])
    with chart:
        alt = ablations.forest_alt(rows, view.metric)
        figures.figure(ablations.forest(rows, view.metric, verdicts), name=view.file("ablations"), alt=alt)
    with table:
        figures.table(
            ablation_table(rows), name=view.file("ablations"), alt="Differences by part", raw=view.summary.tables["ablations"]
        )
    _verdict_words(rows, verdicts)
    mask_about.closing(view, READING, _sources(view))


def _numbers(rows: pd.DataFrame) -> None:
    """At most four numbers: the largest gain, the largest loss, and what the comparison rests on."""
    known = rows[rows["difference"].notna()]
    most, least = known.loc[known["difference"].idxmax()], known.loc[known["difference"].idxmin()]
    columns = st.columns(4, gap="medium")
    for column, row, label in ((columns[0], most, "Largest gain"), (columns[1], least, "Smallest gain")):
        with column:
            below = f"{ablations.points(row['low'])} to {ablations.points(row['high'])} points"
            number(label, ablations.points(row["difference"]), below, f"{row['label']}: {row['with_part']} − {row['without']}")
    with columns[2]:
        number(
            "Cases", f"{int(known['n'].max()):,}", plural(int(known["folds"].max()), "fold"), "the same for both sides of a pair"
        )
    with columns[3]:
        number("Trainings", f"{int(known['seeds'].max())}", "of each side, with other seeds", "resampled with the patients")


def _verdict_words(rows: pd.DataFrame, verdicts: Mapping[str, str]) -> None:
    """The verdicts that stand in the figure, each with its rule on hover."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.caption("Verdicts, each with its rule on hover:", width="content")
        for word in dict.fromkeys(map(str, rows["verdict"])):
            st.badge(word, color="gray", help=verdicts.get(word))


def _sources(view: MaskView) -> tuple[str, ...]:
    asked: list[dict[str, Any]] = view.summary.info["recipe"].get("ablations") or []
    return tuple(
        dict.fromkeys(f"Claimed range, {part['label'].lower()}: {part['source']}" for part in asked if part.get("source"))
    )


PLUGINS = (PageSpec("ablations", "Ablations", "Studies", 70, "ablations", render, KINDS),)

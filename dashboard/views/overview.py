"""Overview: what this is, which studies there are, and what each found in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from core.errors import OpSightError
from core.storage.summaries import StudyPlace, kind_of
from dashboard.charts.wording import first_and_rest, outcome_count, plural
from dashboard.panels.about import tables
from dashboard.widgets import badges, folds, state, store, trouble
from dashboard.widgets.pages import PageSpec, link
from dashboard.widgets.sidebar import title_of

LEAD = (
    "OpSight answers questions before an operation, from the preoperative scan and the record: **which model can we trust, on "
    "whom, and how far?**, **which method outlines organs and lesions best, and where does it fail?** and **what may this "
    "patient expect?**"
)
RULES = (
    "Every number carries its interval and the number of patients behind it. Where the patients are too few, words stand in "
    "place of a number.",
    "A model is judged only on patients it never learned from; a patient is never on both sides.",
    "SIMULATED means that the project made the patients up, to check itself against a known truth.",
)


def render() -> None:
    """The page."""
    st.title("OpSight", anchor=False)
    st.markdown(LEAD)
    places = store.studies()
    if not places:
        _empty()
        return
    st.header(plural(len(places), "study", "studies"), anchor=False)
    for place in _ordered(places):
        try:
            _study(place, store.facts(place))
        except OpSightError as error:
            trouble.show(error)
    folds.how_to_read(RULES)


def _empty() -> None:
    folds.nothing_yet(
        "There is no study on this machine yet.",
        "This command makes a simulated cohort, trains and judges models on it, and opens this page again (a few minutes):",
        "make demo",
    )
    st.markdown("Or run one study by itself:")
    st.code("python -m core study run core/recipes/phantom.yaml --profile quick", language="bash")


def _ordered(places: tuple[StudyPlace, ...]) -> list[StudyPlace]:
    """Real studies first; what cannot be read comes last."""

    def rank(place: StudyPlace) -> tuple[int, str]:
        try:
            return int(bool(store.facts(place)["dataset"].get("simulated"))), place.name
        except OpSightError:
            return 2, place.name

    return sorted(places, key=rank)


def _study(place: StudyPlace, info: Mapping[str, Any]) -> None:
    with st.container(border=True):
        st.subheader(title_of(place), anchor=False)
        badges.row(badges.of_study(bool(info["dataset"].get("simulated")), place.published))
        st.caption(_facts(info))
        if info.get("question"):
            st.markdown(f"*{info['question']}*")
        for outcome in info.get("outcomes", ()):
            _outcome(place, info, outcome)
        for region in info.get("regions", ()):
            _region(place, info, region)
        _provenance(info)


def _facts(info: Mapping[str, Any]) -> str:
    dataset = info["dataset"]
    return " · ".join(
        (
            str(dataset["label"]),
            plural(int(dataset["n_patients"]), "patient"),
            *_sizes(info),
        )
    )


def _sizes(info: Mapping[str, Any]) -> tuple[str, ...]:
    """How much a study compares."""
    if kind_of(info) == "segmentation":
        drawn = "volume" if info["dataset"].get("dims") == 3 else "picture"
        judged = [model for model in info["models"] if model["name"] != "human_readers"]
        return (
            plural(int(info["dataset"]["n_cases"]), drawn),
            plural(len(info["regions"]), "region"),
            plural(len(judged), "method"),
        )
    models = {model.get("base_model", model["name"]) for model in info["models"]}
    return plural(len(info["outcomes"]), "outcome"), plural(len(models), "model")


def _outcome(place: StudyPlace, info: Mapping[str, Any], outcome: Mapping[str, Any]) -> None:
    name, finding, count, door = st.columns([2.3, 5.4, 2, 0.9], gap="small", vertical_alignment="top")
    name.markdown(f"**{outcome['label']}**")
    finding.markdown(str(info.get("headlines", {}).get(outcome["name"]) or "No finding was written for this outcome."))
    with count:
        st.caption(outcome_count(outcome, int(info.get("min_cell", 10))))
        if not outcome.get("enough", True):
            badges.row((badges.TOO_FEW_EVENTS,))
    with door:
        query = {state.STUDY: place.name, state.OUTCOME: str(outcome["name"])}
        link("outcome_models", ":primary[Open]", query, help=f"All models of: {outcome['label']}")


def _region(place: StudyPlace, info: Mapping[str, Any], region: Mapping[str, Any]) -> None:
    name, finding, count, door = st.columns([2.3, 5.4, 2, 0.9], gap="small", vertical_alignment="top")
    name.markdown(f"**{region['label']}**")
    text = str(info.get("headlines", {}).get(region["name"]) or "No finding was written for this region.")
    finding.markdown(first_and_rest(text)[0])
    judged = sum(int(split["n_test"]) for split in info["splits"] if split["name"] == "internal")
    count.caption(f"{plural(judged, 'case')} judged")
    with door:
        query = {state.STUDY: place.name, state.REGION: str(region["name"])}
        link("segmentation_benchmark", ":primary[Open]", query, help=f"All methods on: {region['label']}")


def _provenance(info: Mapping[str, Any]) -> None:
    dataset = info["dataset"]
    with st.expander("Where this comes from"):
        facts = {
            "Run": info.get("run_id", ""),
            "Made on": str(info.get("created", ""))[:10],
            "Masks": dataset.get("mask_origin", ""),
            "Licence of the data": dataset.get("licence", ""),
            "Cite as": dataset.get("citation", ""),
            **{str(key).replace("_", " ").capitalize(): value for key, value in _short(info.get("provenance", {})).items()},
        }
        for key, value in facts.items():
            if value:
                st.markdown(f"**{key}:** {value}")
        for note in dataset.get("notes", ()):
            st.markdown(f"- {note}")
        tables(dataset.get("breakdowns"))


def _short(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of the provenance that fit a line; the rest stays in the study's files."""
    return {key: value for key, value in provenance.items() if isinstance(value, (str, int, float)) and len(str(value)) <= 80}


PLUGINS = (PageSpec("overview", "Overview", "Studies", 0, "overview", render),)

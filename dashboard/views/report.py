"""Report: the whole study as one file, and what reporting checklists say of it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.storage.summaries import StudyPlace
from dashboard.report.__main__ import file_name
from dashboard.report.check_tools import CANNOT, MET, NOT_MET, STATES
from dashboard.report.document import report_html
from dashboard.report.findings import SHORTENED, Filled, fill
from dashboard.report.study import Study, study_at
from dashboard.widgets import badges, figures, folds, store
from dashboard.widgets.pages import PageSpec
from dashboard.widgets.sidebar import badges_of, chosen_study, title_of
from dashboard.widgets.trouble import section

KINDS = ("outcomes", "segmentation")
READING: tuple[str, ...] = (
    "**Met** means that the study's own files hold what is asked; it does not say that what they hold is good.",
    "**Not met**: it could be there and is not. **Cannot be known**: the files have no place for it, such as funding or consent.",
    "**Numbers in the file** are those of the pages: both are drawn by the same functions from the same tables.",
)


def render() -> None:
    """The page."""
    st.title("Report", anchor=False)
    place = chosen_study(*KINDS)
    if place is None:
        folds.nothing_yet("There is no study to report yet.", "This command makes the first one (a few minutes):", "make demo")
        return
    badges.titled(title_of(place), badges_of(place))
    study = study_at(place, store.summary(place))
    lists = fill(study)
    st.markdown(f"### {'; '.join(one.sentence for one in lists[-1:]) or 'No checklist is for such a study'}.")
    _numbers(lists)
    _download(place, study)
    for one in lists:
        _checklist(study, one)
    folds.what_would_change(
        "What is not met names its place: a recipe that says more, patients of a second hospital, or more of them. What cannot "
        "be known must be told by people."
    )
    folds.how_to_read(READING, tuple(f"{one.checklist.name}: {one.checklist.doi}" for one in lists))


def _numbers(lists: Sequence[Filled]) -> None:
    for column, one in zip(st.columns(4, gap="medium"), lists[:4]):
        with column:
            st.metric(one.checklist.name, f"{one.count(MET)} of {len(one.findings)}")
            st.caption(f"{one.count(NOT_MET)} not met, {one.count(CANNOT)} cannot be known")


def _download(place: StudyPlace, study: Study) -> None:
    st.download_button(
        "Download the report (HTML)", data=lambda: report_html(study).encode(), file_name=file_name(place.name), mime="text/html",
        type="primary", on_click="ignore", key=f"report_{place.name}",
    )  # fmt: skip
    st.caption("One file that opens without a network, about 5 MB. The same by command:")
    st.code(f"python -m dashboard.report {place.name}", language="bash")


@section
def _checklist(study: Study, one: Filled) -> None:
    name = one.checklist.name
    st.subheader(name, anchor=False)
    st.caption(f"{one.checklist.paper}, {one.checklist.doi}. {SHORTENED}")
    states = st.segmented_control("Show", list(STATES), selection_mode="multi", key=f"report_states_{name}")
    table = one.table()
    shown = table[table["State"].isin(states)] if states else table
    figures.table(shown, name=f"{study.summary.name}_{name.lower()}", alt=f"{one.sentence}.", raw=table)


PLUGINS = (PageSpec("report", "Report", "Governance", 20, "report", render, KINDS),)

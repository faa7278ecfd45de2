"""What happened to one's own patients, kept as it comes, beside what a model had said."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.charts import monthly
from dashboard.charts.wording import percent, plural
from dashboard.panels import own_table
from dashboard.panels.form import draw_form
from dashboard.widgets import figures
from dashboard.widgets.trouble import section

if TYPE_CHECKING:
    from core.serving.predictor import BundleFacts, BundlePredictor

KEPT = "_own_kept"


@section
def outcomes_panel(facts: Sequence[BundleFacts]) -> None:
    """The watch, and two ways to feed it."""
    predictor = own_table.choose_bundle([one for one in facts if not one.day_based], "outcomes")
    if st.session_state.get(KEPT):
        st.success(st.session_state.pop(KEPT))
    _watch(predictor)
    one, many = st.tabs(["Enter one case", "Load a table"])
    with one:
        _form(predictor)
    with many:
        _table(predictor)


def _watch(predictor: BundlePredictor) -> None:
    from core.serving.observing import watch

    cases, months = watch(predictor.facts)
    if cases.empty:
        st.info(f"**No outcome of {predictor.facts.label.lower()} is kept here yet.**  \nEnter a case or load a table below.")
        return
    alt = monthly.watch_alt(months)
    st.markdown(f"### {plural(len(cases), 'case')}: {alt}")
    figures.figure(monthly.watch(months), name=f"watch_{predictor.facts.name}", alt=alt)
    st.caption(
        "The rule: stop when all events so far leave their 99.8% limits, or two months in a row lie outside their 95% limits on "
        "the same side."
    )
    with st.expander("What is kept"):
        figures.table(cases, name=f"observed_{predictor.facts.name}", alt="Observed outcomes kept here")


def _form(predictor: BundlePredictor) -> None:
    st.caption("An entry of the same case corrects the earlier one; both are kept.")
    left, middle, right = st.columns(3, gap="medium", vertical_alignment="bottom")
    with left:
        case = st.text_input("Case number (no name)", max_chars=40, key="own_case")
    with middle:
        today = datetime.date.today()
        day = st.date_input("Day of the operation", value=None, max_value=today, key="own_day", format="YYYY-MM-DD")
    with right:
        said = st.segmented_control(predictor.facts.label, ["Yes", "No"], key="own_happened")
    record = draw_form(predictor.fields, f"own_{predictor.facts.dataset}", lambda: None)
    if st.button("Keep this case", key="own_keep"):
        _keep_one(predictor, case, day, said, record)


def _keep_one(
    predictor: BundlePredictor, case: str, day: datetime.date | None, said: str | None, record: dict[str, object]
) -> None:
    from core.records.observed import keep
    from core.serving.observing import observed_case, risk_of
    from core.serving.scope import check_scope

    outline = predictor.bundle.outline
    report = check_scope(record, outline.codebook, outline.summary)
    if day is None or said is None or not case:
        st.warning("Give the case number, the day of the operation and what happened.")
    elif report.findings:
        st.warning("The model may not answer for this record: " + " ".join(finding.sentence for finding in report.findings))
    else:
        risk = risk_of(predictor, report.record)
        keep([observed_case(predictor.facts, case, day, risk, int(said == "Yes"))])
        st.session_state[KEPT] = f"Case {case} was kept; the model had said {percent(risk)}."
        st.rerun()


def _table(predictor: BundlePredictor) -> None:
    own_table.template(predictor, ("case", "date", "outcome"), "outcomes")
    cells = own_table.upload("Cases with what happened", "outcomes")
    if cells is None:
        return
    columns = st.columns(3, gap="medium")
    with columns[0]:
        outcome = own_table.column(cells, "What happened (1 or 0)", "outcome", "outcomes", first=(predictor.facts.outcome,))
    with columns[1]:
        case = own_table.column(cells, "Case number (no name)", "patient", "outcomes")
    with columns[2]:
        date = own_table.column(cells, "Day of the operation", "date", "outcomes")
    if st.button("Keep these cases", key="own_keep_all"):
        from core.records.observed import keep
        from core.serving.checking import TableColumns
        from core.serving.observing import left_out_words, observed_cells

        cases, left_out = observed_cells(predictor, cells, TableColumns(outcome, case, date))
        words = left_out_words(left_out)
        st.session_state[KEPT] = f"{plural(keep(cases), 'case')} kept.{f' Left out: {words}.' if words else ''}"
        st.rerun()

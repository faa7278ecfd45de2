"""Is a shipped model good enough for one's own patients?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from core.evaluation.case_mix import LARGE
from dashboard.charts import calibration, monthly
from dashboard.charts.wording import metric_label, number, plural, signed, with_interval
from dashboard.panels import own_table
from dashboard.widgets import figures
from dashboard.widgets.trouble import section

if TYPE_CHECKING:
    from core.evaluation.bootstrap import Interval
    from core.serving.checking import SiteCheck
    from core.serving.predictor import BundleFacts

HEAD = ("auroc", "oe_ratio", "calibration_slope", "integrated_calibration_index")


@section
def check_panel(facts: Sequence[BundleFacts]) -> None:
    """A table in, a verdict out."""
    from core.evaluation.local_check import FEWEST_CASES

    st.markdown(
        f"Load your last {FEWEST_CASES} or more cases, consecutive and with a known outcome. They are judged in memory and kept "
        "nowhere."
    )
    predictor = own_table.choose_bundle([one for one in facts if not one.day_based], "check")
    own_table.template(predictor, ("case", "date", "outcome"), "check")
    cells = own_table.upload("Your cases", "check")
    if cells is None:
        return
    columns = st.columns(3, gap="medium")
    with columns[0]:
        outcome = own_table.column(
            cells,
            f"What happened ({predictor.facts.label.lower()}: 1 or 0)",
            "outcome",
            "check",
            first=(predictor.facts.outcome,),
        )
    with columns[1]:
        patient = own_table.column(cells, "Patient", "patient", "check")
    with columns[2]:
        date = own_table.column(cells, "Day of the operation", "date", "check", optional=True)
    if not st.button("Check", type="primary", key="own_check_go"):
        return
    from core.serving.checking import TableColumns, check_cells

    with st.spinner("Asking the model …"):
        found = check_cells(predictor, cells, TableColumns(outcome, patient, date))
    _told(found)


def _told(found: SiteCheck) -> None:
    from core.evaluation.local_check import RECALIBRATE, VERDICTS

    check, name = found.check, found.bundle.name
    recalibrate = check.verdict == RECALIBRATE
    st.markdown(f"### {check.verdict.capitalize()}. {check.why}", help="  \n".join(f"**{w}:** {r}" for w, r in VERDICTS.items()))
    for column, metric in zip(st.columns(4, gap="medium"), HEAD):
        with column:
            value = check.measures[metric]
            st.metric(metric_label(metric), number(value.value), help=with_interval(value.value, value.low, value.high))
            st.caption(f"{number(value.low)} to {number(value.high)}; n = {check.n:,}, {plural(check.n_events, 'event')}")
    if found.left_out:
        st.caption("Left out: " + ", ".join(f"{plural(count, 'row')} {reason}" for reason, count in found.left_out.items()) + ".")
    left, right = st.columns(2, gap="large")
    with left:
        _curves(found, with_after=recalibrate)
    with right:
        _months(found)
    _mix(found)
    if found.after is not None and recalibrate:
        _after(found)
    told = pd.DataFrame([{"measure": key, **_plain(value)} for key, value in check.measures.items()])
    with st.expander("All measures"):
        figures.table(told.round(3), name=f"own_{name}_measures", alt="Measures on these patients", raw=told)


def _plain(value: Interval) -> Mapping[str, float]:
    return {"value": value.value, "low": value.low, "high": value.high}


def _curves(found: SiteCheck, *, with_after: bool) -> None:
    st.markdown("**Do stated risks come true here?**")
    parts = [found.curve.assign(model="here", label="As it is")]
    if found.after is not None and with_after:
        parts.append(found.after.curve.assign(model="after", label="Level and slope learned here"))
    points = pd.concat(parts, ignore_index=True).assign(family="tabular", base_model=lambda t: t["model"], with_procedure=False)
    slope = found.check.measures["calibration_slope"]
    alt = calibration.calibration_alt(points, {"As it is": with_interval(slope.value, slope.low, slope.high)})
    figures.figure(calibration.calibration(points), name=f"own_{found.bundle.name}_calibration", alt=alt)


def _months(found: SiteCheck) -> None:
    st.markdown("**Observed beside expected, by month**")
    if found.months.empty:
        st.markdown("Name the column with the day of the operation to see months.")
        return
    alt = monthly.watch_alt(found.months)
    figures.figure(monthly.watch(found.months), name=f"own_{found.bundle.name}_months", alt=alt)


def _mix(found: SiteCheck) -> None:
    st.markdown("**Are these patients like those it learned from?**")
    known = found.mix.dropna(subset=["difference"])
    apart = known[known["difference"].abs() > LARGE].sort_values("difference", key=abs, ascending=False)
    fields = known["field"].nunique()
    named = [f"{row['label']} {row['level']}".strip() + f" ({signed(row['difference'])})" for _, row in apart.head(4).iterrows()]
    first = ", ".join(named)
    st.markdown(
        f"{apart['field'].nunique()} of {fields} fields differ by more than {LARGE:g} standard deviations: {first}."
        if len(apart)
        else f"They are alike: none of {fields} fields differs by more than {LARGE:g} standard deviations."
    )
    with st.expander("Field by field"):
        shown = found.mix.drop(columns="field").round(2)
        figures.table(shown, name=f"own_{found.bundle.name}_mix", alt="Own patients beside the training patients", raw=found.mix)


def _after(found: SiteCheck) -> None:
    after = found.after
    assert after is not None
    st.markdown("**What would help: level and slope learned from these patients**")
    rows = [
        {
            "Measure": metric_label(name),
            "As it is": _cell(after.before[name]),
            "After, judged on others": _cell(after.after[name]),
        }
        for name in after.after
    ]
    st.markdown(
        f"New log odds = {number(after.intercept)} + {number(after.slope)} × old log odds. Each fifth of your patients was "
        "judged by what the other four taught; judge it again on later patients before anybody relies on it."
    )
    figures.table(pd.DataFrame(rows), name=f"own_{found.bundle.name}_after", alt="Measures before and after")


def _cell(value: Interval) -> str:
    return with_interval(value.value, value.low, value.high)

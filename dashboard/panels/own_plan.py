"""What the patients of next week's list will need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.charts import monthly
from dashboard.charts.wording import plural
from dashboard.panels import own_table
from dashboard.widgets import figures
from dashboard.widgets.trouble import section

if TYPE_CHECKING:
    from core.serving.planning import Plan
    from core.serving.predictor import BundleFacts


@section
def plan_panel(facts: Sequence[BundleFacts]) -> None:
    """Beds by day, or places, of planned patients."""
    st.markdown("Load the planned operations: one row a patient, with the day of the operation and the record.")
    able = [one for one in facts if one.personal]
    if not able:
        st.info("**No model here may speak of single patients.**  \nOnly such models can be added up over a list.")
        return
    predictor = own_table.choose_bundle(sorted(able, key=lambda one: (one.simulated, not one.day_based)), "plan")
    own_table.template(predictor, ("day",), "plan")
    cells = own_table.upload("Planned patients", "plan")
    if cells is None:
        return
    day = own_table.column(cells, "Day of the operation", "date", "plan")
    if st.button("Add up", type="primary", key="own_plan_go"):
        from core.serving.planning import plan_list

        with st.spinner("Asking the model …"):
            _told(plan_list(predictor, cells, day))


def _told(plan: Plan) -> None:
    facts, need = plan.predictor.facts, plan.needed
    what = "days in bed" if facts.day_based else f"patients with: {facts.label.lower()}"
    st.markdown(
        f"### {plural(plan.n, 'patient')}: {need.expected:.1f} {what} expected, "
        f"{need.low:.0f} to {need.high:.0f} nine times in ten."
    )
    title = "Beds taken" if facts.day_based else f"{facts.label}, by day of operation"
    peak = plan.by_day.loc[plan.by_day["expected"].idxmax()]
    alt = f"{title}: most on {peak['date']}, {peak['expected']:.1f} expected ({peak['low']:.0f} to {peak['high']:.0f})."
    chart, table = st.tabs(["Figure", "Table"])
    with chart:
        figures.figure(monthly.needs(plan.by_day, title), name=f"plan_{facts.name}", alt=alt)
    with table:
        figures.table(plan.by_day.round(1), name=f"plan_{facts.name}_table", alt=title, raw=plan.by_day)
    if len(plan.left_out):
        st.warning(f"The model may not answer for {plural(len(plan.left_out), 'patient')}; they are not in these numbers.")
        figures.table(plan.left_out, name=f"plan_{facts.name}_left_out", alt="Patients left out")
    st.caption(
        "The range is of chance alone: that the risks themselves may be off here is not in it. Check the model on your own "
        "patients first."
    )

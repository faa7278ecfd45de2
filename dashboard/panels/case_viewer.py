"""Single cases: how scores spread, and one case as pictures, from the reader's own copy of the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from dashboard.charts import case_scores, mask_rows
from dashboard.charts.mask_rows import MAIN, MaskMetric
from dashboard.charts.wording import finite, number
from dashboard.panels.mask_choice import MaskView
from dashboard.panels.mask_ranking import keep_case
from dashboard.widgets import choosers, figures, folds, state, store
from dashboard.widgets.trouble import section

if TYPE_CHECKING:
    from core.serving.case_pictures import CasePicture, Panels, Unavailable

MOST_IN_A_ROW = 4
LEGEND = {
    "Image": "as it is in the data set",
    "Reference": "outline in green: what people drew",
    "Method": "outline in orange: what the method drew",
    "Difference": "white: right · blue: missed · red: made up",
    "Readers": "each reader's outline in a colour of its own",
}


@section
def spread_section(view: MaskView) -> None:
    """Boxes of all cases, and the case that was clicked."""
    st.subheader("How much do single cases differ?", anchor=False)
    rows = view.cases()
    if rows.empty:
        st.markdown("No score of a single case was kept on this split.")
        return
    metric = mask_rows.case_metric(view.metric, rows, dict(view.metrics))
    order = [str(model) for model in view.board["model"] if model in set(rows["model"])]
    model, case = _shown(view, rows, metric)
    chart, table = st.tabs(["Figure", "Table"])
    with chart:
        drawing = case_scores.spread(rows, order, metric, (model, case))
        figures.clickable(drawing, name=view.file("cases"), alt=case_scores.spread_alt(rows, model, metric), on_click=keep_case)
        st.caption("Click a dot to see that case below.")
    with table:
        mine = mask_rows.worst_cases(rows, model, metric)
        figures.table(case_table(mine, view), name=view.file(f"cases_{model}"), alt="Scores of single cases", raw=rows)
    st.markdown("#### One case")
    viewer(view, rows, metric)


def _shown(view: MaskView, rows: pd.DataFrame, metric: MaskMetric, first: str = "") -> tuple[str, str]:
    """Method and case on show: those in the URL, else ``first`` and its worst case, or the best and its middle one."""
    words = {name: view.labels[name] for name in view.board["model"] if name in set(rows["model"])}
    best = first or mask_rows.best_of(view.board, view.metric)
    model = state.from_url(state.METHOD, list(words), best if best in words else next(iter(words)))
    mine = mask_rows.worst_cases(rows, model, metric)
    return model, state.from_url(state.CASE, list(mine["case"]), str(mine["case"].iloc[0 if first else len(mine) // 2]))


def case_table(rows: pd.DataFrame, view: MaskView) -> pd.DataFrame:
    """Cases as people read them: shares to two decimals, distances to one."""
    shown = pd.DataFrame({"Case": rows["case"], f"Size ({size_unit(view)})": [f"{size:,.0f}" for size in rows["size"]]})
    for name, metric in view.metrics.items():
        if name in rows.columns:
            shown[metric.axis] = [number(value, metric.digits) if finite(value) else "" for value in rows[name]]
    return shown


def size_unit(view: MaskView) -> str:
    """The unit of a region's size."""
    if view.unit != "mm":
        return "voxels" if view.summary.info["dataset"].get("dims") == 3 else "pixels"
    return "mm³" if view.summary.info["dataset"].get("dims") == 3 else "mm²"


def viewer(view: MaskView, rows: pd.DataFrame, metric: MaskMetric, first: str = "") -> None:
    """Choosers of method and case, and its pictures; ``first``: a method whose worst case is shown until another is chosen."""
    model, case = _shown(view, rows, metric, first)
    words = {name: view.labels[name] for name in view.board["model"] if name in set(rows["model"])}
    left, right = st.columns([3, 4], gap="medium")
    with left:
        model = choosers.select("Method", state.METHOD, words, model)
    mine = mask_rows.worst_cases(rows, model, metric)
    told = {str(row["case"]): f"{row['case']}: {metric.label} {metric.value(row[metric.name])}" for _, row in mine.iterrows()}
    with right:
        case = choosers.select("Case, the worst first", state.CASE, told, case if case in told else next(iter(told)))
    row = mine[mine["case"] == case].iloc[0]
    st.markdown(_facts(view, row))
    _pictures(view, model, case, row)


def _facts(view: MaskView, row: pd.Series) -> str:
    parts = [f"**{row['label']}** on case {row['case']}"]
    for name in ("dice", "nsd", "hd95", "volume_error"):
        if name in view.metrics and name in row.index:
            parts.append(f"{view.metrics[name].label} {view.metrics[name].value(row[name])}")
    parts.append(f"size {row['size']:,.0f} {size_unit(view)}")
    runs = f"mean of {int(row['runs'])} trainings; the outline is of the first" if row["runs"] > 1 else ""
    return " · ".join([*parts, *([runs] if runs else [])])


def _pictures(view: MaskView, model: str, case: str, row: pd.Series) -> None:
    from core.serving.case_pictures import Unavailable

    with st.spinner("Looking for the pictures …"):
        found = store.case_picture(view.place, case, model, view.region_name, view.split)
    if isinstance(found, Unavailable):
        _not_here(found)
        return
    at, seen = _slice(found, view, case), _channel(found)
    panels = found.panels(at, seen)
    _draw(panels, view, row)
    if isinstance(found.prediction, Unavailable):
        _not_here(found.prediction)
    st.caption(_credit(view))


def _not_here(found: Unavailable) -> None:
    folds.nothing_yet(found.reason, found.do)


def _slice(found: CasePicture, view: MaskView, case: str) -> int:
    if found.slices < 2:
        return 0
    key = f"slice_{view.summary.name}_{view.region_name}_{case}"
    return int(st.slider("Slice", 1, found.slices, found.first_slice + 1, key=key)) - 1


def _channel(found: CasePicture) -> str:
    if len(found.views) < 2:
        return found.views[0]
    return str(st.segmented_control("Shown as", found.views, default=found.views[0], key="case_channel", required=True))


def _draw(panels: Panels, view: MaskView, row: pd.Series) -> None:
    drawn = {
        "Image": panels.image, "Reference": panels.reference, "Method": panels.prediction, "Difference": panels.errors,
        "Readers": panels.readers,
    }  # fmt: skip
    known = {name: data for name, data in drawn.items() if data is not None}
    dice = view.metrics[MAIN].value(row["dice"])
    width = len(known) if len(known) <= MOST_IN_A_ROW else 3
    for at, (name, data) in enumerate(known.items()):
        if at % width == 0:
            columns = st.columns(width, gap="small")
        with columns[at % width]:
            st.markdown(f"**{name}**")
            st.image(data, width="stretch", alt=f"{name} of case {row['case']}: {LEGEND[name]}. {row['label']} has Dice {dice}.")
            st.caption(LEGEND[name])


def _credit(view: MaskView) -> str:
    dataset = view.summary.info["dataset"]
    licence = view.summary.info.get("licence") or dataset.get("licence", "")
    return f"Drawn from the copy of {dataset['label']} on this machine. {licence}. {dataset.get('citation', '')}"

"""What the command line says of a site's own patients, line by line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from core.evaluation.case_mix import LARGE
from core.ingest.cells import Cells, parse_cells
from core.ingest.tables import read_bytes
from core.records.observed import keep
from core.serving.checking import TableColumns, bundle_named, check_table
from core.serving.observing import left_out_words, observed_cells, watch
from core.serving.planning import plan_list

__all__ = ["TableColumns", "check_lines", "outcome_lines", "plan_lines"]


def check_lines(bundle: str, table: Path, columns: TableColumns) -> Iterator[str]:
    """The verdict on a bundle, its numbers, the case mix and the months."""
    found = check_table(bundle_named(bundle), table, columns)
    yield f"[bold]{found.check.verdict.capitalize()}.[/bold] {found.check.why}"
    for name, value in found.check.measures.items():
        yield f"  {name:30} {value.value:.3f} ({value.low:.3f} to {value.high:.3f})"
    for reason, count in found.left_out.items():
        yield f"  {count} rows {reason} were left out."
    for _, row in found.mix[found.mix["difference"].abs() > LARGE].iterrows():
        yield f"  Unlike the training patients: {row['label']} {row['level']} ({row['difference']:+.2f} standard deviations)"
    if found.after is not None:
        yield f"  Learned here: intercept {found.after.intercept:+.2f}, slope {found.after.slope:.2f} of the log odds"
    yield from _months(found.months)


def outcome_lines(bundle: str, table: Path | None, columns: TableColumns) -> Iterator[str]:
    """Keeps the cases of a table, where one is given, and tells the watch over all that are kept."""
    predictor = bundle_named(bundle)
    if table is not None:
        cases, left_out = observed_cells(predictor, _cells(table), columns)
        told = left_out_words(left_out)
        yield f"{keep(cases)} cases were kept.{f' Left out: {told}.' if told else ''}"
    kept, months = watch(predictor.facts)
    yield f"{len(kept)} cases of {bundle} are known here."
    yield from _months(months)


def plan_lines(bundle: str, table: Path, day: str) -> Iterator[str]:
    """What planned patients will need, by day and in all."""
    predictor = bundle_named(bundle)
    plan = plan_list(predictor, _cells(table), day)
    what, need = "days in bed" if predictor.facts.day_based else predictor.facts.label.lower(), plan.needed
    yield f"{plan.n} patients, {what}: {need.expected:.1f} expected, {need.low:.0f} to {need.high:.0f} nine times in ten."
    for _, row in plan.by_day.iterrows():
        yield f"  {row['date']}: {row['expected']:.1f} ({row['low']:.0f} to {row['high']:.0f})"
    for _, row in plan.left_out.iterrows():
        yield f"  Row {row['row']} was left out: {row['why']}."
    yield "The range is of chance alone: that the risks themselves may be off is not in it."


def _cells(table: Path) -> Cells:
    return parse_cells(read_bytes(table, "TAB_MISSING"), table.name)


def _months(months: pd.DataFrame) -> Iterator[str]:
    for _, month in months.iterrows():
        stop = "  STOP: risks no longer come true" if month["stop"] else ""
        seen = f"{month['observed']:.0f} of {month['n']} observed, {month['expected']:.1f} expected"
        yield f"  {month['month']}: {seen} ({month['low']:.1f} to {month['high']:.1f}){stop}"

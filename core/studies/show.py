"""A study and a cohort as plain data and lines of text."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from core.contracts.cohort import Cohort, target_columns
from core.contracts.pictures import PictureSet
from core.storage.summaries import StudySummary

HEADLINE_METRIC = {"binary": "auroc", "time_to_event": "c_index"}


def plain_study(summary: StudySummary) -> dict[str, Any]:
    """One object: the facts of the study and ``scores``, one entry a number; NaN becomes null, a hidden count "<10"."""
    hidden = f"<{summary.info['min_cell']}"
    scores = []
    for row in summary.tables["scores"].to_dict("records"):
        entry = {name: _plain(value) for name, value in row.items()}
        for count in ("n", "n_events", "n_patients", "n_undefined"):
            if entry.get(count) is not None:
                entry[count] = int(entry[count])
        if "n_events" in entry and entry["n_events"] is None and summary.info["published"]:
            entry["n_events"] = hidden
        scores.append(entry)
    return {**_plain(dict(summary.info)), "scores": scores}


def headline_table(summary: StudySummary) -> Iterator[str]:
    """Lines: for each outcome or region its sentence, and the models from best to worst with interval."""
    return _regions(summary) if summary.kind == "segmentation" else _outcomes(summary)


def _regions(summary: StudySummary) -> Iterator[str]:
    for region in summary.info["regions"]:
        yield f"\n{region['label']}: {summary.info['headlines'].get(region['name'], '')}"
        rows = summary.table("scores", region=region["name"], metric="dice", group="all", split="internal")
        for row in rows.sort_values("value", ascending=False).to_dict("records"):
            told = f"{row['value']:.3f} ({row['low']:.3f} to {row['high']:.3f})"
            yield f"  {row['model']:<42}dice {told}, {int(row['n'])} cases of {int(row['n_patients'])} patients"


def _outcomes(summary: StudySummary) -> Iterator[str]:
    for outcome in summary.info["outcomes"]:
        metric = HEADLINE_METRIC[outcome["kind"]]
        events = f"<{summary.info['min_cell']}" if outcome["n_events"] is None else outcome["n_events"]
        yield f"\n{outcome['label']}: {events} of {outcome['n']} patients. {outcome['definition']}"
        yield f"  {summary.info['headlines'].get(outcome['name'], '')}"
        rows = summary.table("scores", outcome=outcome["name"], metric=metric, group="all", split="internal")
        for row in rows.sort_values("value", ascending=False).to_dict("records"):
            yield f"  {row['model']:<42}{metric} {row['value']:.3f} ({row['low']:.3f} to {row['high']:.3f})"


def describe_cohort(cohort: Cohort) -> str:
    """Patients, fields, outcomes and notes of a cohort, as text."""
    lines = [
        f"{cohort.table['patient_id'].nunique()} patients, {len(cohort.table)} cases, {len(cohort.internal)} of them internal.",
        ", ".join(f"{len(cohort.codebook.predictors((block,)))} {block} fields" for block in ("record", "procedure", "anatomy"))
        + ".",
    ]
    for outcome in cohort.outcomes:
        values = cohort.targets.loc[list(cohort.internal), target_columns(outcome)[-1]].dropna()
        lines.append(f"  {outcome.name}: {int(values.sum())} of {len(values)}. {outcome.definition}")
    lines += [f"  {check.name}: {len(check.train)} against {len(check.test)}. {check.note}" for check in cohort.checks]
    return "\n".join([*lines, *cohort.notes])


def describe_pictures(pictures: PictureSet) -> str:
    """Cases, channels, regions, checks and notes of drawn pictures, as text."""
    readers = f", up to {pictures.readers} readers a case" if pictures.readers > 1 else ""
    lines = [
        f"{len(pictures.table)} drawn {'volumes' if pictures.dims == 3 else 'pictures'} of "
        f"{pictures.table['patient_id'].nunique()} patients{readers}; channels: {', '.join(pictures.channels)}; "
        f"regions: {', '.join(region.label for region in pictures.regions)}.",
    ]
    lines += [f"  {check.name}: {len(check.train)} against {len(check.test)}. {check.note}" for check in pictures.checks]
    return "\n".join([*lines, *pictures.notes])


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    missing = value is pd.NA or (isinstance(value, float) and not math.isfinite(value))
    return None if missing else value

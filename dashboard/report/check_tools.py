"""What a check of a checklist says, and how all checks are known by name.

A check looks only at what is stored. It says "met" where the artefact is there, "not met" where it could be there and is not,
and "cannot be known" where the study's files have no place for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from dashboard.report import front
from dashboard.report.study import Study

MET: Final = "met"
NOT_MET: Final = "not met"
CANNOT: Final = "cannot be known"
STATES: tuple[str, ...] = (MET, NOT_MET, CANNOT)
NO_SKILL = 0.5


@dataclass(frozen=True)
class Finding:
    """What was found for an item.

    Args:
        state: one of ``STATES``; why: one sentence.
        anchor: where it can be seen: ``#…`` in the report, or the path of a file; empty where nothing can be.
    """

    state: str
    why: str
    anchor: str = ""


Check = Callable[[Study], Finding]
CHECKS: dict[str, Check] = {}


def check(function: Check) -> Check:
    """Makes a check known to the checklists by its name."""
    CHECKS[function.__name__] = function
    return function


def stated(there: object, yes: str, no: str, anchor: str) -> Finding:
    """Met with one sentence, or not met with the other; both are to be seen at the same place."""
    return Finding(MET, yes, anchor) if there else Finding(NOT_MET, no, anchor)


def all_of(study: Study, lacking: Iterable[str], what: str, part: str = "") -> Finding:
    """Met where no outcome or region lacks something; else those that do are named."""
    names, total = list(lacking), len(study.subjects)
    anchor = first_place(study, part)
    if not total:
        return Finding(NOT_MET, "The study has no outcome and no region.", f"#{front.ANSWER}")
    if not names:
        return Finding(MET, f"{what}: all {total}.", anchor)
    return Finding(NOT_MET, f"{what}: not for {len(names)} of {total} ({', '.join(names)}).", anchor)


def first_place(study: Study, part: str = "") -> str:
    """The place of the first outcome or region, or of one part of it."""
    return f"#{study.subject_anchor(str(study.subjects[0]['name']), part)}" if study.subjects else f"#{front.ANSWER}"


def label_of(item: Mapping[str, Any]) -> str:
    return str(item.get("label", item["name"]))


def yes_or_no(study: Study) -> list[Mapping[str, Any]]:
    return [item for item in study.subjects if item.get("kind") == "binary"]


def rows_of(study: Study, table: pd.DataFrame, name: object) -> pd.DataFrame:
    return table[table["region" if study.is_segmentation else "outcome"] == name]


def evaluation_of(study: Study) -> Mapping[str, Any]:
    return study.recipe.get("evaluation") or {}

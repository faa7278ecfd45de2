"""Groups of patients: which case belongs to which, by the codebook."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.contracts.codebook import Field
from core.contracts.cohort import Cohort

FEWEST_AT_SITE = 10
CROSSED = ("sex", "age")
CROSS = " & "
MOST_CELLS = 1000
"""Cells of crossed groupings that are judged: a table with many groupings would have many thousands."""
ONE_THRESHOLD, OWN_THRESHOLDS = "one threshold", "equal sensitivity"
"""Policies: one threshold for all groups, or one a group that finds the event as often in each."""
ACRONYMS = {"bmi": "BMI", "asa": "ASA"}
UNIT_SUFFIXES = ("_years", "_mm", "_ml", "_hu", "_days")


def group_table(cohort: Cohort, names: Sequence[str] = ()) -> pd.DataFrame:
    """Boolean by case (index) and group ("sex=female", "age=75+"); a case with a missing value is in no level.

    Fields that the codebook allows as subgroups, those in ``names``, and the site where there is one (sites of at least 10
    patients).

    Args:
        names: more fields; a number without bins is cut at its median.

    Raises:
        CodebookError: nobody described a column of that name.
    """
    fields = {field.name: field for field in cohort.codebook.subgroups() if field.name in cohort.table}
    fields.update({name: cohort.codebook[name] for name in names if name != "site"})
    columns: dict[str, pd.Series] = {}
    for field in fields.values():
        columns.update(_levels_of(field, cohort.table[field.name]))
    if "site" in cohort.table and "site" not in fields:
        columns.update(_sites(cohort.table))
    return pd.DataFrame(columns, index=cohort.table.index, dtype=bool)


def crossings(table: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    """Every level of one grouping crossed with every level of another ("sex=female & age=75+")."""
    return pd.DataFrame(
        {f"{a}{CROSS}{b}": table[a] & table[b] for a in levels(table, first) for b in levels(table, second)},
        index=table.index,
        dtype=bool,
    )


def default_groups(cohort: Cohort, names: Sequence[str] = ()) -> pd.DataFrame:
    """The groups of a summary: single ones, and sex crossed with age where both are there."""
    table = group_table(cohort, names)
    return pd.concat([table, crossings(table, *CROSSED)], axis=1)


def all_crossings(table: pd.DataFrame, most: int = MOST_CELLS) -> pd.DataFrame:
    """The cells of every two groupings that ``table`` does not hold yet, pair by pair as long as they stay within ``most``."""
    single = list(dict.fromkeys(name.split("=", 1)[0] for name in table.columns if CROSS not in name))
    known = set(table.columns) | {CROSS.join(reversed(name.split(CROSS))) for name in table.columns}
    found = table.iloc[:, :0]
    for first, second in combinations(single, 2):
        cells = crossings(table, first, second)
        new = cells[[name for name in cells.columns if name not in known]]
        if len(found.columns) + len(new.columns) <= most:
            found = pd.concat([found, new], axis=1)
    return found


def others(table: pd.DataFrame, name: str) -> NDArray[np.bool_]:
    """Cases of the other levels of a group's grouping; of a crossing, of all its other cells. A missing value is in neither."""
    parts = name.split(CROSS)
    known = np.all([table[levels(table, part.split("=", 1)[0])].any(axis=1) for part in parts], axis=0)
    return np.asarray(known & ~table[name].to_numpy(dtype=bool))


def levels(table: pd.DataFrame, grouping: str) -> list[str]:
    """The groups of one grouping, in order."""
    return [name for name in table.columns if CROSS not in name and name.split("=", 1)[0] == grouping]


def group_words(name: str) -> str:
    """A group as people read it: "Sex: female" for "sex=female"; of a crossing both parts."""
    parts = (part.partition("=") for part in name.split(CROSS))
    told = ", ".join(f"{ACRONYMS.get(field, field.replace('_', ' '))}: {level.replace('_', ' ')}" for field, _, level in parts)
    return told[:1].upper() + told[1:]


def grouping_name(field: str) -> str:
    """What a field is called in group names: without its unit ("age_years" is "age")."""
    for suffix in UNIT_SUFFIXES:
        field = field.removesuffix(suffix)
    return field


def _levels_of(field: Field, values: pd.Series) -> dict[str, pd.Series]:
    name = grouping_name(field.name)
    if field.kind in ("number", "integer"):
        return {f"{name}={band}": inside for band, inside in _bands(field, values).items()}
    text = values.map(_as_text, na_action="ignore")
    if field.kind == "flag":
        return {f"{name}=no": text == "0", f"{name}=yes": text == "1"}
    wanted = field.values or tuple(sorted(text.dropna().unique()))
    return {f"{name}={level}": text == level for level in wanted if (text == level).any()}


def _as_text(value: object) -> str:
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _bands(field: Field, values: pd.Series) -> dict[str, pd.Series]:
    """Bands between the field's inner edges; years are counted when completed, so the last year of a band is named."""
    numbers = pd.to_numeric(values, errors="coerce")
    edges = list(field.bins) or ([float(numbers.median())] if numbers.notna().any() else [])
    if not edges:
        return {}
    whole = (field.kind == "integer" or field.unit == "years") and all(float(edge).is_integer() for edge in edges)
    bands = {f"<{edges[0]:g}": numbers < edges[0]}
    for low, high in zip(edges, edges[1:]):
        label = f"{low:g}-{high - 1:g}" if whole else f"{low:g}-<{high:g}"
        bands[label] = (numbers >= low) & (numbers < high)
    bands[f"{edges[-1]:g}+"] = numbers >= edges[-1]
    return bands


def _sites(table: pd.DataFrame) -> dict[str, pd.Series]:
    patients = table.groupby("site")["patient_id"].nunique()
    return {f"site={site}": table["site"] == site for site in patients.index[patients >= FEWEST_AT_SITE]}

"""One patient's record as the table that a predictor reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from core.contracts.codebook import Codebook, Field
from core.contracts.cohort import Cases


def stored_text(value: object) -> str:
    """A category's value as codebooks write it: whole numbers without a decimal point."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def record_cases(record: Mapping[str, float | str], codebook: Codebook) -> Cases:
    """A table of one row; a field that the record lacks is missing."""
    return records_cases([record], codebook)


def records_cases(records: Sequence[Mapping[str, float | str]], codebook: Codebook) -> Cases:
    """A table of one row a record; a field that a record lacks is missing there."""
    index = [f"record{at or ''}" for at in range(len(records))]
    columns = {
        field.name: pd.Series([_cell(field, record.get(field.name)) for record in records], index=index)
        for field in codebook.fields
    }
    return Cases(table=pd.DataFrame(columns, index=index), codebook=codebook, patients=pd.Series(index, index=index))


def _cell(field: Field, value: float | str | None) -> object:
    if value is None:
        return np.nan
    return stored_text(value) if field.kind == "category" else float(value)

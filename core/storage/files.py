"""Tables as Parquet with page checksums, plain data as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import CorruptError
from core.storage.atomic import atomic_path, atomic_write


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Writes a table as Parquet; the index is not kept (make it a column)."""
    with atomic_path(path) as temporary:
        pq.write_table(pa.Table.from_pandas(table, preserve_index=False), temporary, compression="zstd", write_page_checksum=True)


def read_table(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """The table in a Parquet file, every page's checksum verified.

    Raises:
        CorruptError: missing, truncated or changed.
    """
    try:
        table: pd.DataFrame = pq.read_table(path, columns=columns, page_checksum_verification=True).to_pandas()
    except (OSError, pa.ArrowException) as error:
        raise CorruptError(f"{path} cannot be read: {error}.", do="Run the study again; finished jobs are kept.") from error
    return table


def write_json(path: Path, plain: Mapping[str, Any] | list[Any]) -> str:
    """The sha-256 of the JSON written; NaN and infinity become null."""
    text = json.dumps(_finite(plain), indent=1, ensure_ascii=False, sort_keys=False, allow_nan=False)
    return atomic_write(path, (text + "\n").encode())


def read_json(path: Path) -> Any:
    """The plain data in a JSON file.

    Raises:
        CorruptError: missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CorruptError(f"{path} cannot be read: {error}.", do="Restore it or run the study again.") from error


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if hasattr(value, "item") and not isinstance(value, (str, bytes)):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

"""Every error that OpSight raises on purpose, in one tree.

    OpSightError                      exit 3   the run failed
    ├── InputError                    exit 2   what was given cannot be used
    │   ├── RecipeError                        a study recipe
    │   ├── CodebookError                      the description of a table
    │   ├── DataError                          a data set: file, row, column
    │   │   ├── GeometryError                  image and mask on different grids
    │   │   └── LeakageError                   something not known before the operation, or a patient in two splits
    │   ├── Refused                            outside bytes that `core.ingest` did not accept
    │   ├── UnknownNameError                   no plug-in, study or outcome of that name
    │   └── DownloadError                      a release could not be fetched or did not match its checksum
    ├── RunError                      exit 3   a study that started and could not finish
    │   ├── TrainingError                      loss not finite, no usable class
    │   └── NotYetError                        asked for something this version does not do
    ├── StoreError                    exit 3   results on disk
    │   ├── CorruptError                       a checksum that is wrong
    │   ├── RunLocked                          another process works on this run
    │   └── DiskFull                  exit 4   nothing was written
    └── BundleError                   exit 3   a model bundle that must not be used

Each message says what was given, what was expected and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class OpSightError(Exception):
    """Base of all errors raised on purpose.

    Args:
        message: what was given and what was expected, one plain sentence.
        do: what the reader can do about it, one plain sentence.
        code: a short, stable identifier (``TAB_MISSING_COL``), for logs and tests.
    """

    exit_code = 3
    default_code = "OPSIGHT"

    def __init__(self, message: str, *, do: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.do = do
        self.code = code or self.default_code

    def __str__(self) -> str:
        return f"{self.message} {self.do}".strip()

    def __reduce__(self) -> tuple[object, ...]:
        """Errors travel between worker processes with all their parts."""
        return (_rebuild, (type(self), self.message, self.do, self.code))


def _rebuild(kind: type[OpSightError], message: str, do: str, code: str) -> OpSightError:
    return kind(message, do=do, code=code)


class InputError(OpSightError):
    exit_code = 2
    default_code = "INPUT"


class RecipeError(InputError):
    default_code = "RECIPE"


class CodebookError(InputError):
    default_code = "CODEBOOK"


class DataError(InputError):
    default_code = "DATA"


class GeometryError(DataError):
    default_code = "DATA_GEOMETRY"


class LeakageError(DataError):
    default_code = "LEAK_SUSPECT"


class Refused(InputError):
    default_code = "REFUSED"


class UnknownNameError(InputError):
    default_code = "UNKNOWN_NAME"


class DownloadError(InputError):
    default_code = "DOWNLOAD"


class RunError(OpSightError):
    default_code = "RUN"


class TrainingError(RunError):
    default_code = "TRAINING"


class NotYetError(RunError):
    exit_code = 2
    default_code = "NOT_YET"


class StoreError(OpSightError):
    default_code = "STORE"


class CorruptError(StoreError):
    default_code = "STORE_CORRUPT"


class RunLocked(StoreError):
    default_code = "RUN_LOCKED"


class DiskFull(StoreError):
    exit_code = 4
    default_code = "DISK_FULL"


class BundleError(OpSightError):
    default_code = "MODEL_BUNDLE"


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """A sentence that names the nearest known name, or lists what is known."""
    names = sorted(known)
    near = difflib.get_close_matches(given, names, n=1, cutoff=0.6)
    if near:
        return f"Did you mean {near[0]!r}?"
    return f"Known: {', '.join(names)}." if names else "None is known."

"""What a data set plug-in promises."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.contracts.cohort import Cohort
from core.contracts.pictures import PictureSet


@dataclass(frozen=True)
class RemoteFile:
    """One file of a public release.

    Args:
        path: where it belongs inside the data set's folder (the PUBLIC layout), with forward slashes.
        url: https address.
        sha256: its checksum where the source publishes one; empty otherwise (then the first download is recorded and
            later ones are compared with it).
        size: bytes where known, 0 otherwise.
    """

    path: str
    url: str
    sha256: str = ""
    size: int = 0


@dataclass(frozen=True)
class LoadOptions:
    """Where and how to read a data set.

    Args:
        root: the data set's own folder (for ``kits``: the one that holds ``dataset/kits23.json``), or None for a data
            set that needs none.
        cache: folder for derived files (anatomy, simulated volumes); made when needed.
        options: the recipe's ``dataset.options``.
        progress: called with a phrase and a share done (0 to 1).
    """

    root: Path | None
    cache: Path
    options: Mapping[str, object] = field(default_factory=dict)
    progress: Callable[[str, float], None] | None = None


@dataclass(frozen=True)
class Finding:
    """One remark of ``verify``: ``error`` means a study would refuse the data."""

    level: str
    where: str
    what: str
    do: str


@dataclass(frozen=True)
class DatasetSpec:
    """A plug-in of ``core.datasets``.

    Args:
        name: slug; label: what people read; description: two or three sentences, traps included.
        licence, citation: terms and source, shown before a download and on every page.
        folder: name of its folder below the parent that ``--data`` names; empty where it needs none.
        load: the cohort, or None where the data set has no outcomes of patients.
        pictures: the drawn pictures, or None where it has none; it has at least one of the two.
        verify: remarks on a folder, without training anything.
        release: files of the public release, fetched by ``core data get``; empty where it cannot be fetched.
        option_names: keys that ``dataset.options`` may hold.
    """

    name: str
    label: str
    description: str
    licence: str
    citation: str
    folder: str
    load: Callable[[LoadOptions], Cohort] | None
    verify: Callable[[LoadOptions], tuple[Finding, ...]]
    pictures: Callable[[LoadOptions], PictureSet] | None = None
    release: Callable[[], tuple[RemoteFile, ...]] = tuple
    option_names: tuple[str, ...] = ()

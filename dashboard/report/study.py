"""A study with the artefacts beside it that a report may point to: its folder and its model bundles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import OpSightError
from core.storage.files import read_json
from core.storage.locations import places
from core.storage.summaries import StudyPlace, StudySummary, kind_of, read_summary
from dashboard.report.blocks import anchor_of

CARD, SUMMARY, MANIFEST = "MODEL_CARD.md", "summary.json", "manifest.json"


@dataclass(frozen=True)
class Bundle:
    """A model bundle of the study, as its own files tell it.

    Args:
        subject: the outcome, or the region, that it is of; folder: relative to the installation.
        gate: the evidence gate's verdict; empty where the bundle holds none.
        same_run: whether it was built from the very run that is reported.
    """

    name: str
    version: int
    subject: str
    folder: str
    gate: Mapping[str, Any]
    same_run: bool

    @property
    def card(self) -> str:
        """The path of its model card."""
        return f"{self.folder}/{CARD}"


@dataclass(frozen=True)
class Study:
    """What a report is written from, and all that a check may look at.

    Args:
        folder: of the summary, relative to the installation; published: whether it is the shipped one.
    """

    summary: StudySummary
    folder: str
    published: bool
    bundles: tuple[Bundle, ...] = ()

    @property
    def info(self) -> Mapping[str, Any]:
        return self.summary.info

    @property
    def recipe(self) -> Mapping[str, Any]:
        return self.info.get("recipe") or {}

    @property
    def subjects(self) -> tuple[Mapping[str, Any], ...]:
        """Outcomes, or regions."""
        return tuple(self.info["regions"] if self.is_segmentation else self.info["outcomes"])

    @property
    def is_segmentation(self) -> bool:
        return kind_of(self.info) == "segmentation"

    def subject_anchor(self, subject: str, part: str = "") -> str:
        """Where the report speaks of an outcome or region, or of one part of it."""
        return anchor_of("region" if self.is_segmentation else "outcome", subject, *((part,) if part else ()))


def study_at(place: StudyPlace, summary: StudySummary | None = None) -> Study:
    """The study in a place, with its bundles.

    Raises:
        CorruptError: a file is missing or changed.
    """
    read = summary or read_summary(place.summary)
    return Study(read, _relative(place.summary), place.published, tuple(_bundles(read)))


def _relative(folder: Path) -> str:
    """The path as the installation calls it, and never where the installation lies."""
    home = places().home
    resolved = folder.resolve()
    return resolved.relative_to(home).as_posix() if resolved.is_relative_to(home) else folder.name


def _bundles(summary: StudySummary) -> list[Bundle]:
    """The newest version of each bundle of the study; one that cannot be read is left out."""
    found: dict[str, Bundle] = {}
    for manifest in places().models.glob(f"{summary.name}_*/*/{MANIFEST}"):
        bundle = _bundle(manifest, summary)
        if bundle is not None and bundle.version >= found.get(bundle.name, bundle).version:
            found[bundle.name] = bundle
    return [found[name] for name in sorted(found)]


def _bundle(manifest: Path, summary: StudySummary) -> Bundle | None:
    folder = manifest.parent
    try:
        facts = read_json(manifest)
        beside = read_json(folder / SUMMARY) if (folder / SUMMARY).exists() else {}
        if facts.get("study") != summary.name or not (folder / CARD).exists():
            return None
        return Bundle(
            name=folder.parent.name,
            version=int(facts["version"]),
            subject=str(facts.get("outcome") or facts.get("row") or ""),
            folder=_relative(folder),
            gate=dict(beside.get("gate") or {}),
            same_run=facts.get("run_id") == summary.info.get("run_id"),
        )
    except (OpSightError, KeyError, TypeError, ValueError, AttributeError):
        return None

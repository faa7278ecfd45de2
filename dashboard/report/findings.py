"""Checklists: read from their files, and filled from what a study itself holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pandas as pd
import yaml

from dashboard.report import checks, checks_of_results
from dashboard.report.blocks import Block, Lead, Missing, Section, Table, Text, anchor_of, section
from dashboard.report.check_tools import CANNOT, CHECKS, MET, NOT_MET, Finding
from dashboard.report.study import Study

MODULES = (checks, checks_of_results)
"""Whose checks the lists may name."""
FOLDER = Path(__file__).parent / "checklists"
SHORTENED = "The wording is shortened; read the paper before relying on an item."


@dataclass(frozen=True)
class Item:
    """One item of a checklist: either a check answers it, or a sentence says why none can."""

    id: str
    topic: str
    text: str
    check: str = ""
    cannot: str = ""

    def filled(self, study: Study) -> Finding:
        """What the study's own artefacts say."""
        return CHECKS[self.check](study) if self.check else Finding(CANNOT, self.cannot)


@dataclass(frozen=True)
class Checklist:
    """A published checklist.

    Args:
        kinds: of study that it is for; images: whether it is for studies in which a model sees pictures.
    """

    name: str
    paper: str
    doi: str
    kinds: tuple[str, ...]
    items: tuple[Item, ...]
    images: bool = False

    def applies(self, study: Study) -> bool:
        """Whether the study is one that the checklist was written for."""
        return study.summary.kind in self.kinds and (not self.images or study.is_segmentation or _sees_images(study))


@dataclass(frozen=True)
class Filled:
    """A checklist and what was found for each of its items."""

    checklist: Checklist
    findings: tuple[Finding, ...]

    def count(self, state: str) -> int:
        """How many items are in a state."""
        return Counter(finding.state for finding in self.findings)[state]

    @property
    def sentence(self) -> str:
        """ "41 of 52 TRIPOD+AI items are met, 6 are not met, 5 cannot be known"."""
        total = len(self.findings)
        return (
            f"{self.count(MET)} of {total} {self.checklist.name} items are met, {self.count(NOT_MET)} are not met, "
            f"{self.count(CANNOT)} cannot be known from the study's own files"
        )

    def table(self) -> pd.DataFrame:
        """A row an item: what is asked, the state, why, and where it can be seen."""
        return pd.DataFrame(
            [
                {
                    "Item": item.id,
                    "Topic": item.topic,
                    "What is asked": item.text,
                    "State": finding.state,
                    "Why": finding.why,
                    "Where": finding.anchor,
                }
                for item, finding in zip(self.checklist.items, self.findings, strict=True)
            ]
        )


@lru_cache(maxsize=1)
def checklists() -> tuple[Checklist, ...]:
    """All checklists that ship, in their order of name of file."""
    return tuple(_read(path) for path in sorted(FOLDER.glob("*.yaml")))


def _read(path: Path) -> Checklist:
    plain = yaml.safe_load(path.read_text(encoding="utf-8"))
    items = tuple(Item(**{key: str(value) for key, value in item.items()}) for item in plain["items"])
    kinds = tuple(plain["kinds"])
    return Checklist(plain["name"], plain["paper"], plain["doi"], kinds, items, bool(plain.get("images")))


def fill(study: Study) -> tuple[Filled, ...]:
    """Every checklist that is for such a study, filled."""
    chosen = [one for one in checklists() if one.applies(study)]
    return tuple(Filled(one, tuple(item.filled(study) for item in one.items)) for one in chosen)


def _sees_images(study: Study) -> bool:
    return any({"image", "anatomy"} & set(model.get("inputs", ())) for model in study.info["models"])


def checklist_sections(filled: Sequence[Filled]) -> tuple[Section, ...]:
    """The checklists as the last sections of a report."""
    return tuple(
        section(anchor_of("checklist", one.checklist.name), f"Checklist: {one.checklist.name}", _blocks(one), 2) for one in filled
    )


def _blocks(one: Filled) -> Iterator[Block]:
    yield Lead(f"{one.sentence}.")
    yield Text(f"{one.checklist.paper}, {one.checklist.doi}. {SHORTENED}", small=True)
    if not one.findings:
        yield Missing("The checklist holds no item.")
    yield Table(one.table(), f"{one.checklist.name}, filled from the study's own files", links="Where")

"""Bundles that can be asked, and what they say of a patient's record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from core.bundles.contents import MANIFEST
from core.bundles.opening import BundleOutline, ModelBundle, inspect_bundle, is_segmenter, open_bundle_folder
from core.contracts.codebook import Field
from core.contracts.statement import Statement
from core.errors import DataError, OpSightError
from core.serving.scope import check_scope
from core.serving.statements import group_rate, no_output, out_of_scope, personal_risk
from core.storage.atomic import sha256_of
from core.storage.locations import places


@dataclass(frozen=True)
class BundleFacts:
    """What is known of a bundle without asking it.

    Args:
        name, version: ``<study>_<outcome>`` and its number, from the folder.
        label: the outcome's name for people.
        problem: why it cannot be used, one sentence; empty where it can. Most other facts are then empty.
        personal: whether it may state a personal risk; otherwise only the group's rate.
        day_based: whether the outcome is a time to an event.
        digest: sha-256 of the manifest, which holds every other file's; names exactly what answered.
    """

    name: str
    version: int
    path: Path
    study: str = ""
    dataset: str = ""
    dataset_label: str = ""
    outcome: str = ""
    label: str = ""
    simulated: bool = False
    licence: str = ""
    problem: str = ""
    model: str = ""
    created: str = ""
    personal: bool = False
    day_based: bool = False
    desirable: bool = False
    digest: str = ""


@dataclass(frozen=True)
class BundlePredictor:
    """A verified bundle that answers for a record."""

    facts: BundleFacts
    bundle: ModelBundle

    @property
    def fields(self) -> tuple[Field, ...]:
        """What a form asks; a field is required where the model cannot do without it."""
        summary = {field.name: field for field in self.bundle.outline.summary.fields}
        return tuple(
            replace(field, required=field.required or summary[field.name].missing == 0)
            for field in self.bundle.outline.codebook.fields
        )

    @property
    def card(self) -> str:
        """The model card, Markdown."""
        return self.bundle.outline.card

    def example(self) -> dict[str, float | str]:
        """A made-up record in the middle of the training patients."""
        return dict(self.bundle.outline.golden.record)

    def statement(self, record: Mapping[str, object]) -> Statement:
        """What may be told of a patient: scope first, then the evidence gate, then the model.

        Args:
            record: values by field name, in the fields' units; optional ones may be absent or None.
        """
        outline = self.bundle.outline
        report = check_scope(record, outline.codebook, outline.summary)
        if report.findings:
            return out_of_scope(outline, report)
        if not self.facts.personal:
            return group_rate(outline, report)
        try:
            answer = self.bundle.ensemble.answer(report.record)
        except DataError:
            return no_output(outline)
        return personal_risk(outline, report, answer)


def available_bundles() -> tuple[BundleFacts, ...]:
    """All bundles of this installation, by name, the newest version first; one that is broken says why."""
    found = [_facts(manifest.parent) for manifest in _manifests(places().models)]
    return tuple(sorted(found, key=lambda facts: (facts.name, -facts.version)))


def open_bundle(facts: BundleFacts) -> BundlePredictor:
    """The bundle, fully verified, ready to answer.

    Raises:
        BundleError: a file is missing or changed, or the model does not give its golden answer.
    """
    bundle = open_bundle_folder(facts.path)
    return BundlePredictor(_described(bundle.outline), bundle)


def _manifests(folder: Path) -> Iterator[Path]:
    for version in folder.glob("*/*"):
        if version.is_dir() and version.name.isdigit() and not is_segmenter(version):
            yield version / MANIFEST


def _facts(path: Path) -> BundleFacts:
    try:
        return _described(inspect_bundle(path))
    except OpSightError as error:
        return BundleFacts(name=path.parent.name, version=int(path.name), path=path, problem=error.message)
    except (OSError, ValueError) as error:
        problem = f"It cannot be read ({type(error).__name__})."
        return BundleFacts(name=path.parent.name, version=int(path.name), path=path, problem=problem)


def _described(outline: BundleOutline) -> BundleFacts:
    manifest = outline.manifest
    return BundleFacts(
        name=manifest.name,
        version=manifest.version,
        path=outline.path,
        study=manifest.study,
        dataset=manifest.dataset,
        dataset_label=manifest.dataset_label,
        outcome=manifest.outcome,
        label=manifest.label,
        simulated=manifest.simulated,
        licence=manifest.licence,
        model=manifest.model,
        created=manifest.created,
        personal=outline.summary.gate.state == "PersonalRisk",
        day_based=outline.outcome.kind == "time_to_event",
        desirable=outline.outcome.desirable,
        digest=sha256_of(outline.path / MANIFEST),
    )

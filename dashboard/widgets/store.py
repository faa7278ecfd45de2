"""The only cached reads of the dashboard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import streamlit as st

from core.storage.locations import places
from core.storage.summaries import StudyPlace, StudySummary, list_studies, read_summary

if TYPE_CHECKING:
    from core.serving.predictor import BundleFacts, BundlePredictor


def studies() -> tuple[StudyPlace, ...]:
    """All studies on this machine; a new one shows at the next click."""
    return list_studies()


def summary(place: StudyPlace) -> StudySummary:
    """A study's summary, checked once and then kept until its files change.

    Raises:
        CorruptError: a file is missing or changed.
    """
    stamp = (place.summary / "manifest.json").stat().st_mtime_ns if (place.summary / "manifest.json").exists() else 0
    return cast(StudySummary, _summary(str(place.summary), stamp))


@st.cache_data(max_entries=24, show_spinner="Reading the study …")
def _summary(folder: str, stamp: int) -> StudySummary:
    return read_summary(Path(folder))


def bundles() -> tuple[BundleFacts, ...]:
    """Facts of all model bundles here; the models themselves stay closed."""
    manifests = sorted(places().models.glob("*/*/manifest.json"))
    stamp = tuple((str(path), path.stat().st_mtime_ns) for path in manifests)
    return cast("tuple[BundleFacts, ...]", _bundles(stamp))


@st.cache_data(max_entries=4, show_spinner="Looking for models …")
def _bundles(stamp: tuple[tuple[str, int], ...]) -> tuple[BundleFacts, ...]:
    from core.serving.predictor import available_bundles

    return available_bundles()


def predictor(facts: BundleFacts) -> BundlePredictor:
    """An opened bundle, verified when first asked and then shared by all readers.

    Raises:
        BundleError: the bundle must not be used.
    """
    return cast("BundlePredictor", _predictor(str(facts.path), facts.digest, facts))


@st.cache_resource(max_entries=16, show_spinner="Opening and checking the model …")
def _predictor(path: str, digest: str, _facts: BundleFacts) -> BundlePredictor:
    from core.serving.predictor import open_bundle

    return open_bundle(_facts)

"""The only cached reads of the dashboard."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import streamlit as st

from core.storage.summaries import StudyPlace, StudySummary, list_studies, read_summary


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


def bundles() -> tuple[Any, ...]:
    """Facts of all model bundles here (``core.serving.predictor.BundleFacts``); the models themselves stay closed."""
    from core.serving.predictor import available_bundles

    return tuple(available_bundles())


def predictor(facts: Any) -> Any:
    """An opened bundle (``core.serving.predictor.BundlePredictor``), loaded when first asked and then shared.

    Raises:
        BundleError: the bundle must not be used.
    """
    return _predictor(str(facts.path), facts.version, facts)


@st.cache_resource(max_entries=16, show_spinner="Opening and checking the model …")
def _predictor(path: str, version: str, _facts: Any) -> Any:
    from core.serving.predictor import open_bundle

    return open_bundle(_facts)

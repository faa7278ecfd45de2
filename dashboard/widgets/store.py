"""The only cached reads of the dashboard."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import streamlit as st

from core.storage.locations import places
from core.storage.summaries import StudyPlace, StudySummary, list_studies, read_info, read_summary

if TYPE_CHECKING:
    from core.serving.case_pictures import CasePicture, Unavailable
    from core.serving.predictor import BundleFacts, BundlePredictor


def studies() -> tuple[StudyPlace, ...]:
    """All studies on this machine; a new one shows at the next click."""
    return list_studies()


def summary(place: StudyPlace) -> StudySummary:
    """A study's summary, checked once and then kept until its files change.

    Raises:
        CorruptError: a file is missing or changed.
    """
    return cast(StudySummary, _summary(str(place.summary), _stamp(place)))


def facts(place: StudyPlace) -> Mapping[str, Any]:
    """The facts of a study (``StudySummary.info``) without its tables, which are large.

    Raises:
        CorruptError: a file is missing or changed.
    """
    return cast("Mapping[str, Any]", _facts(str(place.summary), _stamp(place)))


def _stamp(place: StudyPlace) -> int:
    """When the study was written; another time is another study."""
    manifest = place.summary / "manifest.json"
    return manifest.stat().st_mtime_ns if manifest.exists() else 0


@st.cache_resource(max_entries=100, show_spinner=False)
def _facts(folder: str, stamp: int) -> Mapping[str, Any]:
    return read_info(Path(folder))


# A resource, not data: every reader gets the same tables, which no page changes, instead of a copy at every click.
@st.cache_resource(max_entries=24, show_spinner="Reading the study …")
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


def predictor(bundle: BundleFacts) -> BundlePredictor:
    """An opened bundle, verified when first asked and then shared by all readers.

    Raises:
        BundleError: the bundle must not be used.
    """
    return cast("BundlePredictor", _predictor(str(bundle.path), bundle.digest, bundle))


@st.cache_resource(max_entries=16, show_spinner="Opening and checking the model …")
def _predictor(path: str, digest: str, _bundle: BundleFacts) -> BundlePredictor:
    from core.serving.predictor import open_bundle

    return open_bundle(_bundle)


def case_picture(place: StudyPlace, case: str, model: str, region: str, split: str) -> CasePicture | Unavailable:
    """A case as pictures, from the data on this machine, or why it cannot be drawn.

    Raises:
        CorruptError: the study's own file cannot be read.
    """
    from core.serving.case_pictures import Unavailable

    stamp = (_stamp(place), os.environ.get("OPSIGHT_DATA", ""))
    found = cast("CasePicture | Unavailable", _case_picture(place, case, model, region, split, stamp))
    if isinstance(found, Unavailable):
        _case_picture.clear()  # the reader may put the data in place at any moment
    return found


@st.cache_resource(max_entries=12, ttl=600, show_spinner=False)
def _case_picture(place: StudyPlace, case: str, model: str, region: str, split: str, stamp: object) -> object:
    from core.serving.case_pictures import case_picture as find

    return find(place, case, model, region, split)

"""From a run to a published study: what was computed, and no row of a patient."""

from __future__ import annotations

from pathlib import Path

from core.errors import InputError
from core.evaluation.publish import for_publication
from core.evaluation.segmentation.publish import for_publication as segmentation_for_publication
from core.storage.locations import places
from core.storage.summaries import find_study, read_summary, write_summary


def publish_study(name: str) -> Path:
    """The folder of the published study.

    Raises:
        InputError: it was not run here, so that there is nothing to publish.
        UnknownNameError: no such study.
    """
    place = find_study(name)
    if place.published:
        raise InputError(
            f"{name!r} is already a published study and was not run here.", do="Run it first: python -m core study run"
        )
    summary = read_summary(place.summary)
    folder = places().published / summary.name
    prepare = segmentation_for_publication if summary.kind == "segmentation" else for_publication
    write_summary(folder, prepare(summary, int(summary.info["min_cell"])))
    return folder

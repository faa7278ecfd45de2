"""What any method has to beat: answers that look at no picture."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.contracts.forecast import Artifact
from core.contracts.pictures import Pictures
from core.contracts.segmenter import Choice, FitReport, SegmentContext, SegmenterSpec
from core.errors import RunError, TrainingError
from core.segmentation._options import with_defaults


class AllForeground:
    """Every pixel belongs to every region."""

    def fit(self, train: Pictures, context: SegmentContext) -> FitReport:
        """Nothing is learned."""
        return FitReport()

    def segment(self, pictures: Pictures) -> NDArray[np.float32]:
        """(items, regions, *grid) of ones."""
        regions = len(pictures.prepared.regions)
        return np.stack([np.ones((regions, *pictures.image(at).shape[1:]), dtype=np.float32) for at in range(len(pictures))])

    def export(self) -> Artifact:
        """Nothing to keep."""
        return Artifact({})


class CentredDisc:
    """A disc (a ball in a volume) in the middle, of the mean size of the drawn regions."""

    def __init__(self) -> None:
        self.radii: tuple[float, ...] = ()

    def fit(self, train: Pictures, context: SegmentContext) -> FitReport:
        """The mean size over the labelled items that hold the region.

        Raises:
            TrainingError: no mask may be read.
        """
        started = time.process_time()
        labelled = np.flatnonzero(train.labelled)
        if not labelled.size:
            raise TrainingError("No training item has a mask.", do="Give at least one labelled case.")
        masks = (train.mask(int(at)) for at in labelled)
        sizes = np.array([mask.reshape(len(mask), -1).sum(axis=1) for mask in masks], dtype=float)
        held = np.maximum((sizes > 0).sum(axis=0), 1)
        self.radii = tuple(_radius(float(size), train.prepared.dims) for size in sizes.sum(axis=0) / held)
        return FitReport(parameters=len(self.radii), minutes=(time.process_time() - started) / 60)

    def segment(self, pictures: Pictures) -> NDArray[np.float32]:
        """(items, regions, *grid), 0 or 1.

        Raises:
            RunError: it has not been fitted.
        """
        if not self.radii:
            raise RunError("centred_disc was asked to outline before it was fitted.", do="Call fit first.")
        return np.stack([self._discs(pictures.image(at).shape[1:]) for at in range(len(pictures))])

    def _discs(self, grid: tuple[int, ...]) -> NDArray[np.float32]:
        axes = np.meshgrid(*(np.arange(edge) - (edge - 1) / 2 for edge in grid), indexing="ij")
        away = np.sqrt(np.sum([axis**2 for axis in axes], axis=0))
        return np.stack([away < radius for radius in self.radii]).astype(np.float32)

    def export(self) -> Artifact:
        """The radii."""
        return Artifact({"radii": list(self.radii)})


def _radius(size: float, dims: int) -> float:
    return float(np.sqrt(size / np.pi)) if dims == 2 else float(np.cbrt(size * 3 / (4 * np.pi)))


def _all_foreground(options: Mapping[str, Any]) -> AllForeground:
    with_defaults("all_foreground", options, {})
    return AllForeground()


def _centred_disc(options: Mapping[str, Any]) -> CentredDisc:
    with_defaults("centred_disc", options, {})
    return CentredDisc()


def _restored_all(artifact: Artifact) -> AllForeground:
    return AllForeground()


def _restored_disc(artifact: Artifact) -> CentredDisc:
    disc, radii = CentredDisc(), artifact.plain["radii"]
    disc.radii = tuple(float(radius) for radius in radii) if isinstance(radii, (list, tuple)) else ()
    return disc


PLUGINS = (
    SegmenterSpec(
        name="all_foreground",
        label="All foreground",
        family="reference",
        make=_all_foreground,
        description="Every pixel belongs to the region; nothing is learned.",
        reference="Maier-Hein et al., Nature Methods 2024, 10.1038/s41592-023-02151-z",
        dims=(2, 3),
        choice=Choice(complexity="None.", community="A floor for overlap metrics, which it shows to depend on size."),
        restore=_restored_all,
    ),
    SegmenterSpec(
        name="centred_disc",
        label="Centred disc",
        family="reference",
        make=_centred_disc,
        description="A disc in the middle of the picture, of the mean size of the regions drawn in training.",
        reference="Maier-Hein et al., Nature Methods 2024, 10.1038/s41592-023-02151-z",
        dims=(2, 3),
        choice=Choice(
            complexity="One number a region.", community="Shows how much the framing of the pictures gives away by itself."
        ),
        restore=_restored_disc,
    ),
)

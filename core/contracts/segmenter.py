"""What a segmenter promises."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from core.contracts.forecast import Artifact
from core.contracts.pictures import Pictures

SegmenterFamily = Literal["reference", "classical", "network", "anchor"]


@dataclass(frozen=True)
class SegmentContext:
    """Everything a fit may depend on besides its pictures.

    Args:
        seed: all randomness comes from it.
        device: ``cpu`` or ``cuda``.
        training: the recipe's ``training`` part as plain data (``core.contracts.segmentation_recipe.TrainingPart``).
        checkpoint: a file in which training keeps its state, so that a killed fit goes on; None: not kept.
        progress: called with a phrase and a share done (0 to 1); may be ignored.
        on_check: called with the share done and the mean Dice on the patients set aside, whenever they are looked at; what it
            raises ends the fit.
        search: the recipe's ``search`` part as plain data; empty: settings are used as given.
    """

    seed: int
    device: str = "cpu"
    training: Mapping[str, object] = field(default_factory=dict)
    checkpoint: Path | None = None
    progress: Callable[[str, float], None] | None = None
    on_check: Callable[[float, float], None] | None = None
    search: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class FitReport:
    """What a fit cost and how it went.

    Args:
        parameters: trained numbers (0 where nothing is learned).
        minutes: of training as the budget counts them (processor minutes a thread on a CPU, clock minutes on a GPU).
        epochs, best_epoch: 0 where there are none.
        training_loss, validation_score: by epoch; the score is the mean Dice on the patients set aside.
    """

    parameters: int = 0
    minutes: float = 0.0
    epochs: int = 0
    best_epoch: int = 0
    training_loss: tuple[float, ...] = ()
    validation_score: tuple[float, ...] = ()


class Segmenter(Protocol):
    """Learn from drawn pictures, then outline others."""

    def fit(self, train: Pictures, context: SegmentContext) -> FitReport:
        """Learn everything (weights, thresholds, clusters' meaning) from these items alone; unlabelled ones give images only."""

    def segment(self, pictures: Pictures) -> NDArray[np.float32]:
        """(items, regions, *grid) scores between 0 and 1; a pixel belongs to a region at 0.5 or above.

        Items of one call have one grid. The caller asks for few items at a time.
        """


@runtime_checkable
class FindsInstances(Protocol):
    """A segmenter that tells single objects apart."""

    def instances(self, pictures: Pictures) -> tuple[NDArray[np.int32], ...]:
        """For each item (*grid): 0 for background, 1, 2, … for the objects found, best first."""


@runtime_checkable
class Adapts(Protocol):
    """A segmenter that can adapt to the look of the items to be outlined (``adapt: test_time_norm``)."""

    def adapt_to(self, pictures: Pictures) -> None:
        """Adapts to the images of these items; their masks are not read."""


@runtime_checkable
class PortableSegmenter(Protocol):
    """A segmenter that can be kept in a bundle."""

    def export(self) -> Artifact:
        """Everything ``SegmenterSpec.restore`` needs to segment exactly as this object does."""


@dataclass(frozen=True)
class Choice:
    """Why a method is in the benchmark: how complex it is, what was published, who uses it. One phrase each, with sources."""

    complexity: str = ""
    published: str = ""
    community: str = ""


@dataclass(frozen=True)
class SegmenterSpec:
    """A plug-in of ``core.segmentation``.

    Args:
        name: slug ("unet"); label: what people read.
        family: ``reference`` learns nothing from pixels, ``classical``, ``network``, ``anchor`` (a modern network beside them).
        make: a fresh, unfitted segmenter; options come from the recipe's model entry. Unknown options are refused.
        description: one sentence: what it does.
        reference: doi or paper.
        dims: axes of items that it can work on.
        is_network: trained by gradient descent (gets the budget).
        choice: criteria by which it was chosen.
        version: raised when its results change; part of a job's key.
        restore: the segmenter from what it exported, or None where it cannot be bundled.
    """

    name: str
    label: str
    family: SegmenterFamily
    make: Callable[[Mapping[str, object]], Segmenter]
    description: str
    reference: str = ""
    dims: tuple[int, ...] = (2,)
    is_network: bool = False
    choice: Choice = Choice()
    version: int = 1
    restore: Callable[[Artifact], Segmenter] | None = None

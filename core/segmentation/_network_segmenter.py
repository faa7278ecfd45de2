"""A network as a segmenter: built under the seed, trained by the one way, exported as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from core.contracts.forecast import Artifact
from core.contracts.pictures import Pictures
from core.contracts.segmentation_recipe import SearchPart
from core.contracts.segmenter import FitReport, SegmentContext
from core.errors import RunError
from core.segmentation._networks import AnySize, Build, NetworkFacts
from core.training.reproducible import reproducible
from core.training.segmentation import segment_items, train_segmenter
from core.training.weights import load_encoder

STATISTICS_BATCH = 32
MOST_COUNTED = 300
"""Training items in which the pixels of each region are counted."""


class NetworkSegmenter:
    """Fits a network and outlines with it.

    Args:
        name: slug of its spec; build: the untrained network for given facts and options.
    """

    def __init__(self, name: str, build: Build, options: Mapping[str, Any]) -> None:
        self.name, self.build, self.options = name, build, dict(options)
        self.network: nn.Module | None = None
        self.facts: NetworkFacts | None = None
        self.device, self.precision = "cpu", "auto"

    def fit(self, train: Pictures, context: SegmentContext) -> FitReport:
        """What ``core.training.segmentation.train_segmenter`` reports."""
        self.facts = _facts(train, context)
        self.device, self.precision = context.device, str(context.training.get("precision", "auto"))
        shares = prevalence(train)
        context, searched = self._searched(train, context, shares)
        with reproducible(context.seed, context.device):
            self.network = self._untrained(shares)
            if context.training.get("encoder_weights"):
                load_encoder(_encoder(self.network), Path(str(context.training["encoder_weights"])), any_channels=True)
            report = train_segmenter(self.network, train, context)
        return replace(report, minutes=report.minutes + searched)

    def _untrained(self, shares: NDArray[np.float64]) -> nn.Module:
        network = self.build(self._known, self.options)
        if isinstance(network, AnySize):
            network.start_at(shares)
        return network

    @property
    def _known(self) -> NetworkFacts:
        return self.facts or NetworkFacts(1, 1, 2, (1, 1))

    def _searched(self, train: Pictures, context: SegmentContext, shares: NDArray[np.float64]) -> tuple[SegmentContext, float]:
        """The context with the settings that a search inside the training part found, where one is asked for, and its minutes."""
        part = SearchPart.model_validate(dict(context.search))
        if not part.trials or context.checkpoint is None:
            return context, 0.0
        from core.training.search import search_training

        storage = context.checkpoint.with_name("search.sqlite")
        name = f"{self.name}-{context.checkpoint.name}"
        found = search_training(lambda: self._untrained(shares), train, context, part, storage, name)
        return replace(context, training={**context.training, **found.settings}), found.minutes

    def segment(self, pictures: Pictures) -> NDArray[np.float32]:
        """(items, regions, *grid) scores between 0 and 1.

        Raises:
            RunError: it has not been fitted.
        """
        return segment_items(self.fitted, pictures, device=self.device, precision=self.precision)

    def adapt_to(self, pictures: Pictures) -> None:
        """Estimates batch statistics again on items to be outlined (``adapt: test_time_norm``); weights stay."""
        from core.segmentation._adaptation import adapt_statistics

        starts = range(0, len(pictures), STATISTICS_BATCH)
        batches = (pictures.images(np.arange(at, min(at + STATISTICS_BATCH, len(pictures)))) for at in starts)
        adapt_statistics(self.fitted, (torch.from_numpy(batch).to(self.device) for batch in batches))

    @property
    def fitted(self) -> nn.Module:
        """The trained network.

        Raises:
            RunError: it has not been fitted.
        """
        if self.network is None:
            raise RunError(f"{self.name} was asked to outline before it was fitted.", do="Call fit first.")
        return self.network

    def export(self) -> Artifact:
        """Facts, options and weights."""
        arrays = {name: _numbers(weight) for name, weight in self.fitted.state_dict().items()}
        plain = {"facts": asdict(self._known), "options": self.options, "precision": self.precision}
        return Artifact(plain, arrays)


class InstanceSegmenter(NetworkSegmenter):
    """A network that tells objects apart."""

    def instances(self, pictures: Pictures) -> tuple[NDArray[np.int32], ...]:
        """For each item (*grid): 0 for background, 1, 2, … for the objects found, best first."""
        network: Any = self.fitted
        network.to(self.device).eval()
        with torch.inference_mode():
            image = torch.from_numpy(pictures.images(np.arange(len(pictures)))).to(self.device)
            return tuple(network.instances(image))


def restore_network(
    name: str, build: Build, artifact: Artifact, kind: type[NetworkSegmenter] = NetworkSegmenter
) -> NetworkSegmenter:
    """The segmenter from what it exported."""
    plain: Any = artifact.plain
    segmenter = kind(name, build, {**plain["options"], **({"pretrained": False} if "pretrained" in plain["options"] else {})})
    segmenter.precision = plain.get("precision", "auto")
    facts = NetworkFacts(**{**plain["facts"], "shape": tuple(plain["facts"]["shape"])})
    segmenter.facts, segmenter.network = facts, build(facts, segmenter.options)
    weights = segmenter.network.state_dict()
    given = {key: torch.from_numpy(np.array(value)).to(weights[key].dtype) for key, value in artifact.arrays.items()}
    segmenter.network.load_state_dict(given, strict=True)
    return segmenter


def _numbers(weight: torch.Tensor) -> Any:
    return weight.detach().cpu().numpy()


def _facts(train: Pictures, context: SegmentContext) -> NetworkFacts:
    prepared = train.prepared
    shape = prepared.shape
    if prepared.dims == 3:
        wanted: Any = context.training.get("patch_shape") or getattr(prepared, "patch_shape", None) or (32,) * 3
        shape = tuple(min(int(edge), int(most)) for edge, most in zip(wanted, prepared.shape))
    return NetworkFacts(len(prepared.channels), len(prepared.regions), prepared.dims, tuple(shape))


def prevalence(train: Pictures) -> NDArray[np.float64]:
    """(regions,) share of the pixels of each region in the training items whose masks may be read."""
    rows = np.flatnonzero(train.labelled)
    counted = rows[:: max(1, len(rows) // MOST_COUNTED)]
    shares = [mask.reshape(len(mask), -1).mean(axis=1) for mask in (train.mask(int(row)) for row in counted)]
    return np.mean(shares, axis=0) if shares else np.zeros(len(train.prepared.regions))


def _encoder(network: nn.Module) -> nn.Module:
    """The part of a network whose weights a file may give: its encoder where it names one, else all of it."""
    inner = getattr(network, "inner", network)
    found: nn.Module = getattr(inner, "encoder", inner)
    return found

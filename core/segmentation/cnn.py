"""A plain convolutional network whose coarse answer is enlarged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from core.contracts.forecast import Artifact
from core.contracts.segmenter import Choice, SegmenterSpec
from core.segmentation._options import with_defaults

if TYPE_CHECKING:
    from core.segmentation._network_segmenter import NetworkSegmenter


DEFAULTS: dict[str, Any] = {"width": 24}


def make(options: Mapping[str, Any]) -> NetworkSegmenter:
    """A fresh one."""
    from core.segmentation._network_segmenter import NetworkSegmenter
    from core.segmentation._networks_encoder import build_cnn

    return NetworkSegmenter("cnn", build_cnn, with_defaults("cnn", options, DEFAULTS))


def restore(artifact: Artifact) -> NetworkSegmenter:
    """The one that was exported."""
    from core.segmentation._network_segmenter import restore_network
    from core.segmentation._networks_encoder import build_cnn

    return restore_network("cnn", build_cnn, artifact)


PLUGINS = (
    SegmenterSpec(
        name="cnn",
        label="Plain CNN",
        family="network",
        make=make,
        description="A plain encoder whose answer on an eighth of the grid is enlarged: the coarse baseline.",
        reference="",
        dims=(2, 3),
        is_network=True,
        choice=Choice(
            complexity="Eight convolutions and no decoder.",
            published="0.75 to 0.78 Dice in the source study.",
            community="A baseline, seldom used by itself.",
        ),
        restore=restore,
    ),
)

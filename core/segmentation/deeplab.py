"""DeepLabV3+: pooling at several rates, and a light decoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from core.contracts.forecast import Artifact
from core.contracts.segmenter import Choice, SegmenterSpec
from core.segmentation._options import with_defaults

if TYPE_CHECKING:
    from core.segmentation._network_segmenter import NetworkSegmenter


DEFAULTS: dict[str, Any] = {"backbone": "resnet18", "width": 64, "pretrained": False}


def make(options: Mapping[str, Any]) -> NetworkSegmenter:
    """A fresh one."""
    from core.segmentation._network_segmenter import NetworkSegmenter
    from core.segmentation._networks_encoder import build_deeplab

    return NetworkSegmenter("deeplabv3plus", build_deeplab, with_defaults("deeplabv3plus", options, DEFAULTS))


def restore(artifact: Artifact) -> NetworkSegmenter:
    """The one that was exported."""
    from core.segmentation._network_segmenter import restore_network
    from core.segmentation._networks_encoder import build_deeplab

    return restore_network("deeplabv3plus", build_deeplab, artifact)


PLUGINS = (
    SegmenterSpec(
        name="deeplabv3plus",
        label="DeepLabV3+",
        family="network",
        make=make,
        description="Atrous pooling at several rates on a ResNet, and a light decoder (segmentation-models-pytorch).",
        reference="Chen et al., ECCV 2018, 10.1007/978-3-030-01234-2_49",
        dims=(2,),
        is_network=True,
        choice=Choice(
            complexity="A ResNet-18 with atrous pooling; 12 M weights.",
            published="DeepLabV3: ISIC 2018 Dice 0.894 (PMC9849244).",
            community="A standard for natural pictures; in every library.",
        ),
        restore=restore,
    ),
)

"""FCN: the answers of three encoder levels added."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from core.contracts.forecast import Artifact
from core.contracts.segmenter import Choice, SegmenterSpec
from core.segmentation._options import with_defaults

if TYPE_CHECKING:
    from core.segmentation._network_segmenter import NetworkSegmenter


DEFAULTS: dict[str, Any] = {"backbone": "resnet10t", "pretrained": False}


def make(options: Mapping[str, Any]) -> NetworkSegmenter:
    """A fresh one."""
    from core.segmentation._network_segmenter import NetworkSegmenter
    from core.segmentation._networks_encoder import build_fcn

    return NetworkSegmenter("fcn", build_fcn, with_defaults("fcn", options, DEFAULTS))


def restore(artifact: Artifact) -> NetworkSegmenter:
    """The one that was exported."""
    from core.segmentation._network_segmenter import restore_network
    from core.segmentation._networks_encoder import build_fcn

    return restore_network("fcn", build_fcn, artifact)


PLUGINS = (
    SegmenterSpec(
        name="fcn",
        label="FCN-8s",
        family="network",
        make=make,
        description="Torchvision's FCN head on three levels of a small ResNet, added from coarse to fine.",
        reference="Long et al., CVPR 2015, 10.1109/CVPR.2015.7298965",
        dims=(2,),
        is_network=True,
        choice=Choice(
            complexity="A ResNet-10 and three convolutional heads.",
            published="0.78 to 0.81 Dice in the source study.",
            community="The first end-to-end network; in torchvision.",
        ),
        restore=restore,
    ),
)

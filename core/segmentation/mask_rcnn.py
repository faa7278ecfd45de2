"""Mask R-CNN: instances found, outlined and merged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from core.contracts.forecast import Artifact
from core.contracts.segmenter import Choice, SegmenterSpec
from core.segmentation._options import with_defaults

if TYPE_CHECKING:
    from core.segmentation._network_segmenter import NetworkSegmenter


DEFAULTS: dict[str, Any] = {"backbone": "resnet10t", "width": 64}


def make(options: Mapping[str, Any]) -> NetworkSegmenter:
    """A fresh one."""
    from core.segmentation._network_segmenter import InstanceSegmenter
    from core.segmentation._networks_mask_rcnn import build_mask_rcnn

    return InstanceSegmenter("mask_rcnn", build_mask_rcnn, with_defaults("mask_rcnn", options, DEFAULTS))


def restore(artifact: Artifact) -> NetworkSegmenter:
    """The one that was exported."""
    from core.segmentation._network_segmenter import InstanceSegmenter, restore_network
    from core.segmentation._networks_mask_rcnn import build_mask_rcnn

    return restore_network("mask_rcnn", build_mask_rcnn, artifact, InstanceSegmenter)


PLUGINS = (
    SegmenterSpec(
        name="mask_rcnn",
        label="Mask R-CNN",
        family="network",
        make=make,
        description="Finds instances, outlines each, and merges them into one mask (torchvision, small ResNet).",
        reference="He et al., ICCV 2017, 10.1109/ICCV.2017.322",
        dims=(2,),
        is_network=True,
        choice=Choice(
            complexity="Detector, region proposals and a mask head; the most parts of all.",
            published="0.80 to 0.83 Dice in the source study.",
            community="The reference for instances; in torchvision.",
        ),
        restore=restore,
    ),
)

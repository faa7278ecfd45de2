"""SegNet: unpooling by the stored places of maxima."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from core.contracts.forecast import Artifact
from core.contracts.segmenter import Choice, SegmenterSpec
from core.segmentation._options import with_defaults

if TYPE_CHECKING:
    from core.segmentation._network_segmenter import NetworkSegmenter


DEFAULTS: dict[str, Any] = {"width": 16, "depth": 4}


def make(options: Mapping[str, Any]) -> NetworkSegmenter:
    """A fresh one."""
    from core.segmentation._network_segmenter import NetworkSegmenter
    from core.segmentation._networks_encoder import build_segnet

    return NetworkSegmenter("segnet", build_segnet, with_defaults("segnet", options, DEFAULTS))


def restore(artifact: Artifact) -> NetworkSegmenter:
    """The one that was exported."""
    from core.segmentation._network_segmenter import restore_network
    from core.segmentation._networks_encoder import build_segnet

    return restore_network("segnet", build_segnet, artifact)


PLUGINS = (
    SegmenterSpec(
        name="segnet",
        label="SegNet",
        family="network",
        make=make,
        description="Encoder and decoder without skips; each unpooling puts values back where the maxima were.",
        reference="Badrinarayanan et al., IEEE TPAMI 2017, 10.1109/TPAMI.2016.2644615",
        dims=(2, 3),
        is_network=True,
        choice=Choice(
            complexity="Four levels of two convolutions; stored indices in place of skips.",
            published="ISIC 2017 Dice 0.821 (PMC10407008).",
            community="Widely cited; no kept library has it.",
        ),
        restore=restore,
    ),
)

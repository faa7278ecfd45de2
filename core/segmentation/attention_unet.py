"""Attention U-Net: gated skip connections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from core.contracts.forecast import Artifact
from core.contracts.segmenter import Choice, SegmenterSpec
from core.segmentation._options import with_defaults

if TYPE_CHECKING:
    from core.segmentation._network_segmenter import NetworkSegmenter


DEFAULTS: dict[str, Any] = {"width": 16, "dropout": 0.0}


def make(options: Mapping[str, Any]) -> NetworkSegmenter:
    """A fresh one."""
    from core.segmentation._network_segmenter import NetworkSegmenter
    from core.segmentation._networks_unet import build_attention_unet

    return NetworkSegmenter("attention_unet", build_attention_unet, with_defaults("attention_unet", options, DEFAULTS))


def restore(artifact: Artifact) -> NetworkSegmenter:
    """The one that was exported."""
    from core.segmentation._network_segmenter import restore_network
    from core.segmentation._networks_unet import build_attention_unet

    return restore_network("attention_unet", build_attention_unet, artifact)


PLUGINS = (
    SegmenterSpec(
        name="attention_unet",
        label="Attention U-Net",
        family="network",
        make=make,
        description="A U-Net whose skip connections are weighted by what the decoder asks for (MONAI).",
        reference="Oktay et al., 2018, arXiv:1804.03999",
        dims=(2, 3),
        is_network=True,
        choice=Choice(
            complexity="A U-Net with an attention gate a level.",
            published="2 to 3 points of Dice over U-Net on abdominal CT in its paper.",
            community="In MONAI; common in medical papers.",
        ),
        restore=restore,
    ),
)

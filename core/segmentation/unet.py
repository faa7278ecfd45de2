"""U-Net: encoder, decoder, and skip connections between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from core.contracts.forecast import Artifact
from core.contracts.segmenter import Choice, SegmenterSpec
from core.segmentation._options import one_of, with_defaults

if TYPE_CHECKING:
    from core.segmentation._network_segmenter import NetworkSegmenter


DEFAULTS: dict[str, Any] = {"width": 16, "norm": "batch", "skips": True, "attention": "none", "dropout": 0.0}


def make(options: Mapping[str, Any]) -> NetworkSegmenter:
    """A fresh one."""
    from core.segmentation._network_segmenter import NetworkSegmenter
    from core.segmentation._networks_unet import build_unet

    chosen = with_defaults("unet", options, DEFAULTS)
    one_of("unet", "norm", chosen["norm"], ("batch", "instance", "group", "none"))
    one_of("unet", "attention", chosen["attention"], ("none", "gates", "scse"))
    return NetworkSegmenter("unet", build_unet, chosen)


def restore(artifact: Artifact) -> NetworkSegmenter:
    """The one that was exported."""
    from core.segmentation._network_segmenter import restore_network
    from core.segmentation._networks_unet import build_unet

    return restore_network("unet", build_unet, artifact)


PLUGINS = (
    SegmenterSpec(
        name="unet",
        label="U-Net",
        family="network",
        make=make,
        description="Encoder and decoder of five levels joined by skip connections (MONAI).",
        reference="Ronneberger et al., MICCAI 2015, 10.1007/978-3-319-24574-4_28",
        dims=(2, 3),
        is_network=True,
        choice=Choice(
            complexity="Five levels of two convolutions; 2 M weights at width 16.",
            published="ISIC 2018 Dice 0.848, ISIC 2017 Dice 0.825 (PMC9849244, PMC10407008).",
            community="The reference of the field; in every segmentation library.",
        ),
        restore=restore,
    ),
)

"""A U-Net that configures itself from the data, after nnU-Net."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from core.contracts.forecast import Artifact
from core.contracts.segmenter import Choice, SegmenterSpec
from core.segmentation._options import with_defaults

if TYPE_CHECKING:
    from core.segmentation._network_segmenter import NetworkSegmenter


DEFAULTS: dict[str, Any] = {"width": 16, "most": 256}


def make(options: Mapping[str, Any]) -> NetworkSegmenter:
    """A fresh one."""
    from core.segmentation._network_segmenter import NetworkSegmenter
    from core.segmentation._networks_unet import build_dynunet

    return NetworkSegmenter("dynunet", build_dynunet, with_defaults("dynunet", options, DEFAULTS))


def restore(artifact: Artifact) -> NetworkSegmenter:
    """The one that was exported."""
    from core.segmentation._network_segmenter import restore_network
    from core.segmentation._networks_unet import build_dynunet

    return restore_network("dynunet", build_dynunet, artifact)


PLUGINS = (
    SegmenterSpec(
        name="dynunet",
        label="Self-configuring U-Net (nnU-Net style)",
        family="anchor",
        make=make,
        description="MONAI's DynUNet: levels and strides follow from the grid of the data, with a loss on lower levels too.",
        reference="Isensee et al., Nat Methods 2021, 10.1038/s41592-020-01008-z",
        dims=(2, 3),
        is_network=True,
        choice=Choice(
            complexity="Strided U-Net; depth follows from the grid.",
            published="nnU-Net: BraTS21 91.24, KiTS23 86.04 mean Dice (nnU-Net documentation).",
            community="nnU-Net is the field's strongest default.",
        ),
        restore=restore,
    ),
)

"""Transformers: SegFormer and Swin UNETR."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from core.contracts.forecast import Artifact
from core.contracts.segmenter import Choice, SegmenterSpec
from core.segmentation._options import with_defaults

if TYPE_CHECKING:
    from core.segmentation._network_segmenter import NetworkSegmenter


DEFAULTS_SEGFORMER: dict[str, Any] = {"backbone": "mit_b0", "width": 128, "pretrained": False}


def make_segformer(options: Mapping[str, Any]) -> NetworkSegmenter:
    """A fresh one."""
    from core.segmentation._network_segmenter import NetworkSegmenter
    from core.segmentation._networks_encoder import build_segformer

    return NetworkSegmenter("segformer", build_segformer, with_defaults("segformer", options, DEFAULTS_SEGFORMER))


def restore_segformer(artifact: Artifact) -> NetworkSegmenter:
    """The one that was exported."""
    from core.segmentation._network_segmenter import restore_network
    from core.segmentation._networks_encoder import build_segformer

    return restore_network("segformer", build_segformer, artifact)


DEFAULTS_SWIN_UNETR: dict[str, Any] = {"width": 12}


def make_swin_unetr(options: Mapping[str, Any]) -> NetworkSegmenter:
    """A fresh one."""
    from core.segmentation._network_segmenter import NetworkSegmenter
    from core.segmentation._networks_encoder import build_swin_unetr

    return NetworkSegmenter("swin_unetr", build_swin_unetr, with_defaults("swin_unetr", options, DEFAULTS_SWIN_UNETR))


def restore_swin_unetr(artifact: Artifact) -> NetworkSegmenter:
    """The one that was exported."""
    from core.segmentation._network_segmenter import restore_network
    from core.segmentation._networks_encoder import build_swin_unetr

    return restore_network("swin_unetr", build_swin_unetr, artifact)


PLUGINS = (
    SegmenterSpec(
        name="segformer",
        label="SegFormer",
        family="anchor",
        make=make_segformer,
        description="A hierarchical transformer with a light decoder (segmentation-models-pytorch, MiT-B0).",
        reference="Xie et al., NeurIPS 2021, arXiv:2105.15203",
        dims=(2,),
        is_network=True,
        choice=Choice(
            complexity="Transformer of 3.7 M weights.",
            published="Strong on natural pictures; made for pretraining.",
            community="In segmentation-models-pytorch and Hugging Face.",
        ),
        restore=restore_segformer,
    ),
    SegmenterSpec(
        name="swin_unetr",
        label="Swin UNETR",
        family="anchor",
        make=make_swin_unetr,
        description="A windowed transformer encoder with a convolutional decoder (MONAI).",
        reference="Hatamizadeh et al., 2022, arXiv:2201.01266",
        dims=(2, 3),
        is_network=True,
        choice=Choice(
            complexity="Transformer encoder and U-Net decoder.",
            published="BraTS21 90.68, KiTS23 81.27 mean Dice (nnU-Net documentation).",
            community="In MONAI.",
        ),
        restore=restore_swin_unetr,
    ),
)

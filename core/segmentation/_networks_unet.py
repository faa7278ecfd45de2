"""U-Nets on MONAI's parts: with or without skip connections, attention gates, squeeze and excitation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from monai.networks.nets import AttentionUnet, BasicUNet, DynUNet
from monai.networks.nets.attentionunet import AttentionBlock
from torch import nn

from core.segmentation._networks import NORMS, AnySize, NetworkFacts, any_size, convolution
from core.training.losses import Criterion


class PlainUnet(BasicUNet):
    """MONAI's U-Net of five levels, whose skip connections can be cut or gated.

    Args:
        skips: whether the decoder sees the encoder's pictures; without, it sees zeros in their place, so that the number of
            weights stays the same.
        attention: ``gates``: each skip is weighted by what the decoder asks for (Oktay et al. 2018); ``scse``: each decoder level
            is weighted by channel and place (Roy et al. 2018); ``none``.
    """

    def __init__(self, facts: NetworkFacts, width: int, norm: str, skips: bool, attention: str, dropout: float) -> None:
        wide = [width * 2**level for level in range(5)]
        super().__init__(
            spatial_dims=facts.dims,
            in_channels=facts.channels,
            out_channels=facts.regions,
            features=(*wide, width),
            norm=NORMS[norm],
            bias=norm == "none",
            dropout=dropout,
        )
        self.skips = skips
        up = [wide[3], wide[2], wide[1], wide[1]]
        skip = [wide[3], wide[2], wide[1], wide[0]]
        self.gates = nn.ModuleList(
            AttentionBlock(facts.dims, max(low // 2, 1), high, low) for high, low in zip(up, skip) if attention == "gates"
        )
        self.squeezes = nn.ModuleList(_squeeze(out) for out in (*skip[:3], width) if attention == "scse")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (n, regions, *grid); edges divisible by 16."""
        x0 = self.conv_0(x)
        x1 = self.down_1(x0)
        x2 = self.down_2(x1)
        x3 = self.down_3(x2)
        up = self.down_4(x3)
        levels = ((self.upcat_4, x3), (self.upcat_3, x2), (self.upcat_2, x1), (self.upcat_1, x0))
        for place, (level, skip) in enumerate(levels):
            up = self._level(place, level, up, skip)
        logits: torch.Tensor = self.final_conv(up)
        return logits

    def _level(self, place: int, level: Any, up: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        grown = level.upsample(up)
        if not self.skips:
            skip = torch.zeros_like(skip)
        elif self.gates:
            skip = self.gates[place](g=grown, x=skip)
        out: torch.Tensor = level.convs(torch.cat([skip, grown], dim=1))
        return self.squeezes[place](out) if self.squeezes else out


def _squeeze(channels: int) -> nn.Module:
    from segmentation_models_pytorch.base.modules import SCSEModule

    return SCSEModule(channels, reduction=min(8, channels))


def build_unet(facts: NetworkFacts, options: Mapping[str, Any]) -> AnySize:
    """U-Net of ``width`` to 16 x ``width`` channels."""
    inner = PlainUnet(facts, options["width"], options["norm"], options["skips"], options["attention"], float(options["dropout"]))
    return any_size(inner, 16, facts, "final_conv")


def build_attention_unet(facts: NetworkFacts, options: Mapping[str, Any]) -> AnySize:
    """MONAI's Attention U-Net."""
    channels = [options["width"] * 2**level for level in range(5)]
    inner = AttentionUnet(facts.dims, facts.channels, facts.regions, channels, (2, 2, 2, 2), dropout=float(options["dropout"]))
    return any_size(inner, 16, facts, "model.2.conv")


class SelfConfigured(nn.Module):
    """MONAI's DynUNet with a plan derived from the data, and a loss on its lower levels too (deep supervision)."""

    def __init__(self, facts: NetworkFacts, width: int, most: int) -> None:
        super().__init__()
        self.plan = plan_of(facts)
        self.depth = len(self.plan) - 1
        filters = [min(width * 2**level, most) for level in range(len(self.plan))]
        self.net = DynUNet(
            spatial_dims=facts.dims,
            in_channels=facts.channels,
            out_channels=facts.regions,
            kernel_size=[(3,) * facts.dims] * len(self.plan),
            strides=self.plan,
            upsample_kernel_size=self.plan[1:],
            filters=filters,
            norm_name=("instance", {"affine": True}),
            deep_supervision=True,
            deep_supr_num=max(1, min(2, self.depth - 1)),
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits of the finest level; in training (n, heads, regions, *grid), the finest first."""
        logits: torch.Tensor = self.net(image)
        return logits


class DeeplySupervised(AnySize):
    """``SelfConfigured`` for inputs of any size, with its own loss."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits (n, regions, *grid) of the finest level, in training too."""
        logits = super().forward(image)
        return logits[:, 0] if self.training else logits

    def training_loss(self, image: torch.Tensor, mask: torch.Tensor, criterion: Criterion) -> torch.Tensor:
        """Mean over levels, each with half the weight of the finer one (nnU-Net)."""
        heads = super().forward(image).unbind(dim=1)
        weights = [0.5**level for level in range(len(heads))]
        loss = sum((weight * criterion(head, mask) for weight, head in zip(weights, heads)), torch.zeros((), device=image.device))
        return loss / sum(weights)


def plan_of(facts: NetworkFacts) -> list[tuple[int, ...]]:
    """Strides of each level by nnU-Net's rule: an axis is halved while it stays at 4 pixels or more, at most five times.

    Reference: Isensee et al., Nat Methods 2021, 10.1038/s41592-020-01008-z.
    """
    edges = list(facts.shape)
    plan: list[tuple[int, ...]] = [(1,) * facts.dims]
    while len(plan) < 6 and max(edges) >= 8:
        stride = tuple(2 if edge >= 8 else 1 for edge in edges)
        edges = [edge // step for edge, step in zip(edges, stride)]
        plan.append(stride)
    return plan


def build_dynunet(facts: NetworkFacts, options: Mapping[str, Any]) -> AnySize:
    """The self-configured U-Net of at most ``most`` channels."""
    inner = SelfConfigured(facts, options["width"], options["most"])
    heads = [name for name, part in inner.named_modules() if isinstance(part, convolution(facts.dims)) and _answers(name)]
    return DeeplySupervised(inner, 2**inner.depth, heads, patch_shape=facts.shape if facts.dims == 3 else None)


def _answers(name: str) -> bool:
    """Whether a convolution of MONAI's DynUNet gives logits: that of the finest level, or of a lower one."""
    return "output_block" in name or "deep_supervision_heads" in name

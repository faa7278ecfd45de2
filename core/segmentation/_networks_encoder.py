"""Networks of an encoder and a light decoder: plain CNN, FCN, SegNet, DeepLabV3+, SegFormer, Swin UNETR."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from core.segmentation._networks import AnySize, NetworkFacts, any_size, conv_block, convolution, fetched


def grown(picture: torch.Tensor, grid: torch.Size) -> torch.Tensor:
    """The picture on a finer grid, linearly."""
    mode = "bilinear" if picture.ndim == 4 else "trilinear"
    return F.interpolate(picture, size=tuple(grid), mode=mode, align_corners=False)


class CoarseCnn(nn.Module):
    """A plain encoder whose answer on an eighth of the grid is enlarged: the coarse baseline."""

    def __init__(self, facts: NetworkFacts, width: int) -> None:
        super().__init__()
        wide = [width, 2 * width, 4 * width, 8 * width]
        blocks, before = [], facts.channels
        for level, channels in enumerate(wide):
            blocks += [conv_block(facts.dims, before, channels, stride=2 if level else 1)]
            blocks += [conv_block(facts.dims, channels, channels)]
            before = channels
        self.encoder = nn.Sequential(*blocks)
        self.head = convolution(facts.dims)(before, facts.regions, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits (n, regions, *grid)."""
        return grown(self.head(self.encoder(image)), image.shape[2:])


class SegNet(nn.Module):
    """Encoder and decoder without skip connections; pooling keeps where each maximum was, unpooling puts it back there.

    Reference: Badrinarayanan et al., IEEE TPAMI 2017, 10.1109/TPAMI.2016.2644615.
    """

    def __init__(self, facts: NetworkFacts, width: int, depth: int) -> None:
        super().__init__()
        wide = [width * 2 ** min(level, 3) for level in range(depth)]
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        before = facts.channels
        for level, channels in enumerate(wide):
            after = wide[level - 1] if level else width
            self.down.append(nn.Sequential(conv_block(facts.dims, before, channels), conv_block(facts.dims, channels, channels)))
            self.up.insert(0, nn.Sequential(conv_block(facts.dims, channels, channels), conv_block(facts.dims, channels, after)))
            before = channels
        pooling, unpooling = (nn.MaxPool2d, nn.MaxUnpool2d) if facts.dims == 2 else (nn.MaxPool3d, nn.MaxUnpool3d)
        self.pool, self.unpool = pooling(2, return_indices=True), unpooling(2)
        self.head = convolution(facts.dims)(width, facts.regions, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits (n, regions, *grid); edges divisible by 2 to the depth."""
        places = []
        for block in self.down:
            image, where = self.pool(block(image))
            places.append(where)
        for block in self.up:
            image = block(self.unpool(image.contiguous(), places.pop().contiguous()))
        logits: torch.Tensor = self.head(image)
        return logits


class Fcn(nn.Module):
    """Torchvision's FCN head on three levels of a ResNet, their answers added from coarse to fine (FCN-8s).

    Reference: Long et al., CVPR 2015, 10.1109/CVPR.2015.7298965.
    """

    def __init__(self, facts: NetworkFacts, backbone: str, pretrained: bool) -> None:
        super().__init__()
        import timm
        from torchvision.models.segmentation.fcn import FCNHead

        self.encoder = timm.create_model(
            backbone, pretrained=pretrained, features_only=True, in_chans=facts.channels, out_indices=(2, 3, 4)
        )
        self.heads = nn.ModuleList(FCNHead(channels, facts.regions) for channels in self.encoder.feature_info.channels())

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits (n, regions, height, width)."""
        answers = [head(level) for head, level in zip(self.heads, self.encoder(image))]
        answer = answers[-1]
        for finer in reversed(answers[:-1]):
            answer = finer + grown(answer, finer.shape[2:])
        return grown(answer, image.shape[2:])


def build_cnn(facts: NetworkFacts, options: Mapping[str, Any]) -> AnySize:
    """The coarse baseline."""
    return any_size(CoarseCnn(facts, options["width"]), 8, facts, "head")


def build_segnet(facts: NetworkFacts, options: Mapping[str, Any]) -> AnySize:
    """SegNet of ``depth`` levels."""
    return any_size(SegNet(facts, options["width"], options["depth"]), 2 ** options["depth"], facts, "head")


def build_fcn(facts: NetworkFacts, options: Mapping[str, Any]) -> AnySize:
    """FCN-8s on a timm ResNet."""
    backbone, pretrained = options["backbone"], options["pretrained"]
    inner = fetched(backbone, pretrained, lambda: Fcn(facts, backbone, pretrained))
    # The answers of the three heads are added: the coarsest, alone, starts at the prevalence.
    return any_size(inner, 32, facts, f"heads.2.{len(inner.get_submodule('heads.2')) - 1}")


def build_deeplab(facts: NetworkFacts, options: Mapping[str, Any]) -> AnySize:
    """segmentation-models-pytorch's DeepLabV3+."""
    import segmentation_models_pytorch as smp

    def inner() -> nn.Module:
        network: nn.Module = smp.DeepLabV3Plus(
            options["backbone"],
            encoder_weights="imagenet" if options["pretrained"] else None,
            in_channels=facts.channels,
            classes=facts.regions,
            decoder_channels=options["width"],
            encoder_output_stride=16,
        )
        return network

    return any_size(fetched(options["backbone"], options["pretrained"], inner), 16, facts, "segmentation_head.0")


def build_segformer(facts: NetworkFacts, options: Mapping[str, Any]) -> AnySize:
    """segmentation-models-pytorch's SegFormer."""
    import segmentation_models_pytorch as smp

    def inner() -> nn.Module:
        network: nn.Module = smp.Segformer(
            options["backbone"],
            encoder_weights="imagenet" if options["pretrained"] else None,
            in_channels=facts.channels,
            classes=facts.regions,
            decoder_segmentation_channels=options["width"],
        )
        return network

    return any_size(fetched(options["backbone"], options["pretrained"], inner), 32, facts, "segmentation_head.0")


def build_swin_unetr(facts: NetworkFacts, options: Mapping[str, Any]) -> AnySize:
    """MONAI's Swin UNETR."""
    from monai.networks.nets import SwinUNETR

    inner = SwinUNETR(facts.channels, facts.regions, feature_size=options["width"], spatial_dims=facts.dims)
    # Its lowest level halves the grid five times and normalises over what is left, which must be more than one place.
    return any_size(inner, 32, facts, "out.conv.conv", least=64)

"""Mask R-CNN: finds instances, outlines each, and merges them into one mask a region.

Torchvision's detector on a small ResNet with group normalisation and small anchors; its own preprocessing is switched off.

Reference: He et al., ICCV 2017, 10.1109/ICCV.2017.322.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign

from core.segmentation._networks import NetworkFacts
from core.training.losses import Criterion

LEVELS = ("0", "1", "2", "3")
SMALLEST_EDGE = 2
KEPT_SCORE = 0.3
"""An instance counts from this score; the best one of a picture counts in any case where training pictures always held one."""
FEW_EMPTY = 0.05
"""Largest share of empty training pictures (after augmentation) that still counts as always."""
EDGE = 1e-4


def _norm(channels: int, **where: Any) -> nn.GroupNorm:
    return nn.GroupNorm(8, channels, **where)


class Pyramid(nn.Module):
    """Four levels of a small ResNet, brought to one number of channels."""

    def __init__(self, channels: int, backbone: str, width: int) -> None:
        super().__init__()
        import timm

        self.out_channels = width
        self.encoder = timm.create_model(
            backbone, pretrained=False, features_only=True, in_chans=channels, out_indices=(1, 2, 3, 4), norm_layer=_norm
        )
        self.pyramid = FeaturePyramidNetwork(self.encoder.feature_info.channels(), width)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Pictures of one width by level."""
        levels: dict[str, torch.Tensor] = self.pyramid(OrderedDict(zip(LEVELS, self.encoder(image))))
        return levels


class InstanceNetwork(nn.Module):
    """Mask R-CNN with the promises of a segmenting network."""

    def __init__(self, facts: NetworkFacts, backbone: str, width: int) -> None:
        super().__init__()
        self.regions = facts.regions
        edge = max(facts.shape)
        self.detector = MaskRCNN(
            Pyramid(facts.channels, backbone, width),
            min_size=edge,
            max_size=edge,
            image_mean=[0.0] * facts.channels,
            image_std=[1.0] * facts.channels,
            rpn_anchor_generator=AnchorGenerator(((8,), (16,), (32,), (64,)), ((0.5, 1.0, 2.0),) * 4),
            rpn_pre_nms_top_n_train=400,
            rpn_pre_nms_top_n_test=200,
            rpn_post_nms_top_n_train=100,
            rpn_post_nms_top_n_test=50,
            box_roi_pool=MultiScaleRoIAlign(LEVELS, 7, 2),
            box_head=TwoMLPHead(width * 49, 128),
            box_predictor=FastRCNNPredictor(128, facts.regions + 1),
            box_batch_size_per_image=32,
            box_detections_per_img=10,
            box_score_thresh=0.05,
            mask_roi_pool=MultiScaleRoIAlign(LEVELS, 14, 2),
            mask_head=MaskRCNNHeads(width, (width, width), 1),
            mask_predictor=MaskRCNNPredictor(width, width, facts.regions + 1),
        )
        self.detector.transform.fixed_size = None
        self.register_buffer("seen", torch.zeros(2))

    def training_loss(self, image: torch.Tensor, mask: torch.Tensor, criterion: Criterion) -> torch.Tensor:
        """Sum of the detector's own losses; each connected part of a region is an instance."""
        with torch.autocast(image.device.type, enabled=False):
            self.detector.train()
            self.seen += torch.tensor([len(mask), int((~mask.flatten(1).any(dim=1)).sum())]).to(self.seen)
            losses = self.detector(list(image.float().contiguous()), [_instances(one) for one in mask])
        total: torch.Tensor = torch.stack(list(losses.values())).sum()
        return total

    @property
    def always(self) -> bool:
        """Whether every picture is taken to hold an object, as those of the training did."""
        pictures, empty = self.seen.tolist()
        return bool(empty <= FEW_EMPTY * pictures)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits (n, regions, height, width): each pixel's best chance over the instances found."""
        answers = []
        for found in self.detect(image):
            chance = torch.full((self.regions, *image.shape[2:]), EDGE, device=image.device)
            for place in counted(found["scores"], self.always):
                region = int(found["labels"][place]) - 1
                chance[region] = torch.maximum(chance[region], found["masks"][place, 0])
            answers.append(chance.clamp(EDGE, 1 - EDGE).logit())
        return torch.stack(answers)

    def detect(self, image: torch.Tensor) -> list[dict[str, torch.Tensor]]:
        """For each picture boxes, labels, scores and masks, best first."""
        with torch.autocast(image.device.type, enabled=False):
            self.detector.eval()
            found: list[dict[str, torch.Tensor]] = self.detector(list(image.float().contiguous()))
        return found

    def instances(self, image: torch.Tensor) -> list[NDArray[np.int32]]:
        """For each picture (height, width): 0 for background, 1, 2, … for the objects that count, best first."""
        return [_numbered(found, tuple(image.shape[2:]), self.always) for found in self.detect(image)]


def _numbered(found: dict[str, torch.Tensor], grid: tuple[int, ...], always: bool) -> NDArray[np.int32]:
    numbers = np.zeros(grid, dtype=np.int32)
    for number, place in reversed(list(enumerate(counted(found["scores"], always), start=1))):
        numbers[found["masks"][place, 0].cpu().numpy() >= 0.5] = number
    return numbers


def counted(scores: torch.Tensor, always: bool) -> list[int]:
    """Places of the instances that count, best first; ``always``: the best one does, however unsure."""
    return [place for place, score in enumerate(scores.tolist()) if score >= KEPT_SCORE or (always and place == 0)]


def _instances(mask: torch.Tensor) -> dict[str, torch.Tensor]:
    """Boxes, labels and masks of the connected parts of each region of one picture."""
    boxes, labels, parts = [], [], []
    for region, drawn in enumerate(mask.detach().cpu().numpy() > 0.5):
        joined, count = ndimage.label(drawn)
        for number, span in enumerate(ndimage.find_objects(joined, count), start=1):
            high, wide = (part.stop - part.start for part in span)
            if min(high, wide) >= SMALLEST_EDGE:
                boxes.append([span[1].start, span[0].start, span[1].stop, span[0].stop])
                labels.append(region + 1)
                parts.append(joined == number)
    grid = tuple(mask.shape[1:])
    stacked = np.stack(parts) if parts else np.zeros((0, *grid), dtype=bool)
    return {
        "boxes": torch.tensor(boxes, dtype=torch.float32, device=mask.device).reshape(-1, 4),
        "labels": torch.tensor(labels, dtype=torch.int64, device=mask.device),
        "masks": torch.from_numpy(stacked.astype(np.uint8)).to(mask.device),
    }


def build_mask_rcnn(facts: NetworkFacts, options: Mapping[str, Any]) -> InstanceNetwork:
    """Mask R-CNN on a timm ResNet."""
    return InstanceNetwork(facts, options["backbone"], options["width"])

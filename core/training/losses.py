"""Losses of masks. Regions may overlap, so each is a yes-or-no question of its own: (logits, mask), both (n, regions, *grid)."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

Criterion = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

MISSED_WEIGHT = 0.7
"""Tversky: weight of missed pixels; of wrongly taken ones the rest (Salehi et al. 2017)."""
FOCUS = 2.0


def criterion_of(name: str) -> Criterion:
    """The loss of that name: a mean over pixels (``cross_entropy``, ``focal``), or one minus an overlap of the whole batch.

    Args:
        name: ``cross_entropy``, ``dice`` (Milletari et al. 2016, 10.1109/3DV.2016.79), ``jaccard``, ``dice_ce`` (their sum),
            ``focal`` (Lin et al. 2017, 10.1109/ICCV.2017.324), ``tversky`` (Salehi et al. 2017, 10.1007/978-3-319-67389-9_44).
    """
    if name == "dice_ce":
        dice = _overlap("dice")
        return lambda logits, mask: dice(logits, mask) + _cross_entropy(logits, mask)
    return _cross_entropy if name == "cross_entropy" else _overlap(name)


def _cross_entropy(logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return F.binary_cross_entropy_with_logits(logits, mask)


def _overlap(name: str) -> Criterion:
    from segmentation_models_pytorch import losses

    made: dict[str, Callable[[], torch.nn.Module]] = {
        "dice": lambda: losses.DiceLoss("multilabel", smooth=1.0),
        "jaccard": lambda: losses.JaccardLoss("multilabel", smooth=1.0),
        "tversky": lambda: losses.TverskyLoss("multilabel", smooth=1.0, alpha=1 - MISSED_WEIGHT, beta=MISSED_WEIGHT),
        "focal": lambda: losses.FocalLoss("multilabel", gamma=FOCUS),
    }
    loss = made[name]()
    return lambda logits, mask: loss(logits, mask)

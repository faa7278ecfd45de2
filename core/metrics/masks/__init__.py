"""One file per family of mask metric."""

from core.contracts.mask_metric import MaskMetricSpec
from core.registry import Registry

MASK_METRICS: Registry[MaskMetricSpec] = Registry("mask metric", "core.metrics.masks", "opsight.mask_metrics")

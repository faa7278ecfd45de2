"""One file per family of segmenter."""

from core.contracts.segmenter import SegmenterSpec
from core.registry import Registry

SEGMENTERS: Registry[SegmenterSpec] = Registry("segmenter", "core.segmentation", "opsight.segmenters")

"""What others report, as plain data with sources: shown beside our numbers, never ranked with them."""

from __future__ import annotations

from dataclasses import dataclass

METHODS = ("unet", "segnet", "mask_rcnn", "fcn", "cnn")
DATASETS = ("BraTS", "ISIC", "LUNA")
SOURCE = "the source study's own table; no data, splits or intervals stated"

_TABLE: dict[str, dict[str, tuple[float, ...]]] = {
    "dice": {
        "BraTS": (0.85, 0.82, 0.80, 0.78, 0.75), "ISIC": (0.88, 0.84, 0.83, 0.81, 0.78), "LUNA": (0.87, 0.85, 0.82, 0.80, 0.76),
    },
    "jaccard": {
        "BraTS": (0.75, 0.72, 0.70, 0.68, 0.65), "ISIC": (0.78, 0.74, 0.73, 0.71, 0.68), "LUNA": (0.77, 0.75, 0.72, 0.70, 0.66),
    },
    "accuracy": {
        "BraTS": (0.92, 0.90, 0.89, 0.88, 0.87), "ISIC": (0.93, 0.91, 0.90, 0.89, 0.88), "LUNA": (0.92, 0.91, 0.90, 0.89, 0.87),
    },
    "sensitivity": {
        "BraTS": (0.88, 0.85, 0.83, 0.81, 0.78), "ISIC": (0.90, 0.87, 0.86, 0.84, 0.82), "LUNA": (0.89, 0.87, 0.85, 0.83, 0.80),
    },
    "specificity": {
        "BraTS": (0.90, 0.88, 0.87, 0.85, 0.84), "ISIC": (0.91, 0.89, 0.88, 0.86, 0.85), "LUNA": (0.91, 0.89, 0.88, 0.86, 0.84),
    },
}  # fmt: skip
"""Each list: U-Net, SegNet, Mask R-CNN, FCN, CNN."""


@dataclass(frozen=True)
class Reported:
    """One number of the source study.

    Args:
        dataset: as the study calls it; ours: the data set here that is nearest to it; model: slug; metric: slug.
    """

    dataset: str
    ours: str
    model: str
    metric: str
    value: float
    source: str = SOURCE


@dataclass(frozen=True)
class BestPublished:
    """The best published number found for a data set, and a reference line beside it."""

    dataset: str
    ours: str
    who: str
    metric: str
    value: float
    beside: str
    source: str


NEAREST = {"BraTS": "lgg", "ISIC": "isic", "LUNA": "lidc"}
"""The data set here that is nearest to each of the study's: TCGA-LGG is not BraTS, LIDC crops are not LUNA16."""


def reported() -> tuple[Reported, ...]:
    """All 75 numbers of the source study's table."""
    return tuple(
        Reported(dataset, NEAREST[dataset], model, metric, value)
        for metric, by_dataset in _TABLE.items()
        for dataset, values in by_dataset.items()
        for model, value in zip(METHODS, values, strict=True)
    )


BEST_PUBLISHED: tuple[BestPublished, ...] = (
    BestPublished("BraTS 2021", "lgg", "MedNeXt-L k5, 5-fold mean Dice, n=1251", "dice", 0.9150,
                  "human raters 0.74 to 0.85 by region; nnU-Net 0.9124", "nnU-Net documentation; 10.1109/TMI.2014.2377694"),
    BestPublished("ISIC 2018 task 1", "isic", "literature, own splits", "dice", 0.915,
                  "U-Net 0.848, DeepLabV3 0.894", "PMC9849244; 1902.03368"),
    BestPublished("ISIC 2018 task 1", "isic", "literature, own splits", "jaccard", 0.853,
                  "the official test: best methods fail (Jaccard under 0.65) on over 10 % of pictures", "PMC9849244; 1902.03368"),
    BestPublished("LUNA16 / LIDC nodules", "lidc", "U-Det", "dice", 0.828,
                  "inter-observer Jaccard 0.59", "arXiv:2003.09293; iW-Net 2018"),
    BestPublished("KiTS23", "phantom", "nnU-Net ResEnc-XL, 5-fold, n=489", "dice", 0.8867,
                  "nnU-Net 0.8604", "nnU-Net documentation"),
)  # fmt: skip
"""From the design's reading of the literature; splits and data differ from ours."""


def reported_for(dataset: str) -> tuple[Reported, ...]:
    """The source study's numbers on the data set nearest to ours."""
    return tuple(item for item in reported() if item.ours == dataset)


def best_published_for(dataset: str) -> tuple[BestPublished, ...]:
    """Best published numbers on the data set nearest to ours."""
    return tuple(item for item in BEST_PUBLISHED if item.ours == dataset)

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
CALLED = {"brats": "BraTS", "lgg": "BraTS", "isic": "ISIC", "luna": "LUNA", "lidc": "LUNA"}
"""The study's name for the data set nearest to each of ours."""


def reported() -> tuple[Reported, ...]:
    """All 75 numbers of the source study's table."""
    return tuple(
        Reported(dataset, NEAREST[dataset], model, metric, value)
        for metric, by_dataset in _TABLE.items()
        for dataset, values in by_dataset.items()
        for model, value in zip(METHODS, values, strict=True)
    )


BEST_PUBLISHED: tuple[BestPublished, ...] = (
    BestPublished("TCGA-LGG", "lgg", "U-Net of the data set's authors, 22-fold, 110 patients", "dice", 0.82,
                  "median 0.85; two human readers 0.84 (their page)", "10.1016/j.compbiomed.2019.05.002; arXiv:1906.03720"),
    BestPublished("BraTS 2021", "brats", "MedNeXt-L k5, 5-fold mean, 1,251 patients", "dice", 0.9150,
                  "nnU-Net 0.9124; human raters 0.74 to 0.85 by region", "nnU-Net documentation; 10.1109/TMI.2014.2377694"),
    BestPublished("ISIC 2018 task 1", "isic", "literature, own splits", "dice", 0.915,
                  "U-Net 0.848, DeepLabV3 0.894", "PMC9849244"),
    BestPublished("ISIC 2018 task 1", "isic", "literature, own splits", "jaccard", 0.853,
                  "U-Net 0.769, DeepLabV3 0.825; in the official test the best methods fail (Jaccard under 0.65) on over 10 %",
                  "PMC9849244; arXiv:1902.03368"),
    BestPublished("LIDC nodules", "lidc", "U-Det", "dice", 0.828, "inter-observer Jaccard 0.59; iW-Net Jaccard 0.55",
                  "arXiv:2003.09293; iW-Net 2018"),
)  # fmt: skip
"""From the design's reading of the literature; splits, resolution and cases differ from ours."""


@dataclass(frozen=True)
class Claim:
    """What the source study says a part of a method adds, in points of Dice."""

    part: str
    label: str
    low: float
    high: float
    source: str = SOURCE


CLAIMS: tuple[Claim, ...] = (
    Claim("skips", "Skip connections", 5, 10),
    Claim("attention", "Attention", 2, 5),
    Claim("augmentation", "Augmentation", 3, 7),
    Claim("normalisation", "Normalisation", 2, 4),
    Claim("loss", "A Dice-type loss", 3, 6),
)


def reported_for(dataset: str) -> tuple[Reported, ...]:
    """The source study's numbers on the data set nearest to ours; none where there is no such."""
    return tuple(item for item in reported() if item.dataset == CALLED.get(dataset))


def best_published_for(dataset: str) -> tuple[BestPublished, ...]:
    """Best published numbers on the data set nearest to ours: of TCGA-LGG also those of BraTS, of LUNA16 those of LIDC."""
    near = {"lgg": ("lgg", "brats"), "luna": ("lidc",)}.get(dataset, (dataset,))
    return tuple(item for item in BEST_PUBLISHED if item.ours in near)

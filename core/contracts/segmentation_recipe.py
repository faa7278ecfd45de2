"""A segmentation study, written down before it is run."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from core.contracts.recipe import DatasetPart, Part, StudyRecipe

Loss = Literal["cross_entropy", "dice", "jaccard", "dice_ce", "focal", "tversky"]
Optimiser = Literal["adamw", "adam", "sgd", "rmsprop"]
Schedule = Literal["cosine", "poly", "step", "constant"]
Semi = Literal["none", "pseudo_labels", "mean_teacher"]
Refinement = Literal["largest_component", "fill_holes", "remove_small", "crf", "watershed"]
Adaptation = Literal["none", "histogram", "intensity", "test_time_norm"]


class PreparationPart(Part):
    """What segmenters are shown.

    ``items``: whole pictures (``whole``), slices of volumes (``slices``) or patches of volumes (``patches``). ``shape``: grid
    of an item after resizing; for patches the patch. ``spacing_mm``: volumes are resampled to it first (0: left as they are).
    ``crop``: ``foreground`` cuts away an empty border. ``window_hu``: used by ``normalise: window``.
    """

    items: Literal["whole", "slices", "patches"] = "whole"
    shape: tuple[int, ...] = (128, 128)
    spacing_mm: float = Field(0.0, ge=0, le=20)
    normalise: Literal["minmax", "zscore", "percentile", "window"] = "percentile"
    window_hu: tuple[float, float] = (-160.0, 240.0)
    denoise: Literal["none", "gaussian", "median", "nlm", "anisotropic"] = "none"
    crop: Literal["none", "foreground"] = "none"


class AugmentationPart(Part):
    """Changes of a batch on the device; image and mask go through one transform.

    Shares are of the edge; ``elastic`` is the largest shift of a smooth deformation; ``intensity`` the largest change of
    contrast and brightness; ``noise`` the largest standard deviation of added noise, in units of a normalised image.
    """

    flip: bool = True
    turn_degrees: float = Field(20.0, ge=0, le=180)
    zoom: float = Field(0.2, ge=0, lt=1)
    shift: float = Field(0.1, ge=0, lt=1)
    elastic: float = Field(0.03, ge=0, lt=0.5)
    intensity: float = Field(0.2, ge=0, lt=1)
    noise: float = Field(0.05, ge=0, lt=1)
    chance: float = Field(0.8, ge=0, le=1)


class TrainingPart(Part):
    """How networks are trained; one budget for all of them.

    ``budget_minutes``: training time a network gets: processor time a thread on a CPU, so that a busy machine is no
    disadvantage, clock time on a GPU; the schedule runs over the budget or over ``max_epochs``, whichever ends first.
    ``validation_share``: share of the training PATIENTS set aside for early stopping; never the test fold.
    ``labels_share``: share of the training patients whose masks may be seen; ``semi`` says what is done with the others.
    ``foreground_share``: least share of a batch drawn from items (or patches) that hold a region.
    """

    budget_minutes: float = Field(20.0, gt=0)
    max_epochs: int = Field(200, ge=1, le=100_000)
    batch_size: int = Field(8, ge=2, le=4096)
    learning_rate: float = Field(1e-3, gt=0, lt=1)
    weight_decay: float = Field(1e-2, ge=0, lt=1)
    optimiser: Optimiser = "adamw"
    schedule: Schedule = "cosine"
    warmup_share: float = Field(0.03, ge=0, lt=1)
    loss: Loss = "dice_ce"
    clip_norm: float = Field(1.0, gt=0)
    patience: int = Field(1000, ge=1)
    validation_share: float = Field(0.1, ge=0, lt=1)
    foreground_share: float = Field(0.0, ge=0, le=1)
    labels_share: float = Field(1.0, gt=0, le=1)
    semi: Semi = "none"
    augment: bool = True
    augmentation: AugmentationPart = AugmentationPart()
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    compile: bool = False
    encoder_weights: str = ""


class SearchPart(Part):
    """Hyper-parameter search inside the training part: ``trials`` candidates, each with a share of the budget."""

    trials: int = Field(0, ge=0, le=1000)
    budget_share: float = Field(0.25, gt=0, le=1)


class SegmenterPart(Part):
    """One row of the study. ``row`` is its slug (default: ``name``); the other parts override the study's."""

    name: str
    row: str = ""
    label: str = ""
    options: dict[str, Any] = Field(default_factory=dict)
    preparation: dict[str, Any] = Field(default_factory=dict)
    training: dict[str, Any] = Field(default_factory=dict)
    refine: tuple[Refinement, ...] = ()
    adapt: Adaptation = "none"
    search: SearchPart = SearchPart()

    @property
    def slug(self) -> str:
        """Its row in every table."""
        return self.row or self.name


class AblationPart(Part):
    """One question: what does a part of the method add?

    ``baseline``: row with the part; ``arms``: rows without it, or with another. ``claimed``: range that the literature
    states for the part, in points of Dice (0 to 100), and ``source``: who states it.
    """

    name: str
    label: str
    baseline: str
    arms: tuple[str, ...] = Field(min_length=1)
    claimed: tuple[float, float] | None = None
    source: str = ""


class SegmentationEvaluationPart(Part):
    """What is computed from the masks. ``tolerance``: of the normalised surface Dice, in the data set's unit."""

    bootstrap: int = Field(1000, ge=50, le=100_000)
    tolerance: float = Field(2.0, gt=0)
    reference_model: str = "unet"
    corruptions: tuple[str, ...] = ("noise", "blur", "contrast", "ghosting", "low_dose")
    severities: int = Field(5, ge=1, le=5)
    corrupted_cases: int = Field(40, ge=0)


class SegmentationRecipe(StudyRecipe):
    """A segmentation study.

    ``run_folds``: how many of the ``folds`` are run (1: one split by patient). ``seeds``: repeats of every network with
    another seed, on the same folds.
    """

    kind: Literal["segmentation"]
    dataset: DatasetPart
    models: tuple[SegmenterPart, ...] = Field(min_length=1)
    preparation: PreparationPart = PreparationPart()
    training: TrainingPart = TrainingPart()
    folds: int = Field(5, ge=2, le=20)
    run_folds: int = Field(5, ge=1, le=20)
    seeds: int = Field(1, ge=1, le=20)
    checks: bool = True
    check_models: tuple[str, ...] = ()
    evaluation: SegmentationEvaluationPart = SegmentationEvaluationPart()
    ablations: tuple[AblationPart, ...] = ()

    @field_validator("models", mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        """``- unet`` is short for ``- {name: unet}``."""
        if isinstance(value, (list, tuple)):
            return [{"name": item} if isinstance(item, str) else item for item in value]
        return value

    @model_validator(mode="after")
    def _rows(self) -> SegmentationRecipe:
        slugs = [part.slug for part in self.models]
        twice = [slug for slug in slugs if slugs.count(slug) > 1]
        if twice:
            raise ValueError(f"two rows are called {twice[0]!r}; give one of them another 'row'")
        for ablation in self.ablations:
            for slug in (ablation.baseline, *ablation.arms):
                if slug not in slugs:
                    raise ValueError(f"ablation {ablation.name!r} names the row {slug!r}, which the study does not have")
        if self.run_folds > self.folds:
            raise ValueError(f"run_folds is {self.run_folds}, more than the {self.folds} folds")
        return self

"""A classical method as a segmenter: a rule whose settings are chosen on training masks.

A setting is plain data and holds everything that the rule needs (weights of the channels, thresholds, centres of clusters), so
that a fitted method is a setting and a clean-up a region.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.contracts.forecast import Artifact
from core.contracts.pictures import Pictures
from core.contracts.segmenter import FitReport, SegmentContext
from core.errors import RunError
from core.segmentation._cleaning import Cleaning, all_cleanings, clean, first_cleanings, overlaps
from core.segmentation._training_sample import Array, Mask, TrainingSample, draw_sample

Setting = Mapping[str, Any]
Settings = Callable[[TrainingSample, int, int], Sequence[Setting]]
"""Candidates for a region, from the sample, the region's number and a seed."""
Outline = Callable[[Array, Setting], Mask]
"""(*grid) from an image (channels, *grid)."""

FIRST_ITEMS, SECOND_ITEMS = 50, 150
SECOND_SETTINGS, LAST_SETTINGS = 12, 3


@dataclass(frozen=True)
class Candidate:
    """A setting with a clean-up."""

    setting: Setting
    cleaning: Cleaning


class RuleSegmenter:
    """Chooses a setting and a clean-up for every region by mean Dice over training cases, and outlines with them.

    Args:
        name: slug of its spec; settings: candidates; outline: the rule.
    """

    def __init__(self, name: str, settings: Settings, outline: Outline) -> None:
        self.name, self.settings, self.outline = name, settings, outline
        self.chosen: tuple[Candidate | None, ...] = ()

    def fit(self, train: Pictures, context: SegmentContext) -> FitReport:
        """Tunes on a sample of the labelled items; a region that nobody drew stays empty."""
        started = time.process_time()
        sample = draw_sample(train, context.seed)
        chosen: list[Candidate | None] = []
        for region in range(len(train.prepared.regions)):
            if context.progress:
                context.progress(f"tuning {self.name}", region / len(train.prepared.regions))
            drawn = bool(sample.sizes(region).any())
            chosen.append(self._tuned(sample, region, context.seed) if drawn else None)
        self.chosen = tuple(chosen)
        learned = sum(_numbers(dict(one.setting)) + len(asdict(one.cleaning)) for one in chosen if one)
        return FitReport(parameters=learned, minutes=(time.process_time() - started) / 60)

    def _tuned(self, sample: TrainingSample, region: int, seed: int) -> Candidate:
        """Three rounds: all settings on a few items, the better ones on more, the best with every clean-up on all."""
        settings = self.settings(sample, region, seed)
        first = first_cleanings(sample, region)
        better = best_settings(settings, first, self.outline, sample.first(FIRST_ITEMS), region)[:SECOND_SETTINGS]
        best = best_settings(better, first, self.outline, sample.first(SECOND_ITEMS), region)[:LAST_SETTINGS]
        cleanings = all_cleanings(sample, region)
        scores = dice_table(best, cleanings, self.outline, sample, region)
        setting, cleaning = np.unravel_index(int(np.argmax(scores)), scores.shape)
        return Candidate(best[int(setting)], cleanings[int(cleaning)])

    def segment(self, pictures: Pictures) -> NDArray[np.float32]:
        """(items, regions, *grid), 0 or 1.

        Raises:
            RunError: it has not been fitted.
        """
        if not self.chosen:
            raise RunError(f"{self.name} was asked to outline before it was fitted.", do="Call fit first.")
        return np.stack([self._item(pictures.image(at)) for at in range(len(pictures))])

    def _item(self, image: Array) -> NDArray[np.float32]:
        empty = np.zeros(image.shape[1:], dtype=bool)
        masks = [clean(self.outline(image, one.setting), one.cleaning) if one else empty for one in self.chosen]
        return np.stack(masks).astype(np.float32)

    def export(self) -> Artifact:
        """Setting and clean-up of each region."""
        plain = [{"setting": dict(one.setting), "cleaning": asdict(one.cleaning)} if one else None for one in self.chosen]
        return Artifact({"regions": plain})

    def restored(self, artifact: Artifact) -> RuleSegmenter:
        """This method with what was exported."""
        regions: Any = artifact.plain["regions"]
        self.chosen = tuple(Candidate(one["setting"], Cleaning(**one["cleaning"])) if one else None for one in regions)
        return self


def best_settings(
    settings: Sequence[Setting], cleanings: Sequence[Cleaning], outline: Outline, sample: TrainingSample, region: int
) -> list[Setting]:
    """The settings, best first, each judged by its best clean-up."""
    scores = dice_table(settings, cleanings, outline, sample, region).max(axis=1)
    return [settings[int(at)] for at in np.argsort(-scores, kind="stable")]


def dice_table(
    settings: Sequence[Setting], cleanings: Sequence[Cleaning], outline: Outline, sample: TrainingSample, region: int
) -> NDArray[np.float64]:
    """(settings, cleanings) mean Dice over the sample's cases."""
    both = np.zeros((len(settings), len(cleanings), int(sample.cases[-1]) + 1))
    either = np.zeros_like(both)
    for image, masks, case in zip(sample.images, sample.masks, sample.cases):
        drawn = masks[region]
        size = int(drawn.sum())
        for row, setting in enumerate(settings):
            found = overlaps(outline(image, setting), drawn, cleanings)
            both[row, :, case] += found[:, 0]
            either[row, :, case] += found[:, 1] + size
    return mean_dice(both, either)


def mean_dice(both: NDArray[np.float64], either: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the last axis (cases); 1 where neither side holds a pixel.

    Args:
        both: pixels in prediction and reference, pooled over a case's items; either: pixels in the one plus pixels in the other.
    """
    return np.asarray(np.where(either > 0, 2 * both / np.maximum(either, 1), 1.0).mean(axis=-1))


def _numbers(plain: object) -> int:
    """How many numbers a setting holds."""
    if isinstance(plain, Mapping):
        return sum(_numbers(value) for value in plain.values())
    if isinstance(plain, (list, tuple)):
        return sum(_numbers(value) for value in plain)
    return int(isinstance(plain, (int, float)))

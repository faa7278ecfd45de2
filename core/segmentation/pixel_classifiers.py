"""Classifiers of pixels on handmade features: a support vector machine and a random forest."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from core.contracts.pictures import Pictures
from core.contracts.segmenter import Choice, FitReport, SegmentContext, SegmenterSpec
from core.errors import RunError
from core.segmentation._cleaning import Cleaning, all_cleanings, clean, overlaps
from core.segmentation._options import with_defaults
from core.segmentation._pixel_features import pixel_features
from core.segmentation._rule_segmenter import mean_dice
from core.segmentation._training_sample import Array, TrainingSample, draw_sample

Rows = NDArray[np.float32]

DEFAULTS: dict[str, Any] = {"position": False, "pixels": 60_000}
TUNING_SHARE = 0.25
"""Of the sampled cases: threshold and clean-up are chosen on cases that the classifier has not seen."""
THRESHOLDS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
FOREGROUND_SHARE = 0.3
"""Least share of the pixels drawn that lie in a region, where there are enough."""


class PixelClassifier(Protocol):
    """Learns from rows of features, one column of truth a region."""

    def fit(self, features: Rows, inside: NDArray[np.bool_]) -> int:
        """Learns; how many numbers it learned."""

    def chances(self, features: Rows) -> NDArray[np.float32]:
        """(regions, pixels) between 0 and 1."""


class Forest:
    """Trees of at most 14 levels, one forest for all regions.

    Reference: Breiman, Machine Learning 2001, 10.1023/A:1010933404324.
    """

    def __init__(self, seed: int) -> None:
        from sklearn.ensemble import RandomForestClassifier

        self.forest = RandomForestClassifier(
            n_estimators=30, max_depth=14, min_samples_leaf=8, max_features="sqrt", n_jobs=1, random_state=seed
        )

    def fit(self, features: Rows, inside: NDArray[np.bool_]) -> int:
        """Grows the trees; a threshold and a feature for every node."""
        self.regions = inside.shape[1]
        truth = inside.astype(np.int8)
        self.forest.fit(features, truth[:, 0] if self.regions == 1 else truth)
        return int(sum(2 * tree.tree_.node_count for tree in self.forest.estimators_))

    def chances(self, features: Rows) -> NDArray[np.float32]:
        """Mean over the trees' leaves."""
        found = self.forest.predict_proba(features)
        classes = self.forest.classes_
        if self.regions == 1:
            found, classes = [found], [classes]
        return np.stack([_chance_of_one(part, known) for part, known in zip(found, classes)]).astype(np.float32)


def _chance_of_one(chances: NDArray[np.float64], classes: NDArray[np.int8]) -> NDArray[np.float64]:
    """The column of class 1; a region that training never (or always) showed has one class only."""
    return chances[:, list(classes).index(1)] if 1 in classes else np.zeros(len(chances))


class SupportVectors:
    """A linear machine on random Fourier features of standardised features, which stand for a Gaussian kernel.

    Reference: Cortes & Vapnik, Machine Learning 1995, 10.1007/BF00994018; Rahimi & Recht, NeurIPS 2007.
    """

    COMPONENTS = 200
    MOST_ROWS = 30_000

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.machines: list[tuple[NDArray[np.float32], float] | None] = []

    def fit(self, features: Rows, inside: NDArray[np.bool_]) -> int:
        """One machine a region."""
        rng = np.random.default_rng([self.seed, 53])
        self.mean, self.spread = features.mean(axis=0), features.std(axis=0) + 1e-6
        width = features.shape[1]
        self.waves = (rng.normal(0, np.sqrt(1.0 / width), (width, self.COMPONENTS))).astype(np.float32)
        self.shifts = rng.uniform(0, 2 * np.pi, self.COMPONENTS).astype(np.float32)
        at = rng.permutation(len(features))[: self.MOST_ROWS]
        lifted = self._lifted(features[at])
        self.machines = [_machine(lifted, column[at], self.seed) for column in inside.T]
        return len(self.machines) * (lifted.shape[1] + 1)

    def chances(self, features: Rows) -> NDArray[np.float32]:
        """The distance from the margin's middle through a logistic curve."""
        lifted = self._lifted(features)
        nothing = np.zeros(len(features), dtype=np.float32)
        return np.stack([_logistic(lifted @ one[0] + one[1]) if one else nothing for one in self.machines])

    def _lifted(self, features: Rows) -> Rows:
        scaled = np.clip((features - self.mean) / self.spread, -5, 5)
        waves = np.cos(scaled @ self.waves + self.shifts) * np.float32(np.sqrt(2.0 / self.COMPONENTS))
        return np.concatenate([scaled / np.float32(np.sqrt(scaled.shape[1])), waves], axis=1)


def _machine(lifted: Rows, inside: NDArray[np.bool_], seed: int) -> tuple[NDArray[np.float32], float] | None:
    from sklearn.svm import LinearSVC

    if inside.all() or not inside.any():
        return None
    machine = LinearSVC(C=1.0, dual=False, tol=1e-3, max_iter=500, random_state=seed).fit(lifted, inside)
    return machine.coef_[0].astype(np.float32), float(machine.intercept_[0])


def _logistic(distance: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(1.0 / (1.0 + np.exp(-2.0 * np.clip(distance, -10, 10))), dtype=np.float32)


@dataclass(frozen=True)
class Cut:
    """From which chance a pixel counts, and the clean-up."""

    threshold: float
    cleaning: Cleaning


class PixelSegmenter:
    """Classifies every pixel by its features.

    Args:
        name: slug of its spec; build: a fresh classifier for a seed; options: as in ``DEFAULTS``.
    """

    def __init__(self, name: str, build: Callable[[int], PixelClassifier], options: Mapping[str, Any]) -> None:
        self.name, self.build, self.options = name, build, dict(options)
        self.classifier: PixelClassifier | None = None
        self.cuts: tuple[Cut, ...] = ()

    def fit(self, train: Pictures, context: SegmentContext) -> FitReport:
        """Learns from some pixels of a sample of the labelled items; cut and clean-up on other cases of it."""
        started = time.process_time()
        sample = draw_sample(train, context.seed)
        tuning = sample.first(max(1, round(TUNING_SHARE * len(sample))))
        learning = sample.after(len(tuning)) if len(tuning) < len(sample) else sample
        if context.progress:
            context.progress(f"drawing pixels for {self.name}", 0.1)
        features, inside = self._rows(learning, context.seed)
        self.classifier = self.build(context.seed)
        learned = self.classifier.fit(features, inside)
        if context.progress:
            context.progress(f"tuning {self.name}", 0.6)
        self.cuts = self._tuned(tuning, sample)
        return FitReport(parameters=learned, minutes=(time.process_time() - started) / 60)

    def _rows(self, sample: TrainingSample, seed: int) -> tuple[Rows, NDArray[np.bool_]]:
        rng = np.random.default_rng([seed, 47])
        each = max(8, int(self.options["pixels"]) // len(sample))
        features, inside = [], []
        for image, mask in zip(sample.images, sample.masks):
            at = _drawn(mask.any(axis=0).ravel(), each, rng)
            features.append(pixel_features(image, self.options["position"])[at])
            inside.append(mask.reshape(len(mask), -1)[:, at].T)
        return np.concatenate(features), np.concatenate(inside)

    def _tuned(self, tuning: TrainingSample, sample: TrainingSample) -> tuple[Cut, ...]:
        chances = [self._chances(image) for image in tuning.images]
        return tuple(_best_cut(chances, tuning, region, sample) for region in range(len(tuning.masks[0])))

    def _chances(self, image: Array) -> NDArray[np.float32]:
        """(regions, *grid).

        Raises:
            RunError: it has not been fitted.
        """
        if self.classifier is None:
            raise RunError(f"{self.name} was asked to outline before it was fitted.", do="Call fit first.")
        found = self.classifier.chances(pixel_features(image, self.options["position"]))
        return found.reshape(len(found), *image.shape[1:])

    def segment(self, pictures: Pictures) -> NDArray[np.float32]:
        """(items, regions, *grid): the chance, moved so that the cut lies at one half; below it where the clean-up removes."""
        return np.stack([self._item(pictures.image(at)) for at in range(len(pictures))])

    def _item(self, image: Array) -> NDArray[np.float32]:
        return np.stack([_scores(chance, cut) for chance, cut in zip(self._chances(image), self.cuts)])


def _drawn(inside: NDArray[np.bool_], count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Places of pixels: at random, and of the region at least a share where it is there."""
    at = rng.choice(inside.size, count)
    held = np.flatnonzero(inside)
    wanted = round(FOREGROUND_SHARE * count) - int(inside[at].sum())
    if held.size and wanted > 0:
        at[np.flatnonzero(~inside[at])[:wanted]] = rng.choice(held, wanted)
    return at


def _best_cut(chances: list[NDArray[np.float32]], tuning: TrainingSample, region: int, sample: TrainingSample) -> Cut:
    cleanings = all_cleanings(sample, region)
    both = np.zeros((len(THRESHOLDS), len(cleanings), int(tuning.cases[-1]) + 1))
    either = np.zeros_like(both)
    for chance, masks, case in zip(chances, tuning.masks, tuning.cases):
        drawn = masks[region]
        for row, threshold in enumerate(THRESHOLDS):
            found = overlaps(chance[region] >= threshold, drawn, cleanings)
            both[row, :, case] += found[:, 0]
            either[row, :, case] += found[:, 1] + np.count_nonzero(drawn)
    scores = mean_dice(both, either)
    best = np.unravel_index(int(np.argmax(scores)), scores.shape)
    return Cut(THRESHOLDS[int(best[0])], cleanings[int(best[1])])


def _scores(chance: NDArray[np.float32], cut: Cut) -> NDArray[np.float32]:
    below, above = chance / cut.threshold * 0.5, 0.5 + 0.5 * (chance - cut.threshold) / (1.0 - cut.threshold)
    moved = np.where(chance < cut.threshold, np.minimum(below, 0.499), above)
    kept = clean(chance >= cut.threshold, cut.cleaning)
    return np.where(kept, np.maximum(moved, 0.5), np.minimum(moved, 0.499)).astype(np.float32)


METHODS: Mapping[str, Callable[[int], PixelClassifier]] = {"svm": SupportVectors, "random_forest": Forest}


def make(name: str, options: Mapping[str, Any]) -> PixelSegmenter:
    """A fresh one of that name."""
    return PixelSegmenter(name, METHODS[name], with_defaults(name, options, DEFAULTS))


PLUGINS = (
    SegmenterSpec(
        name="svm",
        label="Support vector machine",
        family="classical",
        make=partial(make, "svm"),
        description="A support vector machine with an approximated Gaussian kernel on each pixel's brightness, edges and "
        "surroundings; no position unless asked for.",
        reference="Cortes & Vapnik, Machine Learning 1995, 10.1007/BF00994018",
        dims=(2, 3),
        choice=Choice(
            complexity="About 230 weights on 30,000 pixels.",
            published="The usual learner of the years before deep networks (BraTS 2012-2013: 10.1109/TMI.2014.2377694).",
            community="scikit-learn.",
        ),
    ),
    SegmenterSpec(
        name="random_forest",
        label="Random forest",
        family="classical",
        make=partial(make, "random_forest"),
        description="A random forest on each pixel's brightness, edges and surroundings; no position unless asked for.",
        reference="Breiman, Machine Learning 2001, 10.1023/A:1010933404324",
        dims=(2, 3),
        choice=Choice(
            complexity="30 trees of at most 14 levels on 60,000 pixels.",
            published="Among the best of BraTS 2012-2013 (10.1109/TMI.2014.2377694); the engine of ilastik.",
            community="scikit-learn; ilastik (10.1038/s41592-019-0582-9) and Weka segmentation.",
        ),
    ),
)

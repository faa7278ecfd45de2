"""Classical methods and baselines on drawable pictures: what they learn, what they answer, and what they never see."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.filters import threshold_multiotsu, threshold_otsu

from core.contracts.dataset import LoadOptions
from core.contracts.forecast import Artifact
from core.contracts.pictures import Pictures
from core.contracts.segmentation_recipe import PreparationPart
from core.contracts.segmenter import PortableSegmenter, SegmentContext, Segmenter
from core.datasets import DATASETS
from core.errors import RecipeError, RunError, TrainingError
from core.imaging.pictures import prepare_pictures
from core.segmentation import SEGMENTERS, _rule_segmenter
from core.segmentation._cleaning import Cleaning, Parts, all_cleanings, clean, filled, opened, overlaps
from core.segmentation._pixel_features import pixel_features
from core.segmentation._projections import otsu, projections
from core.segmentation._rule_segmenter import mean_dice
from core.segmentation._training_sample import draw_sample
from core.segmentation.clustering import gaussian_mixture, kmeans
from tests.conftest import real_data

RULES = ("otsu", "region_growing", "watershed", "canny", "kmeans", "gaussian_mixture")
PIXELWISE = ("svm", "random_forest")
BASELINES = ("all_foreground", "centred_disc")
CLASSICAL = (*RULES, *PIXELWISE)
CONTEXT = SegmentContext(seed=5)


@dataclass(frozen=True)
class Drawn:
    """Prepared pictures that lie in memory."""

    images_: tuple[NDArray[np.float32], ...]
    masks_: tuple[NDArray[np.bool_], ...]
    owners: tuple[str, ...]
    regions: tuple[str, ...] = ("blob",)

    @property
    def dims(self) -> Literal[2, 3]:
        return 2 if self.images_[0].ndim == 3 else 3

    @property
    def channels(self) -> tuple[str, ...]:
        return tuple(f"channel {number}" for number in range(len(self.images_[0])))

    @property
    def shape(self) -> tuple[int, ...]:
        return self.images_[0].shape[1:]

    def rows_of(self, case_ids: Sequence[str]) -> NDArray[np.intp]:
        return np.array([row for case_id in case_ids for row, owner in enumerate(self.owners) if owner == case_id], dtype=np.intp)

    def owner(self, row: int) -> str:
        return self.owners[row]

    def image(self, row: int) -> NDArray[np.float32]:
        return self.images_[row]

    def mask(self, row: int) -> NDArray[np.bool_]:
        return self.masks_[row]

    def is_uniform(self) -> bool:
        return True

    def restore(self, case_id: str, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        return scores[0]

    def pictures(self, rows: Sequence[int] | None = None, labelled: bool = True) -> Pictures:
        chosen = np.arange(len(self.owners)) if rows is None else np.asarray(rows)
        patients = np.array([self.owners[row] for row in chosen])
        return Pictures(self, chosen.astype(np.intp), patients, np.full(len(chosen), labelled))


def ball(shape: tuple[int, ...], centre: Sequence[float], radius: float) -> NDArray[np.bool_]:
    axes = np.meshgrid(*(np.arange(edge) for edge in shape), indexing="ij")
    return np.sum([(axis - middle) ** 2 for axis, middle in zip(axes, centre)], axis=0) <= radius**2


def blobs(count: int = 12, shape: tuple[int, ...] = (32, 32), channels: int = 2, sign: float = 1.0, seed: int = 0) -> Drawn:
    """A ball at a random place, set off in the last channel alone; the first holds noise."""
    rng = np.random.default_rng(seed)
    images, masks = [], []
    for _ in range(count):
        mask = ball(shape, rng.uniform(9, min(shape) - 10, len(shape)), rng.uniform(5, 8))
        image = rng.normal(0, 0.25, (channels, *shape)).astype(np.float32)
        image[-1] = 0.5 * image[-1] - sign * 0.4 + sign * 0.8 * mask
        images.append(np.clip(image, -1, 1))
        masks.append(mask[np.newaxis])
    return Drawn(tuple(images), tuple(masks), tuple(f"case {number}" for number in range(count)))


def fitted(name: str, drawn: Drawn, **options: object) -> Segmenter:
    segmenter = SEGMENTERS.get(name).make(options)
    segmenter.fit(drawn.pictures(), CONTEXT)
    return segmenter


@pytest.fixture(scope="module", autouse=True)
def few_items() -> Iterator[None]:
    """Rounds of tuning on fewer items than in a study; the rounds are the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_rule_segmenter, "FIRST_ITEMS", 4)
        patch.setattr(_rule_segmenter, "SECOND_ITEMS", 6)
        patch.setattr(_rule_segmenter, "SECOND_SETTINGS", 6)
        yield


@lru_cache(maxsize=16)
def ready(name: str) -> Segmenter:
    """Fitted once on the same eight pictures; nobody changes it."""
    return fitted(name, blobs(8))


def dice_of(segmenter: Segmenter, drawn: Drawn) -> float:
    masks = segmenter.segment(drawn.pictures(labelled=False)) >= 0.5
    truth = np.stack(drawn.masks_)
    axes = tuple(range(1, truth.ndim))
    return float(np.mean(2 * (masks & truth).sum(axis=axes) / (masks.sum(axis=axes) + truth.sum(axis=axes))))


@pytest.mark.parametrize("name", CLASSICAL)
def test_a_method_finds_bright_blobs_in_the_channel_that_shows_them(name: str) -> None:
    assert dice_of(ready(name), blobs(6, seed=9)) > (0.75 if name == "canny" else 0.85)


@pytest.mark.parametrize("name", ["otsu", "kmeans", "random_forest"])
def test_a_method_learns_that_the_region_is_dark(name: str) -> None:
    assert dice_of(fitted(name, blobs(8, sign=-1.0)), blobs(6, sign=-1.0, seed=9)) > 0.85


@pytest.mark.parametrize("name", ["otsu", "kmeans", "region_growing", "watershed", "random_forest"])
def test_volumes_are_outlined_too(name: str) -> None:
    drawn = blobs(3, (20, 20, 20), channels=1)
    assert dice_of(fitted(name, drawn), drawn) > 0.8


@pytest.mark.parametrize("name", (*CLASSICAL, *BASELINES))
def test_scores_have_the_form_that_the_contract_names_and_no_mask_is_read(name: str) -> None:
    scores = ready(name).segment(blobs(8).pictures([1, 2, 3], labelled=False))
    assert scores.shape == (3, 1, 32, 32) and scores.dtype == np.float32
    assert np.isfinite(scores).all() and scores.min() >= 0 and scores.max() <= 1


@pytest.mark.parametrize("name", ["otsu", "random_forest", "kmeans"])
def test_the_same_seed_gives_the_same_masks(name: str) -> None:
    drawn = blobs(8)
    first, second = (one.segment(drawn.pictures(labelled=False)) for one in (ready(name), fitted(name, drawn)))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", ("otsu", *PIXELWISE, "centred_disc"))
def test_a_fit_asks_for_labelled_masks_only(name: str) -> None:
    """The others raise a LeakageError when read; the fit must do without them."""
    drawn = blobs(10)
    labelled = np.arange(10) < 6
    segmenter = SEGMENTERS.get(name).make({})
    segmenter.fit(replace(drawn.pictures(), labelled=labelled), CONTEXT)
    assert segmenter.segment(drawn.pictures([9], labelled=False)).shape == (1, 1, 32, 32)


@pytest.mark.parametrize("name", (*CLASSICAL, "centred_disc"))
def test_a_fit_without_any_mask_is_refused(name: str) -> None:
    with pytest.raises(TrainingError, match="No training item has a mask"):
        SEGMENTERS.get(name).make({}).fit(blobs(4).pictures(labelled=False), CONTEXT)


@pytest.mark.parametrize("name", (*CLASSICAL, "centred_disc"))
def test_outlining_before_a_fit_is_refused(name: str) -> None:
    with pytest.raises(RunError, match="before it was fitted"):
        SEGMENTERS.get(name).make({}).segment(blobs(2).pictures(labelled=False))


@pytest.mark.parametrize("name", (*CLASSICAL, *BASELINES))
def test_an_unknown_option_is_refused(name: str) -> None:
    with pytest.raises(RecipeError, match="colour"):
        SEGMENTERS.get(name).make({"colour": 1})


@pytest.mark.parametrize("name", RULES)
def test_nothing_is_outlined_on_a_flat_picture(name: str) -> None:
    """Also with the warnings that clustering libraries give on equal pixels turned into errors."""
    flat = Drawn((np.zeros((2, 32, 32), dtype=np.float32),), (np.zeros((1, 32, 32), dtype=bool),), ("flat",))
    assert not (ready(name).segment(flat.pictures(labelled=False)) >= 0.5).any()


@pytest.mark.parametrize("name", ["otsu", "region_growing", "random_forest"])
def test_slices_without_the_region_are_left_empty(name: str) -> None:
    """Case by case, three of five slices are empty: a method that marks something everywhere scores far below one half."""
    rng = np.random.default_rng(3)
    images, masks, owners = [], [], []
    for case in range(4):
        for number in range(5):
            mask = ball((32, 32), rng.uniform(10, 21, 2), 6) & (number in (2, 3))
            images.append((rng.normal(-0.5, 0.15, (1, 32, 32)) + 1.2 * mask).astype(np.float32))
            masks.append(mask[np.newaxis])
            owners.append(f"case {case}")
    drawn = Drawn(tuple(images), tuple(masks), tuple(owners))
    found = fitted(name, drawn).segment(drawn.pictures(labelled=False)) >= 0.5
    empty = ~np.stack(masks).any(axis=(1, 2, 3))
    assert found[empty].mean() < 0.01 and found[~empty].any(axis=(1, 2, 3)).all()


@pytest.mark.parametrize("name", ["otsu", "random_forest", "centred_disc"])
def test_several_regions_each_get_their_own_answer(name: str) -> None:
    drawn = blobs(6)
    inner = tuple(np.stack([mask[0], ball((32, 32), np.argwhere(mask[0]).mean(axis=0), 3)]) for mask in drawn.masks_)
    images = tuple(
        image + 0.8 * masks[1] * np.array([[[0.0]], [[1.0]]], dtype=np.float32) for image, masks in zip(drawn.images_, inner)
    )
    nested = Drawn(tuple(image.astype(np.float32) for image in images), inner, drawn.owners, ("blob", "core"))
    found = fitted(name, nested).segment(nested.pictures(labelled=False)) >= 0.5
    assert found.shape == (6, 2, 32, 32) and 0 < found[:, 1].sum() < found[:, 0].sum()


@pytest.mark.parametrize("name", ["otsu", "svm", "random_forest"])
def test_a_region_that_nobody_drew_stays_empty(name: str) -> None:
    drawn = blobs(8)
    masks = tuple(np.concatenate([mask, np.zeros_like(mask)]) for mask in drawn.masks_)
    found = fitted(name, Drawn(drawn.images_, masks, drawn.owners, ("blob", "never"))).segment(drawn.pictures(labelled=False))
    assert (found[:, 0] >= 0.5).any() and not (found[:, 1] >= 0.5).any()


@pytest.mark.parametrize("name", (*RULES, *BASELINES))
def test_what_is_exported_segments_as_before_after_a_trip_through_json(name: str) -> None:
    drawn = blobs(8)
    segmenter = ready(name)
    assert isinstance(segmenter, PortableSegmenter)
    restore = SEGMENTERS.get(name).restore
    assert restore is not None
    again = restore(Artifact(json.loads(json.dumps(segmenter.export().plain, allow_nan=False))))
    pictures = drawn.pictures(labelled=False)
    np.testing.assert_array_equal(again.segment(pictures), segmenter.segment(pictures))


def test_the_disc_has_the_mean_size_of_the_drawn_regions_and_stands_in_the_middle() -> None:
    drawn = blobs(10)
    empty = Drawn(
        drawn.images_ + drawn.images_[:5], drawn.masks_ + (np.zeros((1, 32, 32), dtype=bool),) * 5, (*drawn.owners, *"abcde")
    )
    mask = fitted("centred_disc", empty).segment(drawn.pictures([0], labelled=False))[0, 0] >= 0.5
    assert mask.sum() == pytest.approx(np.mean([one.sum() for one in drawn.masks_]), rel=0.08)
    np.testing.assert_array_equal(mask, mask[::-1, ::-1])


def test_the_ball_of_a_volume_has_the_mean_volume() -> None:
    drawn = blobs(5, (24, 24, 24), channels=1)
    found = fitted("centred_disc", drawn).segment(drawn.pictures([0], labelled=False)) >= 0.5
    assert found.sum() == pytest.approx(np.mean([one.sum() for one in drawn.masks_]), rel=0.08)


def test_everything_is_foreground_for_the_floor() -> None:
    assert (fitted("all_foreground", blobs(3)).segment(blobs(2).pictures(labelled=False)) == 1).all()


def test_otsu_agrees_with_scikit_image() -> None:
    grey = blobs(1, channels=1).images_[0][0]
    assert otsu(grey) == threshold_otsu(grey, nbins=128)
    assert otsu(grey, 3, 1) == pytest.approx(threshold_multiotsu(grey, 3, nbins=64)[1], abs=0.05)
    assert otsu(np.zeros((4, 4), dtype=np.float32)) == np.inf


def test_projections_name_the_separating_channel_first_and_make_the_region_bright() -> None:
    found = projections(draw_sample(blobs(sign=-1.0).pictures(), 0), 0)
    assert len(found) == 4
    for weights in found[:2]:
        assert abs(weights[1]) > 0.9 and weights[1] < 0


def test_clusters_agree_with_scikit_learn() -> None:
    from sklearn.mixture import GaussianMixture

    rng = np.random.default_rng(1)
    pixels = np.concatenate([rng.normal(-1, 0.3, (200, 2)), rng.normal(1, (0.2, 0.6), (200, 2))])
    theirs = GaussianMixture(2, reg_covar=1e-3, max_iter=40, random_state=4, init_params="k-means++").fit(pixels)
    np.testing.assert_array_equal(gaussian_mixture(pixels, 2, 4).nearest(pixels), theirs.predict(pixels))
    nearest = kmeans(pixels, 2, 4)
    away = ((pixels[:, np.newaxis] - nearest.centres) ** 2).sum(axis=2)
    np.testing.assert_array_equal(nearest.nearest(pixels), away.argmin(axis=1))


def test_a_clean_up_keeps_what_its_rules_name() -> None:
    mask = np.zeros((20, 20), dtype=bool)
    mask[0:6, 0:8] = True
    mask[9:13, 9:13] = True
    mask[16:18, 2:18] = True
    mask[10, 10] = False
    only = {pick: clean(mask, Cleaning(pick)) for pick in ("largest", "central", "round")}
    assert only["largest"].sum() == 48 and only["largest"][0, 0]
    assert only["central"].sum() == 16 and only["central"][10, 10]
    assert clean(mask, Cleaning("round", inner=True))[10, 10] and not clean(mask, Cleaning("round", inner=True))[16, 2]
    assert clean(mask, Cleaning("all", smallest=40 / 400)).sum() == 48
    assert clean(mask, Cleaning("all", largest=40 / 400)).sum() == 48
    assert clean(mask, Cleaning("all", inner=True)).sum() == 48
    assert not clean(np.zeros((4, 4), dtype=bool), Cleaning()).any()


def test_roundness_is_one_for_a_ball_and_small_for_a_line() -> None:
    plane = ball((41, 41), (20, 20), 12).astype(np.int32)
    plane[40] = 2
    weight = Parts(plane, 2).weight("round") / Parts(plane, 2).sizes
    assert weight[1] == pytest.approx(1.0, abs=0.03) and weight[2] < 0.01
    solid = ball((31, 31, 31), (15, 15, 15), 10).astype(np.int32)
    assert Parts(solid, 1).weight("round")[1] / solid.sum() == pytest.approx(1.0, abs=0.03)


def test_opening_cuts_a_bridge_but_not_at_the_border() -> None:
    mask = np.zeros((12, 20), dtype=bool)
    mask[:6, :7] = mask[:6, 12:] = True
    mask[2, 7:12] = True
    cut = opened(mask, 1)
    assert not cut[2, 9] and cut[0, 0] and cut[0, 19]


def test_holes_are_filled_but_bays_are_not() -> None:
    mask = np.zeros((9, 9), dtype=bool)
    mask[1:8, 1:8] = True
    mask[4, 4] = False
    mask[1:4, 6] = False
    assert filled(mask)[4, 4] and not filled(mask)[1, 6]


def test_counting_all_clean_ups_at_once_equals_cleaning_one_by_one() -> None:
    rng = np.random.default_rng(2)
    drawn = blobs(4)
    cleanings = all_cleanings(draw_sample(drawn.pictures(), 0), 0)
    truth = drawn.masks_[0][0]
    mask = truth ^ (rng.random(truth.shape) < 0.15)
    wanted = [[np.count_nonzero(clean(mask, how) & truth), np.count_nonzero(clean(mask, how))] for how in cleanings]
    np.testing.assert_array_equal(overlaps(mask, truth, cleanings), wanted)
    assert overlaps(np.zeros_like(mask), truth, cleanings).sum() == 0


def test_mean_dice_pools_a_case_and_rewards_rightly_saying_nothing() -> None:
    assert mean_dice(np.array([3.0, 0.0]), np.array([8.0, 0.0])) == pytest.approx((0.75 + 1.0) / 2)
    assert mean_dice(np.array([0.0]), np.array([5.0])) == 0


def test_the_sample_holds_whole_cases_first_and_stays_within_its_pixels() -> None:
    drawn = blobs(12)
    slices = Drawn(drawn.images_ * 3, drawn.masks_ * 3, tuple(f"case {number // 12}" for number in range(36)))
    sample = draw_sample(slices.pictures(), 0, pixels=20 * 32 * 32)
    assert len(sample) == 20 and np.bincount(sample.cases).tolist() == [8, 8, 4]
    assert len(sample.first(3)) == 8 and sample.after(8).cases.tolist() == [0] * 8 + [1] * 4


def test_pixel_features_follow_a_shift_of_the_picture_and_know_no_position_unless_asked() -> None:
    image = np.zeros((1, 48, 48), dtype=np.float32)
    image[0, 20:26, 14:22] = 1.0
    here, there = pixel_features(image, False), pixel_features(np.roll(image, 5, axis=2), False)
    small = [0, 1, 2, 6, 7, 8]  # scales of up to 2 pixels, and what does not depend on the border
    moved = np.roll(here.reshape(48, 48, -1), 5, axis=1)[:, 10:]
    np.testing.assert_allclose(there.reshape(48, 48, -1)[:, 10:, small], moved[..., small], atol=1e-5)
    assert pixel_features(image, True).shape[1] == here.shape[1] + 1


def test_hessian_eigenvalues_agree_in_two_and_three_dimensions() -> None:
    """A picture repeated along a third axis bends as little along it: its eigenvalues are the plane's and a zero."""
    plane = blobs(1, channels=1).images_[0]
    flat = pixel_features(plane, False).reshape(32, 32, -1)[16, 16, -4:-2]
    solid = pixel_features(np.repeat(plane[:, np.newaxis], 24, axis=1), False).reshape(24, 32, 32, -1)[12, 16, 16, -6:-3]
    np.testing.assert_allclose(np.sort(solid), np.sort([*flat, 0.0]), atol=1e-3)


@pytest.mark.data
def test_otsu_outlines_real_skin_lesions(tmp_path: object) -> None:
    from pathlib import Path

    options = LoadOptions(real_data("isic2018"), Path(str(tmp_path)), {"cases": 60})
    load = DATASETS.get("isic").pictures
    assert load is not None
    lesions = load(options)
    prepared = prepare_pictures(
        lesions, lesions.internal, PreparationPart(shape=(64, 64), normalise="minmax"), Path(str(tmp_path))
    )
    drawn = Drawn(
        tuple(prepared.image(row) for row in range(60)), tuple(prepared.mask(row) for row in range(60)), tuple(lesions.internal)
    )
    segmenter = SEGMENTERS.get("otsu").make({})
    segmenter.fit(drawn.pictures(range(30)), CONTEXT)
    test = Drawn(drawn.images_[30:], drawn.masks_[30:], drawn.owners[30:])
    assert dice_of(segmenter, test) > dice_of(fitted("centred_disc", drawn), test) + 0.1

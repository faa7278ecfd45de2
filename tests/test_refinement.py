"""Steps after the network, matching to the training images, and people held against each other: by hand on drawable shapes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from core.contracts.segmentation_recipe import Adaptation as AdaptationName
from core.contracts.segmentation_recipe import Refinement
from core.segmentation._adaptation import Adaptation, adapt_statistics, make_adaptation
from core.segmentation._readers import readers_against_consensus
from core.segmentation._refinement import STEPS, refine
from core.segmentation._views import AdaptedPictures, CorruptedPictures
from tests.test_segmentation_classical import Drawn, ball, blobs

Array = NDArray[np.float32]


def scores_of(mask: NDArray[np.bool_], inside: float = 0.9, outside: float = 0.1) -> Array:
    return np.where(mask, inside, outside).astype(np.float32)[np.newaxis]


def dice(one: NDArray[np.bool_], two: NDArray[np.bool_]) -> float:
    return float(2 * (one & two).sum() / (one.sum() + two.sum()))


def scene(shape: tuple[int, ...] = (40, 40), noise: float = 0.1) -> tuple[NDArray[np.bool_], Array]:
    """A ball in the middle, and a picture that shows it."""
    mask = ball(shape, [edge / 2 for edge in shape], 9)
    rng = np.random.default_rng(4)
    return mask, (rng.normal(0, noise, shape) + mask).astype(np.float32)[np.newaxis]


def test_every_step_that_a_recipe_may_name_is_there() -> None:
    assert set(STEPS) == set(Refinement.__args__)


@pytest.mark.parametrize("shape", [(40, 40), (14, 30, 30)], ids=["picture", "volume"])
@pytest.mark.parametrize("step", sorted(STEPS))
def test_a_step_gives_scores_again_and_leaves_a_good_mask_nearly_alone(step: str, shape: tuple[int, ...]) -> None:
    mask, image = scene(shape)
    refined = refine(scores_of(mask), image, [step])
    assert refined.shape == (1, *shape) and refined.dtype == np.float32
    assert refined.min() >= 0 and refined.max() <= 1
    assert dice(refined[0] >= 0.5, mask) > 0.97


@pytest.mark.parametrize("step", sorted(STEPS))
def test_a_step_leaves_an_empty_and_a_full_answer_as_they_are(step: str) -> None:
    _, image = scene()
    for full in (False, True):
        refined = refine(scores_of(np.full((40, 40), full)), image, [step])
        assert ((refined >= 0.5) == full).all()


@pytest.mark.parametrize("step", sorted(STEPS))
def test_a_step_works_on_a_picture_without_any_contrast(step: str) -> None:
    mask, _ = scene()
    refined = refine(scores_of(mask), np.full((3, 40, 40), 7, dtype=np.uint8), [step])
    assert np.isfinite(refined).all() and dice(refined[0] >= 0.5, mask) > 0.9


def test_the_largest_part_stays_and_touching_corners_join() -> None:
    mask = np.zeros((12, 12), dtype=bool)
    mask[1:5, 1:5] = mask[5, 5] = True
    mask[9:11, 9:11] = True
    refined = refine(scores_of(mask), np.zeros((1, 12, 12)), ["largest_component"])[0] >= 0.5
    assert refined[5, 5] and refined.sum() == 17


def test_parts_under_a_tenth_of_the_largest_go() -> None:
    mask = np.zeros((30, 30), dtype=bool)
    mask[0:10, 0:10] = mask[15:18, 0:4] = mask[20:23, 20:23] = True
    refined = refine(scores_of(mask), np.zeros((1, 30, 30)), ["remove_small"])[0] >= 0.5
    assert refined[16, 1] and not refined[21, 21] and refined.sum() == 112


def test_holes_are_filled_slice_by_slice() -> None:
    mask = np.zeros((3, 9, 9), dtype=bool)
    mask[:, 2:7, 2:7] = True
    mask[:, 4, 4] = False  # a tunnel: open at both ends of the volume, closed in every slice
    assert (refine(scores_of(mask), np.zeros((1, 3, 9, 9)), ["fill_holes"])[0, :, 4, 4] >= 0.5).all()


def test_regions_are_refined_each_by_itself() -> None:
    mask = np.zeros((12, 12), dtype=bool)
    mask[1:5, 1:5] = mask[9:11, 9:11] = True
    both = np.concatenate([scores_of(mask), scores_of(~mask)])
    alone = refine(scores_of(mask), np.zeros((1, 12, 12)), ["largest_component"])
    np.testing.assert_array_equal(refine(both, np.zeros((1, 12, 12)), ["largest_component"])[0], alone[0])


def test_steps_are_taken_in_order() -> None:
    mask = np.zeros((20, 20), dtype=bool)
    mask[2:14, 2:14] = True
    mask[4:12, 4:12] = False
    mask[6:10, 6:10] = True  # an island in the hole
    refined = refine(scores_of(mask), np.zeros((1, 20, 20)), ["fill_holes", "largest_component"])[0] >= 0.5
    assert refined[4:12, 4:12].all()
    assert refine(scores_of(mask), np.zeros((1, 20, 20)), [])[0].sum() == pytest.approx(scores_of(mask).sum())


@pytest.mark.parametrize("shape", [(40, 40), (14, 30, 30)], ids=["picture", "volume"])
def test_the_random_field_mends_a_speckled_mask(shape: tuple[int, ...]) -> None:
    mask, image = scene(shape)
    speckled = mask ^ (np.random.default_rng(1).random(shape) < 0.1)
    refined = refine(scores_of(speckled, 0.7, 0.3), image, ["crf"])[0] >= 0.5
    assert dice(refined, mask) > dice(speckled, mask) + 0.05


def test_the_random_field_follows_the_edge_of_the_picture_and_not_the_nearness_alone() -> None:
    """An unsure column beside an edge takes the side that looks like it."""
    image = np.zeros((1, 20, 20))
    image[0, :, 10:] = 1.0
    scores = np.full((1, 20, 20), 0.1, dtype=np.float32)
    scores[0, :, 11:] = 0.9
    scores[0, :, 9:11] = 0.5
    refined = refine(scores, image, ["crf"])[0]
    assert (refined[:, 10] > 0.8).all() and (refined[:, 9] < 0.2).all()


@pytest.mark.parametrize("grown", [1, -1], ids=["too large", "too small"])
def test_the_watershed_moves_a_boundary_that_is_a_pixel_off_to_the_edge(grown: int) -> None:
    mask, image = scene((60, 60), noise=0.02)
    off = ball((60, 60), (30, 30), 9 + grown)
    refined = refine(scores_of(off), image, ["watershed"])[0] >= 0.5
    assert dice(refined, mask) > 0.98 > dice(off, mask)


def test_the_watershed_keeps_parts_too_thin_to_be_moved() -> None:
    mask, image = scene()
    mask[2, 2:8] = True
    assert (refine(scores_of(mask), image, ["watershed"])[0, 2, 2:8] >= 0.5).all()


def test_every_adaptation_that_a_recipe_may_name_can_be_made() -> None:
    for kind in AdaptationName.__args__:
        adapted = make_adaptation(kind, blobs(3).pictures()).apply(blobs(1).images_[0])
        assert adapted.shape == (2, 32, 32) and np.isfinite(adapted).all()


@pytest.mark.parametrize("kind", ["histogram", "intensity"])
def test_a_picture_of_another_look_is_brought_back_to_the_training_pictures(kind: str) -> None:
    drawn = blobs(10)
    adaptation = make_adaptation(kind, drawn.pictures())
    image = blobs(1, seed=8).images_[0]
    strange = (0.4 * image + 0.7).astype(np.float32)
    assert np.abs(strange - image).mean() > 0.5
    assert np.abs(adaptation.apply(strange) - adaptation.apply(image)).mean() < 1e-3
    assert np.abs(adaptation.apply(image) - image).mean() < 0.15


def test_an_adaptation_learns_from_the_items_it_is_given_alone() -> None:
    drawn = blobs(6)
    first = make_adaptation("histogram", drawn.pictures([0, 1, 2]))
    changed = Drawn((*drawn.images_[:3], *(image + 5 for image in drawn.images_[3:])), drawn.masks_, drawn.owners)
    np.testing.assert_array_equal(first.landmarks, make_adaptation("histogram", changed.pictures([0, 1, 2])).landmarks)


def test_a_flat_picture_survives_every_adaptation() -> None:
    flat = np.full((2, 8, 8), 0.3, dtype=np.float32)
    for kind in ("histogram", "intensity", "none"):
        assert np.isfinite(make_adaptation(kind, blobs(3).pictures()).apply(flat)).all()


def test_views_change_images_and_nothing_else() -> None:
    drawn = blobs(3)
    adapted = AdaptedPictures(drawn, Adaptation("none"))
    spoilt = CorruptedPictures(adapted, lambda image, severity, rng: image + rng.normal(), 2, seed=1)
    for view in (adapted, spoilt):
        assert view.dims == 2 and view.channels == drawn.channels and view.regions == ("blob",) and view.shape == (32, 32)
        assert view.is_uniform() and view.owner(2) == "case 2" and view.rows_of(["case 1"]).tolist() == [1]
        np.testing.assert_array_equal(view.mask(1), drawn.mask(1))
        scores = np.ones((1, 1, 32, 32), dtype=np.float32)
        np.testing.assert_array_equal(view.restore("case 0", scores), scores[0])
    np.testing.assert_array_equal(adapted.image(0), drawn.image(0))
    np.testing.assert_array_equal(spoilt.image(0), spoilt.image(0))
    assert (spoilt.image(0) - drawn.image(0)).mean() != pytest.approx((spoilt.image(1) - drawn.image(1)).mean())


def test_statistics_are_estimated_again_on_other_pictures_and_weights_stay() -> None:
    import torch

    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 1), torch.nn.BatchNorm2d(3, momentum=0.2), torch.nn.Dropout(0.5))
    weights = [weight.detach().clone() for weight in network.parameters()]
    batches = [torch.randn(4, 1, 8, 8) + 3 for _ in range(3)]
    adapt_statistics(network, batches)
    norm = network[1]
    wanted = network[0](torch.cat(batches)).mean(dim=(0, 2, 3))
    torch.testing.assert_close(norm.running_mean, wanted.detach())
    assert norm.momentum == 0.2 and not any(part.training for part in network.modules())
    assert all(torch.equal(old, new) for old, new in zip(weights, network.parameters()))


def test_a_network_without_batch_statistics_is_left_as_it_is() -> None:
    import torch

    network = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 1), torch.nn.GroupNorm(1, 3))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    adapt_statistics(network, [torch.randn(2, 1, 4, 4)])
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_each_of_three_readers_is_held_against_at_least_half_of_the_others() -> None:
    readers = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 0]], dtype=bool)
    pairs = readers_against_consensus(readers)
    assert [pair.mask.tolist() for pair in pairs] == readers.tolist()
    assert pairs[0].reference.tolist() == [True, False, True, False]
    assert pairs[2].reference.tolist() == [True, True, True, False]


def test_of_four_readers_one_of_three_others_does_not_make_a_reference() -> None:
    readers = np.array([[1, 1], [1, 0], [0, 0], [0, 1]], dtype=bool)
    assert readers_against_consensus(readers)[0].reference.tolist() == [False, False]
    assert readers_against_consensus(readers)[2].reference.tolist() == [True, True]


def test_two_readers_are_held_against_each_other_and_one_against_nobody() -> None:
    readers = np.array([[1, 0], [0, 1]], dtype=bool)
    pairs = readers_against_consensus(readers)
    assert len(pairs) == 2 and pairs[0].reference.tolist() == [False, True]
    assert readers_against_consensus(readers[:1]) == ()

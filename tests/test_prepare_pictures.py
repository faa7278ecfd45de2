"""Drawn pictures made ready: filters, cutting, resizing, what is kept on disk, and the way back to the case's own grid."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from core.contracts.pictures import Picture, PictureSet, Region
from core.contracts.segmentation_recipe import PreparationPart
from core.errors import DataError, GeometryError
from core.imaging.filters import DENOISERS, denoise, normalise
from core.imaging.pictures import prepare_picture, prepare_pictures, resized, restore_scores

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Drawings:
    """Pictures from memory."""

    pictures: Mapping[str, Picture]

    def read(self, case_id: str) -> Picture:
        return self.pictures[case_id]


def ball(shape: tuple[int, ...], radius: float) -> NDArray[np.bool_]:
    middle = [(edge - 1) / 2 for edge in shape]
    return np.asarray(sum((axis - at) ** 2 for axis, at in zip(np.indices(shape), middle, strict=True)) <= radius**2)


def drawn(case_id: str, shape: tuple[int, ...] = (40, 60), channels: int = 2, radius: float = 9, seed: int = 0) -> Picture:
    region = ball(shape, radius)
    noise = np.random.default_rng(seed).integers(0, 60, (channels, *shape))
    return Picture(case_id, (noise + 90 * region + 20).astype(np.uint8), region[np.newaxis])


def pictures_of(*cases: Picture, fingerprint: str = "f" * 64) -> PictureSet:
    table = pd.DataFrame({"patient_id": [case.case_id for case in cases]}, index=[case.case_id for case in cases])
    first = cases[0].image
    return PictureSet(
        name="drawings",
        label="Drawings",
        table=table,
        dims=2 if first.ndim == 3 else 3,
        channels=tuple(f"c{number}" for number in range(len(first))),
        regions=(Region("ball", "Ball"),),
        source=Drawings({case.case_id: case for case in cases}),
        internal=tuple(table.index),
        fingerprint=fingerprint,
    )


def dice(one: NDArray[np.bool_], two: NDArray[np.bool_]) -> float:
    return float(2 * (one & two).sum() / (one.sum() + two.sum()))


# Normalisation


def noise(shape: tuple[int, ...] = (3, 30, 40), seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(100, 15, shape).astype(np.float32)


@pytest.mark.parametrize("kind", ["minmax", "percentile"])
def test_scaled_pictures_lie_between_minus_one_and_one(kind: str) -> None:
    scaled = normalise(noise(), kind)
    assert scaled.dtype == np.float32
    assert scaled.min() == pytest.approx(-1) and scaled.max() == pytest.approx(1)


def test_zscore_gives_mean_0_and_variance_1_for_each_channel() -> None:
    image = noise()
    image[1] = image[1] * 7 + 40
    scaled = normalise(image, "zscore")
    # The one smallest value of a channel does not count.
    assert np.allclose(scaled.mean(axis=(1, 2)), 0, atol=0.01)
    assert np.allclose(scaled.std(axis=(1, 2)), 1, atol=0.02)


def test_a_window_maps_its_ends_to_minus_one_and_one_and_cuts_the_rest() -> None:
    scaled = normalise(np.array([[[-1000, -160, 40, 240, 3000]]], np.float32), "window", (-160, 240))
    assert scaled.ravel().tolist() == [-1, -1, 0, 1, 1]


def test_percentiles_shrug_off_single_extreme_values() -> None:
    image = noise((1, 50, 50))
    calm = normalise(image, "percentile")
    image[0, 3, 3] = 1e6
    assert np.abs(normalise(image, "percentile") - calm)[0, 10:, 10:].max() < 0.05


def test_what_surrounds_a_head_does_not_change_how_it_is_scaled() -> None:
    head = np.clip(noise((1, 40, 40)), 1, None)
    framed = np.pad(head, ((0, 0), (30, 30), (30, 30)))
    inside = normalise(framed, "percentile")[0, 30:-30, 30:-30]
    assert np.abs(inside - normalise(head, "percentile")[0]).max() < 0.05


@pytest.mark.parametrize("kind", ["minmax", "percentile", "zscore"])
def test_a_channel_of_one_value_becomes_zero_and_harms_no_other(kind: str) -> None:
    image = noise()
    image[1] = 77
    scaled = normalise(image, kind)
    assert np.isfinite(scaled).all()
    assert not scaled[1].any() and scaled[0].any()


@settings(max_examples=30, deadline=None)
@given(st.floats(0.5, 20), st.floats(-300, 300), st.sampled_from(["minmax", "percentile", "zscore"]))
def test_brightness_and_contrast_of_a_whole_picture_do_not_matter(factor: float, offset: float, kind: str) -> None:
    image = noise((1, 20, 20))
    np.testing.assert_allclose(
        normalise(image * np.float32(factor) + np.float32(offset), kind), normalise(image, kind), atol=2e-3
    )


# Noise reduction


@pytest.mark.parametrize("kind", sorted(DENOISERS))
@pytest.mark.parametrize("shape", [(48, 48), (12, 24, 24)])
def test_a_noise_filter_brings_a_noisy_ball_nearer_to_the_true_one(kind: str, shape: tuple[int, ...]) -> None:
    true = 100.0 * ball(shape, shape[-1] / 3)[np.newaxis]
    noisy = (true + np.random.default_rng(0).normal(0, 25, true.shape)).astype(np.float32)
    filtered = denoise(noisy, kind)
    assert filtered.shape == noisy.shape and filtered.dtype == np.float32
    assert np.abs(filtered - true).mean() < 0.8 * np.abs(noisy - true).mean()


def test_diffusion_keeps_an_edge_that_a_gaussian_washes_out() -> None:
    """Perona and Malik's claim."""
    step = np.zeros((1, 40, 40), np.float32)
    step[:, :, 20:] = 100
    step += np.random.default_rng(0).normal(0, 4, step.shape).astype(np.float32)
    sharp, soft = (np.abs(np.diff(denoise(step, kind)[0], axis=1))[:, 19].mean() for kind in ("anisotropic", "gaussian"))
    assert sharp > 80 > soft


@pytest.mark.parametrize("kind", sorted(DENOISERS))
def test_a_flat_picture_stays_as_it_is(kind: str) -> None:
    flat = np.full((2, 16, 16), 5, np.float32)
    assert np.allclose(denoise(flat, kind), flat, atol=1e-4)


# Resizing


def test_fine_stripes_become_grey_and_no_other_stripes() -> None:
    stripes = np.tile(np.array([0, 100], np.float32), 64)[np.newaxis, np.newaxis].repeat(128, axis=1)
    assert np.abs(resized(stripes, (48, 48))[0, 2:-2, 2:-2] - 50).max() < 6
    assert resized(stripes, (128, 128)) is not stripes


def test_a_pixel_of_a_mask_belongs_where_half_of_its_area_does() -> None:
    mask = np.zeros((1, 4, 4), np.float32)
    mask[0, :2, 0], mask[0, 2:, 2:], mask[0, 0, 3] = 1, 1, 1
    assert resized(mask, (2, 2), area=True).tolist() == [[[0.5, 0.25], [0, 1]]]
    picture = Picture("a", np.arange(16, dtype=np.uint8).reshape(1, 4, 4), mask.astype(bool))
    masks = prepare_picture(picture, PreparationPart(shape=(2, 2))).masks
    assert masks is not None
    assert masks.tolist() == [[[[1, 0], [0, 1]]]]


@pytest.mark.parametrize("shape", [(20, 30), (40, 60), (64, 64), (33, 91)])
def test_the_way_back_gives_the_mask_again(shape: tuple[int, int]) -> None:
    picture = drawn("a")
    assert picture.mask is not None
    case = prepare_picture(picture, PreparationPart(shape=shape))
    assert case.masks is not None
    back = restore_scores(case.masks[0:1].astype(np.float32), case.grid, case.box, "whole")
    assert back.shape == (1, 40, 60) and back.dtype == np.float32
    assert dice(back >= 0.5, picture.mask) > 0.93


# Cutting


def test_an_empty_border_is_cut_away_and_put_back() -> None:
    image = np.zeros((1, 50, 70), np.uint8)
    image[0, 10:30, 20:60] = np.random.default_rng(0).integers(1, 200, (20, 40))
    mask = np.zeros((1, 50, 70), bool)
    mask[0, 15:25, 30:50] = True
    case = prepare_picture(Picture("a", image, mask), PreparationPart(shape=(24, 44), crop="foreground"))
    assert case.box == ((8, 32), (18, 62))
    assert case.masks is not None
    back = restore_scores(case.masks.astype(np.float32), case.grid, case.box, "whole")
    assert np.array_equal(back >= 0.5, mask)


def test_a_picture_of_one_value_is_not_cut_to_nothing() -> None:
    flat = Picture("a", np.full((1, 20, 30), 9, np.uint8), np.zeros((1, 20, 30), bool))
    case = prepare_picture(flat, PreparationPart(shape=(20, 30), crop="foreground"))
    assert case.box == ((0, 20), (0, 30)) and not case.images.any()


# Volumes


def test_slices_of_a_volume_are_items_scaled_together() -> None:
    volume = drawn("v", (7, 20, 24), channels=1)
    louder = volume.image.copy()
    louder[0, 3] += 100
    case = prepare_picture(replace(volume, image=louder), PreparationPart(items="slices", shape=(16, 16), normalise="minmax"))
    assert case.images.shape == (7, 1, 16, 16)
    # A slice keeps its brightness beside the others.
    assert case.images[3].mean() > case.images[2].mean() + 0.5
    assert case.masks is not None and volume.mask is not None
    back = restore_scores(case.masks.astype(np.float32), case.grid, case.box, "slices")
    assert back.shape == (1, 7, 20, 24)
    assert dice(back >= 0.5, volume.mask) > 0.93


def test_patches_keep_the_whole_volume_at_the_spacing_asked_for() -> None:
    volume = replace(drawn("v", (10, 30, 36), radius=8), spacing_mm=(2.0, 1.0, 1.0))
    plain = prepare_picture(volume, PreparationPart(items="patches", shape=(8, 8, 8)))
    even = prepare_picture(volume, PreparationPart(items="patches", shape=(8, 8, 8), spacing_mm=1.0))
    assert plain.images.shape == (1, 2, 10, 30, 36)
    assert even.images.shape == (1, 2, 20, 30, 36)
    assert even.masks is not None and volume.mask is not None
    back = restore_scores(even.masks.astype(np.float32), even.grid, even.box, "patches")
    assert back.shape == (1, 10, 30, 36)
    assert dice(back >= 0.5, volume.mask) > 0.97


def test_a_coarser_grid_shows_no_structure_that_is_not_there() -> None:
    stripes = (
        np.tile(np.array([0, 100], np.float32), 16)[np.newaxis, np.newaxis, np.newaxis].repeat(16, axis=1).repeat(32, axis=2)
    )
    volume = Picture("v", stripes, np.zeros(stripes.shape, bool), spacing_mm=(1.0, 1.0, 1.0))
    case = prepare_picture(
        volume, PreparationPart(items="patches", shape=(8, 8, 8), spacing_mm=2.7, normalise="window", window_hu=(0, 100))
    )
    assert np.abs(case.images[0, 0, :, 2:-2, 2:-2].astype(float)).max() < 0.35


def test_a_spacing_that_the_files_do_not_state_is_refused() -> None:
    with pytest.raises(GeometryError, match="states no spacing"):
        prepare_picture(drawn("v", (6, 20, 20)), PreparationPart(items="patches", shape=(4, 8, 8), spacing_mm=1.0))


@pytest.mark.parametrize(
    ("shape", "preparation"),
    [
        ((6, 20, 20), PreparationPart(shape=(8, 8))),
        ((20, 20), PreparationPart(items="slices", shape=(8, 8))),
        ((6, 20, 20), PreparationPart(items="patches", shape=(8, 8))),
        ((20, 20), PreparationPart(shape=(8, 8, 8))),
        ((20, 20), PreparationPart(shape=(0, 8))),
    ],
)
def test_items_that_do_not_fit_the_axes_are_refused(shape: tuple[int, ...], preparation: PreparationPart) -> None:
    with pytest.raises(GeometryError, match="preparation"):
        prepare_picture(drawn("a", shape), preparation)


# On disk


def test_items_come_back_from_disk_as_they_were_made(tmp_path: Path) -> None:
    cases = [drawn("b", (7, 20, 24), seed=1), drawn("a", (3, 30, 30), seed=2)]
    preparation = PreparationPart(items="slices", shape=(16, 20))
    prepared = prepare_pictures(pictures_of(*cases), ["b", "a"], preparation, tmp_path)
    assert (prepared.dims, prepared.shape, prepared.channels, prepared.regions) == (2, (16, 20), ("c0", "c1"), ("ball",))
    assert prepared.rows_of(["a"]).tolist() == [7, 8, 9]
    assert prepared.rows_of(["a", "b"]).tolist() == [7, 8, 9, 0, 1, 2, 3, 4, 5, 6]
    assert [prepared.owner(row) for row in (0, 6, 7, 9)] == ["b", "b", "a", "a"]
    for case in cases:
        made = prepare_picture(case, preparation)
        assert made.masks is not None
        for place, row in enumerate(prepared.rows_of([case.case_id])):
            assert np.array_equal(prepared.image(row), made.images[place].astype(np.float32))
            assert np.array_equal(prepared.mask(row), made.masks[place].astype(bool))


def test_whole_volumes_of_unequal_size_are_kept_at_their_own_grid(tmp_path: Path) -> None:
    cases = [drawn("a", (7, 20, 24)), drawn("b", (5, 30, 22))]
    prepared = prepare_pictures(pictures_of(*cases), ["a", "b"], PreparationPart(items="patches", shape=(4, 8, 8)), tmp_path)
    assert (prepared.dims, prepared.shape, prepared.is_uniform()) == (3, (7, 30, 24), False)
    assert prepared.image(1).shape == (2, 5, 30, 22) and prepared.mask(0).shape == (1, 7, 20, 24)
    assert cases[1].mask is not None
    assert np.array_equal(prepared.restore("b", prepared.mask(1)[np.newaxis].astype(np.float32)) >= 0.5, cases[1].mask)


def test_prepared_pictures_travel_to_a_worker_by_their_paths(tmp_path: Path) -> None:
    prepared = prepare_pictures(pictures_of(drawn("a")), ["a"], PreparationPart(shape=(32, 32)), tmp_path)
    sent = pickle.dumps(prepared)
    assert len(sent) < 2000
    assert np.array_equal(pickle.loads(sent).image(0), prepared.image(0))  # noqa: S301 (our own bytes)


def test_a_second_call_reads_nothing_again(tmp_path: Path) -> None:
    pictures, preparation = pictures_of(drawn("a"), drawn("b", seed=1)), PreparationPart(shape=(32, 32))
    first = prepare_pictures(pictures, ["a", "b"], preparation, tmp_path)
    unreadable = replace(pictures, source=Drawings({}))
    again = prepare_pictures(unreadable, ["a", "b"], preparation, tmp_path)
    assert again == first
    for changed in (replace(unreadable, fingerprint="e" * 64), unreadable):
        other = preparation if changed is not unreadable else PreparationPart(shape=(32, 32), normalise="zscore")
        with pytest.raises(KeyError):
            prepare_pictures(changed, ["a", "b"], other, tmp_path)


def test_f159_a_damaged_or_half_made_file_is_made_again(tmp_path: Path) -> None:
    pictures, preparation = pictures_of(drawn("a"), drawn("b", seed=1)), PreparationPart(shape=(32, 32))
    prepared = prepare_pictures(pictures, ["a", "b"], preparation, tmp_path)
    wanted = prepared.image(1).copy()
    for path in (prepared.images, prepared.masks):
        data = bytearray(path.read_bytes())
        data[-5] ^= 1
        path.write_bytes(data)
        assert np.array_equal(prepare_pictures(pictures, ["a", "b"], preparation, tmp_path).image(1), wanted)
    prepared.images.write_bytes(b"")
    assert prepare_pictures(pictures, ["a", "b"], preparation, tmp_path).images.stat().st_size == 2 * 2 * 32 * 32 * 2


def test_f152_a_case_that_cannot_be_read_leaves_nothing_half_written(tmp_path: Path) -> None:
    pictures = pictures_of(drawn("a"), drawn("b", seed=1))
    broken = replace(pictures, source=Drawings({"a": drawn("a")}))
    with pytest.raises(KeyError):
        prepare_pictures(broken, ["a", "b"], PreparationPart(shape=(32, 32)), tmp_path)
    assert not list(tmp_path.iterdir())


def test_other_pictures_do_not_change_a_prepared_one(tmp_path: Path) -> None:
    """Whatever is learned from several pictures at once would leak from test into training."""
    alone = prepare_pictures(pictures_of(drawn("a")), ["a"], PreparationPart(shape=(32, 32)), tmp_path / "1")
    bright = replace(drawn("b"), image=drawn("b").image + 80)
    together = prepare_pictures(pictures_of(bright, drawn("a")), ["b", "a"], PreparationPart(shape=(32, 32)), tmp_path / "2")
    assert np.array_equal(alone.image(0), together.image(1))


def test_a_case_that_was_not_prepared_is_refused(tmp_path: Path) -> None:
    prepared = prepare_pictures(pictures_of(drawn("a")), ["a"], PreparationPart(shape=(32, 32)), tmp_path)
    with pytest.raises(DataError, match="Case z"):
        prepared.rows_of(["z"])


def test_a_case_that_nobody_drew_on_gets_an_empty_mask(tmp_path: Path) -> None:
    plain = replace(drawn("a"), mask=None)
    prepared = prepare_pictures(pictures_of(plain), ["a"], PreparationPart(shape=(32, 32)), tmp_path)
    assert not prepared.mask(0).any() and prepared.image(0).any()


def test_scores_of_two_regions_come_back_in_order() -> None:
    scores = np.stack([ndimage.gaussian_filter(ball((32, 32), 6).astype(np.float32), 1), np.zeros((32, 32), np.float32)])[
        np.newaxis
    ]
    back = restore_scores(scores, (64, 64), ((0, 64), (0, 64)), "whole")
    assert back[0].max() > 0.9 and not back[1].any()
    assert back.min() >= 0 and back.max() <= 1

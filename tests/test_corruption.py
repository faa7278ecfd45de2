"""Planted faults: worse with every severity, the same for the same seed, and of the kind that their name says."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from core.contracts.segmentation_recipe import SegmentationEvaluationPart
from core.errors import InputError
from core.imaging.corruption import CORRUPTIONS, NOISE, PHOTONS, SEVERITIES

Array = NDArray[np.float32]


def picture(shape: tuple[int, ...] = (48, 48), channels: int = 2) -> Array:
    """A bright box on a dark ground with a ramp across, between -1 and 1."""
    image = np.broadcast_to(np.linspace(-0.9, -0.3, shape[-1]), (channels, *shape)).copy()
    image[(slice(None), *(slice(edge // 4, edge // 2) for edge in shape))] = 0.8
    return image.astype(np.float32)


def spoilt(name: str, severity: int, image: Array, seed: int = 3) -> Array:
    return CORRUPTIONS[name](image, severity, np.random.default_rng(seed))


def test_every_fault_that_recipes_ask_for_by_default_is_there() -> None:
    evaluation = SegmentationEvaluationPart()
    assert set(evaluation.corruptions) <= set(CORRUPTIONS) and evaluation.severities == SEVERITIES


@pytest.mark.parametrize("shape", [(48, 48), (8, 24, 24)], ids=["picture", "volume"])
@pytest.mark.parametrize("name", sorted(CORRUPTIONS))
def test_a_fault_grows_with_its_severity_and_keeps_the_form(name: str, shape: tuple[int, ...]) -> None:
    image = picture(shape)
    before = image.copy()
    changes = []
    for severity in range(1, SEVERITIES + 1):
        found = spoilt(name, severity, image)
        assert found.shape == image.shape and found.dtype == np.float32 and np.isfinite(found).all()
        changes.append(float(np.abs(found - image).mean()))
    assert all(less < more for less, more in zip([0.0, *changes], changes))
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("name", sorted(CORRUPTIONS))
def test_the_middle_severity_is_visible(name: str) -> None:
    """At least 2 % of the range on average over the picture; blur changes edges alone, and there far more."""
    image = picture()
    change = np.abs(spoilt(name, 3, image) - image)
    assert change.mean() > 0.04 or change.max() > 0.4


@pytest.mark.parametrize("name", sorted(CORRUPTIONS))
def test_the_same_generator_plants_the_same_fault(name: str) -> None:
    np.testing.assert_array_equal(spoilt(name, 2, picture()), spoilt(name, 2, picture()))


@pytest.mark.parametrize("name", ["noise", "low_dose", "bias_field"])
def test_another_seed_plants_another_fault(name: str) -> None:
    assert not np.array_equal(spoilt(name, 2, picture(), seed=1), spoilt(name, 2, picture(), seed=2))


@pytest.mark.parametrize("severity", [0, 6, -1])
@pytest.mark.parametrize("name", sorted(CORRUPTIONS))
def test_a_severity_that_does_not_exist_is_refused(name: str, severity: int) -> None:
    with pytest.raises(InputError, match="severities 1 to 5"):
        spoilt(name, severity, picture())


def test_noise_has_the_stated_spread() -> None:
    flat = np.zeros((1, 200, 200), dtype=np.float32)
    for severity in range(1, SEVERITIES + 1):
        assert spoilt("noise", severity, flat).std() == pytest.approx(NOISE[severity - 1], rel=0.02)


def test_blur_keeps_the_mean_and_softens_edges() -> None:
    image = picture()
    found = spoilt("blur", 3, image)
    assert found.mean() == pytest.approx(image.mean(), abs=0.02)
    assert np.abs(np.diff(found, axis=1)).max() < 0.5 * np.abs(np.diff(image, axis=1)).max()


def test_contrast_is_lowered_around_the_mean_of_each_channel() -> None:
    image = picture()
    image[1] += 0.1
    found = spoilt("contrast", 3, image)
    np.testing.assert_allclose(found.mean(axis=(1, 2)), image.mean(axis=(1, 2)), atol=1e-5)
    np.testing.assert_allclose(found.std(axis=(1, 2)), 0.45 * image.std(axis=(1, 2)), rtol=1e-4)


def test_ghosts_are_copies_along_the_rows_of_a_slice() -> None:
    for shape in ((40, 40), (6, 40, 40)):
        image = np.zeros((1, *shape), dtype=np.float32)
        image[..., 4, 7] = 1.0
        found = spoilt("ghosting", 3, image)
        assert np.flatnonzero(found.reshape(-1, 40, 40)[0, :, 7]).tolist() == [4, 14, 24, 34]
        assert found.sum() == pytest.approx(image.sum(), rel=1e-5)


def test_low_dose_is_noisiest_where_the_picture_is_bright_and_keeps_its_mean() -> None:
    image = np.full((1, 200, 200), -0.8, dtype=np.float32)
    image[:, :, 100:] = 0.8
    found = spoilt("low_dose", 3, image)
    assert found[..., :100].std() < 0.5 * found[..., 100:].std()
    assert found[..., 100:].std() == pytest.approx(2 * np.sqrt(0.9 / PHOTONS[2]), rel=0.03)
    assert found[..., 100:].mean() == pytest.approx(0.8, abs=0.01)


def test_low_dose_does_not_cut_off_images_of_another_range() -> None:
    image = 3 * picture()
    assert spoilt("low_dose", 1, image).mean() == pytest.approx(image.mean(), abs=0.05)


def test_a_bias_field_is_smooth_and_stays_within_its_strength() -> None:
    flat = np.zeros((2, 64, 64), dtype=np.float32)
    field = spoilt("bias_field", 5, flat)
    assert np.abs(field).max() == pytest.approx(0.8, rel=1e-5)
    assert np.abs(np.diff(field, axis=1)).max() < 0.1
    np.testing.assert_array_equal(field[0], field[1])

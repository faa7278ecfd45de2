"""What may explain errors, measured on shapes that can be drawn on paper."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.contracts.pictures import Picture
from core.imaging.picture_facts import picture_facts


def square(side: int = 4, at: tuple[int, int] = (8, 8), shape: tuple[int, int] = (32, 32)) -> np.ndarray:
    mask = np.zeros(shape, dtype=bool)
    mask[at[0] : at[0] + side, at[1] : at[1] + side] = True
    return mask


def facts_of(mask: np.ndarray, image: np.ndarray | None = None, **picture: object) -> dict[str, object]:
    grey = np.random.default_rng(0).normal(100, 10, mask.shape) if image is None else image
    (found,) = picture_facts(Picture("a", grey[np.newaxis], mask[np.newaxis], **picture), ["lesion"], "mm")  # type: ignore[arg-type]
    return found


def test_size_share_parts_and_border_of_a_square() -> None:
    found = facts_of(square())
    assert (found["case_id"], found["region"]) == ("a", "lesion")
    assert (found["size"], found["share"], found["parts"], found["touches_border"]) == (16.0, 16 / 1024, 1, 0.0)
    assert facts_of(square(), spacing_mm=(2.0, 0.5))["size"] == 16.0
    assert facts_of(square(), spacing_mm=(2.0, 2.0))["size"] == 64.0


@pytest.mark.parametrize("at", [(0, 8), (28, 8), (8, 0), (8, 28)])
def test_a_square_at_any_edge_touches_it(at: tuple[int, int]) -> None:
    assert facts_of(square(at=at))["touches_border"] == 1.0


def test_parts_are_joined_at_corners() -> None:
    assert facts_of(square(at=(4, 4)) | square(at=(8, 8)))["parts"] == 1
    assert facts_of(square(at=(4, 4)) | square(at=(9, 9)))["parts"] == 2


def test_contrast_is_the_difference_to_the_ring_over_the_pooled_deviation() -> None:
    mask = square(side=10)
    stripes = np.where(np.indices(mask.shape).sum(axis=0) % 2 == 0, 1.0, -1.0)
    found = facts_of(mask, 50 + stripes + 6.0 * mask)
    assert found["contrast"] == pytest.approx(6.0, abs=0.05)
    assert facts_of(mask, 50 + stripes - 6.0 * mask)["contrast"] == pytest.approx(6.0, abs=0.05)


def test_a_region_that_fills_the_picture_has_no_surroundings() -> None:
    assert math.isnan(float(str(facts_of(np.ones((16, 16), dtype=bool))["contrast"])))


def test_an_empty_region_has_size_0_and_no_border_or_contrast() -> None:
    found = facts_of(np.zeros((32, 32), dtype=bool))
    assert (found["size"], found["share"], found["parts"]) == (0.0, 0.0, 0)
    assert math.isnan(float(str(found["touches_border"]))) and math.isnan(float(str(found["contrast"])))


def test_a_picture_without_a_mask_is_measured_as_empty() -> None:
    (found,) = picture_facts(Picture("a", np.ones((1, 8, 8))), ["lesion"], "px")
    assert found["size"] == 0.0


def test_noise_raises_noise_and_blur_lowers_sharpness() -> None:
    smooth = np.add.outer(np.linspace(0, 100, 64), np.linspace(0, 100, 64))
    mask = square(shape=(64, 64))
    noisy = smooth + np.random.default_rng(1).normal(0, 5, smooth.shape)
    found = [float(str(facts_of(mask, image)["noise"])) for image in (smooth, noisy)]
    assert found[0] < 1e-3 < found[1]
    edges = np.kron(np.indices((8, 8)).sum(axis=0) % 2, np.ones((8, 8))) * 100.0
    blurred = (edges + np.roll(edges, 1, 0) + np.roll(edges, 1, 1) + np.roll(edges, (1, 1), (0, 1))) / 4
    assert float(str(facts_of(mask, blurred)["sharpness"])) < float(str(facts_of(mask, edges)["sharpness"]))


def test_brightness_and_scale_of_grey_values_change_nothing() -> None:
    image, mask = np.random.default_rng(2).normal(100, 10, (32, 32)), square()
    one, other = facts_of(mask, image), facts_of(mask, 7 * image + 300)
    for name in ("contrast", "sharpness", "noise"):
        assert other[name] == pytest.approx(one[name], rel=1e-3)


def test_a_volume_and_several_regions_are_measured_each() -> None:
    mask = np.zeros((2, 4, 16, 16), dtype=bool)
    mask[0, 1:3, 4:8, 4:8] = True
    picture = Picture("v", np.random.default_rng(0).normal(0, 1, (3, 4, 16, 16)), mask, spacing_mm=(3.0, 1.0, 1.0))
    whole, core = picture_facts(picture, ["whole", "core"], "mm")
    assert (whole["size"], core["size"]) == (32 * 3.0, 0.0)
    assert whole["touches_border"] == 0.0 and whole["sharpness"] == core["sharpness"]

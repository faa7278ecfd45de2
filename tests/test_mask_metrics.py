"""Mask metrics: by hand on drawable shapes, their properties, empty masks, what is refused, and the loops behind them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from core.errors import GeometryError
from core.metrics.masks import MASK_METRICS
from core.metrics.masks._counting import lesion_counts, mask_counts
from core.metrics.masks._distances import pair_numbers, surface_distances
from core.metrics.masks.empty import EMPTY_RULE, EmptyCounts, empty_counts
from core.metrics.masks.judging import judge_mask
from core.storage.results import MASK_COLUMNS
from tests.fixtures_masks import ball, shared_pairs, speckle

Mask = NDArray[np.bool_]


def drawn(*rows: str) -> Mask:
    """A mask from a drawing: # is inside."""
    return np.array([[pixel == "#" for pixel in row] for row in rows])


SQUARE = drawn("........", "..###...", "..###...", "..###...", "........", "........")
ASIDE = np.roll(SQUARE, 1, axis=1)
NOTHING = np.zeros_like(SQUARE)


def rows_of(*pairs: tuple[Mask, Mask], tolerance: float = 1.0, in_plane: bool = False) -> pd.DataFrame:
    numbers = [
        judge_mask(one[np.newaxis], other[np.newaxis], spacing=None, tolerance=tolerance, in_plane=in_plane)[0]
        for one, other in pairs
    ]
    return pd.DataFrame(numbers)


def value(name: str, reference: Mask, predicted: Mask, tolerance: float = 1.0) -> float:
    return float(MASK_METRICS.get(name).compute(rows_of((reference, predicted), tolerance=tolerance))[0])


def by_distance_transform(
    reference: Mask, predicted: Mask, spacing: Sequence[float], tolerance: float
) -> tuple[int, int, int, int, float, float, float]:
    """The definitions once more, written with SciPy and no care for speed."""
    borders = [mask & ~ndimage.binary_erosion(mask) for mask in (reference, predicted)]
    counts = [int(border.sum()) for border in borders]
    if 0 in counts:
        return counts[0], counts[1], 0, 0, math.nan, math.nan, math.nan
    away = [ndimage.distance_transform_edt(~border, sampling=spacing) for border in borders]
    there, back = away[1][borders[0]], away[0][borders[1]]
    near = int((there <= tolerance).sum()), int((back <= tolerance).sum())
    hd95 = max(np.percentile(there, 95), np.percentile(back, 95))
    return *counts, *near, hd95, max(there.max(), back.max()), np.concatenate([there, back]).mean()  # type: ignore[return-value]


def random_pair(seed: int, dims: int) -> tuple[Mask, Mask, tuple[float, ...]]:
    """Two masks of any size, density and likeness, and the edges of a pixel."""
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, [60, 150] if dims == 2 else [9, 20, 140]))
    one, other = (rng.random(shape) < rng.choice([0.002, 0.03, 0.3, 0.9]) for _ in range(2))
    return (
        one,
        (one ^ (other & (rng.random(shape) < 0.1))) if seed % 3 == 0 else other,
        tuple(rng.choice([0.3, 0.7, 1, 2.5], dims)),
    )


def test_two_squares_one_pixel_apart_have_the_values_counted_by_hand() -> None:
    expected = {
        "dice": 12 / 18, "jaccard": 6 / 12, "accuracy": (6 + 36) / 48, "sensitivity": 6 / 9, "specificity": 36 / 39,
        "precision": 6 / 9, "hd95": 1.0, "nsd": 1.0, "assd": 8 / 16, "volume_error": 0.0, "volume_bias": 0.0,
        "lesion_sensitivity": 1.0, "lesion_precision": 1.0, "false_lesions": 0.0,
    }  # fmt: skip
    assert {name: value(name, SQUARE, ASIDE) for name in MASK_METRICS.names()} == pytest.approx(expected)


def test_a_border_pixel_at_exactly_the_tolerance_is_near_and_one_beyond_is_not() -> None:
    assert value("nsd", SQUARE, ASIDE, tolerance=1.0) == 1.0
    # Of the 8 border pixels of each square the other shares 4: the corners of the two columns that both squares hold.
    assert value("nsd", SQUARE, ASIDE, tolerance=0.99) == pytest.approx(8 / 16)


def test_the_percentile_lies_between_two_distances_as_in_numpy() -> None:
    line, dot = drawn("##########"), drawn("#.........")
    assert value("hd95", line, dot) == pytest.approx(np.percentile(np.arange(10), 95))
    assert rows_of((line, dot))["hd"][0] == 9.0
    assert value("assd", line, dot) == pytest.approx(45 / 11)


def test_distances_follow_the_spacing_of_each_axis() -> None:
    across = surface_distances(drawn("#...", "....", "...."), drawn("...#", "....", "...."), (5.0, 0.5), 1.0)
    down = surface_distances(drawn("#...", "....", "...."), drawn("....", "....", "#..."), (5.0, 0.5), 1.0)
    assert (across.hd, down.hd) == (1.5, 10.0)


def test_the_edge_of_the_picture_is_border() -> None:
    full = np.ones((4, 5), dtype=bool)
    assert surface_distances(full, full, None, 0.0).border_reference == 14


def test_a_sign_says_whether_the_prediction_is_too_large() -> None:
    assert value("volume_bias", SQUARE, SQUARE | ASIDE) == pytest.approx(3 / 9)
    assert value("volume_bias", SQUARE | ASIDE, SQUARE) == pytest.approx(-3 / 12)
    assert value("volume_error", SQUARE | ASIDE, SQUARE) == pytest.approx(3 / 12)


def test_lesions_joined_by_a_corner_are_one_and_one_shared_pixel_finds_a_lesion() -> None:
    reference = drawn("#....##", ".#...##", ".......", "###....")
    predicted = drawn(".....#.", "......#", "##....#", ".......")
    counts = lesion_counts(reference, predicted)
    assert (counts.lesions, counts.found, counts.predicted, counts.false) == (3, 1, 2, 1)
    rows = rows_of((reference, predicted))
    assert MASK_METRICS.get("lesion_sensitivity").compute(rows)[0] == pytest.approx(1 / 3)
    assert MASK_METRICS.get("lesion_precision").compute(rows)[0] == pytest.approx(1 / 2)
    assert MASK_METRICS.get("false_lesions").compute(rows)[0] == 1


def test_within_slices_no_distance_crosses_a_slice() -> None:
    reference = np.stack([SQUARE, SQUARE, NOTHING, NOTHING])
    predicted = np.stack([ASIDE, NOTHING, SQUARE, NOTHING])
    found = surface_distances(reference, predicted, None, 1.0, in_plane=True)
    assert (found.border_reference, found.border_predicted) == (16, 16)
    assert (found.border_reference_near, found.border_predicted_near) == (8, 8)
    assert (found.hd95, found.hd, found.assd) == (1.0, 1.0, 0.5)


def test_within_slices_there_is_no_distance_where_no_slice_holds_both() -> None:
    found = surface_distances(np.stack([SQUARE, NOTHING]), np.stack([NOTHING, SQUARE]), None, 1.0, in_plane=True)
    assert math.isnan(found.hd95)
    assert (found.border_reference, found.border_reference_near) == (8, 0)


def test_empty_masks_follow_the_one_rule_and_are_counted() -> None:
    rows = rows_of((SQUARE, ASIDE), (SQUARE, NOTHING), (NOTHING, SQUARE), (NOTHING, NOTHING))
    assert empty_counts(rows) == EmptyCounts(rows=4, neither=1, rightly_empty=1, missed=1, made_up=1)
    for name in ("dice", "jaccard", "nsd"):
        assert np.array_equal(MASK_METRICS.get(name).compute(rows)[1:], [0, 0, math.nan], equal_nan=True), name
    for name in ("hd95", "assd"):
        assert np.isnan(MASK_METRICS.get(name).compute(rows)[1:]).all(), name
    assert np.array_equal(MASK_METRICS.get("precision").compute(rows)[1:], [0, 0, math.nan], equal_nan=True)
    assert np.array_equal(MASK_METRICS.get("sensitivity").compute(rows)[1:], [0, math.nan, math.nan], equal_nan=True)
    assert "rightly empty" in EMPTY_RULE


@pytest.mark.parametrize("name", MASK_METRICS.names())
def test_every_metric_says_what_it_is_and_stays_in_its_range(name: str) -> None:
    spec = MASK_METRICS.get(name)
    assert spec.description.endswith(".") and spec.undefined.endswith(".") and spec.reference
    values = spec.compute(rows_of(*((pair.reference, pair.predicted) for pair in shared_pairs())))
    assert values.shape == (12,)
    assert ((values >= spec.low) & (values <= spec.high)).all()


def test_models_are_compared_by_dice_surface_dice_and_the_distance_of_borders() -> None:
    assert {spec.name for spec in MASK_METRICS if spec.compared} == {"dice", "nsd", "hd95"}


@given(st.integers(0, 10**6), st.sampled_from([2, 3]))
@settings(deadline=None, max_examples=40)
def test_border_numbers_are_those_of_the_distance_transform(seed: int, dims: int) -> None:
    reference, predicted, spacing = random_pair(seed, dims)
    found = surface_distances(reference, predicted, spacing, 1.4)
    expected = by_distance_transform(reference, predicted, spacing, 1.4)
    assert tuple(vars(found).values()) == pytest.approx(expected, rel=1e-9, nan_ok=True)


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=20)
def test_within_slices_border_counts_are_sums_over_slices(seed: int) -> None:
    reference, predicted, spacing = random_pair(seed, 3)
    found = surface_distances(reference, predicted, spacing, 1.4, in_plane=True)
    slices = [by_distance_transform(one, other, spacing[1:], 1.4) for one, other in zip(reference, predicted, strict=True)]
    assert tuple(vars(found).values())[:4] == tuple(sum(part[at] for part in slices) for at in range(4))
    assert np.array_equal(found.hd, np.fmax.reduce([part[5] for part in slices]), equal_nan=True)


@given(st.integers(0, 10**6), st.sampled_from([2, 3]))
@settings(deadline=None, max_examples=20)
def test_changing_places_changes_neither_dice_nor_distances(seed: int, dims: int) -> None:
    reference, predicted, spacing = random_pair(seed, dims)
    there, back = surface_distances(reference, predicted, spacing, 1.0), surface_distances(predicted, reference, spacing, 1.0)
    assert (there.hd95, there.hd) == pytest.approx((back.hd95, back.hd), nan_ok=True)
    assert there.assd == pytest.approx(back.assd, nan_ok=True)
    assert (there.border_reference, there.border_reference_near) == (back.border_predicted, back.border_predicted_near)
    assert mask_counts(reference, predicted).tp == mask_counts(predicted, reference).tp


@given(st.integers(0, 10**6), st.sampled_from([2, 3]))
@settings(deadline=None, max_examples=20)
def test_a_mask_is_at_no_distance_from_itself(seed: int, dims: int) -> None:
    mask = random_pair(seed, dims)[0]
    mask.flat[0] = True
    found = surface_distances(mask, mask, None, 0.0)
    assert (found.hd95, found.hd, found.assd) == (0, 0, 0)
    assert found.border_reference_near == found.border_reference == found.border_predicted_near


@given(st.integers(0, 10**6), st.integers(1, 70), st.integers(1, 70))
@settings(deadline=None, max_examples=20)
def test_moving_both_masks_changes_no_distance(seed: int, down: int, across: int) -> None:
    reference, predicted, spacing = random_pair(seed, 2)
    frame = ((down, 3), (across, 5))
    here = surface_distances(np.pad(reference, 1), np.pad(predicted, 1), spacing, 1.0)
    there = surface_distances(np.pad(reference, frame), np.pad(predicted, frame), spacing, 1.0)
    assert tuple(vars(here).values()) == pytest.approx(tuple(vars(there).values()), rel=1e-12, nan_ok=True)


def test_counts_of_many_pairs_are_those_of_each_pair() -> None:
    shape = (37, 130)
    pairs = [(speckle(shape, 3, seed), speckle(shape, 4, seed + 50) & ball(shape, (18, 60), (18, 50))) for seed in range(5)]
    found = pair_numbers(np.stack([pair[0] for pair in pairs]), np.stack([pair[1] for pair in pairs]), None, 1.0)
    counted = [mask_counts(*pair) for pair in pairs]
    for name in ("tp", "fp", "fn", "tn"):
        assert getattr(found, name).tolist() == [getattr(counts, name) for counts in counted]
    for at, pair in enumerate(pairs):
        assert surface_distances(*pair, None, 1.0).hd95 == found.hd95[at]


def test_judging_gives_a_row_a_region_with_the_stored_columns() -> None:
    regions = np.stack([SQUARE, NOTHING])
    judged = judge_mask(regions, np.stack([ASIDE, NOTHING]), spacing=(1.0, 1.0), tolerance=1.0)
    labels = {"case_id", "patient_id", "region", "model", "base_model", "split", "repeat", "fold", "condition"}
    assert [set(row) for row in judged] == [set(MASK_COLUMNS) - labels] * 2
    assert [row["tp"] for row in judged] == [6, 0]


def test_a_mask_on_another_grid_is_refused() -> None:
    with pytest.raises(GeometryError, match="one grid"):
        judge_mask(SQUARE[np.newaxis], SQUARE[np.newaxis, :, 1:], spacing=None, tolerance=1.0)


def test_a_spacing_that_does_not_fit_is_refused() -> None:
    for spacing in ((1.0,), (1.0, 0.0), (1.0, 1.0, 1.0)):
        with pytest.raises(GeometryError, match="Spacing"):
            judge_mask(SQUARE[np.newaxis], SQUARE[np.newaxis], spacing=spacing, tolerance=1.0)


def test_a_mask_without_an_axis_of_regions_and_a_tolerance_below_zero_are_refused() -> None:
    with pytest.raises(GeometryError, match="axis of regions"):
        judge_mask(SQUARE, SQUARE, spacing=None, tolerance=1.0)
    for tolerance in (-1.0, math.nan):
        with pytest.raises(GeometryError, match="tolerance"):
            judge_mask(SQUARE[np.newaxis], SQUARE[np.newaxis], spacing=None, tolerance=tolerance)


def test_loops_are_compiled_quietly_where_nothing_can_be_kept_on_disk() -> None:
    from core.metrics.masks._kernels import compiled

    space: dict[str, object] = {}
    exec(compile("def twice(x):\n    return 2 * x\n", "<no file>", "exec"), space)
    twice = compiled(space["twice"])  # type: ignore[type-var]
    assert twice(21) == 42  # type: ignore[operator]

"""Network input made from pictures: frame, sides, channels, and what is kept on disk."""

from __future__ import annotations

import pickle
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from core.contracts.volume import CaseImage, Volume
from core.errors import DataError, RecipeError
from core.imaging.prepare import HU_WINDOW, PrepareSettings, prepare_case, prepare_images
from tests.conftest import real_data

LABELS = {1: "kidney", 2: "tumour", 3: "cyst"}
RAS = np.diag([2.0, 2.0, 2.0, 1.0])
"""Voxel axes are x (rising to the right), y (to the front), z (to the head)."""
KITS = np.array([[0, 0, -2.0, 0], [0, -2.0, 0, 0], [-2.0, 0, 0, 0], [0, 0, 0, 1]])
"""Voxel axes are z, y, x, each running the other way."""
SMALL = {"input_shape": [20, 20, 20], "input_spacing_mm": 2.0}


def two_kidneys(tumour_right: bool = False) -> NDArray[np.uint8]:
    """(60, 40, 40) in RAS: two boxes and a tumour near the head, at the front and the outer side of one."""
    voxels = np.zeros((60, 40, 40), dtype=np.uint8)
    voxels[6:16, 14:24, 10:26] = 1
    voxels[44:54, 14:24, 10:26] = 1
    x = slice(51, 55) if tumour_right else slice(5, 9)
    voxels[x, 20:24, 21:25] = 2
    return voxels


def as_kits(voxels: NDArray[np.uint8]) -> Volume:
    """The same body stored the way KiTS stores it."""
    stored = voxels.transpose(2, 1, 0)[::-1, ::-1, ::-1]
    affine = KITS.copy()
    affine[:3, 3] = [2.0 * (edge - 1) for edge in voxels.shape]
    return Volume(np.ascontiguousarray(stored), affine, LABELS)


@dataclass(frozen=True)
class Pictures:
    """A source that counts how often it is read."""

    images: Mapping[str, CaseImage]
    labels: dict[int, str] = field(default_factory=lambda: dict(LABELS))
    has_scan: bool = False
    mask_origin: str = "drawn by hand"
    reads: list[str] = field(default_factory=list)

    def read(self, case_id: str) -> CaseImage:
        self.reads.append(case_id)
        return self.images[case_id]


def mask_case(voxels: NDArray[np.uint8], affine: NDArray[np.float64] = RAS) -> CaseImage:
    return CaseImage("a", mask=Volume(voxels, affine, LABELS))


def prepared(image: CaseImage, **changes: object) -> NDArray[np.uint8]:
    voxels = prepare_case(image, LABELS, PrepareSettings.of({**SMALL, **changes}))
    assert voxels is not None
    return voxels


def middle(channel: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.array([axis.mean() for axis in np.nonzero(channel > 127)])


def test_depth_rises_to_the_head_height_to_the_front_and_width_to_the_midline() -> None:
    kidney, tumour, _ = prepared(mask_case(two_kidneys()))
    depth, height, width = middle(tumour) - middle(kidney)
    assert depth > 2 and height > 2 and width < -2


def test_a_right_sided_case_is_mirrored_onto_a_left_sided_one() -> None:
    left, right = two_kidneys(), two_kidneys(tumour_right=True)
    assert (left[::-1] == right).all()
    assert np.array_equal(prepared(mask_case(left)), prepared(mask_case(right)))


def test_the_same_body_stored_with_other_axes_gives_the_same_input() -> None:
    for tumour_right in (False, True):
        voxels = two_kidneys(tumour_right)
        stored = CaseImage("a", mask=as_kits(voxels))
        assert np.array_equal(prepared(mask_case(voxels)), prepared(stored))


def test_only_the_organ_with_the_lesion_is_in_the_middle() -> None:
    kidney, _, _ = prepared(mask_case(two_kidneys()))
    assert np.allclose(middle(kidney), 9.5, atol=1.5)
    assert kidney.sum() / 255 == pytest.approx((two_kidneys()[:30] == 1).sum(), rel=0.02)


def test_crop_lesion_puts_the_lesion_in_the_middle() -> None:
    _, tumour, _ = prepared(mask_case(two_kidneys()), crop="lesion")
    assert np.allclose(middle(tumour), 9.5, atol=0.6)


def test_crop_whole_keeps_the_middle_of_the_picture() -> None:
    kidney, _, _ = prepared(mask_case(two_kidneys()), crop="whole", input_shape=[40, 40, 60])
    assert kidney.sum() / 255 == pytest.approx((two_kidneys() == 1).sum(), rel=0.02)


def test_an_organ_wider_than_the_crop_is_moved_until_the_lesion_is_inside() -> None:
    voxels = np.zeros((60, 40, 40), dtype=np.uint8)
    voxels[4:56, 14:24, 10:20] = 1
    voxels[2:8, 14:20, 12:18] = 2
    _, tumour, _ = prepared(mask_case(voxels))
    assert tumour.sum() / 255 == pytest.approx((voxels == 2).sum(), rel=0.02)


def test_volumes_survive_resampling_from_a_finer_and_unequal_grid() -> None:
    fine = np.repeat(np.repeat(two_kidneys(), 2, axis=0), 3, axis=2)
    affine = np.diag([1.0, 2.0, 2 / 3, 1.0])
    got = prepared(mask_case(fine, affine), input_spacing_mm=2.5)
    for channel, value in zip(got, (1, 2)):
        truth_ml = (two_kidneys()[:30] == value).sum() * 8.0
        assert channel.sum() / 255 * 2.5**3 == pytest.approx(truth_ml, rel=0.1)


def test_a_scan_is_windowed_and_air_lies_around_it(tmp_path: Path) -> None:
    scan = np.full((60, 40, 40), 40.0, dtype=np.float32)
    scan[:30] = 3000.0
    image = CaseImage("a", Volume(scan, RAS), Volume(two_kidneys(), RAS, LABELS))
    source = Pictures({"a": image}, has_scan=True)
    found = prepare_images(source, ["a"], {**SMALL, "channels": "scan+mask", "input_shape": [20, 20, 60]}, tmp_path, "f")
    assert found.channels == ("scan", "kidney", "tumour", "cyst")
    values = found.arrays(["a"])[0, 0]
    tissue = 2 * (40 - HU_WINDOW[0]) / (HU_WINDOW[1] - HU_WINDOW[0]) - 1
    assert values.max() == 1.0 and values.min() == -1.0
    assert np.isclose(values, tissue, atol=0.01).any()


def test_a_case_without_a_picture_is_nan_and_flagged_never_zeros(tmp_path: Path) -> None:
    source = Pictures({"a": mask_case(two_kidneys()), "b": CaseImage("b")})
    found = prepare_images(source, ["a", "b"], SMALL, tmp_path, "f")
    assert found.has_image(["b", "a"]).tolist() == [False, True]
    values = found.arrays(["b", "a"])
    assert np.isnan(values[0]).all() and np.isfinite(values[1]).all()


def test_a_second_call_reads_no_picture_and_other_settings_make_another_file(tmp_path: Path) -> None:
    source = Pictures({"a": mask_case(two_kidneys())})
    first = prepare_images(source, ["a"], {**SMALL, "epochs": 3}, tmp_path, "f")
    second = prepare_images(source, ["a"], {**SMALL, "epochs": 9}, tmp_path, "f")
    assert source.reads == ["a"] and first == second
    assert prepare_images(source, ["a"], {**SMALL, "crop": "lesion"}, tmp_path, "f").path != first.path
    assert prepare_images(source, ["a"], SMALL, tmp_path, "other pictures").path != first.path


def test_a_damaged_file_is_made_again(tmp_path: Path) -> None:
    source = Pictures({"a": mask_case(two_kidneys())})
    found = prepare_images(source, ["a"], SMALL, tmp_path, "f")
    whole = found.path.read_bytes()
    found.path.write_bytes(whole[:-100])
    prepare_images(source, ["a"], SMALL, tmp_path, "f")
    assert found.path.read_bytes() == whole


def test_a_failing_case_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        prepare_images(Pictures({"a": mask_case(two_kidneys())}), ["a", "b"], SMALL, tmp_path, "f")
    assert list(tmp_path.iterdir()) == []


def test_stored_pictures_travel_to_workers_as_a_path(tmp_path: Path) -> None:
    found = prepare_images(Pictures({"a": mask_case(two_kidneys())}), ["a"], SMALL, tmp_path, "f")
    before = found.arrays(["a"])
    kept = pickle.dumps(found)
    assert len(kept) < 2000
    assert np.array_equal(pickle.loads(kept).arrays(["a"]), before)  # noqa: S301


def test_an_unknown_case_is_refused(tmp_path: Path) -> None:
    found = prepare_images(Pictures({"a": mask_case(two_kidneys())}), ["a"], SMALL, tmp_path, "f")
    with pytest.raises(DataError, match="zz"):
        found.arrays(["zz"])


def test_scans_of_a_data_set_without_scans_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="masks alone"):
        prepare_images(Pictures({}), [], {**SMALL, "channels": "scan"}, tmp_path, "f")


@pytest.mark.parametrize("wrong", [{"input_shape": [4, 4]}, {"input_shape": [0, 4, 4]}, {"input_spacing_mm": 0.0}])
def test_a_shape_or_spacing_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(RecipeError):
        PrepareSettings.of({**SMALL, **wrong})


@dataclass(frozen=True)
class KitsMasks:
    """The label volumes of KiTS, read with nibabel alone."""

    folder: Path
    labels: dict[int, str] = field(default_factory=lambda: dict(LABELS))
    has_scan: bool = False
    mask_origin: str = "experts"

    def read(self, case_id: str) -> CaseImage:
        import nibabel

        picture = nibabel.load(self.folder / "dataset" / case_id / "segmentation.nii.gz")
        return CaseImage(case_id, mask=Volume(np.asarray(picture.dataobj), picture.affine.astype(float), self.labels))


@pytest.mark.data
def test_kits_tumours_are_whole_on_their_true_side_and_quick_to_prepare(tmp_path: Path) -> None:
    folder = real_data("kits23")
    truth = pd.read_csv(folder / "reference" / "imaging_features.csv", index_col="case_id")
    ids = [f"case_{number:05d}" for number in range(0, 300, 20)]
    settings = {"input_shape": [40, 40, 40], "input_spacing_mm": 3.5}
    started = time.process_time()
    found = prepare_images(KitsMasks(folder), ids, settings, tmp_path, "kits")
    assert (time.process_time() - started) / len(ids) < 0.5
    tumour_ml = found.arrays(ids)[:, 1].sum(axis=(1, 2, 3)) * 3.5**3 / 1000
    share = tumour_ml / truth.loc[ids, "tumor_ml"].to_numpy()
    assert np.median(share) == pytest.approx(1.0, abs=0.03) and (share > 0.85).mean() >= 0.9

"""BraTS: both public layouts, written small, and what is refused."""

from __future__ import annotations

import gzip
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from core.contracts.dataset import LoadOptions
from core.contracts.pictures import Picture, PictureSet
from core.contracts.volume import Volume
from core.datasets import DATASETS
from core.datasets.brats import pictures, verify
from core.errors import DataError, GeometryError
from core.ingest import format_nifti, write_nifti

SHAPE = (10, 12, 9)
AFFINE = np.array([[-1.0, 0, 0, 0], [0, -1, 0, 239], [0, 0, 1, 0], [0, 0, 0, 1]])
"""The geometry of the release: the first axis runs to the left, the second to the back."""
MODALITIES = ("t1", "t1ce", "t2", "flair")


def scan(number: int, affine: NDArray[np.float64] = AFFINE) -> Volume:
    values = np.random.default_rng(number).integers(1, 900, SHAPE).astype(np.int16)
    return Volume(values, affine)


def drawn(core: int = 1, oedema: int = 2, enhancing: int = 4) -> Volume:
    """Oedema around a core around an enhancing part, towards the patient's right and the front."""
    labels: NDArray[np.uint8] = np.zeros(SHAPE, np.uint8)
    labels[0:5, 1:6, 2:7] = oedema
    labels[1:4, 2:5, 3:6] = core
    labels[2, 3, 4:6] = enhancing
    return Volume(labels, AFFINE)


def write_folder(root: Path, case_id: str, *, suffix: str = ".nii.gz", mask: Volume | None = None) -> Path:
    folder = root / case_id
    for number, modality in enumerate(MODALITIES):
        write_nifti(folder / f"{case_id}_{modality}{suffix}", scan(number))
    write_nifti(folder / f"{case_id}_seg{suffix}", mask or drawn())
    return folder


ABOUT = {
    "modality": {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"},
    "labels": {"0": "background", "1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"},
}


def four_d(channels: int = 4) -> bytes:
    """A 4-D file in which channel n holds the scan of number n."""
    data = bytearray(format_nifti(scan(0)))
    data[40:56] = np.array([4, *SHAPE, channels, 1, 1, 1], "<i2").tobytes()
    for number in range(1, channels):
        data += scan(number).voxels.astype("<i2").tobytes(order="F")
    return bytes(data)


def write_decathlon(root: Path, *, about: object = ABOUT, data: bytes | None = None) -> Path:
    for folder in ("imagesTr", "labelsTr"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "dataset.json").write_text(json.dumps(about), encoding="utf-8")
    (root / "imagesTr" / "BRATS_001.nii.gz").write_bytes(gzip.compress(data if data is not None else four_d()))
    (root / "imagesTr" / "._BRATS_001.nii.gz").write_bytes(b"left behind by another system")
    write_nifti(root / "labelsTr" / "BRATS_001.nii.gz", drawn(core=2, oedema=1, enhancing=3))
    return root


def options(root: Path, **more: object) -> LoadOptions:
    return LoadOptions(root=root, cache=root.parent / "cache", options=more)


def first(found: PictureSet) -> Picture:
    return found.source.read(found.internal[0])


def sizes(picture: Picture) -> list[int]:
    assert picture.mask is not None
    return [int(region.sum()) for region in picture.mask]


# Folders


@pytest.mark.parametrize(("case_id", "suffix"), [("BraTS20_Training_001", ".nii"), ("BraTS2021_00000", ".nii.gz")])
def test_a_case_folder_comes_with_four_channels_and_three_nested_regions(tmp_path: Path, case_id: str, suffix: str) -> None:
    write_folder(tmp_path, case_id, suffix=suffix)
    found = pictures(options(tmp_path))
    assert (found.internal, found.channels, found.dims, found.unit) == ((case_id,), MODALITIES, 3, "mm")
    assert [region.name for region in found.regions] == ["whole", "core", "enhancing"]
    picture = first(found)
    assert picture.image.shape == (4, 9, 12, 10)
    assert picture.spacing_mm == (1.0, 1.0, 1.0)
    assert sizes(picture) == [125, 27, 2]
    assert picture.mask is not None
    whole, core, enhancing = picture.mask
    assert not (core & ~whole).any() and not (enhancing & ~core).any()


def test_slices_lie_as_readers_see_them(tmp_path: Path) -> None:
    """The release's axes run to the left, to the back and up: exactly the order of a stack, so nothing is turned."""
    write_folder(tmp_path, "BraTS2021_00003")
    picture = first(pictures(options(tmp_path)))
    for channel in range(4):
        assert np.array_equal(picture.image[channel], scan(channel).voxels.transpose(2, 1, 0))


def test_another_order_of_axes_gives_the_same_picture(tmp_path: Path) -> None:
    write_folder(tmp_path / "a", "BraTS2021_00003")
    flipped = np.diag([-1.0, -1.0, 1.0, 1.0])
    flipped[:2, 3] = [SHAPE[0] - 1, SHAPE[1] - 1]
    for path in (tmp_path / "a" / "BraTS2021_00003").iterdir():
        number = MODALITIES.index(path.name.split("_")[2].split(".")[0]) if "seg" not in path.name else None
        volume = drawn() if number is None else scan(number)
        write_nifti(
            tmp_path / "b" / "BraTS2021_00003" / path.name, Volume(volume.voxels[::-1, ::-1].copy(), volume.affine @ flipped)
        )
    one, two = (first(pictures(options(tmp_path / name))) for name in "ab")
    assert np.array_equal(one.image, two.image)
    assert one.mask is not None and two.mask is not None
    assert np.array_equal(one.mask, two.mask)


def test_folders_inside_the_folders_of_an_archive_are_found(tmp_path: Path) -> None:
    inside = tmp_path / "BraTS2020_TrainingData" / "MICCAI_BraTS2020_TrainingData"
    write_folder(inside, "BraTS20_Training_001")
    write_folder(inside, "BraTS20_Training_002")
    (inside / "BraTS20_Validation_001").mkdir()
    (inside / "name_mapping.csv").write_text(
        "Grade,BraTS_2017_subject_ID,BraTS_2020_subject_ID\nHGG,Brats17_CBICA_AAB_1,BraTS20_Training_001\n"
        "LGG,NA,BraTS20_Training_002\n",
        encoding="utf-8",
    )
    found = pictures(options(tmp_path))
    assert found.internal == ("BraTS20_Training_001", "BraTS20_Training_002")
    assert list(found.table["grade"]) == ["High grade", "Low grade"]
    assert found.attributes == (("grade", "Grade"),)


def test_the_one_mask_with_a_name_of_its_own_is_read(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, "BraTS20_Training_355", suffix=".nii")
    (folder / "BraTS20_Training_355_seg.nii").rename(folder / "W39_1998.09.19_Segm.nii")
    assert sizes(first(pictures(options(tmp_path)))) == [125, 27, 2]


def test_f201_a_missing_modality_is_named_and_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, "BraTS2021_00005")
    (folder / "BraTS2021_00005_t1ce.nii.gz").unlink()
    with pytest.raises(DataError, match="BraTS2021_00005_t1ce") as caught:
        pictures(options(tmp_path))
    assert caught.value.code == "MODALITY_MISSING"


def test_a_case_without_a_mask_is_named_and_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, "BraTS2021_00005")
    (folder / "BraTS2021_00005_seg.nii.gz").unlink()
    with pytest.raises(DataError, match="BraTS2021_00005_seg"):
        pictures(options(tmp_path))


def test_f015_a_modality_on_another_grid_is_named_and_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, "BraTS2021_00005")
    write_nifti(folder / "BraTS2021_00005_t2.nii.gz", scan(2, AFFINE @ np.diag([1.0, 1.0, 2.0, 1.0])))
    with pytest.raises(GeometryError, match=r"BraTS2021_00005: BraTS2021_00005_t2\.nii\.gz is on another grid"):
        first(pictures(options(tmp_path)))


def test_f001_a_file_cut_short_is_named_and_refused(tmp_path: Path) -> None:
    path = write_folder(tmp_path, "BraTS2021_00005") / "BraTS2021_00005_flair.nii.gz"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match="BraTS2021_00005_flair") as caught:
        first(pictures(options(tmp_path)))
    assert caught.value.code == "IMG_TRUNCATED"
    assert [finding.level for finding in verify(options(tmp_path))] == ["error"]


def test_a_label_of_another_release_is_refused(tmp_path: Path) -> None:
    """From 2023 on the enhancing part is 3; read as before it would be lost without a word."""
    write_folder(tmp_path, "BraTS2021_00005", mask=drawn(enhancing=3))
    with pytest.raises(DataError, match="value 3") as caught:
        first(pictures(options(tmp_path)))
    assert caught.value.code == "DATA_LABELS"


def test_one_case_in_two_places_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path / "one", "BraTS2021_00005")
    write_folder(tmp_path / "two", "BraTS2021_00005")
    with pytest.raises(DataError, match="two places"):
        pictures(options(tmp_path))


# The Decathlon


@pytest.mark.parametrize("inside", ["", "Task01_BrainTumour"])
def test_the_decathlon_gives_the_same_regions_from_other_labels(tmp_path: Path, inside: str) -> None:
    write_decathlon(tmp_path / inside)
    found = pictures(options(tmp_path))
    assert found.internal == ("BRATS_001",)
    assert "Decathlon" in found.label
    picture = first(found)
    assert sizes(picture) == [125, 27, 2]
    assert picture.image.shape == (4, 9, 12, 10)


def test_channels_of_the_decathlon_are_put_in_the_same_order(tmp_path: Path) -> None:
    """Its files hold FLAIR, T1, T1 with contrast, T2, which ``dataset.json`` says."""
    write_decathlon(tmp_path)
    picture = first(pictures(options(tmp_path)))
    for channel, number in enumerate((1, 2, 3, 0)):
        assert np.array_equal(picture.image[channel], scan(number).voxels.transpose(2, 1, 0))


def test_labels_that_are_not_as_published_are_refused(tmp_path: Path) -> None:
    write_decathlon(tmp_path, about={**ABOUT, "labels": {"0": "background", "1": "tumour"}})
    with pytest.raises(DataError, match="labels"):
        pictures(options(tmp_path))


def test_f201_a_4d_file_without_all_modalities_is_refused(tmp_path: Path) -> None:
    write_decathlon(tmp_path, data=four_d(3))
    with pytest.raises(DataError, match="3 modalities") as caught:
        first(pictures(options(tmp_path)))
    assert caught.value.code == "MODALITY_MISSING"


@pytest.mark.parametrize(
    ("data", "code"), [(four_d()[:-1], "IMG_TRUNCATED"), (four_d() + b"\0", "IMG_TRAILING"), (format_nifti(scan(0)), "IMG_NDIM")]
)
def test_f001_f007_a_damaged_4d_file_is_refused(tmp_path: Path, data: bytes, code: str) -> None:
    write_decathlon(tmp_path, data=data)
    with pytest.raises(DataError, match="BRATS_001") as caught:
        first(pictures(options(tmp_path)))
    assert caught.value.code == code


# The data set


def test_both_layouts_at_once_are_refused_until_one_is_chosen(tmp_path: Path) -> None:
    write_folder(tmp_path, "BraTS2021_00005")
    write_decathlon(tmp_path / "Task01_BrainTumour")
    with pytest.raises(DataError, match="both layouts"):
        pictures(options(tmp_path))
    assert pictures(options(tmp_path, layout="folders")).internal == ("BraTS2021_00005",)
    assert pictures(options(tmp_path, layout="decathlon")).internal == ("BRATS_001",)


def test_an_empty_folder_and_an_unknown_layout_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No case"):
        pictures(options(tmp_path))
    with pytest.raises(DataError, match="layout"):
        pictures(options(tmp_path, layout="folder"))
    assert [finding.level for finding in verify(options(tmp_path))] == ["error"]


def test_another_mask_gives_another_fingerprint(tmp_path: Path) -> None:
    write_folder(tmp_path, "BraTS2021_00005")
    before = pictures(options(tmp_path)).fingerprint
    assert pictures(options(tmp_path)).fingerprint == before
    write_folder(tmp_path, "BraTS2021_00005", mask=Volume(drawn().voxels[::-1].copy(), AFFINE))
    assert pictures(options(tmp_path)).fingerprint != before


def test_a_case_without_a_tumour_is_remarked_on(tmp_path: Path) -> None:
    write_folder(tmp_path, "BraTS2021_00005")
    assert verify(options(tmp_path)) == ()
    write_folder(tmp_path, "BraTS2021_00005", mask=Volume(np.zeros(SHAPE, np.uint8), AFFINE))
    assert len(verify(options(tmp_path))) == 1


def test_the_plug_in_is_found_and_its_source_can_travel(tmp_path: Path) -> None:
    spec = DATASETS.get("brats")
    assert spec.load is None and spec.pictures is not None and spec.folder == "brats"
    write_folder(tmp_path, "BraTS2021_00005")
    source = pickle.loads(pickle.dumps(pictures(options(tmp_path)).source))  # noqa: S301 (our own bytes)
    assert sizes(source.read("BraTS2021_00005")) == [125, 27, 2]

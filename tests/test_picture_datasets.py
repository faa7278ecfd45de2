"""ISIC, TCGA-LGG, LIDC and anybody's folder: tiny folders in their layouts, the traps of each, and the real data where found."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from core.contracts.dataset import Finding, LoadOptions
from core.contracts.pictures import Picture, PictureSet
from core.contracts.volume import Volume
from core.datasets import DATASETS
from core.datasets._near_duplicates import group_alike, same_scene
from core.errors import DataError, GeometryError, LeakageError, Refused
from core.ingest import write_nifti
from tests.conftest import real_data

Bytes = NDArray[np.uint8]


def load(name: str, root: Path, **options: object) -> PictureSet:
    pictures = DATASETS.get(name).pictures
    assert pictures is not None
    return pictures(LoadOptions(root, root.parent / f"{root.name}.cache", options))


def verify(name: str, root: Path, **options: object) -> tuple[Finding, ...]:
    return DATASETS.get(name).verify(LoadOptions(root, root.parent / f"{root.name}.cache", options))


def save(path: Path, pixels: Bytes, **how: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **how)


def mask_of(picture: Picture) -> NDArray[np.bool_]:
    assert picture.mask is not None
    return picture.mask


def scene(seed: int, edge: int = 96) -> NDArray[np.float32]:
    """A grey picture with structure of its own, 0 to 255."""
    rng = np.random.default_rng(seed)
    fine = ndimage.gaussian_filter(rng.normal(size=(edge, edge)), 1.5) * 60
    coarse = ndimage.gaussian_filter(rng.normal(size=(edge, edge)), 9) * 1000
    return np.clip(128 + fine + coarse, 0, 255).astype(np.float32)


def disc(edge: int, radius: float, at: tuple[float, float]) -> NDArray[np.bool_]:
    rows, columns = np.indices((edge, edge))
    return np.asarray((rows - at[0]) ** 2 + (columns - at[1]) ** 2 <= radius**2)


# Pictures of one scene


def test_a_copy_is_found_upright_mirrored_turned_recoloured_and_recut() -> None:
    pictures = [scene(seed) for seed in range(12)]
    first = pictures[3]
    copies = [np.rot90(first), first[:, ::-1], 255 - 0.6 * (255 - first), np.roll(first, (1, -2), axis=(0, 1))]
    larger = ndimage.zoom(first, 1.04, order=1)[2:98, 2:98]
    groups = group_alike(np.stack([*pictures, *copies, larger]).astype(np.float32))
    assert groups[:12] == list(range(12))
    assert groups[12:] == [3] * 5


def test_dark_spots_in_the_middle_are_not_taken_for_one_scene() -> None:
    """All lesions are dark spots in the middle: what they share says nothing."""
    spot = 120.0 * disc(96, 25, (48, 48))
    pictures = np.stack([0.5 * scene(seed) + 120 - 0.8 * spot for seed in range(20)]).astype(np.float32)
    assert group_alike(pictures) == list(range(20))


# ISIC 2018


def write_isic(root: Path, count: int = 6, edge: int = 48) -> Path:
    for number in range(count):
        grey = scene(number)[:edge, :edge].astype(np.uint8)
        name = f"ISIC_{number:07d}"
        save(root / "ISIC2018_Task1-2_Training_Input" / f"{name}.jpg", np.stack([grey, grey // 2, grey], axis=2), quality=95)
        outline = 255 * disc(edge, 6 + number, (20, 25)).astype(np.uint8)
        save(root / "ISIC2018_Task1_Training_GroundTruth" / f"{name}_segmentation.png", outline)
    return root


def isic_image(root: Path, number: int) -> Path:
    return root / "ISIC2018_Task1-2_Training_Input" / f"ISIC_{number:07d}.jpg"


def isic_mask(root: Path, number: int) -> Path:
    return root / "ISIC2018_Task1_Training_GroundTruth" / f"ISIC_{number:07d}_segmentation.png"


def test_isic_gives_colour_pictures_with_the_lesion(tmp_path: Path) -> None:
    found = load("isic", write_isic(tmp_path / "isic2018"))
    assert (len(found.internal), found.dims, found.unit, found.channels) == (6, 2, "px", ("red", "green", "blue"))
    picture = found.source.read("ISIC_0000002")
    assert picture.image.shape == (3, 48, 48)
    assert picture.image[0].mean() > picture.image[1].mean()
    assert np.array_equal(mask_of(picture)[0], disc(48, 8, (20, 25)))
    assert verify("isic", tmp_path / "isic2018") == ()


def test_superpixels_and_texts_of_the_release_are_passed_over(tmp_path: Path) -> None:
    root = write_isic(tmp_path / "isic2018")
    folder = root / "ISIC2018_Task1-2_Training_Input"
    (folder / "ISIC_0000001_superpixels.png").write_bytes(b"not read")
    (folder / "LICENSE.txt").write_text("CC")
    assert len(load("isic", root).internal) == 6


def test_copies_of_a_picture_count_as_one_patient_and_are_counted(tmp_path: Path) -> None:
    root = write_isic(tmp_path / "isic2018", 8)
    copied = np.asarray(Image.open(isic_image(root, 2)))
    save(isic_image(root, 7), (copied * [0.9, 1.0, 0.7]).astype(np.uint8), quality=90)
    found = load("isic", root)
    patients = found.table["patient_id"]
    assert patients["ISIC_0000007"] == patients["ISIC_0000002"]
    assert patients.nunique() == 7
    assert any(note.startswith("1 pictures are copies") for note in found.notes)
    with pytest.raises(LeakageError):
        found.refuse_shared_patients(["ISIC_0000002"], ["ISIC_0000007"], "fold 1")


def test_the_diagnosis_comes_from_the_index_where_there_is_one(tmp_path: Path) -> None:
    root = write_isic(tmp_path / "isic2018")
    assert load("isic", root).attributes == ()
    (root / "index.csv").write_text("isic_id,diagnosis\nISIC_0000000,MEL\nISIC_0000001,\nISIC_0000002,NV\n")
    found = load("isic", root)
    assert found.attributes == (("diagnosis", "Diagnosis"),)
    assert list(found.table["diagnosis"][:4]) == ["Melanoma", "Not recorded", "Naevus", "Not recorded"]


def test_f098_a_picture_without_outline_is_refused_by_name(tmp_path: Path) -> None:
    root = write_isic(tmp_path / "isic2018")
    isic_mask(root, 4).unlink()
    with pytest.raises(DataError, match="ISIC_0000004"):
        load("isic", root)
    assert [finding.level for finding in verify("isic", root)] == ["error"]


def test_f015_f058_f099_verify_names_what_a_study_would_trip_over(tmp_path: Path) -> None:
    root = write_isic(tmp_path / "isic2018")
    save(isic_mask(root, 1), np.zeros((48, 48), np.uint8))
    save(isic_mask(root, 2), np.zeros((40, 48), np.uint8))
    found = {finding.where: finding.level for finding in verify("isic", root)}
    assert found == {"ISIC_0000001": "remark", "ISIC_0000002": "error"}
    isic_mask(root, 3).write_bytes(isic_mask(root, 3).read_bytes()[:60])
    assert {finding.where for finding in verify("isic", root) if finding.level == "error"} == {"ISIC_0000002", "ISIC_0000003"}
    isic_image(root, 3).write_bytes(isic_image(root, 3).read_bytes()[:200])
    with pytest.raises(Refused, match="ISIC_0000003"):
        load("isic", root)


def test_f161_other_bytes_give_another_fingerprint_and_the_same_bytes_the_same(tmp_path: Path) -> None:
    one, two = write_isic(tmp_path / "a"), write_isic(tmp_path / "b")
    assert load("isic", one).fingerprint == load("isic", two).fingerprint == load("isic", one).fingerprint
    outline = np.asarray(Image.open(isic_mask(two, 5))).copy()
    outline[0, 0] = 255
    save(isic_mask(two, 5), outline)
    assert load("isic", one).fingerprint != load("isic", two).fingerprint


# TCGA-LGG


def write_lgg(root: Path, patients: dict[str, int] | None = None, slices: int = 11, edge: int = 16) -> Path:
    for site, count in (patients or {"DU": 2, "HT": 1}).items():
        for number in range(count):
            name = f"TCGA_{site}_{number:04d}_19990101"
            for place in range(1, slices + 1):
                pixels = np.stack([np.full((edge, edge), value, np.uint8) for value in (50 + place, 100, 150)], axis=2)
                pixels[place % edge, :, 1] = 200
                save(root / "kaggle_3m" / name / f"{name}_{place}.tif", pixels, compression="tiff_deflate")
                drawn = 255 * disc(edge, 4, (8, 8)).astype(np.uint8) * (4 <= place <= 6)
                save(root / "kaggle_3m" / name / f"{name}_{place}_mask.tif", drawn.astype(np.uint8))
    return root


def test_slices_of_a_patient_lie_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """As text, 10 comes before 2."""
    found = load("lgg", write_lgg(tmp_path / "lgg"))
    picture = found.source.read("TCGA_DU_0000_19990101")
    assert picture.image.shape == (3, 11, 16, 16)
    assert list(picture.image[0, :, 0, 0]) == list(range(51, 62))
    assert list(mask_of(picture)[0].any(axis=(1, 2)).nonzero()[0]) == [3, 4, 5]
    assert (found.dims, found.unit, found.in_plane, picture.spacing_mm) == (3, "px", True, None)
    assert found.label == "TCGA-LGG"


def test_sites_with_ten_patients_are_left_out_in_turn(tmp_path: Path) -> None:
    found = load("lgg", write_lgg(tmp_path / "lgg", {"DU": 11, "HT": 10, "EZ": 1}, slices=1))
    assert [check.name for check in found.checks] == ["external:site=DU", "external:site=HT"]
    assert (len(found.checks[0].train), len(found.checks[0].test)) == (11, 11)
    for check in found.checks:
        found.refuse_shared_patients(check.train, check.test, check.name)


def test_a_channel_that_is_a_copy_of_flair_is_named_missing(tmp_path: Path) -> None:
    root = write_lgg(tmp_path / "lgg")
    for path in sorted((root / "kaggle_3m" / "TCGA_HT_0000_19990101").glob("*.tif")):
        if not path.stem.endswith("_mask"):
            pixels = np.asarray(Image.open(path)).copy()
            pixels[:, :, 2] = pixels[:, :, 1]
            save(path, pixels)
    found = load("lgg", root)
    assert found.table["sequences"].to_dict()["TCGA_HT_0000_19990101"] == "no post-contrast"
    assert (found.table["sequences"] == "all three").sum() == 2
    assert any(note.startswith("In 1 patients") for note in found.notes)


@pytest.mark.parametrize(("gone", "what"), [("_5_mask.tif", "no mask"), ("_5.tif", "no image")])
def test_f098_a_slice_without_its_counterpart_is_refused_by_name(tmp_path: Path, gone: str, what: str) -> None:
    root = write_lgg(tmp_path / "lgg")
    (root / "kaggle_3m" / "TCGA_DU_0001_19990101" / f"TCGA_DU_0001_19990101{gone}").unlink()
    with pytest.raises(DataError, match=f"TCGA_DU_0001.*slice 5 has {what}"):
        load("lgg", root)


def test_f015_slices_on_unequal_grids_are_refused_by_name(tmp_path: Path) -> None:
    root = write_lgg(tmp_path / "lgg")
    save(root / "kaggle_3m" / "TCGA_DU_0001_19990101" / "TCGA_DU_0001_19990101_7_mask.tif", np.zeros((12, 16), np.uint8))
    with pytest.raises(GeometryError, match="TCGA_DU_0001"):
        load("lgg", root).source.read("TCGA_DU_0001_19990101")


# LIDC


def write_lidc(root: Path, vendors: dict[str, int] | None = None, readers: int = 4) -> Path:
    rows = []
    for vendor, count in (vendors or {"GE MEDICAL SYSTEMS": 4, "SIEMENS": 2}).items():
        for number in range(count):
            name = f"LIDC-{vendor.split()[0]}-{number:04d}_n00_s003"
            drawn = [disc(128, 6 + reader, (64, 64)) for reader in range(readers)]
            bits = sum(mask.astype(np.uint8) << reader for reader, mask in enumerate(drawn))
            save(root / "images" / f"{name}.png", scene(number, 128).astype(np.uint8))
            save(root / "masks_consensus" / f"{name}.png", 255 * drawn[1].astype(np.uint8))
            save(root / "masks_readers" / f"{name}.png", np.asarray(bits, dtype=np.uint8))
            rows.append((f"{name}.png", name.split("_")[0], readers, readers, vendor))
    header = ["file", "patient_id", "n_readers_nodule", "n_readers_slice", "scanner_manufacturer"]
    old = pd.read_csv(root / "index.csv") if (root / "index.csv").exists() else pd.DataFrame()
    pd.concat([old, pd.DataFrame(rows, columns=header)]).to_csv(root / "index.csv", index=False)
    return root


def test_windows_hold_the_whole_nodule_and_not_always_in_their_middle(tmp_path: Path) -> None:
    found = load("lidc", write_lidc(tmp_path / "lidc", {"SIEMENS": 30}))
    middles = []
    for case_id in found.internal:
        picture = found.source.read(case_id)
        assert picture.image.shape == (1, 96, 96)
        assert mask_of(picture).sum() == disc(128, 7, (64, 64)).sum()
        middles.append(np.argwhere(mask_of(picture)[0]).mean(axis=0))
    offsets = np.array(middles) - 48
    assert np.abs(offsets).max() <= 17
    assert offsets.std(axis=0).min() > 5
    assert (np.abs(offsets).max(axis=1) > 4).mean() > 0.6


def test_a_window_is_the_same_each_time_and_another_seed_gives_another(tmp_path: Path) -> None:
    root = write_lidc(tmp_path / "lidc")
    case_id = load("lidc", root).internal[0]
    one, again, other = (load("lidc", root, window_seed=seed).source.read(case_id) for seed in (0, 0, 1))
    assert np.array_equal(one.image, again.image)
    assert not np.array_equal(one.image, other.image)
    assert load("lidc", root).fingerprint != load("lidc", root, window_seed=1).fingerprint


def test_the_whole_crop_is_given_with_a_warning_about_its_centre(tmp_path: Path) -> None:
    found = load("lidc", write_lidc(tmp_path / "lidc"), window=0)
    assert found.source.read(found.internal[0]).image.shape == (1, 128, 128)
    assert any("0.60" in note for note in found.notes)


def test_readers_come_from_the_bits_of_the_mask(tmp_path: Path) -> None:
    root = write_lidc(tmp_path / "lidc")
    write_lidc(root, {"Philips": 1}, readers=3)
    found = load("lidc", root)
    assert found.readers == 4
    four, three = (found.source.read(case_id).readers for case_id in ("LIDC-GE-0000_n00_s003", "LIDC-Philips-0000_n00_s003"))
    assert four is not None and three is not None
    assert [int(mask.sum()) for mask in four] == [int(disc(128, 6 + reader, (64, 64)).sum()) for reader in range(4)]
    assert len(three) == 3


def test_nodules_of_fewer_readers_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    root = write_lidc(tmp_path / "lidc")
    write_lidc(root, {"TOSHIBA": 3}, readers=2)
    assert len(load("lidc", root).internal) == 6
    assert len(load("lidc", root, min_readers=1).internal) == 9
    with pytest.raises(DataError, match="5 readers"):
        load("lidc", root, min_readers=5)


def test_vendors_with_thirty_patients_are_left_out_in_turn(tmp_path: Path) -> None:
    root = write_lidc(tmp_path / "lidc", {"GE MEDICAL SYSTEMS": 31, "SIEMENS": 30, "TOSHIBA": 4})
    index = pd.read_csv(root / "index.csv")
    # One patient was scanned by two vendors: on neither side.
    index.loc[index["file"].str.contains("TOSHIBA-0000"), "patient_id"] = "LIDC-GE-0000"
    index.to_csv(root / "index.csv", index=False)
    found = load("lidc", root)
    assert [check.name for check in found.checks] == ["external:vendor=GE", "external:vendor=Siemens"]
    assert (len(found.checks[0].train), len(found.checks[0].test)) == (33, 30)
    for check in found.checks:
        found.refuse_shared_patients(check.train, check.test, check.name)


def test_another_patient_in_the_index_gives_another_fingerprint(tmp_path: Path) -> None:
    root = write_lidc(tmp_path / "lidc")
    before = load("lidc", root).fingerprint
    index = pd.read_csv(root / "index.csv")
    index.loc[1, "patient_id"] = index.loc[0, "patient_id"]
    index.to_csv(root / "index.csv", index=False)
    assert load("lidc", root).fingerprint != before


def test_f098_a_file_that_the_index_names_and_is_not_there_is_refused(tmp_path: Path) -> None:
    root = write_lidc(tmp_path / "lidc")
    (root / "masks_readers" / "LIDC-GE-0001_n00_s003.png").unlink()
    with pytest.raises(DataError, match="LIDC-GE-0001") as caught:
        load("lidc", root)
    assert caught.value.code == "DATA_IMAGE_MISSING"


# A folder of one's own


def write_folder(root: Path, count: int = 4, images: str = "images", masks: str = "masks", ending: str = "") -> Path:
    for number in range(count):
        save(root / images / f"p{number}.png", scene(number)[:40, :32].astype(np.uint8))
        save(root / masks / f"p{number}{ending}.png", 255 * disc(40, 5 + number, (20, 16))[:, :32].astype(np.uint8))
    return root


def mine(root: Path, **options: object) -> PictureSet:
    return load("picture_folder", root.parent, folder=root.name, **options)


def test_images_and_masks_in_two_folders_become_a_data_set(tmp_path: Path) -> None:
    found = mine(write_folder(tmp_path / "mine"))
    assert (found.label, found.dims, found.unit, found.channels) == ("mine", 2, "px", ("image",))
    assert [region.name for region in found.regions] == ["foreground"]
    assert found.internal == ("p0", "p1", "p2", "p3")
    assert mask_of(found.source.read("p1")).sum() == disc(40, 6, (20, 16))[:, :32].sum()
    source = pickle.loads(pickle.dumps(found.source))  # noqa: S301 (our own bytes)
    assert source.read("p1").image.shape == (1, 40, 32)


def test_masks_beside_their_images_are_told_by_their_ending(tmp_path: Path) -> None:
    write_folder(tmp_path / "mine", images=".", masks=".", ending="_mask")
    found = mine(tmp_path / "mine", images=".", masks=".", mask_ending="_mask")
    assert found.internal == ("p0", "p1", "p2", "p3")


def test_labels_name_the_values_of_a_mask_and_may_overlap(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "mine")
    labels = np.zeros((40, 32), np.uint8)
    labels[5:15, 5:15], labels[8:12, 8:12] = 1, 2
    for number in range(4):
        save(root / "masks" / f"p{number}.png", labels)
    found = mine(root, labels={"Whole": [1, 2], "Core part": 2})
    assert [(region.name, region.label) for region in found.regions] == [("whole", "Whole"), ("core_part", "Core part")]
    assert [int(region.sum()) for region in mask_of(found.source.read("p0"))] == [100, 16]


def test_f099_a_value_that_no_label_names_is_refused_with_its_file(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "mine")
    labels = np.zeros((40, 32), np.uint8)
    labels[3:5], labels[7:9] = 1, 7
    save(root / "masks" / "p2.png", labels)
    with pytest.raises(DataError, match=r"p2\.png holds the value 7") as caught:
        mine(root)
    assert caught.value.code == "DATA_LABELS"
    assert [finding.where for finding in verify("picture_folder", tmp_path, folder="mine")] == ["DATA_LABELS"]


@pytest.mark.parametrize(("gone", "named"), [("images/p1.png", r"p1\.png"), ("masks/p1.png", r"p1\.png")])
def test_f098_files_without_counterpart_are_refused_by_name_unless_allowed(tmp_path: Path, gone: str, named: str) -> None:
    root = write_folder(tmp_path / "mine")
    (root / gone).unlink()
    with pytest.raises(DataError, match=named) as caught:
        mine(root)
    assert caught.value.code == "DATA_UNMATCHED"
    found = mine(root, allow_unmatched=True)
    assert found.internal == ("p0", "p2", "p3")
    assert any("p1.png" in note for note in found.notes)


def test_f099_masks_of_background_only_are_named_and_all_of_them_refused(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "mine")
    save(root / "masks" / "p3.png", np.zeros((40, 32), np.uint8))
    assert any("p3" in note for note in mine(root).notes)
    assert [finding.where for finding in verify("picture_folder", tmp_path, folder="mine")] == ["p3"]
    for number in range(3):
        save(root / "masks" / f"p{number}.png", np.zeros((40, 32), np.uint8))
    with pytest.raises(DataError) as caught:
        mine(root)
    assert caught.value.code == "DATA_EMPTY_MASKS"


def test_f015_image_and_mask_on_unequal_grids_are_refused_by_name(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "mine")
    save(root / "masks" / "p2.png", np.zeros((32, 40), np.uint8))
    with pytest.raises(GeometryError, match="p2"):
        mine(root)


def test_an_image_with_other_channels_is_refused_by_name(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "mine")
    save(root / "images" / "p2.png", np.zeros((40, 32, 3), np.uint8))
    with pytest.raises(DataError, match="p2 has 3 channels"):
        mine(root)


def test_the_table_names_patients_and_sites(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "mine", 24)
    rows = [f"p{number},P{number // 2},{'north' if number < 20 else 'south'}" for number in range(24)]
    (root / "who.csv").write_text("\n".join(["case_id,patient_id,site", *rows]))
    found = mine(root, table="who.csv")
    assert found.table["patient_id"].nunique() == 12
    assert [(check.name, len(check.train), len(check.test)) for check in found.checks] == [("external:site=north", 4, 20)]
    assert found.attributes == (("site", "Site"),)


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ("p0,a\np1,b\np2,c", "DATA_UNMATCHED"),
        ("p0,a\np1,b\np2,c\np3,d\np4,e", "DATA_UNMATCHED"),
        ("p0,a\np1,b\np2,c\np3,d\np3,e", "TAB_DUP_ID"),
        ("p0,a\np1,b\np2,\np3,d", "TAB_EMPTY_ID"),
    ],
)
def test_f079_f098_a_table_that_does_not_fit_its_images_is_refused(tmp_path: Path, rows: str, code: str) -> None:
    root = write_folder(tmp_path / "mine")
    (root / "who.csv").write_text(f"case_id,patient_id\n{rows}\n")
    with pytest.raises(DataError) as caught:
        mine(root, table="who.csv")
    assert caught.value.code == code


def test_f095_one_patient_written_in_two_ways_stays_one(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "mine")
    (root / "who.csv").write_text("case_id,patient_id\np0,AB1\np1, ab1\np2,c\np3,d\n")
    assert mine(root, table="who.csv").table["patient_id"].nunique() == 3


def test_f095_one_image_under_two_patients_is_refused(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "mine")
    (root / "images" / "p3.png").write_bytes((root / "images" / "p1.png").read_bytes())
    (root / "who.csv").write_text("case_id,patient_id\np0,a\np1,b\np2,c\np3,d\n")
    with pytest.raises(LeakageError, match="p1 and p3") as caught:
        mine(root, table="who.csv")
    assert caught.value.code == "DATA_SAME_SCAN"
    patients = mine(root).table["patient_id"]
    assert patients["p3"] == patients["p1"]


def write_nnunet(root: Path, labels: dict[str, object] | None = None) -> Path:
    affine = np.diag([0.7, 0.7, 2.5, 1.0])
    for number in range(3):
        drawn: Bytes = np.zeros((8, 9, 5), np.uint8)
        drawn[2:6, 3:7, 1:4], drawn[3:5, 4:6, 2] = 1, 2
        for channel in range(2):
            values = np.random.default_rng(10 * number + channel).integers(1, 500, (8, 9, 5)).astype(np.int16)
            write_nifti(root / "imagesTr" / f"ours_{number:03d}_{channel:04d}.nii.gz", Volume(values, affine))
        write_nifti(root / "labelsTr" / f"ours_{number:03d}.nii.gz", Volume(drawn, affine))
    about = {
        "channel_names": {"0": "T1", "1": "FLAIR"}, "labels": labels or {"background": 0, "whole": [1, 2], "core": 2},
        "numTraining": 3, "file_ending": ".nii.gz",
    }  # fmt: skip
    (root / "dataset.json").write_text(json.dumps(about))
    return root


def test_a_raw_data_set_of_nnunet_is_read_with_its_channels_and_regions(tmp_path: Path) -> None:
    found = mine(write_nnunet(tmp_path / "Dataset001_Ours"))
    assert (found.internal, found.channels) == (("ours_000", "ours_001", "ours_002"), ("T1", "FLAIR"))
    assert (found.dims, found.unit) == (3, "mm")
    picture = found.source.read("ours_001")
    assert picture.image.shape == (2, 5, 9, 8)
    assert picture.spacing_mm == pytest.approx((2.5, 0.7, 0.7))
    assert [int(region.sum()) for region in mask_of(picture)] == [48, 4]


def test_a_missing_channel_of_nnunet_is_refused_by_name(tmp_path: Path) -> None:
    root = write_nnunet(tmp_path / "mine")
    (root / "imagesTr" / "ours_001_0000.nii.gz").unlink()
    with pytest.raises(DataError, match="ours_001: its channel 0000"):
        mine(root)
    root = write_nnunet(tmp_path / "mine")
    (root / "imagesTr" / "ours_001_0001.nii.gz").unlink()
    with pytest.raises(DataError, match="ours_001 has 1 channels"):
        mine(root)


def test_labels_of_nnunet_that_cannot_be_kept_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="ignored"):
        mine(write_nnunet(tmp_path / "a", {"background": 0, "tumour": 1, "ignore": 2}))
    with pytest.raises(DataError, match="holds the value 2"):
        mine(write_nnunet(tmp_path / "b", {"background": 0, "tumour": 1}))
    with pytest.raises(DataError, match="tumour"):
        mine(write_nnunet(tmp_path / "c", {"background": 0, "tumour": "one"}))


def test_a_folder_that_is_not_there_or_not_named_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not told its folder"):
        load("picture_folder", tmp_path)
    with pytest.raises(DataError, match="looked for"):
        mine(tmp_path / "nowhere")
    (tmp_path / "mine").mkdir()
    with pytest.raises(DataError, match="There is no folder"):
        mine(tmp_path / "mine")


# The real data


@pytest.mark.data
def test_recoloured_copies_among_the_real_lesions_are_found(tmp_path: Path) -> None:
    folder = real_data("isic2018") / "ISIC2018_Task1-2_Training_Input"
    copies = [
        ("0000157", "0014946"),
        ("0000206", "0014739"),
        ("0000215", "0015313"),
        ("0000220", "0015202"),
        ("0012290", "0013594"),
    ]
    others = sorted(folder.glob("ISIC_*.jpg"))[300:2100:20]
    first, second = ([folder / f"ISIC_{pair[side]}.jpg" for pair in copies] for side in (0, 1))
    groups = same_scene([*first, *second, *others], LoadOptions(folder, tmp_path), "0" * 64)
    assert groups == [*range(5), *range(5), *range(10, 10 + len(others))]


@pytest.mark.data
def test_the_real_lesions_can_be_read(tmp_path: Path) -> None:
    pictures = DATASETS.get("isic").pictures
    assert pictures is not None
    found = pictures(LoadOptions(real_data("isic2018"), tmp_path, {"cases": 20}))
    assert len(found.internal) == 20
    for case_id in found.internal:
        picture = found.source.read(case_id)
        assert picture.image.shape == (3, 256, 256)
        assert 0.004 < mask_of(picture).mean() < 1


@pytest.mark.data
def test_the_real_gliomas_have_the_sites_and_missing_sequences_that_their_source_states(tmp_path: Path) -> None:
    pictures = DATASETS.get("lgg").pictures
    assert pictures is not None
    found = pictures(LoadOptions(real_data("lgg"), tmp_path))
    assert found.table["site"].value_counts().to_dict() == {"DU": 45, "HT": 34, "CS": 16}
    sequences = found.table["sequences"]
    assert sequences.str.contains("no pre-contrast").sum() == 5
    assert sequences.str.contains("no post-contrast").sum() == 8
    assert [check.name for check in found.checks] == ["external:site=CS", "external:site=DU", "external:site=HT"]
    first = found.source.read(found.internal[0])
    assert first.image.shape[2:] == (128, 128)
    assert mask_of(first).any()


@pytest.mark.data
def test_a_fixed_disc_scores_on_whole_crops_of_real_nodules_and_not_on_windows(tmp_path: Path) -> None:
    pictures = DATASETS.get("lidc").pictures
    assert pictures is not None
    root = real_data("lidc_crops")
    windows, crops = (pictures(LoadOptions(root, tmp_path, {"window": window})) for window in (96, 0))
    assert (len(crops.internal), crops.table["patient_id"].nunique()) == (2120, 570)
    index = pd.read_csv(root / "index.csv").set_index("file")
    largest = [case_id for case_id in crops.internal if index.at[f"{case_id}.png", "slice_rank"] == 0][::4]
    scores = {"crops": [], "windows": []}
    for case_id in largest:
        for name, found in (("crops", crops), ("windows", windows)):
            drawn = mask_of(found.source.read(case_id))[0]
            guess = disc(len(drawn), 5, (len(drawn) / 2, len(drawn) / 2))
            scores[name].append(2 * (drawn & guess).sum() / (drawn.sum() + guess.sum()))
    assert np.mean(scores["crops"]) == pytest.approx(0.60, abs=0.03)
    assert np.mean(scores["windows"]) < 0.25

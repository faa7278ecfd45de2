"""LUNA16: small scans written in its layout, MetaImage read by hand, and balls where nodules are marked."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from core.contracts.dataset import LoadOptions
from core.contracts.pictures import Picture
from core.datasets import DATASETS
from core.datasets._luna_files import Nodule, read_nodules
from core.datasets.luna import BALL_NOTE, pictures, verify
from core.errors import DataError, Refused
from core.ingest import read_metaimage

SERIES = "1.3.6.1.4.1.14519.5.2.1.6279.6001.105756658031515062000744821260"
OTHER = "1.3.6.1.4.1.14519.5.2.1.6279.6001.100225287222365663678666836860"
SHAPE = (40, 32, 20)
HEADER = {
    "ObjectType": "Image",
    "NDims": "3",
    "BinaryData": "True",
    "BinaryDataByteOrderMSB": "False",
    "CompressedData": "False",
    "TransformMatrix": "1 0 0 0 1 0 0 0 1",
    "Offset": "-20 -195.5 -335.209991",
    "CenterOfRotation": "0 0 0",
    "AnatomicalOrientation": "RAI",
    "ElementSpacing": "0.75 0.75 2.5",
    "DimSize": "40 32 20",
    "ElementType": "MET_SHORT",
}
"""As LUNA16 writes them; the name of the data file comes last."""


def voxels(number: int = 0) -> NDArray[np.int16]:
    return np.random.default_rng(number).integers(-1000, 400, SHAPE).astype(np.int16)


def write_scan(
    folder: Path,
    series: str = SERIES,
    values: NDArray[np.generic] | None = None,
    changes: Mapping[str, str | None] | None = None,
    data: bytes | None = None,
) -> Path:
    fields: dict[str, str | None] = {**HEADER, "ElementDataFile": f"{series}.raw", **(changes or {})}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{series}.mhd"
    path.write_text("".join(f"{name} = {value}\n" for name, value in fields.items() if value is not None), encoding="ascii")
    name = fields["ElementDataFile"] or ""
    stored = (voxels() if values is None else values).tobytes(order="F")
    if Path(name).name == name:
        (folder / name).write_bytes(data if data is not None else zlib.compress(stored) if name.endswith(".zraw") else stored)
    return path


def world(x: float, y: float, z: float) -> tuple[float, float, float]:
    """Millimetres of a voxel as the file counts them."""
    return -20 + 0.75 * x, -195.5 + 0.75 * y, -335.209991 + 2.5 * z


def write_marks(root: Path, *rows: tuple[str, float, float, float, float]) -> None:
    lines = ["seriesuid,coordX,coordY,coordZ,diameter_mm", *(",".join(map(str, row)) for row in rows)]
    (root / "annotations.csv").write_text("\n".join(lines) + "\n", encoding="ascii")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two scans in two subsets; one has two nodules, the other none; a third is marked and was not fetched."""
    write_scan(tmp_path / "luna16" / "subset0")
    write_scan(tmp_path / "luna16" / "subset7", OTHER, voxels(1))
    marks = [(SERIES, *world(12, 20, 9), 9.0), (SERIES, *world(30, 6, 15), 6.0), ("1.2.3", 0.0, 0.0, 0.0, 5.0)]
    write_marks(tmp_path / "luna16", *marks)
    return tmp_path / "luna16"


def options(root: Path, **more: object) -> LoadOptions:
    return LoadOptions(root=root, cache=root.parent / "cache", options=more)


def centre_of(mask: NDArray[np.bool_]) -> list[float]:
    return [float(mean) for mean in np.argwhere(mask).mean(axis=0)]


def volume_mm3(picture: Picture) -> float:
    assert picture.mask is not None and picture.spacing_mm is not None
    return float(picture.mask.sum() * np.prod(picture.spacing_mm))


# MetaImage


def test_a_scan_comes_with_its_values_and_its_place(tmp_path: Path) -> None:
    found = read_metaimage(write_scan(tmp_path))
    assert np.array_equal(found.voxels, voxels())
    assert found.spacing_mm == (0.75, 0.75, 2.5)
    # A MetaImage counts to the left and to the back; a Volume to the right and to the front.
    np.testing.assert_allclose(found.affine @ [2, 4, 8, 1], [20 - 1.5, 195.5 - 3, -335.209991 + 20, 1])


def test_directions_are_read_one_axis_after_the_other(tmp_path: Path) -> None:
    """The first three numbers are where the first axis points: here to the back."""
    found = read_metaimage(write_scan(tmp_path, changes={"TransformMatrix": "0 1 0 -1 0 0 0 0 1", "Offset": "0 0 0"}))
    np.testing.assert_allclose(found.affine[:3, 0], [0, -0.75, 0], atol=1e-12)
    np.testing.assert_allclose(found.affine[:3, 1], [0.75, 0, 0], atol=1e-12)


@pytest.mark.parametrize(
    ("changes", "dtype"),
    [
        ({"BinaryDataByteOrderMSB": "True"}, ">i2"),
        ({"BinaryDataByteOrderMSB": None, "ElementByteOrderMSB": "True"}, ">i2"),
        ({"ElementType": "MET_FLOAT"}, "<f4"),
        ({"CompressedData": "True", "CompressedDataSize": "7", "ElementDataFile": f"{SERIES}.zraw"}, "<i2"),
    ],
)
def test_byte_orders_types_and_compression_give_the_same_values(
    tmp_path: Path, changes: dict[str, str | None], dtype: str
) -> None:
    found = read_metaimage(write_scan(tmp_path, values=voxels().astype(dtype), changes=changes))
    assert np.array_equal(found.voxels, voxels())
    assert found.voxels.dtype.isnative


WHOLE = voxels().tobytes(order="F")
ZRAW = {"CompressedData": "True", "ElementDataFile": f"{SERIES}.zraw"}


@pytest.mark.parametrize(
    ("changes", "data", "code"),
    [
        ({}, WHOLE[:-2], "IMG_TRUNCATED"),
        ({}, WHOLE + b"\0\0", "IMG_TRAILING"),
        ({}, b"", "IMG_TRUNCATED"),
        (ZRAW, zlib.compress(WHOLE)[:-9], "IMG_TRUNCATED"),
        (ZRAW, zlib.compress(WHOLE[:-2]), "IMG_TRUNCATED"),
        (ZRAW, zlib.compress(WHOLE + bytes(100)), "IMG_TRAILING"),
        (ZRAW, zlib.compress(WHOLE) + b"more", "IMG_TRAILING"),
        (ZRAW, b"\x78\x9c" + bytes(50), "IMG_CHECKSUM"),
        ({"ElementType": "MET_FLOAT"}, np.full(SHAPE, np.nan, "<f4").tobytes(), "IMG_NONFINITE"),
        ({"ElementType": "MET_STRING"}, None, "IMG_HEADER"),
        ({"DimSize": "40 32"}, None, "IMG_HEADER"),
        ({"DimSize": "40 32 -20"}, None, "IMG_HEADER"),
        ({"DimSize": "4000 3200 2000"}, None, "IMG_TOO_LARGE"),
        ({"NDims": "2"}, None, "IMG_NDIM"),
        ({"ElementNumberOfChannels": "3"}, None, "IMG_HEADER"),
        ({"ElementSpacing": "0.75 0.75 0"}, None, "IMG_SPACING"),
        ({"ElementSpacing": "nan 0.75 1"}, None, "IMG_HEADER"),
        ({"ElementSpacing": None}, None, "IMG_SPACING"),
        ({"Offset": None}, None, "IMG_AFFINE"),
        ({"TransformMatrix": "1 0 0 0 1 0 0 0 0"}, None, "IMG_AFFINE"),
        ({"CompressedData": "maybe"}, None, "IMG_HEADER"),
        ({"HeaderSize": "12"}, None, "IMG_HEADER"),
        ({"ElementDataFile": "LOCAL"}, None, "IMG_HEADER"),
        ({"ElementDataFile": "../secret.raw"}, None, "IMG_HEADER"),
        ({"ElementDataFile": "/etc/passwd.raw"}, None, "IMG_HEADER"),
    ],
)
def test_f001_f003_f007_a_scan_that_is_not_as_declared_is_refused(
    tmp_path: Path, changes: dict[str, str | None], data: bytes | None, code: str
) -> None:
    path = write_scan(tmp_path, changes=changes, data=data)
    with pytest.raises(Refused, match=SERIES) as caught:
        read_metaimage(path)
    assert caught.value.code == code


def test_a_missing_data_file_a_second_entry_and_no_text_are_refused(tmp_path: Path) -> None:
    path = write_scan(tmp_path)
    (tmp_path / f"{SERIES}.raw").unlink()
    with pytest.raises(Refused, match=r"\.raw cannot be read"):
        read_metaimage(path)
    path = write_scan(tmp_path)
    path.write_text(path.read_text(encoding="ascii") + "DimSize = 1 1 1\n", encoding="ascii")
    with pytest.raises(Refused, match="DimSize twice"):
        read_metaimage(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Refused, match="not plain text"):
        read_metaimage(path)


# Nodules


def test_a_nodule_becomes_a_ball_of_its_diameter_at_its_centre(root: Path) -> None:
    found = pictures(options(root))
    picture = found.source.read(SERIES)
    assert picture.image.shape == (1, 20, 32, 40)
    assert picture.spacing_mm == (2.5, 0.75, 0.75)
    # The file counts to the left, to the back and up, as a stack does: nothing is turned.
    assert np.array_equal(picture.image[0], voxels().transpose(2, 1, 0))
    assert picture.mask is not None
    assert picture.mask.shape == (1, 20, 32, 40)
    first = picture.mask[0].copy()
    first[12:] = False
    np.testing.assert_allclose(centre_of(first), [9, 20, 12], atol=0.01)
    balls = sum(np.pi / 6 * diameter**3 for diameter in (9.0, 6.0))
    # Slices of 2.5 mm cut balls of 9 and 6 mm coarsely.
    assert volume_mm3(picture) == pytest.approx(balls, rel=0.1)


def test_a_ball_is_drawn_by_hand(tmp_path: Path) -> None:
    """Diameter 5 mm around a voxel of 0.75 × 0.75 × 2.5 mm: within a slice 3 voxels each way, one slice up and one down."""
    write_scan(tmp_path / "subset0")
    write_marks(tmp_path, (SERIES, *world(12, 20, 9), 5.0))
    mask = pictures(options(tmp_path)).source.read(SERIES).mask
    assert mask is not None
    x, y, z = (np.arange(n) - middle for n, middle in zip(SHAPE, (12, 20, 9), strict=True))
    away = (0.75 * x[None, None, :]) ** 2 + (0.75 * y[None, :, None]) ** 2 + (2.5 * z[:, None, None]) ** 2
    assert np.array_equal(mask[0], away <= 2.5**2 + 1e-9)
    assert mask[0, 9, 20, 12 - 3 : 12 + 4].all() and not mask[0, 9, 20, 16]


def test_a_flipped_scan_puts_the_ball_at_the_same_place_in_the_patient(root: Path) -> None:
    """Some scans of LUNA16 run to the right and to the front."""
    last = [-20 + 0.75 * 39, -195.5 + 0.75 * 31]
    flipped = voxels()[::-1, ::-1].copy()
    changes = {"TransformMatrix": "-1 0 0 0 -1 0 0 0 1", "Offset": f"{last[0]} {last[1]} -335.209991"}
    plain = pictures(options(root)).source.read(SERIES)
    write_scan(root / "subset0", values=flipped, changes=changes)
    turned = pictures(options(root)).source.read(SERIES)
    assert np.array_equal(plain.image, turned.image)
    assert plain.mask is not None and turned.mask is not None
    assert np.array_equal(plain.mask, turned.mask)


def test_the_smallest_nodule_marks_at_least_the_voxel_at_its_centre(tmp_path: Path) -> None:
    write_scan(tmp_path / "subset0", changes={"ElementSpacing": "0.75 0.75 9"})
    write_marks(tmp_path, (SERIES, -20 + 0.75 * 5, -195.5 + 0.75 * 5, -335.209991 + 9 * 4.4, 0.5))
    mask = pictures(options(tmp_path)).source.read(SERIES).mask
    assert mask is not None
    assert np.argwhere(mask[0]).tolist() == [[4, 5, 5]]


def test_a_nodule_outside_of_its_scan_is_refused(root: Path) -> None:
    write_marks(root, (SERIES, 500.0, 0.0, 0.0, 5.0))
    for more in ({}, {"crop_mm": 20}):
        found = pictures(options(root, **more))
        with pytest.raises(DataError, match="outside of its scan") as caught:
            found.source.read(found.internal[0])
        assert caught.value.code == "DATA_GEOMETRY"


# The data set


def test_every_scan_is_a_case_and_the_label_says_that_masks_are_balls(root: Path) -> None:
    found = pictures(options(root))
    assert found.internal == (SERIES, OTHER)
    assert found.table["nodules"].tolist() == [2, 0]
    assert found.table["subset"].tolist() == ["subset0", "subset7"]
    assert (found.unit, found.dims, [region.name for region in found.regions]) == ("mm", 3, ["nodule"])
    assert "ball" in found.label and "ball" in found.regions[0].label and BALL_NOTE in found.notes
    empty = found.source.read(OTHER).mask
    assert empty is not None and not empty.any()


def test_scans_without_a_nodule_can_be_left_out(root: Path) -> None:
    assert pictures(options(root, only_with_nodules=True)).internal == (SERIES,)


def test_a_cube_holds_its_whole_nodule_but_not_in_the_middle(tmp_path: Path) -> None:
    shape, nodule = (80, 80, 24), world(40, 40, 12)
    for number in range(6):
        write_scan(
            tmp_path / "subset0",
            f"1.2.{number}",
            np.zeros(shape, np.int16),
            {"DimSize": "80 80 24", "ElementSpacing": "0.75 0.75 2.5"},
        )
    write_marks(tmp_path, *((f"1.2.{number}", *nodule, 6.0) for number in range(6)))
    found = pictures(options(tmp_path, crop_mm=30))
    assert len(found.internal) == 6 and found.internal[0] == "1.2.0_nodule1"
    cubes = [found.source.read(case_id) for case_id in found.internal]
    assert {cube.image.shape for cube in cubes} == {(1, 12, 40, 40)}
    whole = volume_mm3(pictures(options(tmp_path)).source.read("1.2.0"))
    assert {round(volume_mm3(cube), 3) for cube in cubes} == {round(whole, 3)}
    places = np.array([centre_of(cube.mask[0]) for cube in cubes if cube.mask is not None])
    assert places.std(axis=0).min() > 1
    again = found.source.read(found.internal[0])
    assert np.array_equal(again.image, cubes[0].image), "the place of a cube must not change between reads"


def test_a_cube_at_the_border_stays_inside_the_scan(root: Path) -> None:
    write_marks(root, (SERIES, *world(0, 0, 0), 5.0))
    found = pictures(options(root, crop_mm=20))
    cube = found.source.read(f"{SERIES}_nodule1")
    assert cube.image.shape == (1, 8, 27, 27)
    assert cube.mask is not None and cube.mask[0, 0, 0, 0]
    assert np.array_equal(cube.image[0], voxels().transpose(2, 1, 0)[:8, :27, :27])


def test_cubes_of_one_patient_stay_together(root: Path) -> None:
    (root / "metadata.csv").write_text(
        f"Series UID,Collection,Subject ID,Manufacturer\n{SERIES},LIDC-IDRI,LIDC-IDRI-0003,SIEMENS\n"
        f"{OTHER},LIDC-IDRI,LIDC-IDRI-0003,SIEMENS\n",
        encoding="ascii",
    )
    found = pictures(options(root))
    assert found.table["patient_id"].tolist() == ["LIDC-IDRI-0003"] * 2
    assert ("vendor", "Scanner vendor") in found.attributes
    cubes = pictures(options(root, crop_mm=20))
    assert cubes.table["patient_id"].nunique() == 1 and len(cubes.internal) == 2


def test_without_names_of_patients_a_scan_is_a_patient_and_a_note_says_so(root: Path) -> None:
    found = pictures(options(root))
    assert found.table["patient_id"].tolist() == [SERIES, OTHER]
    assert any("do not name the patient" in note for note in found.notes)


def test_annotations_are_found_where_older_archives_put_them_and_candidates_are_not_read(root: Path) -> None:
    (root / "CSVFILES").mkdir()
    (root / "annotations.csv").rename(root / "CSVFILES" / "annotations.csv")
    (root / "CSVFILES" / "candidates.csv").write_text("not a table", encoding="ascii")
    assert read_nodules(root)["1.2.3"] == (Nodule("1.2.3", (0.0, 0.0, 0.0), 5.0),)


@pytest.mark.parametrize(
    ("row", "code"), [("1,2,3,", "TAB_NUMBER"), ("1,2,x,4", "TAB_NUMBER"), ("1,2,3,0", "TAB_RANGE"), ("1,2,3,900", "TAB_RANGE")]
)
def test_a_row_that_is_not_as_published_is_named_and_refused(root: Path, row: str, code: str) -> None:
    (root / "annotations.csv").write_text(
        f"seriesuid,coordX,coordY,coordZ,diameter_mm\n{SERIES},1,2,3,4\n{SERIES},{row}\n", encoding="ascii"
    )
    with pytest.raises(Refused, match="row 3") as caught:
        pictures(options(root))
    assert caught.value.code == code


def test_a_scan_in_two_subsets_and_a_folder_without_scans_are_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No scan"):
        pictures(options(tmp_path / "luna16" / "subset0"))
    write_scan(root / "subset3")
    with pytest.raises(DataError, match="two places"):
        pictures(options(root))


@pytest.mark.parametrize("given", [{"crop_mm": 5}, {"crop_mm": "64"}, {"crop_mm": True}, {"only_with_nodules": "yes"}])
def test_an_option_that_cannot_be_used_is_refused(root: Path, given: dict[str, object]) -> None:
    with pytest.raises(DataError) as caught:
        pictures(options(root, **given))
    assert caught.value.code == "DATA_OPTION"


def test_marks_scans_and_options_change_the_fingerprint(root: Path) -> None:
    before = pictures(options(root)).fingerprint
    assert pictures(options(root)).fingerprint == before
    assert pictures(options(root, crop_mm=20)).fingerprint != before
    write_marks(root, (SERIES, *world(12, 20, 9), 8.0))
    assert pictures(options(root)).fingerprint != before


def test_the_plug_in_is_found_and_checks_its_files(root: Path) -> None:
    spec = DATASETS.get("luna")
    assert spec.load is None and spec.pictures is not None and spec.folder == "luna16"
    assert [finding.where for finding in verify(options(root))] == [OTHER]
    (root / "subset0" / f"{SERIES}.raw").write_bytes(WHOLE[:-2])
    assert [finding.where for finding in verify(options(root)) if finding.level == "error"] == [SERIES]

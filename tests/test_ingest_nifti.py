"""Scans from outside: what is accepted comes back voxel by voxel, everything else is refused with its code."""

from __future__ import annotations

import gzip
import math
import random
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from core.contracts.volume import Volume
from core.errors import Refused
from core.ingest import Limits, decode_nifti, format_nifti, parse_nifti, read_nifti, write_nifti
from core.ingest.header import LAYOUTS
from tests.conftest import real_data

AFFINE = np.array([[-0.8, 0, 0, 12.0], [0, 0.8, 0, -30.0], [0, 0, 3.0, 5.0], [0, 0, 0, 1]])


def scan(shape: tuple[int, int, int] = (9, 8, 7), dtype: str = "int16", seed: int = 0) -> Volume:
    values = np.random.default_rng(seed).integers(0, 120, size=shape)
    return Volume(values.astype(dtype), AFFINE.copy())


def changed(data: bytes, **fields: Any) -> bytes:
    """The file with header fields set to those values."""
    header = np.frombuffer(data[:348], LAYOUTS[348].newbyteorder("<")).copy()
    for name, value in fields.items():
        header[name] = value
    return header.tobytes() + data[348:]


def code_of(data: bytes, **options: Any) -> str:
    with pytest.raises(Refused) as caught:
        parse_nifti(data, **options)
    assert caught.value.do and caught.value.message.endswith(".")
    return caught.value.code


@pytest.fixture(scope="module")
def plain() -> bytes:
    return format_nifti(scan())


@pytest.fixture(scope="module")
def packed(plain: bytes) -> bytes:
    return gzip.compress(plain, 6, mtime=0)


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
)
def test_a_written_volume_is_read_back_as_nibabel_reads_it(tmp_path: Path, dtype: str) -> None:
    given = scan(dtype=dtype)
    write_nifti(tmp_path / "a.nii.gz", given)
    read = read_nifti(tmp_path / "a.nii.gz")
    other = nibabel.load(tmp_path / "a.nii.gz")
    assert read.voxels.dtype == given.voxels.dtype
    assert np.array_equal(read.voxels, given.voxels)
    assert np.array_equal(np.asarray(other.dataobj), given.voxels)
    assert np.allclose(read.affine, given.affine, atol=1e-6) and np.allclose(other.affine, given.affine, atol=1e-6)


def test_the_same_volume_gives_the_same_bytes(tmp_path: Path) -> None:
    assert write_nifti(tmp_path / "a.nii.gz", scan()) == write_nifti(tmp_path / "b.nii.gz", scan())


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("order", ["<", ">"])
def test_files_of_another_writer_are_read(tmp_path: Path, kind: Any, order: str) -> None:
    values = scan().voxels
    image = kind(values, AFFINE, header=kind.header_class(endianness=order))
    image.set_qform(AFFINE, code=1)
    nibabel.save(image, tmp_path / "a.nii.gz")
    read = read_nifti(tmp_path / "a.nii.gz")
    assert np.array_equal(read.voxels, values)
    assert np.allclose(read.affine, AFFINE, atol=1e-5)


def test_a_file_with_a_qform_alone_has_the_geometry_that_nibabel_computes(tmp_path: Path) -> None:
    turn = math.radians(20)
    rotation = np.array([[math.cos(turn), -math.sin(turn), 0], [math.sin(turn), math.cos(turn), 0], [0, 0, -1.0]])
    affine = np.eye(4)
    affine[:3, :3] = rotation * [0.8, 0.9, 2.5]
    affine[:3, 3] = [3, -4, 5]
    image = nibabel.Nifti1Image(scan().voxels, affine)
    image.set_sform(None, code=0)
    image.set_qform(affine, code=1)
    nibabel.save(image, tmp_path / "q.nii")
    assert np.allclose(read_nifti(tmp_path / "q.nii").affine, affine, atol=1e-4)


def test_scaled_values_are_those_that_nibabel_computes(tmp_path: Path, plain: bytes) -> None:
    data = changed(plain, slope=0.5, intercept=-1024)
    (tmp_path / "s.nii").write_bytes(data)
    assert np.allclose(parse_nifti(data).voxels, nibabel.load(tmp_path / "s.nii").get_fdata())


def test_f001_a_cut_file_is_refused_at_606_places(packed: bytes) -> None:
    shares = [int(len(packed) * share) for share in (0.1, 0.3, 0.6, 0.9, 0.99)]
    cuts = [*shares, len(packed) - 8, *random.Random(1).choices(range(1, len(packed)), k=600)]
    codes = {code_of(packed[:cut]) for cut in cuts if cut > 1}
    assert codes == {"IMG_TRUNCATED"}


def test_f002_no_flipped_bit_changes_a_voxel_unnoticed(packed: bytes) -> None:
    true = parse_nifti(packed)
    chance, refused = random.Random(2), 0
    for _ in range(1000):
        bit = chance.randrange(8 * len(packed))
        damaged = bytearray(packed)
        damaged[bit // 8] ^= 1 << (bit % 8)
        try:
            read = parse_nifti(bytes(damaged))
        except Refused as error:
            refused += 1
            assert error.code.startswith("IMG_")
        else:
            assert np.array_equal(read.voxels, true.voxels) and np.array_equal(read.affine, true.affine)
    assert refused > 950


def test_f002_a_flip_behind_the_header_is_told_as_a_checksum(packed: bytes) -> None:
    damaged = bytearray(packed)
    damaged[-8] ^= 1
    assert code_of(bytes(damaged)) == "IMG_CHECKSUM"


def test_f003_a_short_block_of_voxels_is_refused(plain: bytes) -> None:
    assert {code_of(plain[:cut]) for cut in (353, 500, len(plain) - 1)} == {"IMG_TRUNCATED"}


def test_f005_a_small_file_that_declares_17_gigabytes_is_refused_from_its_header() -> None:
    header = changed(format_nifti(scan(dtype="float64"))[:352], dim=(3, 1300, 1300, 1300, 1, 1, 1, 1))
    assert code_of(header + bytes(25)) == "IMG_DECLARED_SIZE"
    assert code_of(gzip.compress(header + bytes(25))) == "IMG_DECLARED_SIZE"


def test_f006_a_valid_volume_above_the_cap_is_refused_before_it_is_unpacked() -> None:
    header = changed(format_nifti(scan(dtype="uint8"))[:352], dim=(3, 100, 100, 100, 1, 1, 1, 1))
    assert code_of(gzip.compress(header + bytes(10**6)), limits=Limits(voxels=10**6 - 1)) == "IMG_TOO_LARGE"


@pytest.mark.parametrize("extra", [b"\0", bytes(1 << 22)])
def test_f007_anything_behind_the_last_voxel_is_refused(plain: bytes, extra: bytes) -> None:
    assert code_of(plain + extra) == "IMG_TRAILING"
    assert code_of(gzip.compress(plain + extra)) == "IMG_TRAILING"


def test_f007_two_joined_gzip_members_are_refused(packed: bytes) -> None:
    assert code_of(packed + packed) == "IMG_TRAILING"


def test_f008_a_wrong_extension_does_not_matter(tmp_path: Path, plain: bytes, packed: bytes) -> None:
    (tmp_path / "plain.nii.gz").write_bytes(plain)
    (tmp_path / "packed.nii").write_bytes(packed)
    assert np.array_equal(read_nifti(tmp_path / "plain.nii.gz").voxels, read_nifti(tmp_path / "packed.nii").voxels)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("share", [0, 0.01, 0.5])
def test_f009_values_that_are_not_finite_are_counted_and_refused(bad: float, share: float) -> None:
    volume = scan(dtype="float32")
    count = max(1, int(share * volume.voxels.size))
    volume.voxels.reshape(-1)[:count] = bad
    with pytest.raises(Refused, match=rf"{count} of {volume.voxels.size} .*\(0, 0, 0\)") as caught:
        parse_nifti(format_nifti(volume))
    assert caught.value.code == "IMG_NONFINITE"


@pytest.mark.parametrize("slope", [0, np.nan, np.inf, 1e30, -1])
def test_f010_an_impossible_scaling_is_refused(plain: bytes, slope: float) -> None:
    assert code_of(changed(plain, slope=slope)) == "IMG_SCALE"


@pytest.mark.parametrize("edge", [0, 0.01, 50, -1, np.nan])
def test_f011_f012_a_spacing_that_cannot_be_is_refused_and_never_replaced(plain: bytes, edge: float) -> None:
    assert code_of(changed(plain, pixdim=(1, edge, 0.8, 3, 0, 0, 0, 0))) == "IMG_SPACING"


def test_f012_metres_are_converted_and_said_so(plain: bytes) -> None:
    rows = AFFINE[:3] / 1000
    read = decode_nifti(changed(plain, units=1, pixdim=(1, 0.0008, 0.0008, 0.003, 0, 0, 0, 0), srow=rows))
    assert read.volume.spacing_mm == pytest.approx((0.8, 0.8, 3.0))
    assert "metres" in read.cautions[0]


def test_f012_two_voxel_sizes_in_one_header_are_refused(plain: bytes) -> None:
    assert code_of(changed(plain, pixdim=(1, 0.8, 0.8, 2.0, 0, 0, 0, 0))) == "IMG_SPACING"


def sheared(degrees: float) -> np.ndarray:
    rows = AFFINE[:3].copy()
    rows[:, 1] = 0.8 * np.array([-math.sin(math.radians(degrees)), math.cos(math.radians(degrees)), 0])
    return rows


@pytest.mark.parametrize(
    "rows",
    [np.zeros((3, 4)), np.full((3, 4), np.nan), AFFINE[[0, 0, 2]], sheared(1.5)],
    ids=["zero", "nan", "singular", "sheared"],
)
def test_f013_a_broken_geometry_is_refused(plain: bytes, rows: np.ndarray) -> None:
    assert code_of(changed(plain, srow=rows)) == "IMG_AFFINE"


def test_f013_a_geometry_that_is_off_by_half_a_degree_is_accepted(plain: bytes) -> None:
    assert parse_nifti(changed(plain, srow=sheared(0.5))).voxels.size


def test_f013_a_file_without_any_geometry_is_refused(plain: bytes) -> None:
    assert code_of(changed(plain, sform_code=0)) == "IMG_AFFINE"


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_f014_a_second_geometry_that_flips_an_axis_is_refused(tmp_path: Path, axis: int) -> None:
    flipped = AFFINE.copy()
    flipped[:, axis] *= -1
    image = nibabel.Nifti1Image(scan().voxels, AFFINE)
    image.set_sform(AFFINE, code=1)
    image.set_qform(flipped, code=1)
    nibabel.save(image, tmp_path / "flip.nii.gz")
    with pytest.raises(Refused, match="left and right") as caught:
        read_nifti(tmp_path / "flip.nii.gz")
    assert caught.value.code == "IMG_LATERALITY"


def test_f017_a_single_time_point_is_accepted_with_a_caution_and_five_are_refused(plain: bytes) -> None:
    assert decode_nifti(changed(plain, dim=(4, 9, 8, 7, 1, 1, 1, 1))).cautions
    assert code_of(changed(plain, dim=(4, 9, 8, 7, 5, 1, 1, 1))) == "IMG_NDIM"
    assert code_of(changed(plain, dim=(2, 9, 8, 1, 1, 1, 1, 1))) == "IMG_NDIM"
    assert code_of(changed(plain, datatype=128, bitpix=24)) == "IMG_NDIM"


@pytest.mark.parametrize(
    "fields",
    [
        {"dim": (200, 9, 8, 7, 1, 1, 1, 1)},
        {"dim": (3, -9, 8, 7, 1, 1, 1, 1)},
        {"dim": (0, 9, 8, 7, 1, 1, 1, 1)},
        {"datatype": 7},
        {"datatype": 32, "bitpix": 64},
        {"bitpix": 8},
        {"vox_offset": 0},
        {"vox_offset": np.nan},
        {"vox_offset": 1e12},
    ],
)
def test_f019_an_impossible_header_is_refused(plain: bytes, fields: dict[str, Any]) -> None:
    assert code_of(changed(plain, **fields)) == "IMG_HEADER"


def test_f019_f024_ten_thousand_mutated_headers_give_a_volume_or_a_typed_refusal(plain: bytes) -> None:
    chance = random.Random(3)
    for _ in range(10_000):
        damaged = bytearray(plain)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(348)] = chance.randrange(256)
        try:
            volume = parse_nifti(bytes(damaged), Limits(voxels=100_000))
        except Refused as error:
            assert error.code.startswith("IMG_") and error.do
        else:
            assert volume.voxels.size == 9 * 8 * 7


@pytest.mark.parametrize("value", [0, 7])
def test_f020_a_scan_of_one_value_is_refused_but_an_empty_label_map_is_read(value: int) -> None:
    data = format_nifti(Volume(np.full((9, 8, 7), value, np.int16), AFFINE))
    assert code_of(data) == "IMG_NO_CONTENT"
    assert parse_nifti(data, as_labels=True).voxels.max() == value


@pytest.mark.parametrize("data", [b"", b"\x1f\x8b", b"P6 1 1 255 xxxxxxxx" * 40, b"NRRD0004\n" * 60, bytes(400)])
def test_f023_what_is_no_nifti_is_refused(data: bytes) -> None:
    assert code_of(data) in {"IMG_FORMAT", "IMG_TRUNCATED"}


def test_labels_come_in_the_smallest_unsigned_type() -> None:
    labels = np.zeros((4, 4, 4), np.float64)
    labels[0, 0, 0] = 3
    assert parse_nifti(format_nifti(Volume(labels, AFFINE)), as_labels=True).voxels.dtype == np.uint8
    labels[0, 0, 0] = 300
    assert parse_nifti(format_nifti(Volume(labels, AFFINE)), as_labels=True).voxels.dtype == np.uint16


@pytest.mark.parametrize("value", [0.5, -1.0, 70_000.0])
def test_labels_that_are_no_small_whole_numbers_are_refused(value: float) -> None:
    labels = np.zeros((4, 4, 4), np.float32)
    labels[1, 1, 1] = value
    assert code_of(format_nifti(Volume(labels, AFFINE)), as_labels=True) == "IMG_LABELS"


def test_a_refusal_names_the_file(tmp_path: Path, packed: bytes) -> None:
    (tmp_path / "case_7.nii.gz").write_bytes(packed[:200])
    with pytest.raises(Refused, match=r"case_7\.nii\.gz"):
        read_nifti(tmp_path / "case_7.nii.gz")
    with pytest.raises(Refused, match=r"none\.nii"):
        read_nifti(tmp_path / "none.nii")


def test_a_refused_type_leaves_no_file_behind(tmp_path: Path) -> None:
    with pytest.raises(Refused):
        write_nifti(tmp_path / "c.nii.gz", Volume(np.zeros((2, 2, 2), np.complex64), AFFINE))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.data
def test_every_kits_segmentation_is_accepted() -> None:
    paths = sorted((real_data("kits23") / "dataset").glob("case_*/segmentation.nii.gz"))
    assert paths
    for path in paths:
        volume = read_nifti(path, as_labels=True)
        assert volume.voxels.dtype == np.uint8 and volume.voxels.max() <= 3

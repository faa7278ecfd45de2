"""Pictures at the door: what is converted is stated, what is damaged or hostile is refused before a pixel is decoded."""

from __future__ import annotations

import io
import struct
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from core.errors import Refused
from core.ingest import Accepted, DoorLimits, PictureLimits, Refusal, decode_picture, ingest, read_image, read_mask
from core.ingest.images import ALPHA_CAUTION, DEPTH_CAUTION, INKS_CAUTION, TURN_CAUTION
from tests.conftest import real_data


def colours(height: int = 20, width: int = 30, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def saved(picture: Image.Image | NDArray[np.generic], kind: str, **more: object) -> bytes:
    buffer = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(buffer, format=kind, **more)
    return buffer.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int, *more: bytes, bits: int = 8, colour: int = 0, rows: bytes | None = None) -> bytes:
    """A PNG made by hand: grey of 8 bits and black unless said otherwise; ``more`` are chunks before the picture."""
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    data = zlib.compress(bytes(height * (width + 1)) if rows is None else rows, 9)
    return b"\x89PNG\r\n\x1a\n" + b"".join([chunk(b"IHDR", head), *more, chunk(b"IDAT", data), chunk(b"IEND", b"")])


def deep_png(values: NDArray[np.uint16], colour: int) -> bytes:
    """A PNG of 16 bits a value, rows without a filter."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return png(values.shape[1], values.shape[0], bits=16, colour=colour, rows=rows)


def tiff(values: NDArray[np.generic], *, deflate: bool = False, order: str = "<", pages: int = 1, **tags: int) -> bytes:
    """A TIFF of one strip made by hand."""
    height, width, *samples = values.shape
    count = samples[0] if samples else 1
    data = values.astype(values.dtype.newbyteorder(order)).tobytes()
    data = zlib.compress(data) if deflate else data
    bits = values.dtype.itemsize * 8
    entries = {256: width, 257: height, 258: bits, 259: 8 if deflate else 1, 262: 2 if count == 3 else 1, 273: 8,
               277: count, 278: height, 279: len(data), **{int(tag[1:]): value for tag, value in tags.items()}}  # fmt: skip
    after = 8 + len(data) + len(data) % 2
    directory = struct.pack(f"{order}H", len(entries))
    extra, extra_at = b"", after + 2 + 12 * len(entries) + 4
    for tag, value in sorted(entries.items()):
        if tag == 258 and count > 1:
            extra = struct.pack(f"{order}{count}H", *[value] * count)
            directory += struct.pack(f"{order}HHII", tag, 3, count, extra_at)
        else:
            directory += struct.pack(f"{order}HHII", tag, 4, 1, value)
    following = after if pages > 1 else 0
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", after)
    return start + data + bytes(len(data) % 2) + directory + struct.pack(f"{order}I", following) + extra


def code_of(data: bytes, limits: PictureLimits | None = None) -> str:
    with pytest.raises(Refused) as caught:
        decode_picture(data, limits)
    assert caught.value.do
    return caught.value.code


def seen(data: bytes) -> NDArray[np.generic]:
    return decode_picture(data).picture


# What is accepted


@pytest.mark.parametrize(
    ("kind", "more"), [("PNG", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_adobe_deflate"}), ("BMP", {}),
                       ("TIFF", {"compression": "tiff_lzw"}), ("TIFF", {"compression": "packbits"})],
)  # fmt: skip
@pytest.mark.parametrize("grey", [False, True])
def test_formats_without_loss_give_the_same_pixels(kind: str, more: dict[str, object], grey: bool) -> None:
    given = colours()[:, :, 0] if grey else colours()
    assert np.array_equal(seen(saved(given, kind, **more)), given[:, :, None] if grey else given)


def test_a_jpeg_gives_the_pixels_of_its_library() -> None:
    data = saved(colours(64, 48), "JPEG", quality=95)
    with Image.open(io.BytesIO(data)) as opened:
        assert np.array_equal(seen(data), np.asarray(opened))
    assert seen(saved(colours()[:, :, 0], "JPEG")).shape == (20, 30, 1)
    assert seen(saved(colours(), "JPEG", progressive=True)).shape == (20, 30, 3)


def test_a_picture_comes_through_the_door_unchanged() -> None:
    answer = ingest(saved(colours(), "PNG"), "picture")
    assert isinstance(answer, Accepted) and answer.picture is not None
    assert np.array_equal(answer.picture, colours())
    assert answer.cautions == () and len(answer.sha256) == 64


def test_f059_grey_of_16_bits_is_kept_whole() -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (12, 9)).astype(np.uint16)
    for data in (
        deep_png(deep, 0),
        saved(Image.fromarray(deep), "PNG"),
        tiff(deep),
        tiff(deep, deflate=True),
        tiff(deep, order=">"),
    ):
        found = seen(data)
        assert found.dtype == np.uint16 and found.dtype.isnative
        assert np.array_equal(found[:, :, 0], deep)


def test_f059_of_16_bits_a_colour_the_upper_8_are_kept() -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (12, 9, 3)).astype(np.uint16)
    for data in (deep_png(deep, 2), tiff(deep)):
        found = decode_picture(data)
        assert found.cautions == (DEPTH_CAUTION,)
        assert np.array_equal(found.picture, deep >> 8)


def test_f059_a_palette_becomes_its_colours() -> None:
    picture = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4) % 3, mode="P")
    picture.putpalette([255, 0, 0, 0, 128, 0, 9, 9, 9])
    found = seen(saved(picture, "PNG"))
    assert found.shape == (3, 4, 3)
    assert found[0, :3].tolist() == [[255, 0, 0], [0, 128, 0], [9, 9, 9]]


def test_f059_four_inks_are_converted_plainly() -> None:
    inks = np.zeros((8, 8, 4), np.uint8)
    inks[:, 4:, 3] = 100
    inks[4:, :, 0] = 50
    found = decode_picture(tiff(inks, _262=5))
    assert found.cautions == (INKS_CAUTION,)
    reference = (255.0 - inks[:, :, :3]) * (255.0 - inks[:, :, 3:]) / 255
    assert np.abs(found.picture.astype(int) - reference).max() <= 1


def test_f059_an_opaque_alpha_is_dropped_and_see_through_parts_are_laid_on_black() -> None:
    given = np.dstack([colours(), np.full((20, 30), 255, np.uint8)])
    opaque = decode_picture(saved(Image.fromarray(given, mode="RGBA"), "PNG"))
    assert opaque.cautions == () and np.array_equal(opaque.picture, colours())
    given[:, 15:, 3] = 0
    given[:, :5, 3] = 128
    clear = decode_picture(saved(Image.fromarray(given, mode="RGBA"), "PNG"))
    assert clear.cautions == (ALPHA_CAUTION,)
    assert not clear.picture[:, 15:].any()
    assert np.abs(clear.picture[:, :5] - colours()[:, :5] * (128 / 255)).max() <= 1
    assert np.array_equal(clear.picture[:, 5:15], colours()[:, 5:15])
    grey = saved(Image.fromarray(given[:, :, [0, 3]], mode="LA"), "PNG")
    assert decode_picture(grey).picture.shape == (20, 30, 1)


def test_a_picture_of_one_bit_is_black_and_white() -> None:
    flat = np.random.default_rng(0).integers(0, 2, (5, 7)).astype(bool)
    for kind in ("PNG", "TIFF", "BMP"):
        assert np.array_equal(seen(saved(Image.fromarray(flat), kind))[:, :, 0], flat * 255)


TURNS: dict[int, Callable[[NDArray[np.generic]], NDArray[np.generic]]] = {
    1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1], 5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1), 7: lambda a: a[::-1, ::-1].swapaxes(0, 1), 8: lambda a: np.rot90(a),
}  # fmt: skip


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_f060_the_turn_that_exif_asks_for_is_applied(turn: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    found = decode_picture(saved(colours(), kind, exif=exif))
    assert np.array_equal(found.picture, TURNS[turn](colours()))
    assert found.cautions == (() if turn == 1 else (TURN_CAUTION,))


def test_f060_where_a_picture_was_taken_does_not_come_through_the_door() -> None:
    exif = Image.Exif()
    exif[0x8825] = {1: "N", 2: (47.0, 22.0, 0.0)}
    exif[0x010F] = "PLANTED-MAKER"
    answer = ingest(saved(colours(), "JPEG", exif=exif, comment=b"PLANTED-NAME"), "picture")
    assert isinstance(answer, Accepted)
    assert "PLANTED" not in repr(answer)


# What is refused


@pytest.mark.parametrize("edge", [5001, 9000, 10_000, 13_000, 14_000, 100_000])
def test_f055_f056_too_many_pixels_are_refused_from_the_header(edge: int) -> None:
    """A header alone is enough: no file this large needs to be made, and none is decoded."""
    assert code_of(png(edge, edge, rows=b"")) == "PNG_PIXELS"
    assert code_of(png(25_000_001, 1, rows=b"")) == "PNG_PIXELS"


def test_f055_a_bomb_is_refused_within_little_memory_and_time() -> None:
    data = png(10_000, 10_000)
    assert len(data) < 300_000
    start = time.perf_counter()
    answer = ingest(data, "picture", DoorLimits(memory_bytes=400 << 20))
    assert isinstance(answer, Refusal) and answer.code == "PNG_PIXELS"
    assert time.perf_counter() - start < 5
    import tracemalloc

    tracemalloc.start()
    start = time.perf_counter()
    assert code_of(data) == "PNG_PIXELS"
    assert time.perf_counter() - start < 0.2
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("kind", ["JPEG", "BMP", "TIFF"])
def test_f056_the_cap_holds_for_every_format(kind: str) -> None:
    limits = PictureLimits(pixels=20 * 30 - 1)
    assert code_of(saved(colours(), kind), limits) == "PNG_PIXELS"
    assert decode_picture(saved(colours(), kind), PictureLimits(pixels=20 * 30)).picture.shape == (20, 30, 3)


@pytest.mark.parametrize(
    "data",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"8BPS\0\x01" + bytes(40),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<html><script>1</script></html>",
        saved(colours(), "GIF"),
        saved(colours(), "PPM"),
        saved(colours(), "WEBP"),
        b"PK\x03\x04",
    ],
)
def test_f057_other_formats_are_refused_whatever_their_name(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "renamed.png"
    path.write_bytes(data)
    with pytest.raises(Refused, match=r"renamed\.png") as caught:
        read_image(path)
    assert caught.value.code == "IMG_FORMAT"
    answer = ingest(data, "picture")
    assert isinstance(answer, Refusal) and answer.code == "IMG_FORMAT"


WHOLE = {
    "PNG": saved(colours(), "PNG"), "JPEG": saved(colours(), "JPEG"), "BMP": saved(colours(), "BMP"), "TIFF": tiff(colours()),
    "TIFF, deflate": tiff(colours(), deflate=True), "PNG, 16 bits": deep_png(np.ones((9, 9), np.uint16), 0),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_f058_a_file_cut_anywhere_is_refused(name: str) -> None:
    whole = WHOLE[name]
    assert decode_picture(whole).picture.size
    for end in [0, 1, 4, 9, 20, *np.linspace(21, len(whole) - 1, 60).astype(int).tolist()]:
        assert code_of(whole[:end]) in {"IMG_TRUNCATED", "IMG_FORMAT", "IMG_HEADER", "IMG_DECODER"}, end


@pytest.mark.parametrize("name", ["PNG", "PNG, 16 bits"])
def test_f058_a_flipped_bit_in_a_png_is_found(name: str) -> None:
    whole, rng = WHOLE[name], np.random.default_rng(0)
    for at in rng.integers(0, 8 * len(whole), 300).tolist():
        flipped = bytearray(whole)
        flipped[at // 8] ^= 1 << (at % 8)
        code_of(bytes(flipped))


def test_f058_a_flipped_bit_in_the_deflated_part_of_a_tiff_is_found() -> None:
    whole = WHOLE["TIFF, deflate"]
    end = struct.unpack("<I", whole[4:8])[0] - 1
    for at in np.random.default_rng(0).integers(8 * 8, 8 * (end - 1), 200).tolist():
        flipped = bytearray(whole)
        flipped[at // 8] ^= 1 << (at % 8)
        assert code_of(bytes(flipped)) in {"IMG_CHECKSUM", "IMG_TRUNCATED", "IMG_DECLARED_SIZE"}


def test_f058_no_file_of_this_project_lets_cut_pictures_pass() -> None:
    sources = (Path(__file__).parents[1] / "core").rglob("*.py")
    assert not [path for path in sources if "LOAD_TRUNCATED_IMAGES" in path.read_text(encoding="utf-8")]


def test_f061_pictures_that_move_and_files_of_several_pages_are_refused() -> None:
    pages = [Image.fromarray(colours(seed=number)) for number in range(3)]
    assert code_of(saved(pages[0], "PNG", save_all=True, append_images=pages[1:])) == "IMG_NDIM"
    assert code_of(saved(pages[0], "TIFF", save_all=True, append_images=pages[1:])) == "IMG_NDIM"
    assert code_of(saved(pages[0], "MPO", save_all=True, append_images=pages[1:])) == "IMG_NDIM"
    assert code_of(tiff(colours(), pages=2)) == "IMG_NDIM"


@pytest.mark.parametrize(
    "block",
    [
        lambda: chunk(b"iTXt", b"key\0\0\0\0\0" + bytes(100 << 20)),
        lambda: chunk(b"zTXt", b"key\0\0" + zlib.compress(bytes(100 << 20), 9)),
        lambda: chunk(b"iTXt", b"key\0\x01\0\0\0" + zlib.compress(bytes(100 << 20), 9)),
        lambda: chunk(b"iCCP", b"key\0\0" + zlib.compress(bytes(100 << 20), 9)),
    ],
    ids=["plain text", "packed text", "packed international text", "packed profile"],
)
def test_f062_much_text_in_a_small_picture_is_refused(block: Callable[[], bytes]) -> None:
    data = png(4, 4, block())
    assert code_of(data) == "IMG_METADATA"
    answer = ingest(data, "picture", DoorLimits(memory_bytes=600 << 20))
    assert isinstance(answer, Refusal) and answer.code == "IMG_METADATA"


def test_f062_little_text_is_left_behind() -> None:
    assert seen(png(4, 4, chunk(b"tEXt", b"Patient\0PLANTED"))).shape == (4, 4, 1)


def test_much_behind_the_end_of_a_picture_is_refused() -> None:
    assert code_of(WHOLE["PNG"] + bytes((1 << 20) + 1)) == "IMG_TRAILING"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (png(0, 5), "IMG_HEADER"),
        (WHOLE["PNG"][:8] + chunk(b"IDAT", bytes(40)), "IMG_HEADER"),
        (tiff(np.ones((4, 4), np.float32), _339=3), "IMG_HEADER"),
        (tiff(np.ones((4, 4), np.uint32)), "IMG_HEADER"),
        (tiff(np.ones((4, 4), np.uint8), _259=7), "IMG_FORMAT"),
        (tiff(np.ones((4, 4), np.uint8), _279=10_000), "IMG_TRUNCATED"),
        (tiff(np.ones((4, 4), np.uint8), deflate=True, _279=3), "IMG_TRUNCATED"),
        (tiff(np.ones((2000, 1500), np.uint8), deflate=True, _256=4, _257=4, _278=4), "IMG_DECLARED_SIZE"),
        (b"BM" + bytes(60), "IMG_FORMAT"),
        (b"\xff\xd8\xff\xd9", "IMG_TRUNCATED"),
        (b"\xff\xd8\xff\xe0\x00\x02" + bytes(9), "IMG_HEADER"),
        (b"\xff\xd8\xff\xc3\x00\x0b\x08\x00\x04\x00\x04\x01\x01\x11\x00", "IMG_FORMAT"),
    ],
)  # fmt: skip
def test_a_header_that_cannot_be_is_refused(data: bytes, code: str) -> None:
    assert code_of(data) == code


def test_ten_thousand_broken_pictures_end_in_typed_errors() -> None:
    rng = np.random.default_rng(0)
    small = {name: data for name, data in WHOLE.items() if len(data) < 4000}
    assert len(small) == 6
    for number in range(10_000):
        data = bytearray(list(small.values())[number % len(small)])
        for _ in range(int(rng.integers(1, 8))):
            data[int(rng.integers(0, min(len(data), 120 if number % 2 else len(data))))] = int(rng.integers(0, 256))
        try:
            assert decode_picture(bytes(data), PictureLimits(pixels=100_000)).picture.ndim == 3
        except Refused as error:
            assert error.code.startswith(("IMG_", "PNG_"))


# Files of one's own


def test_a_mask_keeps_its_values_and_has_no_channel_axis(tmp_path: Path) -> None:
    values = np.array([[0, 1, 15], [255, 3, 0]], np.uint8)
    for name, data in {
        "a.png": saved(values, "PNG"),
        "b.tif": saved(values, "TIFF"),
        "c.png": saved(np.dstack([values] * 3), "PNG"),
    }.items():
        (tmp_path / name).write_bytes(data)
        assert np.array_equal(read_mask(tmp_path / name), values)
        assert read_image(tmp_path / name).shape == (2, 3, 3 if name == "c.png" else 1)


def test_a_coloured_mask_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mask.png").write_bytes(saved(colours(), "PNG"))
    with pytest.raises(Refused, match=r"mask\.png: the mask is coloured") as caught:
        read_mask(tmp_path / "mask.png")
    assert caught.value.code == "IMG_LABELS"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"absent\.png cannot be read") as caught:
        read_image(tmp_path / "absent.png")
    assert caught.value.code == "IMG_MISSING"


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "pattern", "shape"),
    [
        ("isic2018", "ISIC2018_Task1-2_Training_Input/ISIC_00000*.jpg", (256, 256, 3)),
        ("lgg", "kaggle_3m/TCGA_CS_4941*/*.tif", None),
        ("lidc_crops", "images/*1.png", (128, 128, 1)),
    ],
)
def test_real_pictures_are_read_as_their_library_reads_them(name: str, pattern: str, shape: Sequence[int] | None) -> None:
    files = sorted(real_data(name).glob(pattern))[:20]
    assert files
    for path in files:
        found = read_image(path)
        with Image.open(path) as opened:
            assert np.array_equal(found if found.shape[2] == 3 else found[:, :, 0], np.asarray(opened))
        assert shape is None or found.shape == tuple(shape)

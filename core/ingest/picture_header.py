"""The header of a picture file: what it declares, and whether the bytes behind it are whole, before a pixel is decoded.

The four formats are told by their first bytes, never by a name. Nothing here allocates what a header asks for.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NoReturn

from core.errors import Refused

PictureFormat = Literal["PNG", "JPEG", "TIFF", "BMP"]

ACCEPTED_PICTURES = "PNG, JPEG, TIFF and BMP"
_EXPORT = "Export the picture again from its source and send that file."
_ONE = "Send one picture a file."


@dataclass(frozen=True)
class PictureLimits:
    """What one picture may be.

    Args:
        pixels: most pixels.
        file_bytes: most bytes of the file as it comes.
        metadata_bytes: most bytes of one block of text, colour profile or data behind the picture.
    """

    pixels: int = 25_000_000
    file_bytes: int = 200_000_000
    metadata_bytes: int = 1 << 20


@dataclass(frozen=True)
class PictureHeader:
    """What a picture file declares, after its checks.

    Args:
        kind: the format; width, height: in pixels as stored, before any turn that EXIF asks for.
        bits: of one stored value.
        turn: how a TIFF asks to be turned, 1 (as it is) to 8 as EXIF numbers them; the other formats say it elsewhere.
    """

    kind: PictureFormat
    width: int
    height: int
    bits: int = 8
    turn: int = 1

    @property
    def turned_size(self) -> tuple[int, int]:
        """Width and height once turned."""
        return (self.height, self.width) if self.turn in (5, 6, 7, 8) else (self.width, self.height)


def _refuse(code: str, message: str, do: str = _EXPORT) -> NoReturn:
    raise Refused(message, do=do, code=code)


def parse_picture_header(data: bytes, limits: PictureLimits) -> PictureHeader:
    """The checked header of a picture; the stream behind it was walked to its end.

    Args:
        data: the whole file.

    Raises:
        Refused: ``IMG_FORMAT``, ``IMG_TRUNCATED``, ``IMG_CHECKSUM``, ``IMG_HEADER``, ``IMG_NDIM``, ``IMG_METADATA``,
            ``IMG_TOO_LARGE`` or ``PNG_PIXELS`` (whatever the format).
    """
    if not data:
        _refuse("IMG_TRUNCATED", "The file is empty.")
    if len(data) > limits.file_bytes:
        _refuse("IMG_TOO_LARGE", f"The file has {len(data)} bytes; at most {limits.file_bytes} are read.", _ONE)
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return _png(data, limits)
    if data[:3] == b"\xff\xd8\xff":
        return _jpeg(data, limits)
    if data[:4] in (b"II*\x00", b"MM\x00*"):
        return _tiff(data, limits)
    if data[:2] == b"BM":
        return _bmp(data, limits)
    _refuse("IMG_FORMAT", f"This is not a picture that is read here; accepted: {ACCEPTED_PICTURES}.", "Convert it to PNG.")


def _checked_size(width: int, height: int, limits: PictureLimits) -> None:
    if width < 1 or height < 1:
        _refuse("IMG_HEADER", f"The header declares {width} × {height} pixels; each side needs at least one.")
    if width * height > limits.pixels:
        _refuse(
            "PNG_PIXELS",
            f"The picture has {width} × {height} pixels; at most {limits.pixels / 1e6:g} million are read.",
            "Reduce its size, or cut out the part that matters, and send that.",
        )


def _truncated(what: str) -> NoReturn:
    _refuse("IMG_TRUNCATED", f"The file ends before its {what} does.")


# PNG: chunks of length, name, content and checksum


@dataclass(frozen=True)
class _Chunk:
    name: bytes
    start: int
    length: int

    @property
    def end(self) -> int:
        """Byte behind the checksum."""
        return self.start + self.length + 4


def _png(data: bytes, limits: PictureLimits) -> PictureHeader:
    if len(data) < 33:
        _truncated("header")
    first = _chunk_at(data, 8)
    if (first.name, first.length) != (b"IHDR", 13):
        _refuse("IMG_HEADER", "The PNG file does not begin with its header (IHDR).")
    width, height, bits = struct.unpack(">IIB", data[16:25])
    _checked_size(width, height, limits)
    for chunk in _chunks(data):
        _check_chunk(data, chunk, limits)
        if chunk.name == b"IEND":
            _check_rest(len(data) - chunk.end, limits)
            return PictureHeader("PNG", width, height, bits)
    _refuse("IMG_TRUNCATED", "The PNG file has no end mark (IEND): its end is missing.")


def _chunks(data: bytes) -> Iterator[_Chunk]:
    at = 8
    while at < len(data):
        chunk = _chunk_at(data, at)
        yield chunk
        at = chunk.end


def _chunk_at(data: bytes, at: int) -> _Chunk:
    if at + 12 > len(data):
        _truncated("picture")
    length, name = struct.unpack(">I4s", data[at : at + 8])
    chunk = _Chunk(name, at + 8, length)
    if chunk.end > len(data):
        _truncated("picture")
    return chunk


def _check_chunk(data: bytes, chunk: _Chunk, limits: PictureLimits) -> None:
    if chunk.name[0] & 0x20 and chunk.length > limits.metadata_bytes:
        _refuse("IMG_METADATA", f"The file holds {chunk.length} bytes of text or profile beside the picture.")
    view = memoryview(data)[chunk.start - 4 : chunk.start + chunk.length]
    if zlib.crc32(view) != int.from_bytes(data[chunk.end - 4 : chunk.end], "big"):
        _refuse("IMG_CHECKSUM", "A checksum inside the PNG file is wrong: the file was damaged.")
    if chunk.name == b"acTL" and int.from_bytes(data[chunk.start : chunk.start + 4], "big") != 1:
        _refuse("IMG_NDIM", "The PNG file is animated; expected one picture.", _ONE)


def _check_rest(rest: int, limits: PictureLimits) -> None:
    if rest > limits.metadata_bytes:
        _refuse("IMG_TRAILING", f"{rest} bytes stand behind the end of the picture.")


# JPEG: segments up to the first scan; a scan has an end mark and no checksum

_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
_OTHER_FRAMES = frozenset(range(0xC3, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE = frozenset({0x01, *range(0xD0, 0xD8)})


def _jpeg(data: bytes, limits: PictureLimits) -> PictureHeader:
    header: PictureHeader | None = None
    for marker, start in _segments(data):
        if marker in _OTHER_FRAMES:
            _refuse("IMG_FORMAT", "This kind of JPEG (lossless or arithmetic) is not read.", "Convert it to PNG.")
        if marker in _FRAMES:
            bits, height, width = struct.unpack(">BHH", data[start : start + 5])
            _checked_size(width, height, limits)
            header = PictureHeader("JPEG", width, height, bits)
        if marker == 0xDA:
            return _whole_jpeg(data, start, header)
    _refuse("IMG_TRUNCATED", "The JPEG file ends before its picture begins.")


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Marker and first byte of the content of each segment, up to the first scan."""
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            _refuse("IMG_HEADER", "The JPEG file is damaged between its segments.")
        marker = data[at + 1]
        if marker == 0xFF or marker in _BARE:
            at += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if at + 2 + length > len(data) or (marker in _FRAMES and length < 8):
            _truncated("header")
        yield marker, at + 4
        at += 2 + length


def _whole_jpeg(data: bytes, scan: int, header: PictureHeader | None) -> PictureHeader:
    if header is None:
        _refuse("IMG_HEADER", "The JPEG file does not say how large its picture is.")
    # Inside a scan the byte FF is always followed by 00 or a restart mark, so FFD9 there can only be the end.
    if data.find(b"\xff\xd9", scan) < 0:
        _truncated("picture")
    return header


# TIFF: a directory of numbers; the places of all strips or tiles stand in it

_NUMBERS = {1: "B", 3: "H", 4: "I"}
_DEFLATE = frozenset({8, 32946})
_COMPRESSIONS = frozenset({1, 5, 32773}) | _DEFLATE
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _TURN, _SAMPLES, _FORMAT = 256, 257, 258, 259, 274, 277, 339
_PLACES = ((273, 279), (324, 325))
_MOST_ENTRIES = 1000


def _tiff(data: bytes, limits: PictureLimits) -> PictureHeader:
    order = "<" if data[:2] == b"II" else ">"
    entries = _directory(data, order)
    width, height = (_first(entries, tag, 0) for tag in (_WIDTH, _HEIGHT))
    _checked_size(width, height, limits)
    bits = entries.get(_BITS, (1,))
    if len(set(bits)) != 1 or bits[0] not in (1, 2, 4, 8, 16) or _first(entries, _FORMAT, 1) != 1:
        _refuse("IMG_HEADER", f"The TIFF file stores {bits} bits a value; whole numbers of 8 or 16 bits are read.")
    compression = _first(entries, _COMPRESSION, 1)
    if compression not in _COMPRESSIONS:
        _refuse("IMG_FORMAT", f"The compression {compression} of this TIFF file is not read.", "Save it with deflate or none.")
    declared = width * height * _first(entries, _SAMPLES, 1) * max(1, bits[0] // 8)
    _check_places(data, entries, declared if compression in _DEFLATE else 0)
    return PictureHeader("TIFF", width, height, bits[0], _first(entries, _TURN, 1))


def _directory(data: bytes, order: str) -> dict[int, tuple[int, ...]]:
    """Whole numbers of the first directory, by tag.

    Raises:
        Refused: a second directory (page), or one that runs past the end of the file.
    """
    at = _number(data, 4, "I", order)
    count = _number(data, at, "H", order)
    after = at + 2 + 12 * count
    if not 1 <= count <= _MOST_ENTRIES:
        _refuse("IMG_HEADER", f"The TIFF file declares {count} entries in its directory.")
    if _number(data, after, "I", order):
        _refuse("IMG_NDIM", "The TIFF file holds several pages; expected one picture.", _ONE)
    return dict(entry for place in range(at + 2, after, 12) if (entry := _entry(data, place, order)) is not None)


def _entry(data: bytes, place: int, order: str) -> tuple[int, tuple[int, ...]] | None:
    tag, kind, count = struct.unpack(f"{order}HHI", data[place : place + 8])
    wanted = {_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _TURN, _SAMPLES, _FORMAT, *(tag for pair in _PLACES for tag in pair)}
    if tag not in wanted:
        return None
    if kind not in _NUMBERS or count < 1:
        _refuse("IMG_HEADER", f"The TIFF file stores its entry {tag} in a way that is not read.")
    size = count * struct.calcsize(_NUMBERS[kind])
    start = place + 8 if size <= 4 else _number(data, place + 8, "I", order)
    if start + size > len(data):
        _truncated("directory")
    return tag, struct.unpack(f"{order}{count}{_NUMBERS[kind]}", data[start : start + size])


def _number(data: bytes, at: int, kind: str, order: str) -> int:
    size = struct.calcsize(kind)
    if at + size > len(data):
        _truncated("directory")
    value: int = struct.unpack(f"{order}{kind}", data[at : at + size])[0]
    return value


def _first(entries: dict[int, tuple[int, ...]], tag: int, usual: int) -> int:
    return entries.get(tag, (usual,))[0]


def _check_places(data: bytes, entries: dict[int, tuple[int, ...]], deflated: int) -> None:
    """Every strip or tile lies inside the file and, where deflated, unpacks to its end with the right checksum.

    Args:
        deflated: bytes that the picture declares; 0 where it is not deflated.
    """
    places = next(((entries[a], entries[b]) for a, b in _PLACES if a in entries and b in entries), None)
    if places is None or len(places[0]) != len(places[1]):
        _refuse("IMG_HEADER", "The TIFF file does not say where its picture lies.")
    # Tiles at the border are stored whole, so the parts of a sound file may add up to more than the picture.
    budget = 4 * deflated + (1 << 20)
    for start, count in zip(*places, strict=True):
        if start + count > len(data):
            _truncated("picture")
        if deflated:
            budget -= _unpacked(data[start : start + count], budget)


def _unpacked(part: bytes, budget: int) -> int:
    engine = zlib.decompressobj()
    try:
        size = len(engine.decompress(part, budget + 1))
    except zlib.error:
        _refuse("IMG_CHECKSUM", "A part of the TIFF file does not unpack: the file was damaged.")
    if size > budget:
        _refuse("IMG_DECLARED_SIZE", "The TIFF file unpacks to more than it declares.")
    if not engine.eof:
        _truncated("picture")
    return size


# BMP: a fixed header, then rows

_BMP_HEADERS = frozenset({40, 52, 56, 108, 124})


def _bmp(data: bytes, limits: PictureLimits) -> PictureHeader:
    if len(data) < 54:
        _truncated("header")
    offset, size, width, height, _, bits, compression = struct.unpack("<IIiiHHI", data[10:34])
    if size not in _BMP_HEADERS or compression not in (0, 3) or bits not in (1, 4, 8, 16, 24, 32):
        _refuse("IMG_FORMAT", f"This kind of BMP ({bits} bits, compression {compression}) is not read.", "Convert it to PNG.")
    _checked_size(width, abs(height), limits)
    row = (width * bits + 31) // 32 * 4
    if offset + row * abs(height) > len(data):
        _truncated("picture")
    return PictureHeader("BMP", width, abs(height))

"""NIfTI in and out: the whole stream is checked before a volume is believed."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.contracts.volume import Volume
from core.errors import Refused
from core.ingest.header import (
    DTYPES,
    HEADER_BYTES,
    LAYOUTS,
    Header,
    Limits,
    is_nifti2,
    parse_header,
    refuse,
    start_of_first,
)
from core.storage.atomic import atomic_write

_CHUNK = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_DEFLATE_RATIO = 1032  # deflate cannot pack tighter than this: a header that declares more is lying
_SAMPLE = 100_000
_LARGEST_LABEL = 65_535
_AS_INTEGERS = "Export the segmentation again as whole numbers (0 is background)."


@dataclass(frozen=True)
class ScanRead:
    """A volume that was accepted, and what was put right on the way."""

    volume: Volume
    cautions: tuple[str, ...] = ()


def parse_nifti(data: bytes, limits: Limits | None = None, *, as_labels: bool = False) -> Volume:
    """The volume in the bytes of a ``.nii`` or ``.nii.gz`` file, decoded in this process.

    Args:
        data: the whole file, as it came; compression is told from its first bytes, never from a name.
        limits: what a scan may be.
        as_labels: whether values must be whole numbers from 0; then they come in the smallest unsigned type.

    Raises:
        Refused: with one of the ``IMG_…`` codes; nothing is ever filled in.
    """
    return decode_nifti(data, limits, as_labels=as_labels).volume


def decode_nifti(data: bytes, limits: Limits | None = None, *, as_labels: bool = False) -> ScanRead:
    """Like ``parse_nifti``, with sentences about what was put right (axes dropped, units converted)."""
    limits = limits or Limits()
    if not data:
        refuse("IMG_TRUNCATED", "The file is empty.")
    if len(data) > limits.file_bytes:
        refuse("IMG_TOO_LARGE", f"The file has {len(data)} bytes; at most {limits.file_bytes} are read.", "Send one scan.")
    stream = _Unzipped(data) if data[:2] == _GZIP_MAGIC else _Plain(data)
    header = _header(stream, limits)
    _check_declared(header, len(data), stream.ratio, limits)
    stored = _stored_values(header, stream)
    voxels = _labels(stored, header) if as_labels else _values(stored, header, limits)
    return ScanRead(Volume(voxels, header.affine), header.cautions)


def read_nifti(path: Path, *, as_labels: bool = False, limits: Limits | None = None) -> Volume:
    """The volume in a file of one's own; every refusal names the file.

    Raises:
        Refused: missing, unreadable, or one of the ``IMG_…`` codes.
    """
    path = Path(path)
    data = _bytes_of(path)
    try:
        return parse_nifti(data, limits, as_labels=as_labels)
    except Refused as error:
        raise Refused(f"{path}: {error.message}", do=error.do, code=error.code) from error


def read_nifti_channels(path: Path, *, limits: Limits | None = None) -> tuple[Volume, ...]:
    """The volumes that lie behind each other in one 4-D file of one's own, each held to the checks of ``read_nifti``.

    Raises:
        Refused: missing, unreadable, not 4-D, or one of the ``IMG_…`` codes; names the file.
    """
    path = Path(path)
    data = _bytes_of(path)
    try:
        return _decode_channels(data, limits or Limits())
    except Refused as error:
        raise Refused(f"{path}: {error.message}", do=error.do, code=error.code) from error


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refused(
            f"{path} cannot be read: {error.strerror}.", do="Check the path and its permissions.", code="IMG_MISSING"
        ) from error


def _decode_channels(data: bytes, limits: Limits) -> tuple[Volume, ...]:
    if len(data) > limits.file_bytes:
        refuse("IMG_TOO_LARGE", f"The file has {len(data)} bytes; at most {limits.file_bytes} are read.", "Send one scan.")
    stream = _Unzipped(data) if data[:2] == _GZIP_MAGIC else _Plain(data)
    start = _start(stream)
    raw = start_of_first(start)
    header = parse_header(raw.start, limits)
    _take(stream, header.offset - len(start))
    # The last axis runs slowest: n volumes behind each other are one volume of n times the depth.
    depth = header.shape[2]
    whole = replace(header, shape=(*header.shape[:2], depth * raw.channels))
    _check_declared(whole, len(data), stream.ratio, limits)
    stored = _stored_values(whole, stream)
    parts = (stored[:, :, at * depth : (at + 1) * depth] for at in range(raw.channels))
    return tuple(Volume(_values(part, header, limits), header.affine) for part in parts)


def write_nifti(path: Path, volume: Volume) -> str:
    """The sha-256 of the file written: NIfTI-1, gzip level 1 where the name ends in ``.gz``; same volume, same bytes.

    Raises:
        Refused: a value type that NIfTI does not hold.
    """
    data = format_nifti(volume)
    return atomic_write(Path(path), gzip.compress(data, 1, mtime=0) if str(path).endswith(".gz") else data)


def format_nifti(volume: Volume) -> bytes:
    """The bytes of an uncompressed NIfTI-1 file."""
    voxels = volume.voxels.astype(np.uint8) if volume.voxels.dtype == np.bool_ else volume.voxels
    kind = f"{voxels.dtype.kind}{voxels.dtype.itemsize}"
    codes = {name: code for code, name in DTYPES.items()}
    if kind not in codes:
        raise Refused(f"NIfTI does not hold values of type {voxels.dtype}.", do="Convert them first.", code="IMG_HEADER")
    raw = np.zeros((), LAYOUTS[348].newbyteorder("<"))
    raw["sizeof_hdr"], raw["magic"], raw["vox_offset"], raw["slope"] = 348, b"n+1", 352, 1
    raw["dim"], raw["pixdim"] = (3, *voxels.shape, 1, 1, 1, 1), (1, *volume.spacing_mm, 0, 0, 0, 0)
    raw["datatype"], raw["bitpix"] = codes[kind], 8 * voxels.dtype.itemsize
    raw["units"], raw["sform_code"], raw["srow"] = 2, 1, volume.affine[:3]
    return raw.tobytes() + bytes(4) + voxels.astype(voxels.dtype.newbyteorder("<"), copy=False).tobytes(order="F")


class _Plain:
    """Bytes as they came."""

    ratio = 1

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._at = 0

    def blocks(self, count: int) -> Iterator[memoryview]:
        """The next ``count`` bytes, fewer only where the stream ends."""
        block = self._data[self._at : self._at + count]
        self._at += len(block)
        yield block

    def rest(self) -> int:
        """Bytes left over; 0 where the stream ends here."""
        return len(self._data) - self._at


class _Unzipped:
    """Bytes out of one gzip member, never more than asked for, its checksum and length verified at the end."""

    ratio = _DEFLATE_RATIO

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._at = 0
        self._engine = zlib.decompressobj(wbits=31)

    def blocks(self, count: int) -> Iterator[bytes]:
        """The next ``count`` bytes, fewer only where the stream ends.

        Raises:
            Refused: ``IMG_TRUNCATED`` or ``IMG_CHECKSUM``.
        """
        while count > 0 and not self._engine.eof:
            block = self._next(min(count, _CHUNK))
            count -= len(block)
            yield block

    def _next(self, most: int) -> bytes:
        packed: bytes | memoryview = self._engine.unconsumed_tail
        if not packed:
            packed = self._data[self._at : self._at + _CHUNK]
            self._at += len(packed)
        if not packed:
            refuse("IMG_TRUNCATED", "The file ends before its compressed data do: part of it is missing.")
        try:
            return self._engine.decompress(packed, most)
        except zlib.error:
            refuse("IMG_CHECKSUM", "The compressed data are damaged: their checksum does not hold.")

    def rest(self) -> int:
        """Bytes left over, inside the compressed data (then at least 1) or behind them; 0 where all ends here."""
        inside = sum(len(block) for block in self.blocks(1))
        return inside or len(self._engine.unused_data) + len(self._data) - self._at


def _header(stream: _Plain | _Unzipped, limits: Limits) -> Header:
    """The header; the stream then stands at the first voxel."""
    start = _start(stream)
    header = parse_header(start, limits)
    _take(stream, header.offset - len(start))
    return header


def _start(stream: _Plain | _Unzipped) -> bytes:
    start = _take(stream, HEADER_BYTES[348])
    return start + _take(stream, HEADER_BYTES[540] - len(start)) if is_nifti2(start) else start


def _take(stream: _Plain | _Unzipped, count: int) -> bytes:
    return b"".join(stream.blocks(count))


def _check_declared(header: Header, file_bytes: int, ratio: int, limits: Limits) -> None:
    if header.voxels <= limits.voxels:
        return
    shown = " × ".join(str(size) for size in header.shape)
    if header.data_bytes > file_bytes * ratio:
        refuse("IMG_DECLARED_SIZE", f"The header declares {shown} voxels, which a file of {file_bytes} bytes cannot hold.")
    refuse(
        "IMG_TOO_LARGE",
        f"The scan has {shown} voxels; at most {limits.voxels} are read.",
        "Crop or resample it to the part that matters.",
    )


def _stored_values(header: Header, stream: _Plain | _Unzipped) -> NDArray[np.generic]:
    """The values as stored, every byte of the stream accounted for."""
    buffer = np.empty(header.data_bytes, np.uint8)
    filled = 0
    for block in stream.blocks(header.data_bytes):
        buffer[filled : filled + len(block)] = np.frombuffer(block, np.uint8)
        filled += len(block)
    if filled < header.data_bytes:
        refuse("IMG_TRUNCATED", f"The header declares {header.data_bytes} bytes of voxels; the file holds {filled}.")
    if stream.rest():
        refuse("IMG_TRAILING", "The file goes on after its last voxel.", "Send one scan in one file, as it was exported.")
    stored = buffer.view(header.dtype)
    return stored.astype(stored.dtype.newbyteorder("="), copy=False).reshape(header.shape, order="F")


def _values(stored: NDArray[Any], header: Header, limits: Limits) -> NDArray[np.generic]:
    """What the stored values mean, scaled as the header says."""
    _check_finite(stored)
    voxels = stored
    if (header.slope, header.intercept) != (1.0, 0.0):
        with np.errstate(over="ignore"):
            voxels = stored * np.float32(header.slope) + np.float32(header.intercept)
        _check_finite(voxels)
    _check_content(voxels, limits)
    return voxels


def _check_finite(voxels: NDArray[np.generic]) -> None:
    if not np.issubdtype(voxels.dtype, np.floating):
        return
    count = sum(int((~np.isfinite(plane)).sum()) for plane in voxels.T)
    if count:
        first = tuple(int(index) for index in np.argwhere(~np.isfinite(voxels))[0])
        refuse("IMG_NONFINITE", f"{count} of {voxels.size} voxels are not finite numbers, the first at {first}.")


def _check_content(voxels: NDArray[Any], limits: Limits) -> None:
    # A value that fills nearly everything is the median of any even sample; only then is the whole volume counted.
    sample = voxels.reshape(-1, order="A")[:: max(1, voxels.size // _SAMPLE)]
    common = np.sort(sample)[sample.size // 2]
    if (sample == common).mean() < 0.9:
        return
    share = float((voxels == common).mean())
    if share >= limits.most_common:
        refuse("IMG_NO_CONTENT", f"{share:.1%} of the voxels have one and the same value: there is nothing to see.")


def _labels(stored: NDArray[np.generic], header: Header) -> NDArray[np.generic]:
    """The stored values in the smallest unsigned type that holds them."""
    _check_finite(stored)
    if (header.slope, header.intercept) != (1.0, 0.0):
        refuse("IMG_SCALE", "A label map is stored as it is; this header scales its values.", _AS_INTEGERS)
    low, high = float(stored.min()), float(stored.max())
    if low < 0 or high > _LARGEST_LABEL:
        refuse("IMG_LABELS", f"Labels run from {low:g} to {high:g}; expected 0 to {_LARGEST_LABEL}.", _AS_INTEGERS)
    labels = stored.astype(np.min_scalar_type(int(high)))
    if np.issubdtype(stored.dtype, np.floating) and not np.array_equal(labels, stored):
        refuse("IMG_LABELS", "A label map holds whole numbers; this file holds fractions.", _AS_INTEGERS)
    return labels

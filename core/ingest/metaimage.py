"""MetaImage in: a text header (``.mhd``) and the voxels in a file beside it (``.raw``, or ``.zraw`` compressed).

Read by hand because the usual library fills what is missing with zeros and says nothing. Directions and offsets of a
MetaImage run to the patient's left and back; they are turned to right and front here.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.contracts.volume import Volume
from core.errors import Refused
from core.ingest.header import Limits, refuse

_TYPES = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4", "MET_UINT": "u4",
    "MET_FLOAT": "f4", "MET_DOUBLE": "f8",
}  # fmt: skip
_LARGEST_HEADER = 64 * 1024
_TO_RAS = np.diag([-1.0, -1.0, 1.0])
_FETCH = "Fetch both files of this scan again."
_ORIGINS = ("Offset", "Position", "Origin")
_MATRICES = ("TransformMatrix", "Orientation", "Rotation")
_ORDERS = ("BinaryDataByteOrderMSB", "ElementByteOrderMSB")


@dataclass(frozen=True)
class MetaHeader:
    """What the text header declares, after its checks.

    Args:
        shape: voxels along the three axes; dtype: of the stored values, with their byte order.
        compressed: whether the voxels are packed (zlib); data_file: name of the file beside the header.
        affine: voxel index to millimetres (RAS+).
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[np.generic]
    compressed: bool
    data_file: str
    affine: NDArray[np.float64]

    @property
    def data_bytes(self) -> int:
        """Bytes of the voxels, unpacked."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_metaimage(path: Path, limits: Limits | None = None) -> Volume:
    """The volume behind a MetaImage header of one's own; every refusal names the file.

    Raises:
        Refused: missing, unreadable, or one of the ``IMG_…`` codes; nothing is ever filled in.
    """
    path, limits = Path(path), limits or Limits()
    try:
        header = parse_metaimage_header(_bytes_of(path, _LARGEST_HEADER), limits)
        data = _bytes_of(path.with_name(header.data_file), limits.file_bytes)
        return Volume(_voxels(_unpacked(data, header) if header.compressed else data, header), header.affine)
    except Refused as error:
        raise Refused(f"{path}: {error.message}", do=error.do, code=error.code) from error


def read_metaimage_header(path: Path, limits: Limits | None = None) -> MetaHeader:
    """The checked header alone, without touching the voxels.

    Raises:
        Refused: as ``read_metaimage``.
    """
    try:
        return parse_metaimage_header(_bytes_of(Path(path), _LARGEST_HEADER), limits or Limits())
    except Refused as error:
        raise Refused(f"{path}: {error.message}", do=error.do, code=error.code) from error


def parse_metaimage_header(data: bytes, limits: Limits) -> MetaHeader:
    """The checked header in the bytes of an ``.mhd`` file.

    Raises:
        Refused: ``IMG_FORMAT``, ``IMG_HEADER``, ``IMG_NDIM``, ``IMG_SPACING``, ``IMG_AFFINE`` or ``IMG_TOO_LARGE``.
    """
    fields = _fields(data)
    if fields.get("ObjectType", "Image") != "Image" or fields.get("NDims") != "3":
        refuse("IMG_NDIM", f"Expected an image of 3 axes; the header declares NDims = {fields.get('NDims')}.", _FETCH)
    if fields.get("ElementNumberOfChannels", "1") != "1" or fields.get("BinaryData", "True") != "True":
        refuse("IMG_HEADER", "Expected one number a voxel, stored as binary data.", _FETCH)
    return MetaHeader(
        shape=_shape(fields, limits),
        dtype=_dtype(fields),
        compressed=_truth(fields, ("CompressedData",)),
        data_file=_data_file(fields),
        affine=_affine(fields, limits),
    )


def _fields(data: bytes) -> dict[str, str]:
    try:
        lines = [line for line in data.decode("ascii").splitlines() if line.strip()]
    except UnicodeDecodeError:
        refuse("IMG_FORMAT", "This is not a MetaImage header (.mhd): it is not plain text.", _FETCH)
    fields: dict[str, str] = {}
    for line in lines:
        name, sign, value = line.partition("=")
        if not sign or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name.strip()):
            refuse("IMG_FORMAT", "This is not a MetaImage header (.mhd): expected lines of name = value.", _FETCH)
        if name.strip() in fields:
            refuse("IMG_HEADER", f"The header declares {name.strip()} twice.", _FETCH)
        fields[name.strip()] = value.strip()
    return fields


def _numbers(fields: Mapping[str, str], names: tuple[str, ...], count: int) -> NDArray[np.float64] | None:
    """The numbers of the first of these entries that is there; None where none is."""
    given = next((fields[name] for name in names if name in fields), None)
    if given is None:
        return None
    try:
        numbers = np.array([float(part) for part in given.split()])
    except ValueError:
        numbers = np.array([])
    if len(numbers) != count or not np.isfinite(numbers).all():
        refuse("IMG_HEADER", f"The header declares {names[0]} = {given[:60]}; expected {count} numbers.", _FETCH)
    return numbers


def _shape(fields: Mapping[str, str], limits: Limits) -> tuple[int, int, int]:
    sizes = _numbers(fields, ("DimSize",), 3)
    if sizes is None or (sizes < 1).any() or (sizes != np.floor(sizes)).any():
        refuse("IMG_HEADER", f"The header declares DimSize = {fields.get('DimSize')}; expected three whole numbers.", _FETCH)
    if float(sizes.prod()) > limits.voxels:
        refuse("IMG_TOO_LARGE", f"The scan has {sizes.prod():.0f} voxels; at most {limits.voxels} are read.", "Crop it.")
    return int(sizes[0]), int(sizes[1]), int(sizes[2])


def _dtype(fields: Mapping[str, str]) -> np.dtype[np.generic]:
    kind = fields.get("ElementType", "")
    if kind not in _TYPES:
        refuse("IMG_HEADER", f"The header declares ElementType = {kind}; known: {', '.join(_TYPES)}.", _FETCH)
    dtype: np.dtype[np.generic] = np.dtype(_TYPES[kind])
    return dtype.newbyteorder(">" if _truth(fields, _ORDERS) else "<")


def _truth(fields: Mapping[str, str], names: tuple[str, ...]) -> bool:
    given = next((fields[name] for name in names if name in fields), "False")
    if given.casefold() not in ("true", "false"):
        refuse("IMG_HEADER", f"The header declares {names[0]} = {given[:60]}; expected True or False.", _FETCH)
    return given.casefold() == "true"


def _data_file(fields: Mapping[str, str]) -> str:
    name = fields.get("ElementDataFile", "")
    # A header may name any path; only a plain file beside it is opened.
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*\.z?raw", name):
        refuse("IMG_HEADER", f"The header takes its voxels from {name[:60]!r}; expected a .raw or .zraw file beside it.", _FETCH)
    if fields.get("HeaderSize", "0") != "0":
        refuse("IMG_HEADER", "The voxels begin with a header of their own (HeaderSize); that is not read.", _FETCH)
    return name


def _affine(fields: Mapping[str, str], limits: Limits) -> NDArray[np.float64]:
    edges = _numbers(fields, ("ElementSpacing", "ElementSize"), 3)
    low, high = limits.spacing_mm
    if edges is None or (edges < low * (1 - 1e-6)).any() or (edges > high * (1 + 1e-6)).any():
        given = fields.get("ElementSpacing")
        refuse("IMG_SPACING", f"The header declares ElementSpacing = {given}; expected {low:g} to {high:g} mm each.", _FETCH)
    origin = _numbers(fields, _ORIGINS, 3)
    matrix = _numbers(fields, _MATRICES, 9)
    # Three numbers an axis, one axis after the other: its direction.
    axes = np.eye(3) if matrix is None else matrix.reshape(3, 3).T
    if origin is None or float(np.abs(axes.T @ axes - np.eye(3)).max()) > math.sin(math.radians(limits.shear_degrees)):
        refuse("IMG_AFFINE", "The header does not say how the scan lies in the patient (Offset and TransformMatrix).", _FETCH)
    affine = np.eye(4)
    affine[:3, :3] = _TO_RAS @ axes * edges
    affine[:3, 3] = _TO_RAS @ origin
    return affine


def _bytes_of(path: Path, most: int) -> bytes:
    try:
        size = path.stat().st_size
        if size > most:
            refuse("IMG_TOO_LARGE", f"{path.name} has {size} bytes; at most {most} are read.", _FETCH)
        return path.read_bytes()
    except OSError as error:
        raise Refused(f"{path.name} cannot be read: {error.strerror}.", do=_FETCH, code="IMG_MISSING") from error


def _unpacked(data: bytes, header: MetaHeader) -> bytes:
    engine = zlib.decompressobj()
    try:
        voxels = engine.decompress(data, header.data_bytes + 1)
    except zlib.error:
        refuse("IMG_CHECKSUM", f"{header.data_file} does not unpack: it was damaged.", _FETCH)
    if len(voxels) <= header.data_bytes and not engine.eof:
        refuse("IMG_TRUNCATED", f"{header.data_file} ends before its compressed data do.", _FETCH)
    if engine.unused_data:
        refuse("IMG_TRAILING", f"{header.data_file} goes on behind its compressed data.", _FETCH)
    return voxels


def _voxels(data: bytes, header: MetaHeader) -> NDArray[np.generic]:
    if len(data) != header.data_bytes:
        code = "IMG_TRUNCATED" if len(data) < header.data_bytes else "IMG_TRAILING"
        given = len(data) if len(data) < header.data_bytes else "more"
        refuse(code, f"The header declares {header.data_bytes} bytes of voxels; {header.data_file} holds {given}.", _FETCH)
    stored = np.frombuffer(data, header.dtype)
    voxels = stored.astype(stored.dtype.newbyteorder("="), copy=False).reshape(header.shape, order="F")
    if np.issubdtype(voxels.dtype, np.floating) and not np.isfinite(voxels).all():
        refuse("IMG_NONFINITE", f"{header.data_file} holds values that are not finite numbers.", _FETCH)
    return voxels

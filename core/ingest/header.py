"""The header of a NIfTI file: what it declares, checked before a single voxel is read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from core.errors import Refused

EXPORT_AGAIN = "Export the scan again from its source and send that file."
ACCEPTED_TYPES = "NIfTI-1 or NIfTI-2 in one file (.nii or .nii.gz)"


@dataclass(frozen=True)
class Limits:
    """What one scan may be.

    Args:
        voxels: most voxels.
        file_bytes: most bytes of the file as it comes.
        header_bytes: where the voxels may begin at the latest (header and extensions).
        spacing_mm: shortest and longest edge of a voxel, in mm.
        shear_degrees: how far two axes may be from a right angle, and two geometries from each other.
        most_common: largest share of voxels of one value in a scan (label maps are not held to it).
    """

    voxels: int = 300_000_000
    file_bytes: int = 2_000_000_000
    header_bytes: int = 1 << 20
    spacing_mm: tuple[float, float] = (0.1, 10.0)
    shear_degrees: float = 1.0
    most_common: float = 0.999


@dataclass(frozen=True)
class Header:
    """What a NIfTI header declares, after its checks.

    Args:
        shape: voxels along the three axes.
        dtype: type of the stored values, with their byte order.
        offset: byte at which the voxels begin.
        slope, intercept: stored value × slope + intercept is the value.
        affine: voxel index to millimetres (RAS+).
        cautions: sentences about what was put right.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[np.generic]
    offset: int
    slope: float
    intercept: float
    affine: NDArray[np.float64]
    cautions: tuple[str, ...] = ()

    @property
    def voxels(self) -> int:
        return math.prod(self.shape)

    @property
    def data_bytes(self) -> int:
        return self.voxels * self.dtype.itemsize


_NIFTI1 = [
    ("sizeof_hdr", "i4"), ("unused", "V36"), ("dim", "i2", 8), ("intent", "V14"), ("datatype", "i2"), ("bitpix", "i2"),
    ("slice_start", "i2"), ("pixdim", "f4", 8), ("vox_offset", "f4"), ("slope", "f4"), ("intercept", "f4"),
    ("slice", "V3"), ("units", "u1"), ("text", "V128"), ("qform_code", "i2"), ("sform_code", "i2"), ("quatern", "f4", 3),
    ("qoffset", "f4", 3), ("srow", "f4", (3, 4)), ("intent_name", "V16"), ("magic", "S4"),
]  # fmt: skip
_NIFTI2 = [
    ("sizeof_hdr", "i4"), ("magic", "S8"), ("datatype", "i2"), ("bitpix", "i2"), ("dim", "i8", 8), ("intent", "V24"),
    ("pixdim", "f8", 8), ("vox_offset", "i8"), ("slope", "f8"), ("intercept", "f8"), ("slice", "V48"), ("text", "V104"),
    ("qform_code", "i4"), ("sform_code", "i4"), ("quatern", "f8", 3), ("qoffset", "f8", 3), ("srow", "f8", (3, 4)),
    ("slice_code", "i4"), ("units", "i4"), ("intent_code", "i4"), ("intent_name", "V16"), ("dim_info", "V16"),
]  # fmt: skip
LAYOUTS: dict[int, np.dtype[np.void]] = {348: np.dtype(_NIFTI1), 540: np.dtype(_NIFTI2)}
HEADER_BYTES = {size: size + 4 for size in LAYOUTS}
_MAGIC = {348: b"n+1", 540: b"n+2\x00\r\n\x1a\n"}

DTYPES: dict[int, str] = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip
_COLOURS = frozenset({128, 2304})
_MM_PER_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
_UNIT_NAMES = {1: "metres", 3: "micrometres"}
_LARGEST_SLOPE = 1e6
_LARGEST_INTERCEPT = 1e9


def refuse(code: str, message: str, do: str = EXPORT_AGAIN) -> NoReturn:
    """Never comes back.

    Raises:
        Refused: with that code.
    """
    raise Refused(message, do=do, code=code)


def is_nifti2(start: bytes) -> bool:
    """Whether the first four bytes announce a NIfTI-2 header."""
    return start[:4] in ((540).to_bytes(4, "little"), (540).to_bytes(4, "big"))


def parse_header(start: bytes, limits: Limits) -> Header:
    """The checked header in the first bytes of an uncompressed NIfTI stream.

    Args:
        start: the first 352 bytes (544 where the first four say NIfTI-2), or all there are.

    Raises:
        Refused: ``IMG_FORMAT``, ``IMG_TRUNCATED``, ``IMG_HEADER``, ``IMG_NDIM``, ``IMG_SCALE``, ``IMG_SPACING``,
            ``IMG_AFFINE`` or ``IMG_LATERALITY``.
    """
    raw = _raw_header(start)
    shape, cautions = _shape(raw)
    dtype = _dtype(raw)
    offset = _offset(raw, limits)
    slope, intercept = _scaling(raw)
    factor, unit_cautions = _millimetres(raw)
    affine = _affine(raw, factor, limits)
    return Header(shape, dtype, offset, slope, intercept, affine, cautions + unit_cautions)


@dataclass(frozen=True)
class FirstOfMany:
    """The first bytes of a 4-D file, changed to declare its first volume alone, and how many volumes there are."""

    start: bytes
    channels: int


MOST_CHANNELS = 32


def start_of_first(start: bytes) -> FirstOfMany:
    """What the header of a 4-D file would be if it held its first volume only.

    Raises:
        Refused: ``IMG_NDIM`` where the file is not 4-D, or holds more than ``MOST_CHANNELS`` volumes; else as ``parse_header``.
    """
    raw = _raw_header(start).copy()
    axes, channels = int(raw["dim"][0]), int(raw["dim"][4])
    if axes != 4 or not 1 <= channels <= MOST_CHANNELS:
        refuse("IMG_NDIM", f"Expected volumes behind each other in one 4-D file; the file has {axes} axes ({channels} volumes).")
    raw["dim"][0], raw["dim"][4] = 3, 1
    return FirstOfMany(raw.tobytes() + start[raw.dtype.itemsize :], channels)


def _raw_header(start: bytes) -> np.void:
    if len(start) < 4:
        refuse("IMG_TRUNCATED", f"The file ends after {len(start)} bytes; a NIfTI header has at least 348.")
    for order in ("<", ">"):
        size = int(np.frombuffer(start[:4], f"{order}i4")[0])
        if size not in LAYOUTS:
            continue
        if len(start) < size:
            refuse("IMG_TRUNCATED", f"The file ends after {len(start)} bytes, inside its header of {size}.")
        raw: np.void = np.frombuffer(start[:size], LAYOUTS[size].newbyteorder(order))[0]
        if bytes(raw["magic"]) != _MAGIC[size]:
            refuse("IMG_FORMAT", f"The file has the size of a NIfTI header but not its mark; accepted: {ACCEPTED_TYPES}.")
        return raw
    refuse("IMG_FORMAT", f"This is not a NIfTI file; accepted: {ACCEPTED_TYPES}.", "Convert the scan to NIfTI and send that.")


def _shape(raw: np.void) -> tuple[tuple[int, int, int], tuple[str, ...]]:
    axes = int(raw["dim"][0])
    if not 1 <= axes <= 7:
        refuse("IMG_HEADER", f"The header declares {axes} axes; NIfTI knows 1 to 7.")
    sizes = [int(size) for size in raw["dim"][1 : axes + 1]]
    if min(sizes) < 1:
        refuse("IMG_HEADER", f"The header declares the shape {tuple(sizes)}; each axis needs at least one voxel.")
    if axes < 3 or any(size != 1 for size in sizes[3:]):
        refuse("IMG_NDIM", f"Expected one 3-D volume; the file declares the shape {tuple(sizes)}.", "Send one 3-D volume.")
    cautions = () if axes == 3 else (f"The file declares {axes} axes; those of length 1 were dropped.",)
    return (sizes[0], sizes[1], sizes[2]), cautions


def _dtype(raw: np.void) -> np.dtype[np.generic]:
    code = int(raw["datatype"])
    if code in _COLOURS:
        refuse("IMG_NDIM", "The file holds colours (RGB); expected one number a voxel.", "Send the scan, not a picture of it.")
    if code not in DTYPES:
        refuse("IMG_HEADER", f"The header declares the data type {code}, which is not a plain number.")
    order = raw.dtype["sizeof_hdr"].byteorder
    dtype: np.dtype[np.generic] = np.dtype(DTYPES[code]).newbyteorder(order)
    if int(raw["bitpix"]) != 8 * dtype.itemsize:
        refuse("IMG_HEADER", f"The header declares {int(raw['bitpix'])} bits a voxel; its data type has {8 * dtype.itemsize}.")
    return dtype


def _offset(raw: np.void, limits: Limits) -> int:
    declared = float(raw["vox_offset"])
    first = raw.dtype.itemsize + 4
    if not (math.isfinite(declared) and declared == int(declared) and first <= declared <= limits.header_bytes):
        refuse(
            "IMG_HEADER",
            f"The header says that voxels begin at byte {declared:g}; expected {first} to {limits.header_bytes}.",
        )
    return int(declared)


def _scaling(raw: np.void) -> tuple[float, float]:
    slope, intercept = float(raw["slope"]), float(raw["intercept"])
    sound = 0 < slope <= _LARGEST_SLOPE and abs(intercept) <= _LARGEST_INTERCEPT
    if not sound or slope < 1 / _LARGEST_SLOPE**2:
        refuse(
            "IMG_SCALE",
            f"The header scales values by {slope:g} and adds {intercept:g}; expected a finite factor above 0.",
            "Write the file again with its true scaling (factor 1 and offset 0 where values are stored as they are).",
        )
    return slope, intercept


def _millimetres(raw: np.void) -> tuple[float, tuple[str, ...]]:
    unit = int(raw["units"]) & 0x07
    if unit not in _MM_PER_UNIT:
        refuse("IMG_SPACING", f"The header gives lengths in an unknown unit (code {unit}); expected millimetres.")
    if unit in _UNIT_NAMES:
        return _MM_PER_UNIT[unit], (f"The file gives lengths in {_UNIT_NAMES[unit]}; they were converted to millimetres.",)
    return _MM_PER_UNIT[unit], ()


def _affine(raw: np.void, factor: float, limits: Limits) -> NDArray[np.float64]:
    declared = np.asarray(raw["pixdim"][1:4], dtype=np.float64) * factor
    _check_spacing(declared, limits)
    forms = []
    if int(raw["sform_code"]) > 0:
        forms.append(_checked_affine(_sform(raw, factor), declared, limits))
    if int(raw["qform_code"]) > 0:
        forms.append(_checked_affine(_qform(raw, declared, factor), declared, limits))
    if not forms:
        refuse("IMG_AFFINE", "The header does not say how the scan lies in the patient (neither sform nor qform).")
    if len(forms) == 2:
        _check_agreement(forms[0], forms[1], limits)
    return forms[0]


def _check_spacing(spacing: NDArray[np.float64], limits: Limits) -> None:
    low, high = limits.spacing_mm
    # Stored as 32-bit numbers: 0.1 mm comes back as 0.10000000149.
    if not (np.isfinite(spacing).all() and (spacing >= low * (1 - 1e-6)).all() and (spacing <= high * (1 + 1e-6)).all()):
        refuse("IMG_SPACING", f"Voxel edges are {_shown(spacing)} mm; expected {low:g} to {high:g} mm along each axis.")


def _sform(raw: np.void, factor: float) -> NDArray[np.float64]:
    affine = np.eye(4)
    affine[:3] = np.asarray(raw["srow"], dtype=np.float64) * factor
    return affine


def _qform(raw: np.void, spacing: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    b, c, d = (float(part) for part in raw["quatern"])
    rest = 1.0 - (b * b + c * c + d * d)
    if not rest > -1e-5:
        refuse("IMG_AFFINE", "The rotation in the header (quaternion) is not one.")
    a = math.sqrt(max(rest, 0.0))
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    mirror = -1.0 if float(raw["pixdim"][0]) < 0 else 1.0
    affine = np.eye(4)
    affine[:3, :3] = rotation * spacing * np.array([1.0, 1.0, mirror])
    affine[:3, 3] = np.asarray(raw["qoffset"], dtype=np.float64) * factor
    return affine


def _checked_affine(affine: NDArray[np.float64], declared: NDArray[np.float64], limits: Limits) -> NDArray[np.float64]:
    if not np.isfinite(affine).all():
        refuse("IMG_AFFINE", "The geometry in the header holds values that are not finite.")
    edges = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    if (edges == 0).any() or abs(np.linalg.det(affine[:3, :3] / np.where(edges == 0, 1, edges))) < 1e-3:
        refuse("IMG_AFFINE", "The geometry in the header is flat: it does not span three dimensions.")
    if not np.allclose(edges, declared, rtol=0.01):
        refuse("IMG_SPACING", f"The header gives two voxel sizes: {_shown(declared)} mm and {_shown(edges)} mm.")
    axes = affine[:3, :3] / edges
    skew = float(np.abs(axes.T @ axes - np.eye(3)).max())
    if skew > math.sin(math.radians(limits.shear_degrees)):
        refuse(
            "IMG_AFFINE", f"The axes of the scan are not at right angles (off by {math.degrees(math.asin(skew)):.1f} degrees)."
        )
    return affine


def _shown(edges: NDArray[np.float64]) -> str:
    return " × ".join(f"{edge:g}" for edge in edges)


def _check_agreement(first: NDArray[np.float64], second: NDArray[np.float64], limits: Limits) -> None:
    """Two geometries in one header must turn every axis the same way: a disagreement may be a swap of left and right."""
    edges = np.sqrt((first[:3, :3] ** 2).sum(axis=0))
    cosines = (first[:3, :3] * second[:3, :3]).sum(axis=0) / (edges * np.sqrt((second[:3, :3] ** 2).sum(axis=0)))
    apart = float(np.abs(first[:3, 3] - second[:3, 3]).max())
    if cosines.min() < math.cos(math.radians(limits.shear_degrees)) or apart > float(edges.max()):
        refuse(
            "IMG_LATERALITY",
            "The two geometries in the header (sform and qform) disagree, so left and right cannot be told for certain.",
            "Find out which one is right, write the file again with that one, and send it.",
        )

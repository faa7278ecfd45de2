"""Pictures in: PNG, JPEG, TIFF and BMP become arrays; what is put right on the way is stated, the rest is refused.

What becomes of each kind of file:

- grey of 1, 2, 4 or 8 bits: one channel, uint8 (a 1-bit picture as 0 and 255); grey of 16 bits: one channel, uint16;
- colour: three channels (red, green, blue), uint8; of 16 bits a channel the upper 8 are kept, with a caution;
- palette: its colours; four inks (CMYK): (255 - ink) × (255 - black) / 255 for each colour, with a caution, no colour profile;
- see-through parts: laid on black, with a caution; an alpha channel that is opaque everywhere is dropped;
- a turn that EXIF asks for is applied; everything else beside the pixels (place, text, thumbnails, profiles) is left behind.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from core.errors import Refused
from core.ingest.header import refuse
from core.ingest.picture_header import PictureHeader, PictureLimits, parse_picture_header

_EXPORT = "Export the picture again from its source and send that file."
_GREY = frozenset({"1", "L"})
_DEEP_GREY = frozenset({"I;16", "I;16B", "I;16L"})
_CONVERTED = frozenset({"P", "CMYK", "RGB"})
_BLENDED = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})
INKS_CAUTION = "The picture was stored in four inks (CMYK); it was converted to red, green and blue without a colour profile."
DEPTH_CAUTION = "The picture has 16 bits a colour; the upper 8 were kept."
ALPHA_CAUTION = "Parts of the picture are see-through; they were laid on black."
TURN_CAUTION = "The file asks for the picture to be turned (EXIF); it was."


@dataclass(frozen=True)
class PictureRead:
    """A picture that was accepted, (height, width, channels), and what was put right on the way."""

    picture: NDArray[np.uint8] | NDArray[np.uint16]
    cautions: tuple[str, ...] = ()


def decode_picture(data: bytes, limits: PictureLimits | None = None) -> PictureRead:
    """The picture in the bytes of a file, decoded in this process.

    Args:
        data: the whole file; its format is told from its first bytes, never from a name.

    Raises:
        Refused: with one of the ``IMG_…`` codes or ``PNG_PIXELS``; nothing is ever filled in.
    """
    header = parse_picture_header(data, limits or PictureLimits())
    try:
        with Image.open(io.BytesIO(data), formats=(header.kind,)) as opened:
            _check_opened(opened, header)
            opened.load()
            return _converted(opened, header)
    except (Refused, MemoryError):
        raise
    except Exception as error:
        # A decoder may raise anything on a damaged file; all of it means the same to the reader.
        raise _undecodable(error) from error


def read_image(path: Path, limits: PictureLimits | None = None) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """(height, width, channels) of a picture file of one's own: 1 channel for grey, 3 for colour; uint8, or uint16 for
    grey of 16 bits; every refusal names the file.

    Raises:
        Refused: missing, unreadable, or one of the codes of ``decode_picture``.
    """
    return _read(Path(path), limits).picture


def read_mask(path: Path, limits: PictureLimits | None = None) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """(height, width) of a mask file of one's own, values as stored (a 1-bit mask as 0 and 255).

    A mask stored in colour is read where its three channels are equal.

    Raises:
        Refused: as ``read_image``, or ``IMG_LABELS`` where the colours differ: which colour means what is not known.
    """
    picture = _read(Path(path), limits).picture
    if picture.shape[2] == 3 and (picture != picture[:, :, :1]).any():
        refuse("IMG_LABELS", f"{path}: the mask is coloured; expected one grey value a pixel.", "Save the mask as grey values.")
    return picture[:, :, 0]


def _read(path: Path, limits: PictureLimits | None) -> PictureRead:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Refused(
            f"{path} cannot be read: {error.strerror}.", do="Check the path and its permissions.", code="IMG_MISSING"
        ) from error
    try:
        return decode_picture(data, limits)
    except Refused as error:
        raise Refused(f"{path}: {error.message}", do=error.do, code=error.code) from error


def _check_opened(opened: Image.Image, header: PictureHeader) -> None:
    if opened.size != header.turned_size:
        refuse("IMG_HEADER", f"The file declares two sizes: {opened.size} and {header.turned_size} pixels.", _EXPORT)
    frames = getattr(opened, "n_frames", 1)
    if frames != 1:
        refuse("IMG_NDIM", f"The file holds {frames} pictures; expected one.", "Send one picture a file.")


def _converted(opened: Image.Image, header: PictureHeader) -> PictureRead:
    # A TIFF was turned while it was decoded, and no longer asks for it.
    cautions = [TURN_CAUTION] if header.turn in range(2, 9) or _asks_for_turn(opened) else []
    turned = ImageOps.exif_transpose(opened)
    if turned.mode in _DEEP_GREY and "transparency" not in turned.info:
        return PictureRead(np.asarray(turned).astype(np.uint16)[:, :, None], tuple(cautions))
    plain = _plain(turned, cautions)
    pixels = np.asarray(plain)
    if header.bits == 16:
        cautions.append(DEPTH_CAUTION)
    return PictureRead(pixels[:, :, None] if pixels.ndim == 2 else pixels, tuple(cautions))


def _asks_for_turn(opened: Image.Image) -> bool:
    return opened.getexif().get(0x0112, 1) in range(2, 9)


def _plain(picture: Image.Image, cautions: list[str]) -> Image.Image:
    """The picture in grey or in red, green and blue, of 8 bits."""
    if picture.mode in _BLENDED or picture.has_transparency_data:
        return _laid_on_black(picture, cautions)
    if picture.mode in _GREY:
        return picture.convert("L")
    if picture.mode not in _CONVERTED:
        refuse("IMG_HEADER", f"Pictures stored as {picture.mode} are not read; expected grey or colour of 8 or 16 bits.", _EXPORT)
    if picture.mode == "CMYK":
        cautions.append(INKS_CAUTION)
    return picture.convert("RGB")


def _laid_on_black(picture: Image.Image, cautions: list[str]) -> Image.Image:
    grey = picture.mode in ("L", "LA", "La", "1")
    with_alpha = picture.convert("RGBA")
    alpha = with_alpha.getchannel("A")
    if alpha.getextrema() != (255, 255):
        cautions.append(ALPHA_CAUTION)
        with_alpha = Image.alpha_composite(Image.new("RGBA", picture.size, (0, 0, 0, 255)), with_alpha)
    return with_alpha.convert("RGB").getchannel("R") if grey else with_alpha.convert("RGB")


def _undecodable(error: Exception) -> Refused:
    if "too large" in str(error):
        return Refused("A text or profile inside the file unpacks to too much.", do=_EXPORT, code="IMG_METADATA")
    if isinstance(error, OSError):
        return Refused("The picture's data end too early or are damaged.", do=_EXPORT, code="IMG_TRUNCATED")
    return Refused("The picture cannot be decoded: its data are damaged.", do=_EXPORT, code="IMG_DECODER")

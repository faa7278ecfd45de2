"""The one door for outside bytes: accepted or refused.

``ingest`` takes bytes of unknown origin and decodes them in a child process; the other names read files of one's own.
"""

from typing import TYPE_CHECKING

from core.ingest.door import Accepted, DoorLimits, Refusal, ingest
from core.ingest.header import Limits
from core.ingest.metaimage import read_metaimage
from core.ingest.nifti import ScanRead, decode_nifti, format_nifti, parse_nifti, read_nifti, read_nifti_channels, write_nifti
from core.ingest.picture_header import PictureLimits

if TYPE_CHECKING:
    from core.ingest.description import TableDescription, read_description
    from core.ingest.draft import draft_codebook
    from core.ingest.images import PictureRead, decode_picture, read_image, read_mask
    from core.ingest.tables import ParsedTable, RecordCheck, check_cells, parse_table, read_table_file, validate_record

__all__ = [
    "Accepted",
    "DoorLimits",
    "Limits",
    "ParsedTable",
    "PictureLimits",
    "PictureRead",
    "RecordCheck",
    "Refusal",
    "ScanRead",
    "TableDescription",
    "check_cells",
    "decode_nifti",
    "decode_picture",
    "draft_codebook",
    "format_nifti",
    "ingest",
    "parse_nifti",
    "parse_table",
    "read_description",
    "read_image",
    "read_mask",
    "read_metaimage",
    "read_nifti",
    "read_nifti_channels",
    "read_table_file",
    "validate_record",
    "write_nifti",
]

_LATER = {
    "TableDescription": "description",
    "read_description": "description",
    "draft_codebook": "draft",
    "ParsedTable": "tables",
    "RecordCheck": "tables",
    "check_cells": "tables",
    "parse_table": "tables",
    "read_table_file": "tables",
    "validate_record": "tables",
    "PictureRead": "images",
    "decode_picture": "images",
    "read_image": "images",
    "read_mask": "images",
}


def __getattr__(name: str) -> object:
    """Names that need pandas or Pillow come when first asked for, so that the decoding process starts without them."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)

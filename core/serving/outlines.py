"""Outlines as files: PNG for a picture, NIfTI for a volume; one file a region."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import nibabel
import numpy as np
from PIL import Image

from core.serving.segmenting import Outline
from core.storage.atomic import atomic_write


def write_outline(outline: Outline, folder: Path) -> tuple[Path, ...]:
    """The files written, one a region: ``NAME_REGIONNUMBER.png`` with 0 and 255, or ``.nii.gz`` with 0 and 1."""
    stem = outline.name.removesuffix(".gz").rsplit(".", 1)[0]
    several = len(outline.mask) > 1
    written = []
    for number, region in enumerate(outline.mask, start=1):
        end = f"_{number}" if several else ""
        path = folder / f"{stem}_mask{end}{'.png' if region.ndim == 2 else '.nii.gz'}"
        atomic_write(path, _png(region) if region.ndim == 2 else _nifti(outline, region))
        written.append(path)
    return tuple(written)


def _png(region: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(region.astype(np.uint8) * 255).save(stream, format="PNG")
    return stream.getvalue()


def _nifti(outline: Outline, region: np.ndarray) -> bytes:
    spacing = outline.picture.spacing_mm or (1.0, 1.0, 1.0)
    affine = np.diag([*spacing[::-1], 1.0])
    return gzip.compress(nibabel.Nifti1Image(region.T.astype(np.uint8), affine).to_bytes(), mtime=0)

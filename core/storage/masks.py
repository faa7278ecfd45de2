"""Predicted masks of a job, packed to a bit a pixel."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from core.errors import CorruptError
from core.storage.results import RunStore

MASKS = "masks.npz"


def pack_masks(masks: Mapping[str, NDArray[np.bool_]]) -> bytes:
    """The masks, (regions, *grid) by case id, as a compressed archive."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for number, (case_id, mask) in enumerate(masks.items()):
        arrays[f"bits_{number}"] = np.packbits(mask)
        arrays[f"shape_{number}"] = np.array(mask.shape, dtype=np.int32)
        arrays[f"name_{number}"] = np.frombuffer(case_id.encode(), dtype=np.uint8)
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def unpack_masks(data: bytes) -> dict[str, NDArray[np.bool_]]:
    """What ``pack_masks`` packed."""
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        names = [name for name in archive.files if name.startswith("name_")]
        return dict(_one(archive, name.removeprefix("name_")) for name in names)


def _one(archive: Mapping[str, NDArray[np.generic]], number: str) -> tuple[str, NDArray[np.bool_]]:
    shape = tuple(int(edge) for edge in archive[f"shape_{number}"])
    bits = np.unpackbits(archive[f"bits_{number}"].astype(np.uint8), count=int(np.prod(shape)))
    return archive[f"name_{number}"].tobytes().decode(), bits.reshape(shape).astype(bool)


def mask_of(store: RunStore, model: str, split: str, case_id: str, repeat: int = 0) -> NDArray[np.bool_] | None:
    """(regions, *grid) that a row of a segmentation study predicted for a case; None where it was not judged on it."""
    for info in store.infos():
        if (info.job.get("model"), info.job.get("split"), info.job.get("repeat")) != (model, split, repeat):
            continue
        try:
            masks = unpack_masks(store.extra(info.key, MASKS).read_bytes())
        except CorruptError:
            continue
        if case_id in masks:
            return masks[case_id]
    return None

"""Pictures that show one scene twice: found by their thumbnails, so that they stay on one side of a split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from core.contracts.dataset import LoadOptions
from core.errors import CorruptError
from core.imaging.pictures import resized
from core.ingest.images import read_image
from core.storage.files import read_json, write_json

EDGE = 32
ALIKE = 0.985
"""Correlation of two thumbnails from which they count as one scene; among 2,594 lesions unrelated pairs, all of them a dark
spot in the middle, stay below it once their mean picture is taken away."""


def same_scene(files: Sequence[Path], options: LoadOptions, fingerprint: str) -> list[int]:
    """For each picture the place of the first one that shows the same scene (its own, for most).

    Thumbnails are compared upright, mirrored and turned by quarters.

    Args:
        fingerprint: of the pictures; the answer is kept in the cache under it.
    """
    kept = options.cache / f"scenes_{fingerprint[:16]}.json"
    try:
        return [int(place) for place in read_json(kept)["groups"]]
    except (CorruptError, KeyError):
        groups = group_alike(_thumbnails(files, options))
        write_json(kept, {"groups": groups})
        return groups


def group_alike(thumbnails: NDArray[np.float32]) -> list[int]:
    """For each thumbnail, (pictures, edge, edge), the place of the first one of its group."""
    count = len(thumbnails)
    typical = thumbnails.mean(axis=0)
    plain = _standard(thumbnails - typical)
    pairs: list[NDArray[np.intp]] = []
    for turned in _eight_ways(thumbnails):
        alike = plain @ _standard(turned - typical).T >= ALIKE
        pairs.append(np.argwhere(np.triu(alike, 1)))
    found = np.concatenate(pairs)
    graph = coo_matrix((np.ones(len(found)), (found[:, 0], found[:, 1])), shape=(count, count))
    labels = connected_components(graph, directed=False)[1]
    first: dict[int, int] = {}
    return [first.setdefault(int(label), place) for place, label in enumerate(labels)]


def _eight_ways(thumbnails: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    turned = [np.rot90(thumbnails, quarter, axes=(1, 2)) for quarter in range(4)]
    return turned + [picture[:, :, ::-1] for picture in turned]


def _standard(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    flat = pictures.reshape(len(pictures), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    return np.asarray(flat / (np.linalg.norm(flat, axis=1, keepdims=True) + 1e-6), dtype=np.float32)


def _thumbnails(files: Sequence[Path], options: LoadOptions) -> NDArray[np.float32]:
    made = []
    for number, path in enumerate(files):
        grey = read_image(path).astype(np.float32).mean(axis=2)
        made.append(resized(grey[np.newaxis], (EDGE, EDGE), area=True)[0])
        if options.progress:
            options.progress("looking for pictures that stand in twice", number / len(files))
    return np.stack(made)

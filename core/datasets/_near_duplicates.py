"""Pictures that show one scene twice: found by their look, so that they stay on one side of a split.

Copies of one photograph may have other colours and contrast, be cut or turned otherwise. Candidates are pairs of similar
thumbnails; they are one scene where their fine structure agrees too (hairs, pigment, scale), at some shift and zoom. Colours
and contrast do not enter. Two pictures taken for one by mistake only share a fold, which does no harm.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from core.contracts.dataset import LoadOptions
from core.errors import CorruptError
from core.imaging.pictures import resized
from core.ingest.images import read_image
from core.storage.files import read_json, write_json

Array = NDArray[np.float32]

VERSION = 2
EDGE, COARSE = 96, 32
SIMILAR = 0.78
"""Correlation of two thumbnails, the mean of all taken away, from which their structure is compared."""
WORTH_ZOOMING = 0.80
ALIKE = 0.89
"""Correlation of the structure of two pictures from which they count as one scene. Of 2,194 lesions 33 pairs reach it, 32 of
them copies to the eye; the next below it are other lesions under the same ruler."""
FARTHEST = 9
ZOOMS = (0.95, 1.05)
_AT_A_TIME = 400


def same_scene(files: Sequence[Path], options: LoadOptions, fingerprint: str) -> list[int]:
    """For each picture the place of the first one that shows the same scene (its own, for most).

    Pictures are compared upright, mirrored and turned by quarters.

    Args:
        fingerprint: of the pictures; the answer is kept in the cache under it.
    """
    kept = options.cache / f"scenes_{VERSION}_{fingerprint[:16]}.json"
    try:
        groups = [int(place) for place in read_json(kept)["groups"]]
        if len(groups) == len(files):
            return groups
    except (CorruptError, KeyError):
        pass
    groups = group_alike(_grey(files, options))
    write_json(kept, {"groups": groups})
    return groups


def group_alike(pictures: Array) -> list[int]:
    """For each grey picture, (pictures, 96, 96), the place of the first one of its group."""
    pairs = _alike(pictures)
    graph = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(pictures), len(pictures)))
    labels = connected_components(graph, directed=False)[1]
    first: dict[int, int] = {}
    return [first.setdefault(int(label), place) for place, label in enumerate(labels)]


def _alike(pictures: Array) -> NDArray[np.intp]:
    """(pairs, 2) places of pictures that show one scene, the first before the second."""
    thumbnails = np.stack([resized(picture[np.newaxis], (COARSE, COARSE), area=True)[0] for picture in pictures])
    typical = thumbnails.mean(axis=0)
    plain, spectra = _standard(thumbnails - typical), _spectra(_structure(pictures))
    found = []
    for turned, turned_small in zip(_eight_ways(pictures), _eight_ways(thumbnails), strict=True):
        pairs = np.argwhere(np.triu(plain @ _standard(turned_small - typical).T >= SIMILAR, 1))
        found.append(_confirmed(pairs, spectra, turned))
    return np.concatenate(found)


def _confirmed(pairs: NDArray[np.intp], spectra: NDArray[np.complex64], turned: Array) -> NDArray[np.intp]:
    """The pairs whose structure agrees, as the second is or a little zoomed."""
    scores = _agreement(pairs, spectra, turned)
    again = np.flatnonzero((scores >= WORTH_ZOOMING) & (scores < ALIKE))
    for zoom in ZOOMS:
        for at in again:
            zoomed = _zoomed(turned[pairs[at, 1]], zoom)
            score = _agreement(np.array([[pairs[at, 0], 0]]), spectra, zoomed[np.newaxis])[0]
            scores[at] = max(scores[at], score)
    return pairs[scores >= ALIKE]


def _agreement(pairs: NDArray[np.intp], spectra: NDArray[np.complex64], turned: Array) -> Array:
    """For each pair the largest correlation of structure at a shift of up to ``FARTHEST`` pixels."""
    needed, place = np.unique(pairs[:, 1], return_inverse=True)
    others = np.conj(_spectra(_structure(turned[needed])))
    scores = np.zeros(len(pairs), dtype=np.float32)
    for start in range(0, len(pairs), _AT_A_TIME):
        part = slice(start, start + _AT_A_TIME)
        surface = fft.irfft2(spectra[pairs[part, 0]] * others[place[part]], s=(EDGE, EDGE))
        near = np.r_[0 : FARTHEST + 1, EDGE - FARTHEST : EDGE]
        scores[part] = surface[:, near][:, :, near].max(axis=(1, 2))
    return scores


def _structure(pictures: Array) -> Array:
    """Fine detail of each picture with its strength evened out, fading to the border, of norm 1."""
    window = np.outer(np.hanning(EDGE), np.hanning(EDGE)).astype(np.float32)
    found = np.empty_like(pictures, dtype=np.float32)
    for place, picture in enumerate(pictures):
        detail = ndimage.gaussian_filter(picture, 0.7) - ndimage.gaussian_filter(picture, 5.0)
        detail /= np.sqrt(ndimage.gaussian_filter(detail * detail, 8.0)) + 1.0
        detail = (detail - detail.mean()) * window
        found[place] = detail / (np.linalg.norm(detail) + 1e-6)
    return found


def _spectra(structure: Array) -> NDArray[np.complex64]:
    return np.asarray(fft.rfft2(structure), dtype=np.complex64)


def _zoomed(picture: Array, zoom: float) -> Array:
    middle = (EDGE - 1) / 2 * (1 - 1 / zoom)
    return np.asarray(ndimage.affine_transform(picture, [1 / zoom, 1 / zoom], middle, order=1, mode="nearest"), dtype=np.float32)


def _eight_ways(pictures: Array) -> Iterator[Array]:
    for quarter in range(4):
        turned = np.rot90(pictures, quarter, axes=(1, 2))
        yield turned
        yield turned[:, :, ::-1]


def _standard(pictures: Array) -> Array:
    flat = pictures.reshape(len(pictures), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    return np.asarray(flat / (np.linalg.norm(flat, axis=1, keepdims=True) + 1e-6), dtype=np.float32)


def _grey(files: Sequence[Path], options: LoadOptions) -> Array:
    made = []
    for number, path in enumerate(files):
        grey = read_image(path).astype(np.float32).mean(axis=2)
        made.append(resized(grey[np.newaxis], (EDGE, EDGE), area=True)[0])
        if options.progress:
            options.progress("looking for pictures that stand in twice", number / len(files))
    return np.stack(made)

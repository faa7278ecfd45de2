"""Clusters of pixels by their channels; which clusters are the region is learned on training masks."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.contracts.forecast import Artifact
from core.contracts.segmenter import Choice, SegmenterSpec
from core.segmentation._options import with_defaults
from core.segmentation._projections import is_flat, projections
from core.segmentation._rule_segmenter import RuleSegmenter, Setting
from core.segmentation._training_sample import Array, Mask, TrainingSample

Rows = NDArray[np.float64]
Cluster = Callable[[Rows, int, int], "Mixture"]

OWN_CLUSTERS = (2, 3, 4)
"""Of a single picture."""
POOLED_CLUSTERS = (3, 6, 12)
"""Of all training pictures together."""
NEAR_SHARE = 0.5
"""Of the pooled pixels of an item that holds the region, drawn from a box around it, so that a small one is not lost."""
FIT_PIXELS = 1500
POOLED_PIXELS = 20_000
SMOOTHING = 1.0
LEAST_SPREAD = 1e-3


@dataclass(frozen=True)
class Mixture:
    """Clusters as Gaussians; k-means is the case of equal, round ones.

    Args:
        centres: (clusters, channels); precisions: (clusters, channels, channels) Cholesky factors of the inverse covariances;
        offsets: (clusters,) log weight plus log determinant.
    """

    centres: Rows
    precisions: NDArray[np.float64]
    offsets: NDArray[np.float64]

    def nearest(self, pixels: Rows) -> NDArray[np.intp]:
        """(pixels,) the likeliest cluster of each."""
        away = [((pixels - centre) @ factor) for centre, factor in zip(self.centres, self.precisions)]
        score = self.offsets[:, np.newaxis] - 0.5 * np.stack([(part**2).sum(axis=1) for part in away])
        return np.asarray(score.argmax(axis=0))

    def plain(self) -> dict[str, Any]:
        """As lists."""
        return {name: getattr(self, name).tolist() for name in ("centres", "precisions", "offsets")}


def mixture_from(plain: Mapping[str, Any]) -> Mixture:
    """The mixture that was kept as lists."""
    return Mixture(*(np.asarray(plain[name], dtype=float) for name in ("centres", "precisions", "offsets")))


def kmeans(pixels: Rows, clusters: int, seed: int) -> Mixture:
    """Reference: Lloyd, IEEE Trans. Inf. Theory 1982, 10.1109/TIT.1982.1056489; seeding: Arthur & Vassilvitskii, SODA 2007."""
    from sklearn.cluster import KMeans

    found = KMeans(clusters, n_init=1, max_iter=30, random_state=seed).fit(pixels)
    channels = pixels.shape[1]
    return Mixture(found.cluster_centers_, np.stack([np.eye(channels)] * clusters), np.zeros(clusters))


def gaussian_mixture(pixels: Rows, clusters: int, seed: int) -> Mixture:
    """Reference: Dempster et al., J. R. Stat. Soc. B 1977, 10.1111/j.2517-6161.1977.tb01600.x."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    with warnings.catch_warnings():
        # A mixture that has not settled after 40 rounds is good enough to tell clusters apart.
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = GaussianMixture(clusters, reg_covar=LEAST_SPREAD, max_iter=40, random_state=seed, init_params="k-means++").fit(
            pixels
        )
    factors = found.precisions_cholesky_
    volume = np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(axis=1)
    return Mixture(found.means_, factors, np.log(found.weights_ + 1e-12) + volume)


def settings(cluster: Cluster, sample: TrainingSample, region: int, seed: int) -> Sequence[Setting]:
    """Clusters of the picture itself, ranked by brightness, and clusters of all training pictures, ranked by their share of the
    region; the first of the ranking are taken."""
    found: list[Setting] = []
    for weights in projections(sample, region)[:2]:
        for clusters in OWN_CLUSTERS:
            own = {"mixture": None, "weights": list(weights), "clusters": clusters, "seed": seed}
            found += [{**own, "taken": taken} for taken in range(1, clusters)]
    pixels, inside = pooled(sample, region, seed)
    for clusters in POOLED_CLUSTERS if varied(pixels, max(POOLED_CLUSTERS)) else ():
        mixture = cluster(pixels, clusters, seed)
        labels = mixture.nearest(pixels)
        share = np.bincount(labels, inside, clusters) / np.maximum(np.bincount(labels, minlength=clusters), 1)
        ranking = np.argsort(-share).tolist()
        found += [{"mixture": mixture.plain(), "taken": ranking[:taken]} for taken in range(1, min(clusters, 5))]
    return found


def outline(cluster: Cluster, image: Array, setting: Setting) -> Mask:
    """Pixels of the taken clusters."""
    grid = image.shape[1:]
    pixels = smoothed(image)
    if setting["mixture"] is not None:
        return np.isin(mixture_from(setting["mixture"]).nearest(pixels), setting["taken"]).reshape(grid)
    rng = np.random.default_rng([setting["seed"], 41])
    some = pixels[rng.choice(len(pixels), FIT_PIXELS)]
    if is_flat(image) or not varied(some, setting["clusters"]):
        return np.zeros(grid, dtype=bool)
    mixture = cluster(some, setting["clusters"], setting["seed"])
    ranking = np.argsort(-(mixture.centres @ np.asarray(setting["weights"])))
    return np.isin(mixture.nearest(pixels), ranking[: setting["taken"]]).reshape(grid)


def smoothed(image: Array) -> Rows:
    """(pixels, channels), smoothed by a Gaussian of one pixel."""
    sigma = (0.0, *(SMOOTHING,) * (image.ndim - 1))
    smooth = ndimage.gaussian_filter(image, sigma, mode="nearest", truncate=3.0)
    return np.asarray(smooth.reshape(len(image), -1).T, dtype=float)


def varied(pixels: Rows, clusters: int) -> bool:
    """Whether there are more different pixels than clusters."""
    return len(np.unique(pixels[:200], axis=0)) > clusters or len(np.unique(pixels, axis=0)) > clusters


def pooled(sample: TrainingSample, region: int, seed: int) -> tuple[Rows, NDArray[np.float64]]:
    """Pixels of all items, and whether each lies in the region."""
    rng = np.random.default_rng([seed, 43])
    each = max(2, POOLED_PIXELS // len(sample))
    pixels, inside = [], []
    for image, mask in zip(sample.images, sample.masks):
        at = _drawn(mask[region], each, rng)
        pixels.append(smoothed(image)[at])
        inside.append(mask[region].ravel()[at])
    return np.concatenate(pixels), np.concatenate(inside).astype(float)


def _drawn(mask: Mask, count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Places of pixels, some of them from the box around the region."""
    at = rng.choice(mask.size, count)
    if mask.any():
        box = np.zeros_like(mask)
        box[ndimage.find_objects(mask.astype(np.int8))[0]] = True
        near = round(NEAR_SHARE * count)
        at[:near] = rng.choice(np.flatnonzero(box), near)
    return at


METHODS: Mapping[str, Cluster] = {"kmeans": kmeans, "gaussian_mixture": gaussian_mixture}


def make(name: str, options: Mapping[str, Any]) -> RuleSegmenter:
    """A fresh one of that name."""
    with_defaults(name, options, {})
    return RuleSegmenter(name, partial(settings, METHODS[name]), partial(outline, METHODS[name]))


def restore(name: str, artifact: Artifact) -> RuleSegmenter:
    """The one that was exported."""
    return make(name, {}).restored(artifact)


PLUGINS = (
    SegmenterSpec(
        name="kmeans",
        label="k-means",
        family="classical",
        make=partial(make, "kmeans"),
        description="Pixels grouped by k-means on their channels; how many groups, of which pictures, and which of them are the "
        "region is learned.",
        reference="Lloyd, IEEE Trans. Inf. Theory 1982, 10.1109/TIT.1982.1056489",
        dims=(2, 3),
        choice=Choice(
            complexity="A few centres; clusters of each picture or of all, no weights.",
            published="A usual first step for skin lesions and brain tissue; no agreed score on these data sets.",
            community="scikit-learn; the textbook example of unsupervised segmentation.",
        ),
        restore=partial(restore, "kmeans"),
    ),
    SegmenterSpec(
        name="gaussian_mixture",
        label="Gaussian mixture",
        family="classical",
        make=partial(make, "gaussian_mixture"),
        description="Pixels grouped by a mixture of Gaussians of full covariance; how many, of which pictures, and which of them "
        "are the region is learned.",
        reference="Dempster et al., J. R. Stat. Soc. B 1977, 10.1111/j.2517-6161.1977.tb01600.x",
        dims=(2, 3),
        choice=Choice(
            complexity="A few means and covariances; expectation maximisation.",
            published="The core of tissue segmentation in SPM (Ashburner & Friston 2005, 10.1016/j.neuroimage.2005.02.018).",
            community="scikit-learn; SPM and FSL FAST build on it.",
        ),
        restore=partial(restore, "gaussian_mixture"),
    ),
)

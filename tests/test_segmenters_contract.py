"""What every segmenter promises; a new file in ``core.segmentation`` is tested as soon as it is there."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from core.contracts.pictures import Pictures
from core.contracts.segmentation_recipe import TrainingPart
from core.contracts.segmenter import FindsInstances, PortableSegmenter, SegmentContext, SegmenterSpec
from core.errors import RecipeError, RunError
from core.segmentation import SEGMENTERS
from tests.conftest import ROOT
from tests.fixtures_pictures import Blobs, mean_dice

SPECS = tuple(SEGMENTERS)
NETWORKS = tuple(spec for spec in SPECS if spec.is_network)
LEARNERS = {"otsu", "region_growing", "watershed", "kmeans", "gaussian_mixture", "svm", "random_forest", "unet", "segnet", "cnn"}
"""Those that blobs on noise must teach within a second or two."""

SMALL: dict[str, dict[str, Any]] = {"unet": {"width": 8}, "attention_unet": {"width": 8}, "dynunet": {"width": 8}}


def context(**training: Any) -> SegmentContext:
    plain = {"budget_minutes": 1000.0, "max_epochs": 2, "batch_size": 4, "validation_share": 0.2, "precision": "fp32", **training}
    return SegmentContext(seed=3, training=TrainingPart.model_validate(plain).model_dump())


def name_of(spec: SegmenterSpec) -> str:
    return spec.name


def fitted(spec: SegmenterSpec, blobs: Blobs, **training: Any) -> Any:
    segmenter = spec.make(SMALL.get(spec.name, {}))
    segmenter.fit(blobs.pictures(), context(**training))
    return segmenter


@pytest.mark.parametrize("spec", SPECS, ids=name_of)
def test_a_spec_says_what_it_is(spec: SegmenterSpec) -> None:
    assert spec.description.endswith(".")
    assert spec.label
    assert set(spec.dims) <= {2, 3}
    assert spec.choice.complexity
    assert spec.choice.community
    assert spec.reference or spec.family == "reference" or spec.name == "cnn"


@pytest.mark.parametrize("spec", SPECS, ids=name_of)
def test_an_unknown_option_is_refused(spec: SegmenterSpec) -> None:
    with pytest.raises(RecipeError):
        spec.make({"no_such_option": 1})


@pytest.mark.parametrize("spec", [spec for spec in SPECS if spec.name != "all_foreground"], ids=name_of)
def test_outlining_before_fitting_is_refused(spec: SegmenterSpec) -> None:
    with pytest.raises(RunError):
        spec.make({}).segment(Blobs(2).pictures(labelled=False))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("spec", SPECS, ids=name_of)
def test_scores_have_the_shape_of_the_items_and_lie_between_0_and_1(spec: SegmenterSpec, channels: int) -> None:
    blobs = Blobs(12, (40, 36), channels=channels, regions=2)
    segmenter = fitted(spec, blobs, max_epochs=1)
    scores = segmenter.segment(blobs.pictures(labelled=False).pick(np.arange(3)))
    assert scores.shape == (3, 2, 40, 36)
    assert np.isfinite(scores).all()
    assert scores.min() >= 0
    assert scores.max() <= 1


@pytest.mark.parametrize("spec", [spec for spec in SPECS if 3 in spec.dims and spec.name != "swin_unetr"], ids=name_of)
def test_volumes_are_outlined_where_a_spec_says_so(spec: SegmenterSpec) -> None:
    blobs = Blobs(4, (24, 24, 24))
    scores = fitted(spec, blobs, max_epochs=1, batch_size=2).segment(blobs.pictures(labelled=False).pick(np.arange(2)))
    assert scores.shape == (2, 1, 24, 24, 24)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("spec", SPECS, ids=name_of)
def test_the_same_seed_gives_the_same_scores(spec: SegmenterSpec) -> None:
    blobs = Blobs(12)
    asked = blobs.pictures(labelled=False).pick(np.arange(2))
    first, second = (fitted(spec, blobs, max_epochs=1).segment(asked) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("spec", SPECS, ids=name_of)
def test_an_unlabelled_mask_is_never_asked_for(spec: SegmenterSpec) -> None:
    blobs = Blobs(16)
    every = blobs.pictures()
    half = Pictures(every.prepared, every.rows, every.patients, np.arange(len(every)) < 10)
    segmenter = spec.make(SMALL.get(spec.name, {}))
    segmenter.fit(half, context(max_epochs=1))
    assert segmenter.segment(blobs.pictures(labelled=False).pick(np.arange(1))).shape == (1, 1, 32, 32)


@pytest.mark.parametrize("spec", [spec for spec in SPECS if spec.name in LEARNERS], ids=name_of)
def test_what_learns_finds_bright_blobs(spec: SegmenterSpec) -> None:
    blobs, others = Blobs(40), Blobs(20, seed=1)
    segmenter = fitted(spec, blobs, max_epochs=15, learning_rate=0.01, augment=False)
    assert mean_dice(segmenter.segment(others.pictures(labelled=False)), others) > 0.75


@pytest.mark.parametrize("spec", [spec for spec in SPECS if spec.restore is not None], ids=name_of)
def test_what_is_exported_comes_back_and_outlines_alike(spec: SegmenterSpec) -> None:
    blobs = Blobs(10)
    segmenter = fitted(spec, blobs, max_epochs=1)
    assert isinstance(segmenter, PortableSegmenter)
    assert spec.restore is not None
    again = spec.restore(segmenter.export())
    asked = blobs.pictures(labelled=False).pick(np.arange(2))
    np.testing.assert_allclose(segmenter.segment(asked), again.segment(asked), atol=1e-3)


def test_the_registry_holds_every_method_of_the_field_and_imports_no_network_library() -> None:
    asked = {
        "otsu", "region_growing", "watershed", "canny", "kmeans", "gaussian_mixture", "svm", "random_forest", "cnn", "fcn",
        "unet", "segnet", "mask_rcnn", "attention_unet", "deeplabv3plus", "dynunet", "segformer", "centred_disc",
    }  # fmt: skip
    assert asked <= set(SEGMENTERS.names())
    code = (
        "import sys\nfrom core.segmentation import SEGMENTERS\nassert SEGMENTERS.names()\n"
        "heavy = {'torch', 'monai', 'timm', 'segmentation_models_pytorch'} & set(sys.modules)\nassert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_mask_rcnn_tells_instances_apart() -> None:
    blobs = Blobs(10)
    segmenter = fitted(SEGMENTERS.get("mask_rcnn"), blobs, max_epochs=1)
    assert isinstance(segmenter, FindsInstances)
    found = segmenter.instances(blobs.pictures(labelled=False).pick(np.arange(2)))
    assert [one.shape for one in found] == [(32, 32), (32, 32)]
    assert all(one.min() >= 0 for one in found)

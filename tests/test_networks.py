"""The image and fusion networks: what they can see, what they do when something is missing, what they refuse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from core.contracts.codebook import Codebook, Field
from core.contracts.cohort import Cases
from core.contracts.forecast import FitContext, Forecast, Predictor
from core.contracts.outcome import Outcome
from core.errors import DataError, RecipeError, TrainingError
from core.outcomes import PREDICTORS
from core.outcomes._encoders import ViewEncoder, VolumeEncoder, make_encoder
from core.outcomes._network_predictor import NetworkPredictor
from core.outcomes._networks import FilmNetwork, ImageNetwork, JointNetwork
from core.outcomes.fusion import Stack
from core.training.trials import expit
from core.training.weights import export_encoder

LARGE = Outcome("large", "Large", "binary", "The ball in the picture is large.", desirable=False)
OLD = Outcome("old", "Old", "binary", "The first field is high.", desirable=False)
STAY = Outcome("stay", "Home", "time_to_event", "Days until home.", desirable=True, days=(1, 3))
OUTCOMES = (LARGE, OLD, STAY)
CODEBOOK = Codebook((Field("age", "Age", "number", "before"), Field("other", "Other", "number", "before")))
SETTINGS: dict[str, object] = {
    "epochs": 10,
    "batch_size": 16,
    "learning_rate": 2e-3,
    "modality_dropout": 0.3,
    "backbone": "resnet10t",
}
EDGE = 16


@dataclass(frozen=True)
class Balls:
    """A ball of a given radius somewhere in the volume; NaN radius: no picture."""

    radii: pd.Series
    channels: tuple[str, ...] = ("ball",)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return len(self.channels), EDGE, EDGE, EDGE

    def arrays(self, case_ids: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([self._one(case_id) for case_id in case_ids])

    def _one(self, case_id: str) -> NDArray[np.float32]:
        radius = float(self.radii[case_id])
        if np.isnan(radius):
            return np.full(self.shape, np.nan, dtype=np.float32)
        middle = np.random.default_rng(int(case_id[1:])).uniform(6, EDGE - 6, 3)
        grid = np.indices(self.shape[1:]) - middle[:, None, None, None]
        ball = (np.sqrt((grid**2).sum(axis=0)) <= radius).astype(np.float32)
        return np.broadcast_to(ball, self.shape).copy()


def cohort(n: int, seed: int = 0, without_picture: int = 0) -> Cases:
    """One outcome to be seen in the picture alone, one in the record alone, one in both."""
    rng = np.random.default_rng(seed)
    ids = pd.Index([f"c{1000 * seed + i}" for i in range(n)], name="case_id")
    radius, age = rng.uniform(2, 6, n), rng.normal(60, 12, n)
    days = np.round(1 + 3 * (radius > 4) + 3 * (age > 60) + rng.random(n))
    frame = pd.DataFrame({"large": radius > 4, "old": age > 60, "stay_days": days, "stay_event": 1.0}, index=ids).astype(float)
    radii = pd.Series(radius, index=ids)
    radii.iloc[:without_picture] = np.nan
    table = pd.DataFrame({"age": age, "other": rng.normal(size=n)}, index=ids)
    return Cases(table, CODEBOOK, pd.Series(ids, index=ids), frame, Balls(radii))


TRAIN, TEST = cohort(140), cohort(60, seed=1)


def fitted(name: str, cases: Cases = TRAIN, outcomes: Sequence[Outcome] = OUTCOMES, **settings: object) -> Predictor:
    predictor = PREDICTORS.get(name).make({})
    predictor.fit(cases, outcomes, FitContext(seed=3, network={**SETTINGS, **settings}))
    return predictor


def asked(predictor: Predictor, cases: Cases = TEST) -> Forecast:
    return predictor.predict(Cases(cases.table, cases.codebook, cases.patients, None, cases.images))


def without_images(cases: Cases) -> Cases:
    return Cases(cases.table, cases.codebook, cases.patients, None, None)


def without_record(cases: Cases) -> Cases:
    return Cases(cases.table * np.nan, cases.codebook, cases.patients, None, cases.images)


def auroc(forecast: Forecast, outcome: str, cases: Cases = TEST) -> float:
    assert cases.targets is not None
    return float(roc_auc_score(cases.targets[outcome], forecast.risks[outcome]))


def test_the_3d_network_sees_what_is_plainly_visible_in_new_cases() -> None:
    forecast = asked(fitted("image_cnn3d"))
    assert auroc(forecast, "large") > 0.95
    assert TEST.targets is not None
    assert roc_auc_score(TEST.targets["large"], -forecast.times["stay"].at(3)) > 0.9


def test_the_2d_network_sees_what_is_plainly_visible_in_new_cases() -> None:
    assert auroc(asked(fitted("image_timm2d", cohort(80), (LARGE,), epochs=5)), "large") > 0.95


@pytest.mark.parametrize("name", ["fusion_joint", "fusion_film", "fusion_late"])
def test_a_fusion_uses_picture_and_record_and_goes_on_when_one_is_missing(name: str) -> None:
    predictor = fitted(name, epochs=20)
    full, blind, bare = asked(predictor), predictor.predict(without_images(TEST)), predictor.predict(without_record(TEST))
    assert auroc(full, "large") > 0.9 and auroc(full, "old") > 0.9
    assert auroc(blind, "old") > 0.9 and auroc(bare, "large") > 0.9
    assert 0.3 < auroc(blind, "large") < 0.7 and 0.3 < auroc(bare, "old") < 0.7
    assert np.ptp(bare.risks["large"]) > 0.1 and 0.2 < bare.risks["old"].mean() < 0.8


def test_with_nothing_to_read_every_case_gets_the_training_rate() -> None:
    predictor = fitted("fusion_joint", epochs=1)
    nothing = predictor.predict(without_images(without_record(TEST)))
    assert TRAIN.targets is not None
    assert np.allclose(nothing.risks["large"], TRAIN.targets["large"].mean(), atol=0.01)


def test_an_image_network_answers_a_case_without_picture_with_the_training_rate() -> None:
    some_missing = cohort(12, seed=2, without_picture=4)
    risks = asked(fitted("image_cnn3d", epochs=2), some_missing).risks["large"].to_numpy()
    assert TRAIN.targets is not None
    assert np.allclose(risks[:4], TRAIN.targets["large"].mean(), atol=0.01) and np.ptp(risks[4:]) > 0


def test_cases_without_picture_may_be_among_the_training_cases() -> None:
    patchy = cohort(60, seed=4, without_picture=20)
    for name in ("image_cnn3d", "fusion_film", "fusion_late"):
        assert np.isfinite(asked(fitted(name, patchy, epochs=1)).risks.to_numpy()).all()


@pytest.mark.parametrize("name", ["fusion_film", "image_timm2d", "fusion_late"])
def test_the_same_seed_gives_the_same_risks(name: str) -> None:
    first, again = (asked(fitted(name, epochs=2)) for _ in range(2))
    pd.testing.assert_frame_equal(first.risks, again.risks, check_exact=True)


def test_the_hazard_network_serves_times_alone() -> None:
    forecast = asked(fitted("hazard_network", outcomes=OUTCOMES, epochs=12))
    assert list(forecast.risks.columns) == [] and TEST.targets is not None
    early = forecast.times["stay"].at(3)
    assert roc_auc_score(TEST.targets["stay_days"] <= 3, early) > 0.85
    assert abs(early.mean() - (TEST.targets["stay_days"] <= 3).mean()) < 0.15


@pytest.mark.parametrize("network", [ImageNetwork, JointNetwork, FilmNetwork])
def test_a_placeholder_is_never_looked_at(network: type[ImageNetwork] | type[JointNetwork] | type[FilmNetwork]) -> None:
    torch.manual_seed(0)
    built = network(VolumeEncoder(1, 8), 2, np.zeros(3)).eval()
    for weight in built.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    gone = torch.tensor([False, True, False])
    record = torch.randn(3, 2)
    images = torch.rand(3, 1, 8, 8, 8)
    shown = built(images, gone, record, gone)
    other = built(torch.where(gone.view(3, 1, 1, 1, 1), images, 99.0), gone, torch.where(gone.view(3, 1), record, 99.0), gone)
    assert torch.allclose(shown, other, atol=1e-5) and torch.allclose(shown[0], shown[2], atol=1e-5)
    assert not torch.allclose(shown[0], shown[1], atol=1e-3)


def test_before_training_a_network_says_the_training_rate() -> None:
    torch.manual_seed(0)
    prior = np.array([-2.0, 1.0])
    built = JointNetwork(VolumeEncoder(1, 8), 2, prior).eval()
    there = torch.ones(4, dtype=torch.bool)
    logits = built(torch.rand(4, 1, 8, 8, 8), there, torch.randn(4, 2), there).detach().numpy()
    assert np.allclose(logits, prior, atol=0.15)


def test_views_show_a_mask_as_its_thickness_along_each_axis() -> None:
    encoder = ViewEncoder("resnet10t", ("scan", "mask"))
    image = torch.zeros(1, 2, 4, 6, 8)
    image[0, :, 1:3, 2, 3] = 1.0
    views = encoder.views(image)
    assert views.shape == (1, 3, 2, 8, 8)
    assert views[0, 0, 1].max() == pytest.approx(2 / 4) and views[0, 1, 1].max() == pytest.approx(1 / 6)
    assert views[0, 0, 0].max() == pytest.approx(1.0) and encoder.views(torch.zeros(1, 2, 1, 6, 8)).shape[1] == 1
    assert encoder.eval()(image).shape[:2] == (1, encoder.features)


@pytest.mark.parametrize("name", ["image_cnn3d", "image_timm2d"])
def test_a_trained_encoder_can_start_another_network(name: str, tmp_path: Path) -> None:
    source = fitted(name, epochs=1)
    assert isinstance(source, NetworkPredictor)
    source.export_encoder(tmp_path / "encoder.safetensors")
    settings = {**SETTINGS, "encoder_weights": str(tmp_path / "encoder.safetensors")}
    started = make_encoder(source.design.encoder, ("ball",), settings)
    for key, weight in source.network.encoder.state_dict().items():
        assert torch.equal(started.state_dict()[key], weight), key
    with pytest.raises(RecipeError, match="shape"):
        make_encoder(source.design.encoder, ("ball", "kidney"), settings)


def test_an_encoder_for_fewer_channels_answers_as_to_a_picture_in_which_the_others_are_empty(tmp_path: Path) -> None:
    torch.manual_seed(0)
    source = make_encoder("cnn3d", ("kidney", "vessel", "tumour"), SETTINGS).eval()
    export_encoder(source, tmp_path / "w.safetensors", [0, 2])
    target = make_encoder("cnn3d", ("kidney", "tumour"), {**SETTINGS, "encoder_weights": str(tmp_path / "w.safetensors")}).eval()
    image = torch.rand(1, 3, 16, 16, 16)
    image[:, 1] = 0
    assert torch.allclose(source(image), target(image[:, [0, 2]]), atol=1e-5)


def test_weights_that_ship_are_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = {"encoder_weights": "models/encoders/phantom_masks.safetensors"}
    begun, plain = (make_encoder("cnn3d", ("kidney", "tumour", "cyst"), given) for given in (shipped, {}))
    assert not torch.equal(next(begun.parameters()), next(plain.parameters()))
    with pytest.raises(RecipeError, match="cannot be read"):
        make_encoder("cnn3d", ("kidney",), {"encoder_weights": "models/encoders/absent.safetensors"})


def test_weights_that_cannot_be_fetched_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    import timm

    def offline(*args: object, **settings: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(TrainingError, match="encoder_weights") as caught:
        make_encoder("timm2d", ("ball",), {"backbone": "resnet18", "pretrained": True})
    assert caught.value.code == "PRETRAINED_WEIGHTS"


def test_an_unknown_backbone_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(RecipeError, match="resnet18"):
        make_encoder("timm2d", ("ball",), {"backbone": "resnet_18"})


def test_a_backbone_without_a_map_of_features_is_refused() -> None:
    with pytest.raises(RecipeError, match="convolutional"):
        make_encoder("timm2d", ("ball",), {"backbone": "vit_tiny_patch16_224"})


def test_an_unknown_option_is_refused() -> None:
    for name in ("image_cnn3d", "fusion_late"):
        with pytest.raises(RecipeError, match="Did you mean 'epochs'"):
            PREDICTORS.get(name).make({"epoch": 3})


def test_a_network_without_pictures_or_of_another_shape_is_refused() -> None:
    with pytest.raises(DataError, match="reads pictures"):
        fitted("fusion_joint", Cases(TRAIN.table, CODEBOOK, TRAIN.patients, TRAIN.targets, None))
    predictor = fitted("image_cnn3d", epochs=1)
    with pytest.raises(DataError, match="reads pictures"):
        predictor.predict(without_images(TEST))
    wider = Cases(TEST.table, TEST.codebook, TEST.patients, None, Balls(TEST.images.radii, ("a", "b")))  # type: ignore[union-attr]
    with pytest.raises(DataError, match="pictures of shape"):
        predictor.predict(wider)


def test_an_outcome_without_events_is_refused() -> None:
    assert TRAIN.targets is not None
    barren = Cases(TRAIN.table, CODEBOOK, TRAIN.patients, TRAIN.targets.assign(large=0.0), TRAIN.images)
    with pytest.raises(TrainingError, match="large"):
        fitted("image_cnn3d", barren)


def test_a_stack_weighs_members_by_what_they_know_and_turns_none_round() -> None:
    rng = np.random.default_rng(0)
    good = rng.normal(0, 1.5, 3000)
    events = (rng.random(3000) < expit(good)).astype(float)
    stack = Stack.learn(np.column_stack([good, -good + rng.normal(0, 2, 3000)]), np.ones(3000), events)
    assert stack.weights == pytest.approx([1.0, 0.0], abs=0.1) and stack.weights.min() >= 0
    assert Stack.learn(-good[:, None], np.ones(3000), events).weights == pytest.approx([0.0], abs=1e-9)
    assert stack.intercept == pytest.approx(0.0, abs=0.1)

"""Training networks to outline: budget, losses, augmentation, checkpoints, few labels, search."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from core.contracts.pictures import Pictures
from core.contracts.segmentation_recipe import SearchPart, TrainingPart
from core.contracts.segmenter import SegmentContext
from core.errors import CorruptError, LeakageError, TrainingError
from core.training.budget import Budget, rate_factor
from core.training.loop import Training
from core.training.losses import criterion_of
from core.training.picture_augmentation import Augmentation, augment_pictures
from core.training.picture_batches import PictureStore, epoch_order, full_batches
from core.training.reproducible import reproducible
from core.training.search import search, search_training
from core.training.segmentation import segment_items, train_segmenter
from tests.fixtures_pictures import Blobs, mean_dice

LOSSES = ("cross_entropy", "dice", "jaccard", "dice_ce", "focal", "tversky")


def tiny(channels: int = 1, regions: int = 1, dims: int = 2) -> nn.Module:
    conv = nn.Conv2d if dims == 2 else nn.Conv3d
    torch.manual_seed(0)
    return nn.Sequential(conv(channels, 8, 3, padding=1), nn.ReLU(), conv(8, regions, 3, padding=1))


def context(tmp: Path | None = None, seed: int = 1, **training: Any) -> SegmentContext:
    plain = {"budget_minutes": 5.0, "max_epochs": 6, "learning_rate": 0.02, "batch_size": 4, "validation_share": 0.25, **training}
    return SegmentContext(seed=seed, training=TrainingPart.model_validate(plain).model_dump(), checkpoint=tmp)


def fit(given: SegmentContext, pictures: Pictures | None = None) -> nn.Module:
    network = tiny()
    with reproducible(given.seed, "cpu"):
        train_segmenter(network, pictures or Blobs().pictures(), given)
    return network


def weights(network: nn.Module) -> torch.Tensor:
    return torch.cat([weight.detach().ravel() for weight in network.parameters()])


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_falls_towards_the_right_mask_and_is_highest_for_its_opposite(loss: str) -> None:
    mask = (torch.arange(64).reshape(1, 1, 8, 8) % 3 == 0).float()
    criterion = criterion_of(loss)
    right, unsure, wrong = (float(criterion(sign * (12 * mask - 6), mask)) for sign in (1.0, 0.1, -1.0))
    assert right < unsure < wrong
    assert right < 0.02


@pytest.mark.parametrize("loss", LOSSES)
def test_a_network_learns_blobs_with_every_loss(loss: str) -> None:
    blobs = Blobs()
    network = fit(context(loss=loss, max_epochs=60), blobs.pictures())
    scores = segment_items(network, blobs.pictures(labelled=False), device="cpu", precision="fp32")
    assert mean_dice(scores, blobs) > 0.7


@pytest.mark.parametrize("optimiser", ["adamw", "adam", "sgd", "rmsprop"])
@pytest.mark.parametrize("schedule", ["cosine", "step"])
def test_every_optimiser_and_schedule_lowers_the_loss(optimiser: str, schedule: str) -> None:
    given = context(optimiser=optimiser, schedule=schedule, augment=False)
    with reproducible(1, "cpu"):
        report = train_segmenter(tiny(), Blobs().pictures(), given)
    assert report.training_loss[-1] < report.training_loss[0]


def test_rates_rise_then_fall_to_nothing() -> None:
    assert rate_factor("cosine", 0.0, 0.1) == pytest.approx(0.01)
    assert rate_factor("cosine", 0.5, 0.1) == pytest.approx(0.5)
    assert rate_factor("cosine", 1.0, 0.1) == pytest.approx(0.0)
    assert rate_factor("poly", 0.5, 0.0) == pytest.approx(0.5**0.9)
    assert [rate_factor("step", done, 0.0) for done in (0.5, 0.7, 0.9)] == [1.0, 0.1, 0.01]
    assert rate_factor("constant", 0.9, 0.0) == 1.0


def test_the_budget_counts_work_and_not_waiting() -> None:
    import time

    budget = Budget(1.0, "cpu")
    time.sleep(0.3)
    assert budget.spent * 60 < 0.2


def test_training_ends_with_its_budget() -> None:
    with reproducible(1, "cpu"):
        report = train_segmenter(tiny(), Blobs().pictures(), context(budget_minutes=0.01, max_epochs=100_000))
    assert 0.01 <= report.minutes < 0.05


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    first, second, other = (weights(fit(context(seed=seed))) for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_an_unlabelled_mask_is_never_read() -> None:
    pictures = Blobs().pictures()
    half = Pictures(pictures.prepared, pictures.rows, pictures.patients, np.arange(len(pictures)) < 10)
    with pytest.raises(LeakageError):
        half.mask(15)
    for semi in ("none", "pseudo_labels", "mean_teacher"):
        assert torch.isfinite(weights(fit(context(semi=semi), half))).all()


def test_items_without_masks_change_what_a_teacher_teaches() -> None:
    pictures = Blobs(40).pictures()
    few = Pictures(pictures.prepared, pictures.rows, pictures.patients, np.arange(len(pictures)) < 12)
    alone, taught = (weights(fit(context(semi=semi, max_epochs=8), few)) for semi in ("none", "mean_teacher"))
    assert not torch.equal(alone, taught)


def test_no_labelled_item_and_a_loss_that_is_not_finite_are_refused() -> None:
    with pytest.raises(TrainingError, match="No training item has a mask"):
        fit(context(), Blobs().pictures(labelled=False))
    blobs = Blobs()
    blobs.images[3][:] = np.float32(3e38)
    with pytest.raises(TrainingError) as caught:
        fit(context(augment=False, precision="fp32", learning_rate=0.9, clip_norm=1e9), blobs.pictures())
    assert caught.value.code == "LOSS_NOT_FINITE"


def test_image_and_mask_go_through_one_transform() -> None:
    blobs = Blobs(8)
    mask = torch.from_numpy(np.stack(blobs.masks)).float()
    still = Augmentation(intensity=0.0, noise=0.0, chance=1.0)
    changed = augment_pictures(mask.clone(), mask, still, torch.Generator().manual_seed(0))
    assert torch.equal((changed.image >= 0.5).float(), changed.mask)
    assert not torch.equal(changed.mask, mask)


@pytest.mark.parametrize("grid", [(24, 32), (12, 16, 20)])
def test_augmentation_of_nothing_changes_nothing_in_2d_and_3d(grid: tuple[int, ...]) -> None:
    image, mask = torch.randn(3, 2, *grid), (torch.rand(3, 1, *grid) < 0.5).float()
    off = Augmentation(flip=False, turn_degrees=0, zoom=0, shift=0, elastic=0, intensity=0, noise=0)
    same = augment_pictures(image, mask, off, torch.Generator().manual_seed(0))
    assert torch.allclose(same.image, image, atol=1e-4)
    assert torch.equal(same.mask, mask)


def test_a_turn_by_a_right_angle_is_true_on_a_square() -> None:
    image = torch.zeros(1, 1, 9, 9)
    image[0, 0, 4, 8] = 1.0
    from core.training import picture_augmentation as module

    theta = torch.tensor([[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]]])
    grid = torch.nn.functional.affine_grid(theta, [1, 1, 9, 9], align_corners=False)
    turned = torch.nn.functional.grid_sample(image, grid, align_corners=False)
    found = module._affine(1, 2, Augmentation(turn_degrees=0, zoom=0, shift=0), torch.Generator(), torch.Size([9, 9]))
    assert float(turned.sum()) == pytest.approx(1.0, abs=1e-4)
    assert torch.allclose(found[0], torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))


def test_an_epoch_shows_every_full_item_and_as_many_empty_ones_as_asked_for() -> None:
    rows, holds = np.arange(100), np.arange(100) < 20
    order = epoch_order(rows, holds, 0.5, np.random.default_rng(0))
    assert set(range(20)) <= set(order.tolist())
    assert len(order) == 40
    assert len(epoch_order(rows, holds, 0.0, np.random.default_rng(0))) == 100
    assert [len(batch) for batch in full_batches(np.arange(10), 4)] == [4, 4]


def test_patches_are_cut_around_regions_when_asked_for() -> None:
    blobs = Blobs(5, (24, 24, 24))
    store = PictureStore(blobs.pictures(), torch.device("cpu"), (12, 12, 12), foreground_share=1.0)
    rng = np.random.default_rng(0)
    batch = store.batch(np.array([0, 1, 2, 3]), rng)
    assert batch.image.shape == (4, 1, 12, 12, 12)
    assert all(bool(one.any()) for one in batch.mask)


class Killed(Exception):
    pass


def _killed_after(epochs: int, given: SegmentContext, monkeypatch: pytest.MonkeyPatch, pictures: Pictures | None = None) -> None:
    real = Training.epoch

    def epoch(self: Training) -> None:
        real(self)
        if self.epochs == epochs:
            raise Killed

    monkeypatch.setattr(Training, "epoch", epoch)
    with pytest.raises(Killed):
        fit(given, pictures)
    monkeypatch.setattr(Training, "epoch", real)


def slots(folder: Path) -> list[Path]:
    return sorted(folder.glob("state.*"))


@pytest.mark.parametrize("more", [{}, {"semi": "mean_teacher"}, {"optimiser": "sgd"}])
def test_f135_f139_a_killed_fit_goes_on_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any]
) -> None:
    monkeypatch.setattr("core.training.checkpoint.SECONDS_BETWEEN", 0.0)
    # By epochs, not by budget: a budget in processor time never ends at the same step twice.
    pictures = Blobs().pictures()
    half = Pictures(pictures.prepared, pictures.rows, pictures.patients, np.arange(len(pictures)) < 16)
    whole = weights(fit(context(budget_minutes=1000.0, **more), half))
    given = context(tmp_path / "state", budget_minutes=1000.0, **more)
    _killed_after(4, given, monkeypatch, half)
    assert len(slots(tmp_path)) == 2
    assert torch.equal(weights(fit(given, half)), whole)
    assert not slots(tmp_path)


def test_f140_a_checkpoint_of_other_settings_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.training.checkpoint.SECONDS_BETWEEN", 0.0)
    _killed_after(2, context(tmp_path / "state"), monkeypatch)
    with pytest.raises(TrainingError, match="another learning_rate") as caught:
        fit(context(tmp_path / "state", learning_rate=0.001))
    assert caught.value.code == "RESUME_MISMATCH"
    pictures = Blobs().pictures()
    with pytest.raises(TrainingError, match="another patients"):
        fit(context(tmp_path / "state"), Pictures(pictures.prepared, pictures.rows, pictures.patients[::-1], pictures.labelled))


def test_f141_a_damaged_newest_checkpoint_gives_way_to_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.training.checkpoint.SECONDS_BETWEEN", 0.0)
    whole = weights(fit(context(budget_minutes=1000.0)))
    _killed_after(4, context(tmp_path / "state", budget_minutes=1000.0), monkeypatch)
    newest = slots(tmp_path)[1]
    newest.write_bytes(newest.read_bytes()[:-40])
    said: list[str] = []
    given = replace(context(tmp_path / "state", budget_minutes=1000.0), progress=lambda phrase, share: said.append(phrase))
    assert torch.equal(weights(fit(given)), whole)
    assert "damaged checkpoint was passed over" in said[0]
    assert "epoch 4 of" in said[1]


def test_f141_damaged_checkpoints_alone_are_refused_and_never_a_silent_fresh_start(tmp_path: Path) -> None:
    (tmp_path / "state.even").write_bytes(b"not safetensors")
    with pytest.raises(CorruptError, match="No checkpoint of state can be read"):
        fit(context(tmp_path / "state"))


def test_f136_a_kill_while_a_checkpoint_is_written_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.training import checkpoint as module

    monkeypatch.setattr(module, "SECONDS_BETWEEN", 0.0)
    whole = weights(fit(context(budget_minutes=1000.0)))
    given, written, real = context(tmp_path / "state", budget_minutes=1000.0), [], module.save_file

    def cut_short(tensors: Any, path: Path, metadata: Any) -> None:
        written.append(path)
        real(tensors, path, metadata=metadata)
        if len(written) == 3:
            path.write_bytes(path.read_bytes()[:100])
            raise Killed

    monkeypatch.setattr(module, "save_file", cut_short)
    with pytest.raises(Killed):
        fit(given)
    monkeypatch.setattr(module, "save_file", real)
    assert torch.equal(weights(fit(given)), whole)


def test_checkpoints_are_written_at_most_once_a_minute(tmp_path: Path) -> None:
    fit(context(tmp_path / "state"))
    assert list(tmp_path.iterdir()) == []


def test_a_search_finds_the_better_half_and_goes_on_where_it_was(tmp_path: Path) -> None:
    asked: list[float] = []

    def objective(settings: Any, report: Any) -> float:
        asked.append(settings["learning_rate"])
        report(0.5, settings["learning_rate"])
        return float(settings["learning_rate"])

    found = search(objective, trials=6, storage=tmp_path / "s.sqlite", name="one", seed=0)
    assert found["learning_rate"] == max(asked)
    search(objective, trials=8, storage=tmp_path / "s.sqlite", name="one", seed=0)
    assert len(asked) == 8


def test_a_search_inside_a_training_part_gives_overrides_of_its_settings(tmp_path: Path) -> None:
    given = context(max_epochs=2)
    part = SearchPart(trials=2, budget_share=0.5)
    found = search_training(tiny, Blobs().pictures(), given, part, tmp_path / "s.sqlite", "one")
    assert set(found) <= set(TrainingPart.model_fields)
    assert "learning_rate" in found

"""Training networks to outline: budget, losses, augmentation, checkpoints, few labels, search."""

from __future__ import annotations

import os
import subprocess
import sys
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
from core.errors import CorruptError, GeometryError, LeakageError, TrainingError
from core.training.budget import Budget, rate_factor
from core.training.loop import Training
from core.training.losses import criterion_of
from core.training.picture_augmentation import Augmentation, augment_pictures
from core.training.picture_batches import PictureStore, epoch_order, full_batches
from core.training.picture_task import _mean_dice, _whole_cases
from core.training.reproducible import reproducible
from core.training.search import search, search_training
from core.training.segmentation import segment_items, train_segmenter
from tests.conftest import ROOT
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
    network = fit(context(loss=loss, max_epochs=40), blobs.pictures())
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


def test_turns_are_true_on_a_picture_of_unequal_edges() -> None:
    # A bar keeps its length and its area, wherever it is turned.
    axes = torch.meshgrid(torch.arange(40) - 19.5, torch.arange(80) - 39.5, indexing="ij")
    bar = ((axes[0].abs() < 3) & (axes[1].abs() < 14)).float().expand(40, 1, 40, 80)
    turned = Augmentation(turn_degrees=90.0, flip=False, zoom=0, shift=0, elastic=0, intensity=0, noise=0, chance=1.0)
    near = axes[0].square() + axes[1].square() < 19**2  # beyond it lie mirrored copies
    mask = augment_pictures(bar, bar, turned, torch.Generator().manual_seed(0)).mask * near
    spread = [torch.cov(one[0].nonzero().T.float()).trace() for one in mask]
    assert torch.stack(spread).std() / torch.stack(spread).mean() < 0.05
    assert mask.sum(dim=(1, 2, 3)).std() / bar[0].sum() < 0.05


@pytest.mark.parametrize("edges", [(33, 48), (17, 24, 31)])
def test_one_spline_carries_straight_maps_as_affine_grid_does(edges: tuple[int, ...]) -> None:
    from core.training import picture_augmentation as module

    image = torch.zeros(3, 1, *edges)
    straight = Augmentation(turn_degrees=50.0, flip=False, elastic=0.0, chance=1.0)
    ours = module._map(image, straight, torch.Generator().manual_seed(4))
    theta = module._affine(3, len(edges), straight, torch.Generator().manual_seed(4), image.shape[2:])
    assert torch.allclose(ours, torch.nn.functional.affine_grid(theta, list(image.shape), align_corners=False), atol=1e-5)


def test_the_deformation_is_smooth_and_bounded_and_flips_reach_every_axis() -> None:
    from core.training import picture_augmentation as module

    image = torch.zeros(32, 1, 64, 64)
    still = torch.nn.functional.affine_grid(torch.eye(2, 3).expand(32, 2, 3), list(image.shape), align_corners=False)
    bent = Augmentation(turn_degrees=0, zoom=0, shift=0, elastic=0.05, flip=False, chance=1.0)
    moved = module._map(image, bent, torch.Generator().manual_seed(1)) - still
    assert float(moved.abs().mean()) > 0.02 and float(moved.abs().max()) < 2 * 0.05 * 1.6
    assert float(moved.diff(dim=1).abs().max()) < 0.02
    flips = module._map(image, Augmentation(turn_degrees=0, zoom=0, shift=0, elastic=0), torch.Generator().manual_seed(2))
    corners = {(round(float(x)), round(float(y))) for x, y in flips[:, 0, 0] * 64 / 63}
    assert corners == {(-1, -1), (-1, 1), (1, -1), (1, 1)}


def test_a_batch_that_is_not_to_be_changed_stays_as_it_was() -> None:
    image, mask = torch.randn(4, 1, 16, 16), (torch.rand(4, 1, 16, 16) < 0.5).float()
    before = image.clone(), mask.clone()
    augment_pictures(image, mask, Augmentation(), torch.Generator().manual_seed(0))
    assert torch.equal(image, before[0]) and torch.equal(mask, before[1])
    never = Augmentation(flip=False, chance=0.0, intensity=0.0, noise=0.0)
    assert torch.equal(augment_pictures(image, mask, never, torch.Generator().manual_seed(0)).mask, mask)


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


def test_items_that_do_not_fit_in_memory_are_read_when_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = Blobs().pictures()
    half = Pictures(pictures.prepared, pictures.rows, pictures.patients, np.arange(len(pictures)) < 10)
    rows, rng = np.array([3, 4, 15]), np.random.default_rng(0)
    kept = PictureStore(half, torch.device("cpu"))
    monkeypatch.setattr("core.training.picture_batches.MOST_BYTES", 0)
    read = PictureStore(half, torch.device("cpu"))
    assert read.stacked is None and not read.items and kept.stacked is not None
    assert torch.equal(kept.batch(rows, rng).image, read.batch(rows, rng).image)
    assert torch.equal(kept.batch(rows, rng).mask, read.batch(rows, rng).mask)
    assert kept.holds.dtype == bool and kept.holds.tolist() == read.holds.tolist()


def test_the_score_is_the_mean_over_cases_and_regions_that_are_held() -> None:
    counts = np.array([[[4, 0], [4, 2], [4, 0]], [[1, 2], [2, 2], [2, 2]]], dtype=float)  # (cases, hit/predicted/drawn, regions)
    assert _mean_dice(counts) == pytest.approx(np.mean([1.0, 0.5, 1.0]))
    assert _mean_dice(np.array([[[0], [3], [0]], [[0], [0], [0]]], dtype=float)) == 0.5


def test_slices_of_one_case_are_judged_together_and_no_case_is_cut_in_two() -> None:
    owners = np.array([str(number // 5) for number in range(1000)])
    chosen = _whole_cases(np.arange(1000), owners)
    assert 150 <= len(chosen) <= 220
    assert all((owners[chosen] == name).sum() == 5 for name in set(owners[chosen]))
    assert len(set(owners[chosen]) & {str(number) for number in range(100, 200)}) > 10
    assert _whole_cases(np.arange(50), owners).tolist() == list(range(50))


class Volumes(Blobs):
    """Volumes of unequal depth."""

    def __init__(self, count: int) -> None:
        super().__init__(count, (24, 24, 28))
        self.images = [image[..., : 24 + number % 3] for number, image in enumerate(self.images)]
        self.masks = [mask[..., : 24 + number % 3] for number, mask in enumerate(self.masks)]

    def is_uniform(self) -> bool:
        return False


def test_volumes_of_unequal_size_are_learned_from_patches_and_outlined_by_windows() -> None:
    volumes = Volumes(12)
    network: Any = tiny(dims=3)
    network.patch_shape = (16, 16, 16)
    with reproducible(1, "cpu"):
        report = train_segmenter(network, volumes.pictures(), context(max_epochs=24, foreground_share=0.5))
    assert max(report.validation_score) > 0.6
    one = segment_items(network, volumes.pictures().pick(np.array([1])), device="cpu")
    assert one.shape == (1, 1, *volumes.images[1].shape[1:])
    del network.patch_shape
    with pytest.raises(GeometryError, match="unequal grids"):
        train_segmenter(network, volumes.pictures(), context())


class Deep(nn.Module):
    """A network with a loss of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.asked = tiny(), 0

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.layer(image)

    def training_loss(self, image: torch.Tensor, mask: torch.Tensor, criterion: Any) -> torch.Tensor:
        self.asked += 1
        return criterion(self.layer(image), mask) + 0.5 * criterion(self.layer(image), mask)


def test_a_network_may_have_a_loss_of_its_own() -> None:
    network = Deep()
    with reproducible(1, "cpu"):
        train_segmenter(network, Blobs().pictures(), context(max_epochs=2))
    assert network.asked == 2 * (15 // 4)


def test_training_stops_when_those_set_aside_no_longer_gain_and_keeps_the_best() -> None:
    looks: list[float] = []
    given = replace(context(max_epochs=60, patience=2, learning_rate=0.3), on_check=lambda done, dice: looks.append(dice))
    network = tiny()
    with reproducible(1, "cpu"):
        report = train_segmenter(network, Blobs().pictures(), given)
    assert report.epochs < 60 and looks == list(report.validation_score)
    assert 2 <= report.epochs - report.best_epoch <= 2 + 60 * 0.7 / 16 + 1  # patience ends at a look


TWO_PROCESSES = """
import os, pathlib, torch
from core.training.reproducible import reproducible
from core.training.segmentation import train_segmenter
from tests.fixtures_pictures import Blobs
from tests.test_training_segmentation import Deep, context, weights
torch.set_num_threads(1)
network = Deep()
with reproducible(1, "cpu"):
    report = train_segmenter(network, Blobs().pictures(), context(max_epochs=20, precision="fp32"))
learned = f"{max(report.validation_score)} {float(weights(network).double().sum())}"
pathlib.Path(__file__).with_name("learned." + os.environ["RANK"]).write_text(learned)
torch.distributed.destroy_process_group()
"""


def test_two_processes_share_every_batch_and_end_with_the_same_weights(tmp_path: Path) -> None:
    (tmp_path / "two.py").write_text(TWO_PROCESSES, encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(tmp_path / "two.py")]
    known = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **known}, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    first, second = (path.read_text(encoding="utf-8") for path in sorted(tmp_path.glob("learned.*")))
    assert first == second
    assert float(first.split()[0]) > 0.8


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
    from safetensors.torch import save_file as real

    from core.training import checkpoint as module

    monkeypatch.setattr(module, "SECONDS_BETWEEN", 0.0)
    whole = weights(fit(context(budget_minutes=1000.0)))
    given, written = context(tmp_path / "state", budget_minutes=1000.0), []

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

    found = search(objective, trials=3, storage=tmp_path / "s.sqlite", name="one", seed=0)
    assert found["learning_rate"] == max(asked)
    search(objective, trials=6, storage=tmp_path / "s.sqlite", name="one", seed=0)
    assert len(asked) == 6
    assert len(set(asked)) == 6, "a search that goes on draws no candidate twice"


def test_a_search_stops_candidates_under_the_median(tmp_path: Path) -> None:
    finished: list[float] = []

    def objective(settings: Any, report: Any) -> float:
        score = 1.0 - 0.1 * len(finished) if len(finished) < 4 else 0.0
        for done in (0.3, 0.33, 0.6):
            report(done, score)
        finished.append(score)
        return score

    with pytest.raises(TrainingError, match="None of 0 candidates"):
        search(objective, trials=0, storage=tmp_path / "s.sqlite", name="one", seed=0)
    search(objective, trials=6, storage=tmp_path / "s.sqlite", name="one", seed=0)
    assert finished == [1.0, 0.9, 0.8, pytest.approx(0.7)]


def test_a_search_inside_a_training_part_gives_overrides_of_its_settings(tmp_path: Path) -> None:
    part = SearchPart(trials=2, budget_share=0.5)
    pictures = Blobs().pictures()
    result = search_training(tiny, pictures, context(max_epochs=2), part, tmp_path / "s.sqlite", "one")
    found = result.settings
    assert result.minutes > 0
    assert set(found) <= set(TrainingPart.model_fields)
    assert "learning_rate" in found
    with pytest.raises(TrainingError, match="None of 2 candidates"):
        search_training(tiny, pictures, context(max_epochs=1, validation_share=0.0), part, tmp_path / "s.sqlite", "two")

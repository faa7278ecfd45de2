"""The training loop and its parts: trials, splits, batches, augmentation, weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from core.contracts.forecast import LAST_DAY
from core.contracts.outcome import Outcome
from core.errors import DataError, RecipeError, TrainingError
from core.training.augmentation import affine_matrices, augment
from core.training.batches import Batch, NetworkInput, in_batches
from core.training.outcome_task import TrainingData, TrainingReport, predict_logits, train_outcomes, trial_loss
from core.training.reproducible import reproducible
from core.training.settings import TrainingSettings
from core.training.splits import set_aside
from core.training.trials import HAZARDS, LAST_OWN_DAY, Trials, column_slices, expit, forecast_of, logit, logits_of, trials_of
from core.training.weights import export_encoder, load_encoder

EVENT = Outcome("event", "Event", "binary", "It happened.", desirable=False)
HOME = Outcome("home", "Home", "time_to_event", "Days until home.", desirable=True, days=(1, 3))
STILL = TrainingSettings(turn_degrees=0.0, shift=0.0, zoom=0.0, jitter=0.0)


Values = Sequence[float] | NDArray[np.generic]


def targets(days: Values, seen: Values, event: Values | None = None) -> pd.DataFrame:
    event = [0.0] * len(days) if event is None else event
    return pd.DataFrame({"event": event, "home_days": days, "home_event": seen}, index=[f"c{i}" for i in range(len(days))])


# --- trials ---------------------------------------------------------------------------------------------------------


def test_a_day_is_a_trial_until_the_event_comes() -> None:
    trials = trials_of(targets([2.0], [1.0]), [HOME])
    assert trials.counts[0, :4].tolist() == [1, 1, 1, 0]
    assert trials.events[0, :4].tolist() == [0, 0, 1, 0]
    assert trials.counts[0].sum() == 3 and trials.events[0].sum() == 1


def test_late_days_share_one_column() -> None:
    trials = trials_of(targets([20.0], [1.0]), [HOME])
    assert trials.counts[0, -1] == 20 - LAST_OWN_DAY and trials.events[0, -1] == 1
    assert trials.counts[0, :-1].sum() == LAST_OWN_DAY + 1


def test_a_death_is_never_a_discharge() -> None:
    trials = trials_of(targets([np.inf], [0.0]), [HOME])
    assert trials.counts[0].sum() == LAST_DAY + 1 and trials.events[0].sum() == 0


def test_an_unknown_outcome_is_no_trial() -> None:
    trials = trials_of(targets([np.nan, 1.0], [np.nan, 1.0], [np.nan, 1.0]), [EVENT, HOME])
    assert trials.counts[0].sum() == 0 and trials.known.tolist() == [False, True]


def test_the_loss_of_trials_is_the_likelihood_of_the_hazards() -> None:
    trials = trials_of(targets([2.0, 30.0, np.inf], [1.0, 1.0, 0.0]), [HOME])
    logits = np.linspace(-2, 1, HAZARDS)[None].repeat(3, axis=0)
    hazard = expit(logits[0])
    daily = np.concatenate([hazard[:-1], np.repeat(hazard[-1], LAST_DAY - LAST_OWN_DAY)])
    stays = [
        np.log(daily[2]) + np.log1p(-daily[:2]).sum(),
        np.log(daily[30]) + np.log1p(-daily[:30]).sum(),
        np.log1p(-daily).sum(),
    ]
    parts = [torch.from_numpy(part) for part in (logits, trials.counts, trials.events, np.ones(HAZARDS))]
    assert float(trial_loss(*parts)) == pytest.approx(-np.mean(stays), rel=1e-5)


def test_the_prior_of_trials_forecasts_the_rates_seen() -> None:
    rng = np.random.default_rng(0)
    days = rng.geometric(0.3, 4000) - 1.0
    forecast = forecast_of(trials_of(targets(days, np.ones(4000), days > 4), [EVENT, HOME]).prior[None], [EVENT, HOME], ["a"])
    for day in (0, 1, 3, 7):
        assert forecast.times["home"].at(day)[0] == pytest.approx((days <= day).mean(), abs=0.005)
    assert forecast.risks.loc["a", "event"] == pytest.approx((days > 4).mean(), abs=0.005)


def test_a_forecast_can_be_turned_back_into_its_logits() -> None:
    logits = np.random.default_rng(1).normal(-2.5, 0.3, (5, 1 + HAZARDS))
    assert np.allclose(logits_of(forecast_of(logits, [EVENT, HOME], list("abcde")), [EVENT, HOME]), logits, atol=1e-6)


def test_each_outcome_weighs_the_same_however_many_cases_count_for_it() -> None:
    event = [1.0, 0.0, np.nan, np.nan]
    trials = trials_of(targets([1, 2, 3, 4], [1, 1, 1, 1], event), [EVENT, HOME])
    first, second = column_slices(trials.outcomes)
    assert trials.weights[first].tolist() == [1.0] and set(trials.weights[second]) == {0.5}


def test_values_that_are_no_outcome_are_refused() -> None:
    with pytest.raises(DataError, match="besides 0 and 1"):
        trials_of(targets([1.0], [1.0], [2.0]), [EVENT])
    with pytest.raises(DataError, match="below 0"):
        trials_of(targets([-1.0], [1.0]), [HOME])
    with pytest.raises(DataError, match="home_days"):
        trials_of(pd.DataFrame({"event": [1.0]}), [HOME])


# --- splits, batches, augmentation ----------------------------------------------------------------------------------


def test_patients_set_aside_keep_all_their_cases_together() -> None:
    rng = np.random.default_rng(2)
    patients = np.array([f"p{i}" for i in rng.integers(0, 60, 200)])
    events = rng.random(200) < 0.1
    split = set_aside(patients, events, 0.25, seed=3)
    assert not set(patients[split.kept]) & set(patients[split.aside])
    assert sorted([*split.kept, *split.aside]) == list(range(200))
    assert 0.1 < len(split.aside) / 200 < 0.4 and events[split.aside].any()


def test_nobody_is_set_aside_from_a_handful_of_patients() -> None:
    assert len(set_aside(np.array(list("abcd")), np.zeros(4, dtype=bool), 0.25, seed=1).aside) == 0


def test_a_single_left_over_row_joins_the_batch_before() -> None:
    assert [len(rows) for rows in in_batches(np.arange(9), 4)] == [4, 5]
    assert [len(rows) for rows in in_batches(np.arange(1), 4)] == [1]


def pictures(n: int = 6) -> torch.Tensor:
    return torch.rand((n, 2, 5, 6, 7), generator=torch.Generator().manual_seed(0))


def test_flips_leave_the_outer_side_outside() -> None:
    image = torch.zeros((64, 1, 5, 6, 7))
    image[:, :, 0, 0, 0] = 1.0
    corners = augment(image, ("tumour",), STILL, torch.Generator().manual_seed(0)).round().nonzero()[:, 2:]
    assert {tuple(corner.tolist()) for corner in corners} == {(d, h, 0) for d in (0, 4) for h in (0, 5)}


def test_a_turn_keeps_angles_on_a_plane_of_unequal_edges() -> None:
    settings = TrainingSettings(turn_degrees=30.0, shift=0.0, zoom=0.0)
    theta = affine_matrices(50, 20, 40, settings, torch.Generator().manual_seed(1))[:, :, :2]
    scale = torch.diag(torch.tensor([40.0, 20.0]))
    turns = scale @ theta @ torch.linalg.inv(scale)
    assert torch.allclose(turns @ turns.transpose(1, 2), torch.eye(2).expand(50, 2, 2), atol=1e-5)
    assert turns[:, 0, 1].abs().max() > 0.3


def test_only_scans_change_their_values_and_stay_in_their_range() -> None:
    settings = replace(STILL, jitter=0.5)
    image = pictures()
    changed = augment(image, ("scan", "kidney"), settings, torch.Generator().manual_seed(0))
    assert torch.allclose(changed[:, 1].sum((1, 2, 3)), image[:, 1].sum((1, 2, 3)), rtol=1e-4)
    assert not torch.allclose(changed[:, 0].sum((1, 2, 3)), image[:, 0].sum((1, 2, 3)), rtol=1e-2)
    assert changed[:, 0].abs().max() <= 1.0


def test_augmenting_leaves_the_given_batch_as_it_was() -> None:
    image = pictures()
    before = image.clone()
    augment(image, ("scan", "kidney"), TrainingSettings(), torch.Generator().manual_seed(0))
    assert torch.equal(image, before)


def test_dropping_modalities_never_takes_both() -> None:
    there, gone = torch.ones(400, dtype=torch.bool), torch.zeros(400, dtype=torch.bool)
    batch = Batch(torch.zeros(400, 1, 1, 1, 1), there, torch.zeros(400, 1), there)
    shown = batch.without_some(0.5, torch.Generator().manual_seed(0))
    assert (shown.has_image | shown.has_record).all()
    lost = int((~shown.has_image).sum()), int((~shown.has_record).sum())
    assert all(60 < count < 140 for count in lost)
    alone = replace(batch, has_record=gone).without_some(0.9, torch.Generator().manual_seed(0))
    assert alone.has_image.all()


# --- the loop -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NoPictures:
    """Pictures of one voxel."""

    shape: tuple[int, int, int, int] = (1, 1, 1, 1)
    channels: tuple[str, ...] = ("mask",)

    def arrays(self, case_ids: Sequence[str]) -> NDArray[np.float32]:
        return np.ones((len(case_ids), *self.shape), dtype=np.float32)


class Regression(nn.Module):
    """Logits from the record alone."""

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.layer = nn.Linear(3, columns)

    def forward(
        self, image: torch.Tensor, has_image: torch.Tensor, record: torch.Tensor, has_record: torch.Tensor
    ) -> torch.Tensor:
        return self.layer(record)


@dataclass(frozen=True)
class Trained:
    network: Regression
    report: TrainingReport
    data: TrainingData


def some_data(n: int = 200, noise: bool = False) -> TrainingData:
    rng = np.random.default_rng(5)
    record = rng.normal(size=(n, 3)).astype(np.float32)
    pull = 0 * record[:, 0] if noise else 3 * record[:, 0]
    event = (rng.random(n) < expit(pull.astype(np.float64))).astype(float)
    frame = targets(np.where(event == 1, 6.0, 2.0), np.ones(n), event)
    inputs = NetworkInput(tuple(frame.index), NoPictures(), NoPictures().shape, record, np.ones(n, dtype=bool))
    return TrainingData(inputs, trials_of(frame, [EVENT, HOME]), np.array(frame.index, dtype=np.str_))


def run(settings: TrainingSettings, seed: int = 0, data: TrainingData | None = None) -> Trained:
    data = data or some_data()
    with reproducible(seed, "cpu"):
        network = Regression(1 + HAZARDS)
        report = train_outcomes(network, data, replace(settings, modality_dropout=0.0), seed=seed)
    return Trained(network, report, data)


def test_a_visible_rule_is_learned() -> None:
    done = run(TrainingSettings(epochs=15, learning_rate=0.02))
    risk = predict_logits(done.network, done.data.inputs, 16, "cpu")[:, 0]
    event = done.data.trials.events[:, 0]
    assert risk[event == 1].mean() - risk[event == 0].mean() > 1.5
    assert done.report.validation_loss[-1] < done.report.validation_loss[0]


def test_the_same_seed_gives_the_same_weights_whatever_was_drawn_before() -> None:
    first = run(TrainingSettings(epochs=2)).network.layer.weight
    torch.rand(7)
    assert torch.equal(run(TrainingSettings(epochs=2)).network.layer.weight, first)
    assert not torch.equal(run(TrainingSettings(epochs=2), seed=1).network.layer.weight, first)


def test_training_leaves_the_callers_randomness_and_switches_as_they_were() -> None:
    torch.manual_seed(9)
    before = torch.get_rng_state()
    run(TrainingSettings(epochs=1))
    assert torch.equal(torch.get_rng_state(), before) and not torch.are_deterministic_algorithms_enabled()


def test_training_stops_when_validation_no_longer_improves_and_keeps_the_best_weights() -> None:
    done = run(TrainingSettings(epochs=60, learning_rate=0.2, patience=2), data=some_data(80, noise=True))
    losses = done.report.validation_loss
    assert done.report.epochs < 60 and done.report.epochs == done.report.best_epoch + 2
    assert losses[done.report.best_epoch - 1] == min(losses)


def test_without_patients_set_aside_all_epochs_are_run() -> None:
    done = run(TrainingSettings(epochs=4, patience=1, validation_share=0.0))
    assert done.report.epochs == done.report.best_epoch == 4 and done.report.validation_loss == ()


def test_a_loss_that_is_not_finite_stops_training() -> None:
    data = some_data()
    data.inputs.record[3] = np.nan
    with pytest.raises(TrainingError, match="nan in epoch 1") as caught:
        run(TrainingSettings(epochs=2, validation_share=0.0), data=data)
    assert caught.value.code == "LOSS_NOT_FINITE"
    aside = set_aside(data.patients, data.trials.any_event(), 0.2, seed=0).aside
    data = some_data()
    data.inputs.record[aside[0]] = np.nan
    with pytest.raises(TrainingError, match="nan in validation"):
        run(TrainingSettings(epochs=2), data=data)


def test_cases_without_any_known_outcome_are_not_learned_from() -> None:
    data = some_data()
    trials = Trials(data.trials.outcomes, data.trials.counts.copy(), data.trials.events.copy())
    trials.counts[:20], trials.events[:20] = 0, 0
    data.inputs.record[:20] = np.nan
    done = run(TrainingSettings(epochs=1), data=replace(data, trials=trials))
    assert np.isfinite(done.report.training_loss).all()
    trials.counts[:] = 0
    with pytest.raises(TrainingError, match="known outcome"):
        run(TrainingSettings(epochs=1), data=replace(data, trials=trials))


def test_logits_are_kept_finite_at_certain_chances() -> None:
    assert np.isfinite(logit(np.array([0.0, 1.0]))).all()


# --- weights --------------------------------------------------------------------------------------------------------


def test_an_encoder_comes_back_as_it_was_even_from_under_a_prefix(tmp_path: Path) -> None:
    source, target = nn.Linear(3, 2), nn.Linear(3, 2)
    export_encoder(nn.ModuleDict({"encoder": source, "head": nn.Linear(1, 1)}), tmp_path / "w.safetensors")
    load_encoder(target, tmp_path / "w.safetensors")
    assert torch.equal(source.weight, target.weight)


def test_weights_that_do_not_fit_are_refused_by_name_and_shape(tmp_path: Path) -> None:
    export_encoder(nn.Linear(3, 2), tmp_path / "w.safetensors")
    with pytest.raises(RecipeError, match=r"'weight' has shape \(2, 3\); the encoder expects \(4, 3\)"):
        load_encoder(nn.Linear(3, 4), tmp_path / "w.safetensors")
    with pytest.raises(RecipeError, match="holds no weight 'in_proj_weight'"):
        load_encoder(nn.MultiheadAttention(4, 1), tmp_path / "w.safetensors")


def test_a_file_that_is_no_safetensors_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"not weights")
    for name in ("w.safetensors", "absent.safetensors"):
        with pytest.raises(RecipeError, match="cannot be read"):
            load_encoder(nn.Linear(3, 2), tmp_path / name)

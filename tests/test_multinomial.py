"""Rates of groups from drawn cells: distributed as when patients are resampled, and fairlearn's on the data as they are."""

from __future__ import annotations

import numpy as np
import pytest
from fairlearn.metrics import MetricFrame, selection_rate
from fairlearn.metrics import false_positive_rate as fairlearn_false_positive_rate
from numpy.typing import NDArray
from sklearn.metrics import precision_score, recall_score

from core.contracts.metric import Array
from core.evaluation.multinomial import can_draw_cells, cells_of, drawn_counts, group_rates, rates
from core.evaluation.panel import make_panel
from core.evaluation.scoring import Measure, Scorer
from core.metrics import METRICS
from tests.test_evaluation_bootstrap import EVENT, binormal, predictions

THRESHOLD = 0.6
PEERS = {
    "recall": recall_score,
    "precision": precision_score,
    "false_positive_rate": fairlearn_false_positive_rate,
    "flagged": selection_rate,
}


def overlapping(n: int, seed: int = 0) -> NDArray[np.bool_]:
    """Two groups that divide the cases, and one across them."""
    rng = np.random.default_rng(seed)
    first, across = rng.random(n) < 0.4, rng.random(n) < 0.3
    return np.column_stack((first, ~first, across))


def scorer(risks: list[Array], y: Array, patients: list[str] | None = None, replicates: int = 4000) -> Scorer:
    return Scorer(make_panel(EVENT, "internal", predictions(y, risks, patients=patients), THRESHOLD), replicates, 1)


def by_resampling(made: Scorer, members: NDArray[np.bool_], name: str) -> Array:
    """A rate of each group by the metric of that name and the shared draws of patients, (replicates + 1, groups)."""
    measure = Measure(METRICS.get(name))
    subsets = [made.subset("group", np.flatnonzero(column)) for column in members.T]
    return np.column_stack([made.values("m", measure, subset) for subset in subsets])


def test_the_data_as_they_are_agree_with_fairlearn() -> None:
    y, risk = binormal(1, 300, 0.4, 1.0)
    group = np.random.default_rng(1).integers(4, size=300)
    found = group_rates(scorer([risk], y, replicates=20), "m", group[:, None] == np.arange(4))
    frame = MetricFrame(metrics=PEERS, y_true=y, y_pred=risk >= THRESHOLD, sensitive_features=group)
    for name in PEERS:
        assert found[name][0] == pytest.approx(frame.by_group[name].to_numpy(dtype=float), abs=1e-12)


def test_drawn_cells_are_distributed_as_resampled_patients() -> None:
    y, risk = binormal(2, 250, 0.4, 1.0)
    members, made = overlapping(250), scorer([risk], y)
    found = group_rates(made, "m", members)
    for name in ("recall", "false_positive_rate", "precision"):
        resampled = by_resampling(made, members, name)
        assert found[name][0] == pytest.approx(resampled[0], abs=1e-12)
        spread = resampled[1:].std(axis=0)
        error = spread / np.sqrt(made.replicates)
        assert (np.abs(found[name][1:].mean(axis=0) - resampled[1:].mean(axis=0)) < 6 * error).all(), name
        assert found[name][1:].std(axis=0) == pytest.approx(spread, rel=0.06), name


def test_groups_are_drawn_jointly() -> None:
    y, risk = binormal(3, 250, 0.4, 1.0)
    members, made = overlapping(250), scorer([risk], y)
    drawn, resampled = group_rates(made, "m", members)["precision"], by_resampling(made, members, "precision")
    for one, other in ((0, 1), (0, 2)):
        together = np.corrcoef(drawn[1:, one], drawn[1:, other])[0, 1]
        assert together == pytest.approx(np.corrcoef(resampled[1:, one], resampled[1:, other])[0, 1], abs=0.08)


def test_every_draw_has_as_many_cases_and_groups_of_varying_size() -> None:
    members, event = overlapping(100), np.arange(100) % 3 == 0
    found = drawn_counts(cells_of(members, event, np.arange(100) % 2 == 0), 500, seed=1)
    sizes = found.tp + found.fp + found.fn + found.tn
    assert (sizes[:, 0] + sizes[:, 1] == 100).all()
    assert sizes[0].tolist() == members.sum(axis=0).tolist()
    share = members[:, 0].mean()
    assert sizes[1:, 0].var() == pytest.approx(100 * share * (1 - share), rel=0.25)


def test_a_rate_that_nobody_is_asked_about_has_no_value() -> None:
    cells = cells_of(np.ones((3, 1), dtype=bool), np.zeros(3, dtype=bool), np.zeros(3, dtype=bool))
    found = rates(drawn_counts(cells, 5, seed=0))
    assert np.isnan(found["recall"]).all() and np.isnan(found["precision"]).all()
    assert (found["false_positive_rate"] == 0).all() and (found["flagged"] == 0).all()


@pytest.mark.parametrize("kind", ["several cases a patient", "several repeats", "a case left out"])
def test_where_cells_are_not_enough_patients_are_resampled(kind: str) -> None:
    y, risk = binormal(4, 120, 0.4, 1.0)
    other = risk[::-1].copy() if kind == "several repeats" else np.where(np.arange(120) % 9 == 0, np.nan, risk)
    risks = [risk] if kind == "several cases a patient" else [risk, other]
    patients = [f"p{i // 2}" for i in range(120)] if kind == "several cases a patient" else None
    made, members = scorer(risks, y, patients, replicates=60), overlapping(120)
    assert not can_draw_cells(made.panel, "m")
    found = group_rates(made, "m", members)
    for name in ("recall", "false_positive_rate", "precision"):
        np.testing.assert_allclose(found[name], by_resampling(made, members, name), rtol=0, atol=1e-12)

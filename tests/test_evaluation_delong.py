"""DeLong's test: equal to its definition pair by pair, right in size, and silent where it does not apply."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from core.contracts.metric import Array
from core.evaluation.comparisons import comparison_rows
from core.evaluation.delong import delong, delong_p, placements
from core.evaluation.panel import make_panel
from core.evaluation.scoring import Scorer
from tests.conftest import ROOT
from tests.test_evaluation_bootstrap import EVENT, binormal, predictions


def by_definition(y: Array, first: Array, second: Array) -> tuple[float, float]:
    """Difference and p from the kernel over all pairs, as the paper writes it."""

    def kernel(order: Array) -> Array:
        x, z = order[y == 1][:, None], order[y == 0][None, :]
        return np.where(x > z, 1.0, np.where(x == z, 0.5, 0.0))

    one, other = kernel(first), kernel(second)
    v10 = np.cov(one.mean(axis=1), other.mean(axis=1))
    v01 = np.cov(one.mean(axis=0), other.mean(axis=0))
    spread = v10 / one.shape[0] + v01 / one.shape[1]
    error = math.sqrt(spread[0, 0] + spread[1, 1] - 2 * spread[0, 1])
    gap = one.mean() - other.mean()
    return gap, 2 * norm.sf(abs(gap) / error)


def two_models(seed: int, n: int = 200, shift: float = 1.0) -> tuple[Array, Array, Array]:
    y, first = binormal(seed, n, 0.3, shift)
    noise = np.random.default_rng(seed + 10_000).normal(size=n)
    return y, np.round(first, 2), np.round(norm.cdf(norm.ppf(np.clip(first, 1e-6, 1 - 1e-6)) * 0.6 + 0.8 * noise), 2)


def test_placements_average_to_the_auroc_with_ties() -> None:
    y, first, _ = two_models(0)
    found = placements(y, first)
    assert found.events.mean() == pytest.approx(roc_auc_score(y, first))
    assert found.others.mean() == pytest.approx(roc_auc_score(y, first))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_test_is_its_definition(seed: int) -> None:
    y, first, second = two_models(seed)
    found = delong(placements(y, first), placements(y, second))
    gap, p = by_definition(y, first, second)
    assert found.difference == pytest.approx(gap, abs=1e-12)
    assert found.p == pytest.approx(p, rel=1e-9)


def test_two_models_that_are_alike_differ_by_chance_one_time_in_twenty() -> None:
    called = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        y = (rng.random(150) < 0.35).astype(float)
        first, second = (y + rng.normal(0, 1.2, 150) for _ in range(2))
        called += delong(placements(y, first), placements(y, second)).p < 0.05
    assert 8 <= called <= 34


def test_a_model_against_itself_has_no_p() -> None:
    y, first, _ = two_models(4)
    assert math.isnan(delong(placements(y, first), placements(y, first)).p)


def scorer(seed: int, patients: list[str] | None = None) -> Scorer:
    y, first, second = two_models(seed)
    rows = [predictions(y, [risk], patients=patients, model=name) for name, risk in (("a", first), ("b", second))]
    return Scorer(make_panel(EVENT, "internal", pd.concat(rows, ignore_index=True)), 1000, 1)


def test_the_table_of_pairs_holds_delong_for_the_auroc_and_corrects_within_a_metric() -> None:
    made = scorer(5)
    table = pd.DataFrame(comparison_rows(made, [("a", "b"), ("b", "a")])).set_index(["metric", "model"])
    assert table.loc[("auroc", "a"), "p"] == pytest.approx(delong_p(made.panel, "a", "b"))
    assert table.loc[("auroc", "a"), "p_holm"] == pytest.approx(min(1.0, 2 * table.loc[("auroc", "a"), "p"]))
    assert 0 < table.loc[("brier", "a"), "p"] <= 1


def test_the_bootstrap_and_delong_agree_about_how_sure_one_may_be() -> None:
    made = scorer(6)
    row = next(row for row in comparison_rows(made, [("a", "b")]) if row["metric"] == "auroc")
    error = (float(str(row["high"])) - float(str(row["low"]))) / 2 / 1.96
    y, first, second = two_models(6)
    assert error == pytest.approx(delong(placements(y, first), placements(y, second)).error, rel=0.15)


def test_where_a_patient_has_several_cases_the_bootstrap_answers() -> None:
    made = scorer(7, patients=[f"p{number // 2}" for number in range(200)])
    assert math.isnan(delong_p(made.panel, "a", "b"))
    row = next(row for row in comparison_rows(made, [("a", "b")]) if row["metric"] == "auroc")
    assert 0 <= float(str(row["p"])) <= 1


PROC = json.loads((ROOT / "tests" / "references" / "proc_delong.json").read_text(encoding="utf-8"))


def test_proc_gives_the_same_aurocs_variances_covariance_and_p() -> None:
    ranks, theirs = PROC["ranks"], PROC["proc"]
    y = np.repeat([1.0, 0.0], [len(ranks["wfns"]["poor"]), len(ranks["wfns"]["good"])])
    found = {name: placements(y, np.array([*given["poor"], *given["good"]], dtype=float)) for name, given in ranks.items()}

    def covariance(one: str, other: str) -> float:
        events = np.cov(found[one].events, found[other].events)[0, 1] / len(found[one].events)
        return float(events + np.cov(found[one].others, found[other].others)[0, 1] / len(found[one].others))

    for name in found:
        assert found[name].events.mean() == pytest.approx(theirs["auc"][name], abs=1e-12)
        assert covariance(name, name) == pytest.approx(theirs["var"][name], abs=1e-12)
    assert covariance("s100b", "wfns") == pytest.approx(theirs["cov"], abs=1e-12)
    test = delong(found["wfns"], found["s100b"])
    assert test.difference / test.error == pytest.approx(theirs["z"], abs=1e-9)
    assert test.p == pytest.approx(theirs["p"], abs=1e-9)

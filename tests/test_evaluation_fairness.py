"""Gaps between groups: fair models are not blamed, unfair ones are found, and small groups are told apart from fair ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.contracts.metric import Array, Sample
from core.contracts.outcome import Outcome
from core.evaluation.fairness import fairness_rows, one_sentence
from core.evaluation.groups import all_crossings, others
from core.evaluation.panel import make_panel
from core.evaluation.scoring import Scorer
from core.evaluation.verdicts import ADEQUATE, DISPARITY, NO_EVIDENCE, TOO_FEW, VERDICTS
from core.metrics.utility import promised_net_benefit

EVENT = Outcome("event", "Event", "binary", "It came.", desirable=False)


def rows_of(y: Array, risk: Array, model: str = "m") -> pd.DataFrame:
    n = len(y)
    ids = [f"c{number:05d}" for number in range(n)]
    return pd.DataFrame(
        {
            "case_id": ids, "patient_id": ids, "outcome": "event", "model": model, "split": "internal", "repeat": 0,
            "fold": np.arange(n) % 5, "y": y, "risk": risk, "days": np.nan, "event": np.nan, "by_day": None,
        }
    )  # fmt: skip


def judged(y: Array, risk: Array, groups: dict[str, Array], declared: str = "m", replicates: int = 300) -> pd.DataFrame:
    rows = rows_of(y, risk)
    table = pd.DataFrame(groups, index=rows["case_id"], dtype=bool)
    scorer = Scorer(make_panel(EVENT, "internal", rows, 0.3), replicates, 1)
    return pd.DataFrame(fairness_rows(scorer, table, declared))


def a_model(n: int, seed: int = 0) -> tuple[Array, Array, Array]:
    """Truth, calibrated risk, and sex; the model is as good for both."""
    rng = np.random.default_rng(seed)
    risk = 1 / (1 + np.exp(-rng.normal(-0.8, 1.2, n)))
    return (rng.random(n) < risk).astype(float), risk, rng.random(n) < 0.5


def of(table: pd.DataFrame, group: str, metric: str) -> pd.Series:
    return table[(table["group"] == group) & (table["metric"] == metric)].iloc[0]


def test_a_fair_model_on_many_patients_is_adequate() -> None:
    y, risk, female = a_model(12_000)
    table = judged(y, risk, {"sex=female": female, "sex=male": ~female})
    # Two net true alarms in a hundred are a small margin: to show that a gap is smaller takes more patients than these.
    assert set(table.loc[table["metric"] != "net_benefit", "verdict"]) == {ADEQUATE}
    assert DISPARITY not in set(table["verdict"])
    assert table["primary"].sum() == 4


def test_an_unfair_model_is_found_and_the_gap_has_its_sign() -> None:
    y, risk, female = a_model(6_000)
    told = np.where(female, risk * 0.5, risk)
    table = judged(y, told, {"sex=female": female, "sex=male": ~female})
    ratio = of(table, "sex=female", "oe_ratio")
    assert ratio["verdict"] == DISPARITY
    assert ratio["gap"] == pytest.approx(2.0, rel=0.1)
    assert ratio["gap_low"] > 1.25
    assert of(table, "sex=male", "oe_ratio")["gap"] == pytest.approx(1 / ratio["gap"])
    assert of(table, "sex=female", "recall")["gap"] < -0.1
    assert of(table, "sex=female", "auroc")["verdict"] == ADEQUATE


def test_few_patients_give_neither_a_gap_nor_its_absence() -> None:
    y, risk, female = a_model(200)
    table = judged(y, risk, {"sex=female": female, "sex=male": ~female})
    assert of(table, "sex=female", "auroc")["verdict"] == NO_EVIDENCE


def test_a_group_without_events_is_not_perfectly_fair() -> None:
    y, risk, _ = a_model(600)
    old = np.arange(600) < 60
    y = np.where(old, 0.0, y)
    table = judged(y, risk, {"age=75+": old, "age=<75": ~old})
    assert set(table["verdict"]) == {TOO_FEW}


def test_equal_groups_are_seldom_called_unequal() -> None:
    """An interval of the largest minus the smallest gap would never hold zero; that of a gap to the others does."""
    called, held = 0, 0
    for seed in range(60):
        y, risk, _ = a_model(800, seed)
        part = np.random.default_rng(1000 + seed).integers(4, size=800)
        table = judged(y, risk, {f"site={at}": part == at for at in range(4)}, declared="", replicates=200)
        auroc = table[table["metric"] == "auroc"]
        held += int(((auroc["gap_low"] <= 0) & (auroc["gap_high"] >= 0)).sum())
        called += int((auroc["verdict"] == DISPARITY).any())
    assert held >= 0.90 * 240
    assert called <= 6


def test_the_rates_are_those_of_fairlearn() -> None:
    from fairlearn.metrics import MetricFrame, false_positive_rate, true_positive_rate
    from sklearn.metrics import precision_score, roc_auc_score

    y, risk, female = a_model(900)
    table = judged(y, risk, {"sex=female": female, "sex=male": ~female}, replicates=50)
    sex = np.where(female, "sex=female", "sex=male")
    flagged = (risk >= 0.3).astype(int)
    rates = {"recall": true_positive_rate, "false_positive_rate": false_positive_rate, "precision": precision_score}
    frame = MetricFrame(metrics=rates, y_true=y, y_pred=flagged, sensitive_features=sex).by_group
    ranked = MetricFrame(metrics=roc_auc_score, y_true=y, y_pred=risk, sensitive_features=sex).by_group
    for group in ("sex=female", "sex=male"):
        for metric in rates:
            assert of(table, group, metric)["value"] == pytest.approx(frame.loc[group, metric], abs=1e-12)
        assert of(table, group, "auroc")["value"] == pytest.approx(ranked[group], abs=1e-12)
    gap = frame.loc["sex=female"] - frame.loc["sex=male"]
    assert of(table, "sex=female", "recall")["gap"] == pytest.approx(gap["recall"], abs=1e-12)


def test_others_are_the_other_levels_and_a_missing_value_is_in_neither() -> None:
    table = pd.DataFrame(
        {
            "sex=female": [True, False, False, False], "sex=male": [False, True, False, True],
            "age=old": [True, True, True, False], "age=young": [False, False, False, True],
            "sex=female & age=old": [True, False, False, False], "sex=male & age=old": [False, True, False, False],
            "sex=male & age=young": [False, False, False, True],
        }
    )  # fmt: skip
    assert others(table, "sex=female").tolist() == [False, True, False, True]
    assert others(table, "age=old").tolist() == [False, False, False, True]
    assert others(table, "sex=female & age=old").tolist() == [False, True, False, True]


def test_the_p_values_of_a_family_are_corrected_together() -> None:
    y, risk, female = a_model(700)
    table = judged(y, risk, {"sex=female": female, "sex=male": ~female})
    primary = table[table["primary"]]
    assert (primary["p_holm"] >= primary["p"]).all()
    assert primary["p_holm"].max() <= 1
    assert set(table["verdict"]) <= set(VERDICTS)


def test_only_the_declared_model_has_a_primary_analysis_and_its_sentence_counts_it() -> None:
    y, risk, female = a_model(6_000)
    groups = {"sex=female": female, "sex=male": ~female}
    table = judged(y, np.where(female, risk * 0.5, risk), groups)
    assert "disparity is seen in Sex: female (O/E)" in one_sentence(table, {"oe_ratio": "O/E"})
    assert not judged(y, risk, groups, declared="other")["primary"].any()
    assert "No group" in one_sentence(judged(y, risk, groups, declared="other"), {})


def test_any_two_groupings_are_crossed_for_the_declared_model_alone_and_small_cells_are_not_told() -> None:
    y, risk, female = a_model(3_000)
    old, ill = np.arange(3_000) % 3 == 0, np.arange(3_000) < 25
    table = pd.DataFrame(
        {"sex=female": female, "sex=male": ~female, "age=old": old, "age=young": ~old, "ill=yes": ill, "ill=no": ~ill},
        index=rows_of(y, risk)["case_id"],
    )
    crossed = all_crossings(table)
    rows = pd.concat([rows_of(y, risk), rows_of(y, 1 - risk, "n")])
    scorer = Scorer(make_panel(EVENT, "internal", rows, 0.3), 100, 1)
    found = pd.DataFrame(fairness_rows(scorer, table, "m", crossed))
    cells = found[found["group"].str.contains(" & ")]
    assert set(cells["model"]) == {"m"} and not cells["primary"].any()
    assert {"sex=female & age=old", "sex=male & ill=no", "age=young & ill=no"} <= set(cells["group"])
    assert cells["n"].min() >= 10
    few = cells[cells["verdict"] == TOO_FEW]
    assert len(few) and few["gap"].isna().all() and few["n_events"].notna().all()
    enough = cells[cells["verdict"] != TOO_FEW]
    assert set(enough["metric"]) >= {"auroc", "calibration_slope", "net_benefit"} and enough["gap_low"].notna().all()


def test_a_planted_gap_in_one_crossed_cell_is_found_there() -> None:
    y, risk, female = a_model(8_000)
    old = np.arange(8_000) % 2 == 0
    told = np.where(female & old, risk * 0.4, risk)
    table = pd.DataFrame(
        {"sex=female": female, "sex=male": ~female, "age=old": old, "age=young": ~old}, index=rows_of(y, told)["case_id"]
    )
    scorer = Scorer(make_panel(EVENT, "internal", rows_of(y, told), 0.3), 200, 1)
    found = pd.DataFrame(fairness_rows(scorer, table, "m", all_crossings(table)))
    assert of(found, "sex=female & age=old", "oe_ratio")["verdict"] == DISPARITY
    assert of(found, "sex=female & age=old", "oe_ratio")["gap"] > 1.5


def test_what_is_crossed_already_is_not_crossed_again() -> None:
    table = pd.DataFrame({"age=old": [True], "age=young": [False], "sex=female": [True]})
    known = table.assign(**{"sex=female & age=old": [True], "sex=female & age=young": [False]})
    assert list(all_crossings(table).columns) == ["age=old & sex=female", "age=young & sex=female"]
    assert all_crossings(known).empty


def test_a_fair_model_is_not_blamed_because_the_event_is_rarer_in_one_group() -> None:
    rng = np.random.default_rng(5)
    female = rng.random(20_000) < 0.5
    risk = 1 / (1 + np.exp(-rng.normal(np.where(female, -2.2, 0.2), 1.0)))
    y = (rng.random(20_000) < risk).astype(float)
    row = of(judged(y, risk, {"sex=female": female, "sex=male": ~female}), "sex=female", "net_benefit")
    assert row["value"] < row["rest"] - 0.1
    assert abs(row["gap"]) < 0.01 and row["verdict"] == ADEQUATE


def test_the_promised_net_benefit_by_hand() -> None:
    risk = np.array([0.6] * 10 + [0.1] * 90)
    sample = Sample(y=np.zeros(100), risk=risk, order=risk, threshold=0.2)
    assert promised_net_benefit(sample, np.ones((1, 100)))[0] == pytest.approx(0.05)


def test_a_table_of_many_groupings_is_not_crossed_without_end() -> None:
    table = pd.DataFrame({f"g{at}={level}": [True] for at in range(60) for level in "abc"})
    assert len(all_crossings(table).columns) <= 1000
    assert len(all_crossings(table, most=20).columns) == 18

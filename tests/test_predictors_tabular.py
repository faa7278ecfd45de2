"""Reference rules, clinical scores and models of a table."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.metrics import log_loss, roc_auc_score

from core.contracts.codebook import Codebook, Field
from core.contracts.cohort import Cases
from core.contracts.forecast import FitContext, Predictor
from core.contracts.outcome import Outcome
from core.errors import DataError, LeakageError, RecipeError, TrainingError
from core.outcomes import PREDICTORS
from core.outcomes._preprocessing import STAY, Known, RecordEncoder, as_numbers, as_texts, known_cases
from core.outcomes._tuning import Span, best_settings, candidates, flag_losses, inner_folds, stay_losses
from core.outcomes.clinical_scores import AGE, GROWTH, NEARNESS, SIZE, PointScore
from core.outcomes.tabular import LOGISTIC, BoostedTrees, TabularPredictor
from tests.fixtures_predictors import (
    CODEBOOK,
    COMPLICATION,
    LONG_STAY,
    RECOVERY,
    SUCCESS,
    blocks,
    made_up_cases,
    with_table,
    with_targets,
)

FROM_A_TABLE = ("logistic_regression", "random_forest", "gradient_boosting", "explainable_boosting", "clinical_score")


def fit(name: str, cases: Cases, *outcomes: Outcome, budget: int = 0, **options: object) -> Predictor:
    predictor = PREDICTORS.get(name).make(options)
    predictor.fit(cases, outcomes, FitContext(seed=3, tuning_budget=budget))
    return predictor


def record(n: int = 300, seed: int = 1, missing: float = 0.1) -> Cases:
    return blocks(made_up_cases(n, seed, missing), "record")


def permuted(cases: Cases, seed: int) -> Cases:
    assert cases.targets is not None
    order = np.random.default_rng(seed).permutation(len(cases.targets))
    return with_targets(cases, pd.DataFrame(cases.targets.to_numpy()[order], cases.targets.index, cases.targets.columns))


def auroc(predictor: Predictor, cases: Cases, outcome: Outcome) -> float:
    assert cases.targets is not None
    return float(roc_auc_score(cases.targets[outcome.name], predictor.predict(cases).risks[outcome.name]))


@pytest.mark.parametrize("name", FROM_A_TABLE)
def test_a_model_finds_a_signal_that_is_there(name: str) -> None:
    assert auroc(fit(name, record(), COMPLICATION), record(seed=9), COMPLICATION) > 0.75


@pytest.mark.parametrize("name", FROM_A_TABLE)
def test_a_model_of_permuted_outcomes_cannot_rank(name: str) -> None:
    fresh = record(600, seed=9)
    areas = [
        auroc(fit(name, permuted(record(150), seed), COMPLICATION), permuted(fresh, seed), COMPLICATION) for seed in (1, 2, 3)
    ]
    assert abs(float(np.mean(areas)) - 0.5) < 0.06


@pytest.mark.parametrize("name", ("logistic_regression", "gradient_boosting", "explainable_boosting"))
def test_the_mean_risk_is_near_the_share_of_events(name: str) -> None:
    cases = record()
    assert cases.targets is not None
    assert fit(name, cases, COMPLICATION).predict(cases).risks["complication"].mean() == pytest.approx(
        cases.targets["complication"].mean(), abs=0.02
    )


def test_the_base_rate_counts_only_the_eligible() -> None:
    cases = record(10, missing=0)
    assert cases.targets is not None
    cases.targets["success"] = [1, 1, 1, 0] + [math.nan] * 6
    assert fit("base_rate", cases, SUCCESS).predict(cases).risks["success"].tolist() == [0.75] * 10


def test_a_death_in_hospital_is_never_a_discharge_in_the_base_rate() -> None:
    cases = record(4, missing=0)
    assert cases.targets is not None
    cases.targets["recovery_days"], cases.targets["recovery_event"] = [1.0, 1.0, 3.0, math.inf], [1.0, 1.0, 1.0, 0.0]
    curve = fit("base_rate", cases, RECOVERY).predict(cases).times["recovery"].by_day[0]
    assert curve[[0, 1, 2, 3, 60]] == pytest.approx([0, 0.5, 0.5, 0.75, 0.75])


def test_the_one_field_rule_gives_the_rate_of_each_side() -> None:
    cases = blocks(made_up_cases(8, missing=0), "procedure")
    assert cases.targets is not None
    cases.table["surgery_type"] = ["open"] * 4 + ["robotic"] * 3 + [np.nan]
    cases.targets["long_stay"] = [1, 1, 1, 0, 0, 0, 1, 0]
    risks = fit("open_or_not", cases, LONG_STAY).predict(cases).risks["long_stay"]
    assert risks.tolist() == pytest.approx([0.75] * 4 + [1 / 3] * 3 + [0.5])


def test_the_one_field_rule_without_its_field_is_refused() -> None:
    with pytest.raises(DataError, match="surgery_type") as caught:
        fit("open_or_not", record(20), LONG_STAY)
    assert caught.value.code == "TAB_MISSING_COL"


def test_the_one_field_rule_asks_the_field_that_its_options_name() -> None:
    cases = record(8, missing=0)
    assert cases.targets is not None
    cases.table["smoking"], cases.targets["long_stay"] = ["current"] * 4 + ["never"] * 4, [1] * 4 + [0] * 4
    risks = fit("open_or_not", cases, LONG_STAY, field="smoking", level="current").predict(cases).risks["long_stay"]
    assert risks.tolist() == [1.0] * 4 + [0.0] * 4


def points_of(factor: object, name: str, values: list[float], unit: str = "") -> list[float]:
    score = PointScore((Field(name, "x", "number", "before", unit=unit),), (factor,))  # type: ignore[arg-type]
    table = pd.DataFrame({name: values})
    return list(score.fit(table).points(table))


def test_points_are_those_of_the_published_scores() -> None:
    assert points_of(AGE, "age", [49, 50, 69, 70, 80, 95]) == [0, 1, 2, 3, 4, 4]
    assert points_of(SIZE, "radiographic_size_mm", [10, 40, 40.1, 69.9, 70]) == [1, 1, 2, 2, 3]
    assert points_of(NEARNESS, "nearness_mm", [0, 4, 4.1, 6.9, 7, 20]) == [3, 3, 2, 2, 1, 1]
    assert points_of(GROWTH, "exophytic_share", [0, 0.01, 0.2, 0.5, 1]) == [3, 3, 2, 1, 1]


def test_a_size_in_centimetres_is_read_as_such() -> None:
    assert points_of(SIZE, "radiographic_size", [3.9, 4.1, 7.0], unit="cm") == [1, 2, 3]
    assert points_of(SIZE, "radiographic_size_cm", [3.9, 4.1, 7.0]) == [1, 2, 3]


def test_a_missing_factor_counts_its_usual_points() -> None:
    assert points_of(AGE, "age_years", [55, 55, 75, math.nan]) == [1, 1, 3, 1]


def test_a_clinical_score_without_any_factor_is_refused() -> None:
    codebook = Codebook((CODEBOOK["bmi"], CODEBOOK["diabetes"]))
    cases = record()
    bare = Cases(cases.table[["bmi", "diabetes"]], codebook, cases.patients, cases.targets)
    with pytest.raises(DataError, match="none of its factors"):
        fit("clinical_score", bare, COMPLICATION)


def test_a_clinical_score_learns_which_way_a_desirable_outcome_goes() -> None:
    cases = record()
    forecast = fit("clinical_score", cases, COMPLICATION, SUCCESS).predict(cases).risks
    assert np.corrcoef(forecast["complication"], forecast["success"])[0, 1] < -0.95


def test_a_nephrometry_score_takes_the_points_that_the_data_set_counted() -> None:
    cases = blocks(made_up_cases(200), "anatomy")
    predictor = fit("nephrometry_score", cases, COMPLICATION)
    score = predictor.pipelines["complication"][0]  # type: ignore[attr-defined]
    assert np.array_equal(score.points(cases.table), cases.table["nephrometry_points"])


def test_logistic_regression_equals_the_formula_of_its_exported_numbers() -> None:
    cases = record()
    predictor = fit("logistic_regression", cases, COMPLICATION)
    kept = predictor.export()  # type: ignore[attr-defined]
    arrays, parts = kept.arrays, kept.plain["outcomes"]["complication"]
    columns = []
    for column in parts["encode"]["columns"]:
        values = cases.table[column["field"]]
        columns.append(
            values == column["level"] if column["part"] == "level" else values.isna() if column["part"] == "missing" else values
        )
    raw = np.column_stack([np.asarray(values, dtype=float) for values in columns])
    filled = np.where(np.isnan(raw), arrays["complication.encode.fills"], raw)
    x = (filled - arrays["complication.encode.centres"]) / arrays["complication.encode.scales"]
    log_odds = x @ arrays["complication.model.coefficients"] + arrays["complication.model.intercept"]
    assert predictor.predict(cases).risks["complication"].to_numpy() == pytest.approx(1 / (1 + np.exp(-log_odds)), abs=1e-9)


def test_a_missing_number_becomes_the_median_and_says_that_it_was_missing() -> None:
    fields = (Field("x", "x", "number", "before"),)
    encoder = RecordEncoder(fields, scale=False)
    assert encoder.fit_transform(pd.DataFrame({"x": [1.0, 2.0, 9.0, math.nan]})).tolist() == [[1, 0], [2, 0], [9, 0], [2, 1]]
    assert list(encoder.get_feature_names_out()) == ["x", "x=missing"]


def test_a_missing_or_unknown_level_belongs_to_none() -> None:
    encoder = RecordEncoder((CODEBOOK["smoking"],)).fit(pd.DataFrame({"smoking": ["never", "former", "current"]}))
    assert encoder.transform(pd.DataFrame({"smoking": ["former", np.nan, "pipe"]})).tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]


def test_numbers_are_centred_and_divided_by_two_deviations_learned_in_training() -> None:
    encoder = RecordEncoder((CODEBOOK["bmi"],)).fit(pd.DataFrame({"bmi": [20.0, 30.0]}))
    assert encoder.transform(pd.DataFrame({"bmi": [25.0, 35.0]})).tolist() == [[0.0], [1.0]]


def test_stored_values_are_read_whatever_their_type() -> None:
    assert as_texts(pd.Series([1.0, 2, "3", np.nan, None])).tolist() == ["1", "2", "3", "", ""]
    numbers = as_numbers(pd.Series([True, False, "7", "x", None, np.inf], dtype=object))
    assert numbers[:3].tolist() == [1.0, 0.0, 7.0] and np.isnan(numbers[3:]).all()
    assert as_numbers(pd.Series([True, None], dtype="boolean"))[0] == 1.0


def test_columns_that_are_empty_or_constant_in_training_do_not_matter() -> None:
    cases = record()
    table = cases.table.copy()
    table["bmi"], table["diabetes"], table["smoking"] = np.nan, 1, None
    for name in FROM_A_TABLE:
        risks = fit(name, with_table(cases, table), COMPLICATION).predict(cases).risks["complication"]
        assert risks.nunique() > 5


def test_a_training_set_in_which_nothing_varies_is_refused() -> None:
    cases = record(30, missing=0)
    alike = pd.DataFrame(1, index=cases.table.index, columns=cases.table.columns)
    with pytest.raises(TrainingError, match="varies"):
        fit("logistic_regression", with_table(cases, alike), COMPLICATION)


def test_an_outcome_without_events_is_refused() -> None:
    cases = record(30)
    assert cases.targets is not None
    cases.targets["complication"] = 0.0
    with pytest.raises(TrainingError, match="0 events among 30") as caught:
        fit("gradient_boosting", cases, COMPLICATION)
    assert caught.value.code == "ONE_CLASS"


def test_a_field_known_only_after_the_operation_is_refused() -> None:
    cases = record()
    leaking = Codebook((*cases.codebook.fields, Field("blood_loss", "Blood loss", "number", "during")))
    table = cases.table.assign(blood_loss=1.0)
    with pytest.raises(LeakageError, match="blood_loss"):
        fit("logistic_regression", Cases(table, leaking, cases.patients, cases.targets), COMPLICATION)


def test_a_column_absent_when_asked_is_refused_by_name() -> None:
    predictor = fit("random_forest", record(), COMPLICATION)
    cases = record(5)
    with pytest.raises(DataError, match="age_years") as caught:
        predictor.predict(with_table(cases, cases.table.drop(columns="age_years")))
    assert caught.value.code == "TAB_MISSING_COL"


def test_an_option_of_another_type_is_refused() -> None:
    with pytest.raises(RecipeError, match="'C' was given 'much'"):
        PREDICTORS.get("logistic_regression").make({"C": "much"})


def test_an_option_changes_the_model() -> None:
    cases = record()
    loose = fit("logistic_regression", cases, COMPLICATION).predict(cases).risks["complication"]
    held = fit("logistic_regression", cases, COMPLICATION, C=1e-4).predict(cases).risks["complication"]
    assert held.std() < 0.2 * loose.std()


def test_each_outcome_learns_from_its_own_eligible_cases() -> None:
    cases = record()
    alone = fit("logistic_regression", cases, SUCCESS).predict(cases).risks["success"]
    beside = fit("logistic_regression", cases, COMPLICATION, SUCCESS).predict(cases).risks["success"]
    pd.testing.assert_series_equal(alone, beside)


def test_outcomes_of_another_kind_are_passed_over_and_none_is_refused() -> None:
    cases = record()
    assert list(fit("logistic_regression", cases, RECOVERY, COMPLICATION).predict(cases).risks) == ["complication"]
    with pytest.raises(TrainingError, match="serves none"):
        fit("logistic_regression", cases, RECOVERY)


def test_pipelines_can_be_cloned_and_fitted_again_as_scikit_learn_does() -> None:
    cases = record()
    predictor = fit("gradient_boosting", cases, COMPLICATION)
    assert isinstance(predictor, TabularPredictor)
    known = known_cases(cases, COMPLICATION)
    again = clone(predictor.pipelines["complication"]).fit(known.table, known.target)
    assert np.array_equal(again.predict_proba(known.table)[:, 1], predictor.predict(cases).risks["complication"])


def known_by_hand(target: list[int], patients: list[str]) -> Known:
    return Known(pd.DataFrame({"x": range(len(target))}), np.array(target), np.array(patients))


def test_no_patient_stands_on_both_sides_of_an_inner_fold() -> None:
    target = [0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1]
    known = known_by_hand(target, list("aabbccddeeff"))
    folds = inner_folds(known, 3, seed=1)
    assert len(folds) == 3
    for fold in folds:
        assert not set(known.patients[fold.train]) & set(known.patients[fold.test])
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(12))


def test_one_patient_with_the_event_leaves_nothing_to_search_on() -> None:
    assert inner_folds(known_by_hand([0, 0, 0, 1, 1], list("abcdd")), 3, seed=1) == []
    cases = record(40)
    assert cases.targets is not None
    cases.targets["complication"] = [1.0] + [0.0] * 39
    assert fit("logistic_regression", cases, COMPLICATION, budget=5).predict(cases).risks["complication"].between(0, 1).all()


@pytest.mark.parametrize("events", [2, 3, 5])
def test_a_search_with_few_events_still_ends(events: int) -> None:
    cases = record(40)
    assert cases.targets is not None
    cases.targets["complication"] = [1.0] * events + [0.0] * (40 - events)
    for name in ("logistic_regression", "gradient_boosting"):
        assert fit(name, cases, COMPLICATION, budget=2).predict(cases).risks["complication"].notna().all()


def test_a_search_tries_the_defaults_first_and_stays_in_its_space() -> None:
    space = {"a": Span(1e-3, 1e3, log=True), "b": Span(2, 9, whole=True)}
    tried = candidates({"a": 1.0, "b": 5, "c": "kept"}, space, 50, seed=4)
    assert len(tried) == 50 and tried[0] == {"a": 1.0, "b": 5, "c": "kept"}
    assert all(1e-3 <= t["a"] <= 1e3 and 2 <= t["b"] <= 9 and isinstance(t["b"], int) and t["c"] == "kept" for t in tried)
    assert tried == candidates({"a": 1.0, "b": 5, "c": "kept"}, space, 50, seed=4)


def test_a_search_mends_a_bad_start() -> None:
    known = known_cases(record(), COMPLICATION)
    context = FitContext(seed=1, tuning_budget=8)
    fields = record().codebook.fields
    chosen = best_settings(lambda s: LOGISTIC.build(fields, 1, s), {"C": 1e-6}, LOGISTIC.space, known, context)
    assert chosen["C"] > 0.01


def test_a_search_never_sees_the_test_fold() -> None:
    cases = record(200)
    train, test = cases.pick(cases.ids[:150]), cases.pick(cases.ids[150:])
    first = fit("logistic_regression", train, COMPLICATION, budget=4).predict(test).risks
    assert test.targets is not None
    flipped = with_targets(test, 1 - test.targets)
    again = fit("logistic_regression", train, COMPLICATION, budget=4).predict(flipped).risks
    pd.testing.assert_frame_equal(first, again)


def test_the_loss_is_scikit_learns() -> None:
    target, chance = np.array([0, 1, 1]), np.array([0.2, 0.7, 0.9])
    ours = flag_losses(target, np.column_stack([1 - chance, chance])).mean()
    assert ours == pytest.approx(log_loss(target, chance))


def test_the_loss_of_a_stay_is_the_chance_given_to_its_day() -> None:
    by_day = np.full((3, 61), 0.9)
    by_day[:, :3] = [0.1, 0.4, 0.8]
    stays = np.array([(1, True), (0, True), (61, False)], dtype=STAY)
    assert stay_losses(stays, by_day) == pytest.approx(-np.log([0.3, 0.1, 0.1]))


def test_boosted_trees_begin_where_they_are_told() -> None:
    rng = np.random.default_rng(1)
    x: NDArray[np.float64] = rng.normal(size=(80, 2))
    y = rng.random(80) < 0.5
    start = np.where(x[:, 0] > 0, 2.0, -2.0)
    undone = BoostedTrees(rounds=300, learning_rate=0.3, column_share=1.0).fit(x, y, start).log_odds(x)
    assert undone[start > 0].mean() < -1 and undone[start < 0].mean() > 1


def test_fitting_again_forgets_what_was_fitted_before() -> None:
    predictor = fit("logistic_regression", record(), COMPLICATION)
    predictor.fit(record(), (SUCCESS,), FitContext(seed=1))
    assert list(predictor.predict(record(5)).risks) == ["success"]

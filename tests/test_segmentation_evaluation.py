"""From counts of masks to the summary of a segmentation study: by hand, planted effects found, equal methods not told apart."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau, wilcoxon

from core.evaluation.bootstrap import Interval
from core.evaluation.multiplicity import holm
from core.evaluation.segmentation.ablations import VERDICTS, ablations, two_way, verdict
from core.evaluation.segmentation.cases import HUMAN, case_values, hashed_case, with_metrics
from core.evaluation.segmentation.comparisons import comparisons, signed_rank
from core.evaluation.segmentation.factors import factors, levels_of, robustness
from core.evaluation.segmentation.means import Board, Resampling, boards, intervals, scores
from core.evaluation.segmentation.ranks import Ranking, mean_tau, ranks_of
from tests.fixtures_mask_rows import ABLATION, PLANTED, dice_row, mask_rows, picture_facts_of, pictures, quality, recipe

RESAMPLING = Resampling(400, 7)


def values_of(*parts: pd.DataFrame) -> pd.DataFrame:
    return case_values(with_metrics(pd.concat(parts, ignore_index=True)))


def board_of(*parts: pd.DataFrame, resampling: Resampling = RESAMPLING) -> Board:
    (board,) = boards(values_of(*parts), resampling)
    return board


def scores_of(board: Board, groups: pd.DataFrame | None = None) -> pd.DataFrame:
    return pd.DataFrame(scores(board, pd.DataFrame(index=board.cases) if groups is None else groups))


# Cases and means


def test_a_hashed_case_is_twelve_hex_digits_that_depend_on_the_data_set() -> None:
    assert hashed_case("lidc", "a") == "f1d6685fa013"
    assert hashed_case("isic", "a") != hashed_case("lidc", "a")


def test_seeds_are_averaged_within_a_case_before_cases_are() -> None:
    first, second = mask_rows("unet", [0.4, 1.0]), mask_rows("unet", [0.6], repeat=1)
    row = dice_row(scores_of(board_of(first, second)))
    assert row["value"] == pytest.approx(0.75)
    assert (row["n"], row["n_patients"]) == (2, 2)
    assert list(values_of(first, second)["runs"]) == [2, 1]


def test_two_empty_masks_have_no_dice_and_are_counted_not_averaged() -> None:
    row = dice_row(scores_of(board_of(mask_rows("unet", [0.5, math.nan, 0.7, 0.9]))))
    assert row["value"] == pytest.approx(0.7)
    assert (row["n"], row["n_undefined"], row["n_patients"]) == (3, 1, 3)


def test_an_interval_is_that_of_the_percentiles_of_means_over_drawn_patients() -> None:
    dice = [0.2, 0.4, 0.5, 0.9, 0.8, 0.6]
    board = board_of(mask_rows("unet", dice, each=2))
    replicates = [np.average(dice, weights=column) for column in board.weights[:, 1:].T]
    assert set(board.weights[0]) > {0.0, 1.0, 2.0}
    assert (board.weights[0::2] == board.weights[1::2]).all(), "both cases of a patient are drawn together"
    row = dice_row(scores_of(board))
    assert [row["low"], row["high"]] == pytest.approx(list(np.quantile(replicates, [0.025, 0.975])))


def test_more_cases_of_the_same_patients_do_not_narrow_an_interval() -> None:
    few = quality(0.7, 20, 1)
    repeated = list(np.repeat(few, 10))
    widths = []
    for rows in (mask_rows("unet", few), mask_rows("unet", repeated, each=10), mask_rows("unet", repeated)):
        row = dice_row(scores_of(board_of(rows)))
        widths.append(row["high"] - row["low"])
    assert widths[1] == pytest.approx(widths[0])
    assert widths[2] < 0.5 * widths[1]


def test_of_two_patients_there_is_a_mean_and_no_interval() -> None:
    row = dice_row(scores_of(board_of(mask_rows("unet", [0.5, 0.6, 0.7, 0.8], each=2))))
    assert row["value"] == pytest.approx(0.65)
    assert math.isnan(row["low"]) and math.isnan(row["high"])


def test_groups_are_the_levels_of_attributes_and_a_missing_level_is_in_none() -> None:
    board = board_of(mask_rows("unet", [0.5, 0.7, 0.9, 1.0]))
    groups = pd.DataFrame({"site": ["north", "north", "south", None], "same": "x"}, index=board.cases)
    table = scores_of(board, groups)
    assert list(dict.fromkeys(table["group"])) == ["all", "site=north", "site=south"]
    assert dice_row(table, group="site=north")["value"] == pytest.approx(0.6)
    assert dice_row(table, group="site=south")["n"] == 1


def test_a_column_of_intervals_equals_the_interval_of_the_column_alone() -> None:
    values = np.random.default_rng(3).random((30, 4))
    values[:5, 2] = np.nan
    patients = np.asarray([f"p{i // 3}" for i in range(30)])
    weights = RESAMPLING.weights(patients)
    together = intervals(values, weights, patients)
    for at, found in enumerate(together):
        (alone,) = intervals(values[:, [at]], weights, patients)
        assert [found.value, found.low, found.high] == pytest.approx([alone.value, alone.low, alone.high])


# Pairs


def test_a_planted_difference_is_found_and_equals_wilcoxons_test_on_patients_means() -> None:
    better, worse = np.asarray(quality(0.8, 60, 1)), np.asarray(quality(0.7, 60, 2))
    table = pd.DataFrame(comparisons(board_of(mask_rows("a", better, each=3), mask_rows("b", worse, each=3))))
    row = dice_row(table)
    shown = np.round(better, 2) - np.round(worse, 2)
    assert row["difference"] == pytest.approx(shown.mean())
    assert 0 < row["low"] < row["difference"] < row["high"]
    assert row["p"] == pytest.approx(wilcoxon(shown.reshape(20, 3).mean(axis=1)).pvalue)
    assert row["p_holm"] == row["p"] < 0.01, "one pair needs no correction"


def test_equal_methods_are_not_told_apart() -> None:
    same = quality(0.8, 40, 1)
    row = dice_row(pd.DataFrame(comparisons(board_of(mask_rows("a", same), mask_rows("b", same)))))
    assert (row["difference"], row["low"], row["high"], row["p"], row["p_holm"]) == (0, 0, 0, 1, 1)


def test_methods_of_equal_quality_are_called_different_in_few_of_many_trials() -> None:
    wrong = 0
    for seed in range(60):
        dice = np.random.default_rng(seed).normal(0.8, 0.05, (5, 30))
        adjusted = holm([signed_rank(one - other) for one, other in itertools.combinations(dice, 2)])
        wrong += min(adjusted) < 0.05
    assert wrong <= 8, "at most 5 % of trials are expected to err, 3 of 60; 8 have a chance under 1 %"


def test_holm_is_as_worked_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([0.04, math.nan, 0.01])[0::2] == pytest.approx([0.04, 0.02]), "a missing test does not count"
    assert math.isnan(holm([0.04, math.nan, 0.01])[1])
    assert holm([]) == []


def test_holm_is_taken_over_all_pairs_of_one_metric() -> None:
    parts = [mask_rows(f"m{at}", quality(0.7 + 0.02 * at, 25, at)) for at in range(4)]
    table = pd.DataFrame(comparisons(board_of(*parts)))
    for _, rows in table.groupby("metric"):
        assert len(rows) == 6
        assert list(rows["p_holm"]) == pytest.approx(holm(list(rows["p"])))


def test_the_signed_rank_test_leaves_out_pairs_that_do_not_differ() -> None:
    assert signed_rank(np.asarray([0.0, 0.1, 0.2, 0.3, -0.4, 0.5])) == wilcoxon([0.1, 0.2, 0.3, -0.4, 0.5]).pvalue
    assert signed_rank(np.zeros(5)) == 1.0
    assert math.isnan(signed_rank(np.zeros(0)))


def test_readers_are_compared_on_the_cases_they_share_and_stand_in_no_family_of_tests() -> None:
    models = [mask_rows(name, quality(mean, 40, at)) for at, (name, mean) in enumerate((("a", 0.8), ("b", 0.7)))]
    readers = [mask_rows(HUMAN, quality(0.75, 15, 9 + repeat), repeat=repeat) for repeat in range(2)]
    table = pd.DataFrame(comparisons(board_of(*models, *readers)))
    people = table[(table["rival"] == HUMAN) & (table["metric"] == "dice")]
    assert list(people["model"]) == ["a", "b"] and list(people["n"]) == [15, 15]
    assert people["p"].notna().all() and people["p_holm"].isna().all()
    alone = pd.DataFrame(comparisons(board_of(*models)))
    ours = table[table["rival"] != HUMAN].reset_index(drop=True)
    pd.testing.assert_frame_equal(ours, alone)


def test_models_without_a_shared_case_are_not_compared() -> None:
    table = pd.DataFrame(comparisons(board_of(mask_rows("a", [0.5, 0.6, math.nan]), mask_rows("b", [math.nan, math.nan, 0.7]))))
    assert table.empty


# Ranks


def test_ranks_are_as_worked_by_hand() -> None:
    means = np.asarray([[0.8, 0.9, 0.7], [0.8, 0.8, 0.9], [0.5, np.nan, 0.6]])
    assert ranks_of(means, higher=True).tolist() == [[2, 1, 3], [2, 2, 1], [2, 3, 1]]
    assert ranks_of(means, higher=False).tolist() == [[2, 3, 1], [1, 1, 3], [1, 3, 2]]


def test_kendalls_tau_equals_scipys() -> None:
    ranks = ranks_of(np.random.default_rng(0).integers(0, 6, (40, 7)).astype(float), higher=True)
    assert mean_tau(ranks) == pytest.approx(np.mean([kendalltau(ranks[0], row).statistic for row in ranks[1:]]))
    assert math.isnan(mean_tau(np.ones((5, 1), dtype=np.int64)))


def test_a_method_that_is_better_on_every_case_is_first_in_every_sample() -> None:
    base = np.asarray(quality(0.5, 30, 4))
    ranking = Ranking()
    ranking.add(board_of(mask_rows("low", base), mask_rows("high", base + 0.2), mask_rows("middle", base + 0.1)))
    table = pd.DataFrame(ranking.ranks)
    for metric in ("dice", "nsd", "hd95"):
        found = table[table["metric"] == metric].set_index("model")
        assert dict(found["rank"]) == {"high": 1, "middle": 2, "low": 3}
        assert (found["low"] == found["rank"]).all() and (found["high"] == found["rank"]).all()
    assert {round(row["kendall_tau"], 9) for row in ranking.stability} == {1.0}


def test_ranks_of_equal_methods_are_spread_and_shares_add_up() -> None:
    ranking = Ranking()
    ranking.add(board_of(*(mask_rows(f"m{at}", quality(0.8, 40, at)) for at in range(4))))
    shares = pd.DataFrame(ranking.shares)
    assert shares.groupby(["metric", "model"])["share"].sum().to_numpy() == pytest.approx(1.0)
    dice = pd.DataFrame(ranking.ranks).query("metric == 'dice'")
    assert (dice["high"] - dice["low"]).max() >= 2
    assert next(row["kendall_tau"] for row in ranking.stability if row["metric"] == "dice") < 0.9


def test_readers_have_no_rank() -> None:
    ranking = Ranking()
    ranking.add(board_of(mask_rows("a", quality(0.8, 10, 1)), mask_rows(HUMAN, quality(0.9, 10, 2))))
    assert {row["model"] for row in ranking.ranks} == {"a"}
    assert {row["rank"] for row in ranking.ranks} == {1}


# Factors, faults and folds


def test_a_planted_weakness_on_small_regions_is_found() -> None:
    dice = [0.3] * 10 + [0.6] * 10 + [0.9] * 10
    table = pd.DataFrame(factors(board_of(mask_rows("unet", dice)), levels_of(picture_facts_of(), pictures())))
    found = table[(table["factor"] == "Size of the region") & (table["metric"] == "dice")].sort_values("order")
    assert list(found["level"]) == ["lowest third", "middle third", "highest third"]
    assert list(found["value"]) == pytest.approx([0.3, 0.6, 0.9])
    assert list(found["n"]) == [10, 10, 10]
    assert set(table["metric"]) == {"dice", "nsd", "assd"}
    assert dice_row(table, factor="Hospital", level="south")["value"] == pytest.approx(np.mean(dice[0::3]))


def test_a_factor_of_one_level_is_left_out() -> None:
    table = pd.DataFrame(factors(board_of(mask_rows("unet", quality(0.8, 30, 1))), levels_of(picture_facts_of(), pictures())))
    assert "Connected parts" not in set(table["factor"])
    assert "Border of the picture" in set(table["factor"])


def test_a_case_without_the_region_or_the_number_is_in_no_third() -> None:
    facts = picture_facts_of()
    facts.loc[0, "size"] = 0.0
    facts.loc[29, "contrast"] = np.nan
    levels = levels_of(facts, pictures())
    last, first = f"{PLANTED}c029", f"{PLANTED}c000"
    assert last not in set(levels[levels["factor"] == "Contrast to its surroundings"]["case_id"])
    assert last in set(levels[levels["factor"] == "Size of the region"]["case_id"])
    assert set(levels[levels["case_id"] == first]["factor"]) == {"Hospital"}


def test_where_no_case_holds_the_region_only_attributes_are_left() -> None:
    levels = levels_of(picture_facts_of().assign(size=0.0), pictures())
    assert set(levels["factor"]) == {"Hospital"}


def test_a_level_of_two_cases_is_not_told_and_does_not_leave_one_level_alone() -> None:
    facts = picture_facts_of().assign(touches_border=[1.0, 1.0, *[0.0] * 28])
    table = pd.DataFrame(factors(board_of(mask_rows("unet", quality(0.8, 30, 1))), levels_of(facts, pictures())))
    assert "Border of the picture" not in set(table["factor"])


def test_faults_are_held_against_the_same_cases_and_runs_without_a_fault() -> None:
    clean = [mask_rows("unet", [0.8, 0.7, 0.9, 0.1, 0.1]), mask_rows("unet", [0.2, 0.2, 0.2, 0.2, 0.2], repeat=1)]
    spoilt = [mask_rows("unet", dice, condition=f"noise:{at + 1}") for at, dice in enumerate(([0.7, 0.6, 0.8], [0.4, 0.3, 0.5]))]
    table = pd.DataFrame(robustness(with_metrics(pd.concat([*clean, *spoilt])), RESAMPLING)).sort_values("severity")
    assert list(table["corruption"]) == ["noise"] * 3 and list(table["severity"]) == [0, 1, 2]
    assert list(table["value"]) == pytest.approx([0.8, 0.7, 0.4])
    assert list(table["n"]) == [3, 3, 3]
    assert (table["low"] <= table["value"]).all() and (table["value"] <= table["high"]).all()


# Ablations


@pytest.mark.parametrize(
    ("word", "low", "high", "claimed"),
    [
        ("confirmed", 0.02, 0.06, (0.05, 0.10)),
        ("confirmed", 0.06, 0.08, (0.05, 0.10)),
        ("smaller", 0.01, 0.04, (0.05, 0.10)),
        ("larger", 0.11, 0.2, (0.05, 0.10)),
        ("helps", 0.01, 0.04, (math.nan, math.nan)),
        ("none seen", -0.02, 0.03, (0.05, 0.10)),
        ("none seen", -0.02, 0.005, (math.nan, math.nan)),
        ("reversed", -0.05, -0.01, (0.05, 0.10)),
        ("too few cases to say", -0.02, 0.07, (0.05, 0.10)),
        ("too few cases to say", -0.02, 0.02, (math.nan, math.nan)),
        ("too few cases to say", math.nan, math.nan, (0.05, 0.10)),
    ],
)
def test_every_verdict_follows_from_the_interval_and_the_claim(
    word: str, low: float, high: float, claimed: tuple[float, float]
) -> None:
    assert verdict(low, high, *claimed) == word
    assert word in VERDICTS


def test_no_verdict_is_out_of_reach() -> None:
    ends, claims = np.linspace(-0.2, 0.2, 21), ((0.05, 0.1), (math.nan, math.nan))
    found = {verdict(low, high, *claim) for low, high in itertools.product(ends, ends) if low <= high for claim in claims}
    assert found == set(VERDICTS)


def ablation_of(*parts: pd.DataFrame) -> pd.Series:
    asked = recipe(["unet", "bare"], ablations=[ABLATION]).ablations
    return dice_row(pd.DataFrame(ablations(with_metrics(pd.concat(parts)), asked, RESAMPLING)))


def test_a_planted_effect_of_the_claimed_size_is_confirmed() -> None:
    parts = [mask_rows("unet", quality(0.80, 60, seed), repeat=seed) for seed in range(3)]
    parts += [mask_rows("bare", quality(0.73, 60, 10 + seed), repeat=seed) for seed in range(3)]
    row = ablation_of(*parts)
    assert row["difference"] == pytest.approx(0.07, abs=0.01)
    assert (row["verdict"], row["n"], row["seeds"], row["folds"]) == ("confirmed", 60, 3, 5)
    assert (row["claimed_low"], row["claimed_high"]) == (0.05, 0.1)


def test_no_effect_is_called_none_seen_when_the_interval_ends_below_the_claim() -> None:
    same = quality(0.8, 60, 1)
    assert ablation_of(mask_rows("unet", same), mask_rows("bare", list(reversed(same))))["verdict"] == "none seen"


def test_few_noisy_cases_are_too_few_to_say() -> None:
    row = ablation_of(mask_rows("unet", [0.9, 0.5, 0.7, 0.8]), mask_rows("bare", [0.6, 0.7, 0.6, 0.7]))
    assert row["low"] < 0 and row["high"] > 0.05 and row["verdict"] == "too few cases to say"
    assert ablation_of(mask_rows("unet", [0.9, 0.8]), mask_rows("bare", [0.1, 0.1]))["verdict"] == "too few cases to say"


def test_seeds_that_disagree_widen_the_interval_though_cases_agree() -> None:
    weights = RESAMPLING.weights(np.asarray([f"p{i}" for i in range(50)]))
    steady = np.full((50, 3), 0.05) + np.random.default_rng(0).normal(0, 0.01, (50, 3))
    shaky = steady + np.asarray([-0.06, 0.0, 0.06])
    narrow, wide = two_way(steady, weights, 1), two_way(shaky, weights, 1)
    assert wide.value == pytest.approx(narrow.value)
    assert wide.high - wide.low > 5 * (narrow.high - narrow.low)


def test_with_one_seed_the_interval_is_that_of_the_patients() -> None:
    patients = np.asarray([f"p{i}" for i in range(40)])
    weights, values = RESAMPLING.weights(patients), np.random.default_rng(1).normal(0.03, 0.1, (40, 1))
    (expected,) = intervals(values, weights, patients)
    found = two_way(values, weights, 5)
    assert [found.value, found.low, found.high] == pytest.approx([expected.value, expected.low, expected.high])


def test_a_seed_that_ran_on_some_cases_counts_where_it_ran() -> None:
    parts = [mask_rows("unet", [0.8] * 10), mask_rows("unet", [0.9] * 5, repeat=1)]
    parts += [mask_rows("bare", [0.7] * 10), mask_rows("bare", [0.7] * 5, repeat=1)]
    row = ablation_of(*parts)
    assert row["difference"] == pytest.approx((10 * 0.1 + 5 * 0.2) / 15)
    assert (row["n"], row["seeds"]) == (10, 2)


def test_an_interval_without_a_value_stays_without() -> None:
    (found,) = intervals(np.full((5, 1), np.nan), np.ones((5, 30)), np.asarray(list("abcde")))
    assert isinstance(found, Interval) and math.isnan(found.value) and math.isnan(found.low)

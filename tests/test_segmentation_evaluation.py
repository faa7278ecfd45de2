"""From counts of masks to the summary of a segmentation study: by hand, planted effects found, equal methods not told apart."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau, wilcoxon

from core.contracts.pictures import Picture, PictureSet, Region
from core.contracts.segmentation_recipe import SegmentationRecipe
from core.evaluation.bootstrap import Interval
from core.evaluation.segmentation.ablations import VERDICTS, ablations, two_way, verdict
from core.evaluation.segmentation.across import across_studies, agreement, is_ablation_study, mean_ranks
from core.evaluation.segmentation.cases import HUMAN, case_values, hashed_case, with_metrics
from core.evaluation.segmentation.comparisons import comparisons, holm, signed_rank
from core.evaluation.segmentation.factors import factors, level_patients, levels_of, robustness
from core.evaluation.segmentation.means import Board, Resampling, boards, intervals, scores
from core.evaluation.segmentation.publish import for_publication
from core.evaluation.segmentation.ranks import Ranking, mean_tau, ranks_of
from core.evaluation.segmentation.reported import BEST_PUBLISHED, CLAIMS, best_published_for, reported, reported_for
from core.evaluation.segmentation.summary import summarise_segmentation
from core.storage.results import MASK_COLUMNS
from core.storage.summaries import SEGMENTATION_TABLES, StudySummary, read_summary, write_summary

PLANTED = "zq7"
"""Stands in every case and patient id, and nowhere else."""
RESAMPLING = Resampling(400, 7)


def mask_rows(
    model: str, dice: Sequence[float], *, each: int = 1, repeat: int = 0, split: str = "internal", condition: str = "clean"
) -> pd.DataFrame:
    """One row a case: 100 pixels drawn and 100 predicted, so that the share that is right is Dice, and also surface Dice.

    NaN stands for two empty masks. ``each`` cases belong to one patient.
    """
    right = np.asarray([0 if math.isnan(value) else round(100 * value) for value in dice])
    empty = np.isnan(np.asarray(dice, dtype=float))
    full = np.where(empty, 0, 100)
    numbers = np.arange(len(dice))
    distance = np.where(empty, np.nan, (100 - right) / 10)
    columns = {
        "case_id": [f"{PLANTED}c{i:03d}" for i in numbers], "patient_id": [f"{PLANTED}p{i // each:03d}" for i in numbers],
        "region": "lesion", "model": model, "base_model": model, "split": split, "repeat": repeat, "fold": numbers % 5,
        "condition": condition, "tp": right, "fp": full - right, "fn": full - right, "tn": 1000, "border_reference": full,
        "border_predicted": full, "border_reference_near": right, "border_predicted_near": right, "hd95": distance,
        "hd": distance, "assd": distance / 2, "lesions": np.where(empty, 0, 1), "lesions_found": (right > 0).astype(int),
        "lesions_predicted": np.where(empty, 0, 1), "lesions_false": 0,
    }  # fmt: skip
    return pd.DataFrame(columns)[list(MASK_COLUMNS)]


def values_of(*parts: pd.DataFrame) -> pd.DataFrame:
    return case_values(with_metrics(pd.concat(parts, ignore_index=True)))


def board_of(*parts: pd.DataFrame, resampling: Resampling = RESAMPLING) -> Board:
    (board,) = boards(values_of(*parts), resampling)
    return board


def scores_of(board: Board, groups: pd.DataFrame | None = None) -> pd.DataFrame:
    return pd.DataFrame(scores(board, pd.DataFrame(index=board.cases) if groups is None else groups))


def dice_row(table: pd.DataFrame, **equals: object) -> pd.Series:
    for column, value in {"metric": "dice", **equals}.items():
        table = table[table[column] == value]
    assert len(table) == 1
    return table.iloc[0]


def quality(mean: float, n: int, seed: int, spread: float = 0.05) -> list[float]:
    """Dice of n cases around a mean."""
    return list(np.clip(np.random.default_rng(seed).normal(mean, spread, n), 0.02, 1.0))


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


class NoSource:
    def read(self, case_id: str) -> Picture:
        raise NotImplementedError


def pictures(n: int = 30, each: int = 1, **changes: Any) -> PictureSet:
    ids = [f"{PLANTED}c{i:03d}" for i in range(n)]
    table = pd.DataFrame(
        {
            "patient_id": [f"{PLANTED}p{i // each:03d}" for i in range(n)],
            "site": ["north" if i % 3 else "south" for i in range(n)],
        },
        index=pd.Index(ids, name="case_id"),
    )
    facts: dict[str, Any] = {"attributes": (("site", "Hospital"),), "regions": (Region("lesion", "Lesion"),), **changes}
    return PictureSet("planted", "Planted", table, 2, ("grey",), source=NoSource(), internal=tuple(ids), **facts)


def picture_facts_of(n: int = 30) -> pd.DataFrame:
    """Sizes rise with the number of the case."""
    return pd.DataFrame(
        {
            "case_id": [f"{PLANTED}c{i:03d}" for i in range(n)], "region": "lesion", "size": np.arange(1.0, n + 1),
            "share": np.arange(1, n + 1) / 100, "touches_border": [float(i % 2) for i in range(n)], "parts": 1,
            "contrast": np.linspace(0, 3, n), "sharpness": np.linspace(2, 1, n), "noise": 0.1,
        }
    )  # fmt: skip


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


def test_patients_of_a_level_are_counted_not_cases() -> None:
    board = board_of(mask_rows("unet", quality(0.8, 30, 1), each=3))
    counts = pd.DataFrame(level_patients(board, levels_of(picture_facts_of(), pictures(each=3))))
    size = counts[counts["factor"] == "Size of the region"].set_index("level")["n_patients"]
    assert dict(size) == {"lowest third": 4, "middle third": 4, "highest third": 4}


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


def recipe(models: Sequence[str], **changes: Any) -> SegmentationRecipe:
    plain: dict[str, Any] = {
        "name": "planted_study", "kind": "segmentation", "title": "Planted", "question": "Which?", "dataset": {"name": "planted"},
        "models": [{"name": name} for name in models], "evaluation": {"bootstrap": 300}, "seed": 3, **changes,
    }  # fmt: skip
    return SegmentationRecipe.model_validate(plain)


ABLATION = {"name": "skips", "label": "Skips", "baseline": "unet", "arms": ["bare"], "claimed": [5, 10]}


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


# The summary and its sentences


def facts_of(name: str, family: str, label: str = "") -> dict[str, Any]:
    return {
        "name": name, "base_model": name, "label": label or name.replace("_", " ").capitalize(), "family": family,
        "description": "", "reference": "", "is_network": family == "network", "choice": {}, "options": {}, "parameters": 1,
    }  # fmt: skip


FAMILIES = {"disc": "reference", "otsu": "classical", "forest": "classical", HUMAN: "reference"}


def study(
    dice: Mapping[str, Sequence[float]], *further: pd.DataFrame, each: int = 1, pictured: PictureSet | None = None, **changes: Any
) -> StudySummary:
    """The summary of a study in which those models had those values of Dice."""
    n = max(len(values) for values in dice.values())
    pictured = pictured or pictures(n, each)
    rows = pd.concat([*(mask_rows(name, values, each=each) for name, values in dice.items()), *further], ignore_index=True)
    ours = [name for name in dict.fromkeys(rows["model"]) if name != HUMAN]
    cases = list(pictured.internal)
    sides = [
        ("internal", fold, "test" if at % 5 == fold else "train", case) for fold in range(5) for at, case in enumerate(cases)
    ]
    return summarise_segmentation(
        pictures=pictured,
        recipe=recipe(ours, **changes),
        rows=rows,
        facts=picture_facts_of(n),
        models=[facts_of(name, FAMILIES.get(name, "network")) for name in ours],
        run={"run_id": "r1", "created": "today", "profile": "cpu", "provenance": {"code": "x"}},
        cost=pd.DataFrame({"model": ours, "fits": 5}),
        folds=pd.DataFrame(sides, columns=["split", "fold", "side", "case_id"]),
        skipped=("One thing.",),
        progress=lambda phrase, share: None,
    )


def says(summary: StudySummary) -> str:
    return str(summary.info["headlines"]["lesion"])


def test_a_network_that_is_better_wins_with_interval_and_lead_over_the_best_classical_method() -> None:
    found = study({"unet": quality(0.85, 60, 1), "otsu": quality(0.5, 60, 2), "forest": quality(0.6, 60, 3)})
    told = says(found)
    assert told.startswith("Unet outlines best of 3 methods, with a mean Dice of 0.85 (0.8")
    assert "60 cases); every other method is behind it by more than chance." in told
    assert "The best classical method, Forest, is 2" in told and "points of Dice behind (2" in told


def test_a_classical_method_may_win() -> None:
    told = says(study({"unet": quality(0.6, 60, 1), "otsu": quality(0.8, 60, 2)}))
    assert told.startswith("Otsu outlines best of 2 methods")
    assert "The best network, Unet, is" in told


def test_networks_that_cannot_be_told_apart_are_named_and_the_needed_cases_told() -> None:
    summary = study({"unet": quality(0.8, 40, 1, 0.1), "segnet": quality(0.8, 40, 2, 0.1), "otsu": quality(0.4, 40, 3)})
    assert "it cannot be told apart from" in says(summary)
    change = summary.info["change"]["lesion"]
    assert "40 test cases in 5 folds" in change and "apart" in change and "cases" in change
    assert "Pictures of other hospitals were not part of it." in change
    assert summary.info["suitability"]["lesion"]["pairs"] == 3 and summary.info["suitability"]["lesion"]["apart"] == 2


def test_a_winner_that_is_no_better_than_a_disc_is_told_so() -> None:
    disc = quality(0.6, 50, 1)
    assert "No method is ahead of Disc" in says(study({"unet": quality(0.6, 50, 2), "disc": disc}))
    assert "No method is ahead of Disc" in says(study({"unet": quality(0.4, 50, 2), "disc": disc}))
    told = says(study({"unet": quality(0.8, 50, 2), "disc": disc}))
    assert "Disc, which does not look at the picture, is" in told and "No method" not in told
    assert told.startswith("Unet is the one method judged")


def test_people_are_the_line_that_the_best_method_stands_above_or_below() -> None:
    readers = [mask_rows(HUMAN, quality(0.82, 30, 5 + at), repeat=at) for at in range(4)]
    told = says(study({"unet": quality(0.75, 50, 1), "otsu": quality(0.5, 50, 2)}, *readers))
    assert "Readers agree with each other at 0.81" in told and "points behind them (-" in told
    summary = study({"unet": quality(0.9, 50, 1)}, *readers)
    assert "points ahead of them (+" in says(summary)
    assert summary.model(HUMAN)["family"] == "reference"
    assert dice_row(summary.tables["scores"], model=HUMAN, group="all")["n"] == 30
    assert HUMAN not in set(summary.tables["ranks"]["model"])


def test_splits_set_apart_are_judged_apart_and_told() -> None:
    outside = [mask_rows("unet", quality(mean, 20, 7), split=f"external:site={at}") for at, mean in enumerate((0.5, 0.7))]
    summary = study({"unet": quality(0.8, 50, 1), "otsu": quality(0.6, 50, 2)}, *outside)
    assert dice_row(summary.tables["scores"], split="internal", model="unet", group="all")["n"] == 50
    assert dice_row(summary.tables["scores"], split="external:site=0", model="unet", group="all")["n"] == 20
    assert set(summary.tables["comparisons"]["split"]) == {"internal"}


def test_a_study_of_parts_tells_verdicts_and_not_a_winner() -> None:
    dice = {"unet": quality(0.8, 60, 1), "bare": quality(0.73, 60, 2)}
    summary = study(dice, ablations=[ABLATION])
    assert is_ablation_study(summary.info)
    assert says(summary) == "1 comparisons of a method with and without a part, by Dice: confirmed: 1 (Skips)."
    assert not is_ablation_study(study({**dice, "segnet": quality(0.7, 60, 3)}, ablations=[ABLATION]).info)


def test_a_summary_has_every_table_with_its_columns_and_can_be_written_and_read(tmp_path: Path) -> None:
    faults = mask_rows("unet", quality(0.6, 10, 4), condition="blur:1")
    summary = study({"unet": quality(0.8, 30, 1), "otsu": [math.nan, *quality(0.6, 29, 2)]}, faults)
    assert set(summary.tables) == set(SEGMENTATION_TABLES)
    for name, columns in SEGMENTATION_TABLES.items():
        assert tuple(summary.tables[name].columns) == columns
        assert len(summary.tables[name]) or name == "ablations"
    write_summary(tmp_path, summary)
    again = read_summary(tmp_path)
    assert json.loads(json.dumps(again.info)) == again.info
    pd.testing.assert_frame_equal(again.tables["scores"], summary.tables["scores"], check_dtype=False)


def test_no_patient_and_no_case_is_named_in_a_summary() -> None:
    summary = study({"unet": quality(0.8, 30, 1), "otsu": quality(0.6, 30, 2)})
    assert PLANTED not in json.dumps(summary.info)
    for table in summary.tables.values():
        assert not table.astype(str).map(lambda text: PLANTED in text).to_numpy().any()
    cases = summary.tables["cases"]
    row = cases[(cases["model"] == "unet") & (cases["case"] == hashed_case("planted", f"{PLANTED}c004"))]
    assert list(row["size"]) == [5.0] and list(row["dice"]) == [round(quality(0.8, 30, 1)[4], 2)]


def test_facts_of_the_study_are_told_as_pages_read_them() -> None:
    info = study({"unet": quality(0.8, 30, 1), "otsu": [math.nan, *quality(0.6, 29, 2)]}).info
    assert (info["kind"], info["min_cell"], info["published"], info["rows_available"]) == ("segmentation", 10, False, True)
    assert info["splits"] == [
        {"name": "internal", "label": "Cross-validation", "note": "Patients of a test fold were never learned from.",
         "n_train": 24, "n_test": 30}
    ]  # fmt: skip
    assert info["dataset"]["n_patients"] == 30 and info["dataset"]["unit"] == "px"
    assert info["empty_masks"]["lesion"]["models"]["otsu"]["rightly_empty"] == 1
    assert {"dice", "hd95", "nsd"} <= {metric["name"] for metric in info["metrics"]}
    assert info["verdicts"] == VERDICTS and info["skipped"] == ["One thing."]


def test_folds_tell_whether_their_sides_are_alike() -> None:
    table = study({"unet": quality(0.8, 30, 1)}).tables["folds"]
    side = table[(table["fold"] == 0) & (table["side"] == "test")].set_index("measure")["value"]
    tested = np.arange(0, 30, 5)
    assert side["cases"] == side["patients"] == 6
    assert side["mean share of the picture: Lesion"] == pytest.approx(np.mean(tested + 1) / 100)
    assert side["Hospital: south"] == pytest.approx(np.mean(tested % 3 == 0))
    assert side["share of empty masks: Lesion"] == 0


def test_a_published_study_keeps_scores_by_case_and_drops_groups_of_few_patients() -> None:
    summary = study({"unet": quality(0.8, 30, 1), "otsu": quality(0.6, 30, 2)}, each=2, pictured=pictures(30, 2))
    told = for_publication(summary, 10)
    assert told.info["published"] and not told.info["rows_available"] and told.info["min_cell"] == 10
    assert len(told.tables["cases"]) == 60
    before, after = (set(one.tables["scores"]["group"]) for one in (summary, told))
    assert before == {"all", "site=north", "site=south"} and after == {"all", "site=north", "site=south"}
    assert "lowest third" in set(summary.tables["factors"]["level"])
    assert "lowest third" not in set(told.tables["factors"]["level"]), "ten cases, but five patients"
    assert set(told.tables["factors"]["level"]) == {"north", "south", "inside", "touches the border"}
    stricter = for_publication(summary, 12)
    assert set(stricter.tables["scores"]["group"]) == {"all", "site=north"}
    assert set(stricter.tables["factors"]["level"]) == {"north", "inside", "touches the border"}
    assert all(item["n_patients"] >= 12 for item in stricter.info["level_patients"])
    everything = for_publication(summary, 1)
    assert len(everything.tables["factors"]) == len(summary.tables["factors"])


# Several studies, and what others report


def test_ranks_across_data_sets_are_as_counted_by_hand() -> None:
    base = np.asarray(quality(0.5, 30, 1))
    one = study({"unet": base + 0.2, "segnet": base + 0.1, "otsu": base}, name="first_study")
    other = study({"unet": base + 0.1, "segnet": base + 0.2, "otsu": base}, name="second_study")
    parts = study({"unet": base, "bare": base}, ablations=[ABLATION])
    table = across_studies([one, other, parts])
    assert set(table["study"]) == {"first_study", "second_study"} and set(table["of"]) == {3}
    ranked = mean_ranks(table).set_index("model")
    assert dict(ranked["mean_rank"]) == {"segnet": 1.5, "unet": 1.5, "otsu": 3.0}
    assert (ranked.loc["unet", "best"], ranked.loc["unet", "worst"], ranked.loc["unet", "studies"]) == (1, 2, 2)
    assert agreement(table) == pytest.approx(1 / 3), "two pairs of three stand alike"
    assert math.isnan(agreement(across_studies([one]))), "one ranking agrees with nothing"
    assert across_studies([]).empty


def test_a_method_of_one_data_set_does_not_lead_those_judged_on_both() -> None:
    base = np.asarray(quality(0.5, 30, 1))
    one = study({"unet": base, "otsu": base + 0.1}, name="first_study")
    other = study({"unet": base, "otsu": base + 0.1, "dynunet": base + 0.3}, name="second_study")
    assert list(mean_ranks(across_studies([one, other]))["model"]) == ["otsu", "unet", "dynunet"]


def test_the_source_studys_table_is_as_it_was_printed() -> None:
    found = {(item.metric, item.dataset, item.model): item.value for item in reported()}
    assert len(found) == 75
    assert [found["dice", name, "unet"] for name in ("BraTS", "ISIC", "LUNA")] == [0.85, 0.88, 0.87]
    assert [found["jaccard", "LUNA", model] for model in ("unet", "segnet", "mask_rcnn", "fcn", "cnn")] == [
        0.77, 0.75, 0.72, 0.70, 0.66,
    ]  # fmt: skip
    assert found["specificity", "ISIC", "cnn"] == 0.85 and found["sensitivity", "BraTS", "mask_rcnn"] == 0.83
    assert {item.dataset for item in reported_for("lgg")} == {"BraTS"} and reported_for("phantom") == ()


def test_claims_and_best_published_numbers_name_their_source() -> None:
    assert {claim.part: (claim.low, claim.high) for claim in CLAIMS} == {
        "skips": (5, 10), "attention": (2, 5), "augmentation": (3, 7), "normalisation": (2, 4), "loss": (3, 6),
    }  # fmt: skip
    assert all(item.source and 0 < item.value < 1 for item in BEST_PUBLISHED)
    assert {item.dataset for item in best_published_for("lgg")} == {"TCGA-LGG", "BraTS 2021"}
    assert best_published_for("phantom") == ()


def test_an_interval_without_a_value_stays_without() -> None:
    (found,) = intervals(np.full((5, 1), np.nan), np.ones((5, 30)), np.asarray(list("abcde")))
    assert isinstance(found, Interval) and math.isnan(found.value) and math.isnan(found.low)

"""Charts of segmentation studies and the tables behind them: pure functions, no page."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.storage.summaries import StudySummary
from dashboard.charts import (
    ablations,
    case_scores,
    error_rows,
    factors,
    look,
    mask_leaderboard,
    mask_rows,
    ranks,
    significance,
    trade,
)
from dashboard.charts.mask_rows import MaskMetric
from tests.fixtures_segmentation import METHODS, segmentation_study

LOWER = MaskMetric("hd95", "HD95", "px", "lower", compared=True)


@pytest.fixture(scope="module")
def study() -> StudySummary:
    return segmentation_study()


@pytest.fixture(scope="module")
def dice(study: StudySummary) -> MaskMetric:
    return mask_rows.metrics_of(study)["dice"]


@pytest.fixture(scope="module")
def board(study: StudySummary, dice: MaskMetric) -> pd.DataFrame:
    return mask_rows.board(study, "tumour", "internal", dice)


def test_metrics_that_most_readers_ask_for_come_first_and_carry_the_unit_of_the_data(study: StudySummary) -> None:
    metrics = mask_rows.metrics_of(study)
    assert list(metrics)[:3] == ["dice", "nsd", "hd95"]
    assert metrics["hd95"].axis == "HD95 (px)" and metrics["hd95"].value(4.06) == "4.1 px"
    assert metrics["dice"].with_interval(0.8, 0.7, 0.9) == "0.80 (0.70 to 0.90)"


def test_the_leaderboard_keeps_families_together_and_puts_the_best_first(board: pd.DataFrame) -> None:
    assert list(dict.fromkeys(board["family"])) == ["reference", "classical", "network", "anchor"]
    for _, group in board.groupby("family"):
        assert group["value"].is_monotonic_decreasing
    assert len(board) == len(METHODS)


def test_of_a_distance_the_smallest_is_the_best(study: StudySummary) -> None:
    metrics = mask_rows.metrics_of(study)
    table = mask_rows.board(study, "tumour", "internal", metrics["hd95"])
    best = mask_rows.best_of(table, metrics["hd95"])
    rivals = table[table["family"] != "reference"].set_index("model")["value"]
    assert rivals[best] == rivals.min()


def test_the_best_is_never_a_baseline_nor_the_readers(board: pd.DataFrame, dice: MaskMetric) -> None:
    assert mask_rows.best_of(board, dice) == "dynunet"
    assert mask_rows.best_of(board, dice, ("classical",)) == "random_forest"
    assert mask_rows.best_of(board, dice, ("recovery",)) == ""


def test_a_stored_pair_reads_the_same_from_both_ends(study: StudySummary) -> None:
    there = mask_rows.pair(study, "tumour", "internal", "dice", "unet", "cnn")
    back = mask_rows.pair(study, "tumour", "internal", "dice", "cnn", "unet")
    assert there is not None and back is not None
    assert there["difference"] == -back["difference"] > 0
    assert (there["low"], there["high"]) == (-back["high"], -back["low"])
    assert mask_rows.pair(study, "tumour", "internal", "dice", "unet", "nobody") is None


def test_every_drawn_score_has_an_interval_its_words_and_its_costs(board: pd.DataFrame, dice: MaskMetric) -> None:
    figure = mask_leaderboard.forest(board, dice)
    assert len(figure.data) == len(board)
    assert all(trace.error_x.array[0] > 0 and trace.error_x.arrayminus[0] > 0 for trace in figure.data)
    written = [note.text for note in figure.layout.annotations]
    assert all(dice.with_interval(row["value"], row["low"], row["high"]) in written for _, row in board.iterrows())
    assert "486 k" in written and "20 min" in written and "2.1 M" in written


def test_the_readers_are_a_grey_band_across_the_leaderboard(board: pd.DataFrame, dice: MaskMetric) -> None:
    people = board.set_index("model").loc["human_readers"]
    shapes = mask_leaderboard.forest(board, dice).layout.shapes
    assert [(shape.x0, shape.x1) for shape in shapes if shape.type == "rect"] == [(people["low"], people["high"])]
    assert all(look.mark_of(name, "reference").colour == look.GREY for name in ("human_readers", "centred_disc"))
    without = board[board["model"] != "human_readers"]
    assert not mask_leaderboard.forest(without, dice).layout.shapes


def test_a_method_keeps_its_colour_in_every_figure(study: StudySummary, board: pd.DataFrame, dice: MaskMetric) -> None:
    colour = look.mark_of("unet", "network").colour
    rows = mask_rows.case_rows(study, "tumour", "internal")
    forest = {trace.customdata[0][0]: trace.marker.color for trace in mask_leaderboard.forest(board, dice).data}
    assert forest["unet"] == colour
    assert next(t for t in trade.trade(board, dice, "parameters").data if t.name == "U-Net").marker.color == colour
    assert next(t for t in case_scores.against_size(rows, ["unet"], dice, "size").data).marker.color == colour
    faults = error_rows.robustness_rows(study, "tumour", "internal", ["unet"])
    assert factors.by_severity(faults).data[0].line.color == colour


@pytest.mark.parametrize(
    ("count", "told"), [(0, "none"), (1240, "1,240"), (659_600, "660 k"), (2_110_000, "2.1 M"), (np.nan, "")]
)
def test_trained_numbers_are_told_shortly(count: float, told: str) -> None:
    assert mask_leaderboard.count_words(count) == told


def test_a_cost_of_nothing_stands_at_the_left_edge_of_a_logarithmic_axis(board: pd.DataFrame, dice: MaskMetric) -> None:
    figure = trade.trade(board, dice, "parameters")
    places = {trace.name: trace.x[0] for trace in figure.data}
    assert 0 < places["Otsu threshold"] < min(places["U-Net"], places["SegNet"])
    assert "left edge: none" in [note.text for note in figure.layout.annotations]
    assert "2.1 M" in trade.trade_alt(board, dice, "parameters")


def test_ticks_of_a_logarithmic_axis_are_plain_numbers() -> None:
    assert look.log_ticks(80, 1500)["ticktext"] == ["50", "100", "200", "500", "1 k", "2 k"]
    assert look.log_ticks(1, 1e7)["ticktext"][-1] == "10 M"


def test_dots_stay_few_and_the_worst_and_the_chosen_are_among_them(dice: MaskMetric) -> None:
    many = pd.DataFrame({"case": [f"c{at:04d}" for at in range(2000)], "dice": np.linspace(0, 1, 2000)})
    some = case_scores.some_of(many, dice, keep="c1357")
    assert len(some) <= case_scores.MOST_DOTS + 2
    assert {f"c{at:04d}" for at in range(case_scores.WORST_DOTS)} | {"c1357"} <= set(some["case"])


def test_a_dot_carries_its_method_and_case_and_the_chosen_one_is_ringed(study: StudySummary, dice: MaskMetric) -> None:
    rows = mask_rows.case_rows(study, "tumour", "internal")
    case = str(rows[rows["model"] == "unet"]["case"].iloc[0])
    figure = case_scores.spread(rows, ["unet", "cnn"], dice, ("unet", case))
    dots = next(trace for trace in figure.data if trace.type == "scatter")
    assert ["unet", case] in dots.customdata.tolist()
    ring = figure.data[-1]
    assert ring.marker.size == 13 and len(ring.x) == 1
    assert len(case_scores.spread(rows, ["cnn"], dice, ("unet", case)).data) == 2


def test_worst_cases_come_first_and_cases_without_a_value_last() -> None:
    rows = pd.DataFrame({"model": "unet", "case": ["a", "b", "c"], "hd95": [2.0, np.nan, 9.0]})
    assert list(mask_rows.worst_cases(rows, "unet", LOWER)["case"]) == ["c", "a", "b"]


def test_the_best_method_on_a_case_is_found_among_those_asked_for(dice: MaskMetric) -> None:
    rows = pd.DataFrame({"case": "a", "model": ["unet", "cnn", "human_readers"], "dice": [0.4, 0.6, 0.9]})
    found = mask_rows.best_on(rows, "a", ["unet", "cnn"], dice)
    assert found is not None and found["model"] == "cnn"
    assert mask_rows.best_on(rows, "b", ["unet"], dice) is None


def test_bubbles_of_a_method_hold_all_resampled_studies(study: StudySummary) -> None:
    table = mask_rows.rank_rows(study, "tumour", "internal", "dice")
    shares = study.table("rank_shares", region="tumour", split="internal", metric="dice")
    figure = ranks.bubbles(table, shares)
    assert len(figure.data) == len(table) + 1
    assert "human_readers" not in set(table["model"])
    for row, trace in zip(table.itertuples(), figure.data, strict=False):
        areas = (np.asarray(trace.marker.size) / ranks.LARGEST_PX) ** 2
        assert areas.sum() == pytest.approx(shares[shares["model"] == row.model]["share"].sum(), abs=0.05)
    assert "came first in" in ranks.bubbles_alt(table, shares)


def test_the_map_of_pairs_has_directions_that_mirror_each_other(study: StudySummary, dice: MaskMetric) -> None:
    pairs = mask_rows.pairs_both_ways(study, "tumour", "internal", "dice")
    order = [str(model) for model in mask_rows.rank_rows(study, "tumour", "internal", "dice")["model"]]
    drawn = significance.significance_map(pairs, order, mask_rows.labels_of(study), dice).data[0]
    z = np.array([[np.nan if value is None else value for value in row] for row in drawn.z], dtype=float)
    assert np.allclose(z, -z.T, equal_nan=True) and np.isnan(np.diag(z)).all()
    assert drawn.text[0][-1] == significance.BETTER and drawn.text[-1][0] == significance.WORSE
    assert z[0, -1] == 1.0


def test_a_smaller_distance_is_the_better_side_of_a_pair() -> None:
    cell = pd.Series({"difference": -3.0, "p_holm": 0.0005})
    assert significance.sign(cell, LOWER) == significance.BETTER and significance.strength(cell, LOWER) == 1.0
    chance = pd.Series({"difference": -3.0, "p_holm": 0.4})
    assert significance.sign(chance, LOWER) == significance.SAME and significance.strength(chance, LOWER) == 0.0


def test_levels_are_drawn_in_their_order_with_intervals_and_numbers_of_cases(study: StudySummary, dice: MaskMetric) -> None:
    rows = error_rows.factor_rows(study, "tumour", "internal", error_rows.SIZE, "dice", ["unet", "cnn"])
    figure = factors.by_level(rows, dice)
    assert [text.split("<br>")[0] for text in figure.layout.xaxis.ticktext] == ["lowest third", "middle third", "highest third"]
    assert all("cases" in text for text in figure.layout.xaxis.ticktext)
    assert all(len(trace.error_y.array) == 3 for trace in figure.data)


def test_planted_faults_begin_at_the_clean_sample_and_fall(study: StudySummary) -> None:
    rows = error_rows.robustness_rows(study, "tumour", "internal", ["unet", "random_forest"])
    figure = factors.by_severity(rows)
    assert len(figure.data) == 4
    assert all(list(trace.x) == [0, 1, 2, 3, 4, 5] and trace.y[0] > trace.y[-1] for trace in figure.data)
    assert sum(bool(trace.showlegend) for trace in figure.data) == 2
    assert "ghosting" in factors.by_severity_alt(rows)


def test_the_sentence_on_errors_names_the_size_and_the_worst_fault(study: StudySummary) -> None:
    told = error_rows.errors_sentence(study, "tumour", "internal", "unet")
    small, large = error_rows.ends(study, "tumour", "internal", "unet") or (None, None)
    assert small is not None and large is not None
    assert (
        told.startswith("U-Net does worse on small regions")
        and f"{small['value']:.2f}" in told
        and f"{large['value']:.2f}" in told
    )
    assert "ghosting" in told
    assert "Nothing is known" in error_rows.errors_sentence(study, "tumour", "no such split", "unet")


def test_claims_are_bands_and_verdicts_stand_in_words(study: StudySummary, dice: MaskMetric) -> None:
    rows = ablations.ablation_rows(study, "tumour", "dice")
    figure = ablations.forest(rows, dice, study.info["verdicts"])
    bands = [(shape.x0, shape.x1) for shape in figure.layout.shapes if shape.type == "rect"]
    assert bands == [(5.0, 10.0)]
    assert all(trace.error_x.array[0] >= 0 and trace.error_x.arrayminus[0] >= 0 for trace in figure.data)
    written = " ".join(str(note.text) for note in figure.layout.annotations)
    assert all(verdict in written for verdict in rows["verdict"])
    assert study.info["verdicts"][rows["verdict"].iloc[0]] in figure.data[0].hovertemplate


def test_differences_of_ablations_are_told_in_points() -> None:
    assert [ablations.points(value) for value in (5.04, -0.26, 0.01)] == ["+5.0", "−0.3", "0.0"]
    assert ablations.claim(pd.Series({"claimed_low": 5.0, "claimed_high": 10.0})) == "5 to 10"


def test_an_ablation_without_a_claim_has_no_band_and_no_claim(study: StudySummary, dice: MaskMetric) -> None:
    rows = ablations.ablation_rows(study, "tumour", "nsd")
    assert not [shape for shape in ablations.forest(rows, dice, {}).layout.shapes if shape.type == "rect"]
    assert "No range is claimed" in ablations.answer(rows)


def test_ranks_of_several_data_sets_stand_in_one_map(study: StudySummary) -> None:
    table = pd.DataFrame(
        {
            "label": ["U-Net", "U-Net", "FCN"],
            "column": ["A", "B", "A"],
            "rank": [1, 2, 3],
            "low": [1, 1, 2],
            "high": [2, 3, 3],
            "of": 3,
        }
    )
    drawn = ranks.across(table, ["U-Net", "FCN"]).data[0]
    assert drawn.text[0][0] == "1 (1 to 2)" and drawn.text[1][1] == ""
    assert drawn.z[0][0] == 0.0 and drawn.z[1][0] == 1.0 and np.isnan(drawn.z[1][1])

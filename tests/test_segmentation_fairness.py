"""Groups of pictures: planted gaps are found, equal groups are adequate, few patients are called few, small sites stay home."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.contracts.metric import Array
from core.evaluation.segmentation.fairness import MARGINS, TOO_FEW, VERDICTS, fairness
from core.evaluation.segmentation.means import Board
from core.evaluation.segmentation.publish import for_publication
from core.storage.summaries import StudySummary
from dashboard.charts.mask_tables import groups_sentence
from dashboard.panels.mask_groups import METRICS
from tests.fixtures_mask_rows import quality, study

CASES = np.array([f"c{at:03d}" for at in range(200)])


def board(dice: Array) -> Board:
    rng = np.random.default_rng(0)
    weights = np.column_stack([np.ones(len(dice)), rng.multinomial(len(dice), np.full(len(dice), 1 / len(dice)), 200).T])
    values = {"dice": dice[:, None], "nsd": dice[:, None]}
    return Board(
        "lesion", "internal", CASES[: len(dice)], CASES[: len(dice)], ("m",), values, np.ones((len(dice), 1), bool), weights
    )


def levels(inside: Array) -> pd.DataFrame:
    level = np.where(inside, "A", "B")
    return pd.DataFrame({"region": "lesion", "case_id": CASES[: len(inside)], "factor": "Site", "level": level, "order": 0})


def judged(dice: Array, inside: Array) -> pd.DataFrame:
    return pd.DataFrame(fairness(board(dice), levels(inside)))


def test_a_planted_gap_is_a_disparity_with_its_sign_and_equal_groups_are_adequate() -> None:
    inside = np.arange(200) % 2 == 0
    dice = np.random.default_rng(1).normal(0.8, 0.03, 200)
    assert set(judged(dice, inside)["verdict"]) == {"adequate"}
    found = judged(dice - 0.2 * inside, inside).query("metric == 'dice'").set_index("group")
    assert set(found["verdict"]) == {"disparity"}
    assert found.loc["Site=A", "gap"] < -0.15 and found.loc["Site=B", "gap"] > 0.15
    assert found.loc["Site=A", "gap"] == found.loc["Site=A", "value"] - found.loc["Site=A", "rest"]


def test_a_wide_interval_is_no_evidence_and_nine_patients_are_too_few() -> None:
    inside = np.arange(200) % 2 == 0
    dice = np.random.default_rng(2).uniform(0, 1, 200)
    assert set(judged(dice, inside)["verdict"]) == {"no evidence"}
    assert set(judged(dice, np.arange(200) < 9)["verdict"]) == {TOO_FEW}


def test_a_sentence_names_the_largest_disparity() -> None:
    inside = np.arange(200) % 2 == 0
    dice = np.random.default_rng(1).normal(0.8, 0.03, 200)
    table = judged(dice - 0.2 * inside, inside).query("metric == 'dice'")
    assert "Site: A: −0.2" in groups_sentence(table[table["group"] == "Site=A"], "M")
    assert groups_sentence(judged(dice, inside).query("metric == 'dice'"), "M") == (
        "2 of 2 groups are adequate for M; no disparity is shown."
    )


def summary() -> StudySummary:
    return study({"unet": quality(0.85, 60, 1), "otsu": quality(0.5, 60, 2)})


def test_a_study_compares_its_groups_and_tells_the_rules() -> None:
    found = summary()
    table = found.table("fairness", metric="dice", split="internal")
    assert set(table["verdict"]) <= set(VERDICTS) == set(found.info["fairness_verdicts"])
    scores = found.table("scores", metric="dice", split="internal", model="unet").set_index("group")
    of_sites = [group for group in scores.index if group != "all"]
    assert of_sites and set(table["model"]) == {"unet", "otsu"}


def test_hidden_levels_of_an_attribute_are_hidden_here_too() -> None:
    whole, told = set(summary().table("fairness")["group"]), set(for_publication(summary(), 40).table("fairness")["group"])
    assert whole - told == {"Hospital=north", "Hospital=south"}


def test_the_page_offers_the_metrics_that_have_a_margin() -> None:
    assert set(METRICS) == set(MARGINS)

"""The one summary of a segmentation study: its tables, its sentences, what may be published, and several studies at once."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.evaluation.segmentation.ablations import VERDICTS
from core.evaluation.segmentation.across import across_studies, agreement, is_ablation_study, mean_ranks
from core.evaluation.segmentation.cases import HUMAN, hashed_case
from core.evaluation.segmentation.publish import for_publication
from core.evaluation.segmentation.reported import BEST_PUBLISHED, CLAIMS, best_published_for, reported, reported_for
from core.storage.summaries import SEGMENTATION_TABLES, StudySummary, read_summary, write_summary
from tests.fixtures_mask_rows import ABLATION, PLANTED, dice_row, mask_rows, pictures, quality, study

# The summary and its sentences


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
    outside = [mask_rows("unet", [mean] * 20, split=f"external:site={at}") for at, mean in enumerate((0.5, 0.7))]
    summary = study({"unet": quality(0.8, 50, 1), "otsu": quality(0.6, 50, 2)}, *outside)
    assert dice_row(summary.tables["scores"], split="internal", model="unet", group="all")["n"] == 50
    assert dice_row(summary.tables["scores"], split="external:site=0", model="unet", group="all")["n"] == 20
    assert set(summary.tables["comparisons"]["split"]) == {"internal"}
    told = "In 2 checks on cases set apart its mean Dice lies between 0.50 (external:site=0) and 0.70 (external:site=1)."
    assert says(summary).endswith(told)
    assert "other hospitals" not in summary.info["change"]["lesion"]


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


def sites(summary: StudySummary) -> set[str]:
    told = {str(group) for group in summary.tables["scores"]["group"]}
    factor = summary.tables["factors"]
    assert {f"site={level}" for level in factor[factor["factor"] == "Hospital"]["level"]} == told - {"all"}
    return told


def test_a_published_study_keeps_scores_by_case_and_drops_groups_of_few_patients() -> None:
    table = pictures(40, 2).table.assign(site=["north"] * 8 + ["south"] * 14 + ["west"] * 18)
    dice = {"unet": quality(0.8, 40, 1), "otsu": quality(0.6, 40, 2)}
    summary = study(dice, each=2, pictured=replace(pictures(40, 2), table=table))
    assert sites(summary) == {"all", "site=north", "site=south", "site=west"}
    told = for_publication(summary, 5)
    assert told.info["published"] and not told.info["rows_available"] and told.info["min_cell"] == 5
    assert sites(told) == {"all", "site=west"}, "4 patients, and 7 by whom one could subtract"
    assert len(told.tables["cases"]) == 80
    assert {"lowest third", "inside"} <= set(told.tables["factors"]["level"])
    assert "Groups of fewer than 5 patients." in told.info["cannot"]
    assert sites(for_publication(summary, 4)) == sites(for_publication(summary, 1)) == sites(summary)


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

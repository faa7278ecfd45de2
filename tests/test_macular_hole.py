"""Eyes with a macular hole from a small made-up folder: outcomes by visit, pictures without their icon, flat network input."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.contracts.codebook import Codebook
from core.contracts.cohort import Cases, Cohort
from core.contracts.dataset import LoadOptions
from core.contracts.forecast import FitContext
from core.contracts.recipe import PROFILES, Recipe
from core.contracts.recipe_file import load_recipe
from core.datasets import macular_hole
from core.errors import DataError, Refused
from core.imaging.prepare import StoredImages, prepare_images
from core.outcomes import PREDICTORS
from core.studies.jobs import allowed_fields
from tests.conftest import ROOT, real_data

NAMES = "id,age,sex,pseudophakic,mh_duration,elevated_edge,mh_size,VA_baseline,VA_2weeks,VA_3months,VA_6months,VA_12months"
HEADER = NAMES.split(",")
DERIVED = ["image", "va_gain_12m", "gain_ge15_letters_12m"]
MADE_UP: dict[str, Any] = {
    "age": 66, "sex": 2, "pseudophakic": 0, "mh_duration": 6, "elevated_edge": 1, "mh_size": 320, "VA_baseline": 50,
    "VA_2weeks": 58, "VA_3months": 71, "VA_6months": 69, "VA_12months": 74, "va_gain_12m": 99, "gain_ge15_letters_12m": 0,
}  # fmt: skip
SIZE = (384, 256)
SETTINGS = {"input_shape": [1, 64, 42], "input_spacing_mm": 6.0, "crop": "whole", "channels": "scan"}


def picture(number: int, size: tuple[int, int] = SIZE) -> Image.Image:
    """A bright band at a height of its own, and a white icon in the bottom-left corner."""
    wide, high = size
    pixels = np.full((high, wide), 20, dtype=np.uint8)
    pixels[high // 4 : high // 4 + 10 + 4 * (number % 8)] = 180
    pixels[int(0.76 * high) : int(0.97 * high), int(0.03 * wide) : int(0.165 * wide)] = 255
    return Image.fromarray(pixels)


def write(root: Path, *rows: Mapping[str, Any]) -> Path:
    """The reduced layout."""
    (root / "images").mkdir(parents=True, exist_ok=True)
    for number in range(len(rows)):
        picture(number).save(root / "images" / f"{number:03d}.jpg", quality=94)
    return _table(root / "clinical.csv", [*HEADER, *DERIVED], rows)


def _table(path: Path, header: list[str], rows: tuple[Mapping[str, Any], ...]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, header, extrasaction="ignore")
        writer.writeheader()
        writer.writerows({"id": n, "image": f"images/{n:03d}.jpg", **MADE_UP, **row} for n, row in enumerate(rows))
    return path.parent


def loaded(root: Path) -> Cohort:
    return macular_hole.load(LoadOptions(root, root.parent / "cache"))


def cohort_of(tmp_path: Path, *rows: Mapping[str, Any]) -> Cohort:
    return loaded(write(tmp_path / "macular_hole", *rows))


def visits(*letters: int) -> dict[str, int]:
    return dict(zip(HEADER[7:], letters, strict=True))


def test_a_folder_becomes_a_cohort_in_which_each_eye_is_a_patient(tmp_path: Path) -> None:
    cohort = cohort_of(tmp_path, {}, {"elevated_edge": -9})
    assert list(cohort.table.index) == ["eye_000", "eye_001"] == list(cohort.table["patient_id"])
    assert cohort.table["elevated_edge"].isna().tolist() == [False, True]
    assert cohort.min_cell == 10 and "weights may not" in cohort.licence
    assert any("each eye counts as a patient" in note for note in cohort.notes)
    assert any("not known of 1" in note for note in cohort.notes)


def test_the_published_layout_with_tiffs_is_read_too(tmp_path: Path) -> None:
    root = tmp_path / "macular_hole"
    (root / "octs").mkdir(parents=True)
    picture(3, (750, 500)).convert("RGBA").save(root / "octs" / "0.tiff")
    cohort = loaded(_table(root / "clinical_data.csv", HEADER, ({},)))
    assert cohort.images is not None
    scan = cohort.images.read("eye_000").scan
    assert scan is not None and scan.voxels.shape == (500, 750, 1)
    assert scan.spacing_mm[0] * 750 == pytest.approx(384)
    assert scan.voxels.max() <= 180


@pytest.mark.parametrize(
    ("letters", "success", "acuity_70", "recovery"),
    [
        ((50, 58, 71, 69, 74), 1, 1, (2, 1)),
        ((50, 70, 40, 40, 64), 0, 0, (1, 1)),
        ((69, 69, 69, 69, 83), 0, 1, (4, 1)),
        ((60, 61, 62, 63, 69), 0, 0, (4, 0)),
        ((70, 50, 50, 50, 85), 1, 1, None),
    ],
)
def test_outcomes_follow_their_definitions(
    tmp_path: Path, letters: tuple[int, ...], success: float, acuity_70: float, recovery: tuple[float, float] | None
) -> None:
    found = cohort_of(tmp_path, visits(*letters)).targets.iloc[0]
    assert (found["success"], found["acuity_70"]) == (success, acuity_70)
    if recovery is None:
        assert np.isnan(found["recovery_days"]) and np.isnan(found["recovery_event"])
    else:
        assert (found["recovery_days"], found["recovery_event"]) == recovery


def test_after_a_missing_visit_nothing_is_known(tmp_path: Path) -> None:
    gone = {**visits(50, 60, 61, 80, 80), "VA_3months": ""}
    never_seen = {**visits(50, 80, 80, 80, 80), "VA_2weeks": ""}
    targets = cohort_of(tmp_path, gone, never_seen).targets
    assert (targets["recovery_days"].iloc[0], targets["recovery_event"].iloc[0]) == (1, 0)
    assert targets[["recovery_days", "recovery_event"]].iloc[1].isna().all()


def test_time_counts_visits_and_is_scored_at_visits_alone(tmp_path: Path) -> None:
    recovery = cohort_of(tmp_path, {}).outcome("recovery")
    assert recovery.days == (1, 2, 3, 4)
    assert "first visit" in recovery.definition and recovery.moments == ("2 weeks", "3 months", "6 months", "12 months")
    assert "fewer than 70 letters before" in recovery.eligible


def test_no_visit_after_the_operation_predicts_and_derived_columns_are_not_read(tmp_path: Path) -> None:
    cohort = cohort_of(tmp_path, {})
    names = {field.name for field in allowed_fields(cohort, ())}
    assert names == {"age", "sex", "pseudophakic", "duration_months", "elevated_edge", "hole_size_um", "acuity_before"}
    assert not set(DERIVED) & set(cohort.table.columns)
    assert cohort.targets["success"].iloc[0] == 1


def test_the_icon_is_painted_black_and_the_rest_is_kept(tmp_path: Path) -> None:
    cohort = cohort_of(tmp_path, {})
    assert cohort.images is not None
    scan = cohort.images.read("eye_000").scan
    assert scan is not None and scan.voxels.shape == (256, 384, 1)
    pixels = np.asarray(scan.voxels[:, :, 0])
    assert not pixels[190:, :67].any()
    assert pixels[64:74].mean() > 170 and pixels[200:, 80:].mean() == pytest.approx(20, abs=3)


def prepared(cohort: Cohort, tmp_path: Path) -> StoredImages:
    assert cohort.images is not None
    return prepare_images(cohort.images, list(cohort.table.index), SETTINGS, tmp_path / "prepared", cohort.fingerprint)


def test_a_flat_picture_becomes_network_input_of_one_slice_without_loss_of_grey(tmp_path: Path) -> None:
    cohort = cohort_of(tmp_path, {}, {}, {})
    stored = prepared(cohort, tmp_path)
    assert stored.shape == (1, 1, 64, 42)
    slices = stored.arrays(list(cohort.table.index))[:, 0, 0]
    # Width runs down the picture: training mirrors height, and no eye is shown upside down.
    assert slices[2, 32, 11] == pytest.approx(2 * 180 / 255 - 1, abs=0.03)
    assert slices[0, 32, 35] == pytest.approx(2 * 20 / 255 - 1, abs=0.03)
    assert slices[0, 4, 36] == pytest.approx(-1, abs=0.01)
    assert not np.array_equal(slices[0], slices[2])


@pytest.mark.parametrize("model", ["image_cnn3d", "image_timm2d", "fusion_joint"])
def test_networks_learn_from_flat_pictures(tmp_path: Path, model: str) -> None:
    cohort = cohort_of(tmp_path, *({**visits(50, 60, 60, 60, 75 if n % 2 else 60), "age": 60 + n} for n in range(16)))
    fields = allowed_fields(cohort, ())
    stored = prepared(cohort, tmp_path)
    names = [field.name for field in fields]
    cases = Cases(cohort.table[names], Codebook(fields), cohort.table["patient_id"], cohort.targets, stored)
    network = PREDICTORS.get(model).make({})
    settings = {"epochs": 1, "batch_size": 8, "backbone": "resnet10t", **SETTINGS}
    outcomes = [cohort.outcome("acuity_70"), cohort.outcome("recovery")]
    network.fit(cases, outcomes, FitContext(seed=1, network=settings))
    forecast = network.predict(cases)
    assert forecast.risks["acuity_70"].between(0, 1).all() and forecast.times["recovery"].by_day.shape == (16, 61)


def test_other_pixels_give_another_fingerprint(tmp_path: Path) -> None:
    root = write(tmp_path / "macular_hole", {}, {})
    before = loaded(root).fingerprint
    assert loaded(root).fingerprint == before
    picture(5, (380, 256)).save(root / "images" / "001.jpg")
    assert loaded(root).fingerprint != before


def test_what_is_missing_or_wrong_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"clinical_data\.csv"):
        macular_hole.load(LoadOptions(tmp_path, tmp_path))
    root = write(tmp_path / "a", {}, {})
    (root / "images" / "001.jpg").unlink()
    with pytest.raises(DataError, match=r"images/001\.jpg"):
        loaded(root)
    with pytest.raises(Refused, match="VA_baseline"):
        cohort_of(tmp_path / "b", {"VA_baseline": 300})
    with pytest.raises(DataError, match="number of an eye"):
        cohort_of(tmp_path / "c", {"id": "left"})


def test_verify_names_the_picture_that_cannot_be_read(tmp_path: Path) -> None:
    root = write(tmp_path / "macular_hole", {}, {})
    (root / "images" / "001.jpg").write_bytes(b"no picture")
    found = macular_hole.verify(LoadOptions(root, tmp_path))
    assert [finding.where for finding in found if finding.level == "error"] == ["eye_001"]


def test_the_recipe_declares_no_bundle_as_weights_may_not_be_given_away() -> None:
    for profile in PROFILES:
        recipe = load_recipe(ROOT / "core" / "recipes" / "macular_hole.yaml", profile)
        assert isinstance(recipe, Recipe)
        assert not recipe.bundles and recipe.network.input_shape[0] == 1
        assert recipe.outcomes == ("success", "acuity_70", "recovery")


def test_the_real_eyes_have_a_target_that_few_reach_before_and_pictures_without_icon(tmp_path: Path) -> None:
    cohort = macular_hole.load(LoadOptions(real_data("macular_hole"), tmp_path))
    targets = cohort.targets
    assert targets["recovery_days"].isna().mean() < 0.1
    assert 0.5 < targets["success"].mean() < 0.65 and 0.45 < targets["acuity_70"].mean() < 0.65
    assert 0.4 < targets["recovery_event"].mean() < 0.8
    assert cohort.images is not None
    for case_id in cohort.internal[:5]:
        scan = cohort.images.read(case_id).scan
        assert scan is not None and scan.voxels.shape == (256, 384, 1) and not scan.voxels[190:, :67].any()

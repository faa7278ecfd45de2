"""A table of one's own: read with a codebook and no code, or refused where it could mislead."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from core.contracts.cohort import Cohort
from core.contracts.dataset import LoadOptions
from core.contracts.volume import Volume
from core.datasets import DATASETS
from core.errors import CodebookError, DataError, GeometryError, LeakageError, Refused
from core.ingest import write_nifti

AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])


def rows(count: int = 200, seed: int = 0) -> pd.DataFrame:
    chance = np.random.default_rng(seed)
    age = chance.integers(30, 85, count)
    event = (chance.random(count) < 1 / (1 + np.exp(-(age - 65) / 10))).astype(int)
    return pd.DataFrame(
        {
            "op": [f"{row:04d}" for row in range(count)],
            "patient": [f"p{row // 2}" for row in range(count)],
            "hospital": chance.choice(["north", "south", "west"], count, p=[0.5, 0.4, 0.1]),
            "age": age,
            "sex": chance.choice(["f", "m"], count),
            "Size (mm)": chance.uniform(5, 90, count).round(1),
            "grade": np.where(event, chance.integers(1, 4, count), 0),
            "los": chance.integers(0, 12, count),
            "status": chance.choice(["home", "died"], count, p=[0.95, 0.05]),
            "performed": chance.choice(["resection", "biopsy"], count, p=[0.8, 0.2]),
            "comment": "=1+1",
        }
    )


def codebook() -> dict[str, Any]:
    return {
        "title": "Ours",
        "case_id": "op",
        "patient_id": "patient",
        "site": "hospital",
        "licence": "internal",
        "min_cell": 5,
        "fields": {
            "age": {"kind": "integer", "unit": "years", "range": [18, 110], "known": "before", "subgroup": True, "bins": [65]},
            "sex": {"kind": "category", "levels": {"f": "female", "m": "male"}, "known": "before"},
            "size_mm": {"column": "Size (mm)", "kind": "number", "unit": "mm", "range": [0, 300], "known": "before"},
            "grade": {"kind": "category", "levels": [0, 1, 2, 3], "known": "after"},
            "los": {"kind": "integer", "unit": "days", "range": [0, 365], "known": "after"},
            "status": {"kind": "category", "levels": ["home", "died"], "known": "after"},
            "performed": {"kind": "category", "levels": ["resection", "biopsy"], "known": "during"},
        },
        "outcomes": {
            "complication": {
                "column": "grade",
                "event": [1, 2, 3],
                "eligible": {"performed": ["resection"]},
                "definition": "Any grade above 0.",
                "desirable": False,
            },
            "recovery": {
                "kind": "time_to_event",
                "days": "los",
                "column": "status",
                "event": ["home"],
                "score_days": [3, 1, 7],
                "definition": "Days until home.",
                "desirable": True,
            },
        },
    }


def options(folder: Path, table: pd.DataFrame, book: dict[str, Any], **more: object) -> LoadOptions:
    (folder / "ours.csv").write_text(table.to_csv(index=False), encoding="utf-8")
    (folder / "book.yaml").write_text(yaml.safe_dump(book, sort_keys=False), encoding="utf-8")
    return LoadOptions(folder, folder / "cache", {"table": "ours.csv", "codebook": "book.yaml", **more})


def load(folder: Path, table: pd.DataFrame | None = None, book: dict[str, Any] | None = None, **more: object) -> Cohort:
    given = options(folder, rows() if table is None else table, book or codebook(), **more)
    return DATASETS.get("table").load(given)


def test_a_table_and_its_codebook_become_a_cohort(tmp_path: Path) -> None:
    given = rows()
    cohort = load(tmp_path, given)
    assert cohort.label == "Ours" and cohort.min_cell == 5 and cohort.licence == "internal"
    assert cohort.table.index.tolist() == given["op"].tolist() and cohort.table.index.name == "case_id"
    assert cohort.table["patient_id"].tolist() == given["patient"].tolist()
    assert cohort.table["size_mm"].tolist() == given["Size (mm)"].tolist()
    assert [field.name for field in cohort.codebook.predictors(["record"])] == ["age", "sex", "size_mm"]
    assert "comment" in cohort.notes[0] and len(cohort.fingerprint) == 64


def test_a_binary_outcome_counts_eligible_rows_alone(tmp_path: Path) -> None:
    given = rows()
    target = load(tmp_path, given).targets["complication"]
    resected = (given["performed"] == "resection").to_numpy()
    assert target.notna().to_numpy().tolist() == resected.tolist()
    assert target[resected].tolist() == (given["grade"] > 0)[resected].astype(float).tolist()


def test_a_time_to_event_has_days_event_and_sorted_days_to_score(tmp_path: Path) -> None:
    given = rows()
    cohort = load(tmp_path, given)
    assert cohort.outcome("recovery").days == (1, 3, 7)
    assert cohort.targets["recovery_days"].tolist() == given["los"].tolist()
    assert cohort.targets["recovery_event"].tolist() == (given["status"] == "home").astype(float).tolist()


def test_a_missing_cell_of_an_outcome_makes_the_row_not_eligible(tmp_path: Path) -> None:
    given, book = rows().astype({"grade": object, "los": object}), codebook()
    given.loc[given["performed"] == "resection", "grade"] = given["grade"].where(given.index % 5 != 0, "unknown")
    given.loc[3, "los"] = None
    book["fields"]["grade"]["missing_codes"] = ["unknown"]
    targets = load(tmp_path, given, book).targets
    assert targets["complication"].iloc[::5].isna().all()
    assert np.isnan(targets["recovery_days"].iloc[3]) and np.isnan(targets["recovery_event"].iloc[3])


def test_parquet_gives_the_same_cohort_as_csv(tmp_path: Path) -> None:
    given = rows()
    from_csv = load(tmp_path, given)
    given.to_parquet(tmp_path / "ours.parquet")
    named = {"table": "ours.parquet", "codebook": "book.yaml"}
    from_parquet = DATASETS.get("table").load(LoadOptions(tmp_path, tmp_path, named))
    pd.testing.assert_frame_equal(from_parquet.table, from_csv.table)
    pd.testing.assert_frame_equal(from_parquet.targets, from_csv.targets)


def test_large_sites_are_left_out_once_each_and_no_patient_stands_on_both_sides(tmp_path: Path) -> None:
    cohort = load(tmp_path)
    assert {check.name for check in cohort.checks} == {"external:site=north", "external:site=south"}
    for check in cohort.checks:
        site = check.name.split("=")[1]
        assert set(check.test) == set(cohort.table.index[cohort.table["site"] == site])
        patients = cohort.table["patient_id"]
        assert not set(patients[list(check.train)]) & set(patients[list(check.test)])
        assert set(cohort.table.loc[list(check.train), "site"]) <= {"north", "south", "west"} - {site}


def test_without_a_site_there_is_no_fixed_split(tmp_path: Path) -> None:
    book = codebook()
    del book["site"]
    assert load(tmp_path, book=book).checks == ()


def test_the_fingerprint_follows_every_byte(tmp_path: Path) -> None:
    first = load(tmp_path).fingerprint
    assert load(tmp_path).fingerprint == first
    changed, book = rows(), codebook()
    changed.loc[0, "age"] += 1
    book["title"] = "Ours too"
    assert len({first, load(tmp_path, changed).fingerprint, load(tmp_path, book=book).fingerprint}) == 3


def test_f093_a_field_known_after_the_operation_is_no_predictor(tmp_path: Path) -> None:
    cohort = load(tmp_path)
    with pytest.raises(LeakageError, match="'los' is known only after"):
        cohort.codebook.require_predictors(["age", "los"])


def test_f093_an_outcome_read_from_a_field_known_before_is_refused(tmp_path: Path) -> None:
    book = codebook()
    book["fields"]["grade"]["known"] = "before"
    with pytest.raises(LeakageError, match="'grade'") as caught:
        load(tmp_path, book=book)
    assert caught.value.code == "LEAK_SUSPECT"


def leak(kind: str, given: pd.DataFrame, chance: np.random.Generator) -> tuple[object, dict[str, Any]]:
    event = given["grade"].to_numpy() > 0
    number = {"kind": "number", "known": "before"}
    if kind == "renamed":
        return event.astype(int), {"kind": "flag", "known": "before"}
    if kind == "reversed":
        return 5 - event + chance.normal(0, 0.1, len(event)), number
    if kind == "noisy":
        return np.where(chance.random(len(event)) < 0.005, ~event, event) + chance.normal(0, 0.01, len(event)), number
    if kind == "category":
        return np.where(event, "ward b", "ward a"), {"kind": "category", "levels": ["ward a", "ward b"], "known": "before"}
    return pd.Series(chance.normal(size=len(event))).where(event), number


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["renamed", "reversed", "noisy", "category", "recorded only after an event"])
def test_f094_a_planted_column_that_gives_the_outcome_away_stops_the_load(tmp_path: Path, kind: str, seed: int) -> None:
    given, book = rows(seed=seed), codebook()
    given["planted"], book["fields"]["planted"] = leak(kind, given, np.random.default_rng(seed))
    with pytest.raises(LeakageError, match="'planted'") as caught:
        load(tmp_path, given, book)
    assert caught.value.code == "LEAK_SUSPECT" and "allow_strong: [planted]" in caught.value.do
    assert "planted" in load(tmp_path, given, book, allow_strong=["planted"]).table


def test_f094_a_column_that_repeats_the_days_stops_the_load(tmp_path: Path) -> None:
    given, book = rows(), codebook()
    given["planned"], book["fields"]["planned"] = given["los"] * 2 + 1, {"kind": "number", "known": "before"}
    with pytest.raises(LeakageError, match="'planned'.*recovery"):
        load(tmp_path, given, book)


@pytest.mark.parametrize("seed", range(5))
def test_honest_columns_are_not_taken_for_leaks(tmp_path: Path, seed: int) -> None:
    assert load(tmp_path, rows(60, seed)).table.shape[0] == 60


def test_f095_one_scan_under_two_patients_is_refused(tmp_path: Path) -> None:
    given, book = with_pictures(tmp_path)
    (tmp_path / "s2.nii.gz").write_bytes((tmp_path / "s0.nii.gz").read_bytes())
    with pytest.raises(LeakageError, match="0000 and 0002"):
        load(tmp_path, given, book)


def test_f097_an_outcome_with_one_value_is_refused(tmp_path: Path) -> None:
    given = rows()
    given["grade"] = 0
    with pytest.raises(DataError, match="all .* rows have the same value") as caught:
        load(tmp_path, given)
    assert caught.value.code == "LABEL"


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda book: book.update(titel="x"), "titel.*[Dd]id you mean 'title'"),
        (lambda book: book["fields"]["age"].update(unitt="x"), "unitt.*Did you mean 'unit'"),
        (lambda book: book["fields"]["age"].update(known=None), "'known' is empty"),
        (lambda book: book["fields"]["age"].pop("known"), "does not say 'known'"),
        (lambda book: book["fields"]["age"].update(known="later"), "expected before, during or after"),
        (lambda book: book["fields"]["age"].update(range=[1]), "expected two numbers"),
        (lambda book: book["fields"]["age"].update(range=["a", 3]), "expected a number"),
        (lambda book: book["fields"]["age"].update(kind="numbr"), "Did you mean 'number'"),
        (lambda book: book["fields"]["sex"].pop("levels"), "without levels"),
        (lambda book: book["outcomes"]["complication"].update(event=[1, 7]), "'7'.*no level of 'grade'"),
        (lambda book: book["outcomes"]["complication"].update(column="grad"), "does not describe.*Did you mean 'grade'"),
        (lambda book: book["outcomes"]["complication"].pop("event"), "which values of 'grade'"),
        (lambda book: book["outcomes"]["complication"].pop("desirable"), "'desirable' is missing"),
        (lambda book: book["outcomes"]["complication"].pop("definition"), "'definition' is missing"),
        (lambda book: book["outcomes"]["recovery"].pop("score_days"), "without days"),
        (lambda book: book["outcomes"]["recovery"].update(kind="time"), "kind 'time' is not known|kind: time_to_event"),
        (lambda book: book.pop("outcomes"), "defines no outcome"),
        (lambda book: book.pop("case_id"), "'case_id' is missing"),
        (lambda book: book.update(min_cell=0), "whole number from 1"),
    ],
)
def test_a_mistake_in_the_codebook_is_named_with_the_file(tmp_path: Path, change: Any, match: str) -> None:
    book = codebook()
    change(book)
    with pytest.raises(CodebookError, match=match) as caught:
        load(tmp_path, book=book)
    assert "book.yaml" in caught.value.message and caught.value.do


@pytest.mark.parametrize("text", ["a: [", "- 1", "a: 1\na: 2\n", "a: !!python/object/apply:os.getcwd []", "\xff"])
def test_f119_text_that_is_no_plain_yaml_is_refused(tmp_path: Path, text: str) -> None:
    given = options(tmp_path, rows(), codebook())
    (tmp_path / "book.yaml").write_bytes(text.encode("latin-1"))
    with pytest.raises(CodebookError):
        DATASETS.get("table").load(given)


def test_yes_no_and_leading_zeros_in_a_codebook_stay_what_the_table_holds(tmp_path: Path) -> None:
    given, book = rows(), codebook()
    given["plan"] = np.where(given["age"] > 60, "yes", "no")
    given["ward"] = np.where(given["age"] > 50, "007", "010")
    given_options = options(tmp_path, given, book)
    text = (tmp_path / "book.yaml").read_text()
    extra = "  plan: {kind: category, levels: [yes, no], known: before}\n"
    extra += "  ward: {kind: category, levels: [007, 010], known: before}\n"
    (tmp_path / "book.yaml").write_text(text.replace("fields:\n", "fields:\n" + extra))
    table = DATASETS.get("table").load(given_options).table
    assert set(table["plan"]) == {"yes", "no"} and set(table["ward"]) == {"007", "010"}


def test_f079_f081_cells_and_columns_are_refused_as_everywhere(tmp_path: Path) -> None:
    twice, misspelt, nobody = rows(), rows().rename(columns={"Size (mm)": "Size (cm)"}), rows()
    twice.loc[5, "op"] = "0003"
    nobody.loc[4, "patient"] = ""
    for table, match in (
        (twice, "rows 5 and 7"),
        (misspelt, r"Did you mean 'Size \(cm\)'"),
        (nobody, "row 6: the cell is empty"),
    ):
        with pytest.raises((Refused, DataError), match=match):
            load(tmp_path, table)


def test_a_file_that_is_not_there_is_named_with_the_places_looked_at(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none.csv") as caught:
        load(tmp_path, table=rows(), book=codebook()) and DATASETS.get("table").load(
            LoadOptions(tmp_path, tmp_path, {"table": "none.csv", "codebook": "book.yaml"})
        )
    assert str(tmp_path) in caught.value.message
    with pytest.raises(DataError, match="not told its table"):
        DATASETS.get("table").load(LoadOptions(None, tmp_path, {}))


def with_pictures(folder: Path, count: int = 60) -> tuple[pd.DataFrame, dict[str, Any]]:
    given, book = rows(count), codebook()
    for row in range(4):
        chance = np.random.default_rng(row)
        write_nifti(folder / f"s{row}.nii.gz", Volume(chance.integers(0, 99, (8, 8, 8)).astype(np.int16), AFFINE))
        mask = np.zeros((8, 8, 8), np.uint8)
        mask[2:5, 2:5, 2:5] = 1
        write_nifti(folder / f"m{row}.nii.gz", Volume(mask, AFFINE))
    for column, prefix in (("scan", "s"), ("labels", "m")):
        given[column] = [f"{prefix}{row}.nii.gz" if row < 4 else "" for row in range(count)]
    book["image"] = "scan"
    book["mask"] = {"column": "labels", "labels": {1: "organ", 2: "lesion"}, "origin": "drawn by two surgeons"}
    return given, book


def test_pictures_are_read_on_demand_and_can_travel_to_another_process(tmp_path: Path) -> None:
    images = load(tmp_path, *with_pictures(tmp_path)).images
    assert images is not None
    images = pickle.loads(pickle.dumps(images))  # noqa: S301 - our own object, as a worker process gets it
    image = images.read("0001")
    assert image.scan is not None and image.mask is not None
    assert image.mask.voxels.sum() == 27 and dict(image.mask.labels) == {1: "organ", 2: "lesion"}
    assert images.has_scan and images.labels[2] == "lesion" and images.mask_origin == "drawn by two surgeons"
    assert images.read("0009").scan is None and images.read("0009").mask is None


def test_f098_rows_without_a_picture_and_pictures_without_a_row_are_listed(tmp_path: Path) -> None:
    given, book = with_pictures(tmp_path)
    given.loc[3, ["scan", "labels"]] = ""
    notes = " ".join(load(tmp_path, given, book).notes)
    assert "57 of 60 cases have no scan: 0003, 0004" in notes
    assert "2 pictures in the same folders belong to no row: m3.nii.gz, s3.nii.gz" in notes


def test_f098_a_picture_that_is_not_there_is_refused_with_its_row(tmp_path: Path) -> None:
    given, book = with_pictures(tmp_path)
    given.loc[1, "scan"] = "gone.nii.gz"
    with pytest.raises(DataError, match="'scan', row 3.*gone.nii.gz"):
        load(tmp_path, given, book)


def test_f015_a_mask_on_another_grid_is_refused_naming_the_case(tmp_path: Path) -> None:
    given, book = with_pictures(tmp_path)
    write_nifti(tmp_path / "m1.nii.gz", Volume(np.ones((8, 8, 7), np.uint8), AFFINE))
    images = load(tmp_path, given, book).images
    assert images is not None
    with pytest.raises(GeometryError, match="0001"):
        images.read("0001")


def test_f099_an_unnamed_mask_value_and_an_empty_mask_are_named(tmp_path: Path) -> None:
    given, book = with_pictures(tmp_path)
    write_nifti(tmp_path / "m1.nii.gz", Volume(np.full((8, 8, 8), 3, np.uint8), AFFINE))
    write_nifti(tmp_path / "m2.nii.gz", Volume(np.zeros((8, 8, 8), np.uint8), AFFINE))
    (tmp_path / "s0.nii.gz").write_bytes((tmp_path / "s0.nii.gz").read_bytes()[:-20])
    findings = {f.where: f for f in DATASETS.get("table").verify(options(tmp_path, given, book))}
    assert findings["case 0000"].level == "error" and "s0.nii.gz" in findings["case 0000"].what
    assert findings["case 0001"].level == "error" and "value 3" in findings["case 0001"].what
    assert findings["case 0002"].level == "warning" and "empty" in findings["case 0002"].what


def test_verify_turns_a_refusal_into_one_error(tmp_path: Path) -> None:
    given = rows()
    given.loc[9, "age"] = 6500
    findings = DATASETS.get("table").verify(options(tmp_path, given, codebook()))
    assert [(finding.level, finding.where) for finding in findings] == [("error", "TAB_RANGE")]
    assert "row 11" in findings[0].what and findings[0].do

"""The KiTS data set from a small folder in its public layout: files, splits, what is refused, what is kept."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from core.contracts.cohort import Cohort
from core.contracts.dataset import LoadOptions
from core.contracts.volume import Volume
from core.datasets import DATASETS, _kits_files
from core.datasets._kits_codebook import CODEBOOK
from core.datasets._kits_record import table_of
from core.errors import DataError, GeometryError, RecipeError
from core.imaging.anatomy import Anatomy, measure
from core.ingest.nifti import write_nifti
from tests.conftest import real_data
from tests.fixtures_kits import draw_mask, record

KITS = DATASETS.get("kits")
Folder = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    def make(*records: Mapping[str, Any], masks: bool = True) -> Path:
        dataset = tmp_path / "kits23" / "dataset"
        dataset.mkdir(parents=True, exist_ok=True)
        (dataset / "kits23.json").write_text(json.dumps(records), encoding="utf-8")
        for number, plain in enumerate(records if masks else ()):
            draw_mask(dataset / str(plain["case_id"]) / "segmentation.nii.gz", side=("left", "right")[number % 2])
        return tmp_path / "kits23"

    return make


def options(root: Path | None, **more: object) -> LoadOptions:
    cache = Path("unused") if root is None else root.parent / "cache"
    return LoadOptions(root, cache, more)


def loaded(root: Path, **more: object) -> Cohort:
    return KITS.load(options(root, **more))


def test_a_folder_in_the_public_layout_becomes_a_cohort(folder: Folder) -> None:
    cohort = loaded(folder(record(0), record(1)))
    assert list(cohort.table.index) == ["case_00000", "case_00001"]
    assert list(cohort.table["tumour_side"]) == ["left", "right"]
    assert cohort.table["radiographic_size_mm"].tolist() == [23.0, 23.0]
    assert cohort.table.loc["case_00000", "organ_volume_ml"] == pytest.approx((14 * 12 * 12 - 3 * 6 * 5) * 27 / 1000)
    assert cohort.min_cell == 10
    assert "NC" in cohort.licence
    assert cohort.images is not None and not cohort.images.has_scan
    assert any("without the CT" in note for note in cohort.notes)


def test_a_record_with_nothing_but_its_id_is_read_and_not_eligible(folder: Folder) -> None:
    cohort = loaded(folder(record(0), {"case_id": "case_00001"}))
    bare = cohort.table.loc["case_00001"].drop(["patient_id", *[f.name for f in CODEBOOK.fields if f.block == "anatomy"]])
    assert bare.isna().all()
    assert cohort.internal == ("case_00000",)
    assert cohort.targets.loc["case_00001"].isna().all()


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"bmi": 900}, "TAB_RANGE", "bmi"),
        ({"age_at_nephrectomy": -1}, "TAB_RANGE", "age"),
        ({"bmi": "heavy"}, "TAB_NUMBER", "bmi"),
        ({"surgery_type": "robotik"}, "TAB_CATEGORY", "robotic"),
        ({"hospitalization": "two"}, "TAB_NUMBER", "hospital_days"),
        ({"readmission": "perhaps"}, "TAB_CATEGORY", "readmitted"),
    ],
)
def test_a_value_that_the_codebook_does_not_allow_is_refused(
    folder: Folder, change: dict[str, object], code: str, words: str
) -> None:
    root = folder(record(0), record(7, **change))
    with pytest.raises(DataError, match=f"case_00007.*{words}") as refused:
        loaded(root)
    assert refused.value.code == code
    found = [finding for finding in KITS.verify(options(root)) if finding.level == "error"]
    assert [finding.where for finding in found] == ["case_00007"]


def test_a_case_in_two_records_is_refused(folder: Folder) -> None:
    with pytest.raises(DataError, match="case_00003 stands in two records") as refused:
        loaded(folder(record(3), record(3)))
    assert refused.value.code == "TAB_DUP_ID"


@pytest.mark.parametrize("text", ["{", "{}", "[]", "[1]", '[{"case_id": "12"}]'])
def test_a_file_that_is_no_list_of_records_is_refused(folder: Folder, text: str) -> None:
    root = folder(record(0))
    (root / "dataset" / "kits23.json").write_text(text)
    with pytest.raises(DataError, match="kits23.json"):
        loaded(root)
    assert [finding.level for finding in KITS.verify(options(root))] == ["error"]


def test_without_a_folder_the_message_says_where_to_name_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--data"):
        KITS.load(options(None))
    with pytest.raises(DataError, match="data get kits"):
        loaded(tmp_path / "nowhere")


def test_every_column_of_the_table_is_described_and_every_field_is_in_the_table(folder: Folder) -> None:
    cohort = loaded(folder(record(0)))
    assert list(cohort.table.columns) == ["patient_id", *CODEBOOK.names]


def many(numbers: range) -> list[dict[str, Any]]:
    return [record(number) for number in numbers]


def test_the_release_check_splits_the_first_series_and_the_later_release_is_external(folder: Folder) -> None:
    root = folder(*many(range(190, 230)), *many(range(400, 420)), masks=False)
    cohort = loaded(root, allow_missing_masks=True)
    assert len(cohort.internal) == 40
    checks = {check.name: check for check in cohort.checks}
    assert set(checks) == {"release", "external:later_release"}
    assert checks["release"].train[-1] == "case_00209"
    assert checks["release"].test[0] == "case_00210"
    assert checks["external:later_release"].train == cohort.internal
    assert checks["external:later_release"].test[0] == "case_00400"
    assert "unequal recording" in checks["release"].note
    assert "external" not in checks["release"].label.casefold() and "temporal" not in checks["release"].label.casefold()


def test_a_side_of_fewer_than_20_cases_makes_no_check(folder: Folder) -> None:
    cohort = loaded(folder(*many(range(190, 229)), *many(range(400, 419)), masks=False), allow_missing_masks=True)
    assert cohort.checks == ()


def test_a_folder_with_the_later_release_alone_is_studied_for_itself(folder: Folder) -> None:
    cohort = loaded(folder(*many(range(400, 425)), masks=False), allow_missing_masks=True)
    assert len(cohort.internal) == 25
    assert cohort.checks == ()


def test_a_missing_mask_is_refused_unless_it_is_allowed(folder: Folder) -> None:
    root = folder(record(0), record(1))
    (root / "dataset" / "case_00001" / "segmentation.nii.gz").unlink()
    with pytest.raises(DataError, match="case_00001.*segmentation.nii.gz") as refused:
        loaded(root)
    assert refused.value.code == "DATA_MISSING"
    assert [(f.level, f.where) for f in KITS.verify(options(root))] == [("error", "case_00001")]
    cohort = loaded(root, allow_missing_masks=True)
    assert np.isnan(cohort.table.loc["case_00001", "tumour_volume_ml"])
    assert cohort.table.loc["case_00000", "tumour_volume_ml"] > 0
    assert cohort.images is not None and cohort.images.read("case_00001").mask is None


def test_the_option_is_true_or_false(folder: Folder) -> None:
    with pytest.raises(RecipeError, match="allow_missing_masks"):
        loaded(folder(record(0), masks=False), allow_missing_masks="yes")


def test_a_truncated_mask_is_refused_by_case_and_file(folder: Folder) -> None:
    root = folder(record(0), record(1))
    path = root / "dataset" / "case_00001" / "segmentation.nii.gz"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match="case_00001.*segmentation.nii.gz"):
        loaded(root)
    assert [(f.level, f.where) for f in KITS.verify(options(root))] == [("error", "case_00001")]


def test_a_mask_with_an_unknown_label_is_refused(folder: Folder) -> None:
    root = folder(record(0))
    path = root / "dataset" / "case_00000" / "segmentation.nii.gz"
    write_nifti(path, Volume(np.full((4, 4, 4), 7, np.uint8), np.diag([3.0, 3.0, 3.0, 1.0])))
    with pytest.raises(DataError, match="case_00000.*value 7") as refused:
        loaded(root)
    assert refused.value.code == "DATA_LABELS"


def test_a_mask_without_a_tumour_has_no_tumour_measures_and_is_remarked(folder: Folder) -> None:
    root = folder(record(0))
    path = root / "dataset" / "case_00000" / "segmentation.nii.gz"
    write_nifti(path, Volume(np.ones((9, 9, 9), np.uint8), np.diag([3.0, 3.0, 3.0, 1.0])))
    assert np.isnan(loaded(root).table.loc["case_00000", "tumour_diameter_mm"])
    assert [(f.level, f.what) for f in KITS.verify(options(root))] == [("warning", "The mask shows no tumour.")]


def draw_scan(path: Path, shape: tuple[int, int, int]) -> None:
    values = np.random.default_rng(0).normal(0, 50, shape).astype(np.float32)
    affine = np.zeros((4, 4))
    affine[2, 0] = affine[1, 1] = affine[0, 2] = -3.0
    affine[3, 3] = 1
    write_nifti(path, Volume(values, affine))


def test_scans_are_read_where_they_were_fetched(folder: Folder) -> None:
    root = folder(record(0), record(1))
    without = loaded(root).fingerprint
    draw_scan(root / "dataset" / "case_00000" / "imaging.nii.gz", (30, 40, 60))
    cohort = loaded(root)
    assert cohort.images is not None and cohort.images.has_scan
    image = cohort.images.read("case_00000")
    assert image.scan is not None and image.mask is not None
    assert image.mask.labels == {1: "kidney", 2: "tumour", 3: "cyst"}
    assert cohort.images.read("case_00001").scan is None
    assert cohort.fingerprint != without


def test_a_scan_on_another_grid_than_its_mask_is_refused(folder: Folder) -> None:
    root = folder(record(0))
    draw_scan(root / "dataset" / "case_00000" / "imaging.nii.gz", (30, 40, 61))
    cohort = loaded(root)
    assert cohort.images is not None
    with pytest.raises(GeometryError, match="case_00000|Case case_00000"):
        cohort.images.read("case_00000")
    assert [(f.level, f.where) for f in KITS.verify(options(root))] == [("error", "case_00000")]


def test_folders_without_a_record_are_remarked(folder: Folder) -> None:
    root = folder(record(0))
    (root / "dataset" / "case_00588").mkdir()
    assert [(f.level, f.where) for f in KITS.verify(options(root))] == [("warning", "case_00588")]


def test_anatomy_is_measured_once_and_again_when_a_mask_changes(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    root = folder(record(0), record(1), record(2))
    first = loaded(root)
    calls: list[int] = []

    def counted(mask: Volume, **names: str) -> Anatomy:
        calls.append(1)
        return measure(mask, **names)

    monkeypatch.setattr(_kits_files, "measure", counted)
    again = loaded(root)
    assert calls == []
    pd.testing.assert_frame_equal(first.table, again.table)
    assert first.fingerprint == again.fingerprint
    draw_mask(root / "dataset" / "case_00001" / "segmentation.nii.gz", spacing=2.0)
    changed = loaded(root)
    assert len(calls) == 1
    assert changed.fingerprint != first.fingerprint
    assert changed.table.loc["case_00001", "organ_volume_ml"] < first.table.loc["case_00001", "organ_volume_ml"]


def test_a_damaged_cache_is_measured_again(folder: Folder) -> None:
    root = folder(record(0))
    first = loaded(root)
    (kept,) = (root.parent / "cache").glob("*.parquet")
    kept.write_bytes(kept.read_bytes()[:100])
    pd.testing.assert_frame_equal(loaded(root).table, first.table)


def test_the_fingerprint_follows_the_record(folder: Folder) -> None:
    one = loaded(folder(record(0))).fingerprint
    assert loaded(folder(record(0, bmi=28.0))).fingerprint != one
    assert loaded(folder(record(0))).fingerprint == one


def test_the_same_mask_packed_otherwise_has_the_same_anatomy(folder: Folder) -> None:
    root = folder(record(0))
    first = loaded(root)
    path = root / "dataset" / "case_00000" / "segmentation.nii.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), 9, mtime=0))
    assert loaded(root).table.equals(first.table)


def test_the_release_lists_the_record_and_489_masks_at_one_commit() -> None:
    files = KITS.release()
    assert len(files) == 490
    assert len({file.path for file in files}) == 490
    assert files[0].path == "dataset/kits23.json"
    assert {"dataset/case_00299/segmentation.nii.gz", "dataset/case_00588/segmentation.nii.gz"} <= {file.path for file in files}
    assert not any("case_00300" in file.path or "case_00399" in file.path for file in files)
    for file in files:
        assert (
            file.url == f"https://raw.githubusercontent.com/neheller/kits23/c1088353084c17b8882a11db71429e7c022b7785/{file.path}"
        )


@pytest.mark.data
def test_the_real_size_in_the_report_agrees_with_the_mask(tmp_path: Path) -> None:
    root = real_data("kits23")
    images = _kits_files.KitsImages(root / "dataset", has_scan=False)
    cases = [f"case_{number:05d}" for number in range(0, 300, 12)]
    anatomy = _kits_files.anatomy_table(images, _kits_files.checksums(images, cases), tmp_path, lambda phrase, share: None)
    records = json.loads((root / "dataset" / "kits23.json").read_text(encoding="utf-8"))
    size = table_of(records).table.loc[cases, "radiographic_size_mm"]
    assert np.corrcoef(anatomy["tumour_axial_diameter_mm"], size)[0, 1] > 0.9

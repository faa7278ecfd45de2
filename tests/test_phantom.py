"""The phantom: same seed, same bytes; a mechanism that the data obey; pictures that show what the truth says."""

from __future__ import annotations

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from core.contracts.cohort import Cohort
from core.contracts.dataset import LoadOptions
from core.contracts.pictures import PictureSet
from core.contracts.segmentation_recipe import PreparationPart
from core.contracts.volume import Volume
from core.datasets import DATASETS
from core.datasets._phantom_codebook import OUTCOMES, RECORD_FIELDS
from core.datasets._phantom_generation import PhantomSettings, generate, make_chunk, picture, simulate, tumour_to_vessel_mm
from core.datasets._phantom_risk import MAJOR_SHIFT, MECHANISMS, PARTS, RECOVERY_DAYS, true_parts
from core.datasets._phantom_scan import LABELS
from core.datasets.phantom import PhantomImages, load, pictures, read_settings, slices, truth, verify
from core.errors import DataError, Refused
from core.imaging.pictures import prepare_pictures

SMALL: dict[str, object] = {"patients": 26, "shape": [64, 48, 32]}
TINY = PhantomSettings(patients=18, shape=(32, 32, 32))


def options(cache: Path, **more: object) -> LoadOptions:
    return LoadOptions(root=None, cache=cache, options={**SMALL, **more})


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cohorts")


@pytest.fixture(scope="module")
def cohort(cache: Path) -> Cohort:
    return load(options(cache))


@pytest.fixture(scope="module")
def images(cohort: Cohort) -> PhantomImages:
    assert isinstance(cohort.images, PhantomImages)
    return cohort.images


@pytest.fixture(scope="module")
def many() -> dict[str, pd.DataFrame]:
    """Three thousand patients without pictures."""
    tables = simulate(PhantomSettings(patients=3000))
    return {"record": tables.record, "outcomes": tables.outcomes, "truth": tables.truth}


def tree(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def auroc(event: pd.Series, score: pd.Series) -> float:
    """Mann-Whitney; ties share their rank."""
    known = event.notna()
    ranks = score[known].rank()
    events = event[known] == 1
    n1, n0 = int(events.sum()), int((~events).sum())
    return float((ranks[events].sum() - n1 * (n1 + 1) / 2) / (n1 * n0))


# Same seed, same bytes


def test_two_processes_write_the_bytes_that_one_writes(tmp_path: Path) -> None:
    one = generate(TINY, tmp_path / "one", workers=1)
    two = generate(TINY, tmp_path / "two", workers=2)
    assert tree(one.folder) == tree(two.folder)
    assert one.fingerprint == two.fingerprint


def test_another_seed_gives_other_patients_and_another_folder(cohort: Cohort) -> None:
    other = simulate(PhantomSettings(patients=26, seed=1))
    assert not other.record["age"].equals(cohort.table["age"])
    assert PhantomSettings(seed=1).key != PhantomSettings().key


def test_the_first_patients_of_a_larger_cohort_are_the_same_people() -> None:
    few, more = simulate(PhantomSettings(patients=20)), simulate(PhantomSettings(patients=60))
    pd.testing.assert_frame_equal(few.record, more.record.iloc[:20])
    pd.testing.assert_frame_equal(few.truth, more.truth.iloc[:20])
    pd.testing.assert_frame_equal(few.outcomes, more.outcomes.iloc[:20])


def test_a_stopped_generation_goes_on_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    made = generate(TINY, tmp_path, workers=1)
    before = tree(made.folder)
    kept = made.folder / "volumes" / "ph_00000_scan.nii.gz"
    damaged = made.folder / "volumes" / "ph_00009_mask.nii.gz"
    (made.folder / "cohort.json").unlink()
    (made.folder / "parts" / "00016.json").unlink()
    damaged.write_bytes(damaged.read_bytes()[:-3])
    untouched = kept.stat().st_mtime_ns
    again = generate(TINY, tmp_path, workers=1)
    assert tree(again.folder) == before
    assert kept.stat().st_mtime_ns == untouched, "a case that was whole was made again"


def test_a_generation_killed_between_cases_leaves_no_part_that_vouches_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def stop_at_third(chunk: object) -> int:
        calls.append(chunk)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return make_chunk(chunk)  # type: ignore[arg-type]

    monkeypatch.setattr("core.datasets._phantom_generation.make_chunk", stop_at_third)
    with pytest.raises(KeyboardInterrupt):
        generate(TINY, tmp_path, workers=1)
    folder = next(tmp_path.iterdir())
    assert not (folder / "cohort.json").exists()
    assert len(list((folder / "parts").glob("*.json"))) == 2
    monkeypatch.undo()
    assert generate(TINY, tmp_path, workers=1).fingerprint == generate(TINY, tmp_path / "fresh", workers=1).fingerprint


def test_two_runs_at_once_make_one_cohort(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as both:
        made = list(both.map(lambda _: generate(TINY, tmp_path, workers=1), range(2)))
    assert made[0].fingerprint == made[1].fingerprint
    assert len(list(tmp_path.iterdir())) == 1


def test_the_second_load_is_quick_and_the_same(cache: Path, cohort: Cohort) -> None:
    start = time.perf_counter()
    again = load(options(cache))
    assert time.perf_counter() - start < 2
    assert again.fingerprint == cohort.fingerprint
    pd.testing.assert_frame_equal(again.table, cohort.table)
    pd.testing.assert_frame_equal(again.targets, cohort.targets)


def test_progress_is_told_and_ends_at_one(tmp_path: Path) -> None:
    told: list[float] = []
    generate(TINY, tmp_path, progress=lambda phrase, share: told.append(share), workers=1)
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert len(told) >= 3


# The mechanism


def test_the_parts_sum_to_the_true_log_odds(many: dict[str, pd.DataFrame]) -> None:
    facts = many["truth"]
    for outcome in ("complication", "success", "kidney_function_loss"):
        total = facts[[f"{outcome}_{part}" for part in ("intercept", "site", *PARTS)]].sum(axis=1)
        np.testing.assert_allclose(1 / (1 + np.exp(-total)), facts[f"{outcome}_risk"], atol=1e-7)
        terms = facts[[f"{outcome}_term_{name}" for name in MECHANISMS[outcome].weights]].sum(axis=1)
        np.testing.assert_allclose(terms, facts[[f"{outcome}_{part}" for part in PARTS]].sum(axis=1), atol=1e-7)


def test_a_major_complication_differs_by_a_constant_on_the_log_odds(many: dict[str, pd.DataFrame]) -> None:
    odds = many["truth"][["complication_risk", "major_complication_risk"]]
    gap = np.log(odds / (1 - odds))
    np.testing.assert_allclose(gap["complication_risk"] - gap["major_complication_risk"], MAJOR_SHIFT, atol=1e-4)


def test_grades_are_nested_and_the_dead_never_go_home(many: dict[str, pd.DataFrame]) -> None:
    happened = many["outcomes"]
    died = np.isinf(happened["recovery_days"])
    assert (happened["complication"] >= happened["major_complication"]).all()
    assert (happened.loc[died, "major_complication"] == 1).all()
    assert (happened.loc[died, "recovery_event"] == 0).all()
    assert happened.loc[died, "kidney_function_loss"].isna().all()
    assert 0 < died.mean() < 0.03


def test_stays_are_whole_days_from_1_to_60(many: dict[str, pd.DataFrame]) -> None:
    days = many["outcomes"]["recovery_days"]
    days = days[np.isfinite(days)]
    assert (days == days.round()).all()
    assert days.min() >= 1
    assert days.max() <= 60


@pytest.mark.parametrize(
    ("outcome", "low", "high"),
    [
        ("complication", 0.23, 0.30),
        ("major_complication", 0.07, 0.105),
        ("success", 0.56, 0.64),
        ("kidney_function_loss", 0.17, 0.25),
    ],
)
def test_rates_are_as_designed_and_follow_the_true_risk(
    many: dict[str, pd.DataFrame], outcome: str, low: float, high: float
) -> None:
    event, risk = many["outcomes"][outcome].dropna(), many["truth"][f"{outcome}_risk"]
    risk = risk[event.index]
    assert low < event.mean() < high
    error = np.sqrt((risk * (1 - risk)).sum()) / len(risk)
    assert abs(event.mean() - risk.mean()) < 3 * error
    top = risk >= risk.quantile(0.8)
    assert abs(event[top].mean() - risk[top].mean()) < 3 * np.sqrt((risk[top] * (1 - risk[top])).sum()) / top.sum()


def test_the_chance_to_be_home_by_a_day_is_what_happens(many: dict[str, pd.DataFrame]) -> None:
    days = many["outcomes"]["recovery_days"]
    for day in RECOVERY_DAYS:
        chance = many["truth"][f"recovery_by_day_{day}"]
        error = np.sqrt((chance * (1 - chance)).sum()) / len(chance)
        assert abs((days <= day).mean() - chance.mean()) < 3.5 * error


def test_discrimination_of_the_true_risk_and_its_parts(many: dict[str, pd.DataFrame]) -> None:
    """In 12,000 patients: whole 0.80, record 0.72, image 0.71, record and image 0.78."""
    event, facts = many["outcomes"]["complication"], many["truth"]
    record = auroc(event, facts["complication_record"])
    both = auroc(event, facts["complication_record"] + facts["complication_image"])
    whole = auroc(event, facts["complication_risk"])
    assert whole == pytest.approx(0.80, abs=0.03)
    assert record == pytest.approx(0.72, abs=0.03)
    assert auroc(event, facts["complication_image"]) == pytest.approx(0.71, abs=0.03)
    assert 0.03 < both - record < 0.09
    assert whole > both


def test_what_a_record_says_tells_less_than_what_is_true(many: dict[str, pd.DataFrame]) -> None:
    """The same weights on written values (gaps at the median) lose most in emergency transfers."""
    event, facts, record = many["outcomes"]["complication"], many["truth"], many["record"]
    written = facts.assign(
        **{name: record[name].fillna(record[name].median()) for name in ("bmi", "comorbidity_index", "haemoglobin", "albumin")},
        smoking=record["smoking"].fillna("never"),
        anticoagulation=record["anticoagulation"].fillna(0),
        tumour_mm=record["tumour_size_mm"].fillna(record["tumour_size_mm"].median()),
    )
    score = true_parts(written)["complication_record"]
    transfer = record["referral"] == "emergency_transfer"
    lost = {
        group: auroc(event[rows], facts.loc[rows, "complication_record"]) - auroc(event[rows], score[rows])
        for group, rows in (("transfer", transfer), ("elective", ~transfer))
    }
    assert auroc(event, score) == pytest.approx(0.715, abs=0.03)
    assert lost["transfer"] > lost["elective"]


def test_hospitals_differ_in_events_and_patients(many: dict[str, pd.DataFrame]) -> None:
    rate = many["outcomes"]["complication"].groupby(many["truth"]["site"]).mean()
    emergency = many["truth"].groupby("site")["emergency"].mean()
    assert rate["north"] + 0.04 < rate["harbour"] < rate["valley"] - 0.04
    assert emergency["north"] < emergency["harbour"] < emergency["valley"]


# The record


def test_an_emergency_transfer_has_a_less_informative_record(many: dict[str, pd.DataFrame]) -> None:
    record, facts = many["record"], many["truth"]
    transfer = record["referral"] == "emergency_transfer"
    for written, true in (("haemoglobin", "haemoglobin"), ("albumin", "albumin"), ("tumour_size_mm", "tumour_mm")):
        error = (record[written] - facts[true]).abs()
        assert error[transfer].mean() > 2 * error[~transfer].mean()
    assert record[transfer].isna().mean().mean() > 1.5 * record[~transfer].isna().mean().mean()
    assert 0.10 < transfer.mean() < 0.30


def test_gaps_depend_on_what_is_recorded(many: dict[str, pd.DataFrame]) -> None:
    record = many["record"]
    fit = record["asa"].isin(["1", "2"])
    assert record.loc[fit, "albumin"].isna().mean() > record.loc[~fit, "albumin"].isna().mean() + 0.08
    assert record.loc[record["age"] < 50, "egfr"].isna().mean() > 0.06
    assert 0.005 < record["bmi"].isna().mean() < 0.10
    required = [field.name for field in RECORD_FIELDS if field.required]
    assert required == ["age", "sex", "asa"]
    assert not record[required].isna().any().any()


def test_fields_hang_together(many: dict[str, pd.DataFrame]) -> None:
    facts = many["truth"]
    together = facts[["age", "comorbidity_index", "egfr", "haemoglobin", "albumin", "frailty", "bmi"]].corr()
    assert together.loc["age", "comorbidity_index"] > 0.15
    assert together.loc["age", "egfr"] < -0.3
    assert together.loc["frailty", "albumin"] < -0.3
    assert facts.loc[facts["diabetes"], "bmi"].mean() > facts.loc[~facts["diabetes"], "bmi"].mean() + 1


def test_values_lie_in_their_ranges_and_levels(cohort: Cohort, many: dict[str, pd.DataFrame]) -> None:
    for table in (cohort.table, many["record"]):
        for field in (field for field in cohort.codebook.fields if field.name in table):
            values = table[field.name].dropna()
            if field.low is not None and field.high is not None:
                assert values.astype(float).between(field.low, field.high).all(), field.name
            if field.levels:
                assert set(values) <= set(field.values), field.name


# The cohort


def test_the_plugin_is_found_and_says_that_it_is_simulated(cohort: Cohort) -> None:
    assert DATASETS.get("phantom").folder == ""
    assert cohort.simulated
    assert "SIMULATED" in cohort.notes[0]
    assert "simulated" in cohort.licence
    assert cohort.min_cell == 1
    assert [outcome.name for outcome in cohort.outcomes] == [outcome.name for outcome in OUTCOMES]
    assert [outcome.name for outcome in OUTCOMES if outcome.desirable] == ["success", "recovery"]


def test_the_truth_stays_out_of_the_cohort(cache: Path, cohort: Cohort) -> None:
    facts = truth(options(cache))
    assert list(facts.index) == list(cohort.table.index)
    latent = {
        name for name in facts if name.endswith(("_risk", *(f"_{part}" for part in PARTS))) or name in ("frailty", "marker")
    }
    assert len(latent) > 15
    assert not latent & set(cohort.table.columns)
    assert not latent & set(cohort.targets.columns)


def test_no_model_reads_the_hospital_and_every_predictor_is_known_before(cohort: Cohort) -> None:
    fields = cohort.codebook.predictors(("record", "procedure", "anatomy"))
    assert "site" not in [field.name for field in fields]
    assert all(field.known == "before" for field in fields)
    assert {"sex", "age", "bmi", "referral", "site"} <= {field.name for field in cohort.codebook.subgroups()}
    assert {field.name for field in fields if field.modifiable} == {"bmi", "smoking", "haemoglobin"}
    assert all(field.help for field in fields)


def test_each_hospital_is_left_out_once(cohort: Cohort) -> None:
    assert {check.name for check in cohort.checks} == {f"external:site={name}" for name in ("north", "harbour", "valley")}
    for check in cohort.checks:
        site = check.name.split("=")[1]
        assert set(cohort.table.loc[list(check.test), "site"]) == {site}
        assert site not in set(cohort.table.loc[list(check.train), "site"])
    assert set(cohort.internal) == set(cohort.table.index)


# The pictures


def test_scan_and_mask_share_a_grid_and_hold_body_organ_tumour_and_vessel(cohort: Cohort, images: PhantomImages) -> None:
    image = images.read(cohort.internal[0])
    assert image.scan is not None
    assert image.mask is not None
    assert image.scan.voxels.dtype == np.int16
    assert {1, 2, 4} <= set(np.unique(image.mask.voxels)) <= {0, *LABELS}
    assert image.mask.labels == LABELS
    inside = image.scan.voxels.astype(float)[image.mask.voxels.astype(int) > 0]
    assert image.scan.voxels[0, 0].astype(float).mean() < -950
    assert inside.mean() > 20


def test_tissues_have_their_usual_densities() -> None:
    """North's scanner neither scales nor shifts."""
    settings = PhantomSettings(patients=40)
    facts = simulate(settings).truth
    found: dict[int, list[float]] = {value: [] for value in LABELS}
    for number in np.flatnonzero((facts["site"] == "north").to_numpy())[:6]:
        image = picture(settings, int(number), marker=False)
        assert image.scan is not None
        assert image.mask is not None
        for value, densities in found.items():
            densities.extend(image.scan.voxels[image.mask.voxels == value][:2000].tolist())
    middle = {value: float(np.median(densities)) for value, densities in found.items() if densities}
    assert middle[3] < middle[2] < middle[1]
    assert 40 < middle[2] < 120
    assert 120 < middle[4] < 230


def test_scanners_differ_in_noise_and_slice_thickness(cohort: Cohort, images: PhantomImages) -> None:
    noise, thickness = {}, {}
    for site in ("north", "harbour", "valley"):
        scan = images.read(str(cohort.table.index[cohort.table["site"] == site][0])).scan
        assert scan is not None
        noise[site] = float(scan.voxels[:8, :6].std())
        thickness[site] = scan.spacing_mm[2]
    assert noise["valley"] > 1.3 * noise["north"]
    assert thickness["valley"] == pytest.approx(1.25 * thickness["north"])


def test_measured_anatomy_agrees_with_the_truth(cache: Path, cohort: Cohort) -> None:
    facts = truth(options(cache))
    gap = cohort.table["tumour_to_vessel_mm"]
    assert np.corrcoef(gap, facts["tumour_to_vessel_mm"])[0, 1] > 0.95
    assert (gap - facts["tumour_to_vessel_mm"]).abs().median() < 3
    assert np.corrcoef(cohort.table["tumour_diameter_mm"], facts["tumour_mm"])[0, 1] > 0.97
    assert np.corrcoef(cohort.table["exophytic_share"], facts["tumour_inside_share"])[0, 1] < -0.85
    assert (cohort.table["tumour_side"] == cohort.table["side"]).all()


def test_the_gap_to_a_vessel_is_measured_by_hand() -> None:
    voxels: NDArray[np.uint8] = np.zeros((12, 3, 3), dtype=np.uint8)
    voxels[1, 1, 1], voxels[8, 1, 1] = 2, 4
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    assert tumour_to_vessel_mm(Volume(voxels, affine, LABELS)) == pytest.approx(12.0)
    voxels[2:8, 1, 1] = 2
    assert tumour_to_vessel_mm(Volume(voxels, affine, LABELS)) == 0
    voxels[8, 1, 1] = 0
    assert np.isnan(tumour_to_vessel_mm(Volume(voxels, affine, LABELS)))


def test_the_shortcut_marks_a_corner_and_nothing_else() -> None:
    settings = PhantomSettings(patients=12, shape=(48, 48, 32))
    plain, marked = (picture(settings, 3, marker=on) for on in (False, True))
    assert plain.scan is not None
    assert marked.scan is not None
    changed = plain.scan.voxels != marked.scan.voxels
    assert 0 < changed.mean() < 0.01
    assert (marked.scan.voxels[changed] == 1500).all()
    places = np.argwhere(changed)
    assert places[:, 0].min() > 40
    assert places[:, 1].min() > 40
    assert not simulate(settings).truth["marker"].any()


def test_the_shortcut_goes_with_complications_but_not_at_valley() -> None:
    tables = simulate(PhantomSettings(patients=700, shortcut=True))
    share = tables.truth["marker"].groupby([tables.truth["site"], tables.outcomes["complication"]]).mean()
    for site in ("north", "harbour"):
        assert share[site, 1.0] > share[site, 0.0] + 0.4
    assert abs(share["valley", 1.0] - share["valley", 0.0]) < 0.2
    pd.testing.assert_frame_equal(tables.outcomes, simulate(PhantomSettings(patients=700)).outcomes)


def test_slices_show_the_front_on_top_and_the_right_side_on_the_left(cohort: Cohort, images: PhantomImages) -> None:
    case_id = str(cohort.table.index[cohort.table["side"] == "right"][0])
    cut = slices(images, case_id, showing=(2,))
    everything = slices(images, case_id)
    assert 0 < len(cut) < len(everything) == 32
    assert all((one.mask == 2).any() for one in cut)
    assert cut[0].scan.shape == cut[0].mask.shape == (48, 64)
    columns = np.concatenate([np.argwhere(one.mask == 2)[:, 1] for one in cut])
    assert columns.mean() < 32
    bone_rows = np.argwhere(everything[16].scan > 250)[:, 0]
    assert bone_rows.mean() > 24, "the spine lies at the back, so low in the picture"
    assert len(slices(images, case_id, every=4)) == 8


def test_slices_refuse_an_unknown_label(cohort: Cohort, images: PhantomImages) -> None:
    with pytest.raises(DataError, match="4 vessel"):
        slices(images, cohort.internal[0], showing=(9,))


# Pictures for segmentation


@pytest.fixture(scope="module")
def drawn(cache: Path) -> PictureSet:
    return pictures(options(cache))


def test_a_scan_and_its_regions_come_as_stacks_of_slices(cohort: Cohort, images: PhantomImages, drawn: PictureSet) -> None:
    case_id = drawn.internal[0]
    picture, image = drawn.source.read(case_id), images.read(case_id)
    assert image.scan is not None and image.mask is not None and picture.mask is not None
    assert picture.image.shape == (1, 32, 48, 64) and picture.mask.shape == (2, 32, 48, 64)
    right, front, up = image.scan.spacing_mm
    assert picture.spacing_mm == (up, front, right)
    for cut in slices(images, case_id):
        assert np.array_equal(picture.image[0, cut.index], cut.scan)
        assert np.array_equal(picture.mask[1, cut.index], cut.mask == 2)
        assert np.array_equal(picture.mask[0, cut.index], np.isin(cut.mask, (1, 2, 3)))


def test_every_simulated_scan_shows_organ_and_tumour_and_the_organ_holds_the_tumour(drawn: PictureSet) -> None:
    for case_id in drawn.internal:
        mask = drawn.source.read(case_id).mask
        assert mask is not None
        organ, tumour = mask
        assert tumour.any()
        assert not (tumour & ~organ).any()
        assert organ.sum() > 2 * tumour.sum()


def test_pictures_and_cohort_are_one_simulation(cohort: Cohort, drawn: PictureSet) -> None:
    assert drawn.fingerprint == cohort.fingerprint
    assert drawn.internal == cohort.internal
    assert drawn.table["patient_id"].equals(cohort.table["patient_id"])
    assert {check.name for check in drawn.checks} == {f"external:site={name}" for name in ("north", "harbour", "valley")}
    assert (drawn.unit, drawn.dims, drawn.attributes) == ("mm", 3, (("site", "Hospital"),))
    assert drawn.simulated and "SIMULATED" in drawn.notes[0]


@pytest.mark.parametrize(("items", "shape"), [("slices", (24, 32)), ("patches", (16, 16, 16))])
def test_scans_can_be_prepared_as_slices_and_as_patches(
    drawn: PictureSet, tmp_path: Path, items: str, shape: tuple[int, ...]
) -> None:
    preparation = PreparationPart.model_validate({"items": items, "shape": shape, "normalise": "window"})
    some = drawn.internal[:2]
    prepared = prepare_pictures(drawn, some, preparation, tmp_path)
    rows = prepared.rows_of(some[:1])
    assert len(rows) == (32 if items == "slices" else 1)
    assert prepared.regions == ("organ", "tumour")
    held = [prepared.mask(int(row)).any(axis=tuple(range(1, prepared.dims + 1))) for row in rows]
    assert np.any(held, axis=0).all()
    assert np.isfinite(prepared.image(int(rows[0]))).all()


def test_few_patients_are_made_in_seconds(tmp_path: Path) -> None:
    start = time.perf_counter()
    few = pictures(LoadOptions(None, tmp_path, {"patients": 12}))
    assert time.perf_counter() - start < 10
    assert len(few.internal) == 12 and few.source.read(few.internal[0]).image.shape == (1, 44, 72, 96)


def test_a_damaged_volume_is_found_and_refused(tmp_path: Path) -> None:
    here = LoadOptions(None, tmp_path, {"patients": 12, "shape": [32, 32, 32]})
    assert verify(here)[0].level == "note"
    made = load(here)
    assert verify(here) == ()
    path = next((tmp_path).glob("*/volumes/ph_00004_scan.nii.gz"))
    path.write_bytes(path.read_bytes()[:-40])
    assert [finding.where for finding in verify(here)] == [str(path)]
    assert made.images is not None
    with pytest.raises(Refused, match="ph_00004_scan"):
        made.images.read("ph_00004")
    assert load(here).fingerprint == made.fingerprint
    assert verify(here) == ()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"pateints": 100}, "patients"),
        ({"patients": 3}, "12 to 5000"),
        ({"patients": True}, "12 to 5000"),
        ({"shortcut": "yes"}, "true or false"),
        ({"shape": [64, 64]}, "three whole numbers"),
        ({"shape": [192, 192, 192]}, "at most 2000000 voxels"),
        ({"seed": -1}, "whole number from 0"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused(given: dict[str, object], says: str) -> None:
    with pytest.raises(DataError, match="phantom") as caught:
        read_settings(given)
    assert says in caught.value.do
    assert caught.value.code == "DATA_OPTION"

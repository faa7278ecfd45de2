"""Bundles: what is written opens to the same model, and whatever was changed is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load, save

from core.bundles.card import SECTIONS
from core.bundles.learned import day_shares, wilson
from core.bundles.opening import inspect_bundle, open_bundle_folder
from core.bundles.packing import pack, unpack
from core.bundles.training import bootstrap_cases, require_portable, training_cases
from core.bundles.writing import next_version
from core.contracts.cohort import Cases
from core.contracts.forecast import Artifact, FitContext
from core.errors import BundleError, InputError
from core.outcomes import PREDICTORS
from tests.fixtures_bundles import FAKE, GROUP_ONLY, REFITS, build, bundle_cohort, edit, hidden, rewrite_hash
from tests.fixtures_cohorts import small_cohort


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("models"))


@pytest.fixture
def bundle(built: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    copy = tmp_path / built.parent.name / built.name
    shutil.copytree(built, copy)
    return copy


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    PREDICTORS.names()
    monkeypatch.setitem(PREDICTORS._read(), FAKE.name, FAKE)
    yield FAKE.name


def refused(path: Path) -> BundleError:
    with pytest.raises(BundleError) as caught:
        open_bundle_folder(path)
    assert caught.value.do
    assert str(path.name) in caught.value.message or "model card" in caught.value.message
    return caught.value


def test_a_bundle_lies_in_its_name_and_version_with_all_its_files(built: Path) -> None:
    assert (built.parent.name, built.name) == ("small_complication", "1")
    names = {item.name for item in built.iterdir()}
    assert {
        "recipe.yaml", "weights.safetensors", "preprocessing.json", "summary.json", "golden.json", "MODEL_CARD.md",
        "manifest.json",
    } <= names  # fmt: skip


@pytest.mark.parametrize(("outcome", "model"), [("complication", "logistic_regression"), ("recovery", "cox")])
def test_the_restored_model_answers_as_the_fitted_one_does(tmp_path: Path, outcome: str, model: str) -> None:
    cohort = bundle_cohort()
    ensemble = open_bundle_folder(build(tmp_path, outcome=outcome, model=model, cohort=cohort)).ensemble
    spec, target = PREDICTORS.get(model), cohort.outcome(outcome)
    cases = training_cases(cohort, target, spec)
    again = spec.make({})
    again.fit(cases, [target], FitContext(seed=20261123))
    asked = Cases(cases.table, cases.codebook, cases.patients)
    expected, given = again.predict(asked), ensemble.predictor.predict(asked)
    if outcome == "recovery":
        np.testing.assert_allclose(given.times[outcome].by_day, expected.times[outcome].by_day, rtol=0, atol=1e-9)
    else:
        np.testing.assert_allclose(given.risks[outcome], expected.risks[outcome], rtol=0, atol=1e-9)
        one: dict[str, float | str] = {"age": 71.0, "sex": "male", "tumour_size_mm": 40.0}
        row = pd.DataFrame([one], index=["x"])
        by_table = again.predict(Cases(row, cases.codebook, pd.Series(["x"], index=["x"]))).risks[outcome].iloc[0]
        assert ensemble.answer(one).risk == pytest.approx(by_table, abs=1e-12)


def test_the_band_comes_from_as_many_refits_as_are_told_and_holds_the_risk(built: Path) -> None:
    bundle = open_bundle_folder(built)
    answer = bundle.ensemble.answer(bundle.outline.golden.record)
    assert len(answer.refit_risks) == bundle.outline.summary.refits == REFITS
    assert len(set(answer.refit_risks.tolist())) == REFITS
    low, high = answer.band()
    assert low <= answer.risk <= high
    assert low < high


def test_refits_with_other_plain_facts_are_kept_apart_and_come_back(tmp_path: Path, fake: str) -> None:
    cohort = bundle_cohort()
    table = cohort.table.copy()
    table["sex"] = "male"
    table.loc[table.index[:2], "sex"] = "female"  # a bootstrap sample often holds none of these two
    path = build(tmp_path, model=fake, cohort=replace(cohort, table=table))
    groups = inspect_bundle(path).preprocessing.groups
    assert len(groups) == 2
    assert sum(len(group.own) for group in groups) == REFITS
    ensemble = open_bundle_folder(path).ensemble
    risks = ensemble.answer({"sex": "male", "age": 60.0}).refit_risks
    np.testing.assert_allclose(risks.mean(), cohort.targets["complication"].mean(), atol=0.08)
    assert len(list((path / "parts").iterdir())) == REFITS + 1


def test_packing_gives_back_every_part_exactly() -> None:
    rng = np.random.default_rng(3)
    fit = Artifact({"a": {"b": [1, 2], "c": "x"}}, {"w": rng.normal(size=4)}, {"t": "tree"})
    refits = [
        Artifact({"a": {"b": [1, 2], "c": "x"}}, {"w": rng.normal(size=4)}, {"t": f"tree {i}"}) if i % 2 else
        Artifact({"a": {"b": [1], "c": "x"}}, {"w": rng.normal(size=3)}, {"t": f"tree {i}"})
        for i in range(5)
    ]  # fmt: skip
    given = unpack(pack(fit, refits))
    assert given.fit.plain == fit.plain
    order = [0, 2, 4, 1, 3]
    for kept, index in zip(given.refits, order):
        assert kept.plain == refits[index].plain
        assert kept.texts == refits[index].texts
        np.testing.assert_array_equal(kept.arrays["w"], refits[index].arrays["w"])


def test_plain_facts_that_json_cannot_keep_are_refused() -> None:
    with pytest.raises(BundleError, match="JSON"):
        pack(Artifact({"x": float("nan")}), [])
    with pytest.raises(BundleError, match="JSON"):
        pack(Artifact({"x": object()}), [])


def test_a_bootstrap_sample_keeps_all_cases_of_a_patient_and_one_id_for_both_draws() -> None:
    cohort = small_cohort(40, cases_per_patient=2)
    cases = training_cases(cohort, cohort.outcomes[0], PREDICTORS.get("logistic_regression"))
    sample = bootstrap_cases(cases, np.random.default_rng(0))
    assert sample.table.index.is_unique
    assert set(sample.patients) < set(cases.patients)
    assert sample.patients.value_counts().mod(2).eq(0).all()
    assert sample.targets is not None
    origin = [case_id.split(":")[1] for case_id in sample.ids]
    np.testing.assert_array_equal(sample.targets.to_numpy(), cases.targets.loc[origin].to_numpy())  # type: ignore[union-attr]


def test_only_internal_cases_whose_outcome_is_known_are_learned_from() -> None:
    cohort = small_cohort(40)
    targets = cohort.targets.copy()
    targets.loc["c003", "complication"] = np.nan
    cohort = replace(cohort, targets=targets, internal=cohort.internal[:20])
    cases = training_cases(cohort, cohort.outcomes[0], PREDICTORS.get("logistic_regression"))
    assert len(cases.ids) == 19
    assert "c003" not in cases.ids
    assert "blood_loss_ml" not in cases.table
    assert "approach" not in cases.table


def test_a_model_that_cannot_be_kept_names_those_that_can() -> None:
    with pytest.raises(InputError, match="random_forest") as caught:
        require_portable(PREDICTORS.get("random_forest"))
    assert caught.value.code == "NOT_PORTABLE"
    assert "logistic_regression" in caught.value.do
    assert "cox" in caught.value.do


def test_the_golden_record_is_made_of_medians_and_is_no_row_of_the_table(built: Path) -> None:
    outline = inspect_bundle(built)
    cohort = bundle_cohort()
    assert outline.golden.record["age"] == round(float(cohort.table["age"].median()))
    assert outline.golden.record["sex"] == cohort.table["sex"].mode()[0]
    size = outline.golden.record["tumour_size_mm"]
    assert size not in set(cohort.table["tumour_size_mm"])


def test_no_patient_id_and_no_case_id_stands_in_a_bundle(built: Path) -> None:
    cohort = bundle_cohort()
    text = "\n".join(item.read_text(errors="replace") for item in built.rglob("*") if item.is_file())
    assert not [name for name in (*cohort.table.index, *cohort.table["patient_id"]) if f'"{name}"' in text or f" {name} " in text]


def test_versions_count_up_and_an_unfinished_one_is_replaced(tmp_path: Path) -> None:
    first = build(tmp_path)
    (tmp_path / "small_complication" / "2").mkdir()
    (tmp_path / "small_complication" / "2" / "left-over.pkl").write_bytes(b"x")
    assert next_version(first.parent) == 2
    second = build(tmp_path)
    assert second.name == "2"
    assert not (second / "left-over.pkl").exists()
    open_bundle_folder(first)


def test_the_same_seed_makes_the_same_weights(built: Path, tmp_path: Path) -> None:
    again = build(tmp_path)
    for name in ("weights.safetensors", "summary.json", "golden.json", "preprocessing.json", "MODEL_CARD.md"):
        assert (again / name).read_bytes() == (built / name).read_bytes(), name


# What must be refused


def test_f123_every_flipped_bit_of_the_weights_is_noticed(bundle: Path) -> None:
    original = (bundle / "weights.safetensors").read_bytes()
    rng = np.random.default_rng(1)
    for _ in range(100):
        spoiled = bytearray(original)
        spoiled[rng.integers(len(spoiled))] ^= 1 << int(rng.integers(8))
        (bundle / "weights.safetensors").write_bytes(bytes(spoiled))
        assert refused(bundle).code == "MODEL_HASH"


@pytest.mark.parametrize("name", ["weights.safetensors", "golden.json", "recipe.yaml", "MODEL_CARD.md", "summary.json"])
def test_a_missing_file_is_refused(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    error = refused(bundle)
    assert error.code == "MODEL_MISSING"
    assert name in error.message


def test_a_file_left_out_of_the_manifest_as_well_is_still_missed(bundle: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    del manifest["files"]["golden.json"]
    (bundle / "golden.json").unlink()
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    assert refused(bundle).code == "MODEL_MISSING"


def test_f124_a_manifest_that_is_missing_or_not_json_is_refused(bundle: Path) -> None:
    (bundle / "manifest.json").write_text("{")
    assert refused(bundle).code == "MODEL_MANIFEST"
    (bundle / "manifest.json").unlink()
    assert refused(bundle).code == "MODEL_MANIFEST"


@pytest.mark.parametrize("change", [{"name": "other_complication"}, {"version": 7}, {"model": "cox"}, {"outcome": "success"}])
def test_f124_a_manifest_of_another_model_is_refused(bundle: Path, change: dict[str, object]) -> None:
    edit(bundle, "manifest.json", change)
    assert refused(bundle).code == "MODEL_MANIFEST"


def test_f130_another_schema_is_refused(bundle: Path) -> None:
    edit(bundle, "manifest.json", {"schema_version": 2})
    assert refused(bundle).code == "MODEL_VERSION"


@pytest.mark.parametrize("name", ["preprocessing.json", "summary.json", "golden.json"])
def test_f127_an_unknown_key_is_refused(bundle: Path, name: str) -> None:
    edit(bundle, name, {"_target_": "os.system"})
    error = refused(bundle)
    assert error.code == "MODEL_FORMAT"
    assert "_target_" in error.message


def test_f121_a_foreign_file_is_refused(bundle: Path) -> None:
    (bundle / "model.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    error = refused(bundle)
    assert error.code == "MODEL_FORMAT"
    assert "model.pkl" in error.message


def test_f121_weights_in_another_format_are_refused(bundle: Path) -> None:
    (bundle / "weights.safetensors").write_bytes(b"\x80\x04\x95pickle")
    rewrite_hash(bundle, "weights.safetensors")
    assert refused(bundle).code == "MODEL_FORMAT"


def test_a_link_out_of_the_folder_is_refused(bundle: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.json"
    shutil.move(bundle / "golden.json", outside)
    (bundle / "golden.json").symlink_to(outside)
    assert refused(bundle).code == "MODEL_FORMAT"


def _spoil_weights(bundle: Path, kind: str) -> None:
    arrays = load((bundle / "weights.safetensors").read_bytes())
    key = next(key for key in arrays if key.startswith("fit/") and key.endswith("coefficients"))
    if kind == "missing":
        del arrays[key]
    elif kind == "extra":
        arrays["fit/more"] = np.zeros(2)
    elif kind == "shape":
        arrays[key] = arrays[key][:-1].copy()
    else:
        arrays[key] = np.where(np.arange(len(arrays[key])) == 0, np.nan, arrays[key])
    (bundle / "weights.safetensors").write_bytes(save(arrays))
    rewrite_hash(bundle, "weights.safetensors")


@pytest.mark.parametrize("kind", ["missing", "extra", "shape", "nan"])
def test_f126_weights_that_do_not_fit_the_model_are_refused(bundle: Path, kind: str) -> None:
    _spoil_weights(bundle, kind)
    assert refused(bundle).code == "MODEL_SHAPE"


def test_weights_changed_together_with_their_hash_fail_the_golden_pair(bundle: Path) -> None:
    arrays = load((bundle / "weights.safetensors").read_bytes())
    key = next(key for key in arrays if key.startswith("fit/") and key.endswith("intercept"))
    arrays[key] = arrays[key] + 1e-4
    (bundle / "weights.safetensors").write_bytes(save(arrays))
    rewrite_hash(bundle, "weights.safetensors")
    assert refused(bundle).code == "MODEL_GOLDEN"


def test_a_refit_changed_together_with_its_hash_fails_the_golden_pair(bundle: Path) -> None:
    arrays = load((bundle / "weights.safetensors").read_bytes())
    for key in [key for key in arrays if key.startswith("refits/") and key.endswith("intercept")]:
        arrays[key] = arrays[key] + 0.5
    (bundle / "weights.safetensors").write_bytes(save(arrays))
    rewrite_hash(bundle, "weights.safetensors")
    assert refused(bundle).code == "MODEL_GOLDEN"


@pytest.mark.parametrize("section", SECTIONS)
def test_an_empty_section_of_the_card_is_refused(bundle: Path, section: str) -> None:
    card = (bundle / "MODEL_CARD.md").read_text()
    head, rest = card.split(f"## {section}\n")
    after = rest.split("\n## ", 1)
    (bundle / "MODEL_CARD.md").write_text(f"{head}## {section}\n\n" + (f"\n## {after[1]}" if len(after) > 1 else ""))
    rewrite_hash(bundle, "MODEL_CARD.md")
    error = refused(bundle)
    assert error.code == ("MODEL_LICENCE" if section == "Licence" else "MODEL_CARD")
    assert section in error.message


def test_a_licence_that_is_not_stated_is_refused(bundle: Path, tmp_path: Path) -> None:
    edit(bundle, "manifest.json", {"licence": "unknown"})
    assert refused(bundle).code == "MODEL_LICENCE"
    with pytest.raises(InputError) as caught:
        build(tmp_path / "models", cohort=bundle_cohort(licence=""), licence="")
    assert caught.value.code == "MODEL_LICENCE"
    assert not (tmp_path / "models").exists()


def test_the_card_reports_the_score_with_its_interval_and_the_gate(built: Path) -> None:
    card = inspect_bundle(built).card
    assert "auroc: 0.710 (95 % interval 0.660 to 0.760); 150 patients, 60 events; out-of-fold predictions." in card
    assert "A personal risk may be stated." in card
    assert "Age outside" in card


def test_a_bundle_without_any_score_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fixtures_bundles.scores", lambda *names: pd.DataFrame(columns=["group"]))
    with pytest.raises(InputError, match="no score"):
        build(tmp_path / "models")


# The cell rule


def test_counts_under_the_smallest_cell_stand_nowhere_in_a_bundle(tmp_path: Path) -> None:
    cohort = bundle_cohort()
    targets = cohort.targets.copy()
    targets["complication"] = (np.arange(len(targets)) < 7).astype(float)
    table = cohort.table.copy()
    table.loc[table.index[:3], "sex"] = "female"
    table.loc[table.index[3:], "sex"] = "male"
    cohort = replace(cohort, targets=targets, table=table, min_cell=10)
    path = build(tmp_path, cohort=cohort, verdict=hidden(GROUP_ONLY, 7))
    outline = inspect_bundle(path)
    assert outline.summary.n_events is None
    assert outline.summary.gate.n_events is None
    assert "7 patients with the event" not in outline.summary.gate.why
    assert "fewer than 10" in outline.card
    sex = next(field for field in outline.summary.fields if field.name == "sex")
    assert sex.levels == {"male": 140, "female": None}


def test_ranges_do_not_show_the_largest_patient_where_single_patients_must_not_show(tmp_path: Path) -> None:
    cohort = bundle_cohort(min_cell=10)
    size = next(
        field for field in inspect_bundle(build(tmp_path, cohort=cohort)).summary.fields if field.name == "tumour_size_mm"
    )
    largest = cohort.table["tumour_size_mm"].max()
    assert size.high is not None and size.low is not None
    assert largest < size.high <= largest + 10
    assert size.high == round(size.high, -1) or size.high < 100
    assert size.low <= cohort.table["tumour_size_mm"].min()


def test_a_curve_by_day_is_kept_at_the_scored_days_only_where_single_patients_must_not_show(tmp_path: Path) -> None:
    path = build(tmp_path, outcome="recovery", model="cox", cohort=bundle_cohort(min_cell=10))
    assert [share.day for share in inspect_bundle(path).summary.curve] == [1, 2, 3, 5, 7, 14]


# Numbers by hand and from outside


def test_the_curve_by_day_is_that_of_kaplan_and_meier() -> None:
    lifelines = pytest.importorskip("lifelines")
    rng = np.random.default_rng(5)
    days, event = rng.integers(0, 30, 80).astype(float), (rng.random(80) < 0.7).astype(float)
    curve = list(day_shares(days, event))
    outside = 1 - lifelines.KaplanMeierFitter().fit(days, event).survival_function_at_times(range(61)).to_numpy()
    np.testing.assert_allclose([share.chance for share in curve], outside, atol=1e-12)
    assert all(share.low <= share.chance <= share.high for share in curve)


def test_without_losses_the_interval_of_the_curve_is_wilsons() -> None:
    days = np.array([1.0] * 3 + [2.0] * 4 + [np.inf] * 3)
    event = np.isfinite(days).astype(float)
    share = list(day_shares(days, event))[1]
    assert share.chance == pytest.approx(0.3)
    # Wilson's interval for 3 of 10, worked with Newcombe's formula (Stat Med 1998;17:857): 0.1078 to 0.6032.
    assert share.low == pytest.approx(0.1078, abs=1e-4)
    assert share.high == pytest.approx(0.6032, abs=1e-4)
    assert wilson(0.0, 50)[0] == 0.0

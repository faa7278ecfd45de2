"""Sentences written from numbers, the number of events needed, and shares by day."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lifelines import KaplanMeierFitter
from statsmodels.stats.proportion import proportion_confint

from core.evaluation.headlines import VERDICTS, Evidence, Finding, find
from core.evaluation.recovery import share_by, wilson
from core.evaluation.sample_size import Z95, auroc_standard_error, events_needed
from core.evaluation.thresholds import stated_threshold
from core.storage.summaries import OUTCOME_TABLES

MODELS = (
    {"name": "base_rate", "base_model": "base_rate", "label": "Base rate", "inputs": []},
    {"name": "boosting", "base_model": "boosting", "label": "Boosting on the record", "inputs": ["record"]},
    {"name": "fusion", "base_model": "fusion", "label": "Joint fusion", "inputs": ["record", "image"]},
    {
        "name": "boosting_with_procedure", "base_model": "boosting", "label": "Boosting + procedure",
        "inputs": ["record", "procedure"], "with_procedure": True,
    },
)  # fmt: skip
Three = tuple[float, float, float]


def evidence(
    scores: dict[str, Three],
    differences: dict[tuple[str, str], Three] | None = None,
    *,
    n: int = 300,
    n_events: int = 90,
    kind: str = "binary",
) -> Evidence:
    metric = "auroc" if kind == "binary" else "c_index"
    rows: list[dict[str, Any]] = [
        {"model": model, "metric": metric, "group": "all", "value": value, "low": low, "high": high}
        for model, (value, low, high) in scores.items()
    ]
    pairs = [
        {"model": model, "rival": rival, "metric": metric, "difference": value, "low": low, "high": high}
        for (model, rival), (value, low, high) in (differences or {}).items()
    ]
    facts = {"kind": kind, "n": n, "n_events": n_events, "enough": min(n_events, n - n_events) >= 50}
    return Evidence(
        facts,
        MODELS,
        pd.DataFrame(rows, columns=list(OUTCOME_TABLES["scores"])),
        pd.DataFrame(pairs, columns=list(OUTCOME_TABLES["comparisons"])),
    )


def told(*arguments: Any, **facts: Any) -> Finding:
    finding = find(evidence(*arguments, **facts))
    assert finding.verdict in VERDICTS
    return finding


SKILL = {"base_rate": (0.5, 0.5, 0.5), "boosting": (0.68, 0.61, 0.75), "fusion": (0.67, 0.60, 0.74)}


def test_the_best_model_is_named_with_its_interval_and_what_imaging_adds() -> None:
    finding = told(SKILL, {("fusion", "boosting"): (-0.01, -0.04, 0.02)})
    assert finding.headline == (
        "Boosting on the record ranks best of 2 models (AUROC 0.68, 0.61 to 0.75); adding the image (Joint fusion) changes "
        "AUROC by -0.01 (-0.04 to +0.02): no evidence that imaging adds here."
    )
    assert finding.verdict == "separates"


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        ((0.05, 0.01, 0.09), "+0.05 (+0.01 to +0.09): imaging adds here."),
        ((-0.05, -0.09, -0.01), "imaging makes it worse here."),
        ((0.01, -0.02, 0.04), "no evidence that imaging adds here."),
    ],
)
def test_the_verdict_on_imaging_follows_the_interval(difference: Three, words: str) -> None:
    assert told(SKILL, {("fusion", "boosting"): difference}).headline.endswith(words)


def test_no_model_that_excludes_one_half_is_said_to_tell_patients_apart() -> None:
    finding = told({"boosting": (0.55, 0.47, 0.63), "fusion": (0.53, 0.45, 0.61)})
    assert finding.headline.startswith("No model can tell patients apart: the best of 2 models, Boosting on the record,")
    assert "0.55 (0.47 to 0.63)" in finding.headline
    assert finding.verdict == "cannot tell apart"


def test_few_events_are_said() -> None:
    finding = told(SKILL, n_events=26)
    assert "Only 26 of 300 patients had the event: too few to rely on." in finding.headline
    assert finding.verdict == "too few events"
    assert "Only 20 of 300 patients did not have the event" in told(SKILL, n_events=280).headline


def test_a_model_that_knows_the_procedure_is_never_the_best_but_what_it_adds_is_said() -> None:
    scores = {**SKILL, "boosting_with_procedure": (0.80, 0.75, 0.85)}
    finding = told(scores, {("boosting_with_procedure", "boosting"): (0.12, 0.07, 0.17)})
    assert finding.headline.startswith("Boosting on the record ranks best of 2 models")
    assert "Knowing the procedure that was performed changes AUROC by +0.12 (+0.07 to +0.17)." in finding.headline


def test_the_base_rate_is_never_the_best() -> None:
    finding = told({"base_rate": (0.9, 0.8, 0.95), "boosting": (0.6, 0.52, 0.68)})
    assert "Boosting on the record is the one model judged" in finding.headline


def test_times_are_told_by_the_c_index() -> None:
    finding = told({"boosting": (0.64, 0.56, 0.72)}, kind="time_to_event", n_events=290)
    assert "C-index 0.64, 0.56 to 0.72" in finding.headline
    assert "needs about 768 patients; this study has 300" in finding.change


def test_what_would_change_the_conclusion_counts_events() -> None:
    needed = events_needed(0.68, 0.3)
    assert f"needs about {needed.events} events, {needed.patients} patients" in told(SKILL).change
    assert "another hospital" in told(SKILL, n=6000, n_events=1800).change


def test_the_standard_error_by_hand() -> None:
    q1, q2 = 0.75 / 1.25, 2 * 0.75**2 / 1.75
    variance = (0.75 * 0.25 + 49 * (q1 - 0.75**2) + 49 * (q2 - 0.75**2)) / 2500
    assert auroc_standard_error(0.75, 50, 50) == pytest.approx(variance**0.5)
    assert auroc_standard_error(0.75, 50, 50) == pytest.approx(0.0488, abs=5e-5)


def test_published_half_widths_of_the_kidney_cohort_are_found_again() -> None:
    assert Z95 * auroc_standard_error(0.70, 26, 463) == pytest.approx(0.115, abs=0.002)
    assert Z95 * auroc_standard_error(0.70, 88, 401) == pytest.approx(0.065, abs=0.002)


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.8])
def test_the_events_needed_are_the_fewest_that_do(rate: float) -> None:
    needed = events_needed(0.7, rate)

    def half(events: int) -> float:
        return Z95 * auroc_standard_error(0.7, events, events * (1 - rate) / rate)

    assert half(needed.events) <= 0.05 < half(needed.events - 1)
    assert needed.patients == int(np.ceil(needed.events / rate))
    assert events_needed(0.3, rate) == needed


def test_wilsons_interval_equals_that_of_statsmodels() -> None:
    for count, n in ((0, 20), (3, 20), (20, 20)):
        found = wilson(count, n)
        low, high = proportion_confint(count, n, method="wilson")
        assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)
    assert np.isnan(wilson(0, 0).value)


def test_shares_with_cases_lost_equal_those_of_lifelines() -> None:
    rng = np.random.default_rng(2)
    days, event = rng.poisson(4, 80).astype(float), (rng.random(80) < 0.7).astype(float)
    fitted = KaplanMeierFitter().fit(days, event)
    bounds = fitted.confidence_interval_
    for day in (2, 4, 6):
        found = share_by(days, event, day)
        assert found.value == pytest.approx(1 - float(fitted.predict(day)))
        assert found.low == pytest.approx(1 - bounds.loc[:day].iloc[-1, 1], abs=1e-9)
        assert found.high == pytest.approx(1 - bounds.loc[:day].iloc[-1, 0], abs=1e-9)


def test_the_threshold_is_the_rate_in_whole_percent_inside_the_grid() -> None:
    assert stated_threshold(0.2871, None) == 0.29
    assert stated_threshold(0.001, None) == 0.01
    assert stated_threshold(0.3, 0.15) == 0.15


def test_with_few_events_nothing_is_said_to_add() -> None:
    headline = told(SKILL, {("fusion", "boosting"): (0.05, 0.01, 0.09)}, n_events=26).headline
    assert "too few events to say that imaging adds" in headline
    assert "imaging adds here" not in headline


def test_a_difference_that_rounds_to_zero_has_no_minus() -> None:
    assert "by +0.00 (-0.02 to +0.00)" in told(SKILL, {("fusion", "boosting"): (-0.001, -0.02, -0.002 + 0.003)}).headline


def test_a_traditional_score_from_the_mask_is_not_the_record_with_imaging_added() -> None:
    score = {"name": "score", "base_model": "score", "label": "Score", "inputs": ["record", "anatomy"], "family": "traditional"}
    scores = {**SKILL, "score": (0.72, 0.65, 0.79)}
    given = evidence(scores, {("score", "boosting"): (0.04, 0.01, 0.07), ("fusion", "boosting"): (-0.01, -0.04, 0.02)})
    headline = find(replace(given, models=(*MODELS, score))).headline
    assert headline.startswith("Score ranks best of 3 models")
    assert "adding the image (Joint fusion) changes AUROC by -0.01" in headline


def test_what_the_procedure_adds_is_said_of_the_best_model_that_can_read_it() -> None:
    scores = {"boosting": (0.60, 0.52, 0.68), "fusion": (0.66, 0.60, 0.72), "boosting_with_procedure": (0.75, 0.7, 0.8)}
    headline = told(scores, {("boosting_with_procedure", "boosting"): (0.15, 0.1, 0.2)}).headline
    assert headline.startswith("Joint fusion ranks best of 2 models")
    assert "changes AUROC of Boosting on the record by +0.15 (+0.10 to +0.20)." in headline

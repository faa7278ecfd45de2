"""What every predictor promises; a new plug-in file is tested here without a line of its own."""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from core.contracts.cohort import Cases
from core.contracts.forecast import Artifact, FitContext, Forecast, Portable, Predictor, PredictorSpec
from core.contracts.outcome import Outcome
from core.errors import DataError, OpSightError
from core.outcomes import PREDICTORS
from tests.fixtures_predictors import OUTCOMES, made_up_cases, with_table, without_targets

SPECS = tuple(PREDICTORS)
TINY_NETWORK = {"epochs": 1, "batch_size": 16, "modality_dropout": 0.2, "backbone": "resnet18", "pretrained": False}
EVERY = pytest.mark.parametrize("spec", SPECS, ids=[spec.name for spec in SPECS])
TABULAR = pytest.mark.parametrize("spec", [s for s in SPECS if not s.is_network], ids=lambda spec: spec.name)


def given(spec: PredictorSpec, seed: int = 1, n: int = 80) -> Cases:
    """Cases with the columns of the blocks that the plug-in asks for, and pictures if it reads them."""
    cases = made_up_cases(n, seed, images="image" in spec.inputs)
    return cases.columns([block for block in spec.inputs if block != "image"])


def served(spec: PredictorSpec) -> tuple[Outcome, ...]:
    """The outcomes that a study would hand to the plug-in."""
    return tuple(o for o in OUTCOMES if o.kind in spec.kinds and (not spec.only_outcomes or o.name in spec.only_outcomes))


def context(seed: int = 7) -> FitContext:
    return FitContext(seed=seed, network=TINY_NETWORK)


def fit(spec: PredictorSpec) -> Predictor:
    predictor = spec.make({})
    predictor.fit(given(spec), served(spec), context())
    return predictor


@functools.cache
def fitted(name: str) -> Predictor:
    """One fit per plug-in, shared by the tests that only ask."""
    return fit(PREDICTORS.get(name))


def numbers(forecast: Forecast) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """All chances of a forecast, one row a case."""
    parts = [forecast.risks.to_numpy(dtype=float), *(forecast.times[name].by_day for name in sorted(forecast.times))]
    return np.concatenate(parts, axis=1)


def close(spec: PredictorSpec) -> float:
    return 2e-3 if spec.is_network else 1e-12


@EVERY
def test_a_plug_in_says_what_it_is(spec: PredictorSpec) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]+", spec.name)
    assert spec.label and spec.inputs and spec.kinds
    assert spec.description.endswith(".") and "\n" not in spec.description


@EVERY
def test_every_case_gets_a_chance_of_every_outcome(spec: PredictorSpec) -> None:
    later = without_targets(given(spec, seed=2, n=20))
    forecast = fitted(spec.name).predict(later)
    assert list(forecast.risks.index) == later.ids
    assert list(forecast.risks.columns) == [o.name for o in served(spec) if o.kind == "binary"]
    assert set(forecast.times) == {o.name for o in served(spec) if o.kind == "time_to_event"}
    assert all(len(time.by_day) == 20 for time in forecast.times.values())


@EVERY
def test_the_same_seed_gives_the_same_numbers(spec: PredictorSpec) -> None:
    later = without_targets(given(spec, seed=2, n=20))
    again = fit(spec).predict(later)
    assert np.abs(numbers(again) - numbers(fitted(spec.name).predict(later))).max() <= (1e-5 if spec.is_network else 0)


@EVERY
def test_an_answer_does_not_depend_on_the_other_cases_asked(spec: PredictorSpec) -> None:
    later = without_targets(given(spec, seed=2, n=20))
    together = numbers(fitted(spec.name).predict(later))
    alone = numbers(fitted(spec.name).predict(later.pick([later.ids[3]])))
    turned = numbers(fitted(spec.name).predict(later.pick(later.ids[::-1])))
    assert np.allclose(alone[0], together[3], atol=close(spec))
    assert np.allclose(turned[::-1], together, atol=close(spec))


@EVERY
def test_missing_values_and_unknown_levels_still_get_an_answer(spec: PredictorSpec) -> None:
    later = without_targets(given(spec, seed=2, n=5))
    empty = later.table.astype(object).copy()
    empty.iloc[0] = np.nan
    for field in later.codebook.fields:
        if field.kind == "category":
            empty.loc[later.ids[1], field.name] = "never heard of"
    assert np.isfinite(numbers(fitted(spec.name).predict(with_table(later, empty)))).all()


@EVERY
def test_fitting_and_asking_leave_the_cases_as_they_were(spec: PredictorSpec) -> None:
    cases = given(spec)
    before, outcomes = cases.table.copy(), cases.targets
    assert outcomes is not None
    targets = outcomes.copy()
    fitted(spec.name).predict(cases)
    if not spec.is_network:
        spec.make({}).fit(cases, served(spec), context())
    pd.testing.assert_frame_equal(cases.table, before)
    pd.testing.assert_frame_equal(outcomes, targets)


@EVERY
def test_asking_before_fitting_is_refused(spec: PredictorSpec) -> None:
    with pytest.raises(OpSightError):
        spec.make({}).predict(without_targets(given(spec, n=5)))


@TABULAR
def test_an_unknown_option_is_refused(spec: PredictorSpec) -> None:
    with pytest.raises(OpSightError, match="no_such_option"):
        spec.make({"no_such_option": 1})


@TABULAR
def test_fitting_without_outcomes_is_refused(spec: PredictorSpec) -> None:
    with pytest.raises(DataError, match="targets"):
        spec.make({}).fit(without_targets(given(spec)), served(spec), context())


@TABULAR
def test_what_the_targets_of_the_asked_cases_say_changes_nothing(spec: PredictorSpec) -> None:
    cases = given(spec, seed=2, n=20)
    assert np.array_equal(numbers(fitted(spec.name).predict(cases)), numbers(fitted(spec.name).predict(without_targets(cases))))


PORTABLE = [spec for spec in SPECS if spec.restore is not None]


@pytest.mark.parametrize("spec", PORTABLE, ids=[spec.name for spec in PORTABLE])
def test_a_predictor_kept_as_plain_data_says_the_same(spec: PredictorSpec) -> None:
    predictor = fitted(spec.name)
    assert isinstance(predictor, Portable) and spec.restore is not None
    kept = predictor.export()
    arrays = {name: np.frombuffer(a.tobytes(), dtype=a.dtype).reshape(a.shape) for name, a in kept.arrays.items()}
    restored = spec.restore(Artifact(json.loads(json.dumps(kept.plain)), arrays, dict(kept.texts)))
    later = without_targets(given(spec, seed=2, n=20))
    assert np.abs(numbers(restored.predict(later)) - numbers(predictor.predict(later))).max() <= 1e-9


@pytest.mark.parametrize("spec", [s for s in SPECS if s.restore is None], ids=lambda spec: spec.name)
def test_a_predictor_that_cannot_be_restored_does_not_offer_to_be_kept(spec: PredictorSpec) -> None:
    assert not isinstance(spec.make({}), Portable)


def test_listing_the_predictors_loads_no_heavy_library() -> None:
    heavy = ("torch", "timm", "lightgbm", "interpret", "shap", "lifelines", "monai")
    code = (
        f"import sys; from core.outcomes import PREDICTORS; PREDICTORS.names(); print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

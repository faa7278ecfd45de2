"""Paired differences between models on the same patients."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from core.contracts.metric import Array
from core.evaluation.bootstrap import interval_of, two_sided
from core.evaluation.delong import delong_p
from core.evaluation.multiplicity import holm
from core.evaluation.scoring import Measure, Scorer, measures

Pair = tuple[str, str]
BASE_RATE = "base_rate"


def planned_pairs(models: Sequence[Mapping[str, object]], reference: str) -> tuple[Pair, ...]:
    """Which models are set against which: each against the reference and the base rate, each that knows the procedure
    against itself without, each that was trained otherwise against the plain row of its plug-in, and kinds of fusion among
    themselves."""
    plain = {str(row["base_model"]): str(row["name"]) for row in models if not row.get("with_procedure")}
    pairs: list[Pair] = []
    for row in models:
        name = str(row["name"])
        rivals = [reference, BASE_RATE]
        if row.get("with_procedure"):
            rivals.append(plain.get(str(row["base_model"]), name))
        elif row.get("variant_of"):
            rivals.append(plain.get(str(row["variant_of"]), name))
        pairs.extend((name, rival) for rival in rivals if rival != name)
    return (*dict.fromkeys([*pairs, *fusion_pairs(models)]),)


def fusion_pairs(models: Sequence[Mapping[str, object]]) -> list[Pair]:
    """Plain kinds of fusion, each against every other."""
    kinds = [
        str(row["name"])
        for row in models
        if row.get("family") == "fusion" and not row.get("with_procedure") and not row.get("variant_of")
    ]
    return list(combinations(kinds, 2))


def every_pair(scorer: Scorer) -> list[Pair]:
    """Any two models of a panel, but for the base rate."""
    return list(combinations([name for name in scorer.panel.answers if name != BASE_RATE], 2))


def comparison_rows(scorer: Scorer, pairs: Iterable[Pair]) -> Iterator[dict[str, object]]:
    """One row for each pair and metric that models are compared by: model − rival, its 95 % interval and p.

    p is DeLong's for the AUROC where the test applies, else from the spread of the bootstrap differences; Holm's correction is
    over the pairs of one metric.
    """
    answers = scorer.panel.answers
    judged = [pair for pair in pairs if pair[0] in answers and pair[1] in answers]
    for measure in measures(scorer.panel.outcome, compared=True):
        rows = [_row(scorer, model, rival, measure) for model, rival in judged]
        corrected = holm([float(str(row["p"])) for row in rows])
        yield from ({**row, "p_holm": p} for row, p in zip(rows, corrected, strict=True))


def _p(scorer: Scorer, model: str, rival: str, measure: Measure, values: Array) -> float:
    exact = delong_p(scorer.panel, model, rival) if measure.name == "auroc" else math.nan
    return exact if math.isfinite(exact) else two_sided(values)


def _row(scorer: Scorer, model: str, rival: str, measure: Measure) -> dict[str, object]:
    panel = scorer.panel
    cases = np.flatnonzero(panel.answers[model].covered & panel.answers[rival].covered)
    values = difference(scorer, model, rival, measure)
    found = interval_of(values)
    return {
        "outcome": panel.outcome.name,
        "split": panel.split,
        "model": model,
        "rival": rival,
        "metric": measure.name,
        "difference": found.value,
        "low": found.low,
        "high": found.high,
        "n": panel.persons(cases),
        "n_events": panel.persons_with_event(cases),
        "p": _p(scorer, model, rival, measure, values),
    }


def difference(scorer: Scorer, model: str, rival: str, measure: Measure) -> Array:
    """Metric of ``model`` minus that of ``rival`` in the same draws, on the cases that both answered for."""
    first, second = scorer.panel.answers[model], scorer.panel.answers[rival]
    if np.array_equal(first.covered, second.covered):
        return scorer.values_of_all(model, measure) - scorer.values_of_all(rival, measure)
    shared = scorer.subset("shared", np.flatnonzero(first.covered & second.covered))
    return scorer.values(model, measure, shared) - scorer.values(rival, measure, shared)

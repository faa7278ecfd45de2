"""Bundles of a small made-up cohort, for tests of writing, opening and asking them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.bundles.build import build_bundle
from core.contracts.cohort import Cases, Cohort
from core.contracts.forecast import Artifact, FitContext, Forecast, Predictor, PredictorSpec
from core.contracts.outcome import Outcome
from core.contracts.score import SCORE_COLUMNS
from core.evaluation.gate import GateVerdict
from core.outcomes import PREDICTORS
from tests.fixtures_cohorts import small_cohort, small_recipe

REFITS = 12
ALLOWED = GateVerdict("PersonalRisk", 150, 60, "log loss", 0.05, 0.02, 0.08, "It beats the base rate.", "")
GROUP_ONLY = GateVerdict(
    "GroupRate", 150, 60, "log loss", 0.001, -0.02, 0.03, "It does not beat the base rate.", "About 600 events.", 600
)


@dataclass
class ShareByLevel:
    """The share of events among those with each value of one field: the smallest portable predictor there is."""

    levels: Sequence[str] = ()
    shares: Any = None
    outcome: str = ""

    def fit(self, cases: Cases, outcomes: Sequence[Outcome], context: FitContext) -> None:
        assert cases.targets is not None
        self.outcome = outcomes[0].name
        sexes = cases.table["sex"]
        self.levels = sorted(sexes.dropna().unique())
        self.shares = np.array([cases.targets.loc[(sexes == level).to_numpy(), self.outcome].mean() for level in self.levels])

    def predict(self, cases: Cases) -> Forecast:
        known = dict(zip(self.levels, self.shares))
        risks = [float(known.get(level, np.mean(self.shares))) for level in cases.table["sex"]]
        return Forecast(risks=pd.DataFrame({self.outcome: risks}, index=cases.ids))

    def export(self) -> Artifact:
        plain = {"outcome": self.outcome, "levels": list(self.levels)}
        return Artifact(plain, {"shares": self.shares}, {"note": f"{len(self.levels)} levels"})


def _make(options: Mapping[str, object]) -> Predictor:
    return ShareByLevel()


def _restore(artifact: Artifact) -> Predictor:
    plain: Any = artifact.plain
    return ShareByLevel(plain["levels"], artifact.arrays["shares"], plain["outcome"])


FAKE = PredictorSpec(
    "share_by_level", "Share by level", "reference", ("record",), ("binary",), _make, "A share for each level.", restore=_restore
)


def scores(outcome: str, model: str) -> pd.DataFrame:
    """One score of the study, as the card reports it."""
    row = ("small", outcome, model, "internal", "all", "auroc", 0.71, 0.66, 0.76, 150, 60, 0)
    return pd.DataFrame([dict(zip(SCORE_COLUMNS, row))])


def bundle_cohort(**changes: Any) -> Cohort:
    """Some 150 patients; tumour size is missing for some, age and sex for none; the cell rule may be changed."""
    cohort = small_cohort(150)
    table = cohort.table.copy()
    table.loc[table.index[::9], "tumour_size_mm"] = np.nan
    return replace(cohort, **{"table": table, "min_cell": 1, **changes})


def build(
    folder: Path,
    *,
    outcome: str = "complication",
    model: str = "logistic_regression",
    verdict: GateVerdict = ALLOWED,
    cohort: Cohort | None = None,
    refits: int = REFITS,
    **recipe: Any,
) -> Path:
    """A bundle in ``folder``."""
    cohort = cohort or bundle_cohort()
    spec = FAKE if model == FAKE.name else PREDICTORS.get(model)
    return build_bundle(
        cohort=cohort,
        recipe=small_recipe(**{"licence": "CC0", **recipe}),
        outcome=cohort.outcome(outcome),
        spec=spec,
        options={},
        refits=refits,
        verdict=verdict,
        scores=scores(outcome, model),
        study={"run_id": "0123456789abcdef"},
        folder=folder,
        progress=lambda phrase, share: None,
    )


def edit(path: Path, name: str, change: dict[str, Any], *, rehash: bool = True) -> None:
    """Changes top-level keys of a JSON file of a bundle, and by default its hash in the manifest too."""
    plain = json.loads((path / name).read_text()) | change
    (path / name).write_text(json.dumps(plain))
    if rehash and name != "manifest.json":
        rewrite_hash(path, name)


def rewrite_hash(path: Path, name: str) -> None:
    """The manifest of somebody who edits a file and its hash alike."""
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["files"][name] = hashlib.sha256((path / name).read_bytes()).hexdigest()
    (path / "manifest.json").write_text(json.dumps(manifest))


def hidden(verdict: GateVerdict, events: int) -> GateVerdict:
    """The verdict on an outcome with so few events."""
    return dataclasses.replace(
        verdict, n_events=events, why=f"There are {events} patients with the event and {150 - events} without."
    )

"""Writes recovery_metrics.json beside this file: what scikit-survival says of the times in tests/fixtures_times.py.

    PYTHONPATH=. python tests/references/make_recovery_metrics.py

scikit-survival is under the GPL and no requirement of OpSight: install it into an environment of its own
(pip install scikit-survival), run this there, and keep the numbers alone.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from sksurv.metrics import brier_score, concordance_index_censored, cumulative_dynamic_auc
from sksurv.util import Surv

from tests.fixtures_times import DAYS, Times, shared_times


def of_scikit_survival(times: Times) -> dict[str, float]:
    """Its numbers under the names of our metrics; its scores rise with the risk of an early event, as ours do."""
    seen = Surv.from_arrays(times.event.astype(bool), times.days)
    order = times.by_day.mean(axis=1)
    found = {"c_index": float(concordance_index_censored(times.event.astype(bool), times.days, order)[0])}
    chances = times.by_day[:, list(DAYS)]
    _, briers = brier_score(seen, seen, 1 - chances, list(DAYS))
    for at, day in enumerate(DAYS):
        aucs, _ = cumulative_dynamic_auc(seen, seen, chances[:, at], [day])
        found |= {f"auroc_day_{day}": float(aucs[0]), f"brier_day_{day}": float(briers[at])}
    return found


if __name__ == "__main__":
    told = {times.name: of_scikit_survival(times) for times in shared_times()}
    note = f"Written by make_recovery_metrics.py with scikit-survival {version('scikit-survival')} and numpy {np.__version__}."
    text = json.dumps({"note": note, "scikit_survival": told}, indent=1)
    Path(__file__).with_name("recovery_metrics.json").write_text(text + "\n", encoding="utf-8")

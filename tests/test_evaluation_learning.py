"""Missing inputs, apparent performance and learning curves, from planted rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from core.contracts.metric import Array
from core.contracts.outcome import Outcome
from core.evaluation.learning import gap_rows, learning_rows, missing_rows, missing_sentence
from core.evaluation.panel import make_panel
from core.evaluation.scoring import Scorer
from core.evaluation.splits import judged

EVENT = Outcome("event", "Event", "binary", "It came.", desirable=False)
N = 900


def truth() -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    signal = rng.normal(size=N)
    return (rng.random(N) < 1 / (1 + np.exp(1 - 1.5 * signal))).astype(float), signal


def scorer(risk: Array, y: Array, split: str) -> Scorer:
    ids = [f"c{number:04d}" for number in range(N)]
    rows = pd.DataFrame(
        {
            "case_id": ids, "patient_id": ids, "outcome": "event", "model": "fusion", "split": split, "repeat": 0,
            "fold": np.arange(N) % 5, "y": y, "risk": risk, "days": np.nan, "event": np.nan, "by_day": None,
        }
    )  # fmt: skip
    return Scorer(make_panel(EVENT, split, rows, 0.3), 300, 1)


def squash(values: Array) -> Array:
    return 1 / (1 + np.exp(-values))


def test_an_input_that_helps_and_one_that_does_not_are_told_apart() -> None:
    y, signal = truth()
    noise = np.random.default_rng(1).normal(size=N)
    full = scorer(squash(signal + 0.01 * noise), y, "internal")
    without = {"missing:record": scorer(squash(noise), y, "x"), "missing:image": scorer(squash(signal), y, "x")}
    table = pd.DataFrame(missing_rows(full, without))
    auroc = table[table["metric"] == "auroc"].set_index("without")
    assert auroc.loc["record", "difference_low"] > 0.1
    assert auroc.loc["record", "value"] == pytest.approx(roc_auc_score(y, noise))
    assert auroc.loc["image", "difference_low"] < 0 < auroc.loc["image", "difference_high"]
    told = {name: missing_sentence({**row, "without": name}, "Fusion") for name, row in auroc.to_dict("index").items()}
    assert told["record"].startswith("Fusion is worse without the record: +0.")
    assert "adds nothing that these patients can show" in told["image"]


def test_the_gap_is_what_is_lost_on_new_patients() -> None:
    y, signal = truth()
    seen, new = scorer(squash(signal + 2 * y), y, "apparent"), scorer(squash(signal), y, "internal")
    row = next(gap_rows(new, seen))
    assert row["gap"] == pytest.approx(roc_auc_score(y, signal + 2 * y) - roc_auc_score(y, signal))
    assert row["new"] == pytest.approx(roc_auc_score(y, signal))


def test_a_learning_curve_ends_with_all_patients_and_says_what_the_last_part_added() -> None:
    y, signal = truth()
    noise = np.random.default_rng(2).normal(size=N)
    full = scorer(squash(signal), y, "internal")
    shares = {"learning:50": scorer(squash(signal + noise), y, "x"), "learning:25": scorer(squash(signal + 3 * noise), y, "x")}
    table = pd.DataFrame(learning_rows(full, shares))
    assert table["share"].tolist() == [25, 50, 100]
    assert table["value"].is_monotonic_increasing
    assert table["added"].iloc[-1] == 0
    assert table["added_low"].iloc[0] > 0


def test_only_splits_of_unseen_patients_are_judgements() -> None:
    assert [split for split in ("internal", "release", "external:site=b") if not judged(split)] == []
    assert [split for split in ("missing:image", "apparent", "stability", "learning:50") if judged(split)] == []

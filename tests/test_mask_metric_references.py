"""Mask metrics against other programs: numbers of MetricsReloaded and MONAI, stored; MONAI once more, live."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from core.metrics.masks import MASK_METRICS
from core.metrics.masks.judging import judge_mask
from tests.fixtures_masks import MaskPair, shared_pairs

STORED: dict[str, Any] = json.loads(
    Path(__file__).with_name("references").joinpath("mask_metrics.json").read_text(encoding="utf-8")
)
PAIRS = {pair.name: pair for pair in shared_pairs()}


def ours(pair: MaskPair) -> dict[str, float]:
    judged = judge_mask(pair.reference[np.newaxis], pair.predicted[np.newaxis], spacing=pair.spacing, tolerance=pair.tolerance)
    rows = pd.DataFrame(judged)
    return {**{spec.name: float(spec.compute(rows)[0]) for spec in MASK_METRICS}, "hd": judged[0]["hd"]}


def test_every_pair_has_stored_numbers_and_a_note_how_they_were_made() -> None:
    assert set(STORED["pairs"]) == set(PAIRS)
    assert "make_mask_metrics.py" in STORED["note"]


@pytest.mark.parametrize("name", PAIRS)
def test_values_are_those_of_metrics_reloaded(name: str) -> None:
    said, found = STORED["pairs"][name]["metrics_reloaded"], ours(PAIRS[name])
    for metric, value in said.items():
        # Its counts are summed in single precision, its distances in double.
        exact = metric in {"hd95", "hd", "assd", "nsd", "dice", "jaccard", "volume_error"}
        assert found[metric] == pytest.approx(value, rel=1e-9 if exact else 1e-6, abs=1e-9 if exact else 1e-6), metric


@pytest.mark.parametrize("name", PAIRS)
def test_border_values_are_those_of_monai(name: str) -> None:
    said, found = STORED["pairs"][name]["monai"], ours(PAIRS[name])
    for metric, value in said.items():
        assert found[metric] == pytest.approx(value, abs=1e-4), metric


@pytest.mark.slow
def test_border_values_are_those_of_the_monai_that_is_installed() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MONAI's own
        import torch
        from monai.metrics import compute_hausdorff_distance, compute_surface_dice

        for pair in PAIRS.values():
            told, drawn = (torch.from_numpy(mask)[None, None].float() for mask in (pair.predicted, pair.reference))
            given: dict[str, Any] = {"include_background": True, "spacing": list(pair.spacing)}
            found = ours(pair)
            assert found["hd95"] == pytest.approx(
                float(compute_hausdorff_distance(told, drawn, percentile=95, **given)), abs=1e-4
            )
            assert found["nsd"] == pytest.approx(float(compute_surface_dice(told, drawn, [pair.tolerance], **given)), abs=1e-4)

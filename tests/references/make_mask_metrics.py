"""Writes mask_metrics.json beside this file: what MetricsReloaded and MONAI say of the pairs in tests/fixtures_masks.py.

    PYTHONPATH=.:FOLDER python tests/references/make_mask_metrics.py

MetricsReloaded is on no package index. FOLDER holds its package from the repository Project-MONAI/MetricsReloaded:
MetricsReloaded/metrics/pairwise_measures.py at commit 00219d05 and MetricsReloaded/utility/utils.py at commit 076e2fc8.
"""

from __future__ import annotations

import json
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from MetricsReloaded.metrics.pairwise_measures import BinaryPairwiseMeasures
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_surface_dice

from tests.fixtures_masks import MaskPair, shared_pairs

NOTE = (
    "Written by make_mask_metrics.py. metrics_reloaded: class BinaryPairwiseMeasures of Project-MONAI/MetricsReloaded, methods "
    "dsc, intersection_over_union, accuracy, sensitivity, specificity, positive_predictive_values, vol_diff, rel_vol_error, "
    "measured_hausdorff_distance_perc (95), measured_hausdorff_distance, measured_average_distance and "
    "normalised_surface_distance, with MorphologyOps.border_map and border_distance behind them. The repository could be read "
    "but not installed: these methods were copied by hand from pairwise_measures.py at commit 00219d05 and utils.py at commit "
    "076e2fc8 into a scratch package and run with SciPy's distance transform. monai: its functions, run as installed."
)


def of_metrics_reloaded(pair: MaskPair) -> dict[str, float]:
    """Its numbers under the names of our metrics."""
    given: dict[str, Any] = {"pixdim": list(pair.spacing), "dict_args": {"hd_perc": 95, "nsd": pair.tolerance}}
    said = BinaryPairwiseMeasures(pair.predicted.astype(int), pair.reference.astype(int), **given)
    return {
        "dice": float(said.dsc()),
        "jaccard": float(said.intersection_over_union()),
        "accuracy": float(said.accuracy()),
        "sensitivity": float(said.sensitivity()),
        "specificity": float(said.specificity()),
        "precision": float(said.positive_predictive_values()),
        "volume_error": float(said.vol_diff()),
        "volume_bias": float(said.rel_vol_error()) / 100,
        "hd95": float(said.measured_hausdorff_distance_perc()),
        "hd": float(said.measured_hausdorff_distance()),
        "assd": float(said.measured_average_distance()),
        "nsd": float(said.normalised_surface_distance()),
    }


def of_monai(pair: MaskPair) -> dict[str, float]:
    """Its border numbers; its mean surface distance, made symmetric, weighs every border pixel alike, as ours does."""
    told, drawn = (torch.from_numpy(mask)[None, None].float() for mask in (pair.predicted, pair.reference))
    given: dict[str, Any] = {"include_background": True, "spacing": list(pair.spacing)}
    return {
        "hd95": float(compute_hausdorff_distance(told, drawn, percentile=95, **given)),
        "hd": float(compute_hausdorff_distance(told, drawn, **given)),
        "assd": float(compute_average_surface_distance(told, drawn, symmetric=True, **given)),
        "nsd": float(compute_surface_dice(told, drawn, [pair.tolerance], **given)),
    }


def main() -> None:
    warnings.simplefilter("ignore")
    made_with = {name: version(name) for name in ("numpy", "scipy", "monai", "torch")}
    said = {pair.name: {"metrics_reloaded": of_metrics_reloaded(pair), "monai": of_monai(pair)} for pair in shared_pairs()}
    text = json.dumps({"note": NOTE, "made_with": made_with, "pairs": said}, indent=1)
    Path(__file__).with_name("mask_metrics.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

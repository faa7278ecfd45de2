"""Synthetic studies for tests of the pages: the shapes of real ones, numbers drawn from a formula, no patient anywhere."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from core.storage.summaries import OUTCOME_TABLES, StudySummary, write_summary

GRID = np.linspace(0.0, 1.0, 26)
THRESHOLDS = np.round(np.arange(0.05, 0.96, 0.05), 2)


@dataclass(frozen=True)
class Kind:
    """A model of the made-up study: how well it ranks, seen as a share of what can be known."""

    name: str
    label: str
    family: str
    inputs: tuple[str, ...]
    skill: float
    seconds: float


BINARY_KINDS = (
    Kind("base_rate", "Base rate", "reference", ("record",), 0.0, 0.01),
    Kind("clinical_score", "Clinical score", "traditional", ("record",), 0.45, 0.05),
    Kind("nephrometry_score", "Nephrometry score from masks", "traditional", ("anatomy",), 0.35, 0.05),
    Kind("logistic_regression", "Logistic regression", "traditional", ("record",), 0.80, 0.2),
    Kind("random_forest", "Random forest", "tabular", ("record",), 0.78, 1.4),
    Kind("gradient_boosting", "Gradient boosting", "tabular", ("record",), 0.88, 0.6),
    Kind("explainable_boosting", "Explainable boosting (EBM)", "tabular", ("record",), 0.95, 0.8),
    Kind("radiomics_record", "Record and mask anatomy, logistic", "fusion", ("record", "anatomy"), 1.0, 0.9),
    Kind("image_cnn3d", "3-D network", "image", ("image",), 0.40, 71.0),
    Kind("image_timm2d", "2-D network on three views", "image", ("image",), 0.32, 55.0),
    Kind("fusion_late", "Late fusion (stacked risks)", "fusion", ("record", "image"), 0.92, 80.0),
    Kind("fusion_joint", "Joint fusion (features side by side)", "fusion", ("record", "image"), 0.84, 92.0),
    Kind("fusion_film", "Conditional fusion (FiLM)", "fusion", ("record", "image"), 0.86, 96.0),
)
TIME_KINDS = (
    Kind("base_rate", "Base rate", "reference", ("record",), 0.0, 0.01),
    Kind("cox", "Cox regression", "recovery", ("record",), 0.85, 0.4),
    Kind("weibull", "Weibull regression", "recovery", ("record",), 0.80, 0.5),
    Kind("boosted_hazard", "Boosted daily hazard", "recovery", ("record",), 1.0, 1.8),
    Kind("hazard_network", "Discrete-time network", "recovery", ("record", "image"), 0.7, 101.0),
)


@dataclass(frozen=True)
class Happening:
    """An outcome of the made-up study: how many, how often, and the AUROC that the best model reaches."""

    name: str
    label: str
    definition: str
    n: int
    events: int
    ceiling: float
    desirable: bool = False
    days: tuple[int, ...] = ()
    enough: bool = True


HAPPENINGS = (
    Happening("complication", "Any complication", "Any complication of Clavien-Dindo grade I or more.", 489, 88, 0.68),
    Happening(
        "major_complication",
        "Major complication",
        "A complication of Clavien-Dindo grade III or more.",
        489,
        26,
        0.66,
        enough=False,
    ),
    Happening(
        "success",
        "Success of kidney-sparing surgery",
        "Negative margin, ischaemia of at most 25 minutes and no complication after partial nephrectomy.",
        257,
        145,
        0.65,
        desirable=True,
    ),
    Happening(
        "recovery",
        "Recovery: days in hospital",
        "Days from the operation until the patient goes home; a death in hospital is never a discharge.",
        488,
        486,
        0.72,
        desirable=True,
        days=(1, 2, 3, 5, 7, 14),
    ),
    Happening("long_stay", "Long stay", "Five days in hospital or more.", 489, 111, 0.77),
    Happening("readmission", "Readmission", "Readmitted after discharge.", 487, 49, 0.58),
    Happening(
        "kidney_function_loss",
        "Loss of kidney function",
        "Preoperative eGFR of at least 45 and first eGFR 30 to 365 days after the operation below 45.",
        222,
        52,
        0.86,
    ),
)
SPLITS = (
    {
        "name": "internal",
        "label": "Cross-validation",
        "note": "Repeated 5-fold cross-validation by patient.",
        "n_train": 489,
        "n_test": 489,
    },
    {
        "name": "release",
        "label": "Release check",
        "note": "Two parts of one series, split at random by the source; unequal recording is the likely cause of a difference.",
        "n_train": 210,
        "n_test": 90,
    },
    {
        "name": "external:site=north",
        "label": "Hospital North",
        "note": "Trained on the other sites, judged on one that differs in scanner, case mix and event rate.",
        "n_train": 380,
        "n_test": 109,
    },
)
SHARE = {"internal": 1.0, "release": 0.62, "external:site=north": 0.45}
FADE = {"internal": 1.0, "release": 0.9, "external:site=north": 0.72}


def synthetic_study(
    name: str = "kits_outcomes",
    *,
    title: str = "Outcomes of kidney tumour surgery",
    simulated: bool = False,
    published: bool = True,
    happenings: tuple[Happening, ...] = HAPPENINGS,
) -> StudySummary:
    """A whole summary: seven outcomes, seventeen models (most with and without procedure fields), three splits."""
    models = [fact for kind in (*BINARY_KINDS, *TIME_KINDS[1:]) for fact in _model_facts(kind)]
    return StudySummary(_info(name, title, simulated, published, happenings, models), _tables(name, happenings))


def write_study(home: Path, summary: StudySummary, *, run: str = "") -> Path:
    """The summary's folder below ``home``: a published study, or the run of that id."""
    base = home / "data"
    folder = base / "runs" / summary.name / run / "summary" if run else base / "studies" / summary.name
    write_summary(folder, summary)
    return folder


def smaller(summary: StudySummary, **info: Any) -> StudySummary:
    """The same summary with some facts replaced."""
    return replace(summary, info={**summary.info, **info})


def _variants(kind: Kind) -> tuple[tuple[str, bool, float], ...]:
    plain = ((kind.name, False, 0.0),)
    if "record" not in kind.inputs or kind.family == "reference":
        return plain
    return (*plain, (f"{kind.name}_with_procedure", True, 0.12))


def _model_facts(kind: Kind) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "base_model": kind.name,
            "label": kind.label + (" + procedure" if procedure else ""),
            "family": kind.family,
            "inputs": list(kind.inputs) + (["procedure"] if procedure else []),
            "with_procedure": procedure,
            "description": f"{kind.label}: a made-up row for tests.",
            "reference": "10.1000/example",
        }
        for name, procedure, _ in _variants(kind)
    ]


def _outcome_facts(item: Happening) -> dict[str, Any]:
    return {
        "name": item.name,
        "label": item.label,
        "kind": "time_to_event" if item.days else "binary",
        "definition": item.definition,
        "desirable": item.desirable,
        "eligible": "Adults operated on; cryoablations left out.",
        "horizon": "",
        "reference": "Clavien PA et al., Ann Surg 2009;250:187",
        "days": list(item.days),
        "notes": ["The image is the label volume; the scan itself is not in this data set."],
        "n": item.n,
        "n_events": item.events,
        "rate": item.events / item.n,
        "enough": item.enough,
        "threshold": None if item.days else round(item.events / item.n, 2),
        "threshold_from": "" if item.days else "event rate",
        "verdict": "separates" if item.enough else "too few events",
        "breakdowns": _breakdowns(item),
    }


def _breakdowns(item: Happening) -> list[dict[str, Any]]:
    if item.name != "success":
        return []
    rows = [
        {"part": "Negative margin", "patients": 257, "met": 236},
        {"part": "Ischaemia of at most 25 minutes", "patients": 257, "met": 190},
        {"part": "No complication", "patients": 257, "met": 210},
    ]
    return [{"title": "What each part of success contributes", "rows": rows}]


def _headline(item: Happening) -> str:
    if not item.enough:
        return f"Too few events ({item.events} among {item.n} patients) to say which model ranks them best."
    if item.days:
        return "The boosted daily hazard orders them best; adding the image changes the C-index by −0.02 (−0.05 to +0.01)."
    return (
        f"Anatomy measured from the masks and the record rank {item.label.lower()} best; adding the image network changes "
        "AUROC by +0.01 (−0.01 to +0.03): no evidence that it adds here."
    )


def _info(
    name: str, title: str, simulated: bool, published: bool, items: tuple[Happening, ...], models: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "name": name,
        "title": title,
        "question": "Which model can be trusted before the operation, and does the image add to the record?",
        "run_id": f"{zlib.crc32(name.encode()):08x}0badcafe",
        "created": "2026-11-20T09:30:00+00:00",
        "published": published,
        "rows_available": not published,
        "dataset": {
            "name": "phantom" if simulated else "kits",
            "label": "Phantom cohort" if simulated else "KiTS23",
            "simulated": simulated,
            "licence": "MIT" if simulated else "CC BY-NC-SA 4.0",
            "citation": "Heller N et al., Med Image Anal 2021;67:101821",
            "notes": ["site_id says where the CT was acquired, not where surgery was done."],
            "n_cases": 489,
            "n_patients": 489,
            "mask_origin": "reviewed by experts",
        },
        "outcomes": [_outcome_facts(item) for item in items],
        "models": models,
        "splits": [dict(split) for split in SPLITS],
        "headlines": {item.name: _headline(item) for item in items},
        "change": {item.name: _change(item) for item in items},
        "recipe": {"name": name, "evaluation": {"reference_model": "logistic_regression", "bootstrap": 1000}},
        "provenance": {"version": "0.1.0", "commit": "0123abc", "python": "3.11.9", "device": "cpu"},
        "min_cell": 10,
        "verdicts": {
            "separates": "The best interval lies above 0.5.",
            "too few events": "Fewer than 50 patients with the event.",
        },
        "interval": "95 % of 1000 bootstrap samples of patients; models are not fitted again",
        "permuted": {
            item.name: {"model": "logistic_regression", "metric": "auroc", "auroc": 0.503, "low": 0.44, "high": 0.566}
            for item in items
            if not item.days
        },
        "cannot": ["New thresholds, crossings of groups and single cases need the rows, which stay where the data are."],
        "skipped": ["image_timm2d was not run with procedure fields: the recipe does not ask for it."],
    }


def _change(item: Happening) -> str:
    return f"About {max(200 - item.events, 50)} more events, or a second hospital with the same record."


def _auroc(item: Happening, kind: Kind, bonus: float, split: str) -> float:
    skill = min(kind.skill + bonus, 1.1) if kind.skill else 0.0
    wobble = (zlib.crc32(f"{item.name}{kind.name}{split}".encode()) % 1000 / 1000 - 0.5) * 0.02 if kind.skill else 0.0
    return float(0.5 + (item.ceiling - 0.5) * skill * FADE[split] + wobble)


def _tables(dataset: str, items: tuple[Happening, ...]) -> dict[str, pd.DataFrame]:
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in OUTCOME_TABLES}
    for item in items:
        rows["groups"] += [{"outcome": item.name, "group": "all", "n": item.n, "n_events": item.events}]
        for kind in TIME_KINDS if item.days else BINARY_KINDS:
            for model, _, bonus in _variants(kind):
                for split in SHARE:
                    _judge(rows, dataset, item, kind, model, bonus, split)
    for kind in (*BINARY_KINDS, *TIME_KINDS[1:]):
        for model, _, _ in _variants(kind):
            rows["cost"].append(
                {
                    "model": model,
                    "fits": 175,
                    "seconds_total": 175 * kind.seconds,
                    "seconds_per_fit": kind.seconds,
                    "peak_mb": 300 + 12 * kind.seconds,
                }
            )
    return {name: pd.DataFrame(rows[name], columns=list(columns)) for name, columns in OUTCOME_TABLES.items()}


def _judge(
    rows: dict[str, list[dict[str, Any]]], dataset: str, item: Happening, kind: Kind, model: str, bonus: float, split: str
) -> None:
    n, events = round(item.n * SHARE[split]), max(round(item.events * SHARE[split]), 3)
    auroc = _auroc(item, kind, bonus, split)
    half = 0.0 if not kind.skill else 1.96 * np.sqrt(auroc * (1 - auroc) / max(min(events, n - events), 12))
    common = {"outcome": item.name, "model": model, "split": split}
    for metric, value, width in _metrics(item, auroc, events / n, half):
        rows["scores"].append(
            {
                "dataset": dataset,
                **common,
                "group": "all",
                "metric": metric,
                "value": value,
                "low": max(value - width, 0.0),
                "high": min(value + width, 1.0),
                "n": n,
                "n_events": events,
                "n_undefined": 0,
            }
        )
    if kind.name != ("base_rate" if item.days else "logistic_regression") or bonus:
        rows["comparisons"].append(_comparison(item, common, auroc, half, n, events, bonus))
    if item.days:
        rows["recovery"] += _recovery_rows(common, auroc, n)
    elif kind.skill:
        rows["curves"] += _curve_rows(common, auroc, events / n, half)
        rows["thresholds"] += _threshold_rows(common, auroc, events / n)


def _metrics(item: Happening, auroc: float, rate: float, half: float) -> tuple[tuple[str, float, float], ...]:
    if item.days:
        return (("c_index", auroc, half * 0.6), ("interval_score", 9.0 - 6 * (auroc - 0.5), 0.8))
    return (
        ("auroc", auroc, half),
        ("average_precision", rate + (auroc - 0.5) * 0.9 * (1 - rate), half),
        ("brier", rate * (1 - rate) * (1 - (auroc - 0.5) * 0.6), 0.02),
        ("accuracy", 0.6 + 0.3 * (auroc - 0.5), 0.05),
        ("precision", min(rate * (1 + 2 * (auroc - 0.5)), 1.0), 0.06),
        ("recall", 0.5 + 0.7 * (auroc - 0.5), 0.08),
        ("f1", 0.3 + 0.5 * (auroc - 0.5), 0.06),
    )


def _comparison(
    item: Happening, common: dict[str, str], auroc: float, half: float, n: int, events: int, bonus: float
) -> dict[str, Any]:
    rival = "base_rate" if item.days else "logistic_regression"
    kind = next(kind for kind in (*BINARY_KINDS, *TIME_KINDS) if kind.name == rival)
    difference = auroc - _auroc(item, kind, 0.0, common["split"])
    width = half * 0.55 + 0.004
    return {
        **common,
        "rival": rival,
        "metric": "c_index" if item.days else "auroc",
        "difference": difference,
        "low": difference - width,
        "high": difference + width,
        "n": n,
        "n_events": events,
    }


def _curve_rows(common: dict[str, str], auroc: float, rate: float, half: float) -> list[dict[str, Any]]:
    shift = np.sqrt(2.0) * norm.ppf(auroc)
    inner = np.clip(GRID, 1e-6, 1 - 1e-6)
    sensitivity = np.where(GRID <= 0, 0.0, np.where(GRID >= 1, 1.0, norm.cdf(shift + norm.ppf(inner))))
    false_positive = norm.cdf(norm.ppf(inner) - shift)
    precision = inner * rate / (inner * rate + false_positive * (1 - rate))
    band = half * 1.2 * np.sqrt(4 * inner * (1 - inner)) + 0.01
    return [
        {**common, "kind": kind, "x": x, "y": y, "low": max(y - w, 0.0), "high": min(y + w, 1.0)}
        for kind, values in (("roc", sensitivity), ("precision_recall", precision))
        for x, y, w in zip(GRID, values, band, strict=True)
    ]


def _threshold_rows(common: dict[str, str], auroc: float, rate: float) -> list[dict[str, Any]]:
    shift = float(np.sqrt(2.0) * norm.ppf(auroc))
    rows = []
    for threshold in THRESHOLDS:
        # The log odds at which a calibrated two-normal model says exactly this threshold.
        odds = np.log(threshold / (1 - threshold)) - np.log(rate / (1 - rate))
        cut = shift / 2 + odds / shift if shift > 0.01 else 0.0
        sensitivity, specificity = float(norm.sf(cut - shift)), float(norm.cdf(cut))
        hit, alarm = sensitivity * rate, (1 - specificity) * (1 - rate)
        precision = hit / (hit + alarm) if hit + alarm > 1e-9 else float("nan")
        rows.append(
            {
                **common,
                "threshold": float(threshold),
                "flagged": hit + alarm,
                "sensitivity": sensitivity,
                "specificity": specificity,
                "precision": precision,
                "npv": specificity * (1 - rate) / max(1 - hit - alarm, 1e-9),
                "accuracy": hit + specificity * (1 - rate),
                "f1": 2 * hit / max(hit + alarm + rate, 1e-9),
            }
        )
    return rows


def _recovery_rows(common: dict[str, str], auroc: float, n: int) -> list[dict[str, Any]]:
    days = np.arange(0, 31)
    observed = 1 - np.exp(-((days / 3.1) ** 1.15))
    predicted = 1 - np.exp(-((days / (3.1 + (0.8 - auroc))) ** 1.1))
    width = 1.96 * np.sqrt(np.clip(observed * (1 - observed), 0.0, None) / n)
    return [
        {
            **common,
            "day": int(day),
            "observed": seen,
            "observed_low": max(seen - w, 0.0),
            "observed_high": min(seen + w, 1.0),
            "predicted": said,
        }
        for day, seen, said, w in zip(days, observed, predicted, width, strict=True)
    ]

"""Is a model good enough for one's own patients? A check on the last cases of a site, and a watch kept afterwards.

Reference: Riley et al. 2024, 10.1136/bmj-2023-074821 (external validation); Collins, Ogundimu and Altman 2016,
10.1002/sim.6787 (at least 100 events, better 200); Spiegelhalter 2005, 10.1002/sim.1970 (control limits).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats

from core.contracts.metric import Array, Sample
from core.contracts.outcome import Outcome
from core.errors import DataError
from core.evaluation.bootstrap import Interval, case_weights, interval_of, patient_seed
from core.evaluation.curves import calibration_grid, calibration_points
from core.evaluation.panel import Panel, make_panel
from core.evaluation.recalibration import logit, parts_of, platt, recalibrated, squashed
from core.evaluation.scoring import Measure, Scorer
from core.evaluation.splits import INTERNAL
from core.metrics import METRICS

ACCEPT = "accept"
RECALIBRATE = "recalibrate"
DECLINE = "decline"
NOT_YET = "not yet"
VERDICTS: Mapping[str, str] = {
    ACCEPT: "It ranks better than chance, and observed over expected lies between 0.8 and 1.25 with its whole interval.",
    RECALIBRATE: "It ranks better than chance, but its risks do not come true here: learn level and slope from these patients.",
    DECLINE: "It does not rank better than chance here, or at an AUROC under 0.6 with its whole interval: do not use it.",
    NOT_YET: "Too few patients or events, or intervals too wide to accept: collect more cases before anybody relies on it.",
}
FEWEST_CASES = 100
FEWEST_EVENTS = 20
WORST_AUROC = 0.6
NARROW = (0.8, 1.25)
MEASURES = ("auroc", "oe_ratio", "calibration_intercept", "calibration_slope", "integrated_calibration_index", "brier")


@dataclass(frozen=True)
class LocalCheck:
    """What the check found.

    Args:
        verdict: a key of ``VERDICTS``; why: one sentence.
        measures: value and 95 % interval by metric; n, n_events: patients and those with the event.
    """

    verdict: str
    why: str
    measures: Mapping[str, Interval]
    n: int
    n_events: int


def check_locally(y: Array, risk: Array, patients: Sequence[str], *, seed: int = 0, bootstrap: int = 1000) -> LocalCheck:
    """The check of one model on a site's own cases.

    Args:
        y: 1 or 0 by case; risk: what the model said, 0 to 1; patients: by case, so that one with two cases counts once.

    Raises:
        DataError: arrays of unequal length, an outcome other than 0 and 1, or a risk outside 0 to 1.
    """
    y, risk = np.asarray(y, dtype=float), np.asarray(risk, dtype=float)
    if not len(y) == len(risk) == len(patients) or not np.isin(y, (0, 1)).all() or not ((risk >= 0) & (risk <= 1)).all():
        raise DataError(
            f"{len(y)} outcomes, {len(risk)} risks and {len(patients)} patients were given.",
            do="Give one outcome (0 or 1), one risk (0 to 1) and one patient for each case.",
        )
    codes, names = pd.factorize(pd.Series(patients, dtype=str), sort=True)
    weights = case_weights(codes.astype(np.intp), bootstrap, patient_seed(seed, list(names)))
    sample = Sample(y=y, risk=risk, order=risk, threshold=0.5)
    found = {name: interval_of(METRICS.get(name).compute(sample, weights.T)) for name in MEASURES}
    events = len(set(codes[y == 1]))
    verdict, why = _verdict(found, len(names), events)
    return LocalCheck(verdict, why, found, len(names), events)


@dataclass(frozen=True)
class Recalibrated:
    """Level and slope learned in place, and what they do.

    Args:
        intercept, slope: of the log odds, learned from all of these patients: what would be used from now on.
        before, after: measures as the risks are, and when each fifth of the patients is judged by what the others taught.
        curve: calibration curve after, as ``curve_here``.
    """

    intercept: float
    slope: float
    before: Mapping[str, Interval]
    after: Mapping[str, Interval]
    curve: pd.DataFrame


def curve_here(y: Array, risk: Array, patients: Sequence[str], *, seed: int = 0, bootstrap: int = 400) -> pd.DataFrame:
    """Points of the smooth calibration curve with its 95 % band: x (stated risk), y, low, high."""
    return _curve(Scorer(_panel(y, risk, patients), bootstrap, seed))


def recalibrate_here(
    y: Array, risk: Array, patients: Sequence[str], *, seed: int = 0, bootstrap: int = 400
) -> Recalibrated | None:
    """Logistic recalibration in place; None with fewer than 20 patients with the event or without.

    Reference: Steyerberg et al. 2004, 10.1002/sim.1844
    """
    y, risk = np.asarray(y, dtype=float), np.asarray(risk, dtype=float)
    if min(y.sum(), (1 - y).sum()) < FEWEST_EVENTS:
        return None
    panel = _panel(y, risk, patients)
    learned = platt(risk, y)
    intercept = float(logit(learned(np.array([0.5])))[0])
    slope = float(logit(learned(squashed(np.array([1.0]))))[0]) - intercept
    before = Scorer(panel, bootstrap, seed)
    answers = {MODEL: recalibrated(panel, MODEL, "platt", parts_of(panel, MODEL))}
    after = Scorer(replace(panel, answers=answers), bootstrap, seed)
    told = [
        {name: interval_of(scorer.values_of_all(MODEL, Measure(METRICS.get(name)))) for name in MEASURES}
        for scorer in (before, after)
    ]
    return Recalibrated(intercept, slope, told[0], told[1], _curve(after))


MODEL = "model"


def _panel(y: Array, risk: Array, patients: Sequence[str]) -> Panel:
    outcome = Outcome("event", "Event", "binary", "As the site records it.", desirable=False)
    rows = pd.DataFrame(
        {
            "case_id": [f"{at:07d}" for at in range(len(y))], "patient_id": list(map(str, patients)), "model": MODEL, "repeat": 0,
            "fold": 0, "y": y, "risk": risk,
        }
    )  # fmt: skip
    return make_panel(outcome, INTERNAL, rows, 0.5)


def _curve(scorer: Scorer) -> pd.DataFrame:
    grid = calibration_grid(scorer.panel.answers[MODEL].risk)
    return pd.DataFrame(calibration_points(scorer, MODEL, "calibration", grid), columns=["x", "y", "low", "high"])


def _verdict(found: Mapping[str, Interval], n: int, events: int) -> tuple[str, str]:
    if n < FEWEST_CASES or min(events, n - events) < FEWEST_EVENTS:
        return NOT_YET, f"There are {n} patients and {events} events; at least {FEWEST_CASES} and {FEWEST_EVENTS} are needed."
    auroc, level, slope = found["auroc"], found["oe_ratio"], found["calibration_slope"]
    told = f"AUROC {_told(auroc)}, observed / expected {_told(level)}, slope {_told(slope)}"
    if auroc.high < WORST_AUROC or auroc.low <= 0.5:
        return DECLINE, f"It does not tell these patients apart well enough: {told}."
    if not level.low <= 1 <= level.high or not slope.low <= 1 <= slope.high:
        return RECALIBRATE, f"Its risks do not come true here: {told}."
    if NARROW[0] <= level.low and level.high <= NARROW[1]:
        return ACCEPT, f"Its risks come true here as far as these patients can show: {told}."
    return NOT_YET, f"Nothing speaks against it, but the interval is too wide to accept: {told}."


def _told(value: Interval) -> str:
    return f"{value.value:.2f} ({value.low:.2f} to {value.high:.2f})"


def monthly(dates: Sequence[str], y: Array, risk: Array) -> pd.DataFrame:
    """Observed and expected events by month, with limits, and whether the rule says to stop.

    ``low`` and ``high`` hold the month's count 95 times in 100 while the risks come true; ``stop`` is set from the month on
    in which the sum of all events so far leaves its 99.8 % limits, or two months in a row lie outside on the same side.

    Args:
        dates: of the operations, ISO ("2026-03-14"); y: 1 or 0; risk: 0 to 1.

    Returns: one row a month: month, n, observed, expected, low, high, total_observed, total_expected, stop.
    """
    table = pd.DataFrame({"month": pd.to_datetime(pd.Series(dates)).dt.strftime("%Y-%m"), "y": y, "risk": risk})
    table["spread"] = table["risk"] * (1 - table["risk"])
    months = table.groupby("month").agg(
        n=("y", "size"), observed=("y", "sum"), expected=("risk", "sum"), spread=("spread", "sum")
    )
    months["low"], months["high"] = _limits(months["expected"], months["spread"], 0.95)
    total = months[["observed", "expected", "spread"]].cumsum()
    low, high = _limits(total["expected"], total["spread"], 0.998)
    side = np.sign(months["observed"] - months["high"]).clip(lower=0) - np.sign(months["low"] - months["observed"]).clip(lower=0)
    twice = (side != 0) & (side == side.shift())
    outside = (total["observed"] < low) | (total["observed"] > high)
    months = months.assign(total_observed=total["observed"], total_expected=total["expected"], stop=(twice | outside).cummax())
    return months.drop(columns="spread").reset_index()


def _limits(expected: pd.Series, spread: pd.Series, level: float) -> tuple[pd.Series, pd.Series]:
    """Of a sum of events with unequal chances, by the normal curve with a half for continuity."""
    width = float(stats.norm.ppf((1 + level) / 2)) * np.sqrt(spread) + 0.5
    return (expected - width).clip(lower=0.0), expected + width

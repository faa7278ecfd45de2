"""What a predictor says, and what it is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.contracts.cohort import Cases
from core.contracts.outcome import Outcome, OutcomeKind
from core.errors import DataError

QUANTILES: tuple[float, ...] = (0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95)
LAST_DAY = 60
"""Days on which every recovery forecast gives a chance: 0 to 60, both included."""

Input = Literal["record", "procedure", "anatomy", "image"]
Family = Literal["reference", "traditional", "tabular", "image", "fusion", "recovery"]


@dataclass(frozen=True)
class TimeForecast:
    """Chance that the event has come, by day.

    Args:
        by_day: shape (cases, LAST_DAY + 1); never falls along a row; between 0 and 1.

    Raises:
        DataError: wrong shape, a chance outside 0 to 1, a falling row.
    """

    by_day: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.by_day.ndim != 2 or self.by_day.shape[1] != LAST_DAY + 1:
            raise DataError(
                f"A recovery forecast has shape (cases, {LAST_DAY + 1}); given: {self.by_day.shape}.", do="Give every day."
            )
        if not np.isfinite(self.by_day).all() or self.by_day.min(initial=0.0) < 0 or self.by_day.max(initial=0.0) > 1:
            raise DataError("A recovery forecast holds a chance outside 0 to 1.", do="Check the model's output.")
        if (np.diff(self.by_day, axis=1) < -1e-9).any():
            raise DataError("A recovery forecast falls with time.", do="Give the chance that the event HAS come.")

    def at(self, day: int) -> NDArray[np.float64]:
        """Chance by that day, shape (cases,)."""
        return self.by_day[:, min(day, LAST_DAY)]

    def quantile(self, q: float) -> NDArray[np.float64]:
        """First day by which the chance reaches ``q``, shape (cases,); LAST_DAY + 1 where it never does."""
        reached = self.by_day >= q
        return np.where(reached.any(axis=1), reached.argmax(axis=1), LAST_DAY + 1).astype(np.float64)


@dataclass(frozen=True)
class Forecast:
    """A predictor's answer for some cases.

    Args:
        risks: one row a case (index = case ids), one column a binary outcome: the chance of the event. It always rises
            with the chance of the event, desirable or not.
        times: a time forecast for each time-to-event outcome, rows in the order of ``risks.index``.
    """

    risks: pd.DataFrame
    times: Mapping[str, TimeForecast] = field(default_factory=dict)

    def __post_init__(self) -> None:
        values = self.risks.to_numpy(dtype=float)
        if values.size and (not np.isfinite(values).all() or values.min() < 0 or values.max() > 1):
            raise DataError("A forecast holds a risk outside 0 to 1.", do="Check the model's output.")


@dataclass(frozen=True)
class FitContext:
    """Everything a fit may depend on besides its cases.

    Args:
        seed: all randomness comes from it.
        device: ``cpu`` or ``cuda``.
        tuning_budget: candidates tried inside the training part (0: defaults).
        inner_folds: folds of that search, by patient.
        network: epochs, batch_size, learning_rate, weight_decay, modality_dropout, backbone, pretrained, encoder_weights …
        progress: called with a phrase and a share done (0 to 1); may be ignored.
    """

    seed: int
    device: str = "cpu"
    tuning_budget: int = 0
    inner_folds: int = 3
    network: Mapping[str, object] = field(default_factory=dict)
    progress: Callable[[str, float], None] | None = None


class Predictor(Protocol):
    """Fit on cases, say a risk for each case. One object may serve many outcomes."""

    def fit(self, cases: Cases, outcomes: Sequence[Outcome], context: FitContext) -> None:
        """Learn everything (imputation, encoding, scaling, tuning, weights) from these cases alone.

        Outcomes with fewer than two classes among their eligible cases are the caller's to leave out.
        """

    def predict(self, cases: Cases) -> Forecast:
        """The chance of each fitted outcome for each case; a missing modality is handled or refused, never zero-filled."""


@dataclass(frozen=True)
class Artifact:
    """A fitted predictor as plain data: what a bundle keeps. No pickled object.

    Args:
        plain: JSON-able facts (fields, levels, medians, outcome names …).
        arrays: numeric arrays by name.
        texts: text parts by name (a LightGBM model in its own text format).
    """

    plain: Mapping[str, object]
    arrays: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class Portable(Protocol):
    """A predictor that can be kept in a bundle."""

    def export(self) -> Artifact:
        """Everything ``PredictorSpec.restore`` needs to predict exactly as this object does."""


@dataclass(frozen=True)
class PredictorSpec:
    """A plug-in of ``core.outcomes``.

    Args:
        name: slug ("logistic_regression").
        label: what people read.
        family: where it stands in the leaderboard.
        inputs: what it reads; ``procedure`` is added by the study where the recipe asks for it and ``record`` is read.
        kinds: outcome kinds it can serve.
        make: a fresh, unfitted predictor; options come from the recipe's model entry.
        description: one sentence: what it does.
        reference: doi or paper.
        is_network: trained by gradient descent (fewer repeats, GPU).
        only_outcomes: outcomes it is made for; empty: all of its kinds.
        version: raised when its results change; part of a job's key.
        variants: whether the study may run it with procedure fields too.
        restore: the predictor from what it exported, or None where it cannot be bundled.
        optional_inputs: those of ``inputs`` that it can do without where the data set has none.
    """

    name: str
    label: str
    family: Family
    inputs: tuple[Input, ...]
    kinds: tuple[OutcomeKind, ...]
    make: Callable[[Mapping[str, object]], Predictor]
    description: str
    reference: str = ""
    is_network: bool = False
    only_outcomes: tuple[str, ...] = ()
    version: int = 1
    variants: bool = True
    restore: Callable[[Artifact], Predictor] | None = None
    optional_inputs: tuple[Input, ...] = ()

"""What may be told about one patient: a personal risk, a group's rate, or no number."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import DataError


@dataclass(frozen=True)
class PersonalRisk:
    """A risk that the model may state for this patient.

    Args:
        outcome: slug; label: what people read; definition: one sentence; desirable: whether the event is good.
        horizon: time window, in words; may be empty where the source states none.
        risk: chance of the event, 0 to 1.
        band: 5 to 95 % range over refits on bootstrap samples: how firm the model is, not the patient's fate.
        refits: how many refits stand behind the band.
        n, n_events: patients and events that the model learned from; reference: who they were, in words.
        cautions: sentences.
        chance_by_day: for a time to event, (day, chance, low, high).
        base_rate: share of events among the patients learned from.

    Raises:
        DataError: no band, no reference group, or a number outside 0 to 1.
    """

    outcome: str
    label: str
    definition: str
    desirable: bool
    horizon: str
    risk: float
    band: tuple[float, float]
    refits: int
    n: int
    n_events: int
    reference: str
    model: str
    base_rate: float
    cautions: tuple[str, ...] = ()
    chance_by_day: tuple[tuple[int, float, float, float], ...] = ()

    def __post_init__(self) -> None:
        low, high = self.band
        if not 0 <= low <= high <= 1 or not 0 <= self.risk <= 1:
            raise DataError(
                f"A risk and its band lie between 0 and 1; given {self.risk} ({low} to {high}).", do="Check the model."
            )
        if not self.reference or self.n <= 0 or self.refits <= 0:
            raise DataError("A personal risk needs its reference group, n and refits.", do="Give a group rate or an abstention.")


@dataclass(frozen=True)
class GroupRate:
    """The rate of a whole group, because the model cannot tell this patient apart.

    Args:
        count, n: events among n patients; low, high: 95 % interval of the rate (Wilson).
        at_most: the exact count is under the smallest cell and hidden; ``count`` is then the most that it can be.
        why: why no personal number is given, one plain sentence.
        needed: what would be needed, one plain sentence.
        chance_by_day: for a time to event, (day, chance, low, high) of the whole group.
    """

    outcome: str
    label: str
    definition: str
    desirable: bool
    horizon: str
    count: int
    n: int
    low: float
    high: float
    reference: str
    why: str
    needed: str
    cautions: tuple[str, ...] = ()
    chance_by_day: tuple[tuple[int, float, float, float], ...] = ()
    at_most: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.count <= self.n or self.n <= 0:
            raise DataError(f"A group rate counts events among patients; given {self.count} of {self.n}.", do="Check the counts.")


@dataclass(frozen=True)
class Abstention:
    """No number.

    Args:
        code: short identifier (RANGE, MISSING, CONFLICT, OOD_IMAGE …).
        why: one plain sentence.
        needed: what would be needed, one plain sentence.
    """

    outcome: str
    label: str
    code: str
    why: str
    needed: str
    details: tuple[str, ...] = ()


Statement = PersonalRisk | GroupRate | Abstention

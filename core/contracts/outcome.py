"""What happened to a patient, defined in one sentence."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from core.errors import CodebookError

OutcomeKind = Literal["binary", "time_to_event"]


@dataclass(frozen=True)
class Outcome:
    """A binary outcome, or a time to an event in days.

    Args:
        name: slug used in recipes, files and code ("complication").
        label: the name people read.
        kind: ``binary``; or ``time_to_event``, scored as the chance that the event has come by each of ``days``.
        definition: one sentence.
        desirable: whether the event is good (success, home by day 3); direction, words and colours follow.
        eligible: which cases count, one sentence.
        horizon: the time window, only where the source states one.
        reference: literature behind the definition.
        days: for a time to event, the days at which the chance is scored.
        notes: what a reader must know of it, sentences.
        reached: of a time to event, what those are in whom it has come ("at home").
        moments: names of ``days`` where they count visits and not days ("2 weeks", "3 months"); then nothing is said of days.

    Raises:
        CodebookError: no definition, or a time to event without days.
    """

    name: str
    label: str
    kind: OutcomeKind
    definition: str
    desirable: bool
    eligible: str = "All cases."
    horizon: str = ""
    reference: str = ""
    days: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    reached: str = "at home"
    moments: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.definition.strip():
            raise CodebookError(f"Outcome {self.name!r} has no definition.", do="Define it in one sentence.")
        if self.kind == "time_to_event" and not self.days:
            raise CodebookError(
                f"Outcome {self.name!r} is a time to an event without days.", do="List the days at which it is scored."
            )
        if self.moments and len(self.moments) != len(self.days):
            raise CodebookError(
                f"Outcome {self.name!r} has {len(self.days)} days and {len(self.moments)} moments.", do="Name each of its days."
            )

    def to_plain(self) -> dict[str, object]:
        """The outcome as plain data, for JSON."""
        plain = asdict(self)
        plain |= {name: list(plain[name]) for name in ("days", "notes", "moments")}
        return plain

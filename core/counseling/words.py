"""From a statement to the words and counts that a patient reads.

The rules are those of shared decision making: absolute counts with one denominator, both frames in the same form, the
reference class and the time window in each, a range in counts with its cause, and calm words where there is no number.
Reference: Fagerlin et al. 2011, 10.1093/jnci/djr318; Trevena et al. 2013, 10.1186/1472-6947-13-S2-S7.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from core.contracts.statement import Abstention, GroupRate, PersonalRisk, Statement
from core.counseling import english
from core.counseling.counts import Counts, counts_of, denominator_for

TellingKind = Literal["personal", "group", "none"]
TENTHS = (1, 5, 9)
CHANCE, LOW, HIGH = 1, 2, 3
"""Columns of ``chance_by_day`` behind the day."""

LONGEST_WINDOW = 3
"""Words of a time window that still fit into a sentence of 15."""


@dataclass(frozen=True)
class Telling:
    """What a patient reads of one outcome.

    Args:
        kind: ``personal`` number, number of the whole ``group``, or ``none``.
        title: the outcome's name.
        sentences: all of it in reading order, cautions last.
        event_sentence, no_event_sentence: the two frames, of the same form; empty where there is no number.
        counts: people with and without the event; they sum to ``denominator``. None where there is no number.
        range_counts: ends of the range, for the event, in people of ``denominator``.
        day_sentences: for a time to event: by which day 1, 5 and 9 of 10 have it.
        desirable: whether the event is good: words and colours follow.
    """

    kind: TellingKind
    title: str
    sentences: tuple[str, ...]
    denominator: int = 0
    desirable: bool = False
    event_sentence: str = ""
    no_event_sentence: str = ""
    counts: Counts | None = None
    range_counts: tuple[int, int] | None = None
    band_sentence: str = ""
    cause_sentence: str = ""
    reference_sentence: str = ""
    day_sentences: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()

    @property
    def frames(self) -> tuple[str, ...]:
        """Both frames, or nothing."""
        return (self.event_sentence, self.no_event_sentence) if self.counts else ()


@dataclass(frozen=True)
class _Told:
    """A statement with a number, whichever kind it is."""

    statement: PersonalRisk | GroupRate
    denominator: int

    @property
    def personal(self) -> bool:
        return isinstance(self.statement, PersonalRisk)

    @property
    def chance(self) -> float:
        return _chance(self.statement)

    @property
    def band(self) -> tuple[float, float]:
        s = self.statement
        return s.band if isinstance(s, PersonalRisk) else (s.low, s.high)

    @property
    def people(self) -> str:
        return english.LIKE_YOU if self.personal else english.SUCH_PATIENTS

    @property
    def event(self) -> english.Event:
        other = english.Event(english.OTHER_EVENT, english.OTHER_MEANING.format(label=self.statement.label))
        return english.EVENTS.get(self.statement.outcome, other)

    @property
    def window(self) -> str:
        short = short_window(self.statement.horizon) if self.event.has_window else ""
        return f" {short}" if short else ""


def tell(statement: Statement, denominator: int | None = None) -> Telling:
    """What a patient reads of a statement.

    Args:
        denominator: 100 or 1,000, the same for a whole screen (see ``screen_denominator``); by default what this
            statement needs.

    Raises:
        DataError: another denominator.
    """
    if isinstance(statement, Abstention):
        return _no_number(statement)
    return _with_number(_Told(statement, denominator or screen_denominator([statement])))


def screen_denominator(statements: Sequence[Statement]) -> int:
    """1,000 where any number on the screen is under 1 of 100, otherwise 100."""
    return denominator_for([_chance(item) for item in statements if not isinstance(item, Abstention)])


def short_window(horizon: str) -> str:
    """A time window in at most three words ("within 30 days"), or nothing where it cannot be said so briefly."""
    spans = re.match(r"(?:\w+ )?(?:\d+ to )?(\d+) (day|week|month|year)s?\b", horizon)
    if spans:
        return f"within {spans[1]} {spans[2]}{'' if spans[1] == '1' else 's'}"
    short = re.match(r"(?:within|in|by|during|before|at) ", horizon) and len(horizon.split()) <= LONGEST_WINDOW
    return horizon if short else ""


def _chance(statement: PersonalRisk | GroupRate) -> float:
    return statement.risk if isinstance(statement, PersonalRisk) else statement.count / statement.n


def _no_number(statement: Abstention) -> Telling:
    silence = english.SILENCES.get(statement.code, english.OTHER_SILENCE)
    sentences = (english.NO_NUMBER, silence.why, silence.needed, english.NO_NUMBER_CALM)
    return Telling("none", english.NO_NUMBER_TITLE.format(label=statement.label), sentences)


def _with_number(told: _Told) -> Telling:
    statement = told.statement
    counts = _counts(told)
    low, high = (counts_of(end, told.denominator).event for end in told.band)
    frames = _frames(told, counts)
    band = _band_sentence(told, low, high)
    cause = (english.RANGE_CAUSE if told.personal else english.GROUP_RANGE_CAUSE).format(n=_number(statement.n))
    reference = english.REFERENCE.format(n=_number(statement.n), reference=statement.reference)
    days = tuple(_day_sentences(told))
    return Telling(
        kind="personal" if told.personal else "group",
        title=statement.label,
        sentences=(*_opening(told), *frames, *days, band, *_about_range(told, cause), reference, *statement.cautions),
        denominator=told.denominator,
        desirable=statement.desirable,
        event_sentence=frames[0],
        no_event_sentence=frames[1],
        counts=counts,
        range_counts=(low, high),
        band_sentence=band,
        cause_sentence=cause,
        reference_sentence=reference,
        day_sentences=days,
        cautions=statement.cautions,
    )


def _counts(told: _Told) -> Counts:
    hidden = isinstance(told.statement, GroupRate) and told.statement.at_most
    most = math.ceil(told.chance * told.denominator - 1e-9)
    return Counts(most, told.denominator - most, told.denominator) if hidden else counts_of(told.chance, told.denominator)


def _opening(told: _Told) -> tuple[str, ...]:
    why = () if told.personal else (english.GROUP_WHY, english.GROUP_INSTEAD)
    horizon = told.statement.horizon
    apart = horizon if told.event.has_window and not told.window else ""
    told_apart = english.WINDOW_APART.format(horizon=apart) if apart else ""
    return tuple(sentence for sentence in (*why, told.event.meaning, told_apart) if sentence)


def _about_range(told: _Told, cause: str) -> tuple[str, ...]:
    statement = told.statement
    if isinstance(statement, PersonalRisk):
        return (cause, english.RANGE_MEANING)
    return (cause, english.HIDDEN_COUNT) if statement.at_most else (cause,)


def _frames(told: _Told, counts: Counts) -> tuple[str, str]:
    """Both frames, in one form; an end that rounds to nobody, or a hidden count, is told as a bound on both sides."""
    event, no_event = _number(counts.event), _number(counts.no_event)
    if isinstance(told.statement, GroupRate) and told.statement.at_most:
        event, no_event = f"{english.AT_MOST} {event}", f"{english.AT_LEAST} {no_event}"
    elif counts.event == 0:
        event, no_event = f"{english.FEWER} 1", f"{english.MORE} {_number(counts.no_event - 1)}"
    elif counts.no_event == 0:
        event, no_event = f"{english.MORE} {_number(counts.event - 1)}", f"{english.FEWER} 1"
    else:
        return _frame(told, english.WILL, event, told.people), _frame(told, english.WILL_NOT, no_event, told.people)
    people = english.LIKE_YOU_SHORT if told.personal else told.people
    return _frame(told, english.WILL, event, people), _frame(told, english.WILL_NOT, no_event, people)


def _frame(told: _Told, template: str, count: str, people: str) -> str:
    denominator = _number(told.denominator)
    return template.format(count=count, denominator=denominator, people=people, event=told.event.verb, window=told.window)


def _band_sentence(told: _Told, low: int, high: int) -> str:
    template = english.RANGE if low < high else english.RANGE_NARROW
    return template.format(
        low=_number(low), high=_number(high), denominator=_number(told.denominator), people=told.people, window=told.window
    )


def _day_sentences(told: _Told) -> Iterator[str]:
    """By which day 1, 5 and 9 of 10 have the event, and how firm the last of these days is."""
    curve = told.statement.chance_by_day
    if not curve:
        return
    for tenths in TENTHS:
        yield _reached(told, tenths)
    low, high = _first_day(curve, HIGH, TENTHS[-1] / 10), _first_day(curve, LOW, TENTHS[-1] / 10)
    if low is not None and high is None:
        yield english.DAY_RANGE_OPEN.format(low=low)
    elif low is not None and low != high:
        yield english.DAY_RANGE.format(low=low, high=high)


def _reached(told: _Told, tenths: int) -> str:
    curve, event = told.statement.chance_by_day, told.event.verb
    day = _first_day(curve, CHANCE, tenths / 10)
    if day is None:
        return english.NOT_REACHED.format(tenths=tenths, people=told.people, event=event, day=curve[-1][0])
    when = english.SAME_DAY if day == 0 else english.BY_DAY.format(day=day)
    return english.REACHED.format(tenths=tenths, people=told.people, event=event, when=when)


def _first_day(curve: Sequence[tuple[int, float, float, float]], column: int, chance: float) -> int | None:
    return next((row[0] for row in curve if row[column] >= chance - 1e-9), None)


def _number(count: int) -> str:
    return f"{count:,}"

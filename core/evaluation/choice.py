"""Which model to adopt, by a rule that was written before looking; the answer may be none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from core.contracts.recipe import ChoicePart
from core.errors import RecipeError, did_you_mean
from core.evaluation.bootstrap import Interval, interval_of
from core.evaluation.comparisons import difference
from core.evaluation.scoring import Measure, Scorer, measures

NONE = "adopt none: the record alone, or what is done today, is as good"


@dataclass(frozen=True)
class Contest:
    """A candidate against a rival: how much better it is (positive is better), with its 95 % interval."""

    candidate: str
    rival: str
    better: Interval

    def won(self, margin: float) -> bool:
        """Whether the whole interval lies above the margin."""
        return self.better.low > margin


def choose(scorer: Scorer, rule: ChoicePart, labels: Mapping[str, str]) -> dict[str, Any]:
    """The verdict on one outcome as plain data: rule, verdict, adopted (a model or ""), contests.

    The first candidate, in the order of the rule, that beats every rival is adopted; a rival or candidate that does not answer
    this outcome is left out, and a candidate without any rival is not adopted.

    Raises:
        RecipeError: the outcome is not scored by the rule's metric.
    """
    contests = list(_contests(scorer, rule))
    told = _rule_words(scorer, rule, labels)
    for candidate in rule.candidates:
        own = [contest for contest in contests if contest.candidate == candidate]
        if own and all(contest.won(rule.margin) for contest in own):
            return _plain(told, f"adopt {labels.get(candidate, candidate)}", candidate, contests)
    return _plain(told, NONE, "", contests)


def _rule_words(scorer: Scorer, rule: ChoicePart, labels: Mapping[str, str]) -> str:
    what, rivals = _measure(scorer, rule).spec.label, _listed(rule.rivals, labels)
    beaten = f"that of {rivals}" if len(rule.rivals) == 1 else f"that of each of {rivals}"
    if len(rule.candidates) == 1:
        whose = f"{_listed(rule.candidates, labels)} if its"
    else:
        whose = f"the first of {_listed(rule.candidates, labels)} whose"
    return f"Adopt {whose} {what} is better than {beaten} by more than {rule.margin:g}, beyond chance."


def _contests(scorer: Scorer, rule: ChoicePart) -> Iterator[Contest]:
    measure = _measure(scorer, rule)
    sign = -1.0 if measure.spec.aim == "lower" else 1.0
    for candidate in rule.candidates:
        for rival in rule.rivals:
            if candidate != rival and {candidate, rival} <= set(scorer.panel.answers):
                yield Contest(candidate, rival, interval_of(sign * difference(scorer, candidate, rival, measure)))


def _measure(scorer: Scorer, rule: ChoicePart) -> Measure:
    known = {measure.name: measure for measure in measures(scorer.panel.outcome)}
    if rule.metric not in known:
        raise RecipeError(
            f"evaluation.choice: {scorer.panel.outcome.name!r} is not scored by {rule.metric!r}.",
            do=did_you_mean(rule.metric, known),
        )
    return known[rule.metric]


def _listed(names: tuple[str, ...], labels: Mapping[str, str]) -> str:
    return ", ".join(labels.get(name, name) for name in names)


def _plain(rule: str, verdict: str, adopted: str, contests: list[Contest]) -> dict[str, Any]:
    rows = [
        {
            "candidate": one.candidate, "rival": one.rival, "better": one.better.value, "low": one.better.low,
            "high": one.better.high,
        }
        for one in contests
    ]  # fmt: skip
    return {"rule": rule, "verdict": verdict, "adopted": adopted, "contests": rows}

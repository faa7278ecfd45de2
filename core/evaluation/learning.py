"""What a model loses without one of its inputs, on new patients against those it learned from, and with fewer to learn from.

Reference: Steyerberg 2019, Clinical Prediction Models, ch. 17 (apparent performance and optimism); Viering and Loog 2023,
10.1109/TPAMI.2022.3220744 (learning curves).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from core.contracts.metric import Array
from core.evaluation.bootstrap import interval_of
from core.evaluation.scoring import Measure, Scorer, measures
from core.evaluation.splits import LEARNING, SECTION
from core.metrics import METRICS

RANKING = {"binary": "auroc", "time_to_event": "c_index"}
WHOLE = 100
WORDS = {"image": "the picture", "record": "the record", "anatomy": "the anatomy from the mask", "procedure": "the procedure"}


def missing_rows(full: Scorer, without: Mapping[str, Scorer]) -> Iterator[dict[str, object]]:
    """Rows of the tables ``missing`` and ``ablation``: each model with all its inputs minus itself without one, same patients.

    Args:
        full: of the internal split; without: by split (``missing:image``, ``ablation:image``).
    """
    for split, scorer in without.items():
        for model in scorer.panel.answers:
            for measure in measures(full.panel.outcome, compared=True):
                whole, part = full.values_of_all(model, measure), scorer.values_of_all(model, measure)
                found, left = interval_of(whole - part), interval_of(part)
                yield {
                    "outcome": full.panel.outcome.name, "model": model, "without": split.partition(":")[2],
                    "metric": measure.name, "value": left.value, "low": left.low, "high": left.high,
                    "difference": found.value, "difference_low": found.low, "difference_high": found.high,
                    "n": full.panel.persons(full.everyone.cases),
                }  # fmt: skip


def gap_rows(full: Scorer, seen: Scorer) -> Iterator[dict[str, object]]:
    """Rows of the table ``gaps``: the ranking metric on patients learned from, on new ones, and the difference.

    The interval of the difference is left out: the two rest on models that learned from overlapping patients.
    """
    measure = _ranking(full)
    for model in seen.panel.answers:
        if model in full.panel.answers:
            here, there = interval_of(seen.values_of_all(model, measure)), interval_of(full.values_of_all(model, measure))
            yield {
                "outcome": full.panel.outcome.name, "model": model, "metric": measure.name, "seen": here.value,
                "new": there.value, "low": there.low, "high": there.high, "gap": here.value - there.value,
                "n": full.panel.persons(full.everyone.cases),
            }  # fmt: skip


def learning_rows(full: Scorer, shares: Mapping[str, Scorer]) -> Iterator[dict[str, object]]:
    """Rows of the table ``learning``: the ranking metric with a share of the training patients, and what the rest adds.

    Args:
        shares: by split (``learning:50``).
    """
    measure = _ranking(full)
    models = list(dict.fromkeys(model for scorer in shares.values() for model in scorer.panel.answers))
    for model in models:
        whole = full.values_of_all(model, measure)
        parts = {int(split.removeprefix(LEARNING)): scorer for split, scorer in shares.items() if model in scorer.panel.answers}
        values: dict[int, Array] = {share: scorer.values_of_all(model, measure) for share, scorer in parts.items()}
        for share, part in sorted({**values, WHOLE: whole}.items()):
            found, added = interval_of(part), interval_of(whole - part)
            yield {
                "outcome": full.panel.outcome.name, "model": model, "share": share, "metric": measure.name,
                "value": found.value, "low": found.low, "high": found.high, "added": added.value, "added_low": added.low,
                "added_high": added.high, "n": full.panel.persons(full.everyone.cases),
            }  # fmt: skip


def _ranking(scorer: Scorer) -> Measure:
    return Measure(METRICS.get(RANKING[scorer.panel.outcome.kind]))


def input_words(name: str) -> str:
    """An input as people read it: a block, or a section of the record ("section:Laboratory")."""
    return f"“{name.removeprefix(SECTION)}” in the record" if name.startswith(SECTION) else WORDS.get(name, name)


def missing_sentence(row: Mapping[str, object], label: str) -> str:
    """What a model loses without one input; ``row``: of ``missing`` or ``ablation``, for the ranking metric."""
    what = input_words(str(row["without"]))
    low, high = float(str(row["difference_low"])), float(str(row["difference_high"]))
    told = f"{float(str(row['difference'])):+.2f} ({low:+.2f} to {high:+.2f})".replace("-", "−")
    if low > 0:
        return f"{label} is worse without {what}: {told}."
    if high < 0:
        return f"{label} is better without {what}: {told}. That input misleads it."
    return f"For {label}, {what} adds nothing that these patients can show: {told}."

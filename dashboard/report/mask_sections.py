"""The results of one region, section by section, drawn and written by what the pages call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from core.storage.summaries import StudyPlace
from dashboard.charts import (
    ablations,
    error_rows,
    factors,
    forest,
    mask_leaderboard,
    mask_rows,
    mask_tables,
    ranks,
    significance,
    trade,
    transport,
)
from dashboard.charts.mask_rows import LEVEL, MAIN
from dashboard.charts.mask_view import MaskView, view_of
from dashboard.charts.outcome_tables import fairness_table
from dashboard.charts.wording import first_and_rest, plural
from dashboard.report.blocks import Block, Figure, Lead, Missing, Section, Table, Text, section
from dashboard.report.study import Bundle, Study

MAIN_SPLIT = "internal"
ABLATION_METRICS = ("dice", "nsd")

Part = Callable[[MaskView, Study], Iterator[Block]]


def region_section(study: Study, region: str) -> Section:
    """Everything about one region, in the order in which a reader asks."""
    place = StudyPlace(study.summary.name, Path(study.folder), study.published)
    view = view_of(place, study.summary, region, MAIN_SPLIT, MAIN)
    parts = [section(study.subject_anchor(region, key), title, part(view, study)) for key, title, part in PARTS]
    return section(study.subject_anchor(region), str(view.region["label"]), _head(view), 2, parts)


def _head(view: MaskView) -> Iterator[Block]:
    told = str((view.summary.info.get("headlines") or {}).get(view.region_name) or "No finding was written.")
    first, rest = first_and_rest(told)
    yield Lead(first)
    if rest:
        yield Text(rest)
    suitable = (view.summary.info.get("suitability") or {}).get(view.region_name) or {}
    if suitable.get("sentence"):
        yield Text(str(suitable["sentence"]), "Can this data set tell methods apart?")


def _leaderboard(view: MaskView, study: Study) -> Iterator[Block]:
    if view.board.empty:
        yield Missing("No method was judged on this region.")
        return
    yield Figure(mask_leaderboard.forest(view.board, view.metric), mask_leaderboard.forest_alt(view.board, view.metric))
    yield Table(mask_tables.score_table(view), "Scores with intervals, and costs, of all methods")


def _ranks(view: MaskView, study: Study) -> Iterator[Block]:
    table = mask_rows.rank_rows(view.summary, view.region_name, view.split, view.compared.name)
    if table.empty:
        yield Missing("No ranks were computed.")
        return
    shares = view.summary.table("rank_shares", region=view.region_name, split=view.split, metric=view.compared.name)
    yield Figure(ranks.bubbles(table, shares), ranks.bubbles_alt(table, shares))
    yield Table(mask_tables.rank_table(table), "Rank of each method")
    tau = mask_tables.tau_sentence(view)
    if tau:
        yield Text(tau, small=True)


def _pairs(view: MaskView, study: Study) -> Iterator[Block]:
    pairs = mask_rows.pairs_both_ways(view.summary, view.region_name, view.split, view.compared.name)
    if pairs.empty:
        yield Missing("No pair of methods was compared.")
        return
    order = [str(name) for name in mask_rows.rank_rows(view.summary, view.region_name, view.split, view.compared.name)["model"]]
    alt = significance.map_alt(pairs, order, view.labels, view.compared)
    yield Figure(significance.significance_map(pairs, order, view.labels, view.compared), alt)
    stored = view.summary.table("comparisons", region=view.region_name, split=view.split, metric=view.compared.name)
    title = f"Paired comparisons on the same cases; p is adjusted for all of them (Holm), bound {LEVEL}"
    yield Table(mask_tables.pair_table(view, stored), title)
    people = mask_tables.people_sentence(view)
    if people:
        yield Text(people)


def _cost(view: MaskView, study: Study) -> Iterator[Block]:
    shown = [name for name in trade.COSTS if len(trade.shown(view.board, name))]
    if not shown:
        yield Missing("No cost was recorded.")
    for name in shown[:2]:
        yield Figure(trade.trade(view.board, view.metric, name), trade.trade_alt(view.board, view.metric, name))


def _errors(view: MaskView, study: Study) -> Iterator[Block]:
    models = mask_rows.first_methods(view.board, view.metrics[MAIN])
    names = error_rows.factor_names(view.summary, view.region_name, view.split)
    if not names or not models:
        yield Missing("Errors were not broken down.")
        return
    yield Text(error_rows.errors_sentence(view.summary, view.region_name, view.split, models[0]))
    metric = view.metrics[next(name for name in error_rows.factor_metrics(view.summary) if name in view.metrics)]
    for factor in names:
        table = error_rows.factor_rows(view.summary, view.region_name, view.split, factor, metric.name, models)
        if len(table):
            yield Figure(factors.by_level(table, metric), factors.by_level_alt(table, factor, metric))
            yield Table(mask_tables.factor_table(table, factor, metric), f"{metric.label} by {factor}")


def _lesions(view: MaskView, study: Study) -> Iterator[Block]:
    lesions, empty = mask_tables.lesion_table(view), mask_tables.empty_table(view)
    yield Table(lesions, "Lesions found and made up") if len(lesions) else Missing("Single lesions were not counted.")
    yield Table(empty, "How often a mask was empty") if len(empty) else Missing("Empty masks were not counted.")
    rule = str(((view.summary.info.get("empty_masks") or {}).get(view.region_name) or {}).get("rule", ""))
    if rule:
        yield Text(rule, small=True)


def _robustness(view: MaskView, study: Study) -> Iterator[Block]:
    models = mask_rows.first_methods(view.board, view.metrics[MAIN])
    table = error_rows.robustness_rows(view.summary, view.region_name, view.split, models)
    if table.empty:
        yield Missing("No fault was planted.")
        return
    cases = plural(int(table["n"].max()), "test case")
    yield Text(f"The same {cases}, spoilt step by step; the methods were not trained again.")
    yield Figure(factors.by_severity(table), factors.by_severity_alt(table))
    yield Text(f"{factors.meanings(table)}.", small=True)
    yield Table(mask_tables.robustness_table(view, table), "Dice by fault and severity")


def _groups(view: MaskView, study: Study) -> Iterator[Block]:
    table = view.summary.table("fairness", region=view.region_name, split=view.split, metric=MAIN)
    if table.empty:
        yield Missing("No groups of patients or pictures were compared.")
        return
    best = mask_rows.best_of(view.board, view.metrics[MAIN])
    part, label = table[table["model"] == best], view.metrics[MAIN].label
    yield Text(mask_tables.groups_sentence(part, view.labels[best]))
    yield Figure(forest.forest(part, label), forest.forest_alt(part, label))
    yield Table(fairness_table(part, label), f"{label} of {view.labels[best]} by group; every comparison explores")


def _transport(view: MaskView, study: Study) -> Iterator[Block]:
    table = mask_rows.across_splits(view.summary, view.region_name, view.metric)
    if table.empty:
        yield Missing("This study left no site or scanner out: how the methods do elsewhere is not known.")
        return
    alt = transport.dumbbell_alt(table, view.metric.name, view.metric.axis)
    yield Figure(transport.dumbbell(table, view.metric.name, view.metric.axis), alt)
    yield Table(mask_tables.transport_table(view, table), f"{view.metric.label} of each method on each split")


def _ablations(view: MaskView, study: Study) -> Iterator[Block]:
    table = ablations.ablation_rows(view.summary, view.region_name, MAIN)
    if table.empty:
        yield Missing("No part of a method was left out; an ablation is a part 'ablations' of the recipe.")
        return
    verdicts = view.summary.info.get("verdicts") or {}
    yield Text(mask_tables.ablation_answer(view))
    for name in ABLATION_METRICS:
        part = ablations.ablation_rows(view.summary, view.region_name, name)
        if len(part) and name in view.metrics:
            metric = view.metrics[name]
            yield Figure(ablations.forest(part, metric, verdicts), ablations.forest_alt(part, metric))
            yield Table(mask_tables.ablation_table(part), f"What each part adds, in points of {metric.label}")
    yield Text(mask_tables.budget_sentence(view.summary), small=True)


def _cards(view: MaskView, study: Study) -> Iterator[Block]:
    if not study.bundles:
        yield Missing("No model bundle of this study is here: none of its methods can be asked about a new picture.")
    for bundle in study.bundles:
        yield Text(f"{bundle.name}, version {bundle.version}{_built(bundle)}. Model card: {bundle.card}")


def _built(bundle: Bundle) -> str:
    return "" if bundle.same_run else ", built from another run of this study"


def _change(view: MaskView, study: Study) -> Iterator[Block]:
    told = str((view.summary.info.get("change") or {}).get(view.region_name, ""))
    yield Text(told) if told else Missing("Nothing was written on what would change this conclusion.")


PARTS: tuple[tuple[str, str, Part], ...] = (
    ("leaderboard", "Which method outlines best?", _leaderboard),
    ("ranks", "How firm is the order?", _ranks),
    ("pairs", "Which differences are more than chance?", _pairs),
    ("cost", "Is more cost worth it?", _cost),
    ("errors", "What do errors depend on?", _errors),
    ("lesions", "Single lesions and empty masks", _lesions),
    ("robustness", "Does it stand up to poor pictures?", _robustness),
    ("groups", "Is it as good for one group as for the others?", _groups),
    ("transport", "Does it hold on other scanners and sites?", _transport),
    ("ablations", "What does each part add?", _ablations),
    ("bundles", "Can a method be asked about a new picture?", _cards),
    ("change", "What would change this conclusion", _change),
)

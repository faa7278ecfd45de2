"""The results of one outcome, section by section, drawn and written by what the pages call."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pandas as pd

from core.evaluation.case_mix import one_sentence as mix_sentence
from core.evaluation.features import one_sentence as features_sentence
from core.evaluation.learning import input_words, missing_sentence
from core.evaluation.stability import one_sentence as stability_sentence
from dashboard.charts import (
    calibration,
    curves,
    equal_finding,
    features,
    firmness,
    forest,
    leaderboard,
    outcome_tables,
    recovery,
    rows,
    sizes,
    transport,
)
from dashboard.charts.outcome_view import View, view_of
from dashboard.charts.wording import metric_label, outcome_count, percent, plural
from dashboard.report.blocks import Badge, Badges, Block, Bullets, Facts, Figure, Lead, Missing, Section, Table, Text, section
from dashboard.report.study import Bundle, Study
from dashboard.widgets import badges

MAIN_SPLIT = "internal"
DRAWN = 4
"""Models in a figure of curves: more cannot be told apart."""

Part = Callable[[View, Study], Iterator[Block]]


def outcome_section(study: Study, outcome: str) -> Section:
    """Everything about one outcome, in the order in which a reader asks."""
    view = view_of(study.summary, outcome, MAIN_SPLIT, "both")
    parts = [
        section(study.subject_anchor(outcome, key), title, part(view, study))
        for key, title, part in PARTS
        if key not in (NOT_OF_TIMES if view.is_time else ONLY_OF_TIMES)
    ]
    return section(study.subject_anchor(outcome), str(view.outcome["label"]), _head(view), 2, parts)


def _head(view: View) -> Iterator[Block]:
    yield Lead(str((view.summary.info.get("headlines") or {}).get(view.outcome_name) or "No finding was written."))
    if not view.outcome.get("enough", True):
        yield Badges((Badge(badges.TOO_FEW_EVENTS.word, badges.TOO_FEW_EVENTS.meaning),))
    facts = view.outcome
    yield Facts(
        (
            ("What it is", str(facts.get("definition", ""))),
            ("Who counts", str(facts.get("eligible") or "")),
            ("Time window", str(facts.get("horizon") or "")),
            ("Patients", outcome_count(facts, view.min_cell)),
            ("Source", str(facts.get("reference") or "")),
        )
    )
    if facts.get("notes"):
        yield Bullets(tuple(map(str, facts["notes"])))


def _leaderboard(view: View, study: Study) -> Iterator[Block]:
    if view.board.empty:
        yield Missing("No model was judged on these patients.")
        return
    reference = outcome_tables.reference_row(view)
    alt = leaderboard.forest_alt(view.board, view.metric, "" if reference is None else str(reference["label"]))
    yield Figure(leaderboard.forest(view.board, view.metric), alt)
    yield Table(outcome_tables.score_table(view), "Models with intervals, patients and events")
    yield from _shuffled(view)


def _shuffled(view: View) -> Iterator[Block]:
    told = outcome_tables.shuffled_sentence(view)
    yield Text(told, small=True) if told else Missing("No model was trained on shuffled labels: a leak was not looked for.")


def _pairs(view: View, study: Study) -> Iterator[Block]:
    table = outcome_tables.pair_table(view)
    if table.empty:
        yield Missing("No pair of models was compared on the same patients.")
        return
    yield Table(table, "Paired comparisons on the same patients; p is adjusted for all of them (Holm)")


def _curves(view: View, study: Study) -> Iterator[Block]:
    models = _drawn(view, "curves")
    roc = rows.curve_rows(view.summary, view.outcome_name, view.split, "roc", models)
    if roc.empty:
        yield Missing("No curve was computed for this outcome on these patients.")
        return
    yield Figure(curves.roc(roc), curves.curves_alt(roc, "roc"))
    recall = rows.curve_rows(view.summary, view.outcome_name, view.split, "precision_recall", models)
    if len(recall):
        alt = curves.curves_alt(recall, "precision_recall", view.rate)
        yield Figure(curves.precision_recall(recall, view.rate), alt)


def _recovery(view: View, study: Study) -> Iterator[Block]:
    clock = recovery.Clock.of(view.outcome)
    models = _drawn(view, "recovery")
    points = rows.recovery_rows(view.summary, view.outcome_name, view.split, models, max(clock.days, default=30))
    if points.empty:
        yield Missing("No share by day was computed on these patients.")
        return
    yield Figure(recovery.home_by_day(points, clock), recovery.home_alt(points, clock))


def _calibration(view: View, study: Study) -> Iterator[Block]:
    models = _drawn(view, "curves")
    points = rows.curve_rows(view.summary, view.outcome_name, view.split, "calibration", models)
    if points.empty:
        yield Missing("No calibration curve was computed on these patients.")
        return
    yield Text(outcome_tables.use_sentence(view, models[0]))
    alt = calibration.calibration_alt(points, outcome_tables.told_by_label(view, "calibration_slope"))
    yield Figure(calibration.calibration(points), alt)
    yield Table(outcome_tables.measures_table(view, models), "Discrimination and calibration of the models drawn")


def _decision(view: View, study: Study) -> Iterator[Block]:
    use = outcome_tables.use_of(view)
    if use is None:
        yield Missing("No decision curve: the recipe does not say what would be done on the word of a model (evaluation.uses).")
        return
    span = f"from a risk between {percent(use['low'])} and {percent(use['high'])}"
    yield Text(f"{use['action']}, by {use['actor']}, {span}.", "Action:")
    points = rows.curve_rows(view.summary, view.outcome_name, view.split, "decision", _drawn(view, "curves"))
    if points.empty:
        yield Missing("No decision curve was computed on these patients.")
        return
    alt = calibration.decision_alt(points, view.rate)
    yield Figure(calibration.decision(points, view.rate, str(use["action"])), alt)


def _distribution(view: View, study: Study) -> Iterator[Block]:
    model = next(iter(_drawn(view, "distribution")), "")
    spread = view.summary.table("distribution", outcome=view.outcome_name, split=view.split, model=model)
    if spread["share"].notna().sum() == 0:
        yield Missing("The spread of the risks cannot be told on these patients.")
        return
    words = ("With it", "Without it")
    yield Text(rows.labels(view.summary)[model], "Model:")
    yield Figure(calibration.distribution(spread, *words), calibration.distribution_alt(spread, *words))


def _recalibration(view: View, study: Study) -> Iterator[Block]:
    table = view.summary.table("recalibration", outcome=view.outcome_name, split=view.split)
    if table.empty:
        yield Missing("No recalibration was tried.")
        return
    model = str(table["model"].iloc[0])
    yield Text(rows.labels(view.summary).get(model, model), "Model:")
    points = outcome_tables.recalibration_points(view, model)
    yield Figure(calibration.recalibrated(points), calibration.recalibrated_alt(table))
    yield Table(outcome_tables.recalibration_table(table), "Calibration before and after each method")


def _strata(view: View, study: Study) -> Iterator[Block]:
    table = view.summary.table("strata", outcome=view.outcome_name, split=view.split)
    table = table[table["model"].isin(_drawn(view, "strata"))]
    if table.empty:
        yield Missing("Patients were not sorted into thirds of risk.")
        return
    yield Table(outcome_tables.strata_table(view, table), "Stated and observed risk by third")


def _groups(view: View, study: Study) -> Iterator[Block]:
    table = view.summary.table("fairness", outcome=view.outcome_name, split=view.split)
    if table.empty:
        yield Missing("No groups of patients were compared for this outcome.")
        return
    told = (view.summary.info.get("fairness") or {}).get(view.outcome_name, {})
    if isinstance(told, dict) and told.get(view.split):
        yield Text(str(told[view.split]))
    primary = table[table["primary"].astype(bool)]
    if primary.empty:
        yield Missing("None of the groupings of the declared analysis is recorded here.")
    for metric, part in primary.groupby("metric", sort=False):
        label = metric_label(str(metric))
        yield Figure(forest.forest(part, label), forest.forest_alt(part, label))
        yield Table(outcome_tables.fairness_table(part, label), f"Primary, declared beforehand: {label} by group")
    yield from _explored(view, table[~table["primary"].astype(bool)])
    yield from _equal_sensitivity(view)
    yield Text(outcome_tables.fairness_change(table), "What would change these verdicts:", small=True)


def _equal_sensitivity(view: View) -> Iterator[Block]:
    table = view.summary.table("equal_sensitivity", outcome=view.outcome_name, split=view.split)
    for grouping, part in table.groupby("grouping", sort=False):
        yield Text(equal_finding.sentence(part), "What if each group had its own threshold?")
        yield Table(equal_finding.told(part), f"One threshold for all, and one a group that finds the event as often: {grouping}")


def _explored(view: View, table: pd.DataFrame) -> Iterator[Block]:
    """Of the many comparisons that explore: how often each verdict was given, and the disparities by name."""
    if table.empty:
        return
    counts = ", ".join(f"{verdict} {count:,}" for verdict, count in table["verdict"].value_counts().items())
    yield Text(f"{plural(len(table), 'comparison')} over all models, measures and groups: {counts}.", "Exploratory:")
    names = rows.labels(view.summary)
    for (model, metric), part in table[table["verdict"] == "disparity"].groupby(["model", "metric"], sort=False):
        title = f"Exploratory, not declared: {metric_label(str(metric))} of {names.get(str(model), str(model))}"
        yield Table(outcome_tables.fairness_table(part, metric_label(str(metric))), title)


def _transport(view: View, study: Study) -> Iterator[Block]:
    yield Text(outcome_tables.transport_answer(view))
    table = outcome_tables.transport_rows(view)
    if table["split"].nunique() < 2:
        yield Missing("This study has no second set of patients: how the models do elsewhere is not known.")
        return
    yield Figure(transport.dumbbell(table, view.metric), transport.dumbbell_alt(table, view.metric))
    yield Table(outcome_tables.transport_table(table), f"{metric_label(view.metric)} of each model on each set of patients")
    yield from _case_mix(view)


def _case_mix(view: View) -> Iterator[Block]:
    table = view.summary.table("case_mix")
    for item in view.summary.info["splits"]:
        part = table[(table["split"] == item["name"]) & table["difference"].notna()]
        if len(part):
            yield Text(mix_sentence(part), f"{item.get('label', item['name'])}:")


def _stability(view: View, study: Study) -> Iterator[Block]:
    gaps = outcome_tables.with_facts(view, "gaps")
    gaps, curve = gaps[gaps["family"] != "reference"], outcome_tables.with_facts(view, "learning")
    label = metric_label(view.metric)
    if len(gaps):
        yield Text(f"{label} on patients learned from → on new ones: {firmness.gap_told(gaps)}.")
    if len(curve):
        yield Figure(firmness.learning(curve, label), firmness.learning_alt(curve, label))
    yield from _sizes(view)
    yield from _refits(view)
    if gaps.empty and curve.empty and outcome_tables.with_facts(view, "stability").empty:
        yield Missing("No refit, no learning curve and no gap to patients learned from was computed.")


def _sizes(view: View) -> Iterator[Block]:
    needed = view.outcome.get("needed")
    if needed:
        yield Text(sizes.sentence(needed, rows.labels(view.summary).get(str(needed["model"]), str(needed["model"]))))
        yield Table(sizes.table(needed), "Patients needed")
        yield Text(sizes.basis(needed), small=True)


def _refits(view: View) -> Iterator[Block]:
    points = view.summary.table("instability", outcome=view.outcome_name)
    for model, part in outcome_tables.with_facts(view, "stability").groupby("model", sort=False):
        label = str(part["label"].iloc[0])
        yield Text(stability_sentence(part, label))
        band = points[points["model"] == model]
        if len(band):
            alt = f"Refits' risks by original risk of {label}; the band holds nine refits in ten."
            yield Figure(firmness.instability(band), alt)


def _inputs(view: View, study: Study) -> Iterator[Block]:
    yield Text(outcome_tables.parts_answer(view))
    for name, title in (("ablation", "fitted again without an input"), ("missing", "asked without an input")):
        table = outcome_tables.with_facts(view, name)
        table = table[table["metric"] == view.metric]
        if table.empty:
            yield Missing(f"No model was {title}.")
            continue
        words = {one: input_words(one) for one in table["without"].unique()}
        label = metric_label(view.metric)
        yield Figure(firmness.missing(table, label, words), f"Models {title}. {firmness.missing_alt(table, label)}")
        yield Bullets(tuple(missing_sentence(row.to_dict(), str(row["label"])) for _, row in table.iterrows()))
    yield from _built(view)
    yield from _features(view)


def _built(view: View) -> Iterator[Block]:
    part = outcome_tables.built_otherwise(view)
    if len(part):
        yield Text(outcome_tables.built_sentence(view, part))
        yield Table(outcome_tables.pair_table(view, part), "Models that differ in how they were built")


def _features(view: View) -> Iterator[Block]:
    table = outcome_tables.with_facts(view, "features").rename(columns={"label_x": "field_label", "label_y": "label"})
    if table.empty:
        yield Missing("No field was shuffled: what a model leans on is not known.")
    for model in table["model"].unique():
        part = outcome_tables.features_part(table, model)
        yield Text(features_sentence(part.assign(label=part["field_label"]), str(part["label"].iloc[0])))
        yield Figure(features.ranked(part, view.is_time), features.ranked_alt(part))


def _coverage(view: View, study: Study) -> Iterator[Block]:
    table = outcome_tables.with_facts(view, "conformal")
    if table.empty:
        yield Missing("No range with a promised coverage was computed.")
        return
    labels = dict(zip(table["model"], table["label"], strict=True))
    model = view.reference if view.reference in labels else next(iter(labels))
    for level in sorted(table["level"].unique()):
        part = outcome_tables.coverage_part(table, model, level)
        if len(part):
            yield Text(f"{labels[model]}, {percent(level)} promised.", "Coverage:")
            yield Figure(firmness.coverage(part, float(level)), firmness.coverage_alt(part, float(level)))


def _gate(view: View, study: Study) -> Iterator[Block]:
    """What the newest bundle's evidence gate says; the gate is judged where the bundle is built."""
    found = [bundle for bundle in study.bundles if bundle.subject == view.outcome_name and bundle.gate]
    if not found:
        yield Missing("No model bundle of this outcome is here, so the evidence gate was not asked; no personal risk is told.")
        return
    for bundle in found:
        yield from _gate_of(bundle)


def _gate_of(bundle: Bundle) -> Iterator[Block]:
    personal = bundle.gate.get("state") == "PersonalRisk"
    yield Text("a personal risk may be told" if personal else "only the rate of the whole group is told", "Evidence gate:")
    yield Facts(
        (
            ("Why", str(bundle.gate.get("why") or "")),
            ("What would be needed", str(bundle.gate.get("needed") or "")),
            ("Bundle", f"{bundle.name}, version {bundle.version}"),
            ("Model card", bundle.card),
        )
    )
    if not bundle.same_run:
        yield Missing("The bundle was built from another run of this study.")


def _choice(view: View, study: Study) -> Iterator[Block]:
    told = view.outcome.get("choice")
    if not told:
        yield Missing("No rule was declared before looking, so none is applied (evaluation.choice).")
        return
    verdict, rule = outcome_tables.choice_sentence(told)
    yield Text(rule, verdict)
    table = outcome_tables.choice_table(view, told)
    if len(table):
        yield Table(table, "Candidates against rivals by the declared measure")


def _change(view: View, study: Study) -> Iterator[Block]:
    told = str((view.summary.info.get("change") or {}).get(view.outcome_name, ""))
    yield Text(told) if told else Missing("Nothing was written on what would change this conclusion.")


def _drawn(view: View, table: str) -> list[str]:
    """The models that the pages draw first, of those that the table holds."""
    kept = set(view.summary.table(table, outcome=view.outcome_name, split=view.split)["model"])
    board = view.board[view.board["model"].isin(kept) & (view.board["family"] != "reference")]
    return [name for name in rows.first_choice(view.board, view.reference, DRAWN) if name in set(board["model"])]


PARTS: tuple[tuple[str, str, Part], ...] = (
    ("leaderboard", "Which model ranks patients best?", _leaderboard),
    ("pairs", "Which differences are more than chance?", _pairs),
    ("curves", "How often is it right, at every threshold?", _curves),
    ("recovery", "How many are there by which day?", _recovery),
    ("calibration", "Do stated risks come true?", _calibration),
    ("decision", "Is acting on them worth it?", _decision),
    ("distribution", "How are the risks spread?", _distribution),
    ("recalibration", "Would recalibrating help?", _recalibration),
    ("strata", "What happened to those of low, middle and high risk?", _strata),
    ("groups", "Is it as good for one group as for the others?", _groups),
    ("transport", "Does it hold on other patients?", _transport),
    ("stability", "Does a risk depend on who was learned from?", _stability),
    ("inputs", "What does each input bring?", _inputs),
    ("coverage", "Do stated ranges hold the truth as often as they promise?", _coverage),
    ("gate", "May a model speak of one patient?", _gate),
    ("choice", "Which model to adopt?", _choice),
    ("change", "What would change this conclusion", _change),
)
NOT_OF_TIMES = frozenset({"curves", "calibration", "decision", "distribution", "recalibration"})
ONLY_OF_TIMES = frozenset({"recovery"})

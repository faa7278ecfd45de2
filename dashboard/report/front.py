"""The first page of a report: what it is, what was found, and where it comes from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
import yaml

from dashboard.charts.wording import FAMILIES, first_and_rest, inputs_text, outcome_count, plural
from dashboard.report.blocks import Badge, Badges, Block, Bullets, Facts, Lead, Listing, Section, Table, Text, section
from dashboard.report.study import Study
from dashboard.widgets import badges

ANSWER, DATA, PROVENANCE, SPLITS, MODELS, METRICS, RECIPE, LIMITS = (
    "answer", "data", "provenance", "splits", "models", "metrics", "recipe", "limits",
)  # fmt: skip


def front(study: Study) -> Iterator[Section]:
    """The sections before the results."""
    yield section(ANSWER, "What was found", _answer(study), 2)
    yield section(DATA, "The data", _data(study), 2)
    yield section(SPLITS, "Who was judged", _splits(study), 2)


def back(study: Study) -> Iterator[Section]:
    """The sections behind the results: what they rest on."""
    yield section(MODELS, "The models" if not study.is_segmentation else "The methods", _models(study), 2)
    yield section(METRICS, "The measures", _metrics(study), 2)
    yield section(LIMITS, "What this study cannot answer", _limits(study), 2)
    yield section(PROVENANCE, "Where this comes from", _provenance(study), 2)
    yield section(RECIPE, "The recipe", (Listing(recipe_text(study.recipe)),), 2)


def badges_of(study: Study) -> Badges:
    """The words that the study wears."""
    simulated = bool(study.info["dataset"].get("simulated"))
    external = any(str(split["name"]).startswith("external") for split in study.info["splits"])
    few = [item for item in study.info.get("outcomes", ()) if not item.get("enough", True)]
    worn = [*badges.of_study(simulated, study.published), badges.RESEARCH_USE]
    worn += [badges.EXTERNAL] if external else []
    worn += [badges.TOO_FEW_EVENTS] if few else []
    return Badges(tuple(Badge(badge.word, badge.meaning) for badge in worn))


def study_answer(study: Study) -> str:
    """What the study says in one sentence: of segmentation the first region's, of outcomes how many can be told apart."""
    if study.is_segmentation:
        headlines = study.info.get("headlines") or {}
        first = str(headlines.get(str(study.subjects[0]["name"]), "")) if study.subjects else ""
        return first_and_rest(first)[0] or "No finding was written for this study."
    counts = Counter(str(item.get("verdict") or "not judged") for item in study.subjects)
    told = "; ".join(f"{verdict}: {count}" for verdict, count in counts.items())
    return f"{plural(len(study.subjects), 'outcome')} by verdict: {told}." if counts else "This study has no outcome."


def _answer(study: Study) -> Iterator[Block]:
    yield Lead(study_answer(study))
    headlines: Mapping[str, str] = study.info.get("headlines") or {}
    rows = [
        {
            "Region" if study.is_segmentation else "Outcome": str(item["label"]),
            **({} if study.is_segmentation else {"Patients": outcome_count(item, _min_cell(study))}),
            "Finding": str(headlines.get(item["name"]) or "No finding was written."),
            "More": f"#{study.subject_anchor(str(item['name']))}",
        }
        for item in study.subjects
    ]
    if rows:
        yield Table(pd.DataFrame(rows), "What was found", links="More")
    for verdict, rule in (study.info.get("verdicts") or {}).items():
        yield Text(rule, f"{str(verdict).capitalize()}:", small=True)


def _min_cell(study: Study) -> int:
    return int(study.info.get("min_cell", 10))


def _data(study: Study) -> Iterator[Block]:
    facts = study.info["dataset"]
    yield Facts(
        (
            ("Data set", str(facts["label"])),
            ("Patients", f"{int(facts['n_patients']):,}"),
            ("Cases", f"{int(facts['n_cases']):,}"),
            ("Masks", str(facts.get("mask_origin") or "")),
            ("Readers a picture", str(facts.get("readers") or "")),
            ("Licence of the data", str(facts.get("licence") or "")),
            ("Cite as", str(facts.get("citation") or "")),
        )
    )
    if facts.get("notes"):
        yield Bullets(tuple(map(str, facts["notes"])))


def _splits(study: Study) -> Iterator[Block]:
    rows = [
        {
            "Set of patients" if not study.is_segmentation else "Split": str(item.get("label", item["name"])),
            "Learned from": int(item.get("n_train") or 0),
            "Judged": int(item.get("n_test") or 0),
            "Note": str(item.get("note", "")),
        }
        for item in study.info["splits"]
    ]
    yield Table(pd.DataFrame(rows), "Who was learned from, and who was judged")
    yield Text(f"Intervals: {study.info.get('interval') or '95 % of bootstrap samples of patients'}.", small=True)


def _models(study: Study) -> Iterator[Block]:
    seen = {str(item.get("base_model", item["name"])): item for item in reversed(list(study.info["models"]))}
    items = list(study.info["models"]) if study.is_segmentation else list(reversed(seen.values()))
    yield Table(
        pd.DataFrame(
            {
                "Model": [str(item.get("label", item["name"])) for item in items],
                "Family": [FAMILIES.get(str(item.get("family")), str(item.get("family", ""))) for item in items],
                **({} if study.is_segmentation else {"Sees": [inputs_text(list(item.get("inputs", ()))) for item in items]}),
                "What it does": [str(item.get("description", "")) for item in items],
                "Source": [str(item.get("reference", "")) for item in items],
            }
        ),
        "What was compared",
    )
    bundles = [{"Bundle": f"{one.name}, version {one.version}", "Model card": one.card} for one in study.bundles]
    if bundles:
        yield Table(pd.DataFrame(bundles), "Model bundles of this study", links="Model card")


def _metrics(study: Study) -> Iterator[Block]:
    items = study.info.get("metrics") or ()
    if items:
        yield Table(
            pd.DataFrame(
                {
                    "Measure": [str(item.get("label", item["name"])) for item in items],
                    "What it says": [str(item.get("description", "")) for item in items],
                    "Without a value": [str(item.get("undefined", "")) for item in items],
                    "Source": [str(item.get("reference", "")) for item in items],
                }
            ),
            "The measures of this study",
        )


def _limits(study: Study) -> Iterator[Block]:
    for title, key in (("What a published study cannot answer", "cannot"), ("What was not computed, and why", "skipped")):
        told = tuple(str(item) for item in study.info.get(key) or () if item)
        if told:
            yield Text("", f"{title}:")
            yield Bullets(told)


def _provenance(study: Study) -> Iterator[Block]:
    told: Mapping[str, Any] = study.info.get("provenance") or {}
    named = {"version": "Version", "code": "Code", "commit": "Commit", "data": "Fingerprint of the data", "split": "Split"}
    yield Facts(
        (
            ("Study", study.summary.name),
            ("Run", str(study.info.get("run_id", ""))),
            ("Made on", str(study.info.get("created", ""))[:10]),
            ("Profile", str(study.info.get("profile", ""))),
            *((label, str(told.get(key, ""))) for key, label in named.items()),
            ("Seed", str(told.get("seed", ""))),
            ("Python", str(told.get("python", ""))),
            ("Packages", ", ".join(f"{name} {version}" for name, version in (told.get("packages") or {}).items())),
            ("Machine", _machine(told)),
            ("Checksums", f"{study.folder}/manifest.json"),
            ("Terms of use", str(study.recipe.get("licence") or study.info.get("licence") or "")),
        )
    )


def _machine(told: Mapping[str, Any]) -> str:
    hardware = told.get("hardware") or {}
    parts = (hardware.get("processor"), f"{hardware['cores']} cores" if hardware.get("cores") else "", told.get("device"))
    return ", ".join(str(part) for part in parts if part)


def recipe_text(recipe: Mapping[str, Any]) -> str:
    """The recipe as it was run, as YAML."""
    return yaml.safe_dump(dict(recipe), sort_keys=False, allow_unicode=True, width=110) if recipe else "No recipe was kept."

"""A codebook file: what a table's columns mean, when they become known, and which outcomes they hold.

    title: Liver resections of our unit          # what people read
    case_id: operation                           # column with one value a row
    patient_id: patient                          # column; by default the case is the patient
    site: hospital                               # column, optional: each large site is left out once
    licence: internal use                        # terms of the data
    citation: Our registry, 2024
    min_cell: 10                                 # persons that a published group must hold
    fields:                                      # column: what it means
      age:      {label: Age, kind: integer, unit: years, range: [18, 100], known: before, subgroup: true, bins: [65, 75]}
      sex:      {label: Sex, kind: category, levels: {f: female, m: male}, known: before, subgroup: true}
      asa:      {label: ASA class, kind: category, levels: [1, 2, 3, 4], known: before, missing_codes: [-9]}
      size_mm:  {column: "Tumour size (mm)", kind: number, unit: mm, range: [1, 300], known: before}   # other name in the table
      clavien:  {kind: category, levels: [0, 1, 2, 3, 4, 5], known: after}
      status:   {kind: category, levels: [home, died], known: after}
      performed: {kind: category, levels: [resection, biopsy], known: during}
      los_days: {label: Days in hospital, kind: integer, unit: days, range: [0, 365], known: after}
    outcomes:
      complication:
        column: clavien                          # one of the fields
        event: [1, 2, 3, 4, 5]                   # cells that mean the event; leave out for a flag
        eligible: {performed: [resection]}       # optional: only rows with these cells
        definition: Any complication of Clavien-Dindo grade I or more.
        desirable: false
        label: Any complication                  # optional, as are horizon and reference
      recovery:
        kind: time_to_event
        days: los_days                           # field of days
        column: status                           # with event: the cells that mean that the event was seen,
        event: [home]                            # or: event: NAME of a flag
        score_days: [1, 2, 3, 5, 7, 14]
        definition: Days until discharge home.
        desirable: true
    image: scan                                  # column of NIfTI paths, relative to the table's folder; optional
    mask: {column: labels, labels: {1: organ, 2: lesion}, origin: drawn by two surgeons}

Unlike in other YAML, yes, no, 007 and 2024-03-28 without quotes stay text, as they are in the table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from core.contracts.codebook import Codebook, Field
from core.contracts.outcome import Outcome
from core.errors import CodebookError, LeakageError, did_you_mean
from core.ingest.cells import text_of
from core.ingest.tables import read_bytes

TOP_KEYS = (
    "title", "case_id", "patient_id", "site", "licence", "citation", "min_cell", "fields", "outcomes", "image", "mask",
)  # fmt: skip
OUTCOME_KEYS = (
    "kind", "column", "event", "eligible", "definition", "desirable", "label", "horizon", "reference", "days", "score_days",
)  # fmt: skip
FIELD_KEYS = (
    *(key for key in Field.__dataclass_fields__ if key not in ("name", "low", "high")),
    "range",
    "low",
    "high",
    "column",
)
MASK_KEYS = ("column", "labels", "origin")
_LARGEST_FILE = 1_000_000


@dataclass(frozen=True)
class MaskColumn:
    """The column that names each case's mask.

    Args:
        column: name; labels: what each positive value means; origin: who made the masks, one phrase.
    """

    column: str
    labels: dict[int, str]
    origin: str = "as given with the table"


@dataclass(frozen=True)
class OutcomeRule:
    """How an outcome is read from a table's cells.

    Args:
        outcome: what it is.
        column: the field that holds ``event`` cells (or a flag where ``event`` is empty); empty: the event is always seen.
        event: cells that mean the event, casefolded; eligible: field → cells that count, casefolded.
        days: for a time to event, the field of days.
    """

    outcome: Outcome
    column: str
    event: frozenset[str] = frozenset()
    eligible: Mapping[str, frozenset[str]] = field(default_factory=dict)
    days: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """Every field that the rule reads."""
        return tuple(name for name in (self.column, self.days, *self.eligible) if name)


@dataclass(frozen=True)
class TableDescription:
    """A whole codebook file.

    Args:
        case_id, patient_id, site, image: names in the table's header; the last two may be empty.
        codebook: the fields alone; headers: field → name in the table's header.
        rules: how each outcome is read, by field.
    """

    title: str
    case_id: str
    patient_id: str
    site: str
    licence: str
    citation: str
    min_cell: int
    codebook: Codebook
    headers: Mapping[str, str]
    rules: tuple[OutcomeRule, ...]
    image: str = ""
    mask: MaskColumn | None = None

    @property
    def identifiers(self) -> tuple[str, ...]:
        """Columns that name things, each once."""
        return tuple(dict.fromkeys(name for name in (self.case_id, self.patient_id, self.site) if name))


def read_description(path: Path) -> TableDescription:
    """The codebook in a YAML file; every refusal names the file.

    Raises:
        Refused: the file cannot be read.
        CodebookError: an unknown key (with the nearest known one), or a part that is missing or contradicts another.
        LeakageError: an outcome that is read from a field known before the operation.
    """
    data = read_bytes(path, "CODEBOOK_MISSING")
    try:
        return parse_description(data)
    except (CodebookError, LeakageError) as error:
        raise type(error)(f"{path}: {error.message}", do=error.do, code=error.code) from error


def parse_description(data: bytes) -> TableDescription:
    """The codebook in the bytes of a YAML file."""
    plain = _known_keys(_plain(data), TOP_KEYS, "the codebook")
    case_id = _text(plain, "case_id", "the codebook", needed=True)
    fields = {name: _mapping(body, f"field {name!r}") for name, body in _mapping(plain.get("fields"), "'fields'").items()}
    codebook = _codebook(fields)
    rules = tuple(_rule(name, body) for name, body in _mapping(plain.get("outcomes"), "'outcomes'").items())
    if not rules:
        raise CodebookError("The codebook defines no outcome.", do="Define at least one under 'outcomes'.")
    for rule in rules:
        _check_rule(rule, codebook)
    return TableDescription(
        title=_text(plain, "title", "the codebook") or "A table of one's own",
        case_id=case_id,
        patient_id=_text(plain, "patient_id", "the codebook") or case_id,
        site=_text(plain, "site", "the codebook"),
        licence=_text(plain, "licence", "the codebook") or "not stated",
        citation=_text(plain, "citation", "the codebook"),
        min_cell=_min_cell(plain.get("min_cell", 10)),
        codebook=codebook,
        headers={name: _text(body, "column", f"field {name!r}") or name for name, body in fields.items()},
        rules=rules,
        image=_text(plain, "image", "the codebook"),
        mask=_mask(plain.get("mask")),
    )


class _PlainLoader(yaml.SafeLoader):
    """YAML whose yes, no, 007 and 2024-03-28 stay text, and in which a key may stand once."""

    yaml_implicit_resolvers: dict[str, Any] = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        for position, key in enumerate(keys):
            if key in keys[:position]:
                line = node.value[position][0].start_mark.line + 1
                raise CodebookError(f"Line {line}: the key {key!r} stands twice.", do="Keep one of the two.", code="CODEBOOK_KEY")
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                key.tag = "tag:yaml.org,2002:str"  # a column named null, 1 or true keeps its name
        return dict(super().construct_mapping(node, deep))


for _tag, _pattern, _first in (
    ("null", r"~|null|", "~n\0"),
    ("bool", r"[Tt]rue|TRUE|[Ff]alse|FALSE", "tfTF"),
    ("int", r"[-+]?(0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?", "-+.0123456789"),
):
    _characters = ["" if character == "\0" else character for character in _first]
    _PlainLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), _characters)


def _plain(data: bytes) -> Mapping[str, Any]:
    if len(data) > _LARGEST_FILE:
        raise CodebookError(f"The codebook has {len(data)} bytes; at most {_LARGEST_FILE} are read.", do="Is it the right file?")
    try:
        loader = _PlainLoader(data.decode("utf-8-sig"))
        plain = loader.get_single_data()
    except UnicodeDecodeError as error:
        raise CodebookError("The codebook is not UTF-8 text.", do="Save it as UTF-8.", code="CODEBOOK_YAML") from error
    except yaml.YAMLError as error:
        raise CodebookError(f"The codebook is not YAML: {_where(error)}.", do="Mend that line.", code="CODEBOOK_YAML") from error
    return _mapping(plain, "the codebook")


def _where(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return f"line {mark.line + 1}: {problem}" if mark is not None else problem


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise CodebookError(
            f"{where[0].upper()}{where[1:]} is not a mapping of names to values.", do="Write 'name: value' lines."
        )
    return {text_of(key): item for key, item in value.items()}


def _known_keys(plain: Mapping[str, Any], known: Sequence[str], where: str) -> Mapping[str, Any]:
    for key in plain:
        if key not in known:
            raise CodebookError(f"Unknown key {key!r} in {where}.", do=did_you_mean(key, known), code="CODEBOOK_KEY")
    return plain


def _text(plain: Mapping[str, Any], key: str, where: str, *, needed: bool = False) -> str:
    value = plain.get(key)
    if isinstance(value, (Mapping, list)):
        raise CodebookError(f"In {where}, {key!r} is not one text.", do=f"Write '{key}: ...' on one line.")
    if needed and value in (None, ""):
        raise CodebookError(f"In {where}, {key!r} is missing.", do=f"Write '{key}: ...'.", code="CODEBOOK_MISSING_KEY")
    return text_of(value)


def _min_cell(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise CodebookError(f"'min_cell' was given {value!r}; expected a whole number from 1.", do="Write 'min_cell: 10'.")
    return value


def _codebook(fields: Mapping[str, Mapping[str, Any]]) -> Codebook:
    if not fields:
        raise CodebookError("The codebook describes no field.", do="Describe the table's columns under 'fields'.")
    return Codebook.from_plain(_field(name, body) for name, body in fields.items())


def _field(name: str, body: Mapping[str, Any]) -> dict[str, object]:
    where = f"field {name!r}"
    plain = dict(_known_keys(body, FIELD_KEYS, where))
    plain.pop("column", None)
    _require_slug(name, f"The name of {where}")
    if "known" in plain and plain["known"] is None:
        raise CodebookError(
            f"In {where}, 'known' is empty; a person must say when the value becomes known.",
            do="Write before, during or after (the operation) behind 'known:'.",
            code="CODEBOOK_KNOWN",
        )
    if "range" in plain:
        plain["low"], plain["high"] = _range(plain.pop("range"), where)
    for key in ("low", "high"):
        _require_number(plain.get(key), f"{key!r} of {where}")
    for key in ("modifiable", "required", "subgroup", "stands_in_for_plan"):
        plain[key] = _truth(plain.get(key, False), f"{key!r} of {where}")
    plain["levels"] = _levels(plain.get("levels"), where)
    plain["missing_codes"] = [text_of(code) for code in _list(plain.get("missing_codes"), f"'missing_codes' of {where}")]
    plain["bins"] = _list(plain.get("bins"), f"'bins' of {where}")
    for edge in plain["bins"]:
        _require_number(edge, f"'bins' of {where}")
    return {"name": name, **plain, "label": plain.get("label") or name.replace("_", " ").strip().capitalize()}


def _require_slug(name: str, where: str) -> None:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        slug = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_") or "name"
        raise CodebookError(
            f"{where} holds more than letters, digits and underscores.",
            do=f"Write '{slug}:' and, below it, 'column: \"{name}\"'.",
            code="CODEBOOK_NAME",
        )


def _truth(value: object, where: str) -> bool:
    if isinstance(value, bool):
        return value
    if value not in ("yes", "no"):
        raise CodebookError(f"{where} was given {value!r}; expected true or false.", do="Write true or false.")
    return value == "yes"


def _range(value: object, where: str) -> tuple[object, object]:
    if not isinstance(value, list) or len(value) != 2:
        raise CodebookError(f"'range' of {where} was given {value!r}; expected two numbers.", do="Write 'range: [low, high]'.")
    return value[0], value[1]


def _require_number(value: object, where: str) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise CodebookError(f"{where} was given {value!r}; expected a number.", do="Write a number with a decimal point.")


def _levels(value: object, where: str) -> list[dict[str, str]]:
    if isinstance(value, Mapping):
        pairs = [(text_of(stored), text_of(label)) for stored, label in value.items()]
    else:
        pairs = [_level(item) for item in _list(value, f"'levels' of {where}")]
    folded = [stored.strip().casefold() for stored, _ in pairs]
    for position, stored in enumerate(folded):
        if stored in folded[:position]:
            raise CodebookError(f"'levels' of {where} holds {pairs[position][0]!r} twice.", do="Keep one of the two.")
    return [{"value": stored, "label": label or stored} for stored, label in pairs]


def _level(item: object) -> tuple[str, str]:
    if isinstance(item, Mapping):
        return text_of(item.get("value")), text_of(item.get("label", item.get("value")))
    return text_of(item), text_of(item)


def _list(value: object, where: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise CodebookError(f"{where[0].upper()}{where[1:]} is not a list.", do="Write it in square brackets: [a, b].")
    return value


def _rule(name: str, given: object) -> OutcomeRule:
    where = f"outcome {name!r}"
    _require_slug(name, f"The name of {where}")
    body = _known_keys(_mapping(given, where), OUTCOME_KEYS, where)
    if "desirable" not in body:
        raise CodebookError(f"In {where}, 'desirable' is missing.", do="Say whether the event is good for the patient.")
    eligible = {column: _cells(cells, f"eligible of {where}") for column, cells in _mapping(body.get("eligible"), where).items()}
    timed = body.get("kind", "binary") == "time_to_event"
    outcome = Outcome(
        name=name,
        label=_text(body, "label", where) or name.replace("_", " ").capitalize(),
        kind=_text(body, "kind", where) or "binary",  # type: ignore[arg-type]
        definition=_text(body, "definition", where, needed=True),
        desirable=_truth(body["desirable"], f"'desirable' of {where}"),
        eligible=_eligible_sentence(eligible),
        horizon=_text(body, "horizon", where),
        reference=_text(body, "reference", where),
        days=_score_days(body.get("score_days"), where),
    )
    if outcome.kind not in ("binary", "time_to_event"):
        raise CodebookError(f"In {where}, kind {outcome.kind!r} is not known.", do="Write binary or time_to_event.")
    return _timed_rule(outcome, body, eligible, where) if timed else _binary_rule(outcome, body, eligible, where)


def _binary_rule(outcome: Outcome, body: Mapping[str, Any], eligible: Mapping[str, frozenset[str]], where: str) -> OutcomeRule:
    for key in ("days", "score_days"):
        if key in body:
            raise CodebookError(
                f"In {where}, {key!r} belongs to a time to event.", do="Write 'kind: time_to_event', or remove it."
            )
    event = _cells(body["event"], f"event of {where}") if body.get("event") is not None else frozenset()
    return OutcomeRule(outcome, _text(body, "column", where, needed=True), event, eligible)


def _timed_rule(outcome: Outcome, body: Mapping[str, Any], eligible: Mapping[str, frozenset[str]], where: str) -> OutcomeRule:
    days = _text(body, "days", where, needed=True)
    event = body.get("event")
    if isinstance(event, list):
        return OutcomeRule(outcome, _text(body, "column", where, needed=True), _cells(event, where), eligible, days)
    return OutcomeRule(outcome, _text(body, "event", where) or _text(body, "column", where), frozenset(), eligible, days)


def _cells(value: object, where: str) -> frozenset[str]:
    given = value if isinstance(value, list) else [value]
    cells = frozenset(text_of(item).strip().casefold() for item in given)
    if not given or "" in cells:
        raise CodebookError(f"{where[0].upper()}{where[1:]} holds an empty value.", do="List the cells that count.")
    return cells


def _eligible_sentence(eligible: Mapping[str, frozenset[str]]) -> str:
    if not eligible:
        return "All cases."
    parts = [f"{column} is {' or '.join(sorted(cells))}" for column, cells in eligible.items()]
    return f"Cases whose {' and whose '.join(parts)}."


def _check_rule(rule: OutcomeRule, codebook: Codebook) -> None:
    """An outcome reads fields that are described, cells that can occur, and nothing that is known before the operation."""
    where = f"outcome {rule.outcome.name!r}"
    for name in rule.columns:
        if name not in codebook:
            raise CodebookError(
                f"The {where} reads {name!r}, which 'fields' does not describe.",
                do=f"{did_you_mean(name, codebook.names)} Describe it there, with when it becomes known.",
            )
    for name in filter(None, (rule.column, rule.days)):
        if codebook[name].known == "before":
            raise LeakageError(
                f"The {where} is read from {name!r}, which the codebook says is known before the operation.",
                do=f"Write 'known: after' (or during) for {name!r}: what decides the outcome must not predict it.",
            )
    if rule.days and codebook[rule.days].kind not in ("number", "integer"):
        raise CodebookError(f"The {where} counts days in {rule.days!r}, which is no number.", do="Name a field of days.")
    if rule.column and not rule.event and codebook[rule.column].kind != "flag":
        raise CodebookError(
            f"The {where} does not say which values of {rule.column!r} mean the event.", do="List them: 'event: [value, ...]'."
        )
    if rule.event:
        _check_cells(rule.event, codebook[rule.column], where)
    for name, cells in rule.eligible.items():
        _check_cells(cells, codebook[name], where)


def _check_cells(cells: frozenset[str], field: Field, where: str) -> None:
    levels = {value.strip().casefold() for value in field.values}
    for cell in sorted(cells - levels) if field.kind == "category" else ():
        raise CodebookError(f"The {where} names {cell!r}, which is no level of {field.name!r}.", do=did_you_mean(cell, levels))


def _score_days(value: object, where: str) -> tuple[int, ...]:
    days = _list(value, f"'score_days' of {where}")
    if any(isinstance(day, bool) or not isinstance(day, int) or day < 0 for day in days):
        raise CodebookError(f"'score_days' of {where} was given {days}; expected whole days from 0.", do="Write [1, 2, 3].")
    return tuple(sorted(set(days)))


def _mask(value: object) -> MaskColumn | None:
    if value is None:
        return None
    body = _known_keys(_mapping(value, "'mask'"), MASK_KEYS, "'mask'")
    labels = _mapping(body.get("labels"), "'labels' of the mask")
    if not labels or any(not key.isdigit() or int(key) < 1 for key in labels):
        raise CodebookError("'labels' of the mask must name each positive value.", do="Write 'labels: {1: organ, 2: lesion}'.")
    origin = _text(body, "origin", "'mask'") or MaskColumn.origin
    return MaskColumn(_text(body, "column", "'mask'", needed=True), {int(key): str(name) for key, name in labels.items()}, origin)

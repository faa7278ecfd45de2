"""What every column of a table means, and when it becomes known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from core.errors import CodebookError, LeakageError, did_you_mean

Kind = Literal["number", "integer", "category", "flag", "identifier", "text", "date", "path"]
Known = Literal["before", "during", "after"]
Block = Literal["record", "procedure", "anatomy", "outcome", "identifier"]

USABLE_KINDS: frozenset[str] = frozenset({"number", "integer", "category", "flag"})


@dataclass(frozen=True)
class Level:
    """One value of a category: as stored, and as people read it."""

    value: str
    label: str


@dataclass(frozen=True)
class Field:
    """One column of a table.

    Args:
        name: the column's name; a slug without spaces.
        label: the name that people read ("Body mass index").
        kind: number, integer, category, flag (0 or 1), identifier, text, date or path.
        known: when the value becomes known: before, during or after the operation.
        block: ``record`` (chart), ``procedure`` (what is planned or was performed), ``anatomy`` (measured from masks),
            ``outcome`` or ``identifier``.
        unit: unit of a number ("kg/m2"); empty where there is none.
        low, high: the range inside which a value is believed, in the unit; both included.
        levels: values of a category, in the order shown.
        missing_codes: stored values that mean "missing" ("-9", "not_found_in_emr").
        source: where the value comes from.
        section: heading under which a form shows the field.
        help: one sentence for the person who fills it in.
        modifiable: whether a patient or a team can change it before the operation.
        required: whether a prediction needs it.
        subgroup: whether it may define a group of patients.
        bins: inner edges of the bands of a number when it defines a group ((65, 75): below 65, 65 to 74, 75 and over).
        stands_in_for_plan: recorded as performed and used in place of what was planned; such a field is known
            *during* the operation, and only studies that ask for the procedure may use it.

    Raises:
        CodebookError: a part is missing or contradicts another.
    """

    name: str
    label: str
    kind: Kind
    known: Known
    block: Block = "record"
    unit: str = ""
    low: float | None = None
    high: float | None = None
    levels: tuple[Level, ...] = ()
    missing_codes: tuple[str, ...] = ()
    source: str = ""
    section: str = "Record"
    help: str = ""
    modifiable: bool = False
    required: bool = False
    subgroup: bool = False
    bins: tuple[float, ...] = ()
    stands_in_for_plan: bool = False

    def __post_init__(self) -> None:
        where = f"Codebook field {self.name!r}"
        if self.kind not in get_args(Kind):
            raise CodebookError(f"{where}: kind {self.kind!r} is not known.", do=did_you_mean(self.kind, get_args(Kind)))
        if self.known not in get_args(Known):
            raise CodebookError(
                f"{where}: known is {self.known!r}; expected before, during or after.",
                do="Say when the value becomes known, seen from the operation.",
            )
        if self.block not in get_args(Block):
            raise CodebookError(f"{where}: block {self.block!r} is not known.", do=did_you_mean(self.block, get_args(Block)))
        if self.kind == "category" and not self.levels:
            raise CodebookError(f"{where} is a category without levels.", do="List its values under 'levels'.")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise CodebookError(f"{where}: the range {self.low} to {self.high} is upside down.", do="Swap its ends.")

    @property
    def values(self) -> tuple[str, ...]:
        """The stored values of a category, in order."""
        return tuple(level.value for level in self.levels)

    def label_of(self, value: object) -> str:
        """What people read for a stored value."""
        for level in self.levels:
            if level.value == str(value):
                return level.label
        return str(value)


@dataclass(frozen=True)
class Codebook:
    """All fields of a table, by name; a column that nobody described is refused.

    Raises:
        CodebookError: two fields of one name.
    """

    fields: tuple[Field, ...]

    def __post_init__(self) -> None:
        names = [field.name for field in self.fields]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise CodebookError(f"The codebook describes {', '.join(twice)} twice.", do="Keep one description of each.")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.fields)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __getitem__(self, name: str) -> Field:
        """The field of that name.

        Raises:
            CodebookError: nobody described that column; the nearest name is suggested.
        """
        for field in self.fields:
            if field.name == name:
                return field
        raise CodebookError(f"The codebook does not describe a column {name!r}.", do=did_you_mean(name, self.names))

    def predictors(self, blocks: Iterable[Block]) -> tuple[Field, ...]:
        """The fields of those blocks that a model may use: known before the operation, of a usable kind.

        Procedure fields that stand in for the plan are the one exception, and only when ``procedure`` is asked for.
        """
        wanted = set(blocks)
        return tuple(
            field
            for field in self.fields
            if field.block in wanted
            and field.kind in USABLE_KINDS
            and (field.known == "before" or (field.stands_in_for_plan and field.block == "procedure"))
        )

    def require_predictors(self, names: Iterable[str]) -> tuple[Field, ...]:
        """The named fields, each allowed to predict.

        Raises:
            LeakageError: a field known only during or after the operation.
            CodebookError: a column nobody described, or of a kind that cannot predict.
        """
        chosen = tuple(self[name] for name in names)
        for field in chosen:
            if field.known != "before" and not field.stands_in_for_plan:
                raise LeakageError(
                    f"{field.name!r} is known only {field.known} the operation and cannot predict its outcome.",
                    do="Leave it out of the predictors; it may define an outcome.",
                )
            if field.kind not in USABLE_KINDS:
                raise CodebookError(
                    f"{field.name!r} is of kind {field.kind}, which no model reads.",
                    do=f"Use a field of kind {', '.join(sorted(USABLE_KINDS))}.",
                )
        return chosen

    def subgroups(self) -> tuple[Field, ...]:
        """The fields that may define a group of patients."""
        return tuple(field for field in self.fields if field.subgroup)

    def with_fields(self, fields: Iterable[Field]) -> Codebook:
        """This codebook and more fields."""
        return Codebook(self.fields + tuple(fields))

    def to_plain(self) -> list[dict[str, object]]:
        """The fields as plain data, for JSON and YAML."""
        return [_field_to_plain(field) for field in self.fields]

    @staticmethod
    def from_plain(rows: Iterable[Mapping[str, object]]) -> Codebook:
        """The codebook that ``to_plain`` wrote.

        Raises:
            CodebookError: an unknown key, or a part that is missing.
        """
        return Codebook(tuple(_field_from_plain(row) for row in rows))


def _field_to_plain(field: Field) -> dict[str, object]:
    plain: dict[str, object] = {}
    for key, default in _DEFAULTS.items():
        value = getattr(field, key)
        if value == default and key not in ("name", "label", "kind", "known"):
            continue
        if key == "levels":
            value = [{"value": level.value, "label": level.label} for level in field.levels]
        plain[key] = list(value) if isinstance(value, tuple) else value
    return plain


def _field_from_plain(row: Mapping[str, object]) -> Field:
    unknown = [key for key in row if key not in _DEFAULTS]
    if unknown:
        raise CodebookError(
            f"Codebook field {row.get('name', '?')!r} has an unknown key {unknown[0]!r}.", do=did_you_mean(unknown[0], _DEFAULTS)
        )
    missing = [key for key in ("name", "label", "kind", "known") if row.get(key) in (None, "")]
    if missing:
        raise CodebookError(
            f"Codebook field {row.get('name', '?')!r} does not say {missing[0]!r}.",
            do="Fill it in; for 'known' say before, during or after the operation.",
        )
    values: dict[str, Any] = dict(row)
    values["levels"] = tuple(
        Level(str(item["value"]), str(item.get("label", item["value"])))
        if isinstance(item, Mapping)
        else Level(str(item), str(item))
        for item in values.get("levels") or ()
    )
    values["bins"] = tuple(values.get("bins") or ())
    values["missing_codes"] = tuple(str(code) for code in values.get("missing_codes") or ())
    return Field(**values)


_DEFAULTS: dict[str, object] = {key: spec.default for key, spec in Field.__dataclass_fields__.items()}

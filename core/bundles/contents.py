"""What the files of a bundle hold: plain data with fixed keys; an unknown key is refused."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA = 1

MANIFEST = "manifest.json"
RECIPE = "recipe.yaml"
WEIGHTS = "weights.safetensors"
PREPROCESSING = "preprocessing.json"
SUMMARY = "summary.json"
GOLDEN = "golden.json"
CARD = "MODEL_CARD.md"
PARTS = "parts"
SEGMENTER_REQUIRED = (RECIPE, WEIGHTS, PREPROCESSING, GOLDEN, CARD)
REQUIRED = (RECIPE, WEIGHTS, PREPROCESSING, SUMMARY, GOLDEN, CARD)


class _Plain(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Named(_Plain):
    """Who a bundle is, and the sha-256 of every other file in it."""

    schema_version: int
    name: str = Field(min_length=1)
    version: int = Field(ge=1)
    created: str
    software: str
    study: str
    run_id: str
    dataset: str
    dataset_label: str
    fingerprint: str
    simulated: bool
    licence: str
    label: str
    model: str
    files: dict[str, str]


class Manifest(Named):
    """Of a bundle that predicts an outcome."""

    outcome: str


class SegmenterManifest(Named):
    """Of a bundle that outlines regions."""

    kind: Literal["segmenter"]
    row: str


class ArrayFacts(_Plain):
    """Shape of an array of the weights, and whether all of its numbers are finite."""

    shape: tuple[int, ...]
    finite: bool


class Change(_Plain):
    """One place at which plain facts differ from those they are compared with."""

    path: tuple[str, ...]
    value: Any


class RefitGroup(_Plain):
    """Refits whose arrays have the same shapes: they are stacked along a first axis, in the order of ``own``.

    Args:
        shared: how the plain facts of the group's first refit differ from those of the fit.
        own: for each refit, how its plain facts differ from those of the group's first.
    """

    shared: tuple[Change, ...] = ()
    own: tuple[tuple[Change, ...], ...] = Field(min_length=1)


class Preprocessing(_Plain):
    """How a record becomes the model's input, and how the model is put together again.

    ``texts`` says in which file each text part lies; ``arrays`` what the weights must hold.
    """

    predictor: str
    predictor_version: int
    outcome: dict[str, Any]
    codebook: list[dict[str, Any]]
    fit: dict[str, Any]
    groups: tuple[RefitGroup, ...]
    arrays: dict[str, ArrayFacts]
    texts: dict[str, str]


class FieldSummary(_Plain):
    """What the training patients showed of one field.

    Args:
        missing: share of them without a value, 0 to 1.
        typical: median, or the most common value; what the golden record holds.
        low, high: 0.1 and 99.9 % of a number; inner_low, inner_high: 5 and 95 %.
        levels: value → patients who had it; None where there were some, but fewer than the smallest cell (the other
            counts are then rounded down to whole cells).
    """

    name: str
    missing: float = Field(ge=0, le=1)
    typical: float | str
    low: float | None = None
    high: float | None = None
    inner_low: float | None = None
    inner_high: float | None = None
    levels: dict[str, int | None] = Field(default_factory=dict)


class GateRecord(_Plain):
    """The evidence gate's verdict, as kept."""

    state: Literal["PersonalRisk", "GroupRate"]
    n: int
    n_events: int | None
    measure: str
    gain: float | None
    low: float | None
    high: float | None
    why: str
    needed: str
    events_needed: int


class DayShare(_Plain):
    """Share of the training patients with the event by a day, with its 95 % interval."""

    day: int = Field(ge=0)
    chance: float = Field(ge=0, le=1)
    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)


class TrainingSummary(_Plain):
    """Whom the model learned from: what the scope check and the group's rate need.

    Args:
        n: cases; n_events: events among them, None where there are fewer than ``min_cell``. For a time to event, n is
            those known by ``day`` and n_events those with the event by then.
        day: for a time to event the day that a single number speaks of; otherwise None.
        curve: for a time to event the group's curve.
        most_missing: the most fields that any training case lacked.
    """

    n: int = Field(ge=1)
    n_patients: int = Field(ge=1)
    n_events: int | None
    min_cell: int = Field(ge=1)
    refits: int = Field(ge=1)
    fields: tuple[FieldSummary, ...]
    most_missing: int = Field(ge=0)
    gate: GateRecord
    day: int | None = None
    curve: tuple[DayShare, ...] = ()
    mask_origin: str = ""


class Golden(_Plain):
    """A made-up record (medians and most common values, never a patient's row) and the exact answer to it.

    ``risk``, ``low`` and ``high`` for a binary outcome; ``by_day``, ``low_by_day``, ``high_by_day`` for a time to event.
    """

    record: dict[str, float | str]
    risk: float | None = None
    low: float | None = None
    high: float | None = None
    by_day: tuple[float, ...] = ()
    low_by_day: tuple[float, ...] = ()
    high_by_day: tuple[float, ...] = ()


class SegmenterPreprocessing(_Plain):
    """How a picture becomes the network's input, and how the network is put together again.

    Args:
        plain, texts: what the segmenter exported besides its arrays; arrays: what the weights must hold.
        preparation: the recipe's part as plain data.
    """

    segmenter: str
    segmenter_version: int
    plain: dict[str, Any]
    texts: dict[str, str]
    arrays: dict[str, ArrayFacts]
    preparation: dict[str, Any]
    channels: tuple[str, ...]
    regions: tuple[tuple[str, str], ...]
    dims: int = Field(ge=2, le=3)
    unit: Literal["mm", "px"]
    refine: tuple[str, ...] = ()


class SegmenterGolden(_Plain):
    """A made-up item (seeded noise around a bright ball, of ``shape``) and the mean score of each region in 8 parts of it."""

    shape: tuple[int, ...]
    seed: int
    scores: tuple[tuple[float, ...], ...]


GOLDEN_TOLERANCE = 1e-6
BAND = (0.05, 0.95)
"""Ends of the band, as quantiles over the refits."""

"""The one summary of a study that pages read, from a run or from a published study."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from core.errors import UnknownNameError, did_you_mean
from core.storage.atomic import sha256_of, verify_checksum
from core.storage.files import read_json, read_table, write_json, write_table
from core.storage.locations import places

PAIR = ("outcome", "split", "model", "rival", "metric", "difference", "low", "high", "n", "n_events", "p", "p_holm")

OUTCOME_TABLES: dict[str, tuple[str, ...]] = {
    "scores": (
        "dataset",
        "outcome",
        "model",
        "split",
        "group",
        "metric",
        "value",
        "low",
        "high",
        "n",
        "n_events",
        "n_undefined",
    ),
    "comparisons": PAIR,
    "pairs": PAIR,
    "curves": ("outcome", "model", "split", "kind", "x", "y", "low", "high"),
    "thresholds": (
        "outcome",
        "model",
        "split",
        "threshold",
        "flagged",
        "sensitivity",
        "specificity",
        "precision",
        "npv",
        "accuracy",
        "f1",
    ),
    "recovery": ("outcome", "model", "split", "day", "observed", "observed_low", "observed_high", "predicted"),
    "groups": ("outcome", "group", "n", "n_events"),
    "cost": ("model", "fits", "seconds_total", "seconds_per_fit", "peak_mb"),
    "fairness": (
        "outcome", "split", "group", "model", "metric", "value", "low", "high", "rest", "gap", "gap_low", "gap_high", "p",
        "p_holm", "margin", "n", "n_events", "primary", "verdict",
    ),
    "equal_sensitivity": (
        "outcome", "split", "model", "grouping", "group", "policy", "threshold", "sensitivity", "sensitivity_low",
        "sensitivity_high", "false_positive_rate", "precision", "flagged", "net_benefit", "net_benefit_low",
        "net_benefit_high", "cost", "cost_low", "cost_high", "n", "n_events",
    ),
    "case_mix": (
        "split", "field", "label", "unit", "section", "level", "train", "train_sd", "test", "test_sd", "difference", "n_train",
        "n_test",
    ),
    "missing": (
        "outcome", "model", "without", "metric", "value", "low", "high", "difference", "difference_low", "difference_high", "n",
    ),
    "ablation": (
        "outcome", "model", "without", "metric", "value", "low", "high", "difference", "difference_low", "difference_high", "n",
    ),
    "features": (
        "outcome", "model", "field", "label", "block", "section", "rank", "rank_low", "rank_high", "added", "added_low",
        "added_high", "top_share", "fits",
    ),
    "gaps": ("outcome", "model", "metric", "seen", "new", "low", "high", "gap", "n"),
    "learning": (
        "outcome", "model", "share", "metric", "value", "low", "high", "added", "added_low", "added_high", "n",
    ),
    "stability": ("outcome", "model", "measure", "value", "n", "refits"),
    "instability": ("outcome", "model", "risk", "low", "middle", "high", "n"),
    "strata": ("outcome", "model", "split", "stratum", "n", "n_events", "day", "predicted", "observed", "low", "high"),
    "recalibration": ("outcome", "model", "split", "method", "metric", "value", "low", "high", "n"),
    "distribution": ("outcome", "model", "split", "event", "bin_low", "bin_high", "share", "n"),
    "conformal": (
        "outcome", "model", "level", "kind", "group", "coverage", "low", "high", "expected_low", "expected_high", "size", "n",
        "n_calibration",
    ),
}  # fmt: skip
"""Tables of the summary of an outcome study and their columns.

``scores``: one row a number (``core.contracts.score``); n_events is missing where hidden.
``comparisons``: paired difference model − rival on the same cases; positive favours ``model`` for auroc.
p is DeLong's for the AUROC where it applies, else of the bootstrap differences; p_holm is corrected over the pairs of a metric.
``pairs``: the same for any two models in cross-validation; p_holm is corrected over all of them: it explores.
``curves``: ``roc`` (x false positive rate, y sensitivity), ``precision_recall`` (x recall, y precision), ``calibration``
(x predicted, y observed) on fixed grids, ``decision`` (x threshold, y net benefit) where the recipe names a use; with 95 % band.
``strata``: thirds of the stated risk, predicted and observed (of a time to event by each scored day, else day −1).
``recalibration``: calibration of a model as it is (``none``) and after each method; the curves after it are of the kind
``calibration:<method>`` (``core.evaluation.recalibration``).
``distribution``: share of those with and without the event in each bin of stated risk.
``thresholds``: shares (0 to 1) at fixed thresholds; ``flagged`` is the share of patients at or above it.
``recovery``: share home by day, observed (with 95 % interval) and mean predicted.
``groups``: patients and events of each group; groups under the smallest cell are left out.
``fairness``: a group set against the other patients of its grouping (``core.evaluation.fairness``), with a verdict.
``equal_sensitivity``: one threshold for all beside one a group that finds the event as often (``core.evaluation``), and the
net benefit lost by it.
``case_mix``: both sides of each split beside cross-validation, by field and level (``core.evaluation.case_mix``).
``missing``: a model with all inputs minus itself without one at hand; ``ablation``: minus itself fitted again without it;
``features``: fields ranked by what shuffling them loses, with the middle nine tenths of fits (``core.evaluation.features``).
``gaps``: on patients learned from and on new ones; ``learning``:
with a share of the training patients, in percent, and what all of them add (``core.evaluation.learning``).
``stability``: how far refits on bootstrap samples move a risk; ``instability``: the same by twentieths of the original risk
(``core.evaluation.stability``).
``conformal``: realised coverage of sets and ranges, and where it lies in 90 of 100 calibrations (``core.evaluation.conformal``).
"""


SEGMENTATION_TABLES: dict[str, tuple[str, ...]] = {
    "scores": ("region", "model", "split", "group", "metric", "value", "low", "high", "n", "n_patients", "n_undefined"),
    "comparisons": ("region", "split", "model", "rival", "metric", "difference", "low", "high", "n", "p", "p_holm"),
    "cases": (
        "region", "model", "split", "case", "size", "dice", "jaccard", "accuracy", "sensitivity", "specificity", "precision",
        "hd95", "nsd", "assd", "volume_error", "lesions", "lesions_found", "lesions_false", "runs",
    ),
    "ranks": ("region", "split", "model", "metric", "rank", "low", "high"),
    "rank_shares": ("region", "split", "model", "metric", "rank", "share"),
    "cost": ("model", "fits", "parameters", "training_minutes", "seconds_total", "images_per_second", "peak_mb"),
    "factors": ("region", "split", "model", "factor", "level", "order", "metric", "value", "low", "high", "n"),
    "fairness": (
        "region", "split", "group", "model", "metric", "value", "low", "high", "rest", "gap", "gap_low", "gap_high", "p",
        "p_holm", "margin", "n", "n_patients", "verdict",
    ),
    "robustness": ("region", "split", "model", "corruption", "severity", "metric", "value", "low", "high", "n"),
    "folds": ("split", "fold", "side", "measure", "value"),
    "ablations": (
        "ablation", "label", "region", "baseline", "arm", "metric", "difference", "low", "high", "n", "seeds", "folds",
        "claimed_low", "claimed_high", "verdict",
    ),
}  # fmt: skip
"""Tables of the summary of a segmentation study and their columns.

``scores``: mean over cases with a 95 % interval (patients resampled); ``n`` cases, ``n_patients``, ``n_undefined`` cases in
which the metric has no value (an empty mask: the rule stands in ``info["empty_masks"]``).
``comparisons``: mean paired difference model - rival on the same cases, Wilcoxon p and Holm-adjusted p.
``cases``: one row a case, region, model and split, a mean over ``runs`` (seeds); ``case`` is a hashed id.
``ranks``: rank of the mean (1 is best) with the interval over bootstrap samples of cases; ``rank_shares``: share of the
bootstrap samples in which a model had that rank.
``cost``: fits, trained numbers, training minutes a fit, all seconds, pictures a second when segmenting, peak memory.
``factors``: metric by level of what may explain errors (size, border, quality, an attribute); ``order`` sorts the levels.
``fairness``: a level of such a factor against the other levels of it, with a verdict (``core.evaluation.segmentation.fairness``).
``robustness``: metric on a fixed sample of test cases under a planted fault; severity 0 is the clean sample.
``folds``: what each side of each split holds, so that a reader sees whether they are alike.
``ablations``: baseline - arm (positive: the part helps), over cases, folds and seeds; claimed range in points of Dice / 100.
"""

KINDS: dict[str, dict[str, tuple[str, ...]]] = {"outcomes": OUTCOME_TABLES, "segmentation": SEGMENTATION_TABLES}
"""Tables by ``info["kind"]``; a summary without a kind is of outcomes."""


@dataclass(frozen=True)
class StudySummary:
    """Everything the pages show of a study.

    Args:
        info: plain data: name, title, question, run_id, created, published, rows_available, dataset {name, label,
            simulated, licence, citation, notes, n_cases, n_patients, mask_origin}, outcomes [{… Outcome fields …,
            n, n_events, rate, enough, breakdowns}], models [{name, base_model, label, family, inputs, with_procedure,
            description, reference}], splits [{name, label, note, n_train, n_test}], headlines {outcome: sentence},
            change {outcome: sentence: what would change this conclusion}, recipe, provenance {…}, min_cell,
            permuted {outcome: {auroc, low, high}}, fairness {outcome: {split: sentence}}, fairness_verdicts {verdict: rule},
            case_mix {split: sentence}, an outcome's ``choice`` {rule, verdict, adopted, contests} and ``needed`` {patients for a
            firm model and a firm judgement: core.evaluation.sample_size}, cannot [sentences: what a
            published study cannot answer],
            skipped [sentences: what was not computed and why].
            A segmentation study has ``kind: segmentation``, regions [{name, label}] in place of outcomes (headlines and
            change are by region), models with ``choice`` and ``parameters``, ``empty_masks`` {region: {rule, n}},
            ``metrics`` [{name, label, unit, aim, description}], ``groups`` {attribute: label}, ``suitability`` {region: {pairs,
            apart, spread, sentence}} (can this data set tell methods apart?), ``rank_stability`` [{region, split, metric,
            kendall_tau}], ``tolerance`` and ``interval``, and dataset facts unit, channels, readers.
        tables: by name, the columns of the kind's tables.
    """

    info: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return str(self.info["name"])

    @property
    def kind(self) -> str:
        """``outcomes`` or ``segmentation``."""
        return kind_of(self.info)

    def table(self, name: str, **equals: object) -> pd.DataFrame:
        """Rows of a table in which each named column equals the given value; none where the study is older than the table."""
        rows = self.tables.get(name, pd.DataFrame(columns=list(KINDS[self.kind][name])))
        for column, value in equals.items():
            rows = rows[rows[column] == value]
        return rows

    def outcome(self, name: str) -> Mapping[str, Any]:
        """Facts of one outcome."""
        return next(item for item in self.info["outcomes"] if item["name"] == name)

    def model(self, name: str) -> Mapping[str, Any]:
        """Facts of one model."""
        return next(item for item in self.info["models"] if item["name"] == name)


def kind_of(info: Mapping[str, Any]) -> str:
    """What a study is of: ``outcomes`` or ``segmentation``."""
    return str(info.get("kind", "outcomes"))


def write_summary(folder: Path, summary: StudySummary) -> None:
    """Writes ``study.json``, a Parquet file per table, and last ``manifest.json`` with every checksum."""
    write_json(folder / "study.json", dict(summary.info))
    hashes = {"study.json": sha256_of(folder / "study.json")}
    for name, columns in KINDS[summary.kind].items():
        table = summary.tables.get(name, pd.DataFrame(columns=list(columns)))
        write_table(folder / f"{name}.parquet", table[list(columns)])
        hashes[f"{name}.parquet"] = sha256_of(folder / f"{name}.parquet")
    write_json(folder / "manifest.json", {"files": hashes})


class StoredTables(Mapping[str, pd.DataFrame]):
    """Tables of a folder by name; each is verified and read when it is first asked for, and then kept.

    Args:
        checksums: by file name, from the manifest.
    """

    def __init__(self, folder: Path, checksums: Mapping[str, str], names: Iterable[str]) -> None:
        self._folder, self._checksums = folder, checksums
        self._names = tuple(name for name in names if f"{name}.parquet" in checksums)
        self._read: dict[str, pd.DataFrame] = {}

    def __getitem__(self, name: str) -> pd.DataFrame:
        """The table.

        Raises:
            KeyError: the study has no such table.
            CorruptError: its file is missing or changed.
        """
        if name not in self._names:
            raise KeyError(name)
        if name not in self._read:
            path = self._folder / f"{name}.parquet"
            verify_checksum(path, self._checksums[path.name])
            self._read[name] = read_table(path)
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def read_info(folder: Path) -> dict[str, Any]:
    """The facts of a summary (``StudySummary.info``); every file is verified, no table is read.

    Raises:
        CorruptError: a file is missing or changed.
    """
    for name, checksum in _checksums(folder).items():
        verify_checksum(folder / name, checksum)
    return dict(read_json(folder / "study.json"))


def read_summary(folder: Path) -> StudySummary:
    """The summary in a folder: every file verified at once, every table read when it is first asked for.

    Raises:
        CorruptError: a file is missing or changed.
    """
    info = read_info(folder)
    return StudySummary(info, StoredTables(folder, _checksums(folder), KINDS[kind_of(info)]))


def _checksums(folder: Path) -> dict[str, str]:
    return dict(read_json(folder / "manifest.json")["files"])


@dataclass(frozen=True)
class StudyPlace:
    """Where a study's summary lies.

    Args:
        name: what commands and pages call it: the recipe's name; with ``:published`` behind it for the shipped one
            where the same study was also run here.
        run: the folder of its full store, where there is one.
    """

    name: str
    summary: Path
    published: bool
    run: Path | None = None


PUBLISHED_SUFFIX = ":published"


def list_studies() -> tuple[StudyPlace, ...]:
    """All studies here by name: the newest run of each, and every published one."""
    runs: dict[str, StudyPlace] = {}
    manifests = places().runs.glob("*/*/summary/manifest.json")
    for manifest in sorted(manifests, key=lambda path: path.stat().st_mtime, reverse=True):
        run = manifest.parents[1]
        runs.setdefault(run.parent.name, StudyPlace(run.parent.name, manifest.parent, False, run))
    found = list(runs.values())
    for manifest in places().published.glob("*/manifest.json"):
        name = manifest.parent.name
        found.append(StudyPlace(name + PUBLISHED_SUFFIX if name in runs else name, manifest.parent, True))
    return tuple(sorted(found, key=lambda place: place.name))


def find_study(name: str) -> StudyPlace:
    """The study of that name.

    Raises:
        UnknownNameError: the nearest name is suggested.
    """
    studies = {place.name: place for place in list_studies()}
    if name not in studies and name.endswith(PUBLISHED_SUFFIX):
        name = name.removesuffix(PUBLISHED_SUFFIX)
    if name not in studies:
        raise UnknownNameError(f"There is no study named {name!r}.", do=did_you_mean(name, studies))
    return studies[name]

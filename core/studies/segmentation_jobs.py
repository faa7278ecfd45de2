"""Running one segmentation job: fit a row, outline the test cases, judge every mask on the case's own grid."""

from __future__ import annotations

import json
import os
import resource
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors.numpy import save

from core.contracts.forecast import Artifact
from core.contracts.pictures import Picture, Pictures, PictureSet, PreparedPictures
from core.contracts.segmenter import Adapts, FitReport, PortableSegmenter, SegmentContext, Segmenter
from core.errors import OpSightError, RecipeError, TrainingError
from core.imaging.corruption import CORRUPTIONS
from core.metrics.masks.judging import judge_mask
from core.segmentation import SEGMENTERS
from core.segmentation._adaptation import Adaptation, make_adaptation
from core.segmentation._readers import readers_against_consensus
from core.segmentation._refinement import refine
from core.segmentation._views import AdaptedPictures, CorruptedPictures
from core.storage.masks import MASKS, pack_masks
from core.storage.results import MASK_COLUMNS
from core.studies.segmentation_plan import HUMAN, SegmentationJob

WEIGHTS = "weights.safetensors"
PLAIN = "plain.txt"
ITEMS_AT_ONCE = 32
CLEAN = "clean"


@dataclass(frozen=True)
class SegmentationInput:
    """All that jobs of a study read; it travels to worker processes once.

    Args:
        prepared: by the key of a job's preparation.
        checkpoints: folder in which fits keep their state.
    """

    pictures: PictureSet
    prepared: Mapping[str, PreparedPictures]
    device: str
    checkpoints: Path


@dataclass(frozen=True)
class SegmentationResult:
    """Rows of one finished job, what it cost, and files to keep beside them."""

    rows: pd.DataFrame
    seconds: float
    peak_mb: float
    report: FitReport = FitReport()
    images_per_second: float = float("nan")
    extras: Mapping[str, bytes] = field(default_factory=dict)


def run_segmentation_job(job: SegmentationJob, given: SegmentationInput) -> SegmentationResult:
    """The judged masks of one job.

    Raises:
        OpSightError: the row could not be fitted; names the job.
    """
    started = time.monotonic()
    _forget_peak()
    try:
        result = _read_by_people(job, given) if job.row == HUMAN else _learn_and_judge(job, given)
    except OpSightError as error:
        raise type(error)(f"{job.phrase}: {error.message}", do=error.do, code=error.code) from error
    except Exception as error:
        raise TrainingError(
            f"{job.phrase}: {type(error).__name__}: {error}", do="Leave the row out of the recipe, or report the message."
        ) from error
    return replace(result, seconds=time.monotonic() - started, peak_mb=_peak_mb())


def _learn_and_judge(job: SegmentationJob, given: SegmentationInput) -> SegmentationResult:
    spec = SEGMENTERS.get(job.base_model)
    prepared = given.prepared[preparation_key(job.preparation)]
    train = training_pictures(job, prepared, given.pictures)
    adaptation = make_adaptation(job.adapt, train)
    seen = AdaptedPictures(prepared, adaptation)
    train = replace(train, prepared=seen)
    segmenter = spec.make(job.options)
    context = SegmentContext(
        seed=job.seed,
        device=given.device,
        training=job.training,
        checkpoint=given.checkpoints / job.key,
        search=job.search,
    )
    report = segmenter.fit(train, context)
    if job.adapt == "test_time_norm":
        _adapt(segmenter, seen, job)
    judge = _Judge(job, given.pictures, segmenter, given.device)
    judge.everything(prepared, adaptation)
    return SegmentationResult(
        rows=judge.table(),
        seconds=0.0,
        peak_mb=0.0,
        report=report,
        images_per_second=judge.items / judge.seconds if judge.seconds else float("nan"),
        extras={MASKS: pack_masks(judge.masks), **_weights(segmenter)},
    )


def _adapt(segmenter: Segmenter, seen: PreparedPictures, job: SegmentationJob) -> None:
    """Lets a network see the test images, without their masks, before it outlines them.

    Raises:
        RecipeError: the row cannot adapt.
    """
    if not isinstance(segmenter, Adapts):
        raise RecipeError(f"{job.base_model!r} cannot adapt to test images.", do="Write adapt: histogram or intensity.")
    rows = seen.rows_of(job.test)
    segmenter.adapt_to(Pictures(seen, rows, np.full(len(rows), "", dtype=str), np.zeros(len(rows), dtype=bool)))


def preparation_key(preparation: Mapping[str, Any]) -> str:
    """One name for equal preparations."""
    return repr(sorted(preparation.items()))


def training_pictures(job: SegmentationJob, prepared: PreparedPictures, pictures: PictureSet) -> Pictures:
    """The items of the training cases; masks may be read for a share of the patients (a smaller share is part of a larger)."""
    rows = prepared.rows_of(job.train)
    owners = [prepared.owner(int(row)) for row in rows]
    patients = pictures.table["patient_id"].astype(str).loc[owners].to_numpy(dtype=str)
    names = np.random.default_rng([job.seed, 17]).permutation(np.unique(patients))
    share = float(job.training.get("labels_share", 1.0))
    labelled = np.isin(patients, names[: max(1, round(share * len(names)))])
    return Pictures(prepared, rows, patients, labelled)


class _Judge:
    """Outlines cases and keeps what came of it."""

    def __init__(self, job: SegmentationJob, pictures: PictureSet, segmenter: Segmenter, device: str) -> None:
        # On a processor the time of this process: other work on the machine must not make a method look slow.
        self._clock = time.monotonic if device == "cuda" else time.process_time
        self.job, self.pictures, self.segmenter = job, pictures, segmenter
        self.rows: list[dict[str, Any]] = []
        self.masks: dict[str, NDArray[np.bool_]] = {}
        self.seconds, self.items = 0.0, 0

    def everything(self, prepared: PreparedPictures, adaptation: Adaptation) -> None:
        """Judges the clean test cases, then a fixed sample of them under every planted fault: spoilt first, adapted then."""
        for case_id, scores in self._scores(AdaptedPictures(prepared, adaptation), self.job.test):
            self.masks[case_id] = self._judge(case_id, prepared.restore(case_id, scores), CLEAN)
        sample = fault_sample(self.job)
        for name in self.job.evaluation["corruptions"]:
            for severity in range(1, int(self.job.evaluation["severities"]) + 1):
                spoilt = CorruptedPictures(prepared, CORRUPTIONS[name], severity, self.job.seed)
                for case_id, scores in self._scores(AdaptedPictures(spoilt, adaptation), sample):
                    self._judge(case_id, prepared.restore(case_id, scores), f"{name}:{severity}")

    def _scores(self, view: PreparedPictures, cases: Sequence[str]) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """(items, regions, *grid) by case; items of several cases are outlined together."""
        most = ITEMS_AT_ONCE if view.is_uniform() else 1
        for group in _groups(view, cases, most):
            rows = np.concatenate([view.rows_of([case_id]) for case_id in group])
            scores = [self._segment(view, rows[at : at + most]) for at in range(0, len(rows), most)]
            at = 0
            for case_id in group:
                count = len(view.rows_of([case_id]))
                yield case_id, np.concatenate(scores)[at : at + count]
                at += count

    def _segment(self, view: PreparedPictures, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        started = self._clock()
        nobody = np.full(len(rows), "", dtype=str)
        scores = self.segmenter.segment(Pictures(view, rows, nobody, np.zeros(len(rows), dtype=bool)))
        self.seconds, self.items = self.seconds + self._clock() - started, self.items + len(rows)
        return scores

    def _judge(self, case_id: str, scores: NDArray[np.float32], condition: str) -> NDArray[np.bool_]:
        picture = self.pictures.source.read(case_id)
        if self.job.refine:
            scores = refine(scores, picture.image, self.job.refine)
        mask = scores >= 0.5
        self.rows += judged_rows(self.job, self.pictures, picture, picture.mask, mask, condition)
        return mask

    def table(self) -> pd.DataFrame:
        """One row a case, region and condition."""
        return pd.DataFrame(self.rows, columns=list(MASK_COLUMNS))


def _groups(view: PreparedPictures, cases: Sequence[str], most: int) -> Iterator[list[str]]:
    group: list[str] = []
    items = 0
    for case_id in cases:
        group.append(case_id)
        items += len(view.rows_of([case_id]))
        if items >= most:
            yield group
            group, items = [], 0
    if group:
        yield group


def fault_sample(job: SegmentationJob) -> tuple[str, ...]:
    """The test cases that planted faults are tried on: the same for every row of a fold."""
    most = int(job.evaluation["corrupted_cases"])
    if not job.evaluation["corruptions"] or most == 0:
        return ()
    chosen = np.random.default_rng([job.fold, 23]).permutation(sorted(job.test))[:most]
    return tuple(str(case_id) for case_id in chosen)


def judged_rows(
    job: SegmentationJob,
    pictures: PictureSet,
    picture: Picture,
    reference: NDArray[np.bool_] | None,
    predicted: NDArray[np.bool_],
    condition: str,
    repeat: int | None = None,
) -> list[dict[str, Any]]:
    """A row a region, as ``MASK_COLUMNS`` names them.

    Raises:
        TrainingError: nobody drew this case.
    """
    if reference is None:
        raise TrainingError(f"Case {picture.case_id} has no mask to be judged against.", do="Leave it out of the test cases.")
    spacing = picture.spacing_mm if pictures.unit == "mm" else None
    tolerance = float(job.evaluation["tolerance"])
    judged = judge_mask(reference, predicted, spacing=spacing, tolerance=tolerance, in_plane=pictures.in_plane)
    same = {
        "case_id": picture.case_id, "patient_id": str(pictures.table.loc[picture.case_id, "patient_id"]), "model": job.row,
        "base_model": job.base_model, "split": job.split, "repeat": job.repeat if repeat is None else repeat, "fold": job.fold,
        "condition": condition,
    }  # fmt: skip
    return [{**same, "region": region.name, **numbers} for region, numbers in zip(pictures.regions, judged, strict=True)]


def _read_by_people(job: SegmentationJob, given: SegmentationInput) -> SegmentationResult:
    """Every reader against the others; a reader counts as a repeat of the row."""
    rows: list[dict[str, Any]] = []
    for case_id in job.test:
        picture = given.pictures.source.read(case_id)
        if picture.readers is None:
            continue
        for number, pair in enumerate(readers_against_consensus(picture.readers)):
            reference, drawn = pair.reference[np.newaxis], pair.mask[np.newaxis]
            rows += judged_rows(job, given.pictures, picture, reference, drawn, CLEAN, repeat=number)
    return SegmentationResult(pd.DataFrame(rows, columns=list(MASK_COLUMNS)), 0.0, 0.0)


def _weights(segmenter: Segmenter) -> dict[str, bytes]:
    """What a bundle needs, where the segmenter can be kept in one."""
    if not isinstance(segmenter, PortableSegmenter):
        return {}
    artifact: Artifact = segmenter.export()
    arrays = {name: np.ascontiguousarray(array) for name, array in artifact.arrays.items()}
    plain = {"plain": artifact.plain, "texts": dict(artifact.texts)}
    return {WEIGHTS: save(arrays), PLAIN: json.dumps(plain).encode()}


def _forget_peak() -> None:
    """Lets the kernel count this process's peak memory afresh (Linux; elsewhere the peak is of the whole process)."""
    try:
        handle = os.open("/proc/self/clear_refs", os.O_WRONLY)
    except OSError:
        return
    try:
        os.write(handle, b"5")
    finally:
        os.close(handle)


def _peak_mb() -> float:
    """Largest resident memory since ``_forget_peak``, in MB."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))

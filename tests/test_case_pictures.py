"""A case as pictures: drawn from the reader's own copy only, and words where it cannot be."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from core.datasets import DATASETS
from core.errors import BundleError
from core.evaluation.segmentation.cases import hashed_case
from core.serving import case_pictures
from core.serving.case_pictures import CasePicture, Unavailable, case_picture
from core.storage.summaries import StudyPlace, StudySummary, find_study
from tests.fixtures_segmentation import DATASET, install, made_up_dataset, made_up_pictures, made_up_run, segmentation_study
from tests.fixtures_studies import smaller, write_study

CASE = hashed_case(DATASET, "case20")
RUN = "0123456789abcdef"


@pytest.fixture
def study() -> StudySummary:
    return segmentation_study()


@pytest.fixture(autouse=True)
def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test with data sets of its own, and none remembered."""
    DATASETS.names()
    monkeypatch.setattr(DATASETS, "_specs", dict(DATASETS._specs or {}))
    case_pictures._pictures.cache_clear()


def place_of(home: Path, study: StudySummary, *, dims: int = 2, readers: bool = False, kept: str = "unet") -> StudyPlace:
    """The study, run here, with the outlines of one method kept."""
    install(made_up_dataset(dims, readers=readers))
    write_study(home, study, run=RUN)
    made_up_run(home / "data" / "runs" / study.name / RUN, kept, made_up_pictures(dims, readers=readers))
    return find_study(study.name)


def pixels(png: bytes | None) -> np.ndarray:
    assert png is not None and png.startswith(b"\x89PNG")
    return np.asarray(Image.open(io.BytesIO(png)))


def holds(png: bytes | None, colour: tuple[int, int, int]) -> bool:
    return bool((pixels(png) == colour).all(axis=-1).any())


def test_a_case_is_drawn_with_reference_outline_and_difference(home: Path, study: StudySummary) -> None:
    found = case_picture(place_of(home, study), CASE, "unet", "tumour")
    assert isinstance(found, CasePicture) and isinstance(found.prediction, np.ndarray)
    panels = found.panels()
    assert pixels(panels.image).shape == (336, 420, 3)
    assert holds(panels.reference, case_pictures.REFERENCE) and not holds(panels.image, case_pictures.REFERENCE)
    assert holds(panels.prediction, case_pictures.PREDICTION)
    assert panels.readers is None


def test_the_difference_marks_what_is_missed_on_one_side_and_made_up_on_the_other(home: Path, study: StudySummary) -> None:
    found = case_picture(place_of(home, study), CASE, "unet", "tumour")
    assert isinstance(found, CasePicture)
    drawn = pixels(found.panels().errors).astype(int)
    blue, red = ((drawn[..., at] - drawn[..., 2 - at]) > 60 for at in (2, 0))
    assert blue.any() and red.any()
    assert np.argwhere(blue)[:, 1].mean() < np.argwhere(red)[:, 1].mean(), "the outline was moved to the right"


def test_each_region_has_its_own_outline(home: Path, study: StudySummary) -> None:
    place = place_of(home, study)
    whole, core = (case_picture(place, CASE, "unet", region) for region in ("tumour", "core"))
    assert isinstance(whole, CasePicture) and isinstance(core, CasePicture)
    assert core.reference.sum() < whole.reference.sum()


def test_a_volume_opens_at_the_slice_with_the_largest_reference(home: Path, study: StudySummary) -> None:
    found = case_picture(place_of(home, study, dims=3), CASE, "unet", "tumour")
    assert isinstance(found, CasePicture)
    assert (found.slices, found.first_slice) == (10, 3)
    assert holds(found.panels(3).reference, case_pictures.REFERENCE)
    assert not holds(found.panels(9).reference, case_pictures.REFERENCE)


def test_the_outline_of_each_reader_is_drawn(home: Path, study: StudySummary) -> None:
    one = smaller(study, regions=study.info["regions"][:1])
    found = case_picture(place_of(home, one, readers=True), CASE, "human_readers", "tumour")
    assert isinstance(found, CasePicture)
    assert isinstance(found.prediction, Unavailable) and "readers themselves" in found.prediction.reason
    panels = found.panels()
    assert all(holds(panels.readers, colour) for colour in case_pictures.READERS[:3])
    assert panels.prediction is None and panels.errors is None


def test_a_method_whose_outlines_were_not_kept_leaves_the_rest_of_the_case(home: Path, study: StudySummary) -> None:
    found = case_picture(place_of(home, study), CASE, "segnet", "tumour")
    assert isinstance(found, CasePicture)
    assert isinstance(found.prediction, Unavailable) and "is not on this machine" in found.prediction.reason


def test_a_study_run_elsewhere_shows_the_reference_and_says_how_to_get_the_outline(home: Path, study: StudySummary) -> None:
    install(made_up_dataset())
    write_study(home, smaller(study, published=True))
    found = case_picture(find_study(study.name), CASE, "unet", "tumour")
    assert isinstance(found, CasePicture) and isinstance(found.prediction, Unavailable)
    assert "is not on this machine" in found.prediction.reason and "study run" in found.prediction.do


def test_a_published_study_finds_the_outlines_of_its_own_run_here(home: Path, study: StudySummary) -> None:
    place_of(home, study)
    write_study(home, smaller(study, published=True))
    found = case_picture(find_study(f"{study.name}:published"), CASE, "unet", "tumour")
    assert isinstance(found, CasePicture) and isinstance(found.prediction, np.ndarray)


def test_a_case_that_the_copy_does_not_hold_is_told(home: Path, study: StudySummary) -> None:
    found = case_picture(place_of(home, study), "0" * 12, "unet", "tumour")
    assert isinstance(found, Unavailable) and "does not hold this case" in found.reason


def test_without_the_data_the_words_say_how_to_get_them(
    home: Path, study: StudySummary, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPSIGHT_DATA", str(tmp_path))
    recipe = {**study.info["recipe"], "dataset": {"name": "lidc", "options": {}}}
    write_study(home, smaller(study, recipe=recipe), run=RUN)
    found = case_picture(find_study(study.name), CASE, "unet", "tumour")
    assert isinstance(found, Unavailable)
    assert "not on this machine" in found.reason and "$OPSIGHT_DATA" in found.do and "CC BY 3.0" in found.do


def test_an_unknown_data_set_is_told(home: Path, study: StudySummary) -> None:
    write_study(home, study, run=RUN)
    found = case_picture(find_study(study.name), CASE, "unet", "tumour")
    assert isinstance(found, Unavailable) and "made_up" in found.reason


def test_an_outline_on_another_grid_is_not_laid_over_the_picture(home: Path, study: StudySummary) -> None:
    place = place_of(home, study, dims=3)
    install(made_up_dataset(2))
    case_pictures._pictures.cache_clear()
    found = case_picture(place, CASE, "unet", "tumour")
    assert isinstance(found, CasePicture) and isinstance(found.prediction, Unavailable)
    assert "another grid" in found.prediction.reason


def test_channels_that_are_no_colours_are_seen_one_at_a_time() -> None:
    image = np.stack([np.full((8, 8), value, dtype=np.uint8) for value in (10, 200, 90)])
    mask = np.zeros((8, 8), dtype=bool)
    none = Unavailable("none")
    found = CasePicture("x", ("pre", "FLAIR", "post"), image, mask, none, levels=((0.0, 255.0),) * 3)
    assert found.views == ("FLAIR", "pre", "post")
    assert pixels(found.panels().image)[0, 0].tolist() == [200, 200, 200]
    assert pixels(found.panels(0, "post").image)[0, 0].tolist() == [90, 90, 90]
    colours = CasePicture("x", case_pictures.COLOUR, image, mask, none, levels=((0.0, 255.0),) * 3)
    assert pixels(colours.panels().image)[0, 0].tolist() == [10, 200, 90]


def ship(monkeypatch: pytest.MonkeyPatch, run_id: str, row: str) -> None:
    """A segmenter that outlines everything, shipped with that run."""
    manifest = SimpleNamespace(manifest=SimpleNamespace(run_id=run_id, row=row))
    monkeypatch.setattr(case_pictures, "segmenter_folders", lambda _: [Path("made_up/1")])
    monkeypatch.setattr(case_pictures, "inspect_segmenter_bundle", lambda _: manifest)
    monkeypatch.setattr(case_pictures, "_opened", lambda _: None)
    drawn = lambda _, pictures: iter([SimpleNamespace(mask=np.ones((2, *pictures[0].image.shape[1:]), dtype=bool))])  # noqa: E731
    monkeypatch.setattr(case_pictures, "outline", drawn)


def one_fold(study: StudySummary, folds: int = 1) -> StudySummary:
    return smaller(study, published=True, recipe={**study.info["recipe"], "run_folds": folds})


def test_a_shipped_segmenter_draws_the_outline_that_was_judged(
    home: Path, study: StudySummary, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(made_up_dataset())
    write_study(home, one_fold(study))
    ship(monkeypatch, str(study.info["run_id"]), "unet")
    found = case_picture(find_study(study.name), CASE, "unet", "tumour")
    assert isinstance(found, CasePicture) and isinstance(found.prediction, np.ndarray) and found.prediction.all()
    other = case_picture(find_study(study.name), CASE, "segnet", "tumour")
    assert isinstance(other, CasePicture) and isinstance(other.prediction, Unavailable)


@pytest.mark.parametrize(("folds", "run_id", "split"), [(3, RUN, "internal"), (1, "another", "internal"), (1, RUN, "external:x")])
def test_a_segmenter_that_may_have_learned_from_the_case_does_not_draw_it(
    home: Path, study: StudySummary, monkeypatch: pytest.MonkeyPatch, folds: int, run_id: str, split: str
) -> None:
    install(made_up_dataset())
    write_study(home, one_fold(study, folds))
    ship(monkeypatch, run_id, "unet")
    found = case_picture(find_study(study.name), CASE, "unet", "tumour", split)
    assert isinstance(found, CasePicture) and isinstance(found.prediction, Unavailable)


def test_a_broken_segmenter_leaves_the_reference_on_show(
    home: Path, study: StudySummary, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(made_up_dataset())
    write_study(home, one_fold(study))
    ship(monkeypatch, str(study.info["run_id"]), "unet")

    def broken(folder: Path) -> None:
        raise BundleError("A file was changed.", do="Fetch it again.")

    monkeypatch.setattr(case_pictures, "_opened", broken)
    found = case_picture(find_study(study.name), CASE, "unet", "tumour")
    assert isinstance(found, CasePicture) and isinstance(found.prediction, Unavailable)
    assert "A file was changed" in found.prediction.reason and found.prediction.do == "Fetch it again."

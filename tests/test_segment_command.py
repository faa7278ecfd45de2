"""Shipped segmenters outline files that come from outside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from core.__main__ import app
from core.bundles.segmenter_bundle import open_segmenter_bundle, segmenter_folders
from core.errors import DataError, Refused
from core.serving.segmenting import find_segmenter, read_picture
from core.storage.locations import places

FOLDERS = segmenter_folders(places().models)


def spot(edge: int = 128) -> np.ndarray:
    """A brown spot on skin."""
    y, x = np.mgrid[0:edge, 0:edge] / edge
    inside = ((x - 0.5) ** 2 + (y - 0.5) ** 2) < 0.06
    picture = np.where(inside[..., None], (95, 60, 50), (215, 175, 160)).astype(float)
    return np.clip(picture + np.random.default_rng(0).normal(0, 4, picture.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_every_shipped_segmenter_opens_and_gives_its_golden_answer(folder: Path) -> None:
    bundle = open_segmenter_bundle(folder)
    assert bundle.outline.manifest.licence
    assert sum(path.stat().st_size for path in folder.iterdir()) < 10_000_000


def test_a_spot_is_outlined_where_it_is(tmp_path: Path) -> None:
    Image.fromarray(spot()).save(tmp_path / "spot.png")
    given = ["segment", "segmentation_isic_unet", str(tmp_path / "spot.png"), "--to", str(tmp_path / "out")]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0, done.output
    assert "Skin lesion" in done.output
    mask = np.asarray(Image.open(tmp_path / "out" / "spot_mask.png")) > 0
    y, x = np.mgrid[0:128, 0:128] / 128
    drawn = ((x - 0.5) ** 2 + (y - 0.5) ** 2) < 0.06
    assert 2 * (mask & drawn).sum() / (mask.sum() + drawn.sum()) > 0.8


def test_an_unknown_segmenter_is_refused_with_the_nearest_name() -> None:
    done = CliRunner().invoke(app, ["segment", "segmentation_isic_unett", "a.png", "--to", "out"])
    assert done.exit_code == 2
    assert "segmentation_isic_unet" in done.output


def test_a_file_that_is_no_picture_and_a_volume_for_a_picture_segmenter_are_refused(tmp_path: Path) -> None:
    import nibabel

    bundle = find_segmenter("segmentation_isic_unet")
    (tmp_path / "a.png").write_bytes(b"%PDF-1.4 not a picture")
    with pytest.raises(Refused, match="a.png"):
        read_picture(tmp_path / "a.png", bundle)
    volume = np.random.default_rng(0).normal(size=(12, 12, 12)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / "v.nii")
    with pytest.raises(DataError, match="3-D"):
        read_picture(tmp_path / "v.nii", bundle)


def test_grey_pictures_serve_a_colour_segmenter(tmp_path: Path) -> None:
    Image.fromarray(spot().mean(axis=2).astype(np.uint8)).save(tmp_path / "grey.png")
    assert read_picture(tmp_path / "grey.png", find_segmenter("segmentation_isic_unet")).image.shape == (3, 128, 128)

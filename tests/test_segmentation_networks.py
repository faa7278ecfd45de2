"""The networks do what their names promise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from core.errors import RecipeError, TrainingError
from core.segmentation import SEGMENTERS
from core.segmentation._network_segmenter import prevalence
from core.segmentation._networks import NetworkFacts, any_size, padded
from core.segmentation._networks_encoder import SegNet
from core.segmentation._networks_mask_rcnn import _instances, build_mask_rcnn, counted
from core.segmentation._networks_unet import PlainUnet, build_dynunet, plan_of
from core.training.losses import criterion_of
from core.training.weights import export_encoder, load_encoder
from tests.fixtures_pictures import Blobs

FACTS = NetworkFacts(channels=1, regions=1, dims=2, shape=(32, 32))


def test_segnet_puts_a_maximum_back_where_it_was() -> None:
    network = SegNet(FACTS, width=2, depth=1)
    picture = torch.zeros(1, 1, 4, 4)
    picture[0, 0, 1, 2] = 5.0
    pooled, where = network.pool(picture)
    assert torch.equal(network.unpool(pooled, where), picture)


def test_segnet_uses_the_stored_places_and_not_a_plain_enlargement(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = SegNet(FACTS, width=4, depth=2).eval()
    image = torch.randn(1, 1, 16, 16)
    before = network(image)
    real = network.pool.forward
    monkeypatch.setattr(network.pool, "forward", lambda x: (real(x)[0], real(x)[1].flip(-1)))
    assert not torch.allclose(network(image), before)


def _reach(network: PlainUnet) -> float:
    """How much the finest skip carries: the change of the answer when the encoder's finest picture is moved."""
    network.eval()
    image = torch.randn(1, 1, 32, 32)
    kept: list[torch.Tensor] = []
    handle = network.conv_0.register_forward_hook(lambda module, given, out: kept.append(out) or out)
    before = network(image)
    handle.remove()
    real = network.down_1.forward
    frozen = real(kept[0])
    network.down_1.forward = lambda x: frozen  # type: ignore[method-assign]
    handle = network.conv_0.register_forward_hook(lambda module, given, out: out + 1.0)
    after = network(image)
    handle.remove()
    network.down_1.forward = real  # type: ignore[method-assign]
    return float((after - before).abs().max().detach())


@pytest.mark.parametrize("attention", ["none", "gates"])
def test_a_unet_without_skips_has_no_path_past_its_middle(attention: str) -> None:
    torch.manual_seed(0)
    with_skips = PlainUnet(FACTS, 4, "batch", True, attention, 0.0)
    without = PlainUnet(FACTS, 4, "batch", False, "none", 0.0)
    assert _reach(with_skips) > 1e-4
    assert _reach(without) == 0.0


def test_skips_cost_no_weights_so_that_the_ablation_is_of_the_path_alone() -> None:
    sizes = {
        sum(weight.numel() for weight in PlainUnet(FACTS, 4, "batch", skips, "none", 0.0).parameters()) for skips in (True, False)
    }
    assert len(sizes) == 1


def test_the_plan_follows_from_the_grid() -> None:
    assert plan_of(FACTS) == [(1, 1), (2, 2), (2, 2), (2, 2)]
    flat = NetworkFacts(channels=1, regions=1, dims=3, shape=(8, 64, 64))
    assert plan_of(flat) == [(1, 1, 1), (2, 2, 2), (1, 2, 2), (1, 2, 2), (1, 2, 2)]


def test_the_self_configured_network_learns_on_its_lower_levels_too() -> None:
    network = build_dynunet(FACTS, {"width": 4, "most": 16})
    asked: list[tuple[int, ...]] = []

    def criterion(logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        asked.append(tuple(logits.shape))
        return logits.mean()

    network.train()
    network.training_loss(torch.randn(2, 1, 32, 32), torch.zeros(2, 1, 32, 32), criterion)
    assert len(asked) > 1
    assert set(asked) == {(2, 1, 32, 32)}


def test_padding_repeats_the_border_behind_each_axis() -> None:
    image = torch.arange(6.0).reshape(1, 1, 2, 3)
    grown = padded(image, 4)
    assert grown.shape == (1, 1, 4, 4)
    assert grown[0, 0, 3, 3] == image[0, 0, 1, 2]
    assert torch.equal(grown[:, :, :2, :3], image)


def test_each_connected_part_of_a_region_is_an_instance() -> None:
    mask = torch.zeros(2, 12, 12)
    mask[0, 1:4, 1:5] = 1
    mask[0, 7:10, 7:10] = 1
    mask[1, 2:6, 2:6] = 1
    found = _instances(mask)
    assert found["labels"].tolist() == [1, 1, 2]
    assert found["boxes"].tolist() == [[1, 1, 5, 4], [7, 7, 10, 10], [2, 2, 6, 6]]
    assert np.array_equal(found["masks"].sum(dim=(1, 2)).numpy(), [12, 9, 16])
    assert _instances(torch.zeros(1, 8, 8))["boxes"].shape == (0, 4)


def test_the_best_instance_counts_and_unsure_ones_do_not() -> None:
    assert counted(torch.tensor([0.2, 0.1]), always=True) == [0]
    assert counted(torch.tensor([0.2, 0.1]), always=False) == []
    assert counted(torch.tensor([0.9, 0.5, 0.1]), always=False) == [0, 1]
    assert counted(torch.tensor([]), always=True) == []


@pytest.mark.parametrize("name", ["cnn", "unet", "segnet", "attention_unet", "fcn", "deeplabv3plus", "segformer", "dynunet"])
def test_an_untrained_network_answers_with_the_prevalence_of_each_region(name: str) -> None:
    torch.manual_seed(0)
    segmenter: Any = SEGMENTERS.get(name).make({})
    network = segmenter.build(NetworkFacts(channels=1, regions=2, dims=2, shape=(64, 64)), segmenter.options)
    network.start_at(np.array([0.04, 0.3]))
    network.eval()
    with torch.no_grad():
        chances = network(torch.zeros(2, 1, 64, 64)).sigmoid().mean(dim=(0, 2, 3))
    assert chances[0] < 0.12
    assert 0.2 < chances[1] < 0.45


def test_the_prevalence_is_that_of_items_whose_masks_may_be_read() -> None:
    pictures = Blobs(count=6).pictures()
    some = replace(pictures, labelled=np.array([True, False, True, False, False, False]))
    drawn = [float(pictures.mask(row).mean()) for row in range(6)]
    assert prevalence(some) == pytest.approx([(drawn[0] + drawn[2]) / 2])
    assert drawn[1] > drawn[4] == 0


def test_in_training_too_a_self_configured_unet_gives_one_picture_of_logits() -> None:
    network = build_dynunet(FACTS, {"width": 4, "most": 8}).train()
    assert network(torch.randn(2, 1, 32, 32)).shape == (2, 1, 32, 32)


def test_mask_rcnn_learns_whether_every_picture_holds_an_object() -> None:
    network = build_mask_rcnn(FACTS, {"backbone": "resnet10t", "width": 16}).train()
    criterion = criterion_of("dice")
    full = torch.zeros(2, 1, 32, 32)
    full[:, :, 8:20, 8:20] = 1
    network.training_loss(torch.randn(2, 1, 32, 32), full, criterion)
    assert network.always
    network.training_loss(torch.randn(2, 1, 32, 32), torch.zeros_like(full), criterion)
    assert not network.always


@pytest.mark.parametrize("options", [{"norm": "layer"}, {"attention": "everywhere"}, {"pretrained": True}])
def test_a_unet_refuses_what_it_does_not_know(options: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match=next(iter(options))):
        SEGMENTERS.get("unet").make(options)


@pytest.mark.parametrize("name", ["fcn", "deeplabv3plus", "segformer"])
def test_weights_that_cannot_be_fetched_stop_the_fit_with_a_way_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*args: object, **kwargs: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("socket.getaddrinfo", offline)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    segmenter: Any = SEGMENTERS.get(name).make({"pretrained": True})
    with pytest.raises(TrainingError, match="could not be fetched") as caught:
        segmenter.build(FACTS, segmenter.options)
    assert "pretrained" in caught.value.do


def test_a_backbone_that_nobody_has_is_refused_with_its_neighbour() -> None:
    segmenter: Any = SEGMENTERS.get("fcn").make({"backbone": "resnet1O"})
    with pytest.raises(RecipeError, match="resnet1O"):
        segmenter.build(FACTS, segmenter.options)


def test_weights_learned_in_grey_answer_alike_to_a_grey_picture_in_colour(tmp_path: Path) -> None:
    torch.manual_seed(0)
    grey, colour = (
        PlainUnet(NetworkFacts(channels, 1, 2, (32, 32)), 4, "batch", True, "none", 0.0).eval() for channels in (1, 3)
    )
    export_encoder(any_size(grey, 16, FACTS), tmp_path / "w.safetensors")
    with pytest.raises(RecipeError, match="shape"):
        load_encoder(colour, tmp_path / "w.safetensors")
    load_encoder(colour, tmp_path / "w.safetensors", any_channels=True)
    picture = torch.randn(1, 1, 32, 32)
    assert torch.allclose(grey(picture), colour(picture.expand(1, 3, 32, 32)), atol=1e-5)


def test_weights_of_a_bundle_fit_where_a_single_number_was_kept_as_a_row(tmp_path: Path) -> None:
    network = PlainUnet(FACTS, 4, "batch", True, "none", 0.0)
    kept = {f"inner.{name}": torch.atleast_1d(weight).half().contiguous() for name, weight in network.state_dict().items()}
    save_file(kept, tmp_path / "weights.safetensors")
    fresh = PlainUnet(FACTS, 4, "batch", True, "none", 0.0)
    load_encoder(fresh, tmp_path / "weights.safetensors")
    assert torch.equal(fresh.conv_0.conv_0.conv.weight, network.conv_0.conv_0.conv.weight.half().float())

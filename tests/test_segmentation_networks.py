"""The networks do what their names promise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.segmentation._networks import NetworkFacts, padded
from core.segmentation._networks_encoder import SegNet
from core.segmentation._networks_mask_rcnn import _instances, counted
from core.segmentation._networks_unet import PlainUnet, build_dynunet, plan_of

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
    assert counted(torch.tensor([0.2, 0.1])) == [0]
    assert counted(torch.tensor([0.9, 0.5, 0.1])) == [0, 1]
    assert counted(torch.tensor([])) == []

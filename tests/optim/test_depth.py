"""Rates by depth: which layer a parameter is of, and the rate that it has."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from tests.own_networks import Eyes
from torch import nn

from goodfit.base.parts import OptimPart
from goodfit.models.called import Called
from goodfit.models.headed import Head, Headed
from goodfit.models.pretrained import Images, Texts
from goodfit.optim.build import build
from goodfit.optim.depth import depths, layers

BERT = transformers.BertConfig(
    vocab_size=20, hidden_size=8, num_hidden_layers=3, num_attention_heads=2, intermediate_size=8, max_position_embeddings=9
)
VIT = transformers.ViTConfig(hidden_size=8, num_hidden_layers=4, num_attention_heads=2, intermediate_size=8, image_size=8, patch_size=4)
RESNET = transformers.ResNetConfig(embedding_size=4, hidden_sizes=[4, 4, 8], depths=[1, 2, 1], layer_type="basic")


def headed(backbone: nn.Module) -> Headed:
    return Headed(backbone, Head(8, 2, width=4, depth=2), frozen=False)


def bert() -> nn.Module:
    return headed(Texts(transformers.BertModel(BERT)))


def vit() -> nn.Module:
    return headed(Images(transformers.ViTModel(VIT)))


def resnet() -> nn.Module:
    return headed(Images(transformers.ResNetModel(RESNET)))


# For each network: parts of names of parameters, and the layer that they are of; the last is the head's.
PLACES: dict[Any, list[tuple[str, int]]] = {
    bert: [("embeddings", 0), ("layer.0.attention", 1), ("layer.0.output", 1), ("layer.2", 3), ("pooler", 4), ("head.", 5)],
    vit: [("embeddings", 0), ("cls_token", 0), ("layers.0.", 1), ("layers.3.", 4), ("head.", 6)],
    resnet: [("embedder", 0), ("stages.0", 1), ("stages.1", 2), ("stages.2", 3), ("head.", 4)],
    lambda: headed(Called(Eyes(), ["image"])): [("first", 0), ("norm", 0), ("blocks.0", 1), ("blocks.1", 2), ("head.", 3)],
    lambda: nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.ReLU(), nn.Linear(4, 2)): [("0.", 0), ("1.", 0), ("3.", 1)],
    lambda: nn.Linear(3, 4): [("weight", 0), ("bias", 0)],
}


@pytest.mark.parametrize("make", PLACES, ids=["bert", "vit", "resnet", "own", "mlp", "linear"])
def test_layers(make: Any) -> None:
    network = make()
    found, count = depths(network)
    assert found.keys() == dict(network.named_parameters()).keys()
    assert set(found.values()) == set(range(count))
    assert count == len(layers(network)) == PLACES[make][-1][1] + 1
    for part, place in PLACES[make]:
        own = {depth for name, depth in found.items() if part in name}
        assert own == {place}, part


@pytest.mark.parametrize("name", ["sgd", "adamw", "muon", "rmsprop", "adagrad"])
@pytest.mark.parametrize("decay", [0.5, 0.8])
def test_the_groups_have_the_rates_that_they_should(name: Any, decay: float) -> None:
    network = bert()
    found, count = depths(network)
    plain = build(network, OptimPart(name=name), lr=0.1)
    usual = {parameter: group for group in plain.param_groups for parameter in group["params"]}
    optimizer = build(network, OptimPart(name=name, layer_decay=decay), lr=0.1)
    names = {parameter: own for own, parameter in network.named_parameters()}
    seen = set()
    for group in optimizer.param_groups:
        for index, parameter in enumerate(group["params"]):
            seen.add(parameter)
            before = usual[parameter]
            assert group["lr_factor"] == pytest.approx(before.get("lr_factor", 1.0) * decay ** (count - 1 - found[names[parameter]]))
            assert group["role"] == before["role"]
            assert group.get("weight_decay") == before.get("weight_decay")
            if before.get("muon"):
                place = next(i for i, own in enumerate(before["params"]) if own is parameter)
                assert group["blocks"][index] == before["blocks"][place]
                assert group["rows"][index] == before["rows"][place]
    assert seen == set(network.parameters())


def test_no_decline_leaves_the_groups_as_they_were() -> None:
    network = bert()
    for decay in (None, 1.0):
        assert len(build(network, OptimPart(layer_decay=decay), lr=0.1).param_groups) == 2


def test_an_update_moves_each_layer_by_its_share() -> None:
    """SGD on gradients of 1: layer d moves by rate * 0.5 ** (layers behind it)."""
    network = nn.Sequential(*(nn.Linear(2, 2, bias=False) for _ in range(3)))
    before = [layer.weight.clone() for layer in network]
    optimizer = build(network, OptimPart(name="sgd", momentum=0.0, weight_decay=0.0, layer_decay=0.5), lr=0.1)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    for group in optimizer.param_groups:
        group["lr"] = 0.1 * group["lr_factor"]
    optimizer.step()
    for layer, old, share in zip(network, before, (0.25, 0.5, 1.0), strict=True):
        torch.testing.assert_close(old - layer.weight, torch.full((2, 2), 0.1 * share))


@pytest.mark.parametrize("name", ["sgd", "adamw", "muon"])
def test_a_module_learns_at_the_rate_that_it_asks_for(name: Any) -> None:
    middle = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    network = nn.Sequential(nn.Linear(2, 3), middle, nn.Linear(3, 1))
    usual = {p: g.get("lr_factor", 1.0) for g in build(network, OptimPart(name=name), lr=0.1).param_groups for p in g["params"]}
    middle.lr_factor = 28.0  # type: ignore[assignment]
    groups = build(network, OptimPart(name=name), lr=0.1).param_groups
    found = {parameter: group["lr_factor"] for group in groups for parameter in group["params"]}
    asking = set(middle.parameters())
    assert found == pytest.approx({p: factor * (28.0 if p in asking else 1.0) for p, factor in usual.items()})

"""`loop.frozen`: weights that no update changes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from tests.doctor.faults.proving import case_of, proven, silent
from tests.doctor.made import mlp, plain, rings
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit.doctor.faults.loop_frozen import register, suspect, unregistered

x, y = rings(400)
HELD = rings(200, seed=1)
ADAM = {"kind": torch.optim.Adam, "lr": 0.01, "epochs": 12}


def detached(layer: nn.Module, x: Tensor) -> Tensor:
    return layer(x).tanh().detach()


def bare(layer: nn.Module, x: Tensor) -> Tensor:
    return layer(x).tanh().data


def ungraded(layer: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        return layer(x).tanh()


def through_numpy(layer: nn.Module, x: Tensor) -> Tensor:
    return torch.from_numpy(layer(x).tanh().detach().numpy())


def made_again(layer: nn.Module, x: Tensor) -> Tensor:
    return torch.tensor(layer(x).tanh().detach().numpy())


class Cut(nn.Module):
    def __init__(self, way: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.first, self.last, self.way = nn.Linear(2, 8), nn.Linear(8, 3), way

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.way(self.first, x))


class Listed(nn.Module):
    def __init__(self, width: int = 8) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.layers = [nn.Linear(2, width), nn.Linear(width, width)]
        self.scale = torch.ones(3, requires_grad=True)
        self.last = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x).relu()
        return self.last(x) * self.scale


@pytest.mark.parametrize("way", [detached, bare, ungraded, through_numpy, made_again])
def test_a_graph_that_is_cut(way: Callable[[nn.Module, Tensor], Tensor]) -> None:
    suspicion, proof = proven(suspect, plain(Cut(way), x, y, held=HELD, **ADAM))
    assert suspicion.evidence["reason"] == "cut"
    assert suspicion.evidence["weights"] == ["first.weight", "first.bias"]
    assert proof.gain is not None
    assert proof.gain.value > 0.1


def test_layers_in_a_plain_list() -> None:
    network = Listed()
    assert [name for _, name, _ in unregistered(network)] == ["layers_0", "layers_1", "scale"]
    suspicion, proof = proven(suspect, plain(network, x, y, held=HELD, **ADAM))
    assert suspicion.certain
    assert "ModuleList" in proof.remedy.words  # type: ignore[union-attr]
    register([network])
    assert not list(unregistered(network))
    assert len(list(network.parameters())) == 7


def test_weights_that_the_optimiser_was_not_given() -> None:
    frozen = ("0.weight", "0.bias", "2.weight", "2.bias")
    suspicion, _ = proven(suspect, plain(mlp(2, 3, width=6), x, y, held=HELD, frozen=frozen, **ADAM))
    assert suspicion.evidence["reason"] == "unknown"
    assert suspicion.certain


def test_an_optimiser_of_other_weights() -> None:
    names = tuple(name for name, _ in mlp(2, 3).named_parameters())
    program = plain(mlp(2, 3), x, y, held=HELD, frozen=names[:-1], **ADAM)
    program.optimizers[0] = type(program.optimizers[0])(torch.optim.Adam, ((),), program.optimizers[0].options)
    program.finals = [one.requires_grad_() for one in program.networks]
    suspicion, _ = proven(suspect, program)
    assert "other weights" in suspicion.message


def test_a_trained_body_that_is_frozen_on_purpose() -> None:
    body = mlp(2, 3)
    plain(body, x, (y + 1) % 3, **{**ADAM, "epochs": 20})  # pretrained
    torch.manual_seed(0)
    network = nn.Sequential(*body[:4], nn.Linear(32, 3))
    for weight in network[:4].parameters():
        weight.requires_grad_(False)
    program = plain(network, x, y, held=HELD, frozen=("0.weight", "0.bias", "2.weight", "2.bias"), **ADAM)
    suspicion = suspect(case_of(program))
    assert suspicion is not None
    assert not suspicion.certain
    assert suspicion.evidence["as_torch_draws_them"] is False
    assert silent(suspect, program)


def test_spare_layers_that_nothing_depends_on() -> None:
    network = mlp(2, 3)
    network.add_module("spare", nn.Identity())
    network.spare.register_parameter("weight", nn.Parameter(torch.rand(4, 4) / 2))
    assert suspect(case_of(plain(network, x, y, F.cross_entropy, held=HELD, **ADAM))) is None

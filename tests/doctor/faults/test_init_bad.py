"""Units that begin alike and weights of the wrong size; practices that are sound gain nothing and are acquitted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from tests.doctor.faults.looped import case, mlp, moons, program, tried
from torch import Tensor, nn

from goodfit.doctor.faults.init_bad import suspect


class Own(nn.Module):
    """Weights of a user's own."""

    def __init__(self, value: float | None) -> None:
        super().__init__()
        self.w1, self.b1 = (
            nn.Parameter(torch.randn(4, 32) / 2 if value is None else torch.full((4, 32), value)),
            nn.Parameter(torch.zeros(32)),
        )
        self.w2, self.b2 = (
            nn.Parameter(torch.randn(32, 3) / 6 if value is None else torch.full((32, 3), value)),
            nn.Parameter(torch.zeros(3)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x @ self.w1 + self.b1) @ self.w2 + self.b2


@pytest.mark.parametrize("fill", [lambda w: w.zero_(), lambda w: w.fill_(0.5), lambda w: w.mul_(1e-4)])
def test_weights_alike_or_lost_are_certain_and_repaired(fill: Callable[[Tensor], Tensor]) -> None:
    network = mlp(4, 48, 48, 3)
    with torch.no_grad():
        for weight in network.parameters():
            fill(weight)
    suspicion, proof = tried(suspect, program(network, *moons(), lr=0.2, updates=250))
    assert suspicion is not None
    assert suspicion.certain
    assert proof is not None
    assert "initial values" in (proof.remedy.words if proof.remedy else "")


def test_matrices_of_a_users_own_are_seen() -> None:
    suspicion, proof = tried(suspect, program(Own(0.3), *moons(), optimizer=torch.optim.Adam, lr=1e-2, updates=200))
    assert suspicion is not None
    assert suspicion.certain
    assert list(suspicion.evidence["layers"]) == ["w1"]
    assert proof is not None
    assert suspect(case(program(Own(None), *moons(), updates=10))) is None


def test_torchs_own_values_and_a_last_layer_of_zeros_are_not_suspected() -> None:
    network = mlp(4, 48, 48, 3)
    assert suspect(case(program(network, *moons(), updates=10))) is None
    with torch.no_grad():
        network[-1].weight.zero_()  # type: ignore[operator, union-attr]
    assert suspect(case(program(network, *moons(), updates=10))) is None


def test_trained_weights_of_an_odd_size_are_acquitted() -> None:
    start = program(mlp(4, 32, 3), *moons(), optimizer=torch.optim.Adam, lr=3e-2, updates=300)
    network = start.finals[0]
    with torch.no_grad():
        network[0].weight.mul_(6), network[0].bias.mul_(6), network[2].weight.div_(6)  # type: ignore[index]
    suspicion, proof = tried(suspect, program(network, *moons(), optimizer=torch.optim.Adam, lr=1e-3, updates=60))
    assert suspicion is not None
    assert proof is None


def test_units_that_begin_alike_and_are_parted_by_the_next_layer_are_not_certain() -> None:
    network = mlp(4, 32, 3)
    with torch.no_grad():
        network[0].weight.fill_(0.2)  # type: ignore[operator, union-attr]
    suspicion = suspect(case(program(network, *moons(), updates=10)))
    assert suspicion is not None
    assert not suspicion.certain

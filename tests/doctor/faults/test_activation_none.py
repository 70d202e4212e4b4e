"""Weights on weights are told exactly, whatever the network is made of."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from tests.doctor.faults.looped import case, groups, mlp, moons, program, tried
from torch import Tensor, nn

from goodfit.doctor.faults.activation_none import deviation, suspect


class Plain(nn.Module):
    """A user's own class, without or with an activation, a norm and a shortcut."""

    def __init__(self, act: bool) -> None:
        super().__init__()
        self.act = act
        self.first, self.norm, self.second, self.out = nn.Linear(4, 32), nn.BatchNorm1d(32), nn.Linear(32, 32), nn.Linear(32, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.first(x))
        x = x + self.second(F.relu(x) if self.act else x)
        out: Tensor = self.out(x)
        return out


def test_a_stack_of_linear_layers_is_linear_and_an_activation_repairs_it() -> None:
    suspicion, proof = tried(suspect, program(mlp(4, 32, 32, 3, act=None), *moons(), optimizer=torch.optim.Adam, lr=3e-3, updates=250))
    assert suspicion is not None
    assert suspicion.certain
    assert suspicion.evidence["deviation_from_linear"] < 1e-12
    assert proof is not None
    assert proof.gain is not None
    assert proof.gain.value > 0.5


def test_functions_in_a_forward_count() -> None:
    for act in (False, True):
        one = case(program(Plain(act), *moons(), optimizer=torch.optim.Adam, lr=3e-3, updates=20))
        assert (suspect(one) is None) is act
        error = deviation(one)
        assert error is not None
        assert (error > 1e-6) is act


def test_a_linear_network_on_linear_data_is_acquitted() -> None:
    suspicion, proof = tried(suspect, program(mlp(8, 16, 4, act=None), *groups(), optimizer=torch.optim.Adam, lr=1e-2, updates=250))
    assert suspicion is not None
    assert proof is None


def test_one_layer_and_gated_layers_are_not_suspected() -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.out = nn.GRU(1, 8, batch_first=True), nn.Linear(8, 3)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.out(self.rnn(x.unsqueeze(-1))[0][:, -1])
            return out

    for network in (nn.Sequential(nn.Linear(4, 3)), Gated(), nn.Sequential(nn.Linear(4, 8), nn.Sigmoid(), nn.Linear(8, 3))):
        assert suspect(case(program(network, *moons(), updates=10))) is None

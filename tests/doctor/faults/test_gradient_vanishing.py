"""Deep sigmoids, deep plain stacks and long sequences; short networks are not suspected."""

from __future__ import annotations

import torch
from tests.doctor.faults.looped import case, mlp, moons, program, tried
from torch import Tensor, nn

from goodfit.doctor.faults.gradient_vanishing import over_time, suspect
from goodfit.doctor.layers import weighted


class Reader(nn.Module):
    """A plain recurrent layer that has to know its first step at its last."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.out = nn.RNN(1, 24, batch_first=True), nn.Linear(24, 2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.out(self.rnn(x)[0][:, -1])
        return out


def test_six_sigmoids_let_no_gradient_through() -> None:
    suspicion, proof = tried(
        suspect, program(mlp(4, 24, 24, 24, 24, 24, 3, act=nn.Sigmoid), *moons(), optimizer=torch.optim.Adam, lr=3e-3, updates=200)
    )
    assert suspicion is not None
    assert suspicion.evidence["gradient_first_to_last"] < 1e-2
    assert proof is not None
    assert proof.gain is not None
    assert proof.gain.value > 0.3


def test_a_deep_stack_of_relu_lets_no_input_through() -> None:
    one = case(program(mlp(4, *[24] * 12, 3), *moons(), lr=0.1, updates=30))
    suspicion = suspect(one)
    assert suspicion is not None
    assert suspicion.evidence["spread_of_fresh_answers"] < 1e-3


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(24, 24)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.layer(x))


def test_shortcuts_around_blocks_let_the_gradient_through() -> None:
    torch.manual_seed(0)
    deep = nn.Sequential(nn.Linear(4, 24), *[Block() for _ in range(8)], nn.Linear(24, 3))
    one = case(program(deep, *moons(), optimizer=torch.optim.Adam, lr=3e-3, updates=200))
    suspicion = suspect(one)
    assert suspicion is not None
    assert suspicion.strength > 0.6
    proof = one.duel(suspicion, suspicion.remedies[0])
    assert "each Block" in suspicion.remedies[0].words
    assert proof is not None
    assert proof.gain is not None
    assert proof.gain.value > 0.3


def test_a_long_sequence_fades_and_a_gated_layer_is_among_the_remedies() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 60, 1, generator=generator)
    one = case(program(Reader(), x, (x[:, 0, 0] > 0).long(), optimizer=torch.optim.Adam, lr=1e-3, updates=20, held=60))
    assert over_time(one, weighted(one)[0]) < 1e-4
    suspicion = suspect(one)
    assert suspicion is not None
    assert any("GRU" in remedy.words for remedy in suspicion.remedies)
    assert one.outcome(suspicion.remedies[0].change(one.setup)).finite


def test_short_networks_and_short_sequences_are_not_suspected() -> None:
    assert suspect(case(program(mlp(4, 32, 32, 3), *moons(), updates=20))) is None
    x = torch.randn(200, 5, 1, generator=torch.Generator().manual_seed(0))
    assert suspect(case(program(Reader(), x, (x[:, 0, 0] > 0).long(), updates=20, held=60))) is None

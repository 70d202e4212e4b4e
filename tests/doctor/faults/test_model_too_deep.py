"""A deep stack that a shallower one learns better than; blocks are left out whole."""

from __future__ import annotations

from tests.doctor.faults.looped import case, mlp, moons, program, tried
from torch import Tensor, nn

from goodfit.doctor.faults.model_too_deep import suspect
from goodfit.doctor.layers import repeated
from goodfit.doctor.short import Setup, fresh
from goodfit.doctor.surgery import Through, shallower


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 16))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.inner(x)
        return out


class Blocks(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.blocks, self.out = nn.Linear(4, 16), nn.ModuleList([Block() for _ in range(4)]), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.out(x)
        return out


def test_fourteen_layers_learn_less_than_two() -> None:
    suspicion, proof = tried(suspect, program(mlp(4, *[24] * 14, 3), *moons(), lr=0.1, updates=200))
    assert suspicion is not None
    assert len(suspicion.evidence["layers_left_out"]) == 12
    assert proof is not None
    assert proof.gain is not None
    assert proof.gain.value > 0.5
    assert proof.after[0].trained_loss < proof.before[0].trained_loss


def test_a_short_network_is_not_suspected() -> None:
    assert suspect(case(program(mlp(4, 24, 24, 3), *moons(), lr=0.1, updates=40))) is None


def test_blocks_with_shortcuts_are_trained_well_enough() -> None:
    _, proof = tried(suspect, program(Blocks(), *moons(), lr=0.1, updates=200))
    assert proof is None


def test_blocks_are_left_out_whole() -> None:
    one = case(program(Blocks(), *moons(), lr=0.1, updates=10))
    gone = repeated(one)
    assert [layer.path for layer in gone] == ["blocks.1", "blocks.2", "blocks.3"]
    network = fresh(one.view, Setup(surgery=(shallower(gone),))).networks[0]
    assert sum(isinstance(module, Through) for module in network.modules()) == 3
    assert network(moons()[0][:5]).shape == (5, 3)

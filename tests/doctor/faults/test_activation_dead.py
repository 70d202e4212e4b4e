"""Dead units count over many batches, where they are missed, and where the rate has not killed them."""

from __future__ import annotations

import torch
from tests.doctor.faults.looped import case, mlp, moons, program, tried
from torch import nn

from goodfit.doctor.faults.activation_dead import suspect


def lowered(by: float, width: int = 32) -> nn.Sequential:
    network = mlp(4, width, 3)
    with torch.no_grad():
        network[0].bias.sub_(by)  # type: ignore[operator]
    return network


def test_a_dead_layer_is_found_and_repaired() -> None:
    suspicion, proof = tried(suspect, program(lowered(4.0, 48), *moons(), optimizer=torch.optim.Adam, lr=1e-2, updates=250))
    assert suspicion is not None
    assert suspicion.evidence["dead_at_the_start"] > 0.9
    assert proof is not None
    assert any(word in (proof.remedy.words if proof.remedy else "") for word in ("Leaky", "norm"))
    assert proof.gain is not None
    assert proof.gain.value > 0.3


def test_units_that_a_high_rate_has_killed_are_not_blamed() -> None:
    suspicion, proof = tried(suspect, program(mlp(4, 32, 32, 3), *moons(), optimizer=torch.optim.Adam, lr=3.0, updates=200))
    assert suspicion is not None
    assert suspicion.evidence["dead_at_the_start"] < 0.2
    assert proof is None


def test_many_zeros_are_not_dead_units() -> None:
    assert suspect(case(program(mlp(4, 64, 64, 3), *moons(), lr=0.1, updates=60))) is None


def test_dead_units_that_nothing_is_lost_by_wait_for_a_bad_outcome() -> None:
    network = mlp(4, 96, 3)
    with torch.no_grad():
        network[0].bias[:60] = -50.0  # type: ignore[index]
    suspicion, proof = tried(suspect, program(network, *moons(), optimizer=torch.optim.Adam, lr=1e-2, updates=250))
    assert suspicion is not None
    assert not suspicion.always
    assert not suspicion.certain
    assert proof is None

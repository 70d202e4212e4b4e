"""Saturated units count where they are hidden, and where swapping them helps."""

from __future__ import annotations

import torch
from tests.doctor.faults.looped import case, groups, mlp, moons, program, tried
from torch import nn

from goodfit.doctor.faults.activation_saturated import suspect


def test_units_at_their_bounds_are_found_and_a_swap_repairs_them() -> None:
    x, y = moons()
    made = program(mlp(4, 32, 32, 3, act=nn.Tanh), x * 60, y, optimizer=torch.optim.Adam, lr=3e-3, updates=200)
    suspicion, proof = tried(suspect, made)
    assert suspicion is not None
    assert suspicion.evidence["saturated"] > 0.5
    assert proof is not None
    assert "ReLU" in (proof.remedy.words if proof.remedy else "")


def test_a_sure_output_is_not_a_hidden_unit() -> None:
    x, y = groups(classes=2)
    network = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1), nn.Sigmoid(), nn.Flatten(0))
    with torch.no_grad():
        network[2].weight.mul_(500)
    one = case(program(network, x * 3, y.float(), loss=nn.functional.binary_cross_entropy, lr=0.01, updates=40))
    assert max(found.saturated for found in one.vitals.later) > 0.5
    assert suspect(one) is None


def test_usual_tanh_units_are_not_suspected() -> None:
    assert suspect(case(program(mlp(4, 32, 32, 3, act=nn.Tanh), *moons(), updates=30))) is None

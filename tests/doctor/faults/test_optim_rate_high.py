"""A rate that is too high is found at both ends of harm: numbers lost, and a loss that only jumps."""

from __future__ import annotations

import math

import pytest
import torch
from tests.doctor.faults.looped import mlp, moons, program, tried
from torch import nn

from goodfit.doctor.faults.optim_rate_high import suspect


@pytest.mark.parametrize(("optimizer", "rate"), [(torch.optim.Adam, 3.0), (torch.optim.SGD, 50.0)])
def test_a_high_rate_is_proven_and_a_usual_one_proposed(optimizer: type, rate: float) -> None:
    suspicion, proof = tried(suspect, program(mlp(4, 32, 32, 3), *moons(), optimizer=optimizer, lr=rate, updates=250))
    assert suspicion is not None
    assert suspicion.strength > 0.5
    assert proof is not None
    assert proof.setup is not None
    assert proof.gain is not None
    assert proof.gain.value > 0.5
    assert 1e-3 <= rate * proof.setup.rate <= 1.0
    assert "learning rate to" in (proof.remedy.words if proof.remedy else "")


@pytest.mark.parametrize("rate", [3e-3, 1e-6])
def test_a_sound_or_low_rate_is_acquitted(rate: float) -> None:
    suspicion, proof = tried(suspect, program(mlp(4, 32, 32, 3), *moons(), optimizer=torch.optim.Adam, lr=rate, updates=250))
    assert suspicion is None or not suspicion.always
    assert proof is None


def test_a_network_that_cannot_learn_is_not_blamed_on_its_rate() -> None:
    _, proof = tried(suspect, program(nn.Sequential(nn.Linear(4, 3)), *moons(), lr=0.1, updates=150))
    assert proof is None


def test_the_loss_that_left_the_numbers_is_said() -> None:
    suspicion, _ = tried(suspect, program(mlp(4, 32, 3), *moons(), lr=1e6, updates=60))
    assert suspicion is not None
    assert not math.isfinite(suspicion.evidence["loss_at_end"])

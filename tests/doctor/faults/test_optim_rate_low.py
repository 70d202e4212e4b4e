"""A rate that is too low, and a schedule that takes it away, are told from too few updates."""

from __future__ import annotations

import torch
from tests.doctor.faults.looped import case, mlp, moons, program, tried

from goodfit.doctor.faults import optim_rate_high
from goodfit.doctor.faults.optim_rate_low import suspect
from goodfit.doctor.rates import sweep


def test_a_low_rate_is_proven_and_a_usual_one_proposed() -> None:
    suspicion, proof = tried(suspect, program(mlp(4, 32, 32, 3), *moons(), optimizer=torch.optim.Adam, lr=1e-6, updates=250))
    assert suspicion is not None
    assert suspicion.strength > 0.5
    assert proof is not None
    assert proof.setup is not None
    assert 1e-3 <= 1e-6 * proof.setup.rate <= 0.1
    assert "rates" in proof.facts


def test_a_schedule_stepped_with_every_batch_is_found() -> None:
    made = program(mlp(4, 32, 32, 3), *moons(), optimizer=torch.optim.Adam, lr=3e-3, updates=300, schedule=lambda n: 0.8**n)
    suspicion, proof = tried(suspect, made)
    assert suspicion is not None
    assert suspicion.evidence["rate_left_at_half"] < 1e-3
    assert proof is not None
    assert proof.setup is not None
    assert proof.setup.constant or proof.setup.rate > 1


def test_few_updates_at_a_usual_rate_are_not_a_low_rate() -> None:
    _, proof = tried(suspect, program(mlp(4, 64, 64, 3), *moons(), optimizer=torch.optim.Adam, lr=1e-3, updates=20))
    assert proof is None


def test_a_sound_program_is_acquitted() -> None:
    suspicion, proof = tried(suspect, program(mlp(4, 32, 32, 3), *moons(), optimizer=torch.optim.Adam, lr=3e-3, updates=250))
    assert suspicion is not None
    assert not suspicion.always
    assert proof is None


def test_the_sweep_is_paid_once_for_both_directions() -> None:
    one = case(program(mlp(4, 16, 3), *moons(), optimizer=torch.optim.Adam, lr=1e-6, updates=100))
    found = sweep(one)
    runs = one.runs
    assert sweep(one) is found
    high = optim_rate_high.suspect(one)
    assert high is not None
    assert one.best(high) is None
    assert one.runs == runs
    assert found.best > 100
    assert found.losses[found.best] < 0.8 * found.start

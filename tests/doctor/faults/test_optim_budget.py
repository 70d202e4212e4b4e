"""Training that was stopped too soon is told from a low rate and from training that is done."""

from __future__ import annotations

import torch
from tests.doctor.faults.looped import case, mlp, moons, program, tried

from goodfit.doctor.faults.optim_budget import falling, suspect


def test_twenty_updates_are_too_few() -> None:
    suspicion, proof = tried(suspect, program(mlp(4, 64, 64, 3), *moons(), optimizer=torch.optim.Adam, lr=1e-3, updates=20))
    assert suspicion is not None
    assert proof is not None
    assert proof.setup is not None
    assert proof.setup.stretch in {4.0, 16.0}
    assert proof.gain is not None
    assert proof.gain.value > 0.4
    assert len(proof.after[0].losses) == 20 * proof.setup.stretch


def test_a_low_rate_is_not_a_small_budget() -> None:
    _, proof = tried(suspect, program(mlp(4, 32, 32, 3), *moons(), optimizer=torch.optim.Adam, lr=2e-5, updates=60))
    assert proof is None


def test_training_that_is_done_is_not_suspected() -> None:
    suspicion, _ = tried(suspect, program(mlp(4, 32, 32, 3), *moons(), optimizer=torch.optim.Adam, lr=5e-3, updates=400))
    assert suspicion is None


def test_no_time_is_said() -> None:
    one = case(program(mlp(4, 64, 64, 3), *moons(), optimizer=torch.optim.Adam, lr=1e-3, updates=20), seconds=60)
    found = suspect(one)
    assert found is not None
    one.deadline -= 59.99
    assert one.best(found) is None
    assert any("no time" in words for words in one.not_seen)


def test_falling_counts_the_last_third() -> None:
    assert falling([3.0, 2.9, 2.8, 2.7, 2.6, 2.5, 2.4, 2.3, 2.2]) > 0.2
    assert falling([3.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]) < 0.01

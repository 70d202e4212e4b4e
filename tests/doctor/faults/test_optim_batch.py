"""One batch of everything makes too few updates; batches that do well are left alone."""

from __future__ import annotations

import torch
from tests.doctor.faults.looped import mlp, moons, program, tried

from goodfit.doctor.faults.optim_batch import suspect


def test_all_rows_at_once_for_fifteen_updates() -> None:
    suspicion, proof = tried(suspect, program(mlp(4, 64, 64, 3), *moons(500), optimizer=torch.optim.Adam, lr=3e-3, batch=400, updates=15))
    assert suspicion is not None
    assert proof is not None
    assert proof.setup is not None
    assert proof.setup.batch < 0.1
    assert abs(proof.setup.batch * proof.setup.stretch - 1) < 1e-9  # as many rows in all
    assert "batches of" in (proof.remedy.words if proof.remedy else "").lower()


def test_batches_of_one_that_only_need_a_lower_rate_are_not_blamed() -> None:
    suspicion, proof = tried(suspect, program(mlp(4, 16, 3), *moons(300), lr=0.3, batch=1, updates=400))
    assert suspicion is not None
    assert proof is None


def test_usual_batches_and_long_training_by_whole_batches_are_not_suspected() -> None:
    for batch, updates in ((32, 40), (400, 400)):
        suspicion, _ = tried(suspect, program(mlp(4, 8, 3), *moons(500), optimizer=torch.optim.Adam, lr=3e-3, batch=batch, updates=updates))
        assert suspicion is None

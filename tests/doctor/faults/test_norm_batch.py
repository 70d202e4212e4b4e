"""`norm.batch`: running statistics that are not those of the data."""

from __future__ import annotations

import torch
from tests.doctor.faults.proving import case_of, proven, silent
from tests.doctor.made import mlp, plain, rings
from torch import nn

from goodfit.doctor.faults.norm_batch import suspect

x, y = rings(600)
HELD = rings(300, seed=1)


def normed(momentum: float = 0.1) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(2, 32), nn.BatchNorm1d(32, momentum=momentum), nn.ReLU(), nn.Linear(32, 32), nn.BatchNorm1d(32, momentum=momentum), nn.ReLU(), nn.Linear(32, 3),
    )  # fmt: skip


def test_statistics_that_lag() -> None:
    suspicion, proof = proven(suspect, plain(normed(0.001), x, y, held=HELD, kind=torch.optim.Adam, lr=0.01, epochs=6))
    assert suspicion.always
    assert proof.gain is not None
    assert proof.gain.value > 0.1


def test_statistics_that_are_right() -> None:
    assert suspect(case_of(plain(normed(), x, y, held=HELD, kind=torch.optim.Adam, lr=0.01, epochs=8))) is None


def test_small_batches_without_harm() -> None:
    program = plain(normed(), x, y, held=HELD, kind=torch.optim.Adam, lr=0.003, epochs=3, batch=8)
    suspicion = suspect(case_of(program))
    assert suspicion is None or not (suspicion.certain or suspicion.always) or silent(suspect, program)


def test_no_batch_norm() -> None:
    assert suspect(case_of(plain(mlp(2, 3), x, y, held=HELD))) is None

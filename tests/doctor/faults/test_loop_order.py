"""`loop.order`: rows in the order of their targets."""

from __future__ import annotations

import torch
from tests.doctor.faults.proving import case_of, proven, silent
from tests.doctor.made import blobs, mlp, plain, rings
from torch import Tensor
from torch.nn import functional as F

from goodfit.doctor.faults.loop_order import suspect
from goodfit.doctor.program import Backward, Program

HELD = rings(200, seed=1)


def in_order(
    x: Tensor,
    y: Tensor,
    network: torch.nn.Module,
    held: tuple[Tensor, Tensor],
    epochs: int = 6,
    loss: object = F.cross_entropy,
    lr: float = 0.1,
) -> Program:
    """The loop run with rows as they come."""
    program = plain(network, x, y, loss, held=held, lr=lr, epochs=epochs)
    at = 0
    for event in program.events:
        if isinstance(event, Backward):
            rows = torch.arange(at, min(at + 32, len(x)))
            at = (at + 32) % len(x) if at + 32 < len(x) else 0
            object.__setattr__(event.tape, "data", (x[rows], y[rows]))
    return program


def test_one_class_after_the_other() -> None:
    x, y = blobs(600, spread=1.5)
    order = y.argsort()
    suspicion, proof = proven(suspect, in_order(x[order], y[order], mlp(8, 3), blobs(300, spread=1.5)))
    assert suspicion.certain
    assert suspicion.evidence["variance_between_batches"] > 0.8
    assert proof.gain is not None
    assert proof.gain.value > 0.05


def test_rows_in_the_same_mixed_order_every_time() -> None:
    x, y = blobs(600)
    assert suspect(case_of(in_order(x, y, mlp(8, 3), blobs(300)))) is None


def test_rows_in_the_order_of_time_without_harm() -> None:
    time = torch.linspace(0, 12, 600)
    generator = torch.Generator().manual_seed(0)
    y = time.sin().unsqueeze(1)
    x = torch.cat([y, torch.randn(600, 3, generator=generator)], 1)
    program = in_order(x, y, mlp(4, 1), (x[::3], y[::3]), loss=F.mse_loss, lr=0.05)
    suspicion = suspect(case_of(program))
    assert suspicion is not None
    assert not suspicion.certain
    assert silent(suspect, program)

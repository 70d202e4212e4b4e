"""A copy that stands at a saddle is shown the way out; one that stands at a minimum is not."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from tests.doctor.faults.looped import case, groups, program, tried
from torch import Tensor, nn

from goodfit.doctor.faults.curvature_saddle import suspect, way_out


class Product(nn.Module):
    """Two maps of the user's own, one after the other, that begin near 0: a saddle of the loss."""

    def __init__(self, size: float) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.u = nn.Parameter(size * torch.randn(8, 12, generator=generator))
        self.v = nn.Parameter(size * torch.randn(12, 1, generator=generator))

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x @ self.u) @ self.v


def rule(rows: int = 300) -> tuple[Tensor, Tensor]:
    x, _ = groups(rows)
    x = (x - x.mean(0)) / x.std(0)
    return x, (x @ torch.tensor([1.0, -1.0, 0.5, 0, 0, 0, 0, 0])).unsqueeze(1)


def test_a_saddle_is_told_and_noise_leads_off_it() -> None:
    one = case(program(Product(0.0), *rule(), loss=F.mse_loss, lr=0.02, batch=192, updates=60))
    one.outcome()
    out = way_out(one)
    assert out is not None
    assert out.kind == "saddle"
    assert out.bent > 10 * max(out.straight, 1e-12)
    suspicion, proof = tried(suspect, one)
    assert suspicion is not None
    assert proof is not None
    assert proof.facts["lowest_eigenvalue"] < 0
    assert proof.gain is not None
    assert proof.gain.value > 0.06


def test_a_loss_that_falls_is_not_suspected() -> None:
    assert suspect(case(program(Product(0.5), *rule(), loss=F.mse_loss, lr=0.02, batch=64, updates=60))) is None


def test_a_minimum_is_no_saddle() -> None:
    x, y = rule()
    noise = torch.randn(len(y), 1, generator=torch.Generator().manual_seed(1))
    suspicion, proof = tried(suspect, program(nn.Sequential(nn.Linear(8, 1)), x, y + noise, loss=F.mse_loss, lr=0.1, batch=64, updates=200))
    assert suspicion is not None
    assert proof is None

"""An optimiser that crawls at any rate, and one that needs another rate only."""

from __future__ import annotations

import torch
from tests.doctor.faults.looped import program, tried
from torch import Tensor, nn

from goodfit.doctor.faults.optim_choice import suspect


def uneven(rows: int = 400) -> tuple[Tensor, Tensor]:
    """A linear rule over features whose sizes lie a hundredfold apart: what plain descent crawls on."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(rows, 6, generator=generator)
    y = (x @ torch.tensor([1.0, -1.0, 1.0, 1.0, -1.0, 1.0]) > 0).long()
    return x * torch.tensor([100.0, 0.1, 0.1, 0.1, 0.1, 0.1]), y


class Scaled(nn.Module):
    """Learns one factor for each feature, and a plane."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(x)


def test_plain_descent_that_crawls_at_its_best_rate() -> None:
    made = program(Scaled(), *uneven(), optimizer=torch.optim.SGD, lr=1e-3, updates=300)
    suspicion, proof = tried(suspect, made)
    assert suspicion is not None
    assert "momentum" in suspicion.evidence["reason"]
    assert proof is not None
    assert proof.setup is not None
    assert proof.setup.optimizer is torch.optim.AdamW
    assert "AdamW" in (proof.remedy.words if proof.remedy else "")


def test_a_rate_is_not_an_optimiser() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(400, 6, generator=generator)
    suspicion, proof = tried(suspect, program(Scaled(), x, (x.sum(1) > 0).long(), lr=1e-6, updates=150))
    assert suspicion is not None
    assert proof is None


def test_usual_optimisers_are_not_suspected() -> None:
    for optimizer, options in ((torch.optim.Adam, {}), (torch.optim.SGD, {"momentum": 0.9}), (torch.optim.RMSprop, {})):
        suspicion, _ = tried(suspect, program(Scaled(), *uneven(), optimizer=optimizer, lr=1e-3, updates=20, **options))
        assert suspicion is None


def test_constants_far_from_the_usual_are() -> None:
    suspicion, _ = tried(suspect, program(Scaled(), *uneven(), optimizer=torch.optim.Adam, lr=1e-3, updates=20, betas=(0.9, 0.1)))
    assert suspicion is not None

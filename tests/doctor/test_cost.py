"""What an update costs, as it is counted."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from goodfit.doctor.cost import CALL, FLOP, seconds_of


@pytest.mark.parametrize(
    ("network", "x"),
    [
        (nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 3)), torch.ones(8, 10)),
        (nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(288, 3)), torch.ones(8, 1, 8, 8)),
        (nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), torch.ones(8, 12, 16)),
    ],
)
def test_products_are_counted_as_torch_counts_them(network: nn.Module, x: torch.Tensor) -> None:
    def work() -> None:
        network(x).square().mean().backward()

    with FlopCounterMode(display=False) as flops:
        work()
    assert flops.get_total_flops() > 0
    many = seconds_of(work)
    assert many >= flops.get_total_flops() * FLOP
    assert many == seconds_of(work)


def test_a_longer_series_costs_more() -> None:
    short, long = (seconds_of(lambda steps=steps: nn.LSTM(64, 128)(torch.ones(steps, 4, 64))[0].sum().backward()) for steps in (10, 100))  # type: ignore[misc]
    assert long - short > 90 * 4 * 2 * 3 * (4 * 128 * (64 + 128)) * FLOP * 0.99
    assert long > 3 * short > 30 * CALL


def test_a_view_of_a_weight_made_without_gradients() -> None:
    class Viewed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.position = nn.Parameter(torch.ones(1, 4))
            self.mix = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.mix(self.position.expand(len(x), -1))

    with torch.no_grad():
        assert seconds_of(lambda: Viewed()(torch.ones(3, 4))) > 0

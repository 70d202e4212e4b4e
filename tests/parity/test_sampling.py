"""The filters of sampling against transformers' logits warpers."""

from __future__ import annotations

import pytest
import torch
from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from goodfit.nn.sampling import temper, top_k, top_p


@pytest.fixture
def logits() -> torch.Tensor:
    return 3 * torch.randn(40, 31, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("temperature", [0.1, 0.7, 1.0, 2.5])
def test_temperature(logits: torch.Tensor, temperature: float) -> None:
    assert torch.equal(temper(logits, temperature), TemperatureLogitsWarper(temperature)(None, logits))


@pytest.mark.parametrize("k", [1, 2, 5, 30, 31, 50])
def test_top_k(logits: torch.Tensor, k: int) -> None:
    assert torch.equal(top_k(logits, k), TopKLogitsWarper(k)(None, logits))


@pytest.mark.parametrize("p", [0.01, 0.3, 0.5, 0.9, 0.99, 1.0])
def test_top_p(logits: torch.Tensor, p: float) -> None:
    assert torch.equal(top_p(logits, p), TopPLogitsWarper(p)(None, logits))


def test_one_after_the_other(logits: torch.Tensor) -> None:
    wanted = TopPLogitsWarper(0.8)(None, TopKLogitsWarper(7)(None, TemperatureLogitsWarper(1.3)(None, logits)))
    assert torch.equal(top_p(top_k(temper(logits, 1.3), 7), 0.8), wanted)

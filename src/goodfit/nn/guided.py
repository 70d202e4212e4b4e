"""Attention that should run along the diagonal. B rows, T target steps, S source steps."""

from __future__ import annotations

import torch
from torch import Tensor

from goodfit.nn.shapes import expect


def guided_penalty(weights: Tensor, source_mask: Tensor, target_mask: Tensor, width: float = 0.2) -> Tensor:
    """How far attention is from the diagonal: mean over t of the sum over s of weights[t, s] (1 - exp(-(s / S - t / T)^2 / (2 width^2))).

    weights: [B, T, S], of each target step its attention to the source, sum 1. source_mask [B, S], target_mask [B, T]: True at real steps,
    which come first; S and T in the formula are a row's own lengths. width: 0.2, as in the paper: a fifth off the diagonal costs 0.39.
    Returns the penalty of each row [B], within 0 and 1; 0 for a row without target steps.

    Source: Tachibana et al. 2018, equations 3 and 4. They take the mean over s too, which makes long sources cheap; we take the sum.

    >>> guided_penalty(torch.eye(3)[None], torch.ones(1, 3, dtype=torch.bool), torch.ones(1, 3, dtype=torch.bool))
    tensor([0.])
    """
    expect("guided attention", weights, "B", "T", "S")
    expect("guided attention's source mask", source_mask, "B", weights.shape[2])
    expect("guided attention's target mask", target_mask, "B", weights.shape[1])
    off = _share(source_mask, weights.dtype).unsqueeze(1) - _share(target_mask, weights.dtype).unsqueeze(2)  # B T S
    penalty = 1 - torch.exp(-off.square() / (2 * width**2))
    real = target_mask.unsqueeze(2) & source_mask.unsqueeze(1)
    return (weights * penalty * real).sum((1, 2)) / target_mask.sum(1).clamp_min(1)


def _share(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Position over length: [B, T] -> [B, T], within 0 and 1 at real steps."""
    return torch.arange(mask.shape[1], device=mask.device, dtype=dtype) / mask.sum(1, keepdim=True).clamp_min(1).to(dtype)

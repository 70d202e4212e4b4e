"""Normalisation. D features."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.base.errors import SettingError, did_you_mean
from goodfit.nn.shapes import expect

NORMS = ("none", "batch", "layer")


def norm(name: str, width: int) -> nn.Module:
    """The normalisation of [B, D] called `name`: none, batch or layer. Raises SettingError for an unknown name."""
    if name == "none":
        return nn.Identity()
    if name == "batch":
        return nn.BatchNorm1d(width)
    if name == "layer":
        return nn.LayerNorm(width)
    raise SettingError(f"norm must be one of {', '.join(NORMS)}; {name!r} was given{did_you_mean(name, NORMS)}", value=name)


class RMSNorm(nn.Module):
    """x / sqrt(mean(x^2) + eps) * weight over the last dimension (Zhang and Sennrich 2019).

    eps: 1e-6, below the mean square of any activation that still carries a signal in float32.
    """

    def __init__(self, width: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.width, self.eps = width, eps
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] != self.width:
            expect("rms norm", x, *("B", "T", "H")[: x.dim() - 1], self.width)
        return F.rms_norm(x, (self.width,), self.weight.to(x.dtype), self.eps)

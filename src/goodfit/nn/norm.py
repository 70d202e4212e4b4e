"""Normalisation. B rows, D features, C channels, H and W pixels."""

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
        return BatchNorm1d(width)
    if name == "layer":
        return nn.LayerNorm(width)
    raise SettingError(f"norm must be one of {', '.join(NORMS)}; {name!r} was given{did_you_mean(name, NORMS)}", value=name)


def image_norm(name: str, channels: int) -> nn.Module:
    """The normalisation of [B, C, H, W] called `name`: none, batch (each channel over batch and pixels) or layer (each image over channels and
    pixels: Wu and He 2018, group norm with one group). Raises SettingError for an unknown name."""
    if name == "none":
        return nn.Identity()
    if name == "batch":
        return BatchNorm2d(channels)
    if name == "layer":
        return nn.GroupNorm(1, channels)
    raise SettingError(f"norm must be one of {', '.join(NORMS)}; {name!r} was given{did_you_mean(name, NORMS)}", value=name)


class BatchNorm1d(nn.BatchNorm1d):
    """torch's, but a training batch of one row, which has no variance, is normalised by the running statistics instead of refused.

    The last batch of an epoch may be one row. (Ioffe and Szegedy 2015)
    """

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if not self.training or x.numel() > x.shape[1] else _by_running(self, x)


class BatchNorm2d(nn.BatchNorm2d):
    """torch's, but a training batch of one pixel per channel is normalised by the running statistics, as in `BatchNorm1d`."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if not self.training or x.numel() > x.shape[1] else _by_running(self, x)


def _by_running(layer: nn.BatchNorm1d | nn.BatchNorm2d, x: Tensor) -> Tensor:
    return F.batch_norm(x, layer.running_mean, layer.running_var, layer.weight, layer.bias, False, 0.0, layer.eps)


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

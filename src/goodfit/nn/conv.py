"""Convolution blocks for images. B images, C channels, H and W pixels."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.nn.norm import BatchNorm2d
from goodfit.nn.shapes import expect


class ConvBlock(nn.Module):
    """Convolution, largest of each `pool` x `pool` pixels, batch norm, ReLU: [B, C, H, W] -> [B, C', H / stride / pool, W / stride / pool].

    Pooling before the normalisation gives nearly the same features as after the activation, and normalises a quarter of the pixels
    (Jordan, airbench, 2024). A side of one pixel is not pooled. stride: 1 or 2 with 3x3 filters, beyond with filters of that size.
    """

    def __init__(self, inputs: int, outputs: int, *, pool: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.inputs, self.pool = inputs, pool
        self.conv = nn.Conv2d(
            inputs, outputs, max(3, stride), stride=stride, padding=1 if stride <= 2 else 0, bias=False
        )  # the norm has a bias
        self.norm = BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        expect("convolution block", x, "B", self.inputs, "H", "W")
        x = self.conv(x)
        if self.pool > 1:
            x = F.max_pool2d(x, (min(self.pool, x.shape[2]), min(self.pool, x.shape[3])))
        return F.relu(self.norm(x), inplace=True)


class ResidualConv(nn.Module):
    """x + block(block(x)) at one width: [B, C, H, W] -> [B, C, H, W] (He et al. 2016; in the form of ResNet-9, Page 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = ConvBlock(channels, channels), ConvBlock(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(self.first(x))

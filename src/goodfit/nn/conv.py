"""Convolution blocks for images. B images, C channels, H and W pixels."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.nn.shapes import expect


class ConvBlock(nn.Module):
    """3x3 convolution, pooling, batch norm, activation: [B, C, H, W] -> [B, C', H / pool, W / pool].

    Pooling before the normalisation gives nearly the same features as after the activation and normalises a quarter of the pixels
    (Jordan, airbench, 2024). A side of one pixel is not pooled.
    """

    def __init__(self, inputs: int, outputs: int, *, pool: int = 1) -> None:
        super().__init__()
        self.inputs, self.pool = inputs, pool
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)  # the batch norm has a bias
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        expect("convolution block", x, "B", self.inputs, "H", "W")
        x = self.conv(x)
        if self.pool > 1:
            x = F.max_pool2d(x, (min(self.pool, x.shape[2]), min(self.pool, x.shape[3])))
        return F.relu(self.norm(x))


class ResidualConv(nn.Module):
    """x + block(block(x)), at one width (He et al. 2016; the form of ResNet-9, Page 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = ConvBlock(channels, channels), ConvBlock(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(self.first(x))

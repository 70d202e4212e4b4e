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


class ConvNorm(nn.Module):
    """Convolution, batch norm, and ReLU unless told otherwise: [B, C, H, W] -> [B, C', ceil(H / stride), ceil(W / stride)].

    The order of ResNet and of VGG with batch norm. size: the filter's side, an odd number of pixels; half of it is added around the image.
    Weights start as a normal that keeps the gradient's size through a ReLU (He et al. 2015, fan-out), without a bias: the norm has one.
    """

    def __init__(self, inputs: int, outputs: int, size: int = 3, *, stride: int = 1, relu: bool = True) -> None:
        super().__init__()
        self.inputs, self.stride, self.relu = inputs, stride, relu
        self.conv = nn.Conv2d(inputs, outputs, size, stride=stride if size > 1 else 1, padding=size // 2, bias=False)
        self.norm = BatchNorm2d(outputs)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        expect("convolution with batch norm", x, "B", self.inputs, "H", "W")
        x = self.norm(self._convolved(x))
        return F.relu(x, inplace=True) if self.relu else x

    def _convolved(self, x: Tensor) -> Tensor:
        """The convolution, around two faults of oneDNN's, which computes gradients in bfloat16 (torch 2.13) from memory that was never written:
        of filters with a stride of 2 on images one pixel wide, and now and then of those that see one pixel."""
        if self.stride == 1:
            return self.conv(x)
        if self.conv.kernel_size == (1, 1):
            return self.conv(x[:, :, :: self.stride, :: self.stride])
        if x.shape[3] == 1:  # where any stride to the right has one place to go to
            return F.conv2d(x, self.conv.weight, None, (self.stride, 1), self.conv.padding)
        return self.conv(x)


class ResidualConv(nn.Module):
    """x + block(block(x)) at one width: [B, C, H, W] -> [B, C, H, W] (He et al. 2016; in the form of ResNet-9, Page 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = ConvBlock(channels, channels), ConvBlock(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(self.first(x))

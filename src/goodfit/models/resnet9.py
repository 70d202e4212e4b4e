"""A small residual network for images: ResNet-9 (Page, How to Train Your ResNet, DAWNBench 2018), with the order of layers of airbench
(Jordan 2024).

B images, C channels, H and W pixels, U channels of the first block, O outputs. Eight convolutions and a linear layer; the channels double where
the sides halve, so that each convolution costs the same.
"""

from __future__ import annotations

from torch import Tensor, nn

from goodfit.base.errors import InputError
from goodfit.nn.conv import ConvBlock, ResidualConv
from goodfit.nn.dropout import Dropout
from goodfit.nn.pool import pixel_max
from goodfit.nn.shapes import expect, required

# Sides beyond this are brought down by the first convolution's stride: eight convolutions at full size would cost 16 times as much for
# 256 pixels, and after three halvings 8 pixels are left either way.
FULL_SIZE = 64


class ResNet9Encoder(nn.Module):
    """Images [B, C, H, W] -> features [B, 8 U]: the largest answer of each filter anywhere in the image."""

    def __init__(self, image: tuple[int, int, int], *, width: int = 16) -> None:
        super().__init__()
        channels, height, across = image
        if min(height, across) < 4:
            raise InputError(f"resnet9 needs images of at least 4 x 4 pixels; got {height} x {across}; set data.image_size")
        stride = 1
        while max(height, across) > FULL_SIZE * stride:
            stride *= 2
        self.image, self.width = image, 8 * width
        self.layers = nn.Sequential(
            ConvBlock(channels, width, stride=stride),
            ConvBlock(width, 2 * width, pool=2),
            ResidualConv(2 * width),
            ConvBlock(2 * width, 4 * width, pool=2),
            ConvBlock(4 * width, 8 * width, pool=2),
            ResidualConv(8 * width),
        )

    def forward(self, image: Tensor) -> Tensor:
        expect("resnet9", image, "B", *self.image)
        return pixel_max(self.layers(image))  # B 8U H W -> B 8U


class ResNet9(nn.Module):
    """Images [B, C, H, W] -> [B, O]. width: U."""

    def __init__(self, image: tuple[int, int, int], outputs: int, *, width: int = 16, dropout: float = 0.0) -> None:
        super().__init__()
        self.encoder = ResNet9Encoder(image, width=width)
        self.dropout = Dropout(dropout)
        self.head = nn.Linear(self.encoder.width, outputs)

    def forward(self, *, image: Tensor | None = None) -> Tensor:
        return self.head(self.dropout(self.encoder(required("image", image))))

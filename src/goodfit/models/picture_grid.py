"""A picture as places that can be looked at: the convolutions of ResNet-9 without the last maximum, and where each place stands.

B images, C channels, H and W pixels, S places, an eighth of the pixels to either side, D features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from goodfit.base.errors import InputError
from goodfit.models.resnet9 import ResNet9Encoder
from goodfit.nn.dropout import Dropout
from goodfit.nn.norm import RMSNorm
from goodfit.nn.pixel_positions import pixel_positions
from goodfit.nn.shapes import expect

_SHARES = 8  # the last convolutions have eight times as many channels as the first


class PictureGrid(nn.Module):
    """Images [B, C, H, W] -> [B, S, D], row by row. width: D, a multiple of 8. dropout: of what is seen at the places."""

    def __init__(self, image: tuple[int, int, int], width: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        if width % _SHARES:
            raise InputError(
                f"a picture's places have {_SHARES} times as many features as its first convolution: the width must be a multiple of {_SHARES}; {width} was given"
            )
        self.image, self.width = image, width
        self.layers = ResNet9Encoder(image, width=width // _SHARES).layers
        self.norm, self.dropout = RMSNorm(width), Dropout(dropout)

    def forward(self, image: Tensor) -> Tensor:
        expect("a picture's places", image, "B", *self.image)
        x = self.layers(image)  # B D H/8 W/8
        there = torch.ones(1, *x.shape[2:], dtype=torch.bool, device=x.device)
        places = pixel_positions(there, self.width, dtype=torch.float64 if x.dtype == torch.float64 else torch.float32)  # 1 S D
        return self.norm(self.dropout(x.flatten(2).transpose(1, 2))) + places  # B S D

"""Where a pixel stands: sines of its row and its column. B images, H and W pixels, D features."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from goodfit.base.errors import InputError
from goodfit.nn.shapes import expect

EPS = 1e-6  # beside a height or width in pixels: keeps an image without a pixel finite


def pixel_positions(mask: Tensor, width: int, *, base: float = 10_000.0, turns: float = 1.0, dtype: torch.dtype = torch.float32) -> Tensor:
    """[B, H, W], True at pixels of the image and False at padding -> [B, H * W, D], rows of pixels one after the other.

    The first half of the features are sines and cosines of the row, the second of the column, counted from 1 over the real pixels and
    scaled so that the last is at 2 pi times `turns`, at D / 4 rates from 1 down to nearly 1 / base (Carion et al., DETR, 2020; Parmar et al. 2018).
    width: D, a multiple of 4. turns: 1, as in DETR.
    """
    if width % 4:
        raise InputError(
            f"positions of pixels are a sine and a cosine for either side: the width must be a multiple of 4; {width} was given"
        )
    expect("positions of pixels", mask, "B", "H", "W")
    rate = turns * _rates(width, base, mask.device, dtype)  # D / 4
    halves = []
    for side in (1, 2):
        count = mask.to(dtype).cumsum(side)
        angle = (2 * math.pi * count / (count.narrow(side, mask.shape[side] - 1, 1) + EPS)).unsqueeze(3) * rate  # B H W D/4
        halves.append(torch.stack([angle.sin(), angle.cos()], 4).flatten(3))  # B H W D/4 2 -> B H W D/2
    return torch.cat(halves, 3).flatten(1, 2)  # B H W D -> B H*W D


def point_positions(points: Tensor, sides: tuple[int, int], width: int, *, base: float = 10_000.0, turns: float = 1.0) -> Tensor:
    """Points [Q, 2], x and y in shares of the picture -> [Q, D], what `pixel_positions` gives for the pixel whose middle is there.

    sides: height and width of the picture of which the positions are, in pixels.
    """
    expect("positions of points", points, "Q", 2)
    rate = turns * _rates(width, base, points.device, points.dtype)
    halves = []
    for share, side in ((points[:, 1], sides[0]), (points[:, 0], sides[1])):
        angle = (2 * math.pi * (share + 0.5 / side)).unsqueeze(1) * rate  # pixels are counted from 1
        halves.append(torch.stack([angle.sin(), angle.cos()], 2).flatten(1))
    return torch.cat(halves, 1)


def _rates(width: int, base: float, device: torch.device, dtype: torch.dtype) -> Tensor:
    return base ** -(torch.arange(0, width // 2, 2, device=device, dtype=dtype) / (width // 2))

"""Images changed at random in training: in batches, on the device, from a named stream.

B images, C channels, H height, W width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from goodfit.base.streams import derive, torch_stream

_SYMBOL_SIDE = 32  # pixels; grey images up to this side are digits, letters and marks more often than photographs
_MIX = (0x9E3779B97F4A7C15 - 2**64, 0x2545F4914F6CDD1D)  # odd 64-bit multipliers, the golden ratio's and xorshift*'s


@dataclass(frozen=True)
class Augment:
    """How images are changed; each is drawn uniformly from minus to plus the limit.

    shift: pixels in each direction, the border reflected (repeated where images are turned too). flip: mirrored left to right in every
    second epoch (an image that was mirrored in one epoch is not in the next, so each pair of epochs shows both: Jordan, airbench, 2024).
    rotate: degrees. scale: share of the size.
    cutout: side in pixels of a square that is set to the mean (DeVries and Taylor, 2017); 0 for none.
    """

    shift: int = 0
    flip: bool = False
    rotate: float = 0.0
    scale: float = 0.0
    cutout: int = 0

    @classmethod
    def chosen(cls, image: Mapping[str, Any], *, named: bool = False) -> Augment:
        """What suits the images of the encoder's specification `inputs["image"]`.

        Small grey images are taken for symbols: never mirrored, since that makes another symbol; turned by up to 10 degrees and scaled by a
        tenth, as handwriting varies. named: pictures with captions, whose words may say left or right: not mirrored, but turned and scaled too, since
        they are few. Others are mirrored, shifted by an eighth and cut by a quarter (4 and 8 of 32 pixels on CIFAR).
        """
        side = min(image["height"], image["width"])
        if image["channels"] == 1 and side <= _SYMBOL_SIDE:
            return cls(shift=max(1, round(side / 14)), rotate=10.0, scale=0.1)  # 2 of 28 pixels
        if named:
            return cls(shift=side // 8, rotate=10.0, scale=0.15, cutout=side // 4)
        return cls(shift=side // 8, flip=True, cutout=side // 4)

    def draw(self, rows: Tensor, seed: int, epoch: int, position: int) -> Draws:
        """The changes of one batch, a pure function of the arguments; the same on every device. rows [B]: positions in the data."""
        uniform = torch.rand(6, rows.shape[0], generator=torch_stream(seed, "augmentation", epoch, position))
        if rows.device.type != "cpu":
            uniform = uniform.pin_memory() if rows.device.type == "cuda" else uniform
            uniform = uniform.to(rows.device, non_blocking=True)
        return Draws(uniform, _coins(rows, seed) ^ bool(epoch % 2) if self.flip else None)

    def on_pixels(self, images: Tensor, draws: Draws) -> Tensor:
        """Shift and flip images of any type [B, C, H, W], before they become floats: a quarter of the bytes to move."""
        if self._turns or not (self.shift or self.flip):
            return images
        B, C, H, W = images.shape
        span = 2 * self.shift + 1
        down = (draws.uniform[0] * span).long() - self.shift  # B
        right = (draws.uniform[1] * span).long() - self.shift
        y = _reflected(torch.arange(H, device=images.device) + down.unsqueeze(1), H)  # B H
        x = _reflected(torch.arange(W, device=images.device) + right.unsqueeze(1), W)  # B W
        if draws.flip is not None:
            x = torch.where(draws.flip.unsqueeze(1), W - 1 - x, x)
        pixel = (y.unsqueeze(2) * W + x.unsqueeze(1)).view(B, 1, H * W).expand(B, C, H * W)
        return images.reshape(B, C, H * W).gather(2, pixel).view(B, C, H, W)

    def on_values(self, images: Tensor, draws: Draws) -> Tensor:
        """Turn, scale, shift and flip together, then cut a square out of normalised images, float [B, C, H, W], in place."""
        if self._turns:
            images = self._turned(images, draws)
        if not self.cutout:
            return images
        H, W = images.shape[2:]
        y = torch.arange(H, device=images.device) - (draws.uniform[4] * H).floor().unsqueeze(1)  # B H, from the square's middle
        x = torch.arange(W, device=images.device) - (draws.uniform[5] * W).floor().unsqueeze(1)
        half = self.cutout / 2
        below, beside = ((y < -half) | (y >= half)).to(images.dtype), ((x < -half) | (x >= half)).to(images.dtype)
        outside = torch.maximum(below.unsqueeze(2), beside.unsqueeze(1))  # B H W of 0 and 1
        return images.mul_(outside.unsqueeze(1))  # a tenth of the time of filling by a mask

    @property
    def _turns(self) -> bool:
        return bool(self.rotate or self.scale)

    def _turned(self, images: Tensor, draws: Draws) -> Tensor:
        B, _, H, W = images.shape
        signed = 2 * draws.uniform - 1
        angle = signed[2] * math.radians(self.rotate)
        size = 1 + signed[3] * self.scale
        cos, sin = (angle.cos() / size).view(B, 1, 1), (angle.sin() / size).view(B, 1, 1)
        y = torch.arange(H, device=images.device, dtype=images.dtype).view(1, H, 1) - (H - 1) / 2  # pixels from the middle
        x = torch.arange(W, device=images.device, dtype=images.dtype).view(1, 1, W) - (W - 1) / 2
        if draws.flip is not None:
            x = torch.where(draws.flip.view(B, 1, 1), -x, x)
        right, down = (signed[1] * self.shift).view(B, 1, 1), (signed[0] * self.shift).view(B, 1, 1)
        grid = images.new_empty(B, H, W, 2)  # the place that each pixel is read from, -1 to 1; affine_grid would multiply matrices for it
        torch.add((cos * x + right) * (2 / W), sin * y * (-2 / W), out=grid[..., 0])  # B 1 W, B H 1 -> B H W
        torch.add((sin * x + down) * (2 / H), cos * y * (2 / H), out=grid[..., 1])
        return functional.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


@dataclass(frozen=True, slots=True)
class Draws:
    """uniform: [6, B] in [0, 1). flip: bool [B], or None where nothing is mirrored."""

    uniform: Tensor
    flip: Tensor | None


def _reflected(index: Tensor, size: int) -> Tensor:
    """Positions outside of 0 .. size - 1 reflected at the border pixel, which is not repeated."""
    last = size - 1
    return (last - (last - index.abs()).abs()).clamp_(min=0)


def _coins(rows: Tensor, seed: int) -> Tensor:
    """bool [B], one fair coin per row of the data, without a state: the row's number mixed by two multiplications modulo 2^64."""
    mixed = (rows + derive(seed, "augmentation", "flip") % 2**32) * _MIX[0]
    mixed = (mixed ^ (mixed >> 32)) * _MIX[1]
    return (mixed >> 45) & 1 == 1

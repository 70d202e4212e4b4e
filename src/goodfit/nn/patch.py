"""Images as tokens, one for each square of pixels, and where each of them stands.

B images, C channels, H and W pixels, P pixels of a square's side, R rows and S columns of squares, T = R S tokens, row by row, D features,
A heads, E dimensions of a head. `lead` tokens before those of the image (a class token) stand nowhere.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.base.errors import InputError
from goodfit.nn.positions import angles, rotate
from goodfit.nn.shapes import expect


def grid(image: tuple[int, int, int], patch: int) -> tuple[int, int]:
    """Rows and columns of squares of `patch` pixels that cover an image (C, H, W).

    >>> grid((1, 28, 30), 4)
    (7, 8)
    """
    return -(-image[1] // patch), -(-image[2] // patch)


class Patches(nn.Module):
    """A linear map of each square's pixels: [B, C, H, W] -> [B, T, D] (Dosovitskiy et al., An Image is Worth 16x16 Words, 2021).

    image: (C, H, W). patch: P. A side that is no multiple of it is filled with zeros, the mean of normalised pixels.
    Raises InputError where there is no square.
    """

    def __init__(self, image: tuple[int, int, int], width: int, patch: int) -> None:
        super().__init__()
        if patch < 1 or min(image) < 1:
            raise InputError(
                f"patches need a side of at least one pixel, in images of at least one; got {patch} in {image[1]} x {image[2]}"
            )
        self.image = image
        self.rows, self.columns = grid(image, patch)
        self.fill = (0, self.columns * patch - image[2], 0, self.rows * patch - image[1])
        self.project = nn.Conv2d(image[0], width, patch, stride=patch)

    def forward(self, image: Tensor) -> Tensor:
        expect("patches", image, "B", *self.image)
        return self.project(F.pad(image, self.fill) if any(self.fill) else image).flatten(2).transpose(1, 2)  # B D R S -> B T D


class ConvPatches(nn.Module):
    """Convolutions of 3 x 3 with ReLU, each halving the sides by the largest of 3 x 3 pixels: [B, C, H, W] -> [B, T, D].

    The tokens overlap, so that a network learns from few images what neighbours are (Hassani et al., Compact Convolutional Transformer, 2021).
    image: (C, H, W). patch: P, the pixels between tokens, a power of two from 2 on. Channels double up to D where sides halve, so that each
    convolution costs the same; weights start as in He et al. 2015, without a bias, as there.
    Raises InputError for another patch, or images without pixels.
    """

    def __init__(self, image: tuple[int, int, int], width: int, patch: int) -> None:
        super().__init__()
        count = patch.bit_length() - 1
        if patch < 2 or patch != 1 << count or min(image) < 1:
            raise InputError(f"a stem of convolutions halves the sides: the patch must be 2, 4, 8 or another power of two; got {patch}")
        self.image = image
        self.rows, self.columns = grid(image, patch)
        self.layers = nn.Sequential()
        channels = image[0]
        for left in reversed(range(count)):
            layer = nn.Conv2d(channels, max(1, width >> left), 3, padding=1, bias=False)
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            self.layers.extend([layer, nn.ReLU(inplace=True), nn.MaxPool2d(3, stride=2, padding=1)])
            channels = layer.out_channels

    def forward(self, image: Tensor) -> Tensor:
        expect("convolutional patches", image, "B", *self.image)
        return self.layers(image).flatten(2).transpose(1, 2)  # B D R S -> B T D


class SineGrid(nn.Module):
    """Adds sines and cosines of row and column to [B, lead + T, D]: half of the features tell the row, half the column.

    The two-dimensional form of Vaswani et al. 2017, as in Carion et al. (DETR, 2020) and Chen et al. (MoCo v3, 2021). base: 10,000, the
    original's. Raises InputError where D is no multiple of 4.
    """

    def __init__(self, rows: int, columns: int, width: int, *, lead: int = 0, base: float = 10_000.0) -> None:
        super().__init__()
        if width % 4:
            raise InputError(
                f"sine positions of a grid are sines and cosines of row and column: the width must be a multiple of 4; got {width}"
            )
        self.rows, self.columns, self.width, self.lead, self.base = rows, columns, width, lead, base

    def forward(self, x: Tensor) -> Tensor:
        expect("sine positions of a grid", x, "B", self.lead + self.rows * self.columns, self.width)
        turn = _grid_angles(self.rows, self.columns, self.width, self.base, x)  # T D/2
        return x + F.pad(torch.cat([turn.sin(), turn.cos()], 1), (0, 0, self.lead, 0)).to(x.dtype)


class RotaryGrid(nn.Module):
    """Turns queries and keys [B, A, lead + T, E] by row and column: a product of two of them depends on both distances alone.

    The first half of the pairs of dimensions turns with the row, the second with the column (Heo et al., Rotary Position Embedding for Vision
    Transformer, 2024, axial form; Su et al. 2021). base: 100, theirs: a grid is some ten squares wide, where a text has thousands of tokens.
    Raises InputError where E is no multiple of 4.
    """

    def __init__(self, rows: int, columns: int, head_dim: int, *, lead: int = 0, base: float = 100.0) -> None:
        super().__init__()
        if head_dim % 4:
            raise InputError(
                f"rotary positions of a grid turn pairs by row and by column: a head must have a multiple of 4; got {head_dim}"
            )
        self.rows, self.columns, self.head_dim, self.lead, self.base = rows, columns, head_dim, lead, base

    def forward(self, x: Tensor, start: Tensor | None = None) -> Tensor:
        """start: the place of the first token, which a grid does not have: None, as attention to all tokens at once gives it."""
        if start is not None:
            raise InputError("rotary positions of a grid turn all its tokens at once; leave out start")
        expect("rotary positions of a grid", x, "B", "A", self.lead + self.rows * self.columns, self.head_dim)
        turn = _grid_angles(self.rows, self.columns, self.head_dim, self.base, x)  # T E/2
        return rotate(x, F.pad(turn, (0, 0, self.lead, 0)))  # an angle of 0 leaves the first tokens as they are


def _grid_angles(rows: int, columns: int, dim: int, base: float, like: Tensor) -> Tensor:
    """[T, dim / 2] radians: dim / 4 rates times the row, then as many times the column."""
    down, right = (angles(length, dim // 2, base, like) for length in (rows, columns))
    by_row = down.unsqueeze(1).expand(rows, columns, -1)
    by_column = right.unsqueeze(0).expand(rows, columns, -1)
    return torch.cat([by_row, by_column], 2).flatten(0, 1)  # R S dim/2 -> T dim/2

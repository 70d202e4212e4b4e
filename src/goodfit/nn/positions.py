"""Where a token stands: rotary, sine and learned positions. B rows, T tokens, H heads, E dimensions of a head, D features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from goodfit.base.errors import InputError, SettingError, did_you_mean
from goodfit.nn.shapes import expect

POSITIONS = ("none", "sine", "learned", "rotary")


def angles(length: int, dim: int, base: float, like: Tensor, start: Tensor | None = None) -> Tensor:
    """position * base^(-2i / dim): [T, dim / 2] radians, in float32 or wider (bfloat16 cannot count past 256).

    start: position of the first token of each row [B]; then [B, T, dim / 2]. Rows begin at 0 where it is None.
    """
    dtype = torch.float64 if like.dtype == torch.float64 else torch.float32
    rate = base ** -(torch.arange(0, dim, 2, device=like.device, dtype=dtype) / dim)
    place = torch.arange(length, device=like.device, dtype=dtype)
    if start is not None:
        place = place + start.unsqueeze(1)  # B T
    return place.unsqueeze(-1) * rate


def rotate(x: Tensor, angle: Tensor) -> Tensor:
    """Turn each pair (x_i, x_{i + E/2}) of [B, H, T, E] by the angle of its position: [T, E / 2], or [B, 1, T, E / 2].

    >>> rotate(torch.tensor([[[[1.0, 0.0]]]]), torch.tensor([[torch.pi / 2]])).round()
    tensor([[[[-0., 1.]]]])
    """
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    first, second = x.chunk(2, -1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)


class Rotary(nn.Module):
    """Rotary positions for queries and keys (Su et al. 2021): a product of two of them depends on their distance alone.

    base: 10,000, as in the paper: the slowest pair turns once in 63,000 tokens.
    """

    def __init__(self, head_dim: int, base: float = 10_000.0) -> None:
        super().__init__()
        if head_dim % 2:
            raise InputError(f"rotary positions turn pairs of dimensions: a head must have an even number of them; {head_dim} was given")
        self.head_dim, self.base = head_dim, base

    def forward(self, x: Tensor, start: Tensor | None = None) -> Tensor:
        """start: position of the first token of each row [B], 0 where None."""
        expect("rotary positions", x, "B", "H", "T", self.head_dim)
        angle = angles(x.shape[2], self.head_dim, self.base, x, start)
        return rotate(x, angle if start is None else angle.unsqueeze(1))  # B T E/2 -> B 1 T E/2


class SinePositions(nn.Module):
    """Adds sines and cosines of the position to [B, T, D] (Vaswani et al. 2017)."""

    def __init__(self, width: int, base: float = 10_000.0) -> None:
        super().__init__()
        if width % 2:
            raise InputError(f"sine positions come in pairs of sine and cosine: the width must be even; {width} was given")
        self.width, self.base = width, base

    def forward(self, x: Tensor, start: Tensor | None = None) -> Tensor:
        """start: position of the first token of each row [B], 0 where None."""
        expect("sine positions", x, "B", "T", self.width)
        angle = angles(x.shape[1], self.width, self.base, x, start)
        return x + torch.stack([angle.sin(), angle.cos()], -1).flatten(-2).to(x.dtype)  # T D/2 2 -> T D


class LearnedPositions(nn.Module):
    """Adds a learned vector per position to [B, T, D], for T up to `length`.

    The vectors start as a normal of standard deviation 0.02, small beside the tokens (Radford et al., GPT-2, 2019).
    """

    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        self.length, self.width = length, width
        self.weight = nn.Parameter(torch.empty(length, width).normal_(0, 0.02))

    def forward(self, x: Tensor, start: Tensor | None = None) -> Tensor:
        """start: position of the first token of each row [B], 0 where None."""
        expect("learned positions", x, "B", "T", self.width)
        T = x.shape[1]
        if self.length < T or (start is not None and bool((start + T > self.length).any())):
            given = T if start is None else T + int(start.max())
            raise InputError(
                f"learned positions reach to {self.length} tokens and got {given}; cut the text or build the network longer", value=given
            )
        if start is None:
            return x + self.weight[:T]
        return x + self.weight[start.unsqueeze(1) + torch.arange(T, device=x.device)]  # B T D


def positions(name: str, width: int, length: int) -> nn.Module | None:
    """What is added to tokens of this width to tell where they stand: "sine", or "learned" up to `length` tokens.

    None for "rotary", which acts within the attention, and for "none". Raises SettingError for an unknown name.
    """
    if name == "sine":
        return SinePositions(width)
    if name == "learned":
        return LearnedPositions(length, width)
    if name in POSITIONS:
        return None
    raise SettingError(f"positions must be one of {', '.join(POSITIONS)}; {name!r} was given{did_you_mean(name, POSITIONS)}", value=name)

"""Embeddings of numbers: each feature gets a vector of its own, so that a network can bend it anywhere.

B rows, N numbers, Q bins, F frequencies, D dimensions of an embedding.
Piecewise-linear and periodic embeddings: Gorishniy et al., On Embeddings for Numerical Features in Tabular Deep Learning, NeurIPS 2022.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from goodfit.base.errors import InputError
from goodfit.nn.shapes import expect


class RawNumbers(nn.Module):
    """Numbers as they are: [B, N] -> [B, N]."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features, self.width, self.sections = features, features, [1] * features

    def forward(self, x: Tensor) -> Tensor:
        expect("numbers", x, "B", self.features)
        return x


class PiecewiseLinearEncoding(nn.Module):
    """Where a number lies among its bins: [B, N] -> [B, N, Q].

    Bin q from edge a to edge b holds (x - a) / (b - a), cut to 0..1; the first bin is open below and the last one above, so that
    numbers outside the training range keep their distance. Features with fewer than Q bins are filled with zeros.

    >>> PiecewiseLinearEncoding([torch.tensor([0.0, 1.0, 3.0])])(torch.tensor([[2.0]]))
    tensor([[[1.0000, 0.5000]]])

    bins: N tensors of increasing edges, at least two each, usually quantiles of the training rows.
    Raises InputError where the edges do not increase.
    """

    left: Tensor
    slope: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, bins: Sequence[Tensor]) -> None:
        super().__init__()
        for number, edges in enumerate(bins):
            values = edges.tolist() if edges.dim() == 1 else []
            if len(values) < 2 or not all(a < b for a, b in pairwise(values)) or not all(map(math.isfinite, values)):
                raise InputError(
                    f"the bins of number {number + 1} must be two or more finite, increasing edges; got {edges.tolist()[:8]}; leave constant columns out"
                )
        self.features = len(bins)
        self.bins = max((len(edges) - 1 for edges in bins), default=1)
        shape = (self.features, self.bins)
        left, slope, low, high = torch.zeros(shape), torch.zeros(shape), torch.zeros(shape), torch.zeros(shape)
        for number, edges in enumerate(bins):
            count = len(edges) - 1
            left[number, :count], slope[number, :count] = edges[:-1], 1 / edges.diff()
            low[number, 0], high[number, :count], high[number, count - 1] = -math.inf, 1, math.inf
        for name, value in {"left": left, "slope": slope, "low": low, "high": high}.items():
            self.register_buffer(name, value)

    def forward(self, x: Tensor) -> Tensor:
        expect("piecewise-linear encoding", x, "B", self.features)
        # The difference before the product: slopes reach 1e5 where a column has many equal values, and edge * slope would round.
        return ((x.unsqueeze(-1) - self.left) * self.slope).clamp(self.low, self.high)


class PiecewiseLinearEmbedding(nn.Module):
    """A learned piecewise-linear curve in D dimensions for each number: [B, N] -> [B, N * D].

    embedding = bias + weight * x + encoding @ curve, with curve = 0 at the start: the embedding begins as a linear one and learns
    to bend (version "B" of rtdl_num_embeddings, which TabM's results were obtained with). No activation follows.
    """

    def __init__(self, bins: Sequence[Tensor], dim: int) -> None:
        super().__init__()
        self.encoding = PiecewiseLinearEncoding(bins)
        features = len(bins)
        self.features, self.width, self.sections = features, features * dim, [dim] * features
        bound = dim**-0.5  # as rtdl_num_embeddings draws its linear part
        self.weight = nn.Parameter(torch.empty(features, dim).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(features, dim).uniform_(-bound, bound))
        self.curve = nn.Parameter(torch.zeros(features, self.encoding.bins, dim))

    def forward(self, x: Tensor) -> Tensor:
        encoded = self.encoding(x).transpose(0, 1)  # B N Q -> N B Q
        bent = torch.bmm(encoded, self.curve).transpose(0, 1)  # N B D -> B N D
        line = torch.addcmul(self.bias, self.weight, x.unsqueeze(-1))
        return (line + bent).flatten(1)  # B N D -> B N*D


class PeriodicEmbedding(nn.Module):
    """Learned frequencies, a linear map of each number's own, and the number itself: [B, N] -> [B, N * D].

    embedding = [linear(cos(2 pi w x + b)), x], with D - 1 dimensions from the linear map (Holzmüller et al., RealMLP, NeurIPS 2024: PBLD).

    sigma: scale of the frequencies at the start; 0.1 is RealMLP's, whose numbers are robustly scaled to about -3..3: slow waves first.
    frequencies: 16, as there. pace: parameters are stored divided by it, so that an update of Adam moves them by `pace` times the rate.
    """

    def __init__(self, features: int, dim: int, *, frequencies: int = 16, sigma: float = 0.1, pace: float = 1.0) -> None:
        super().__init__()
        if dim < 2:
            raise InputError(f"a periodic embedding has at least 2 dimensions, the number itself and one wave; {dim} was given")
        self.features, self.width, self.sections = features, features * dim, [dim] * features
        self.pace = pace
        bound = frequencies**-0.5
        self.frequency = nn.Parameter(sigma * torch.randn(features, frequencies) / pace)
        self.phase = nn.Parameter(torch.empty(features, frequencies).uniform_(-math.pi, math.pi) / pace)
        self.weight = nn.Parameter(torch.empty(features, frequencies, dim - 1).uniform_(-bound, bound) / pace)
        self.bias = nn.Parameter(torch.empty(features, dim - 1).uniform_(-bound, bound) / pace)

    def forward(self, x: Tensor) -> Tensor:
        expect("periodic embedding", x, "B", self.features)
        wave = torch.cos(self.pace * torch.addcmul(self.phase, 2 * math.pi * self.frequency, x.unsqueeze(-1)))  # B N F
        mapped = self.pace * (torch.bmm(wave.transpose(0, 1), self.weight).transpose(0, 1) + self.bias)  # N B D-1 -> B N D-1
        return torch.cat([mapped.to(x.dtype), x.unsqueeze(-1)], -1).flatten(1)  # B N D -> B N*D

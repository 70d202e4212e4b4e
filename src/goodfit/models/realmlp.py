"""RealMLP-TD, the second family for tables (Holzmüller, Grinsztajn, Steinwart, Better by Default, NeurIPS 2024).

B rows, D features, W width, O outputs. Its numbers are scaled robustly and clipped smoothly (the encoder's `robust`). What sets it apart from an
MLP: periodic embeddings that keep the raw number, a learnable scale per feature, activations that can fade into the identity, weights of unit
variance with the factor 1 / sqrt(inputs) in the forward pass (NTK parametrisation), and a start fitted to the data.

The paper gives groups of parameters rates of their own (features' scales 6 times, biases, activations and embeddings a tenth). Here they are
stored divided by that factor, which is the same under Adam and needs nothing of the optimiser.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.nn.activation import activation
from goodfit.nn.columns import Columns
from goodfit.nn.dropout import Dropout

# The paper's factors of the rate, tuned by its authors on 118 tables (RealMLP-TD).
SCALE_PACE = 6.0
BIAS_PACE = 0.1
BLEND_PACE = 0.1
EMBEDDING_PACE = 0.1
ONE_HOT_LEVELS = 8  # the paper embeds categories from 9 values on, into 8 dimensions
POINTS = 5  # rows whose mixture places a unit's kink (the paper's "he+5")


class NTKLinear(nn.Module):
    """x W^T / sqrt(I) + b, with W a standard normal: [B, I] -> [B, O]."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.factor = inputs**-0.5
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.randn(outputs) / BIAS_PACE)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x * self.factor, self.weight, self.bias * BIAS_PACE)

    @torch.no_grad()
    def fit_start(self, x: Tensor) -> None:
        """Scale each unit's weights so that its answers to the rows `x` [B, I] have standard deviation 1, and place its kink inside the data:
        at the answer to a random mixture of a few rows."""
        answers = F.linear(x * self.factor, self.weight)
        spread = answers.std(0, correction=0).clamp_min(1e-6)  # a unit that answers nothing keeps its size
        self.weight.div_(spread.unsqueeze(1))
        answers = answers / spread
        units = answers.shape[1]
        rows = torch.randint(0, x.shape[0], (POINTS, units), device=x.device)
        shares = torch.empty(POINTS, units, device=x.device, dtype=x.dtype).exponential_()
        self.bias.copy_(-(answers.gather(0, rows) * shares / shares.sum(0)).sum(0) / BIAS_PACE)


class Blend(nn.Module):
    """x + blend * (activation(x) - x), one learned blend per unit, 1 at the start: [B, W] -> [B, W]."""

    def __init__(self, width: int, hidden: str) -> None:
        super().__init__()
        self.activation = activation(hidden)
        self.blend = nn.Parameter(torch.full((width,), 1 / BLEND_PACE))

    def forward(self, x: Tensor) -> Tensor:
        return torch.lerp(x, self.activation(x), (BLEND_PACE * self.blend).to(x.dtype))


class RealMLP(nn.Module):
    """Numbers [B, N] and category codes [B, M] -> [B, O].

    Call `fit_start` once with some hundreds of training rows before training; without it, weights and biases are standard normals
    (the paper's simplified RealMLP-TD-S). activation: the paper takes selu for classes.
    """

    def __init__(
        self,
        numbers: int,
        sizes: Sequence[int],
        outputs: int,
        *,
        width: int = 256,
        depth: int = 3,
        dropout: float = 0.15,
        activation: str = "selu",
        embedding: str = "periodic",
        embedding_dim: int = 4,
    ) -> None:
        super().__init__()
        self.columns = Columns(
            numbers, sizes, embedding=embedding, dim=embedding_dim, category_dim=8, one_hot_levels=ONE_HOT_LEVELS, pace=EMBEDDING_PACE
        )
        inputs = self.columns.width
        self.scale = nn.Parameter(torch.full((inputs,), 1 / SCALE_PACE))
        self.hidden = nn.ModuleList([NTKLinear(inputs if layer == 0 else width, width) for layer in range(depth)])
        self.blends = nn.ModuleList([Blend(width, activation) for _ in range(depth)])
        self.dropout = Dropout(dropout)
        self.head = NTKLinear(width if depth else inputs, outputs)

    def forward(self, *, numbers: Tensor | None = None, categories: Tensor | None = None) -> Tensor:
        x = self.columns(numbers, categories) * (SCALE_PACE * self.scale)
        for layer, blend in zip(self.hidden, self.blends, strict=True):
            x = self.dropout(blend(layer(x)))
        return self.head(x)

    @torch.no_grad()
    def fit_start(self, *, numbers: Tensor | None = None, categories: Tensor | None = None) -> None:
        """Fit the start of every layer to these rows, from the first to the last. Draws from torch's default generator."""
        x = self.columns(numbers, categories) * (SCALE_PACE * self.scale)
        for layer, blend in zip(self.hidden, self.blends, strict=True):
            layer.fit_start(x)  # type: ignore[operator]
            x = blend(layer(x))
        self.head.fit_start(x)

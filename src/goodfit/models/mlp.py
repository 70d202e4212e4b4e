"""Multilayer perceptron of any depth, over numbers, categories and pixels. B rows, D features, W width, O outputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from goodfit.nn.activation import activation
from goodfit.nn.columns import Columns
from goodfit.nn.dropout import Dropout
from goodfit.nn.norm import norm
from goodfit.nn.shapes import expect, required


def layers(inputs: int, outputs: int, *, width: int, depth: int, hidden: str, normalisation: str, dropout: float) -> nn.Sequential:
    """`depth` blocks of linear, norm, activation, dropout, then a linear layer: [B, D] -> [B, O]. Depth 0 is a linear model."""
    blocks: list[nn.Module] = []
    for _ in range(depth):
        blocks.append(nn.Linear(inputs, width))
        if normalisation != "none":
            blocks.append(norm(normalisation, width))
        blocks.append(activation(hidden))
        if dropout:
            blocks.append(Dropout(dropout))
        inputs = width
    return nn.Sequential(*blocks, nn.Linear(inputs, outputs))


class MLP(nn.Module):
    """Numbers [B, N], category codes [B, M] and an image [B, C, H, W], whichever it was built for -> [B, O].

    numbers: N. sizes: codes of each category column, code 0 included. image: (C, H, W), read as C * H * W numbers, or None.
    Weights start as torch's Linear starts them.
    """

    def __init__(
        self,
        numbers: int,
        sizes: Sequence[int],
        outputs: int,
        *,
        image: tuple[int, int, int] | None = None,
        width: int = 256,
        depth: int = 3,
        dropout: float = 0.1,
        activation: str = "relu",
        norm: str = "none",
        embedding: str = "none",
        embedding_dim: int = 16,
        bins: Sequence[Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.columns = Columns(numbers, sizes, bins=bins, embedding=embedding, dim=embedding_dim) if numbers or sizes else None
        self.image = image
        features = (self.columns.width if self.columns is not None else 0) + (image[0] * image[1] * image[2] if image else 0)
        self.layers = layers(features, outputs, width=width, depth=depth, hidden=activation, normalisation=norm, dropout=dropout)

    def forward(self, *, numbers: Tensor | None = None, categories: Tensor | None = None, image: Tensor | None = None) -> Tensor:
        parts = [] if self.columns is None else [self.columns(numbers, categories)]
        if self.image is not None:
            image = required("image", image)
            expect("mlp", image, "B", *self.image)
            parts.append(image.flatten(1))  # B C H W -> B C*H*W
        return self.layers(parts[0] if len(parts) == 1 else torch.cat(parts, 1))

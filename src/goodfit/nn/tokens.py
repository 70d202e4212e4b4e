"""Tokens as vectors. B rows, T tokens, D features; token 0 is padding."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.nn.pool import token_mask
from goodfit.nn.shapes import expect


class TokenEmbedding(nn.Module):
    """Tokens [B, T] in 0..vocabulary-1 -> vectors [B, T, D] and mask [B, T], True at real tokens.

    Padding is the zero vector and learns nothing. A text without tokens keeps one place, of zeros; T may be 0.
    std: standard deviation of the vectors at the start; 1 / sqrt(D) where None, which gives vectors of length 1.
    """

    def __init__(self, vocabulary: int, width: int, *, std: float | None = None) -> None:
        super().__init__()
        self.table = nn.Embedding(vocabulary, width, padding_idx=0)
        nn.init.normal_(self.table.weight, 0, width**-0.5 if std is None else std)
        nn.init.zeros_(self.table.weight[0])

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        expect("token embedding", tokens, "B", "T")
        if tokens.shape[1] == 0:
            tokens = F.pad(tokens, (0, 1))
        return self.table(tokens), token_mask(tokens)

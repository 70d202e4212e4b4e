"""A gated recurrent network over tokens (Cho et al. 2014). B rows, T tokens, E dimensions of a token, U units, O outputs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from goodfit.nn.dropout import Dropout
from goodfit.nn.pool import masked_last, masked_max, masked_mean
from goodfit.nn.recurrent import PaddedGRU
from goodfit.nn.shapes import required
from goodfit.nn.tokens import TokenEmbedding


class GRUEncoder(nn.Module):
    """Tokens [B, T] (0 is padding) -> features [B, 3 U] or [B, 6 U] in both directions: largest value, mean and last state.

    Pooling spares the last state the work of remembering everything (Howard and Ruder, ULMFiT, 2018: concat pooling).
    """

    def __init__(
        self,
        vocabulary: int,
        *,
        embedding_dim: int = 128,
        width: int = 128,
        depth: int = 1,
        bidirectional: bool = True,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.tokens = TokenEmbedding(vocabulary, embedding_dim)
        self.dropout = Dropout(dropout)
        self.gru = PaddedGRU(embedding_dim, width, depth=depth, bidirectional=bidirectional, dropout=dropout)
        self.width = 3 * self.gru.width

    def forward(self, text: Tensor) -> Tensor:
        x, mask = self.tokens(text)
        x = self.gru(self.dropout(x), mask)  # B T E -> B T U
        return torch.cat([masked_max(x, mask), masked_mean(x, mask), masked_last(x, mask)], 1)


class GRU(nn.Module):
    """Tokens [B, T] -> [B, O]. width: units of each direction."""

    def __init__(
        self,
        vocabulary: int,
        outputs: int,
        *,
        embedding_dim: int = 128,
        width: int = 128,
        depth: int = 1,
        bidirectional: bool = True,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.encoder = GRUEncoder(
            vocabulary, embedding_dim=embedding_dim, width=width, depth=depth, bidirectional=bidirectional, dropout=dropout
        )
        self.dropout = Dropout(dropout)
        self.head = nn.Linear(self.encoder.width, outputs)

    def forward(self, *, text: Tensor | None = None) -> Tensor:
        return self.head(self.dropout(self.encoder(required("text", text))))

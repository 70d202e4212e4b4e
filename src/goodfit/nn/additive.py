"""Additive attention. B rows, T queries, S keys, D features of a query, E of a key, A units."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from goodfit.nn.shapes import expect

# Score of a key that may not be seen: its weight is 0 to the last bit in every type, and unlike -inf it leaves losses finite that
# look at all scores, such as smoothed labels.
UNSEEN = -1e4


class AdditiveAttention(nn.Module):
    """Scores v . tanh(W q + U k) of queries [B, T, D] and keys [B, S, E] (Bahdanau et al. 2015) -> [B, T, S].

    `project` is apart, since the keys stay while queries come one by one.
    """

    def __init__(self, query_width: int, key_width: int, units: int) -> None:
        super().__init__()
        self.query = nn.Linear(query_width, units, bias=False)
        self.key = nn.Linear(key_width, units)
        self.score = nn.Linear(units, 1, bias=False)

    def project(self, keys: Tensor) -> Tensor:
        """U k of keys [B, S, E] -> [B, S, A]."""
        expect("additive attention's keys", keys, "B", "S", self.key.in_features)
        return self.key(keys)

    def forward(self, queries: Tensor, projected: Tensor, mask: Tensor) -> Tensor:
        """projected: from `project`. mask: boolean [B, S] or [B, T, S], True where a key may be seen; elsewhere the score is -10,000."""
        expect("additive attention", queries, "B", "T", self.query.in_features)
        hidden = torch.tanh(self.query(queries).unsqueeze(2) + projected.unsqueeze(1))  # B T A, B S A -> B T S A
        mask = mask.unsqueeze(1) if mask.dim() == 2 else mask
        return self.score(hidden).squeeze(3).masked_fill(~mask, UNSEEN)

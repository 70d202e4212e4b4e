"""Multi-head attention, to itself or to another sequence. B rows, T queries, S keys, H heads, E dimensions of a head, D features."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.base.errors import InputError
from goodfit.nn.dropout import dropout
from goodfit.nn.norm import RMSNorm
from goodfit.nn.positions import Rotary
from goodfit.nn.shapes import expect


def attend(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, *, causal: bool = False, p: float = 0.0, training: bool = False
) -> Tensor:
    """softmax(q k^T / sqrt(E)) v (Vaswani et al. 2017): q [B, H, T, E], k and v [B, H, S, E] -> [B, H, T, E].

    mask: boolean, broadcast to [B, H, T, S], True where a query may look; each query must see at least one key.
    causal: query t sees keys 0..t only. p: probability that an attention weight is zeroed in training.
    """
    if causal and mask is not None:
        mask, causal = mask & _past(q, k), False
    if not (p and training):
        return F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal)
    mask = _past(q, k) if causal else mask
    scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5  # B H T S
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return dropout(scores.softmax(-1), p, training).to(v.dtype) @ v


def _past(q: Tensor, k: Tensor) -> Tensor:
    return torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool, device=q.device).tril()


class Attention(nn.Module):
    """Multi-head attention of x [B, T, D] to itself, or to `context` [B, S, context_width] -> [B, T, D].

    qk_norm: RMS-normalise queries and keys per head, which bounds the scores (Henry et al. 2020; Dehghani et al. 2023).
    rotary: turn queries and keys by their position; for self-attention. bias: of the four linear maps.
    dropout: of the attention weights. zero_output: start the output map at 0, so that a residual block starts as the identity.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        context_width: int | None = None,
        qk_norm: bool = False,
        rotary: bool = False,
        bias: bool = False,
        dropout: float = 0.0,
        zero_output: bool = False,
    ) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise InputError(f"attention splits its width among the heads: {width} must be a multiple of heads={heads}")
        self.width, self.heads, self.head_dim, self.dropout = width, heads, width // heads, dropout
        self.context_width = width if context_width is None else context_width
        self.query = nn.Linear(width, width, bias=bias)
        self.key = nn.Linear(self.context_width, width, bias=bias)
        self.value = nn.Linear(self.context_width, width, bias=bias)
        self.output = nn.Linear(width, width, bias=bias)
        self.query_norm = RMSNorm(self.head_dim) if qk_norm else None
        self.key_norm = RMSNorm(self.head_dim) if qk_norm else None
        self.rotary = Rotary(self.head_dim) if rotary else None
        if zero_output:
            nn.init.zeros_(self.output.weight)

    def forward(self, x: Tensor, context: Tensor | None = None, mask: Tensor | None = None, *, causal: bool = False) -> Tensor:
        """mask: boolean, True where a key may be seen: [B, S] for all queries alike, or [B, T, S]."""
        expect("attention", x, "B", "T", self.width)
        source = x if context is None else context
        expect("attention's context", source, "B", "S", self.context_width)
        q, k, v = self._heads(self.query(x)), self._heads(self.key(source)), self._heads(self.value(source))
        if self.query_norm is not None and self.key_norm is not None:
            q, k = self.query_norm(q), self.key_norm(k)
        if self.rotary is not None:
            q, k = self.rotary(q), self.rotary(k)
        if mask is not None:
            mask = mask[:, None, None, :] if mask.dim() == 2 else mask[:, None]  # B S -> B 1 1 S; B T S -> B 1 T S
        out = attend(q, k, v, mask, causal=causal, p=self.dropout, training=self.training)
        return self.output(out.transpose(1, 2).flatten(2))  # B H T E -> B T D

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.heads, self.head_dim)).transpose(1, 2)  # B T D -> B H T E

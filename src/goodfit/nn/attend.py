"""Attention as a function of queries, keys and values. B rows, T queries, S keys, H heads, E dimensions of a head."""

from __future__ import annotations

import math
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from goodfit.nn.dropout import dropout
from goodfit.nn.mapped import DRAWS


def attend(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, *, causal: bool = False, p: float = 0.0, training: bool = False
) -> Tensor:
    """softmax(q k^T / sqrt(E)) v (Vaswani et al. 2017): q [B, H, T, E], k and v [B, H, S, E] -> [B, H, T, E].

    mask: boolean, broadcast to [B, H, T, S], True where a query may look; each query must see at least one key.
    causal: query t sees keys 0..t only. p: probability that an attention weight is zeroed in training.
    """
    if not (p and training):
        if causal and mask is not None:
            mask, causal = mask & _past(q, k), False
        if (draws := DRAWS.get()) is not None:  # vmap has no rule for the kernel
            found: Tensor = draws.lowered(partial(attend_stacked, causal=causal), q, k, v, *(() if mask is None else (mask,)))
            return found
        return F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal)
    return dropout(attention_weights(q, k, mask, causal=causal), p, training).to(v.dtype) @ v


def attend_stacked(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, *, causal: bool = False, scale: float | None = None
) -> Tensor:
    """torch's attention for M members of a stack: q [M, B, H, T, E], k and v [M, B, H, S, E], mask broadcast to [M, B, H, T, S]."""
    M, B = q.shape[:2]
    if mask is not None:
        while mask.dim() < q.dim():
            mask = mask.unsqueeze(1)
        mask = mask.expand(M, B, *mask.shape[2:]).flatten(0, 1)
    out = F.scaled_dot_product_attention(q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1), mask, is_causal=causal, scale=scale)
    return out.unflatten(0, (M, B))


def attention_weights(q: Tensor, k: Tensor, mask: Tensor | None = None, *, causal: bool = False) -> Tensor:
    """softmax(q k^T / sqrt(E)) [B, H, T, S], with which `attend` weighs the values; a query's weights sum to 1. Arguments as there.

    >>> attention_weights(torch.zeros(1, 1, 2, 4), torch.zeros(1, 1, 2, 4), causal=True)
    tensor([[[[1.0000, 0.0000],
              [0.5000, 0.5000]]]])
    """
    if causal:
        mask = _past(q, k) if mask is None else mask & _past(q, k)
    scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5  # B H T S
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return scores.softmax(-1)


def _past(q: Tensor, k: Tensor) -> Tensor:
    return torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool, device=q.device).tril()

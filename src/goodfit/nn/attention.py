"""Multi-head attention, to itself or to another sequence, whole, within a window or step by step.

B rows, T queries, S keys, H heads, E dimensions of a head, D features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from goodfit.base.errors import InputError, SettingError
from goodfit.nn.attend import attend as attend
from goodfit.nn.attend import attention_weights
from goodfit.nn.norm import RMSNorm
from goodfit.nn.positions import Rotary
from goodfit.nn.shapes import expect
from goodfit.nn.windowed import attend_window, band


class Attention(nn.Module):
    """Multi-head attention of x [B, T, D] to itself, or to `context` [B, S, context_width] -> [B, T, D].

    qk_norm: RMS-normalise queries and keys per head, which bounds the scores (Henry et al. 2020; Dehghani et al. 2023).
    rotary: turn queries and keys by their position; for self-attention. bias: of the four linear maps.
    dropout: of the attention weights. zero_output: start the output map at 0, so that a residual block starts as the identity.
    window: see no key further away than this, at a cost linear in T; None sees all. For self-attention.
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
        window: int | None = None,
    ) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise InputError(f"attention splits its width among the heads: {width} must be a multiple of heads={heads}")
        if window is not None and window < 0:
            raise SettingError(f"a window reaches over 0 or more tokens; {window} was given", value=window)
        self.width, self.heads, self.head_dim, self.dropout = width, heads, width // heads, dropout
        self.context_width = width if context_width is None else context_width
        self.window = window
        self.query = nn.Linear(width, width, bias=bias)
        self.key = nn.Linear(self.context_width, width, bias=bias)
        self.value = nn.Linear(self.context_width, width, bias=bias)
        self.output = nn.Linear(width, width, bias=bias)
        self.query_norm = RMSNorm(self.head_dim) if qk_norm else None
        self.key_norm = RMSNorm(self.head_dim) if qk_norm else None
        self.rotary = Rotary(self.head_dim) if rotary else None
        if zero_output:
            nn.init.zeros_(self.output.weight)
            if bias:
                nn.init.zeros_(self.output.bias)

    def forward(self, x: Tensor, context: Tensor | None = None, mask: Tensor | None = None, *, causal: bool = False) -> Tensor:
        """mask: boolean, True where a key may be seen: [B, S] for all queries alike, or [B, T, S], which a window does not take."""
        q = self._queries(x)
        k, v = self.memory(x if context is None else context)
        if self.window is not None:
            self._windowed(context, mask)
            out = attend_window(q, k, v, self.window, mask, causal=causal, p=self.dropout, training=self.training)
        else:
            out = attend(q, k, v, _broadcast(mask), causal=causal, p=self.dropout, training=self.training)
        return self._joined(out)

    def weights(self, x: Tensor, context: Tensor | None = None, mask: Tensor | None = None, *, causal: bool = False) -> Tensor:
        """How much each query looks at each key, without dropout: [B, H, T, S], of the arguments of `forward`."""
        q, (k, _) = self._queries(x), self.memory(x if context is None else context)
        seen = _broadcast(mask)
        if self.window is not None:
            self._windowed(context, mask)
            seen = band(x.shape[1], x.shape[1], self.window, causal=causal, device=x.device, valid=mask)
        return attention_weights(q, k, seen, causal=causal)

    def memory(self, context: Tensor, start: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Keys and values [B, H, S, E] of `context` [B, S, context_width], for `recall` to look at as often as it is asked.

        start: place of the first token [B], 0 where None; rotary positions need it.
        """
        expect("attention's context", context, "B", "S", self.context_width)
        k, v = self._heads(self.key(context)), self._heads(self.value(context))
        k = k if self.key_norm is None else self.key_norm(k)
        return k if self.rotary is None else self.rotary(k, start), v

    def recall(self, x: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attention of x [B, T, D] to the keys and values of `memory`: what `forward` gives for the context that they come from."""
        return self._joined(attend(self._queries(x), k, v, _broadcast(mask), p=self.dropout, training=self.training))

    def extend(self, x: Tensor, k: Tensor, v: Tensor, start: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Causal self-attention of the tokens x [B, T, D] that follow those whose keys and values are k and v [B, H, S, E].

        start: place of the first new token [B]. Returns the result [B, T, D], which equals the last T of `forward(..., causal=True)` on all
        tokens at once, and the keys and values of all that a later token can see.
        """
        q, (own_k, own_v) = self._queries(x, start), self.memory(x, start)
        T, S = x.shape[1], k.shape[2] + x.shape[1]
        first = k.shape[2] == 0
        k, v = torch.cat([k, own_k], 2), torch.cat([v, own_v], 2)
        if first and self.window is not None:
            out = attend_window(q, k, v, self.window, causal=True, p=self.dropout, training=self.training)
        elif first:
            out = attend(q, k, v, causal=True, p=self.dropout, training=self.training)
        else:
            near = band(T, S, S if self.window is None else self.window, causal=True, ahead=S - T, device=x.device)
            out = attend(q, k, v, near, p=self.dropout, training=self.training)
        forgotten = 0 if self.window is None else max(0, S - self.window)
        return self._joined(out), k[:, :, forgotten:], v[:, :, forgotten:]

    def _queries(self, x: Tensor, start: Tensor | None = None) -> Tensor:
        expect("attention", x, "B", "T", self.width)
        q = self._heads(self.query(x))
        q = q if self.query_norm is None else self.query_norm(q)
        return q if self.rotary is None else self.rotary(q, start)

    def _windowed(self, context: Tensor | None, mask: Tensor | None) -> None:
        if context is not None or (mask is not None and mask.dim() != 2):
            raise InputError("attention within a window looks from a sequence to itself, with a mask [B, S]; leave the window out")

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.heads, self.head_dim)).transpose(1, 2)  # B T D -> B H T E

    def _joined(self, x: Tensor) -> Tensor:
        return self.output(x.transpose(1, 2).flatten(2))  # B H T E -> B T D


def _broadcast(mask: Tensor | None) -> Tensor | None:
    """B S -> B 1 1 S; B T S -> B 1 T S."""
    if mask is None:
        return None
    return mask[:, None, None, :] if mask.dim() == 2 else mask[:, None]

"""Attention within a window, at a cost linear in the length. B rows, T tokens, H heads, E dimensions of a head.

The queries are cut into n blocks of C; a block meets the C keys beside it and a window more on the sides that it can see, and no others.
So no table of T x T scores is ever made: time, and memory with its gradients, grow with T times the window.
"""

from __future__ import annotations

import torch
from torch import Tensor

from goodfit.base.errors import SettingError
from goodfit.nn.attend import attend
from goodfit.nn.shapes import expect

# Queries of a block, where the window is smaller. For windows of 8 and 32 at 8,192 tokens blocks of 16 and 32 take about the same time on a CPU, 64
# a tenth to a half more (more keys are met in vain), and smaller ones copy each key more often.
SMALLEST = 32


def attend_window(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    window: int,
    mask: Tensor | None = None,
    *,
    causal: bool = False,
    p: float = 0.0,
    training: bool = False,
) -> Tensor:
    """`attend` where query t sees keys t - window..t + window, or t - window..t if causal: q, k and v [B, H, T, E] -> [B, H, T, E].

    Equal to `attend` with `band` as its mask (Beltagy et al. 2020, Longformer; Child et al. 2019).
    mask: boolean [B, T], True at real tokens. A padding token sees itself too, so that no query is left without a key, and its result
    means nothing. p: probability that an attention weight is zeroed in training.

    Raises SettingError when `window` is negative, InputError when keys or mask do not fit the queries.
    """
    if window < 0:
        raise SettingError(f"a window reaches over 0 or more tokens; {window} was given", value=window)
    B, _, T, E = q.shape
    expect("windowed attention's keys", k, "B", "H", T, E)
    if mask is not None:
        expect("windowed attention's mask", mask, "B", T)

    def part(q: Tensor, k: Tensor, v: Tensor, valid: Tensor | None, ahead: int) -> Tensor:
        near = band(q.shape[2], k.shape[2], window, causal=causal, ahead=ahead, device=q.device, valid=valid)
        return attend(q, k, v, near, p=p, training=training)

    C = max(window, SMALLEST)
    left, right = window, 0 if causal else window
    n = (T - right) // C - 1  # blocks that see a whole window on each side: all but the first, and one or two at the end
    if n < 2:
        return part(q, k, v, mask, 0)
    size, end = left + C + right, (n + 1) * C
    first = part(q[:, :, :C], k[:, :, : C + right], v[:, :, : C + right], None if mask is None else mask[:, : C + right], 0)
    valid = None if mask is None else _windows(mask[:, None, :, None], C - left, n, size, C)[:, 0, :, 0]  # B*n size
    keys, values = (_windows(x, C - left, n, size, C) for x in (k, v))
    queries = q[:, :, C:end].unflatten(2, (n, C)).transpose(1, 2).flatten(0, 1)  # B H n*C E -> B*n H C E
    inner = part(queries, keys, values, valid, left).unflatten(0, (B, n)).transpose(1, 2).flatten(2, 3)  # B*n H C E -> B H n*C E
    if end == T:
        return torch.cat([first, inner], 2)
    last = part(q[:, :, end:], k[:, :, end - left :], v[:, :, end - left :], None if mask is None else mask[:, end - left :], left)
    return torch.cat([first, inner, last], 2)


def band(
    queries: int,
    keys: int,
    window: int,
    *,
    causal: bool = False,
    ahead: int = 0,
    device: torch.device | None = None,
    valid: Tensor | None = None,
) -> Tensor:
    """The mask of a window, True where a query may look: [T, S], or [B, 1, T, S] with `valid` [B, S], True at real tokens.

    ahead: how many keys come before the first query's own. A padding token may look at itself.

    >>> band(3, 3, 1, causal=True).int()
    tensor([[1, 0, 0],
            [1, 1, 0],
            [0, 1, 1]], dtype=torch.int32)
    """
    distance = torch.arange(queries, device=device).unsqueeze(1) + ahead - torch.arange(keys, device=device)
    near = (distance <= window) & (distance >= (0 if causal else -window))
    return near if valid is None else near & (valid[:, None, None, :] | (distance == 0))


def _windows(x: Tensor, start: int, n: int, size: int, step: int) -> Tensor:
    """n runs of `size` tokens of x [B, H, T, E], one every `step` from `start` on: [B*n, H, size, E]."""
    runs = x[:, :, start : start + (n - 1) * step + size].unfold(2, size, step)  # B H n E size
    return runs.permute(0, 2, 1, 4, 3).flatten(0, 1)

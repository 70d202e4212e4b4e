"""Functions and layers of torch that draw, or that vmap has no rule for, where a network in a stack calls them: for each member what it gets alone.

K members, B rows, H heads, T queries, S keys, E dimensions of a head.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from goodfit.base.errors import InputError
from goodfit.nn.attend import attend_stacked
from goodfit.nn.draws import Draws

_DRAWN = (torch.rand, torch.randn)
_CHANCES = (torch.bernoulli, Tensor.bernoulli)
_LIKE: dict[Callable[..., Any], Callable[..., Tensor]] = {torch.rand_like: torch.rand, torch.randn_like: torch.randn}


class StackedFunctions(TorchFunctionMode):
    """Within this context torch's functional dropout and its plain draws (rand, randn, bernoulli) give each member its own numbers, and torch's
    layers take the way on which dropout is a function. It costs a microsecond per call of any function of torch."""

    def __init__(self, draws: Draws) -> None:
        super().__init__()
        self._draws = draws

    def __torch_function__(
        self, function: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        if function is F.dropout:
            return self._dropout(*args, **given)
        draws, drawn = self._draws, None
        if function in _DRAWN and given.get("generator") is None:
            own = {name: value for name, value in given.items() if name != "generator"}
            drawn = draws.lowered(lambda: draws.each(lambda generator, member: function(*args, generator=generator, **own)))
        elif function in _LIKE and not given and len(args) == 1:
            draw, shape, kind, device = _LIKE[function], args[0].shape, args[0].dtype, args[0].device
            drawn = draws.lowered(lambda: draws.each(lambda generator, member: draw(shape, dtype=kind, device=device, generator=generator)))
        elif function in _CHANCES and not given and len(args) == 1:
            drawn = draws.lowered(lambda p: draws.each(lambda generator, member: torch.bernoulli(p[member], generator=generator)), args[0])
        return function(*args, **given) if drawn is None else drawn

    def _dropout(self, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        if not training or p == 0.0:
            return input
        draws = self._draws
        found: Tensor = draws.lowered(lambda x: draws.torch_dropped(x, [p] * len(draws.generators)), input)
        return found


def attention(
    layer: nn.MultiheadAttention,
    draws: Draws,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """torch.nn.MultiheadAttention's forward, of the batched tensors of one member: [B, T, D] (or [T, B, D], as the layer has it) -> the same."""
    if query.dim() != 3 or layer.bias_k is not None or layer.add_zero_attn:
        raise InputError("the attention of torch in a stack reads [B, T, D], without add_bias_kv and add_zero_attn")
    if not layer.batch_first:
        query, key, value = (x.transpose(0, 1) for x in (query, key, value))
    B, T, S = query.shape[0], query.shape[1], key.shape[1]
    maps = (
        layer.in_proj_weight.chunk(3)
        if layer.in_proj_weight is not None
        else (layer.q_proj_weight, layer.k_proj_weight, layer.v_proj_weight)
    )
    biases = (None, None, None) if layer.in_proj_bias is None else layer.in_proj_bias.chunk(3)
    q, k, v = (
        F.linear(x, weight, bias).unflatten(2, (layer.num_heads, -1)).transpose(1, 2)
        for x, weight, bias in zip((query, key, value), maps, biases, strict=True)
    )  # B H T E
    mask = _added(attn_mask, q, (B, T, S))
    if key_padding_mask is not None:
        padding = _negative(key_padding_mask, q)[:, None, None, :]
        mask = padding if mask is None else mask + padding
    p = layer.dropout if layer.training else 0.0
    if need_weights or p:
        scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5
        weights = (scores if mask is None else scores + mask).softmax(-1)
        if p:
            weights = draws.lowered(lambda x: draws.torch_dropped(x, [p] * len(draws.generators)), weights)
        out = weights @ v
    else:
        out = draws.lowered(attend_stacked, q, k, v, *(() if mask is None else (mask,)))
    out = out.permute(2, 0, 1, 3).flatten(2)  # B H T E -> T B D, the layout that torch leaves, in which what follows draws
    found = F.linear(out, layer.out_proj.weight, layer.out_proj.bias)
    found = found.transpose(0, 1) if layer.batch_first else found
    if not need_weights:
        return found, None
    return found, weights.mean(1) if average_attn_weights else weights


def _added(mask: Tensor | None, like: Tensor, sizes: tuple[int, int, int]) -> Tensor | None:
    """What a mask [T, S] or [B H, T, S] adds to the scores [B, H, T, S]."""
    if mask is None:
        return None
    added = _negative(mask, like)
    return added if mask.dim() == 2 else added.view(sizes[0], -1, *sizes[1:])


def _negative(mask: Tensor, like: Tensor) -> Tensor:
    """A boolean mask, True where nothing may be seen, as what is added to scores."""
    return torch.zeros_like(mask, dtype=like.dtype).masked_fill(mask, -torch.inf) if mask.dtype == torch.bool else mask

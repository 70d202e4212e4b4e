"""Recurrent layers of K networks, step by step: what torch.nn.RNN, LSTM and GRU compute, for which vmap has no rule.

K members, B rows, T steps, I inputs, U units, G gates' units (U, 3 U or 4 U). One product a step for all members.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from goodfit.base.errors import InputError
from goodfit.nn.draws import Draws

Weights = tuple[Tensor, Tensor, Tensor | None, Tensor | None]  # K G I, K G U, K G, K G


def covered(layer: nn.Module) -> bool:
    """Whether `recurrent` computes this layer."""
    return isinstance(layer, nn.RNN | nn.LSTM | nn.GRU) and not layer.proj_size


def recurrent(
    layer: nn.Module, own: dict[str, Tensor], rates: list[float], draws: Draws | None, x: Tensor, *start: Tensor
) -> tuple[Tensor, ...]:
    """x [K, B, T, I] (or [K, T, B, I], as the layer has it), states each [K, L, B, U] -> outputs, and the states behind the last step.

    Source: Elman 1990; Hochreiter and Schmidhuber 1997; Cho et al. 2014, with torch's order of gates and its two biases.
    """
    assert isinstance(layer, nn.RNNBase)
    if x.dim() != 4:
        raise InputError(f"a recurrent layer in a stack reads [B, T, {layer.input_size}] of each member; it got {x.dim() - 1} dimensions")
    x = x.transpose(1, 2) if layer.batch_first else x  # K T B I
    K, _, B, _ = x.shape
    ways = 2 if layer.bidirectional else 1
    parts = 2 if isinstance(layer, nn.LSTM) else 1
    if not start:
        start = (x.new_zeros(K, layer.num_layers * ways, B, layer.hidden_size),) * parts
    ends: list[tuple[Tensor, ...]] = []
    for level in range(layer.num_layers):
        if level and layer.training and any(rates):
            assert draws is not None
            x = draws.torch_dropped(x, rates)
        outs = []
        for way in range(ways):
            weights = _weights(own, f"_l{level}" + ("_reverse" if way else ""))
            first = tuple(part[:, len(ends)] for part in start)
            out, end = _walk(layer, weights, x.flip(1) if way else x, first)
            outs.append(out.flip(1) if way else out)
            ends.append(end)
        x = outs[0] if ways == 1 else torch.cat(outs, 3)
    return x.transpose(1, 2) if layer.batch_first else x, *(torch.stack(part, 1) for part in zip(*ends, strict=True))


def cell(layer: nn.Module, own: dict[str, Tensor], x: Tensor, *start: Tensor) -> Any:
    """torch's cells, one step: x [K, B, I], states each [K, B, U] -> the state, of an LSTM hidden and memory."""
    assert isinstance(layer, nn.RNNCellBase)
    if not start:
        start = (x.new_zeros(*x.shape[:2], layer.hidden_size),) * (2 if isinstance(layer, nn.LSTMCell) else 1)
    into, again = own["weight_ih"], own["weight_hh"]
    found = _advance(layer)(_product(x, into, own.get("bias_ih")), _product(start[0], again, own.get("bias_hh")), start)
    return found if isinstance(layer, nn.LSTMCell) else found[0]


def _weights(own: dict[str, Tensor], suffix: str) -> Weights:
    return own[f"weight_ih{suffix}"], own[f"weight_hh{suffix}"], own.get(f"bias_ih{suffix}"), own.get(f"bias_hh{suffix}")


def _walk(layer: nn.RNNBase, weights: Weights, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
    """x [K, T, B, I], states each [K, B, U] -> [K, T, B, U] and the last states."""
    into, again, into_bias, again_bias = weights
    K, T, B, _ = x.shape
    given = _product(x.reshape(K, T * B, -1), into, into_bias).view(K, T, B, -1)  # all steps at once
    advance = _advance(layer)
    outs = []
    for step in given.unbind(1):
        state = advance(step, _product(state[0], again, again_bias), state)
        outs.append(state[0])
    return torch.stack(outs, 1), state


def _product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return torch.bmm(x, weight.mT) if bias is None else torch.baddbmm(bias.unsqueeze(1), x, weight.mT)


Advance = Callable[[Tensor, Tensor, tuple[Tensor, ...]], tuple[Tensor, ...]]


def _advance(layer: nn.Module) -> Advance:
    if isinstance(layer, nn.LSTM | nn.LSTMCell):
        return _lstm
    if isinstance(layer, nn.GRU | nn.GRUCell):
        return _gru
    act = torch.relu if getattr(layer, "nonlinearity", "tanh") == "relu" else torch.tanh
    return lambda given, seen, state: (act(given + seen),)


def _lstm(given: Tensor, seen: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    let_in, forget, new, let_out = (given + seen).chunk(4, 2)
    memory = torch.sigmoid(forget) * state[1] + torch.sigmoid(let_in) * torch.tanh(new)
    return torch.sigmoid(let_out) * torch.tanh(memory), memory


def _gru(given: Tensor, seen: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    units = state[0].shape[2]
    gates = torch.sigmoid(given[..., : 2 * units] + seen[..., : 2 * units])
    reset, keep = gates.chunk(2, 2)
    new = torch.tanh(given[..., 2 * units :] + reset * seen[..., 2 * units :])
    return (torch.lerp(new, state[0], keep),)

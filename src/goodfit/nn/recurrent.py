"""Recurrent layers over padded sequences, in one direction or both, at once or in chunks.

B rows, T steps, D features, U units, W = U or 2 U in both directions, L layers times directions.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from goodfit.base.errors import SettingError, did_you_mean
from goodfit.nn.dropout import Dropout
from goodfit.nn.mapped import DRAWS
from goodfit.nn.pool import masked_last
from goodfit.nn.shapes import expect
from goodfit.nn.stacked_recurrent import recurrent

CELLS = ("rnn", "rnn_relu", "lstm", "gru")

# (hidden,) or, of an LSTM, (hidden, memory): each [B, L, U], layer by layer from below, of each the way forward and then the way back.
State = tuple[Tensor, ...]

# Added to a gate before its sigmoid, which is then 0 or 1 to the last bit, in bfloat16 too. No gate's own sum comes near it.
_SHUT = 1e4


class Recurrent(nn.Module):
    """[B, T, D] with a mask [B, T] whose real steps come first -> [B, T, W], 0 at padding.

    Equal to torch.nn.RNN, LSTM and GRU on each sequence without its padding. The way forward never sees padding behind it; the way back
    reads each sequence turned round within its own length. So nothing is packed: no lengths travel to the CPU, and torch.export can follow.

    cell: "rnn" (tanh; Elman 1990), "rnn_relu", "lstm" (Hochreiter and Schmidhuber 1997; its forget gates start with a bias of 1, so that
    it remembers from the beginning: Gers et al. 2000, Jozefowicz et al. 2015) or "gru" (Cho et al. 2014). units: of each direction.
    depth: layers, each reading the one below. dropout: between layers, in training.
    chunk: steps that are run at a time; None for all. Outputs are the same. In training what a chunk keeps for its gradient is one state
    and one input: the rest is computed again (Chen et al. 2016), a third more time for memory that grows with `chunk` in place of T.
    truncated: the gradient stops where chunks meet (Williams and Peng 1990), instead of being exact.

    Raises SettingError for an unknown cell, a chunk of no steps, or `truncated` without `chunk`.
    """

    def __init__(
        self,
        inputs: int,
        units: int,
        *,
        cell: str = "gru",
        depth: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        chunk: int | None = None,
        truncated: bool = False,
    ) -> None:
        super().__init__()
        if cell not in CELLS:
            raise SettingError(f"cell must be one of {', '.join(CELLS)}; {cell!r} was given{did_you_mean(cell, CELLS)}", value=cell)
        if chunk is not None and chunk < 1:
            raise SettingError(f"a chunk holds at least one step; chunk={chunk} was given, write None to run all at once", value=chunk)
        if truncated and chunk is None:
            raise SettingError("truncated=True has no effect without chunks; set chunk to the number of steps of each", value=truncated)
        self.inputs, self.units, self.cell, self.bidirectional = inputs, units, cell, bidirectional
        self.chunk, self.truncated = chunk, truncated
        self.width = units * (2 if bidirectional else 1)
        sizes = [inputs] + [self.width] * (depth - 1)
        self.ahead = nn.ModuleList([_layer(cell, size, units) for size in sizes])
        self.back = nn.ModuleList([_layer(cell, size, units) for size in sizes] if bidirectional else [])
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """mask: None where every step is real."""
        return self._walk(x, mask, None, ends=False)[0]

    def run(self, x: Tensor, mask: Tensor | None = None, state: State | None = None) -> tuple[Tensor, State]:
        """The outputs, and the state at the true end of each sequence, to go on from. state: to start from; None for zeros.

        A row without a real step ends where it started.
        """
        return self._walk(x, mask, state, ends=True)

    def _walk(self, x: Tensor, mask: Tensor | None, state: State | None, ends: bool) -> tuple[Tensor, State]:
        expect(self.cell, x, "B", "T", self.inputs)
        layers, parts = len(self.ahead) + len(self.back), 2 if self.cell == "lstm" else 1
        if state is None:
            state = (x.new_zeros(x.shape[0], layers, self.units),) * parts
        for given in state:
            expect(f"{self.cell}'s state", given, "B", layers, self.units)
        if x.shape[1] == 0:
            return x.new_zeros(x.shape[0], 0, self.width), state
        turn = None if mask is None else turned(mask)
        found: list[State] = []
        for level, ahead in enumerate(self.ahead):
            x = self.dropout(x) if level else x
            out, end = self._way(ahead, x, mask, _of(state, len(found)), ends)
            found.append(end)
            if self.bidirectional:
                back, end = self._way(self.back[level], _turn(x, turn), mask, _of(state, len(found)), ends)
                found.append(end)
                out = torch.cat([out, _turn(back, turn)], 2)
            x = out if mask is None else out * mask.unsqueeze(2)
        return x, tuple(torch.stack(layer, 1) for layer in zip(*found, strict=True))  # L times B U -> B L U

    def _way(self, layer: nn.Module, x: Tensor, mask: Tensor | None, start: State, ends: bool) -> tuple[Tensor, State]:
        """One layer in one direction: [B, T, D], each [B, U] -> [B, T, U], each [B, U] at the true ends if they are asked for."""
        idle = (~mask).unsqueeze(2).to(x.dtype) if ends and mask is not None and self.cell == "lstm" else None
        out, end = self._chunks(layer, x, start, idle)
        if not ends or mask is None:
            return out, end
        some = mask.any(1, keepdim=True)
        return out, (torch.where(some, masked_last(out, mask), start[0].to(out.dtype)), *end[1:])

    def _chunks(self, layer: nn.Module, x: Tensor, state: State, idle: Tensor | None) -> tuple[Tensor, State]:
        if self.chunk is None or x.shape[1] <= self.chunk:
            return _run(layer, x, idle, *state)
        again = torch.is_grad_enabled() and not torch.compiler.is_compiling() and not torch._C._are_functorch_transforms_active()
        outs = []
        for begin in range(0, x.shape[1], self.chunk):
            piece = slice(begin, begin + self.chunk)
            rest = None if idle is None else idle[:, piece]
            state = tuple(part.detach() for part in state) if self.truncated else state
            if again:  # nothing random is inside, so no random state is kept
                out, state = checkpoint(_run, layer, x[:, piece], rest, *state, use_reentrant=False, preserve_rng_state=False)
            else:
                out, state = _run(layer, x[:, piece], rest, *state)
            outs.append(out)
        return torch.cat(outs, 1), state


class PaddedGRU(Recurrent):
    """`Recurrent` of GRU cells (Cho et al. 2014)."""

    def __init__(self, inputs: int, units: int, *, depth: int = 1, bidirectional: bool = False, dropout: float = 0.0) -> None:
        super().__init__(inputs, units, cell="gru", depth=depth, bidirectional=bidirectional, dropout=dropout)


def turned(mask: Tensor) -> Tensor:
    """Positions [B, T] that turn each sequence round within its length and leave the padding where it is; applied twice, nothing changes."""
    place = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
    return torch.where(mask, mask.sum(1, keepdim=True) - 1 - place, place)


def _layer(cell: str, inputs: int, units: int) -> nn.RNNBase:
    if cell == "gru":
        return nn.GRU(inputs, units, batch_first=True)
    if cell != "lstm":
        return nn.RNN(inputs, units, batch_first=True, nonlinearity="relu" if cell == "rnn_relu" else "tanh")
    layer = nn.LSTM(inputs, units, batch_first=True)
    with torch.no_grad():  # gates stand in the order input, forget, memory, output
        layer.get_parameter("bias_ih_l0")[units : 2 * units].fill_(1.0)
        layer.get_parameter("bias_hh_l0")[units : 2 * units].zero_()
    return layer


def _run(layer: nn.Module, x: Tensor, idle: Tensor | None, *state: Tensor) -> tuple[Tensor, State]:
    """The layer from a state, each part [B, U], with the state behind its last step.

    idle: [B, T, 1], 1 at steps that leave the memory of an LSTM as it is, by shutting its input gate and opening its forget gate.
    """
    start = [part.to(x.dtype).unsqueeze(0) for part in state]
    if idle is None and not torch.compiler.is_compiling():
        out, end = layer(x, tuple(start) if len(start) > 1 else start[0])
        return out, tuple(part[0] for part in end) if len(start) > 1 else (end[0],)
    # torch.export takes the module's cached list of weights for state of its own; the function takes them as they are.
    weights: list[Tensor] = [getattr(layer, name) for name in _NAMES]
    if idle is not None:
        gates = weights[0].new_tensor([-_SHUT, _SHUT, 0.0, 0.0]).repeat_interleave(weights[1].shape[1])
        x, weights[0] = torch.cat([x, idle], 2), torch.cat([weights[0], gates.unsqueeze(1)], 1)
    if (draws := DRAWS.get()) is not None:  # in a stack, for which torch has no function
        out, *ends = draws.lowered(partial(_stacked, layer), x, *weights, *start)
        return out, tuple(end[0] for end in ends)
    settings: Any = (weights, True, 1, 0.0, False, False, True)  # with biases, one layer, no dropout, one direction, B first
    if isinstance(layer, nn.LSTM):
        out, hidden, memory = torch.lstm(x, start, *settings)
        return out, (hidden[0], memory[0])
    if isinstance(layer, nn.GRU):
        out, hidden = torch.gru(x, start[0], *settings)
    else:
        way = torch.rnn_relu if isinstance(layer, nn.RNN) and layer.nonlinearity == "relu" else torch.rnn_tanh
        out, hidden = way(x, start[0], *settings)
    return out, (hidden[0],)


_NAMES = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


def _stacked(layer: nn.Module, x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
    """The layer of all members of a stack, from the four weights and the states in `rest`."""
    return recurrent(layer, dict(zip(_NAMES, rest[:4], strict=True)), [], None, x, *rest[4:])


def _of(state: State, layer: int) -> State:
    return tuple(part[:, layer] for part in state)


def _turn(x: Tensor, places: Tensor | None) -> Tensor:
    return x.flip(1) if places is None else x.gather(1, places.unsqueeze(2).expand(-1, -1, x.shape[2]))

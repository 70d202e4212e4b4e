"""A gated recurrent unit over padded sequences, in one direction or both. B rows, T tokens, D features, U units."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from goodfit.nn.dropout import Dropout
from goodfit.nn.shapes import expect


class PaddedGRU(nn.Module):
    """GRU (Cho et al. 2014) over [B, T, D] with a mask [B, T] whose real tokens come first -> [B, T, U or 2 U], 0 at padding.

    Equal to torch.nn.GRU on each sequence without its padding. The way forward never sees padding behind it; the way back reads each
    sequence turned round within its own length. So nothing is packed: no lengths travel to the CPU, and torch.export can follow.

    units: of each direction. depth: layers, each reading the one below. dropout: between layers, in training.
    """

    def __init__(self, inputs: int, units: int, *, depth: int = 1, bidirectional: bool = False, dropout: float = 0.0) -> None:
        super().__init__()
        self.inputs, self.units, self.bidirectional = inputs, units, bidirectional
        self.width = units * (2 if bidirectional else 1)
        sizes = [inputs] + [self.width] * (depth - 1)
        self.ahead = nn.ModuleList([nn.GRU(size, units, batch_first=True) for size in sizes])
        self.back = nn.ModuleList([nn.GRU(size, units, batch_first=True) for size in sizes] if bidirectional else [])
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        expect("gru", x, "B", "T", self.inputs)
        turn = turned(mask)
        real = mask.unsqueeze(2)
        for layer, ahead in enumerate(self.ahead):
            x = self.dropout(x) if layer else x
            out = _run(ahead, x)
            if self.bidirectional:
                back = _reorder(_run(self.back[layer], _reorder(x, turn)), turn)
                out = torch.cat([out, back], 2)
            x = out * real
        return x


def turned(mask: Tensor) -> Tensor:
    """Positions [B, T] that turn each sequence round within its length and leave the padding where it is; applied twice, nothing changes."""
    place = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
    return torch.where(mask, mask.sum(1, keepdim=True) - 1 - place, place)


def _run(gru: nn.Module, x: Tensor) -> Tensor:
    if not torch.compiler.is_compiling():
        return gru(x)[0]
    # torch.export takes the module's cached list of weights for state of its own; the function takes them as they are.
    weights: list[Tensor] = [gru.get_parameter(name) for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")]
    start = x.new_zeros(1, x.shape[0], weights[1].shape[1])
    return torch.gru(x, start, weights, True, 1, 0.0, False, False, True)[0]


def _reorder(x: Tensor, places: Tensor) -> Tensor:
    return x.gather(1, places.unsqueeze(2).expand(-1, -1, x.shape[2]))

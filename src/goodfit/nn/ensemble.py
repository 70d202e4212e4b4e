"""Layers that hold K networks as one: a shared matrix with rank-1 adapters for each member, and a head for each member.

B rows, K members, I inputs, O outputs.
BatchEnsemble: Wen et al., ICLR 2020. TabM's use and start of it: Gorishniy et al., ICLR 2025.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.nn.shapes import expect


class EnsembleLinear(nn.Module):
    """y_k = ((x_k * r_k) W^T) * s_k + b_k: [B, K, I] -> [B, K, O]; [B, 1, I] is seen by every member.

    Adapters r and s start at 1 and the biases of all members are equal: members differ only by what `first_adapter_` drew, and by what
    they learn. W and b are drawn as torch's Linear draws a matrix, uniform within 1 / sqrt(I).
    """

    roles: ClassVar = {"r": "free", "s": "free"}  # scales whose neutral value is one: not to be decayed

    def __init__(self, inputs: int, outputs: int, members: int) -> None:
        super().__init__()
        self.inputs, self.outputs, self.members = inputs, outputs, members
        bound = max(inputs, 1) ** -0.5
        self.weight = nn.Parameter(torch.empty(outputs, inputs).uniform_(-bound, bound))
        self.r = nn.Parameter(torch.ones(members, inputs))
        self.s = nn.Parameter(torch.ones(members, outputs))
        self.bias = nn.Parameter(torch.empty(outputs).uniform_(-bound, bound).repeat(members, 1))

    def forward(self, x: Tensor) -> Tensor:
        expect("ensemble linear", x, "B", "K", self.inputs)
        # One matrix product for all members. The adapters take the dtype of what they scale, or autocast would widen it again.
        y = F.linear(x * self.r.to(x.dtype), self.weight)
        return torch.addcmul(self.bias.to(y.dtype), y, self.s.to(y.dtype))


class EnsembleHead(nn.Module):
    """A linear layer of its own for each member: [B, K, I] -> [B, K, O]."""

    incoming: ClassVar = {"weight": (-2,)}  # of [K, I, O], for a limit on the norm of a unit's incoming weights

    def __init__(self, inputs: int, outputs: int, members: int) -> None:
        super().__init__()
        self.inputs, self.outputs, self.members = inputs, outputs, members
        bound = max(inputs, 1) ** -0.5
        self.weight = nn.Parameter(torch.empty(members, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(members, outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        expect("ensemble head", x, "B", self.members, self.inputs)
        return torch.baddbmm(self.bias.unsqueeze(1), x.transpose(0, 1), self.weight).transpose(0, 1)  # K B O -> B K O


@torch.no_grad()
def first_adapter_(adapter: Tensor, sections: Sequence[int], kind: str) -> Tensor:
    """Draw the adapter [K, I] that makes the members differ, one value per member and section (column of the table), in place.

    kind: "signs" for +1 or -1, "normal" for a standard normal.
    """
    drawn = torch.randn(adapter.shape[0], len(sections), dtype=adapter.dtype, device=adapter.device)
    if kind == "signs":
        drawn = torch.where(drawn < 0, -1.0, 1.0).to(adapter.dtype)
    repeats = torch.tensor(list(sections), device=adapter.device)
    return adapter.copy_(drawn.repeat_interleave(repeats, 1, output_size=adapter.shape[1]))

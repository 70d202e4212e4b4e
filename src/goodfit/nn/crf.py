"""A linear-chain conditional random field (Lafferty et al. 2001). B rows, T tokens, O tags.

The score of a row of tags is the sum of its potentials: potentials[b, t, i, j] is what tag j at token t adds behind tag i at token t - 1, in nats.
The first token has no tag before it and is read in row 0; what ends a row is part of its last real token's potentials, and padding has 0.
So the loss, the likeliest tags and their probabilities (goodfit.tasks.chain) need the potentials and no weights. Real tokens come first.

A token takes O^2 potentials: for 20 tags 1.6 kB, for 190 tags 144 kB and as much time as a small network.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from goodfit.nn.shapes import expect


class CRF(nn.Module):
    """Emissions [B, T, O] -> potentials [B, T, O, O], with learned scores of transitions i -> j, of starts and of ends.

    They start at 0, where the field says what a softmax for each token says.
    """

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.outputs = outputs
        self.transitions = nn.Parameter(torch.zeros(outputs, outputs))
        self.start, self.end = nn.Parameter(torch.zeros(outputs)), nn.Parameter(torch.zeros(outputs))

    def forward(self, emissions: Tensor, mask: Tensor) -> Tensor:
        expect("crf", emissions, "B", "T", self.outputs)
        return potentials(emissions, mask, self.transitions, self.start, self.end)


def potentials(emissions: Tensor, mask: Tensor, transitions: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """emissions [B, T, O], mask [B, T], transitions [O, O], start and end [O] -> [B, T, O, O]."""
    first = torch.arange(mask.shape[1], device=mask.device) == 0
    last = mask & ~torch.cat([mask[:, 1:], torch.zeros_like(mask[:, :1])], 1)
    alone = emissions + first.unsqueeze(1) * start + last.unsqueeze(2) * end  # B T O
    whole = alone.unsqueeze(2) + ~first[:, None, None] * transitions  # B T 1 O, T O O -> B T O O
    return whole * mask[:, :, None, None]

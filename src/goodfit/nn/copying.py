"""Copying tokens of the source into the target. B rows, T target tokens, S source tokens, V tokens of the target's vocabulary, D features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.base.errors import InputError
from goodfit.nn.block import State


class Copying(nn.Module):
    """log(g softmax(scores) + (1 - g) copied): what the network would write, mixed with what it could copy (See et al. 2017).

    copied: the weights of an attention over the source tokens, each at the target token that it stands for. g: a share within 0 and 1, from what
    the attention sees, the decoder's vector and the last token. We differ in that the attention is one of its own, over those source
    tokens only that can be copied; where there are none, g is 1.

    copies: for each token of the source's vocabulary the target token that it stands for, 0 for none. vocabulary: V.
    Raises InputError when one is no token of the target's vocabulary.
    """

    token: Tensor

    def __init__(self, width: int, copies: Sequence[int], vocabulary: int) -> None:
        super().__init__()
        wrong = [token for token in copies if not 0 <= token < vocabulary]
        if wrong:
            raise InputError(f"copies must name tokens of the target's vocabulary, 0 to {vocabulary - 1}, or 0 for none; got {wrong[0]}")
        self.query, self.key = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)
        self.gate = nn.Linear(3 * width, 1)
        self.register_buffer("token", torch.tensor(list(copies), dtype=torch.int64))

    def begin(self, source: Tensor, memory: Tensor) -> State:
        """What `forward` needs of the source [B, S] and its vectors [B, S, D]; computed once. copy_token: 0 where nothing can be copied."""
        return {"copy_token": self.token[source.long()], "copy_key": self.key(memory), "copy_value": memory}

    def forward(self, x: Tensor, last: Tensor, logits: Tensor, state: State) -> Tensor:
        """The decoder's vectors x and the embedded tokens `last`, both [B, T, D], scores [B, T, V] -> log-probabilities [B, T, V]."""
        token = state["copy_token"]
        can = token != 0  # B S
        some = can.any(1)[:, None, None]  # B 1 1
        scores = self.query(x) @ state["copy_key"].transpose(1, 2) * x.shape[-1] ** -0.5  # B T S
        weights = scores.masked_fill(~can.unsqueeze(1) & some, float("-inf")).softmax(2)
        written = logits.log_softmax(2)
        gate = self.gate(torch.cat([(weights.to(x.dtype) @ state["copy_value"]).to(x.dtype), x, last], 2)).to(written.dtype)  # B T 1
        place = token.unsqueeze(1).expand(-1, x.shape[1], -1)  # B T S
        copied = torch.zeros_like(written).scatter_add(2, place, weights.to(written.dtype) * some)
        copied = copied.clamp_min(torch.finfo(written.dtype).tiny).log()  # no logarithm of 0, whose gradient is none
        return torch.logaddexp(torch.where(some, F.logsigmoid(gate), 0.0) + written, F.logsigmoid(-gate) + copied)

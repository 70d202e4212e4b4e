"""Places of the list that was read, one after the other: taught place by place, found by beam search.

B rows, N points of the longest list, T places of the longest answer. Place N, behind all points, is the start when read and the end when said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.tasks.search import Decoder, beam, greedy

SCORES = {"accuracy": True, "step_accuracy": True}
NONE = -1  # the place where a row names none any more


class Pointing:
    """The task of naming places.

    longest: places of the longest answer of the training rows; answers to longer lists may be longer. score: accuracy, the share of rows that are right
    throughout, or step_accuracy, the share of the places of the right answers that are named at their turn. width: hypotheses that are kept in the
    search (see search.beam); 1 takes the likeliest place at each step.
    """

    outputs = 1  # a logit for each point

    def __init__(self, longest: int, *, score: str = "accuracy", width: int = 4) -> None:
        self.longest = longest
        self.score = score
        self.maximise = SCORES[score]
        self.width = width

    def run(self, network: nn.Module, inputs: Mapping[str, Tensor], target: Tensor | None) -> Tensor:
        """With the target [B, any], the logits [B, T + 1, N + 1] of each place and of the end, given all before; without, the places [B, L] that are found."""
        if target is not None:
            return cast(Tensor, network(**inputs, target=F.pad(_cut(target), (1, 0), value=NONE)))  # no place is the start
        state = cast(Any, network).encode(inputs["points"], inputs.get("lengths"))
        end = inputs["points"].shape[1]
        limit = max(end, self.longest) + 1
        decoder = cast(Decoder, network)
        if self.width == 1:
            found = greedy(decoder, state, start=end, end=end, limit=limit)
        else:  # without a length penalty: answers are as long as they must be, and no rows compete
            found = beam(decoder, state, start=end, end=end, limit=limit, width=self.width, length_penalty=0.0)
        places = found.tokens[:, 0]
        return places.masked_fill(places == end, NONE)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """output [B, T + 1, N + 1], target [B, any] of places, NONE behind the last -> nats per row [B].

        A row's loss is the sum over its places and the end, over the places of a mean row: the mean over rows is the mean over places.
        """
        end = output.shape[2] - 1
        target = _cut(target).long()
        lengths = (target != NONE).sum(1)
        wanted = F.pad(target, (0, 1), value=NONE).scatter(1, lengths.unsqueeze(1), end)  # B T + 1
        losses = F.cross_entropy(output.flatten(0, 1).float(), wanted.flatten(), ignore_index=NONE, reduction="none")
        return losses.view(wanted.shape).sum(1) * (len(target) / (lengths + 1).sum())

    def decode(self, output: Tensor) -> dict[str, Tensor]:
        """Places [B, L] -> {"place": int32 [B, L]}, NONE behind the last."""
        return {"place": output.to(torch.int32)}

    def metrics(self, prediction: dict[str, np.ndarray], target: np.ndarray, weight: np.ndarray | None = None) -> dict[str, float]:
        """accuracy and step_accuracy; weight [n] of the rows."""
        exact, right, steps = followed(prediction["place"], target)
        w = np.ones(len(target)) if weight is None else weight
        return {
            "accuracy": float(np.average(exact, weights=w)) if w.sum() > 0 else 0.0,
            "step_accuracy": float((w * right).sum() / max((w * steps).sum(), 1e-12)),
        }


def _cut(target: Tensor) -> Tensor:
    """As many places as the longest answer here has, at least one."""
    return target[:, : max(1, int((target != NONE).sum(1).max()))] if len(target) else target[:, :1]


def followed(said: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places that were said [n, any] and those that are right [n, T], NONE behind the last -> of each row whether they are the same (bool [n]), how
    many are right at their turn, and how many there are to be named (int64 [n])."""
    longest = max(said.shape[1], right.shape[1])
    said, right = (np.pad(one, ((0, 0), (0, longest - one.shape[1])), constant_values=NONE) for one in (said, right))
    named = right != NONE
    return (said == right).all(1), ((said == right) & named).sum(1), named.sum(1)

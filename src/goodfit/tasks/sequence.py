"""A sequence of units for each row, such as the phones of a word: taught unit by unit, found by beam search.

B rows, T units, C different units, V = C + 3 tokens of the network: 0 is none, 1 the end, 2 the start, then the units.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.tasks.search import Decoder, beam, greedy

SCORES = {"token_error_rate": False, "accuracy": True}
NONE = -1  # the code where a row has no unit any more
END, START, FIRST = 1, 2, 3
# Of the longest answer that training had: a longer one is a loop more often than right.
LONGEST = 1.2


class Sequence:
    """The task of a sequence of C different units. longest: units of the longest answer of the training rows.

    score: token_error_rate, the edits that turn what is said into what is right, over the units that are right; or accuracy, the share of rows that
    are right throughout. width: hypotheses that are kept in the search (see search.beam); 1 takes the likeliest unit at each step.
    """

    def __init__(self, units: int, longest: int, *, label_smoothing: float = 0.0, score: str = "token_error_rate", width: int = 4) -> None:
        self.outputs = units + FIRST
        self.longest = longest
        self.label_smoothing = label_smoothing
        self.score = score
        self.maximise = SCORES[score]
        self.width = width

    def run(self, network: nn.Module, inputs: Mapping[str, Tensor], target: Tensor | None) -> Tensor:
        """With the target [B, any], the logits [B, T + 1, V] of each unit and of the end, given all before; without, the tokens [B, L] that are found."""
        if target is not None:
            return cast(Tensor, network(**inputs, target=self._read(target)))
        state = cast(Any, network).encode(inputs["source"])
        limit = int(LONGEST * self.longest) + 2
        decoder = cast(Decoder, network)
        if self.width == 1:
            return greedy(decoder, state, start=START, end=END, limit=limit).tokens[:, 0]
        return beam(decoder, state, start=START, end=END, limit=limit, width=self.width).tokens[:, 0]

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """output [B, T + 1, V], target [B, any] of codes, NONE behind the last unit -> nats per row [B].

        A row's loss is its units' sum over the units of a mean row, ends counted: the mean over rows is the mean over units.
        """
        wanted = F.pad(self._tokens(target), (0, 1))  # B T + 1, room for the end of the longest
        lengths = (target != NONE).sum(1)
        wanted = wanted.scatter(1, lengths.unsqueeze(1), END)
        losses = F.cross_entropy(
            output.flatten(0, 1).float(), wanted.flatten(), ignore_index=0, reduction="none", label_smoothing=self.label_smoothing
        )
        return losses.view(wanted.shape).sum(1) * (len(target) / (lengths + 1).sum())

    def decode(self, output: Tensor) -> dict[str, Tensor]:
        """Tokens [B, L] -> {"unit": int16 or int32 [B, L]} codes, NONE from the end on."""
        ended = (output == END).cumsum(1) > 0
        codes = torch.where(ended | (output < FIRST), NONE, output - FIRST)
        return {"unit": codes.to(torch.int16 if self.outputs < 2**15 else torch.int32)}

    def metrics(self, prediction: dict[str, np.ndarray], target: np.ndarray, weight: np.ndarray | None = None) -> dict[str, float]:
        """token_error_rate and accuracy; weight [n] of the rows."""
        edits, units = edited(prediction["unit"], target)
        w = np.ones(len(target)) if weight is None else weight
        return {
            "token_error_rate": float((w * edits).sum() / max((w * units).sum(), 1e-12)),
            "accuracy": float(np.average(edits == 0, weights=w)) if w.sum() > 0 else 0.0,
        }

    def _tokens(self, target: Tensor) -> Tensor:
        """Codes [B, any] -> tokens [B, T], 0 behind the last; T of the longest row here."""
        target = target[:, : max(1, int((target != NONE).sum(1).max()))] if len(target) else target[:, :1]
        return (target.long() + FIRST).masked_fill(target == NONE, 0)

    def _read(self, target: Tensor) -> Tensor:
        """What the network reads while it is taught: the start, then each unit but no end, [B, T + 1]."""
        return F.pad(self._tokens(target), (1, 0), value=START)


def edited(said: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Levenshtein distances (1966) of rows of codes [n, any] and [n, T], each up to its first NONE, and the units of the right ones: int64 [n].

    All rows at once, a diagonal at a time would need both; here a unit of `said` at a time, the running minimum over `right` by a cumulative one.
    """
    n = len(right)
    units, steps = (right != NONE).sum(1), (said != NONE).sum(1)
    T = right.shape[1]
    place = np.arange(T + 1)
    row = np.broadcast_to(place, (n, T + 1)).copy()  # edits that turn nothing into the first t units
    result = np.where(steps == 0, units, 0)
    for step in range(said.shape[1]):
        changed = row[:, :-1] + (said[:, step, None] != right)  # take it for a unit
        dropped = row + 1  # leave it out
        best = dropped
        best[:, 1:] = np.minimum(best[:, 1:], changed)
        # Adding units that were not said: the least of best[j] + (t - j) over j <= t.
        row = np.minimum.accumulate(best - place, axis=1) + place
        ends = steps == step + 1
        result[ends] = row[ends, units[ends]]
    return result.astype(np.int64), units.astype(np.int64)

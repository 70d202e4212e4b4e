"""A tag for each token, by C logits a token, or by the potentials of a chain (see chain).

B rows, T tokens, C tags.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from goodfit.base.errors import SettingError
from goodfit.tasks import chain

SCORES = {"accuracy": True, "sentence_accuracy": True}
NONE = -1  # the code where a row has no token any more


class Tagging:
    """The task of one of C tags for each token. score: accuracy of the tokens, or sentence_accuracy, the share of rows that are right throughout."""

    def __init__(self, tags: int, *, label_smoothing: float = 0.0, score: str = "accuracy") -> None:
        self.outputs = tags
        self.label_smoothing = label_smoothing
        self.score = score
        self.maximise = SCORES[score]

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """output [B, T, C] or potentials [B, T, C, C], target [B, any] of codes, NONE behind the last token -> nats per row [B].

        A row's loss is its tokens' sum over the tokens of a mean row: the mean over rows is the mean over tokens.
        """
        target = fitted(target.long(), output.shape[1])
        mask = target != NONE
        if output.dim() == 4:
            if self.label_smoothing:
                raise SettingError("train.label_smoothing has no effect on a chain of tags; leave it out", value=self.label_smoothing)
            total = chain.nll(output.float(), target.clamp_min(0), mask)
        else:
            losses = F.cross_entropy(
                output.flatten(0, 1).float(), target.flatten(), ignore_index=NONE, reduction="none", label_smoothing=self.label_smoothing
            )
            total = losses.view(target.shape).sum(1)
        return total * (len(target) / mask.sum().clamp_min(1))

    def decode(self, output: Tensor) -> dict[str, Tensor]:
        """output -> {"tag": int16 or int32 [B, T]}; what stands behind a row's last token means nothing."""
        if output.dim() == 4:
            # Potentials behind a row's end are 0 and change nothing before it.
            tags = chain.decode(output.float(), torch.ones(output.shape[:2], dtype=torch.bool, device=output.device))
        else:
            tags = output.argmax(-1)
        return {"tag": tags.to(torch.int16 if self.outputs < 2**15 else torch.int32)}

    def metrics(self, prediction: dict[str, np.ndarray], target: np.ndarray, weight: np.ndarray | None = None) -> dict[str, float]:
        """accuracy (of the tokens) and sentence_accuracy; weight [n] of the rows."""
        right, tokens = counted(prediction["tag"], target)
        w = np.ones(len(target)) if weight is None else weight
        return {
            "accuracy": float((w * right).sum() / max((w * tokens).sum(), 1e-12)),
            "sentence_accuracy": float(np.average(right == tokens, weights=w)) if w.sum() > 0 else 0.0,
        }


def fitted(target: Tensor, length: int) -> Tensor:
    """target [B, any] cut at `length` or filled up with NONE -> [B, length]."""
    return F.pad(target, (0, length - target.shape[1]), value=NONE)


def counted(tags: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """tags [n, any], target [n, T] -> tokens of each row that are right, and all of them, int64 [n]."""
    length = min(tags.shape[1], target.shape[1])
    there = target != NONE
    right = (tags[:, :length] == target[:, :length]) & there[:, :length]
    return right.sum(1), there.sum(1)

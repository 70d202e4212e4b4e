"""One of two classes, by one logit.

B rows, K members.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from goodfit.tasks.class_metrics import class_metrics, score_only
from goodfit.tasks.outputs import for_members, mean_of_members, widened

SCORES = {
    "log_loss": False,
    "refinement": False,
    "smoothed_log_loss": False,
    "accuracy": True,
    "roc_auc": True,
    "balanced_accuracy": True,
    "f1_macro": True,
}


def binary_loss(output: Tensor, target: Tensor, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy in nats per sample: output [B, 1] or [B, K, 1], target [B] codes 0 and 1 -> [B].

    smoothing: the target becomes 1 - smoothing / 2 (Szegedy et al. 2016), as with two classes in multiclass.
    """
    logit = widened(output)[..., 0]  # B 1 -> B, or B K 1 -> B K
    soft = target.to(logit.dtype)
    if smoothing:
        soft = soft * (1 - smoothing) + smoothing / 2
    losses = F.binary_cross_entropy_with_logits(logit, for_members(soft, output), reduction="none")
    return mean_of_members(losses, output)


def binary_probability(output: Tensor) -> Tensor:
    """output [B, 1] or [B, K, 1] -> probabilities [B, 2], averaged over members; each side keeps its small digits."""
    logit = widened(output)  # ... 1
    return mean_of_members(torch.sigmoid(torch.cat([-logit, logit], -1)), output)


class Binary:
    """The task of one of two classes. score: the metric that early stopping reads, one of SCORES."""

    outputs = 1

    def __init__(self, *, label_smoothing: float = 0.0, score: str = "log_loss") -> None:
        self.label_smoothing = label_smoothing
        self.score = score
        self.maximise = SCORES[score]

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """output [B, 1] or [B, K, 1], target [B] -> nats per sample [B], the mean of the members' losses."""
        return binary_loss(output, target, self.label_smoothing)

    def decode(self, output: Tensor) -> dict[str, Tensor]:
        """output -> {"probability": [B, 2]}, the mean of the members' probabilities."""
        return {"probability": binary_probability(output)}

    def metrics(self, prediction: dict[str, np.ndarray], target: np.ndarray, weight: np.ndarray | None = None) -> dict[str, float]:
        """accuracy, balanced_accuracy, f1_macro, log_loss, roc_auc; the refinement (see cooling) or smoothed_log_loss where it is the score."""
        metrics = class_metrics(prediction["probability"], target, weight)
        return metrics | score_only(self.score, prediction["probability"], target, self.label_smoothing, weight)

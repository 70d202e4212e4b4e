"""One of C classes, by C logits.

B rows, K members, C classes.
"""

from __future__ import annotations

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from goodfit.tasks.class_metrics import class_metrics, score_only
from goodfit.tasks.outputs import for_members, mean_of_members, widened

SCORES = {
    "log_loss": False,
    "refinement": False,
    "smoothed_log_loss": False,
    "accuracy": True,
    "roc_auc_ovr": True,
    "balanced_accuracy": True,
    "f1_macro": True,
}


def multiclass_loss(output: Tensor, target: Tensor, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy in nats per sample: output [B, C] or [B, K, C], target [B] codes -> [B].

    smoothing: this share of the target is spread evenly over all C classes (Szegedy et al. 2016).
    """
    logits = widened(output)
    if output.ndim == 2:
        return F.cross_entropy(logits, target.long(), reduction="none", label_smoothing=smoothing)
    codes = for_members(target.long(), output)
    losses = F.cross_entropy(logits.flatten(0, -2), codes.reshape(-1), reduction="none", label_smoothing=smoothing)
    return mean_of_members(losses.view(output.shape[:-1]), output)


class Multiclass:
    """The task of one of C classes. score: the metric that early stopping reads, one of SCORES."""

    def __init__(self, classes: int, *, label_smoothing: float = 0.0, score: str = "log_loss") -> None:
        self.outputs = classes
        self.label_smoothing = label_smoothing
        self.score = score
        self.maximise = SCORES[score]

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """output [B, C] or [B, K, C], target [B] -> nats per sample [B], the mean of the members' losses."""
        return multiclass_loss(output, target, self.label_smoothing)

    def decode(self, output: Tensor) -> dict[str, Tensor]:
        """output -> {"probability": [B, C]}, the mean of the members' probabilities."""
        return {"probability": mean_of_members(widened(output).softmax(-1), output)}

    def metrics(self, prediction: dict[str, np.ndarray], target: np.ndarray, weight: np.ndarray | None = None) -> dict[str, float]:
        """accuracy, balanced_accuracy, f1_macro, log_loss, roc_auc_ovr up to a hundred classes; the refinement (see cooling) or smoothed_log_loss where it is the score."""
        metrics = class_metrics(prediction["probability"], target, weight)
        return metrics | score_only(self.score, prediction["probability"], target, self.label_smoothing, weight)

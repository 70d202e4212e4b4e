"""Any of C labels, each by a logit of its own.

B rows, K members, C labels, n rows of an evaluation.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from goodfit.tasks.class_metrics import RANKED, average, mean_defined, roc_auc, surprise
from goodfit.tasks.outputs import for_members, mean_of_members, widened

SCORES = {"log_loss": False, "accuracy": True, "f1_macro": True, "f1_micro": True, "hamming_loss": False, "roc_auc_macro": True}


def multilabel_loss(output: Tensor, target: Tensor, smoothing: float = 0.0) -> Tensor:
    """Mean over the labels of their cross-entropies, in nats per sample: output [B, C] or [B, K, C], target [B, C] of 0 and 1 -> [B].

    smoothing: each label's target becomes 1 - smoothing / 2, as in binary.
    """
    logits = widened(output)
    soft = target.to(logits.dtype)
    if smoothing:
        soft = soft * (1 - smoothing) + smoothing / 2
    losses = F.binary_cross_entropy_with_logits(logits, for_members(soft, output), reduction="none")
    return mean_of_members(losses.mean(-1), output)


class Multilabel:
    """The task of any of C labels. score: the metric that early stopping reads, one of SCORES."""

    def __init__(self, labels: int, *, label_smoothing: float = 0.0, score: str = "log_loss") -> None:
        self.outputs = labels
        self.label_smoothing = label_smoothing
        self.score = score
        self.maximise = SCORES[score]

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """output [B, C] or [B, K, C], target [B, C] -> nats per sample [B], the mean of the members' losses."""
        return multilabel_loss(output, target, self.label_smoothing)

    def decode(self, output: Tensor) -> dict[str, Tensor]:
        """output -> {"probability": [B, C]} of each label, the mean of the members' probabilities."""
        return {"probability": mean_of_members(torch.sigmoid(widened(output)), output)}

    def metrics(self, prediction: dict[str, np.ndarray], target: np.ndarray, weight: np.ndarray | None = None) -> dict[str, float]:
        """accuracy (all labels of a row right), hamming_loss, f1_macro, f1_micro, log_loss (mean over labels), roc_auc_macro.

        A label is predicted from a probability of 0.5 on. A label that no row has and none is given counts 0 in f1_macro.
        """
        probability = prediction["probability"]
        truth, chosen = target > 0.5, probability >= 0.5
        ones = np.ones(len(truth)) if weight is None else weight
        hits, either = ones @ (truth & chosen), ones @ truth + ones @ chosen  # C
        rows = float(ones.sum())
        metrics = {
            "accuracy": average((truth == chosen).all(1).astype(np.float64), weight),
            "hamming_loss": average((truth != chosen).mean(1), weight),
            "f1_macro": float(np.divide(2 * hits, either, out=np.zeros_like(hits), where=either > 0).mean()) if rows else float("nan"),
            "f1_micro": float(2 * hits.sum() / either.sum()) if either.sum() else (0.0 if rows else float("nan")),
            "log_loss": average(surprise(np.where(truth, probability, 1 - probability)).mean(1), weight),
        }
        if probability.shape[1] <= RANKED:
            columns = zip(np.ascontiguousarray(probability.T), truth.T, strict=True)  # n C -> C n
            areas = [roc_auc(score, positive, weight) for score, positive in columns]
            metrics["roc_auc_macro"] = mean_defined(areas)
        return metrics

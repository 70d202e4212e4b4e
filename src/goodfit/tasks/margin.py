"""Losses with a margin, for any network: what is right by enough costs nothing.

B rows, K members, C classes. Hinge: Cortes and Vapnik 1995; several classes one against the rest: Rifkin and Klautau, "In defense of one-vs-all classification" (2004).
Insensitive: Drucker et al. 1996.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from goodfit.base.protocols import Task
from goodfit.tasks.outputs import for_members, mean_of_members, widened

EPSILON = 0.1  # standard deviations that a number may be off for nothing: scikit-learn's in SVR


def hinge(output: Tensor, target: Tensor, *, squared: bool = False) -> Tensor:
    """output [B, 1] or [B, C] (or [B, K, ...]), target [B] codes -> [B]: max(0, 1 - margin), of C classes the sum over each against the rest.

    >>> hinge(torch.tensor([[0.25], [3.0]]), torch.tensor([1, 0])).tolist()
    [0.75, 4.0]
    """
    said = widened(output)
    codes = for_members(target.long(), output)  # B or B K
    right = codes.unsqueeze(-1) if said.shape[-1] == 1 else F.one_hot(codes, said.shape[-1])
    short = (1 - (2 * right.to(said.dtype) - 1) * said).clamp_min(0)
    return mean_of_members((short.square() if squared else short).sum(-1), output)


def insensitive(output: Tensor, target: Tensor, *, epsilon: float = EPSILON) -> Tensor:
    """output [B, 1] or [B, K, 1], target [B] standardised -> [B]: what the absolute error exceeds `epsilon` by."""
    value = widened(output)[..., 0]
    return mean_of_members(((value - for_members(target.to(value.dtype), output)).abs() - epsilon).clamp_min(0), output)


LOSSES: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], tuple[str, ...]]] = {
    "hinge": (hinge, ("binary", "multiclass")),
    "squared_hinge": (lambda output, target: hinge(output, target, squared=True), ("binary", "multiclass")),
    "insensitive": (insensitive, ("regression",)),
}  # the loss, and the kinds of targets that it is for


class Margin:
    """A task that is learned by a loss of LOSSES, and decoded and judged as before. Probabilities of scores with a margin are those of their logits, which the bundle cools."""

    def __init__(self, task: Task, loss: str) -> None:
        self._task, self._loss = task, LOSSES[loss][0]
        self.outputs, self.score, self.maximise = task.outputs, task.score, task.maximise

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """As the function of LOSSES, per sample [B]."""
        return self._loss(output, target)

    def decode(self, output: Tensor) -> dict[str, Tensor]:
        return self._task.decode(output)

    def metrics(self, prediction: dict[str, np.ndarray], target: np.ndarray, weight: np.ndarray | None = None) -> dict[str, float]:
        return self._task.metrics(prediction, target, weight)

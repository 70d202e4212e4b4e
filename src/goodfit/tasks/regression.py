"""A number, learned standardised and decoded in its own unit.

B rows, K members.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from goodfit.tasks.class_metrics import average
from goodfit.tasks.outputs import for_members, mean_of_members, widened

SCORES = {"root_mean_squared_error": False, "mean_absolute_error": False, "r2": True}


def regression_loss(output: Tensor, target: Tensor) -> Tensor:
    """Squared error per sample, in squared standard deviations: output [B, 1] or [B, K, 1], target [B] standardised -> [B]."""
    value = widened(output)[..., 0]  # B 1 -> B, or B K 1 -> B K
    return mean_of_members((value - for_members(target.to(value.dtype), output)).square(), output)


class Regression:
    """The task of a number with training mean `mean` and standard deviation `std`, in its unit. score: one of SCORES."""

    outputs = 1

    def __init__(self, mean: float = 0.0, std: float = 1.0, *, score: str = "root_mean_squared_error") -> None:
        self.mean, self.std = mean, std
        self.score = score
        self.maximise = SCORES[score]

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """output [B, 1] or [B, K, 1], target [B] -> squared error per sample [B], the mean of the members' losses."""
        return regression_loss(output, target)

    def decode(self, output: Tensor) -> dict[str, Tensor]:
        """output -> {"mean": [B]} in the target's unit, the mean of the members.

        In float64: a target such as a year or a time stamp has a mean that leaves float32 no digits for the rest.
        """
        value = mean_of_members(widened(output)[..., 0], output)
        if value.device.type != "mps":  # which has no float64
            value = value.to(torch.float64)
        return {"mean": value * self.std + self.mean}

    def metrics(self, prediction: dict[str, np.ndarray], target: np.ndarray, weight: np.ndarray | None = None) -> dict[str, float]:
        """r2, mean_absolute_error, root_mean_squared_error, in the target's unit; target [n] standardised.

        r2 of rows that are all alike is 1 where they are predicted exactly, else 0, and that of one row is undefined, as in scikit-learn.
        """
        actual = target.astype(np.float64) * self.std + self.mean
        error = prediction["mean"].astype(np.float64) - actual
        squared = average(error**2, weight)
        spread = average((actual - average(actual, weight)) ** 2, weight)
        r2 = 1 - squared / spread if spread > 0 else float(squared == 0)
        return {
            "r2": r2 if len(actual) >= 2 and spread == spread else float("nan"),
            "mean_absolute_error": average(np.abs(error), weight),
            "root_mean_squared_error": squared**0.5,
        }

"""The next steps of a series, all at once, each at its distance.

B windows, H steps ahead, K members. A step that is unknown, or of another part of the data, is NaN in the target and counts nowhere.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from goodfit.tasks.class_metrics import average
from goodfit.tasks.outputs import for_members, mean_of_members, widened

SCORES = {"mean_absolute_error": False, "root_mean_squared_error": False, "mean_absolute_scaled_error": False}


class Forecast:
    """The task of H steps of a series whose training values have mean `mean` and standard deviation `std`, in its unit.

    naive: the mean absolute error of the seasonal naive forecast in training, in the unit, 0 where there was none. score: one of SCORES.
    """

    def __init__(self, horizon: int, mean: float, std: float, naive: float, *, score: str = "mean_absolute_error") -> None:
        self.outputs = horizon
        self.mean, self.std, self.naive = mean, std, naive
        self.score = score
        self.maximise = SCORES[score]

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """output [B, H] or [B, K, H], target [B, H] standardised -> absolute error per window [B], in standard deviations.

        The absolute error, since it is what a forecast is judged by, and a few wild steps do not rule it. A window's loss is the sum over the steps that count,
        over the steps of a mean window: the mean over windows is the mean over steps.
        """
        said = widened(output)
        counts = target.isfinite()
        wanted = torch.where(counts, target, 0.0).to(said.dtype)
        error = mean_of_members((said - for_members(wanted, output)).abs(), output)
        return (error * counts).sum(1) * (len(target) / counts.sum().clamp_min(1))

    def decode(self, output: Tensor) -> dict[str, Tensor]:
        """output -> {"mean": [B, H]} in the target's unit, float64 as in `Regression.decode`."""
        value = mean_of_members(widened(output), output)
        if value.device.type != "mps":
            value = value.to(torch.float64)
        return {"mean": value * self.std + self.mean}

    def metrics(self, prediction: dict[str, np.ndarray], target: np.ndarray, weight: np.ndarray | None = None) -> dict[str, float]:
        """mean_absolute_error and root_mean_squared_error in the target's unit, and mean_absolute_scaled_error: the first over `naive`.

        Hyndman and Koehler, "Another look at measures of forecast accuracy" (2006). target [n, H] standardised.
        """
        row, step = np.nonzero(np.isfinite(target))
        error = prediction["mean"][row, step] - (target[row, step].astype(np.float64) * self.std + self.mean)
        own = None if weight is None else weight[row]
        absolute = average(np.abs(error), own)
        found = {"mean_absolute_error": absolute, "root_mean_squared_error": average(error**2, own) ** 0.5}
        return found | ({"mean_absolute_scaled_error": absolute / self.naive} if self.naive > 0 else {})

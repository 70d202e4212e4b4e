"""Several targets at once, by one network: the outputs of the parts stand side by side.

B rows, K members, O outputs, P parts.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from goodfit.base.protocols import Task
from goodfit.tasks.class_metrics import mean_defined

SCORES = {"mean_score": True}
_PARTS = {"accuracy", "r2"}  # what mean_score averages: 1 is perfect in both


class Several:
    """The task of P targets, a task for each by its name. All weigh the same in the loss.

    score: mean_score, the mean of the parts' accuracy (classes) or r2 (numbers): shares of what there is to be had, so that
    no part's unit decides; or "<name>/<metric>" of the one part that matters. maximise: whether more of it is better.
    """

    def __init__(self, parts: dict[str, Task], *, score: str = "mean_score", maximise: bool = True) -> None:
        self.parts = parts
        self.outputs = sum(part.outputs for part in parts.values())
        self.score = score
        self.maximise = maximise

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """output [B, O] or [B, K, O], target [B, P] -> the mean of the parts' losses per sample [B]."""
        losses = [part.loss(own, target[:, index]) for index, (part, own) in enumerate(self._shared(output))]
        return torch.stack(losses).mean(0)

    def decode(self, output: Tensor) -> dict[str, Tensor]:
        """output -> {"<name>/probability": [B, C], "<name>/mean": [B]}."""
        decoded = zip(self.parts, self._shared(output), strict=True)
        return {f"{name}/{key}": value for name, (part, own) in decoded for key, value in part.decode(own).items()}

    def metrics(self, prediction: dict[str, np.ndarray], target: np.ndarray, weight: np.ndarray | None = None) -> dict[str, float]:
        """ "<name>/<metric>" of every part, and mean_score; target [n, P]."""
        metrics: dict[str, float] = {}
        for index, (name, part) in enumerate(self.parts.items()):
            own = {key.removeprefix(f"{name}/"): value for key, value in prediction.items() if key.startswith(f"{name}/")}
            metrics |= {f"{name}/{key}": value for key, value in part.metrics(own, target[:, index], weight).items()}
        shares = [value for key, value in metrics.items() if key.rpartition("/")[2] in _PARTS]
        return metrics | {"mean_score": mean_defined(shares)}

    def _shared(self, output: Tensor) -> list[tuple[Task, Tensor]]:
        """Each part with its share of the outputs."""
        shares = output.split([part.outputs for part in self.parts.values()], dim=-1)
        return list(zip(self.parts.values(), shares, strict=True))

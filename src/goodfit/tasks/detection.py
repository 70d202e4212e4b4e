"""Objects in pictures: a set of boxes with classes, taught by matching it to the set of true ones (see `tasks.matching`).

B pictures, L layers, Q queries, K classes, M places for objects.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from goodfit.tasks.detection_metrics import Found, Truth, mean_average_precision
from goodfit.tasks.matching import found_objects, set_loss

SCORES = {"map": True, "map_50": True}


class Detection:
    """The task of finding objects of K classes. score: map, COCO's mean of average precisions at overlaps from 0.5 to 0.95, or map_50, at 0.5."""

    def __init__(self, classes: int, *, score: str = "map") -> None:
        self.outputs = classes + 5  # "no object" and a box beside the classes
        self.score = score
        self.maximise = SCORES[score]

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """output [B, L, Q, K + 5], target [B, M, 5] -> loss per picture [B]."""
        return set_loss(output, target)

    def decode(self, output: Tensor) -> dict[str, Tensor]:
        """output [B, L, Q, K + 5] -> {"score": [B, Q], "class": int32 [B, Q], "box": [B, Q, 4] by corners in shares of the sides}, the surest first."""
        found = found_objects(output)
        order = found["score"].argsort(dim=1, descending=True, stable=True)
        box = found["box"].gather(1, order.unsqueeze(2).expand(-1, -1, 4))
        return {"score": found["score"].gather(1, order), "class": found["class"].gather(1, order).to(torch.int32), "box": box}

    def metrics(self, prediction: dict[str, np.ndarray], target: np.ndarray, weight: np.ndarray | None = None) -> dict[str, float]:
        """map, map_50 and map_75; pictures have no weights."""
        return mean_average_precision(found_in(prediction), true_in(target))


def found_in(prediction: dict[str, np.ndarray]) -> list[Found]:
    """What was found in each picture, for `detection_metrics`."""
    return list(zip(prediction["box"], prediction["class"], prediction["score"], strict=True))


def true_in(target: np.ndarray) -> list[Truth]:
    """Targets [n, M, 5] -> boxes by corners and classes of each picture, for `detection_metrics`."""
    there = target[:, :, 0] >= 0
    half = target[:, :, 3:] / 2
    boxes = np.concatenate([target[:, :, 1:3] - half, target[:, :, 1:3] + half], 2)
    return [(own[known], kind[known].astype(np.int64)) for own, kind, known in zip(boxes, target[:, :, 0], there, strict=True)]

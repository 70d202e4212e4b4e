"""Logistic and softmax regression with a penalty on the squared weights, by L-BFGS.

n rows, F features, C classes, O outputs: 1 for two classes, else C. Logistic regression: Cox 1958; of several classes: Cox 1966, Theil 1969.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from goodfit.optim.convex.lbfgs import minimise
from goodfit.optim.convex.solution import Solution, Stop

TOLERANCE = 1e-8  # of the gradient, over that at 0


def logistic(
    x: Tensor,
    codes: Tensor,
    classes: int,
    *,
    penalty: float,
    weight: Tensor | None = None,
    tolerance: float = TOLERANCE,
    stop: Stop | None = None,
) -> Solution:
    """Minimises sum_i weight_i (nats of row i) + penalty |w|^2 / 2: scikit-learn's LogisticRegression(C=1/penalty), softmax for more than two classes.

    x: float64 [n, F]. codes: int64 [n] from 0 to classes - 1. penalty: at least 0; without one, classes that a plane parts have no optimum, and the steps end somewhere
    on the way to infinity. Intercepts are not penalised. gap: the largest entry of the gradient over that at 0.
    """
    features, outputs = x.shape[1], 1 if classes == 2 else classes
    sign = codes.to(x.dtype) * 2 - 1

    def objective(p: Tensor) -> tuple[Tensor, Tensor]:
        w, b = split(p, outputs, features)
        out = x @ w.T + b  # n O
        if outputs == 1:
            losses, pull = F.softplus(-sign * out[:, 0]), (-sign * torch.sigmoid(-sign * out[:, 0])).unsqueeze(1)
        else:
            losses = F.cross_entropy(out, codes, reduction="none")
            pull = torch.softmax(out, 1)
            pull[torch.arange(len(codes)), codes] -= 1
        losses, pull = (losses, pull) if weight is None else (losses * weight, pull * weight.unsqueeze(1))
        value = losses.sum() + penalty / 2 * w.square().sum()
        return value, torch.cat([(pull.T @ x + penalty * w).flatten(), pull.sum(0)])

    p, steps, gap = minimise(objective, torch.zeros(outputs * (features + 1), dtype=x.dtype), tolerance=tolerance, stop=stop)
    w, b = split(p, outputs, features)
    return Solution(w, b, steps, gap, gap <= tolerance)


def split(p: Tensor, outputs: int, features: int) -> tuple[Tensor, Tensor]:
    """Parameters [O F + O] -> weight [O, F], bias [O]."""
    return p[: outputs * features].view(outputs, features), p[outputs * features :]

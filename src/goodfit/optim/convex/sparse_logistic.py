"""Logistic and softmax regression with a penalty on the absolute weights, by accelerated proximal gradient.

n rows, F features, C classes, O outputs. FISTA: Beck and Teboulle, "A fast iterative shrinkage-thresholding algorithm" (2009); the restart of its momentum where it points
uphill: O'Donoghue and Candes, "Adaptive restart for accelerated gradient schemes" (2015).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from goodfit.optim.convex.logistic import split
from goodfit.optim.convex.solution import Solution, Stop, until

TOLERANCE = 1e-7  # of the step that a gradient step and shrinking make, over the first one
STEPS = 100_000


def sparse_logistic(
    x: Tensor,
    codes: Tensor,
    classes: int,
    *,
    penalty: float,
    weight: Tensor | None = None,
    tolerance: float = TOLERANCE,
    stop: Stop | None = None,
) -> Solution:
    """Minimises sum_i weight_i (nats of row i) / sum weight + penalty |w|_1: scikit-learn's LogisticRegression(l1_ratio=1, C=1/(n penalty)).

    x: float64 [n, F]. codes: int64 [n]. penalty: above 0. Intercepts are not penalised. gap: the length of the proximal gradient, over that at 0.
    """
    stop = stop or until(None)
    features, outputs = x.shape[1], 1 if classes == 2 else classes
    own = torch.ones(len(x), dtype=x.dtype) if weight is None else weight
    share = own / own.sum()
    sign = codes.to(x.dtype) * 2 - 1
    hot = F.one_hot(codes, classes).to(x.dtype) if outputs > 1 else None

    def gradient(p: Tensor) -> Tensor:
        w, b = split(p, outputs, features)
        out = x @ w.T + b
        pull = torch.softmax(out, 1) - hot if hot is not None else (-sign * torch.sigmoid(-sign * out[:, 0])).unsqueeze(1)
        pull = pull * share.unsqueeze(1)
        return torch.cat([(pull.T @ x).flatten(), pull.sum(0)])

    # The curvature of a row's nats is at most 1/4 (two classes) and 1/2 (more); that of the mean, times the largest eigenvalue of [x 1]^T [x 1].
    wide = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], 1)
    bound = (0.25 if outputs == 1 else 0.5) * float(torch.linalg.eigvalsh((wide * share.unsqueeze(1)).T @ wide)[-1])
    rate = 1 / max(bound, 1e-12)
    shrunk = torch.cat([torch.full((outputs * features,), rate * penalty, dtype=x.dtype), torch.zeros(outputs, dtype=x.dtype)])
    p = ahead = torch.zeros(outputs * (features + 1), dtype=x.dtype)
    momentum, first, size, step = 1.0, 0.0, 1.0, 0
    while step < STEPS and not stop():
        moved = ahead - rate * gradient(ahead)
        new = moved.sign() * (moved.abs() - shrunk).clamp_min(0)
        size = float((new - ahead).abs().max())
        first = first or size
        step += 1
        if size <= tolerance * first:
            p = new
            break
        if float((ahead - new) @ (new - p)) > 0:  # uphill: forget the momentum
            momentum, ahead = 1.0, p
            continue
        faster = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        ahead = new + (momentum - 1) / faster * (new - p)
        p, momentum = new, faster
    w, b = split(p, outputs, features)
    gap = size / first if first else 0.0
    return Solution(w, b, step, gap, gap <= tolerance)

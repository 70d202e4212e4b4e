"""Least squares with a penalty on the absolute weights, by coordinate descent on the Gram matrix.

n rows, F features. Lasso: Tibshirani 1996. Coordinate descent: Friedman, Hastie and Tibshirani, "Regularization paths for generalized linear models via coordinate
descent" (2010). Duality gap: Kim, Koh, Lustig, Boyd and Gorinevsky, "An interior-point method for large-scale l1-regularized least squares" (2007).
"""

from __future__ import annotations

import torch
from torch import Tensor

from goodfit.optim.convex.solution import Solution, Stop, until

TOLERANCE = 1e-9  # of the duality gap, over the objective at w = 0: weights are then right to about its root
SWEEPS = 10_000  # at most; collinear columns need thousands
_CHECK = 10  # sweeps between looks at the gap, which costs as much as a sweep


def lasso(
    x: Tensor, y: Tensor, *, penalty: float, weight: Tensor | None = None, tolerance: float = TOLERANCE, stop: Stop | None = None
) -> Solution:
    """Minimises sum_i weight_i (y_i - x_i w - b)^2 / (2 sum weight) + penalty |w|_1: scikit-learn's Lasso(alpha=penalty).

    x: float64 [n, F]. y: float64 [n]. penalty: above 0. The intercept is not penalised. gap: the duality gap over the objective at w = 0.
    """
    stop = stop or until(None)
    own = torch.ones_like(y) if weight is None else weight
    share = own / own.sum()
    mean_x, mean_y = share @ x, share @ y
    root = share.sqrt()
    a, b = (x - mean_x) * root.unsqueeze(1), (y - mean_y) * root
    gram, wanted = a.T @ a, a.T @ b  # F F, F
    w, start = torch.zeros(x.shape[1], dtype=x.dtype), float(b @ b / 2)
    gap, sweeps = _gap(a, b, w, penalty), 0
    scales = gram.diagonal().tolist()
    while sweeps < SWEEPS and gap > tolerance * start and not stop():
        for _ in range(_CHECK):
            pull = wanted - gram @ w  # F, the negative gradient of the squares; kept up to date below
            for j, scale in enumerate(scales):
                if scale == 0:
                    continue
                old = float(w[j])
                along = float(pull[j]) + scale * old
                new = max(abs(along) - penalty, 0.0) * (1 if along > 0 else -1) / scale
                if new != old:
                    pull.sub_(gram[j], alpha=new - old)
                    w[j] = new
            sweeps += 1
        gap = _gap(a, b, w, penalty)
    relative = gap / start if start > 0 else 0.0
    return Solution(w.unsqueeze(0), (mean_y - mean_x @ w).unsqueeze(0), sweeps, relative, relative <= tolerance)


def _gap(a: Tensor, b: Tensor, w: Tensor, penalty: float) -> float:
    """The objective minus that of the dual at the residual, made feasible: |a^T r| at most `penalty`."""
    r = b - a @ w
    largest = float((a.T @ r).abs().max()) if a.shape[1] else 0.0
    scale = min(1.0, penalty / largest) if largest > 0 else 1.0
    primal = float(r @ r) / 2 + penalty * float(w.abs().sum())
    dual = scale * float(r @ b) - scale**2 * float(r @ r) / 2
    return primal - dual

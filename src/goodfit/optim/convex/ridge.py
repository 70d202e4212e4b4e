"""Least squares, with or without a penalty on the squared weights, in closed form.

n rows, F features. Least squares: Legendre 1805. Ridge: Hoerl and Kennard, "Ridge regression" (1970).
"""

from __future__ import annotations

import torch
from torch import Tensor

from goodfit.optim.convex.solution import Solution


def ridge(x: Tensor, y: Tensor, *, penalty: float, weight: Tensor | None = None) -> Solution:
    """Minimises sum_i weight_i (y_i - x_i w - b)^2 + penalty |w|^2: scikit-learn's Ridge(alpha=penalty), LinearRegression where penalty is 0.

    x: float64 [n, F]. y: float64 [n]. penalty: at least 0. weight: [n], not negative, or None. The intercept b is not penalised: it makes the
    residuals' weighted mean 0, so that x and y are centred first. Without a penalty, where columns depend on each other, the smallest of the best w, by the singular
    values. gap: the norm of the gradient over that at w = 0.

    >>> found = ridge(torch.tensor([[0.0], [1.0], [2.0]]).double(), torch.tensor([1.0, 3.0, 5.0]).double(), penalty=0.0)
    >>> round(found.weight.item(), 6), round(found.bias.item(), 6)
    (2.0, 1.0)
    """
    own = torch.ones_like(y) if weight is None else weight
    total = own.sum()
    mean_x, mean_y = (own @ x) / total, (own @ y) / total
    root = own.sqrt()
    a, b = (x - mean_x) * root.unsqueeze(1), (y - mean_y) * root  # n F, n
    if penalty > 0 and a.shape[1] <= a.shape[0]:
        w = torch.cholesky_solve((a.T @ b).unsqueeze(1), torch.linalg.cholesky(a.T @ a + penalty * torch.eye(a.shape[1], dtype=a.dtype)))
        w = w.squeeze(1)
    elif penalty > 0:  # (a^T a + p I)^-1 a^T = a^T (a a^T + p I)^-1, the smaller system of the two
        w = a.T @ torch.cholesky_solve(
            b.unsqueeze(1), torch.linalg.cholesky(a @ a.T + penalty * torch.eye(a.shape[0], dtype=a.dtype))
        ).squeeze(1)
    else:
        u, s, vh = torch.linalg.svd(a, full_matrices=False)
        kept = s > max(a.shape) * torch.finfo(a.dtype).eps * s.max().clamp_min(torch.finfo(a.dtype).tiny)
        w = vh[kept].T @ ((u[:, kept].T @ b) / s[kept])
    gradient = a.T @ (a @ w - b) + penalty * w
    gap = float(gradient.norm() / (a.T @ b).norm().clamp_min(torch.finfo(a.dtype).tiny))
    return Solution(w.unsqueeze(0), (mean_y - mean_x @ w).unsqueeze(0), 1, gap, True)

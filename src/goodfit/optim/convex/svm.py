"""Linear support vector machines for classes and for numbers.

n rows, F features, O outputs. Hinge: Cortes and Vapnik, "Support-vector networks" (1995). Insensitive: Drucker et al., "Support vector regression machines" (1996). Squared hinge:
Chang, Hsieh and Lin, "Coordinate descent method for large-scale L2-loss linear SVM" (2008).
"""

from __future__ import annotations

import torch
from torch import Tensor

from goodfit.optim.convex.box_qp import box_qp
from goodfit.optim.convex.lbfgs import minimise
from goodfit.optim.convex.logistic import split
from goodfit.optim.convex.solution import Solution, Stop

TOLERANCE = 1e-7  # of the duality gap, of the squared hinge of the gradient: weights are then right to four digits and more


def svm(
    x: Tensor, codes: Tensor, classes: int, *, penalty: float, squared: bool = False, free: bool = True, weight: Tensor | None = None,
    tolerance: float = TOLERANCE, stop: Stop | None = None,
) -> Solution:  # fmt: skip
    """Minimises, for each class against the rest, sum_i weight_i max(0, 1 - y_i (x_i w + b)) + penalty |w|^2 / 2 with y_i of 1 and -1.

    Of two classes there is one output, for the second. scikit-learn's SVC(kernel="linear", C=1/penalty) for two classes; with `squared` (the hinge is squared) and without `free`
    (b is penalised as a weight is) LinearSVC(C=1/penalty), and LinearSVC(loss="hinge") without `squared`.

    x: float64 [n, F]. codes: int64 [n] from 0. penalty: above 0. gap: the largest of the classes', of the duality gap over the objective, or of the gradient over that at 0.
    """
    found = []
    for label in [1] if classes == 2 else range(classes):
        y = torch.where(codes == label, 1.0, -1.0).to(x.dtype)
        solve = _squared if squared else _hinge
        found.append(solve(x, y, penalty, free, weight, tolerance, stop))
    gap = max(one.gap for one in found)
    return Solution(
        torch.cat([one.weight for one in found]), torch.cat([one.bias for one in found]), sum(one.steps for one in found), gap, gap <= tolerance
    )  # fmt: skip


def svr(
    x: Tensor,
    y: Tensor,
    *,
    penalty: float,
    epsilon: float = 0.1,
    weight: Tensor | None = None,
    tolerance: float = TOLERANCE,
    stop: Stop | None = None,
) -> Solution:
    """Minimises sum_i weight_i max(0, |y_i - x_i w - b| - epsilon) + penalty |w|^2 / 2: scikit-learn's SVR(kernel="linear", C=1/penalty, epsilon=epsilon).

    x: float64 [n, F]. y: float64 [n]. epsilon: what an error may be without costing anything, in y's unit; 0.1 is scikit-learn's. The intercept is not penalised.
    """
    own = torch.ones_like(y) if weight is None else weight
    kept = own > 0
    x, y, own = x[kept], y[kept], own[kept]
    sign = torch.cat([torch.ones_like(y), -torch.ones_like(y)])  # too low, too high
    z = torch.cat([x, -x]) / penalty**0.5
    found = box_qp(z, torch.cat([epsilon - y, epsilon + y]), torch.cat([own, own]), sign, tolerance=tolerance, stop=stop)
    w = z.T @ found.alpha / penalty**0.5
    return Solution(w.unsqueeze(0), torch.tensor([found.multiplier], dtype=x.dtype), found.steps, found.gap, found.gap <= tolerance)


def _hinge(x: Tensor, y: Tensor, penalty: float, free: bool, weight: Tensor | None, tolerance: float, stop: Stop | None) -> Solution:
    """By the dual: alpha_i of 0 to weight_i, w = sum_i alpha_i y_i x_i / penalty; b is the multiplier of sum_i alpha_i y_i = 0."""
    own = torch.ones_like(y) if weight is None else weight
    kept = own > 0
    x, y, own = x[kept], y[kept], own[kept]
    wide = x if free else torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], 1)
    z = wide * y.unsqueeze(1) / penalty**0.5
    found = box_qp(z, -torch.ones_like(y), own, y if free else None, tolerance=tolerance, stop=stop)
    w = z.T @ found.alpha / penalty**0.5
    w, b = (w, torch.tensor([found.multiplier], dtype=x.dtype)) if free else (w[:-1], w[-1:])
    return Solution(w.unsqueeze(0), b, found.steps, found.gap, found.gap <= tolerance)


def _squared(x: Tensor, y: Tensor, penalty: float, free: bool, weight: Tensor | None, tolerance: float, stop: Stop | None) -> Solution:
    features = x.shape[1]

    def objective(p: Tensor) -> tuple[Tensor, Tensor]:
        w, b = split(p, 1, features)
        short = (1 - y * (x @ w[0] + b)).clamp_min(0)
        pull = -2 * short * y
        losses, pull = (short.square(), pull) if weight is None else (weight * short.square(), weight * pull)
        value = losses.sum() + penalty / 2 * (w.square().sum() + (0.0 if free else b.square().sum()))
        return value, torch.cat([pull @ x + penalty * w[0], (pull.sum() + (0.0 if free else penalty * b[0])).view(1)])

    p, steps, gap = minimise(objective, torch.zeros(features + 1, dtype=x.dtype), tolerance=tolerance, stop=stop)
    w, b = split(p, 1, features)
    return Solution(w, b, steps, gap, gap <= tolerance)

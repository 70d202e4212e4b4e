"""Quadratic programmes of support vector machines, by an interior point method.

n variables, F columns. Mehrotra's predictor and corrector, "On the implementation of a primal-dual interior point method" (1992), on the dual, whose matrix has the rank of the few columns:
Fine and Scheinberg, "Efficient SVM training using low-rank kernel representations" (2001). Twenty to forty steps of n F^2 multiplications, whatever the penalty.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from goodfit.optim.convex.solution import Stop, until

STEPS = 200
_INSIDE = 0.995  # of the way to the nearest bound that a step goes


@dataclass(frozen=True)
class Optimum:
    """alpha: [n]. multiplier: of the equality, 0 where there is none. gap: the duality gap over 1 plus the objective's size."""

    alpha: Tensor
    multiplier: float
    steps: int
    gap: float


@dataclass(frozen=True)
class _Point:
    """alpha and room = upper - alpha, [n], above 0; low and high, [n], above 0, the multipliers of the two bounds; that of the equality."""

    alpha: Tensor
    room: Tensor
    low: Tensor
    high: Tensor
    multiplier: float

    @property
    def complementarity(self) -> float:
        return float(self.alpha @ self.low + self.room @ self.high)

    def moved(self, step: _Point, far: float) -> _Point:
        return _Point(
            self.alpha + far * step.alpha, self.room + far * step.room, self.low + far * step.low, self.high + far * step.high,
            self.multiplier + far * step.multiplier,
        )  # fmt: skip

    def furthest(self, step: _Point) -> float:
        """The largest step of at most 1 / _INSIDE that keeps everything above 0."""
        pairs = ((self.alpha, step.alpha), (self.room, step.room), (self.low, step.low), (self.high, step.high))
        return min(1 / _INSIDE, *(float(torch.where(move < 0, -value / move, float("inf")).min()) for value, move in pairs))


class _Newton:
    """Newton's equations at a point, factored once and solved for several right sides.

    dual, equal: what the point lacks in stationarity [n] and in a^T alpha = 0.
    """

    def __init__(self, z: Tensor, a: Tensor | None, point: _Point, dual: Tensor, equal: float) -> None:
        self._z, self._a, self._point, self._dual, self._equal = z, a, point, dual, equal
        self._d = point.low / point.alpha + point.high / point.room
        self._scaled = z / self._d.unsqueeze(1)  # n F
        self._factor, info = torch.linalg.cholesky_ex(torch.eye(z.shape[1], dtype=z.dtype) + z.T @ self._scaled)
        self.sound = not int(info)
        self._turned = self._solved(a) if a is not None else None

    def _solved(self, right: Tensor) -> Tensor:
        """(z z^T + diag(d))^-1 right, by Woodbury's identity, and once more for what rounding left: near the end, d spans twenty powers of ten."""
        first = self._woodbury(right)
        return first + self._woodbury(right - self._z @ (self._z.T @ first) - self._d * first)

    def _woodbury(self, right: Tensor) -> Tensor:
        inner = torch.cholesky_solve((self._scaled.T @ right).unsqueeze(1), self._factor).squeeze(1)
        return right / self._d - self._scaled @ inner

    def step(self, below: Tensor | float, above: Tensor | float) -> _Point:
        """Towards alpha low = below and room high = above."""
        at = self._point
        low, high = below - at.alpha * at.low, above - at.room * at.high
        move, along = self._solved(low / at.alpha - high / at.room - self._dual), 0.0
        if self._a is not None and self._turned is not None:
            along = (float(self._a @ move) + self._equal) / float(self._a @ self._turned)
            move = move - along * self._turned
        return _Point(move, -move, (low - at.low * move) / at.alpha, (high + at.high * move) / at.room, along)


def box_qp(z: Tensor, p: Tensor, upper: Tensor, a: Tensor | None, *, tolerance: float, stop: Stop | None = None) -> Optimum:
    """Minimises |z^T alpha|^2 / 2 + p^T alpha for 0 <= alpha <= upper, and a^T alpha = 0 where a is given.

    z: float64 [n, F]. p, a: [n]. upper: [n], above 0. Ends where the duality gap and all residuals are below `tolerance`.
    """
    stop = stop or until(None)
    n = len(p)
    start = torch.full((n,), max(1.0, float(p.abs().max())), dtype=z.dtype)
    point = _Point(upper / 2, upper / 2, start, start, 0.0)
    best = Optimum(point.alpha, 0.0, 0, math.inf)
    for step in range(STEPS):
        curved = z @ (z.T @ point.alpha)
        dual = curved + p - point.low + point.high + (point.multiplier * a if a is not None else 0.0)
        equal = float(a @ point.alpha) if a is not None else 0.0
        size = 1 + abs(float(point.alpha @ curved) / 2 + float(p @ point.alpha))
        gap = max(point.complementarity, float(dual.abs() @ upper), abs(equal)) / size
        if gap < best.gap:
            best = Optimum(point.alpha, point.multiplier, step, gap)
        if gap <= tolerance or not math.isfinite(gap) or stop():
            break
        newton = _Newton(z, a, point, dual, equal)
        if not newton.sound:
            break
        straight = newton.step(0.0, 0.0)  # how far the bounds let a step go that does not care for the middle
        after = point.moved(straight, min(1.0, point.furthest(straight))).complementarity
        centre = (after / point.complementarity) ** 3 * point.complementarity / (2 * n)
        towards = newton.step(centre - straight.alpha * straight.low, centre - straight.room * straight.high)
        point = point.moved(towards, _INSIDE * point.furthest(towards))
    return best
